//! One of the reading sides of a work queue.

mod awaiting;

use crate::awaiting::Awaiting;
use crate::group::{Group, Silent};
use crate::layout::Kind;
use crate::registry::{Member, Plan, Registry, View, plan_setters};
use crate::segment::{PeerState, Way};
use crate::wait::SLICE;
use crate::{Error, Interest, KrenReader, Lease, Message, Result, Role};
use std::ops::Deref;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// One of the reading sides of a work queue ([`KrenDealer`](crate::KrenDealer)): each message goes to one worker.
///
/// What a worker had not released when it died, or closed, goes to another one, at least once: release a message (drop
/// it) when its work is done. A worker may come before the dealer.
pub struct KrenWorker {
    /// What a worker that is gone has left, taken over from it.
    adopted: Option<Adopted>,
    /// Its own lane, once the dealer has made it.
    lane: Option<KrenReader>,
    registry: Registry,
    looked: Looked,
    /// What somebody else waits for, since that has been asked for.
    group: Option<Group>,
    awaiting: Awaiting,
    met: Met,
}

/// When this side has last looked for what others have left; whoever waits for it sees it as well.
#[derive(Clone, Default)]
struct Looked(Arc<Mutex<Option<Instant>>>);

impl Looked {
    fn set(&self, when: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = when;
    }

    fn is_due(&self) -> bool {
        let looked = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        looked.is_none_or(|looked| looked.elapsed() >= SLICE)
    }
}

/// The keys of what is waited for.
const LANE: u64 = 0;
const ADOPTED: u64 = 1;
const LEFT: u64 = 2;

struct Adopted {
    reader: KrenReader,
    /// Messages before this count may have been seen by whoever had them.
    suspect: u64,
}

/// The session of a dealer that was seen while there was no lane; 0 is none. Shared with what waits.
#[derive(Clone, Default)]
struct Met(Arc<AtomicU32>);

impl Met {
    /// Whether it has gone; notes one that is there. Relaxed throughout: nothing is read on the strength of it.
    fn is_gone(&self, view: &View) -> bool {
        let session = view.owner_session();
        let is_there = view.owner() == PeerState::Attached;
        match self.0.load(Ordering::Relaxed) {
            0 if is_there => {
                self.0.store(session, Ordering::Relaxed);
                false
            }
            0 => false,
            met => !is_there || met != session,
        }
    }

    fn forget(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// A message of a work queue, where it lies: a `&[u8]`, its tag, and whether another worker may have begun with it.
///
/// Dropping it says that its work is done.
pub struct Work<'a> {
    message: Message<'a>,
    redelivered: bool,
}

impl Work<'_> {
    /// Whether a worker that is gone may have had this message before: its work may be done already, or half.
    #[must_use]
    pub fn redelivered(&self) -> bool {
        self.redelivered
    }

    /// The tag that the message was written with.
    #[must_use]
    pub fn tag(&self) -> u32 {
        self.message.tag()
    }

    /// Holds the message beyond this borrow of its worker, which may read on meanwhile.
    #[must_use = "dropping the lease says that the work is done"]
    pub fn into_lease(self) -> Lease {
        self.message.into_lease()
    }

    /// Leaves the message where it is: the next read gets it again.
    pub fn keep(self) {
        self.message.keep();
    }

    pub(crate) fn message(&self) -> &Message<'_> {
        &self.message
    }
}

impl Deref for Work<'_> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.message
    }
}

impl std::fmt::Debug for Work<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Work")
            .field("message", &self.message)
            .field("redelivered", &self.redelivered)
            .finish()
    }
}

impl KrenWorker {
    /// Joins the work queue `name`, whose dealer need not be there yet.
    ///
    /// # Errors
    ///
    /// [`Error::NoSeat`] while all seats are taken; [`Error::WrongKind`]; otherwise as
    /// [`KrenWriter::create`](crate::KrenWriter::create).
    pub fn connect(name: &str) -> Result<Self> {
        Self::options().connect(name)
    }

    /// Options for workers that need more than a name.
    #[must_use]
    pub fn options() -> WorkerOptions {
        WorkerOptions::default()
    }

