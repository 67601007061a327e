//! The lanes of a registry's members, read in turn: what an inbox and a server have in common.
//!
//! A lane that is *hot* is looked at each time. One that has been found empty often enough cools down: it then sleeps on the
//! selector's bell, and costs nothing until its writer rings. So a reader with hundreds of lanes pays for those in use.

use crate::endpoint::{poll, spin_until};
use crate::group::{Group, Silent};
use crate::registry::{Member, Registry};
use crate::segment::{PeerState, Way};
use crate::selector::{EventKind, Selector};
use crate::wait::SLICE;
use crate::{Error, Interest, KrenReader, Result};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Messages from one lane before the next one has its turn.
const BURST: u32 = 32;
/// Times that a hot lane is found empty before it cools down, if it is not the last one that is hot.
const COOL: u32 = 256;
/// How long a blocking call polls before it sleeps, unless it never does.
const SPIN: Duration = Duration::from_micros(20);
/// The selector's key for the registry itself; lanes have the numbers of their seats, which start from 1.
const REGISTRY: u64 = 0;
/// A group's key for what else is waited for.
const BESIDES: u64 = u64::MAX;
/// A group's key for what nobody tells of.
const UNTOLD: u64 = u64::MAX - 1;

/// One lane.
pub(crate) struct Lane {
    pub(crate) member: Member,
    pub(crate) reader: KrenReader,
    /// The process on the other side, when it joined.
    pub(crate) pid: u32,
    /// Times it was found empty since it had something.
    empty: u32,
    is_hot: bool,
}

/// When something was last looked at that nobody tells of: the end of one who had not come to its lane yet, or that a lane is free.
/// Whoever waits for these lanes sees it as well.
#[derive(Clone, Default)]
struct Untold(Arc<Mutex<Option<Instant>>>);

impl Untold {
    /// There is something, which was looked at now; or nothing any more.
    fn set(&self, is_there: bool) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = is_there.then(Instant::now);
    }

    fn is_due(&self) -> bool {
        let looked = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        looked.is_some_and(|looked| looked.elapsed() >= SLICE)
    }
}

/// Since when is waited, and for how long at most.
#[derive(Clone, Copy)]
struct Within {
    start: Instant,
    timeout: Option<Duration>,
}

/// A member that is gone, and from which nothing more comes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gone {
    pub(crate) member: Member,
    pub(crate) pid: u32,
    pub(crate) died: bool,
}

pub(crate) struct Lanes {
    // Before the registry's seat: the lanes are closed when it is given back.
    lanes: Vec<Option<Lane>>,
    /// The numbers of the seats whose lanes are hot, in turn.
    hot: VecDeque<usize>,
    /// Messages that the first of them has given in this turn.
    burst: u32,
    gone: VecDeque<Gone>,
    /// The last session at each seat that is over. Its lane may stand a moment longer, until its writer is off it.
    over: Vec<u32>,
    /// Lanes in whose pages no writer has been yet. If its maker has died on the way, its seat alone tells.
    unborn: Vec<usize>,
    /// Somebody else held a lane, who looked whether it was waste (I3).
    is_denied: bool,
    untold: Untold,
    selector: Selector,
    /// In which the ends are instead of in the selector, once somebody else waits for them: all lanes are hot then.
    away: Option<Group>,
    pub(crate) registry: Registry,
}

impl Lanes {
    /// Every lane that there is, for the owner of `registry`.
    pub(crate) fn new(registry: Registry) -> Result<Self> {
        let seats = registry.endpoint().mapping().geometry().seats();
        let mut selector = Selector::new()?;
        selector.add(REGISTRY, registry.changes()?)?;
        let mut lanes = Self {
            lanes: (0..seats).map(|_| None).collect(),
            hot: VecDeque::new(),
            burst: 0,
            gone: VecDeque::new(),
            over: vec![0; seats],
            unborn: Vec::new(),
            is_denied: false,
            untold: Untold::default(),
            selector,
            away: None,
            registry,
        };
        lanes.refresh()?;
        Ok(lanes)
    }

