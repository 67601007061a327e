//! The writing side of a work queue.

mod awaiting;

use crate::awaiting::Awaiting;
use crate::endpoint::Endpoint;
use crate::group::{Group, Silent};
use crate::layout::Kind;
use crate::os;
use crate::registry::{Member, Plan, Registry, plan_setters};
use crate::ring::Memory;
use crate::segment::{PeerState, Way};
use crate::selector::Selector;
use crate::{Error, Interest, KrenWriter, Result, Role, Slot};
use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// The selector's key for the registry; lanes have the numbers of their seats, which start from 1.
const REGISTRY: u64 = 0;

/// The writing side of a work queue: each message goes to one of the workers ([`KrenWorker`](crate::KrenWorker)), to the one with
/// the fewest messages waiting, or to the one that has had the same key before.
///
/// Nothing that was written is lost by the death of a worker, nor by that of the dealer: what a dead worker had not released
/// goes to another one, marked. There is one dealer per name; the next one goes on with the workers that are there.
///
/// ```
/// # use kren_core::{KrenDealer, KrenWorker};
/// # let name = format!("doc-dealer-{}", std::process::id());
/// let mut worker = KrenWorker::connect(&name)?;
/// let mut dealer = KrenDealer::create(&name, 1 << 20)?;
/// dealer.write(b"resize cat.png")?;
/// let work = worker.read()?;
/// assert_eq!(&work[..], b"resize cat.png");
/// assert!(!work.redelivered());
/// drop(work); // done
/// # Ok::<(), kren_core::Error>(())
/// ```
pub struct KrenDealer {
    // Before the registry's seat: the lanes are closed when it is given back.
    lanes: HashMap<usize, DealtLane>,
    /// Lanes of workers that are gone, held for whoever takes them over, where they would go with their last side.
    left: Vec<Arc<Endpoint>>,
    selector: Selector,
    registry: Registry,
    /// What has been refused for its length is the same for all lanes.
    longest: usize,
    awaiting: Awaiting,
}

struct DealtLane {
    member: Member,
    writer: KrenWriter,
    /// Messages that it may have unreleased; 0 is any number.
    ahead: u64,
    /// How far it had released when a message was last to be dealt: what comes after that is worth another look.
    seen: u64,
}

impl DealtLane {
    /// Messages that its worker has not released.
    fn waiting(&self) -> u64 {
        let reader = &self.writer.producer.memory().page(Role::Reader).progress.0;
        // Relaxed: a figure to choose by.
        let released = reader.count.load(Ordering::Relaxed);
        self.writer.producer.count().saturating_sub(released)
    }

    fn is_open(&self) -> bool {
        self.ahead == 0 || self.waiting() < self.ahead
    }
}

impl KrenDealer {
    /// Creates the work queue `name`, or goes on with it; each worker gets a lane of `capacity` bytes of records.
    ///
    /// # Errors
    ///
    /// [`Error::WriterExists`] while another dealer of this name lives; [`Error::WrongKind`]; otherwise as
    /// [`KrenWriter::create`].
    pub fn create(name: &str, capacity: usize) -> Result<Self> {
        Self::options().create(name, capacity)
    }

    /// Options for queues that need more than a name and a capacity.
    #[must_use]
    pub fn options() -> DealerOptions {
        DealerOptions::default()
    }

    /// Gives one message to the worker with the fewest messages waiting. Waits for a worker to come, or to have room.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`]; [`Error::Forked`]; [`Error::Corrupt`].
    pub fn write(&mut self, data: &[u8]) -> Result<()> {
        self.write_checking(&Order::new(data), None, &mut || Ok(()))
    }

    /// As [`KrenDealer::write`], with a tag.
    ///
    /// # Errors
    ///
    /// As [`KrenDealer::write`].
    pub fn write_tagged(&mut self, tag: u32, data: &[u8]) -> Result<()> {
        let order = Order {
            tag,
            ..Order::new(data)
        };
        self.write_checking(&order, None, &mut || Ok(()))
    }

    /// Gives one message to the worker that gets all messages of this `key`, as long as no worker comes or goes.
    ///
    /// # Errors
    ///
    /// As [`KrenDealer::write`].
    pub fn write_keyed(&mut self, key: &[u8], data: &[u8]) -> Result<()> {
        let order = Order {
            key: Some(key),
            ..Order::new(data)
        };
        self.write_checking(&order, None, &mut || Ok(()))
    }