    /// The next message, waiting for it if need be.
    ///
    /// # Errors
    ///
    /// Once nothing is left for this worker, nor of others that are gone: [`Error::Closed`] when the dealer has closed,
    /// [`Error::PeerDied`] when it died; the next call waits for another dealer. [`Error::Corrupt`]; [`Error::Forked`].
    pub fn read(&mut self) -> Result<Work<'_>> {
        self.read_checking(None, &mut || Ok(()))
    }

    /// As [`KrenWorker::read`], waiting `timeout` at most.
    ///
    /// # Errors
    ///
    /// As [`KrenWorker::read`], and [`Error::TimedOut`].
    pub fn read_timeout(&mut self, timeout: Duration) -> Result<Work<'_>> {
        self.read_checking(Some(timeout), &mut || Ok(()))
    }

    /// As [`KrenWorker::read`], for callers that have to look after something else meanwhile: `check` runs at least every
    /// 100 ms and after each signal, and an error of its ends the wait.
    ///
    /// # Errors
    ///
    /// As [`KrenWorker::read_timeout`]; whatever `check` returns.
    pub fn read_checking(
        &mut self,
        timeout: Option<Duration>,
        check: &mut dyn FnMut() -> Result<()>,
    ) -> Result<Work<'_>> {
        self.wait_readable(timeout, check)?;
        let channel = Arc::clone(self.registry.name());
        // Nobody else reads what this side has found.
        self.try_read()?.ok_or(Error::Empty { channel })
    }

    /// The next message if there is one now; `None` if not, whatever the reason.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`]; [`Error::Forked`].
    pub fn try_read(&mut self) -> Result<Option<Work<'_>>> {
        self.registry.endpoint().check_process()?;
        if !self.find()? {
            return Ok(None);
        }
        // What has been found is looked for once more, as the borrow cannot be kept meanwhile.
        if let Some(adopted) = self
            .adopted
            .as_mut()
            .filter(|adopted| adopted.reader.has_message())
        {
            let redelivered = adopted.reader.messages_read() < adopted.suspect;
            let message = adopted.reader.try_read()?;
            return Ok(message.map(|message| Work {
                message,
                redelivered,
            }));
        }
        let Some(lane) = &mut self.lane else {
            return Ok(None);
        };
        let message = lane.try_read()?;
        Ok(message.map(|message| Work {
            message,
            redelivered: false,
        }))
    }

    /// Waits until there is a message; the parameters are those of [`KrenWorker::read_checking`].
    ///
    /// # Errors
    ///
    /// As [`KrenWorker::read_checking`].
    pub fn wait_readable(
        &mut self,
        timeout: Option<Duration>,
        check: &mut dyn FnMut() -> Result<()>,
    ) -> Result<()> {
        self.registry.endpoint().check_process()?;
        let start = Instant::now();
        loop {
            if self.find()? {
                return Ok(());
            }
            let left = timeout.map_or(SLICE, |timeout| {
                SLICE.min(timeout.saturating_sub(start.elapsed()))
            });
            let waited = match self.check_dealer() {
                Ok(()) => self.wait_in_lane(left, check),
                gone => gone,
            };
            match waited {
                Ok(()) => {}
                // Also where there is no time at all: that the dealer is gone is found above all.
                Err(Error::TimedOut { .. } | Error::NotFound { .. }) => {
                    if let Some(after) = timeout.filter(|timeout| start.elapsed() >= *timeout) {
                        return Err(Error::TimedOut {
                            channel: Arc::clone(self.registry.name()),
                            what: "message",
                            after,
                        });
                    }
                }
                Err(
                    error @ (Error::Closed { .. } | Error::PeerDied { .. } | Error::Removed { .. }),
                ) => {
                    // The dealer is gone; but what another worker has left is still to be done.
                    self.looked.set(None);
                    if !self.find()? {
                        self.set_lane(None)?;
                        return Err(error);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether a dealer that was there has gone without a lane for this worker; with one, the lane tells. Told once.
    fn check_dealer(&self) -> Result<()> {
        if self.lane.is_some() || !self.met.is_gone(self.registry.view()) {
            return Ok(());
        }
        self.met.forget();
        let channel = Arc::clone(self.registry.name());
        let peer = Role::Writer;
        Err(match self.registry.owner() {
            PeerState::Died => Error::PeerDied {
                channel,
                peer,
                holder: self.registry.last_owner(),
            },
            _ => Error::Closed { channel, peer },
        })
    }

    /// Waits for the lane to be made, or for a message in it, `most` at most.
    fn wait_in_lane(
        &mut self,
        most: Duration,
        check: &mut dyn FnMut() -> Result<()>,
    ) -> Result<()> {
        if let Some(lane) = &mut self.lane {
            return lane.wait_readable(Some(most), check);
        }
        // Before the look: whatever is told after it is seen.
        let epoch = self.registry.epoch();
        let own = self.registry.own_member();
        let now = Some(Duration::ZERO);
        match self.registry.lane_reader(own, Way::Forth, now, check) {
            Ok(lane) => self.set_lane(Some(lane)),
            Err(Error::NotFound { .. }) => self.registry.wait_told(epoch, most, check),
            Err(error) => Err(error),
        }
    }

    fn set_lane(&mut self, lane: Option<KrenReader>) -> Result<()> {
        self.met.forget();
        self.lane = lane;
        match &self.group {
            Some(group) => group.add(LANE, self.lane_interest()?),
            None => Ok(()),
        }
    }

    fn set_adopted(&mut self, adopted: Option<Adopted>) -> Result<()> {
        self.adopted = adopted;
        if let Some(group) = &self.group {
            match &self.adopted {
                Some(adopted) => group.add(ADOPTED, adopted.reader.readable()?)?,
                None => group.remove(ADOPTED),
            }
        }
        Ok(())
    }

    /// A message in the lane, or that the lane is there at last.
    fn lane_interest(&self) -> Result<Interest> {
        if let Some(lane) = &self.lane {
            return lane.readable();
        }
        let view = self.registry.view().clone();
        let own = self.registry.own_member();
        let met = self.met.clone();
        Ok(self
            .registry
            .told(move || view.has_lane(own, Way::Forth) || met.is_gone(&view)))
    }

    /// That there is a message, or may be: what workers that are gone have left is looked for by [`KrenWorker::try_read`],
    /// which is due then; or that the dealer is gone. See [`Selector::add`](crate::Selector::add).
    ///
    /// # Errors
    ///
    /// [`Error::Forked`].
    pub fn readable(&mut self) -> Result<Interest> {
        self.registry.endpoint().check_process()?;
        if let Some(group) = &self.group {
            return Ok(group.interest());
        }
        let group = Group::new(self.registry.name());
        group.add(LANE, self.lane_interest()?)?;
        if let Some(adopted) = &self.adopted {
            group.add(ADOPTED, adopted.reader.readable()?)?;
        }
        let view = self.registry.view().clone();
        let (own, looked) = (self.registry.own_member(), self.looked.clone());
        let has_left = move |member: &Member| {
            *member != own
                && view.has_lane(*member, Way::Forth)
                && view.state_of(*member) != PeerState::Attached
        };
        let view = self.registry.view().clone();
        let left = Silent::interest(self.registry.name(), move || {
            looked.is_due() && view.sessions().any(|member| has_left(&member))
        });
        group.add(LEFT, left)?;
        Ok(self.group.insert(group).interest())
    }

    /// Whether the queue's name does not lead to it any more, since somebody has removed it. Makes a system call.
    #[must_use]
    pub fn is_removed(&self) -> bool {
        self.registry.is_removed()
    }

    /// Whether there is a message, here or left by somebody else.
    fn find(&mut self) -> Result<bool> {
        if let Some(adopted) = &self.adopted {
            if adopted.reader.has_message() {
                return Ok(true);
            }
            // Whatever still comes there is found by the next who looks.
            if !self.has_more(adopted) {
                self.set_adopted(None)?;
            }
        }
        if self.lane.is_none() {
            self.find_lane()?;
        }
        if self.lane.as_ref().is_some_and(KrenReader::has_message) {
            return Ok(true);
        }
        if self.is_time_to_look() && self.adopted.is_none() {
            self.adopt()?;
        }
        if self.lane.as_ref().is_some_and(KrenReader::has_message) {
            return Ok(true);
        }
        Ok(self
            .adopted
            .as_ref()
            .is_some_and(|adopted| adopted.reader.has_message()))
    }

    /// Whether the dealer may still write there, not knowing yet that its worker is gone.
    fn has_more(&self, adopted: &Adopted) -> bool {
        adopted.reader.writer_state() == PeerState::Attached
    }

    /// At each change in the registry, and now and then, since a death changes nothing there.
    fn is_time_to_look(&mut self) -> bool {
        if !self.registry.has_changed() && !self.looked.is_due() {
            return false;
        }
        // Before the look: what changes after it is seen the next time.
        self.registry.look_over();
        self.looked.set(Some(Instant::now()));
        true
    }

    /// Opens the lane, if the dealer has made it.
    fn find_lane(&mut self) -> Result<()> {
        match self.wait_in_lane(Duration::ZERO, &mut || Ok(())) {
            Err(Error::TimedOut { .. } | Error::NotFound { .. }) => Ok(()),
            outcome => outcome,
        }
    }

    /// Takes over what a worker that is gone has left, if there is such.
    fn adopt(&mut self) -> Result<()> {
        let own = self.registry.own_member();
        let others: Vec<Member> = self
            .registry
            .sessions()
            .filter(|member| *member != own)
            .collect();
        for member in others {
            if self.registry.state_of(member) == PeerState::Attached {
                continue;
            }
            let found =
                self.registry
                    .lane_reader(member, Way::Forth, Some(Duration::ZERO), &mut || Ok(()));
            let reader = match found {
                Ok(reader) => reader,
                // Nothing is left, or somebody else has it.
                Err(Error::NotFound { .. } | Error::ReaderExists { .. }) => continue,
                Err(error) => return Err(error),
            };
            // One without messages goes with this reader, if nobody else is on it.
            if reader.has_message() {
                let suspect = reader.messages_written();
                return self.set_adopted(Some(Adopted { reader, suspect }));
            }
        }
        Ok(())
    }

    /// Whether the dealer is there. Makes a system call.
    #[must_use]
    pub fn dealer_state(&self) -> PeerState {
        self.registry.owner()
    }

    /// The queue's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.registry.name()
    }

    /// Closes this side: what it has not released goes to other workers.
    ///
    /// # Errors
    ///
    /// [`Error::Forked`].
    pub fn close(self) -> Result<()> {
        self.registry.endpoint().check_process()
    }
}

impl std::fmt::Debug for KrenWorker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KrenWorker")
            .field("name", &self.name())
            .field("lane", &self.lane)
            .finish_non_exhaustive()
    }
}

/// How to join a work queue; see [`KrenWorker::options`].
#[derive(Debug, Clone)]
pub struct WorkerOptions {
    plan: Plan,
    ahead: u32,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        Self {
            plan: Plan::new(Kind::Queue),
            ahead: 0,
        }
    }
}