    /// Looks for members that have come.
    fn refresh(&mut self) -> Result<()> {
        // Before the look: what changes after it is seen the next time.
        self.registry.look_over();
        self.is_denied = false;
        let members: Vec<Member> = self.registry.members().collect();
        for member in members {
            let number = member.seat.number();
            if self.lanes[number].is_some() || self.over[number] == member.session {
                continue;
            }
            let found =
                self.registry
                    .lane_reader(member, Way::Forth, Some(Duration::ZERO), &mut || Ok(()));
            match found {
                Ok(reader) => self.add(member, reader)?,
                // Not made yet, or read to its end.
                Err(Error::NotFound { .. }) => {}
                // By who takes the seat anew, for a moment; or something of it is lent out here, by a predecessor of this process.
                Err(Error::ReaderExists { .. }) => self.is_denied = true,
                Err(error) => return Err(error),
            }
        }
        self.untold.set(self.has_untold());
        Ok(())
    }

    /// Whether there is something to be looked at now and then.
    fn has_untold(&self) -> bool {
        self.is_denied || !self.unborn.is_empty()
    }

    /// Looks at it, where it is time to.
    fn tend(&mut self) -> Result<()> {
        let is_due = self.untold.is_due();
        if is_due && self.is_denied {
            self.refresh()?;
        }
        self.tend_unborn();
        if is_due || !self.has_untold() {
            self.untold.set(self.has_untold());
        }
        Ok(())
    }

    fn add(&mut self, member: Member, reader: KrenReader) -> Result<()> {
        let number = member.seat.number();
        match &self.away {
            Some(group) => group.add(number as u64, reader.readable()?)?,
            None => self.selector.add(number as u64, reader.readable()?)?,
        }
        if reader.writer_state() == PeerState::NeverAttached {
            self.unborn.push(number);
        }
        self.lanes[number] = Some(Lane {
            pid: self.registry.pid_of(member),
            member,
            reader,
            empty: 0,
            is_hot: true,
        });
        self.hot.push_back(number);
        Ok(())
    }

    /// Lets go of lanes whose makers died before they had come to them.
    fn tend_unborn(&mut self) {
        for number in std::mem::take(&mut self.unborn) {
            let Some(lane) = &self.lanes[number] else {
                continue;
            };
            if lane.reader.writer_state() != PeerState::NeverAttached {
                continue;
            }
            match self.registry.state_of(lane.member) {
                PeerState::Attached => self.unborn.push(number),
                _ => self.remove(number),
            }
        }
    }

    /// The lane that has a message and whose turn it is.
    pub(crate) fn next(&mut self) -> Result<Option<usize>> {
        self.registry.endpoint().check_process()?;
        if self.registry.has_changed() {
            self.refresh()?;
        }
        if self.selector.is_rung() {
            self.collect(Some(Duration::ZERO), &mut || Ok(()))?;
        }
        if self.has_untold() {
            self.tend()?;
        }
        if self.hot.len() == 1 && self.away.is_none() {
            return Ok(self.only_hot());
        }
        self.next_in_turn()
    }

    /// The lane that alone is hot, if it has a message.
    #[inline]
    fn only_hot(&self) -> Option<usize> {
        let number = self.hot[0];
        let lane = self.lanes[number].as_ref().expect("a hot lane is there");
        (!lane.reader.awaits_message()).then_some(number)
    }

    fn next_in_turn(&mut self) -> Result<Option<usize>> {
        let mut has_cooled = false;
        for _ in 0..self.hot.len() {
            let number = self.hot[0];
            let lane = self.lanes[number].as_mut().expect("a hot lane is there");
            if !lane.reader.awaits_message() {
                lane.empty = 0;
                if self.burst < BURST || self.hot.len() == 1 {
                    self.burst += 1;
                    return Ok(Some(number));
                }
            } else {
                lane.empty += 1;
            }
            self.burst = 0;
            self.hot.rotate_left(1);
            // The last one is not worth it: while it alone is in use, each message would have to ring.
            if lane.empty > COOL && self.hot.len() > 1 && self.away.is_none() {
                lane.is_hot = false;
                self.hot.pop_back();
                has_cooled = true;
            }
        }
        // All have had their turn: the first one that has something begins anew.
        if let Some(number) = self.hot.front().copied()
            && self.lanes[number]
                .as_ref()
                .is_some_and(|lane| lane.reader.has_message())
        {
            self.burst = 1;
            return Ok(Some(number));
        }
        if let Some(group) = &self.away {
            for key in group.gone() {
                self.remove_if_empty(key);
            }
        }
        if has_cooled {
            // From now on these ring.
            self.selector.announce();
        }
        Ok(None)
    }