    /// As [`KrenDealer::write`], waiting `timeout` at most.
    ///
    /// # Errors
    ///
    /// As [`KrenDealer::write`], and [`Error::TimedOut`].
    pub fn write_timeout(&mut self, data: &[u8], timeout: Duration) -> Result<()> {
        self.write_checking(&Order::new(data), Some(timeout), &mut || Ok(()))
    }

    /// Gives one message to a worker that has room now.
    ///
    /// # Errors
    ///
    /// [`Error::Full`], also while there is no worker; as [`KrenDealer::write`].
    pub fn try_write(&mut self, data: &[u8]) -> Result<()> {
        let order = Order::new(data);
        match self.deal(&order)? {
            true => Ok(()),
            false => Err(Error::Full {
                channel: Arc::clone(self.registry.name()),
                needed: data.len(),
                available: self.available(),
            }),
        }
    }

    /// As [`KrenDealer::write`] in all its forms, for callers that have to look after something else meanwhile: `check` runs at
    /// least every 100 ms and after each signal, and an error of its ends the wait.
    ///
    /// # Errors
    ///
    /// As [`KrenDealer::write_timeout`]; whatever `check` returns.
    #[doc(hidden)]
    pub fn write_checking(
        &mut self,
        order: &Order<'_>,
        timeout: Option<Duration>,
        check: &mut dyn FnMut() -> Result<()>,
    ) -> Result<()> {
        let start = Instant::now();
        while !self.deal(order)? {
            let what = match self.lanes.is_empty() {
                true => "worker",
                false => "room",
            };
            self.wait(start, timeout, what, check)?;
        }
        Ok(())
    }