impl WorkerOptions {
    /// How many messages, released ones apart, the dealer gives to this worker at most: 1 where each takes long, so that none
    /// waits for it while others are free. Default: as many as its lane holds.
    #[must_use]
    pub fn ahead(mut self, ahead: u32) -> Self {
        self.ahead = ahead;
        self
    }

    /// How many workers the queue may have at a time, if this one comes first: 1 to 1024. Default: 64.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.plan.members = workers;
        self
    }

    plan_setters!();

    /// Joins the work queue `name`; see [`KrenWorker::connect`].
    ///
    /// # Errors
    ///
    /// As [`KrenWorker::connect`], and [`Error::InvalidOption`].
    pub fn connect(&self, name: &str) -> Result<KrenWorker> {
        let mut registry = Registry::join(name, &self.plan, &mut || Ok(()))?;
        let advice = &registry.endpoint().own().presence.0.advice;
        // Relaxed: comes with what `tell` says.
        advice.store(self.ahead, Ordering::Relaxed);
        registry.tell();
        let worker = KrenWorker {
            awaiting: Awaiting::default(),
            adopted: None,
            lane: None,
            registry,
            looked: Looked::default(),
            group: None,
            met: Met::default(),
        };
        // One that closes before this worker waits is heard of all the same.
        worker.met.is_gone(worker.registry.view());
        Ok(worker)
    }
}