    pub(crate) fn lane(&mut self, number: usize) -> &mut Lane {
        self.lanes[number].as_mut().expect("a lane that was found")
    }

    /// The lanes that there are.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Lane> {
        self.lanes.iter().flatten()
    }

    /// A member that has gone, once all it had committed was read.
    pub(crate) fn take_gone(&mut self) -> Option<Gone> {
        self.gone.pop_front()
    }

    /// Waits until `next` finds something, a member has gone, or `timeout` is over.
    ///
    /// The parameters are those of [`KrenReader::wait_readable`].
    pub(crate) fn wait(
        &mut self,
        timeout: Option<Duration>,
        check: &mut dyn FnMut() -> Result<()>,
    ) -> Result<usize> {
        if let Some(number) = self.next()? {
            return Ok(number);
        }
        if timeout == Some(Duration::ZERO) {
            return Err(self.timed_out(Duration::ZERO));
        }
        let endpoint = self.registry.endpoint();
        let (spins, never_sleeps) = (endpoint.spins(), endpoint.never_sleeps());
        // Before the clock, which takes longer than a look.
        if spins && let Some(number) = self.look_while(poll)? {
            return Ok(number);
        }
        let within = Within {
            start: Instant::now(),
            timeout,
        };
        match never_sleeps {
            true => self.wait_awake(within, check),
            false => self.wait_asleep(within, spins, check),
        }
    }

    fn wait_awake(
        &mut self,
        within: Within,
        check: &mut dyn FnMut() -> Result<()>,
    ) -> Result<usize> {
        self.come_back()?;
        loop {
            let now = Instant::now();
            self.selector.ask(now);
            let left = self.left(within)?;
            let end = now + left.map_or(SLICE, |left| left.min(SLICE));
            if let Some(number) = self.look_while(|ready| spin_until(end, true, ready))? {
                return Ok(number);
            }
            check()?;
        }
    }

    fn wait_asleep(
        &mut self,
        within: Within,
        spins: bool,
        check: &mut dyn FnMut() -> Result<()>,
    ) -> Result<usize> {
        let end = within.start + within.timeout.map_or(SPIN, |timeout| timeout.min(SPIN));
        if spins && let Some(number) = self.look_while(|ready| spin_until(end, false, ready))? {
            return Ok(number);
        }
        loop {
            let left = self.left(within)?;
            self.come_back()?;
            let slice = match self.has_untold() {
                true => Some(left.map_or(SLICE, |left| left.min(SLICE))),
                false => left,
            };
            self.collect(slice, check)?;
            if let Some(number) = self.next()? {
                return Ok(number);
            }
        }
    }

    /// What is left of the time to wait.
    fn left(&self, Within { start, timeout }: Within) -> Result<Option<Duration>> {
        let Some(timeout) = timeout else {
            return Ok(None);
        };
        match timeout.saturating_sub(start.elapsed()) {
            Duration::ZERO => Err(self.timed_out(timeout)),
            left => Ok(Some(left)),
        }
    }

    /// Looks again and again until `polling` has had enough.
    fn look_while(
        &mut self,
        polling: impl FnOnce(&mut dyn FnMut() -> bool) -> bool,
    ) -> Result<Option<usize>> {
        let mut found = Ok(None);
        polling(&mut || {
            found = self.next();
            !matches!(found, Ok(None))
        });
        found
    }

    #[cold]
    fn timed_out(&self, after: Duration) -> Error {
        Error::TimedOut {
            channel: Arc::clone(self.registry.name()),
            what: "message",
            after,
        }
    }

    /// That `next` finds something, or a member has gone, for somebody else to wait for.
    ///
    /// The ends are that one's from now on, until a call of `wait` has to wait. `besides` is what else its owner waits for.
    pub(crate) fn interest(
        &mut self,
        besides: impl FnOnce() -> Option<Interest>,
    ) -> Result<Interest> {
        self.registry.endpoint().check_process()?;
        if let Some(group) = &self.away {
            return Ok(group.interest());
        }
        let group = Group::new(self.registry.name());
        self.selector.remove(REGISTRY);
        group.add(REGISTRY, self.registry.changes()?)?;
        let untold = self.untold.clone();
        let is_due = move || untold.is_due();
        group.add(UNTOLD, Silent::interest(self.registry.name(), is_due))?;
        if let Some(interest) = besides() {
            group.add(BESIDES, interest)?;
        }
        self.hot.clear();
        for (number, lane) in self.lanes.iter_mut().enumerate() {
            if let Some(lane) = lane {
                self.selector.remove(number as u64);
                group.add(number as u64, lane.reader.readable()?)?;
                lane.is_hot = true;
                self.hot.push_back(number);
            }
        }
        Ok(self.away.insert(group).interest())
    }

    /// Takes the ends back from who waited for them.
    fn come_back(&mut self) -> Result<()> {
        let Some(group) = self.away.take() else {
            return Ok(());
        };
        if group.is_awaited() {
            self.away = Some(group);
            return Err(Error::Busy {
                channel: Arc::clone(self.registry.name()),
            });
        }
        self.selector.add(REGISTRY, self.registry.changes()?)?;
        for lane in self.lanes.iter().flatten() {
            let key = lane.member.seat.number() as u64;
            self.selector.add(key, lane.reader.readable()?)?;
        }
        Ok(())
    }

    /// Sleeps until something is rung for, and sees to it.
    fn collect(
        &mut self,
        timeout: Option<Duration>,
        check: &mut dyn FnMut() -> Result<()>,
    ) -> Result<()> {
        for event in self.selector.wait_checking(timeout, check)? {
            if event.key == REGISTRY {
                self.refresh()?;
                continue;
            }
            if event.kind == EventKind::Gone && self.remove_if_empty(event.key) {
                continue;
            }
            let number = usize::try_from(event.key).unwrap_or(0);
            let Some(Some(lane)) = self.lanes.get_mut(number) else {
                continue;
            };
            if !lane.is_hot {
                lane.is_hot = true;
                lane.empty = 0;
                self.hot.push_back(number);
            }
        }
        Ok(())
    }

    /// Lets go of a lane whose writer is gone, if nothing is left there.
    fn remove_if_empty(&mut self, key: u64) -> bool {
        let number = usize::try_from(key).unwrap_or(0);
        let lane = self.lanes.get(number).and_then(Option::as_ref);
        let is_empty = lane.is_some_and(|lane| !lane.reader.has_message());
        if is_empty {
            self.remove(number);
        }
        is_empty
    }

    /// Lets go of a lane whose writer is gone and in which nothing is left; its name goes with it.
    fn remove(&mut self, number: usize) {
        self.selector.remove(number as u64);
        if let Some(group) = &self.away {
            group.remove(number as u64);
        }
        self.hot.retain(|hot| *hot != number);
        let Some(lane) = self.lanes[number].take() else {
            return;
        };
        self.over[number] = lane.member.session;
        // Who goes on from a lane may have come while this side was still on it (I7).
        self.registry.look_again();
        self.gone.push_back(Gone {
            member: lane.member,
            pid: lane.pid,
            died: lane.reader.writer_state() != PeerState::Closed,
        });
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::KrenInbox;
    use crate::layout::{Kind, STATE_NEVER, Seat};
    use crate::registry::Plan;
    use std::sync::atomic::Ordering;

    /// P8: a sender that is just leaving, its lane not given back yet, is told of once.
    #[test]
    fn a_sender_on_its_way_out() {
        let name = format!("on-its-way-out-{}", std::process::id());
        let mut inbox = KrenInbox::create(&name, 4096).unwrap();
        let mut sender = Registry::join(&name, &Plan::new(Kind::Inbox), &mut || Ok(())).unwrap();
        let lane = sender.lane_writer(sender.own_member(), Way::Forth).unwrap();
        sender.tell();
        assert!(inbox.try_read().unwrap().is_none());
        // The first half of a close.
        lane.endpoint.announce_closed();
        let nothing = inbox.read_timeout(Duration::from_millis(1)).unwrap_err();
        assert!(matches!(nothing, Error::TimedOut { .. }), "{nothing}");
        assert_eq!(inbox.departures().len(), 1);
        sender.tell();
        assert!(inbox.try_read().unwrap().is_none());
        assert_eq!((inbox.senders().len(), inbox.departures().len()), (0, 0));
    }

    /// P7, I3: a lane that somebody else holds for a moment, as who takes a seat anew does, is read when it is free, which nobody tells.
    #[test]
    fn a_lane_that_is_looked_at() {
        let name = format!("inbox-looked-at-{}", std::process::id());
        let sender = Registry::join(&name, &Plan::new(Kind::Inbox), &mut || Ok(())).unwrap();
        let own = sender.own_member();
        let mut lane = sender.lane_writer(own, Way::Forth).unwrap();
        lane.write(b"x").unwrap();
        for is_awaited in [false, true] {
            let held = sender.lane_reader(own, Way::Forth, None, &mut || Ok(()));
            let mut inbox = KrenInbox::create(&name, 4096).unwrap();
            let nothing = inbox.read_timeout(Duration::from_millis(1)).unwrap_err();
            assert!(matches!(nothing, Error::TimedOut { .. }), "{nothing}");
            drop(held.unwrap());
            if is_awaited {
                let mut selector = Selector::new().unwrap();
                selector.add(0, inbox.readable().unwrap()).unwrap();
                let events = selector.wait(Some(Duration::from_secs(60))).unwrap();
                assert_eq!(events.len(), 1);
            }
            let letter = inbox.read_timeout(Duration::from_secs(60)).unwrap();
            assert_eq!(&letter[..], b"x");
            // For the next inbox.
            letter.keep();
        }
        lane.close_discarding().unwrap();
    }

    /// A sender that has made its lane, told of it, and was not on it yet, as far as that can be seen: no lock, and a page that
    /// nobody has stored into. Its seat is still held.
    fn dead_on_its_way(name: &str) -> Registry {
        let mut sender = Registry::join(name, &Plan::new(Kind::Inbox), &mut || Ok(())).unwrap();
        let lane = sender.lane_writer(sender.own_member(), Way::Forth).unwrap();
        sender.tell();
        let state = &lane.endpoint.own().presence.0.state;
        state.store(STATE_NEVER, Ordering::Relaxed);
        lane.endpoint.segment().let_go(Seat::WRITER);
        std::mem::forget(lane);
        sender
    }

    /// P8: the same of one that dies while the inbox waits: nobody tells it.
    #[test]
    fn a_sender_that_dies_on_its_way_while_the_inbox_waits() {
        let name = format!("dies-on-its-way-{}", std::process::id());
        let mut inbox = KrenInbox::create(&name, 4096).unwrap();
        let sender = dead_on_its_way(&name);
        let own = sender.own_member();
        let mut checks = 0;
        // It looks after something else every 100 ms.
        let waited = inbox.read_checking(None, &mut || {
            checks += 1;
            assert!(checks < 600, "its lane stands");
            match checks {
                3 => sender.endpoint().segment().let_go(own.seat),
                _ if checks > 3 && !sender.has_lane(own, Way::Forth) => {
                    let channel = "".into();
                    return Err(Error::Interrupted { channel });
                }
                _ => {}
            }
            Ok(())
        });
        let waited = waited.map(drop).unwrap_err();
        assert!(matches!(waited, Error::Interrupted { .. }), "{waited}");
        std::mem::forget(sender);
        assert!(inbox.departures().iter().all(|gone| gone.died));
    }

    /// P8: the inbox is told of a sender that died when it had made its lane and was not on it yet, and its seat is free again.
    #[test]
    fn a_sender_that_died_on_its_way() {
        let name = format!("died-on-its-way-{}", std::process::id());
        let mut inbox = KrenInbox::create(&name, 4096).unwrap();
        let sender = dead_on_its_way(&name);
        let own = sender.own_member();
        assert!(inbox.try_read().unwrap().is_none());
        assert_eq!((inbox.senders().len(), inbox.departures().len()), (1, 0));
        sender.endpoint().segment().let_go(own.seat);
        std::mem::forget(sender);
        let nothing = inbox.read_timeout(Duration::ZERO).unwrap_err();
        assert!(matches!(nothing, Error::TimedOut { .. }), "{nothing}");
        let gone = inbox.departures();
        assert!(gone.len() == 1 && gone[0].died, "{gone:?}");
        let next = Registry::join(&name, &Plan::new(Kind::Inbox), &mut || Ok(())).unwrap();
        assert_eq!(next.own_member().seat, own.seat);
    }
}