    /// Waits until [`KrenDealer::try_order`] is worth another try; the parameters are those of [`KrenDealer::drain_checking`].
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`]; [`Error::Forked`]; [`Error::Corrupt`]; whatever `check` returns.
    #[doc(hidden)]
    pub fn wait_open(
        &mut self,
        timeout: Option<Duration>,
        check: &mut dyn FnMut() -> Result<()>,
    ) -> Result<()> {
        let what = match self.lanes.is_empty() {
            true => "worker",
            false => "room",
        };
        self.wait(Instant::now(), timeout, what, check)
    }

    /// Waits until something changes for one of the workers, or one comes.
    fn wait(
        &mut self,
        start: Instant,
        timeout: Option<Duration>,
        what: &'static str,
        check: &mut dyn FnMut() -> Result<()>,
    ) -> Result<()> {
        let left = timeout.map(|timeout| timeout.saturating_sub(start.elapsed()));
        if left.is_some_and(|left| left.is_zero()) {
            return Err(Error::TimedOut {
                channel: Arc::clone(self.registry.name()),
                what,
                after: timeout.unwrap_or_default(),
            });
        }
        // Only meanwhile: somebody else may wait for the same.
        let ends = self.ends()?;
        let keys: Vec<u64> = ends.iter().map(|(key, _)| *key).collect();
        let mut added = ends.into_iter();
        let waited = added
            .try_for_each(|(key, interest)| self.selector.add(key, interest))
            .and_then(|()| self.selector.wait_checking(left, check));
        // Somebody else may wait for the same from here on.
        for key in keys {
            self.selector.remove(key);
        }
        waited?;
        // Whoever has died changes nothing in the registry.
        self.refresh()
    }

    /// What may change so that a message finds a worker.
    fn ends(&self) -> Result<Vec<(u64, Interest)>> {
        let mut ends = vec![(REGISTRY, self.registry.changes()?)];
        for (number, lane) in &self.lanes {
            ends.push((*number as u64, lane.writer.progress(lane.seen)?));
        }
        Ok(ends)
    }

    /// That a worker comes or goes, or has released a message, from now on: then [`KrenDealer::try_order`] may find one.
    ///
    /// # Errors
    ///
    /// [`Error::Forked`].
    pub fn progress(&self) -> Result<Interest> {
        let group = Group::new(self.registry.name());
        for (key, interest) in self.ends()? {
            group.add(key, interest)?;
        }
        Ok(group.interest())
    }

    /// Gives one message to a worker that has room now; `false` if there is none. Looks also for workers that have died.
    ///
    /// # Errors
    ///
    /// As [`KrenDealer::write`].
    #[doc(hidden)]
    pub fn try_order(&mut self, order: &Order<'_>) -> Result<bool> {
        if self.deal(order)? {
            return Ok(true);
        }
        self.refresh()?;
        self.deal(order)
    }

    /// As [`KrenDealer::try_order`], for a message of `len` bytes that `fill` stores where it will lie. The order's own data
    /// are not looked at.
    ///
    /// # Errors
    ///
    /// As [`KrenDealer::write`].
    #[doc(hidden)]
    pub fn try_build(
        &mut self,
        order: &Order<'_>,
        len: usize,
        fill: &mut dyn FnMut(&mut Slot<'_>),
    ) -> Result<bool> {
        let mut build = |lane: &mut KrenWriter| {
            let mut slot = lane.try_reserve(len)?;
            fill(&mut slot);
            slot.set_tag(order.tag);
            slot.commit();
            Ok(())
        };
        if self.deal_by(len, order.key, &mut build)? {
            return Ok(true);
        }
        self.refresh()?;
        self.deal_by(len, order.key, &mut build)
    }

    /// Waits for a worker with room, and gives it a message of `len` bytes that `fill` stores.
    pub(crate) fn build(&mut self, len: usize, fill: &mut dyn FnMut(&mut Slot<'_>)) -> Result<()> {
        let start = Instant::now();
        while !self.try_build(&Order::new(&[]), len, fill)? {
            self.wait(start, None, "room", &mut || Ok(()))?;
        }
        Ok(())
    }

    /// Whether the queue's name does not lead to it any more, since somebody has removed it. Makes a system call.
    #[must_use]
    pub fn is_removed(&self) -> bool {
        self.registry.is_removed()
    }

    /// Gives the message to a worker; `false` if none can have it now.
    fn deal(&mut self, order: &Order<'_>) -> Result<bool> {
        self.deal_by(order.data.len(), order.key, &mut |lane| {
            lane.try_write_tagged(order.tag, order.data)
        })
    }

    /// As `deal`, for a message of `len` bytes that `put` writes.
    fn deal_by(
        &mut self,
        len: usize,
        key: Option<&[u8]>,
        put: &mut dyn FnMut(&mut KrenWriter) -> Result<()>,
    ) -> Result<bool> {
        self.registry.endpoint().check_process()?;
        if self.registry.has_changed() {
            self.refresh()?;
        }
        if len > self.longest {
            return Err(Error::TooLarge {
                channel: Arc::clone(self.registry.name()),
                len,
                max: self.longest,
            });
        }
        // Before the look at who has room.
        for lane in self.lanes.values_mut() {
            lane.seen = lane.writer.released();
        }
        let chosen = match key {
            Some(key) => self.keeper_of(key),
            None => self.least_loaded(len),
        };
        let Some(lane) = chosen.and_then(|number| self.lanes.get_mut(&number)) else {
            return Ok(false);
        };
        if !lane.is_open() {
            return Ok(false);
        }
        match put(&mut lane.writer) {
            Ok(()) => Ok(true),
            Err(Error::Full { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The worker with the fewest messages waiting, of those that have room for `len` bytes.
    fn least_loaded(&self, len: usize) -> Option<usize> {
        self.lanes
            .iter()
            .filter(|(_, lane)| lane.is_open() && lane.writer.has_room(len))
            .min_by_key(|(number, lane)| (lane.waiting(), **number))
            .map(|(number, _)| *number)
    }

    /// The worker that has all messages of this key. When one comes or goes, only its own keys move.
    fn keeper_of(&self, key: &[u8]) -> Option<usize> {
        type Fixed = BuildHasherDefault<DefaultHasher>;
        let weight = |member: &Member| {
            Fixed::default().hash_one((key, member.seat.number(), member.session))
        };
        self.lanes
            .iter()
            .max_by_key(|(_, lane)| weight(&lane.member))
            .map(|(number, _)| *number)
    }

    /// Looks over the registry: workers that have come get a lane, and those that have gone get nothing more.
    fn refresh(&mut self) -> Result<()> {
        self.registry.look_over();
        let gone = |lane: &DealtLane| self.registry.state_of(lane.member) != PeerState::Attached;
        // Closing the lane leaves what is in it to whoever takes it over.
        for (_, lane) in self.lanes.extract_if(|_, lane| gone(lane)) {
            if !os::NAMES_STAY {
                self.left.push(Arc::clone(&lane.writer.endpoint));
            }
        }
        self.left.retain(|lane| lane.segment().is_named());
        let members: Vec<Member> = self.registry.members().collect();
        for member in members {
            let number = member.seat.number();
            if self.lanes.contains_key(&number)
                || self.registry.state_of(member) != PeerState::Attached
            {
                continue;
            }
            let writer = match self.registry.lane_writer(member, Way::Forth) {
                Ok(writer) => writer,
                // Who takes the seat anew holds both sides of what was left there while it looks whether that is waste (I3).
                Err(Error::WriterExists { .. }) => {
                    self.registry.look_again();
                    continue;
                }
                Err(error) => return Err(error),
            };
            self.longest = writer.max_message_len();
            // Q4: nothing is written to a lane that whoever has taken the seat meanwhile did not see.
            if self.registry.state_of(member) != PeerState::Attached {
                continue;
            }
            let lane = DealtLane {
                seen: writer.released(),
                ahead: self.registry.advice_of(member).into(),
                member,
                writer,
            };
            self.lanes.insert(number, lane);
            self.registry.tell_member(member);
        }
        Ok(())
    }

    /// Waits until the workers have released everything, those that have taken it over from others too; `timeout` at most.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`]; [`Error::Forked`].
    pub fn drain(&mut self, timeout: Duration) -> Result<()> {
        self.drain_checking(Some(timeout), &mut || Ok(()))
    }

    /// As [`KrenDealer::drain`]; the parameters are those of [`KrenWriter::wait_writable`].
    ///
    /// # Errors
    ///
    /// As [`KrenDealer::drain`]; whatever `check` returns.
    pub fn drain_checking(
        &mut self,
        timeout: Option<Duration>,
        check: &mut dyn FnMut() -> Result<()>,
    ) -> Result<()> {
        /// Between two looks at what workers that are gone have left, which nobody tells of.
        const PAUSE: Duration = Duration::from_millis(20);
        let start = Instant::now();
        loop {
            if self.is_drained()? {
                return Ok(());
            }
            let left = timeout.map(|timeout| timeout.saturating_sub(start.elapsed()));
            if left.is_some_and(|left| left.is_zero()) {
                return Err(Error::TimedOut {
                    channel: Arc::clone(self.registry.name()),
                    what: "end of delivery",
                    after: timeout.unwrap_or_default(),
                });
            }
            check()?;
            let slice = left.map_or(PAUSE, |left| left.min(PAUSE));
            match self.lanes.values_mut().find(|lane| lane.waiting() > 0) {
                Some(lane) => match lane.writer.wait_drained(Some(slice), check) {
                    // A worker that is gone is seen to above.
                    Ok(())
                    | Err(
                        Error::TimedOut { .. }
                        | Error::Closed { .. }
                        | Error::PeerDied { .. }
                        | Error::Removed { .. },
                    ) => {}
                    Err(error) => return Err(error),
                },
                None => std::thread::sleep(slice),
            }
        }
    }

    /// Whether the workers have released everything, those that have taken it over from others too. Makes system calls.
    ///
    /// # Errors
    ///
    /// [`Error::Forked`]; those of a worker's lane that is to be made.
    pub fn is_drained(&mut self) -> Result<bool> {
        self.refresh()?;
        let is_done = self.lanes.values().all(|lane| lane.waiting() == 0);
        Ok(is_done && self.orphans().next().is_none())
    }

    /// That more has been released: then [`KrenDealer::is_drained`] may say so. See [`Selector::add`](crate::Selector::add).
    ///
    /// # Errors
    ///
    /// [`Error::Forked`].
    pub fn drained(&self) -> Result<Interest> {
        if let Some(lane) = self.lanes.values().find(|lane| lane.waiting() > 0) {
            return lane.writer.drained();
        }
        let (view, orphans) = (self.registry.view().clone(), self.orphans());
        let orphans: Vec<Member> = orphans.collect();
        Ok(Silent::interest(self.registry.name(), move || {
            !orphans
                .iter()
                .any(|member| view.has_lane(*member, Way::Forth))
        }))
    }

    /// Those who are gone and whose lanes stand.
    fn orphans(&self) -> impl Iterator<Item = Member> + '_ {
        let is_served = |member: &Member| {
            let lane = self.lanes.get(&member.seat.number());
            lane.is_some_and(|lane| lane.member == *member)
        };
        self.registry
            .sessions()
            .filter(move |member| !is_served(member))
            .filter(|member| self.registry.has_lane(*member, Way::Forth))
    }

    /// How many workers there are, as far as is known without a look.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.lanes.len()
    }

    /// The longest message, in bytes, that could be given to a worker now.
    #[must_use]
    pub fn available(&self) -> usize {
        let open = self.lanes.values().filter(|lane| lane.is_open());
        open.map(|lane| lane.writer.available()).max().unwrap_or(0)
    }

    /// The longest message, in bytes, that this queue can ever carry.
    #[must_use]
    pub fn max_message_len(&self) -> usize {
        self.longest
    }

    /// The queue's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.registry.name()
    }

    /// Closes this side: the workers get what was written, then [`Error::Closed`].
    ///
    /// # Errors
    ///
    /// [`Error::Forked`].
    pub fn close(self) -> Result<()> {
        self.registry.endpoint().check_process()
    }
}

/// A message for a worker, and which one is to have it.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    /// The message.
    pub data: &'a [u8],
    /// Its tag.
    pub tag: u32,
    /// What it has in common with others that go to the same worker.
    pub key: Option<&'a [u8]>,
}

impl<'a> Order<'a> {
    /// For whoever has the fewest messages waiting.
    #[must_use]
    pub fn new(data: &'a [u8]) -> Self {
        Self {
            data,
            tag: 0,
            key: None,
        }
    }
}

impl std::fmt::Debug for KrenDealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KrenDealer")
            .field("name", &self.name())
            .field("workers", &self.workers())
            .finish_non_exhaustive()
    }
}

/// How to create a work queue; see [`KrenDealer::options`].
#[derive(Debug, Clone)]
pub struct DealerOptions {
    plan: Plan,
}

impl Default for DealerOptions {
    fn default() -> Self {
        Self {
            plan: Plan::new(Kind::Queue),
        }
    }
}

impl DealerOptions {
    /// How many workers there may be at a time: 1 to 1024. Default: 64.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.plan.members = workers;
        self
    }

    /// Alignment of every payload in bytes; see [`WriterOptions::alignment`](crate::WriterOptions::alignment).
    #[must_use]
    pub fn alignment(mut self, alignment: usize) -> Self {
        self.plan.alignment = alignment;
        self
    }

    plan_setters!();

    /// Creates the work queue `name`; see [`KrenDealer::create`].
    ///
    /// # Errors
    ///
    /// As [`KrenDealer::create`], and [`Error::InvalidOption`].
    pub fn create(&self, name: &str, capacity: usize) -> Result<KrenDealer> {
        let mut plan = self.plan.clone();
        plan.lane = capacity;
        let registry = Registry::own(name, &plan, &mut || Ok(()))?;
        let longest = registry.longest()?;
        let mut dealer = KrenDealer {
            lanes: HashMap::new(),
            left: Vec::new(),
            selector: Selector::new()?,
            registry,
            longest,
            awaiting: Awaiting::default(),
        };
        dealer.refresh()?;
        Ok(dealer)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// P9: a lane that somebody else holds for a moment, as who takes a seat anew does (I3), is no error of the dealer's.
    #[test]
    fn a_lane_that_is_looked_at_is_waited_for() {
        let name = format!("lane-looked-at-{}", std::process::id());
        let mut dealer = KrenDealer::create(&name, 4096).unwrap();
        let mut worker = Registry::join(&name, &Plan::new(Kind::Queue), &mut || Ok(())).unwrap();
        let own = worker.own_member();
        let held = worker.lane_writer(own, Way::Forth).unwrap();
        worker.tell();
        let nobody = dealer.write_timeout(b"x", Duration::from_millis(30));
        let nobody = nobody.unwrap_err();
        assert!(matches!(nobody, Error::TimedOut { .. }), "{nobody}");
        drop(held);
        // Nothing tells that it is free.
        dealer.try_write(b"x").unwrap();
        let lane = worker.lane_reader(own, Way::Forth, None, &mut || Ok(()));
        assert_eq!(&lane.unwrap().read().unwrap()[..], b"x");
    }

    /// P10, Q4: what was dealt to a session whose seat was just taken anew is found by who has it.
    #[test]
    fn a_lane_of_the_session_before_is_found() {
        let name = format!("session-before-{}", std::process::id());
        let dealer = KrenDealer::create(&name, 4096).unwrap();
        let plan = Plan::new(Kind::Queue);
        let before = Registry::join(&name, &plan, &mut || Ok(())).unwrap();
        let member = before.own_member();
        drop(before);
        let mut worker = crate::KrenWorker::connect(&name).unwrap();
        // By a dealer that had seen the session, and not yet that it was over.
        let mut lane = dealer.registry.lane_writer(member, Way::Forth).unwrap();
        lane.write(b"x").unwrap();
        let work = worker.read_timeout(Duration::from_secs(60)).unwrap();
        assert_eq!((&work[..], work.redelivered()), (&b"x"[..], true));
    }
}
