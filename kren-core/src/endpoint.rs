//! One side of a channel, apart from the ring: who holds the role, who is on the other side, and
//! how this side waits. `KrenWriter` and `KrenReader` are an endpoint each, with their half of the
//! ring in front.

mod arrival;
mod spin;
mod watch;

use self::spin::Spin;
pub(crate) use self::watch::Spot;
use self::watch::Watch;
use crate::gates;
use crate::layout::{Commons, RolePage, STATE_CLOSED, STATE_OPEN, Schema, Seat};
use crate::os::{self, Mapping, Signal, fork};
use crate::ring::RingError;
use crate::ring_memory::RingMemory;
use crate::roster;
use crate::segment::{self, Caller, PeerState, Segment};
use crate::wait::{self, Call, Waker};
use crate::{Error, Result, Role};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How a blocked side waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Strategy {
    /// Never sleeps. The fastest answer, at the price of a whole processor.
    Spin,
    /// Spins for some microseconds, then sleeps; sleeps at once while spinning has turned out to be in vain, as it is where both
    /// sides share one processor.
    #[default]
    Adaptive,
    /// Sleeps at once. The least processor time, at the price of a wake-up for each message.
    Sleep,
}

/// How long a side that never sleeps keeps a processor to itself. What it waits for may be waiting for that
/// processor: a peer, or a thread that the peer needs, say a garbage collector's. Without this they
/// wait for the end of a time slice, some milliseconds; where nobody waits, it costs under a percent.
const PATIENCE: Duration = Duration::from_micros(50);
/// Polls between two looks at the clock; each takes some ten nanoseconds.
const POLLS_PER_LOOK: u32 = 32;

/// What a caller waits for, and how.
pub(crate) struct Wait<'a> {
    /// Says whether the wait is over. Called often, so cheap.
    pub(crate) ready: &'a mut dyn FnMut() -> bool,
    /// Run before each sleep: a broken ring must not be waited on for ever.
    pub(crate) sound: &'a dyn Fn() -> std::result::Result<(), RingError>,
    /// The peer's position that is waited for.
    pub(crate) wanted: u64,
    /// For the message of `TimedOut`.
    pub(crate) what: &'static str,
    /// `None` waits for ever.
    pub(crate) timeout: Option<Duration>,
    /// Whether a publisher may pass slow subscribers over for it.
    pub(crate) evicts: bool,
}

/// What a waiting caller runs at least every 100 ms and after each signal.
pub(crate) type Check<'a> = &'a mut dyn FnMut() -> Result<()>;

/// One side of a channel.
pub(crate) struct Endpoint {
    segment: Segment,
    seat: Seat,
    strategy: Strategy,
    /// On which this side wakes its peers.
    own_signal: Caller,
    /// On which it sleeps; a publisher looks for that at each sleep.
    peer_signal: Option<Signal>,
    /// The number of the seat on whose wake count this side sleeps. A publisher's changes: one after the other it waits
    /// for all that hold it up.
    facing: AtomicUsize,
    /// How long a publisher waits for a slow subscriber before it passes it over.
    patience: Option<Duration>,
    generation: u32,
    /// What waits so far say about spinning.
    spin: Spin,
    /// A thread of this process waits, or is about to. At most one: they share a ticket.
    waiting: AtomicBool,
    /// The endpoint is being closed; whoever waits must leave.
    closing: AtomicBool,
    /// The session of the peer that this side knows of: the one it found, or was last told of that it is gone.
    known_session: AtomicU32,
    /// Who else waits for this side, if anybody does: a selector.
    watch: Watch,
    /// A reader's: how far it has read, where that is further than what it has released.
    read_ahead: AtomicU64,
}

impl Endpoint {
    /// Announces that the seat of `segment`, whose lock is held, is taken by this process. `patience` is a publisher's.
    pub(crate) fn attach(
        segment: Segment,
        strategy: Strategy,
        patience: Option<Duration>,
    ) -> Result<Arc<Self>> {
        let seat = segment.seat();
        let facing = match seat {
            Seat::WRITER => Seat::READER,
            _ => Seat::WRITER,
        };
        let own = segment.mapping().page(seat);
        let presence = &own.presence.0;
        bury_bell_of_predecessor(own);
        wait::settle(own);
        presence.pid.store(std::process::id(), Ordering::Relaxed);
        presence.pid_space.store(os::pid_space(), Ordering::Relaxed);
        presence.since.store(os::now(), Ordering::Relaxed);
        let session = presence.session.load(Ordering::Relaxed).wrapping_add(1);
        presence.session.store(session, Ordering::Relaxed);
        // Release: pairs with the Acquire load in `peer_state`; the pid belongs to the state.
        presence.state.store(STATE_OPEN, Ordering::Release);
        let peer = segment.mapping().page(facing);
        let known_session = peer.presence.0.session.load(Ordering::Relaxed);
        Ok(Arc::new(Self {
            own_signal: segment.caller()?,
            peer_signal: match seat == Seat::WRITER && segment.is_broadcast() {
                true => None,
                false => Some(segment.sleeper(facing, seat)?),
            },
            facing: AtomicUsize::new(facing.number()),
            patience,
            generation: fork::generation(),
            // Where this process has one processor, the peer may be given another, or the same.
            spin: Spin::new(os::usable_processors() == 1),
            waiting: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            known_session: AtomicU32::new(known_session),
            watch: Watch::default(),
            read_ahead: AtomicU64::new(0),
            segment,
            seat,
            strategy,
        }))
    }

    /// The ring's memory, as this side sees it.
    pub(crate) fn memory(&self) -> RingMemory {
        RingMemory::new(Arc::clone(self.mapping()), self.seat)
    }

    /// The seat that this side holds.
    pub(crate) fn seat(&self) -> Seat {
        self.seat
    }

    pub(crate) fn segment(&self) -> &Segment {
        &self.segment
    }

    pub(crate) fn waker(&self) -> Waker {
        Waker::new(self.own())
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        self.segment.name()
    }

    pub(crate) fn schema(&self) -> Option<&Schema> {
        self.segment.schema()
    }

    pub(crate) fn mapping(&self) -> &Arc<Mapping> {
        self.segment.mapping()
    }

    pub(crate) fn own(&self) -> &RolePage {
        self.mapping().page(self.seat)
    }

    /// Whose wake count this side sleeps on.
    fn facing(&self) -> Seat {
        // Relaxed: stored by the one thread that waits; who only looks may be late.
        Seat::numbered(self.facing.load(Ordering::Relaxed))
    }

    fn peer(&self) -> &RolePage {
        self.mapping().page(self.facing())
    }

    /// Whether this side has several peers.
    pub(crate) fn is_publisher(&self) -> bool {
        self.seat == Seat::WRITER && self.segment.is_broadcast()
    }

    fn is_subscriber(&self) -> bool {
        self.seat != Seat::WRITER && self.segment.is_broadcast()
    }

    /// The words that all sides of a broadcast share.
    pub(crate) fn commons(&self) -> Option<&Commons> {
        self.mapping().commons()
    }

    /// What this side wakes its peer with.
    #[inline]
    pub(crate) fn own_signal(&self) -> &Caller {
        &self.own_signal
    }

    /// Whether this process got the endpoint through `fork`.
    #[inline]
    pub(crate) fn is_inherited(&self) -> bool {
        self.generation != fork::generation()
    }

    /// Refuses an endpoint that was inherited through `fork` (G10).
    #[inline]
    pub(crate) fn check_process(&self) -> Result<()> {
        if self.is_inherited() {
            Err(self.forked())
        } else {
            Ok(())
        }
    }

    #[cold]
    fn forked(&self) -> Error {
        Error::Forked {
            channel: Arc::clone(self.name()),
        }
    }

    /// Gives a failure of the ring the channel's name.
    #[cold]
    pub(crate) fn ring_error(&self, error: RingError) -> Error {
        let channel = Arc::clone(self.name());
        match error {
            RingError::Full { needed, available } => Error::Full {
                channel,
                needed,
                available,
            },
            RingError::TooLarge { len, max } => Error::TooLarge { channel, len, max },
            RingError::Corrupt(what) => Error::Corrupt {
                channel,
                what: what.into(),
            },
        }
    }

    /// Refuses an endpoint that this process has lost: it is the parent's, or its lock was closed.
    /// Makes a system call.
    pub(crate) fn check_usable(&self) -> Result<()> {
        self.check_process()?;
        self.segment.check_lock()
    }

    /// Who is on the other side. Asks the kernel when the peer claims to be there.
    pub(crate) fn peer_state(&self) -> Result<PeerState> {
        self.check_usable()?;
        Ok(self.segment.state_of(self.facing()))
    }

    /// Fails as a wait must that nobody will end: the peer is gone, or this side has lost its role. The peer's session is
    /// known from then on.
    pub(crate) fn check_peer(&self) -> Result<()> {
        let (error, session) = match self.look_at_peer() {
            Ok(()) => return Ok(()),
            Err(gone) => gone,
        };
        if let Some(session) = session {
            self.known_session.store(session, Ordering::Relaxed);
        }
        Err(error)
    }

    /// The same for one who only looks, with the session that has ended.
    fn look_at_peer(&self) -> std::result::Result<(), (Error, Option<u32>)> {
        if self.is_publisher() {
            // Whoever is gone does not hold it up any more: see `make_way`.
            return self.check_usable().map_err(|error| (error, None));
        }
        let channel = Arc::clone(self.name());
        let peer = self.seat.role().peer();
        // Before the state: who comes in between is one that is not known.
        let session = self.peer_session();
        let state = self.peer_state().map_err(|error| (error, None))?;
        let error = match state {
            PeerState::Attached | PeerState::Unknown => return Ok(()),
            // A stream that was closed has ended, wherever the name leads.
            PeerState::Closed if peer == Role::Writer => Error::Closed { channel, peer },
            _ if self.is_cut_off() => Error::Removed {
                channel,
                peer,
                fate: match state {
                    PeerState::Died => "died without closing it",
                    PeerState::Closed => "has closed it",
                    _ => "has not come",
                },
            },
            PeerState::NeverAttached => return Ok(()),
            PeerState::Closed => Error::Closed { channel, peer },
            PeerState::Died => Error::PeerDied {
                channel,
                peer,
                holder: self.peer().presence.0.last_holder(),
            },
        };
        Err((error, Some(session)))
    }

    /// Whether nobody can come to this segment any more: its name is gone, and the peer's role is free.
    fn is_cut_off(&self) -> bool {
        // The name first: who has taken the role by then has come in time.
        !self.segment.is_named() && !self.segment.is_held(self.facing())
    }

    /// Whether the peer is of this process, as far as is known without asking the system: for hints.
    #[inline]
    pub(crate) fn is_within_process(&self) -> bool {
        let id = |page: &RolePage| {
            let presence = &page.presence.0;
            (
                presence.pid.load(Ordering::Relaxed),
                presence.pid_space.load(Ordering::Relaxed),
            )
        };
        id(self.own()) == id(self.peer())
    }

    /// Whether this side polls for a while before it sleeps.
    pub(crate) fn spins(&self) -> bool {
        match self.strategy {
            Strategy::Spin => true,
            Strategy::Adaptive => several_processors() && self.spin.is_believed(),
            Strategy::Sleep => false,
        }
    }

    /// Whether this side never sleeps.
    pub(crate) fn never_sleeps(&self) -> bool {
        self.strategy == Strategy::Spin
    }

    /// Whether this side polls at all, for those who ask once.
    pub(crate) fn ever_spins(&self) -> bool {
        match self.strategy {
            Strategy::Spin => true,
            Strategy::Adaptive => several_processors(),
            Strategy::Sleep => false,
        }
    }

    /// Waits as `wait` says; `Busy` if another thread waits on this endpoint.
    pub(crate) fn wait(&self, wait: &mut Wait<'_>, check: Check<'_>) -> Result<()> {
        // Before anything that takes time: in a busy channel the wait is over in nanoseconds.
        if self.strategy != Strategy::Sleep && poll(wait.ready) {
            return Ok(());
        }
        let _waiting = self.begin_waiting()?;
        self.wait_alone(wait, check)
    }

    /// Makes the calling thread the one that waits, until the result is dropped.
    fn begin_waiting(&self) -> Result<Waiting<'_>> {
        if self.waiting.swap(true, Ordering::SeqCst) && !self.take_over() {
            return Err(Error::Busy {
                channel: Arc::clone(self.name()),
            });
        }
        // Dropped also when a caller's check panics: `detach` waits for it.
        Ok(Waiting(self))
    }

    /// Fails if the endpoint is being closed.
    pub(crate) fn check_open(&self) -> Result<()> {
        if self.closing.load(Ordering::SeqCst) {
            return Err(Error::Interrupted {
                channel: Arc::clone(self.name()),
            });
        }
        Ok(())
    }

    fn wait_alone(&self, wait: &mut Wait<'_>, check: Check<'_>) -> Result<()> {
        let start = Instant::now();
        let deadline = wait.timeout.and_then(|timeout| start.checked_add(timeout));
        let spin = match self.strategy {
            Strategy::Spin => wait::SLICE,
            Strategy::Adaptive if several_processors() => self.spin.begin(),
            Strategy::Adaptive | Strategy::Sleep => Duration::ZERO,
        };
        // An adaptive spin is too short to let others run meanwhile; and that the peer ran then, on this
        // very processor, would speak against spinning.
        let shares = self.strategy == Strategy::Spin;
        if !spin.is_zero() {
            let end = start + wait.timeout.map_or(spin, |timeout| timeout.min(spin));
            if spin_until(end, shares, wait.ready) {
                self.spin.hit();
                return Ok(());
            }
        }
        let asleep = Instant::now();
        let slept = self.sleep_until_ready(wait, check, start, deadline);
        self.spin.missed(spin, asleep.elapsed(), slept.is_ok());
        slept
    }

    fn sleep_until_ready(
        &self,
        wait: &mut Wait<'_>,
        check: Check<'_>,
        start: Instant,
        deadline: Option<Instant>,
    ) -> Result<()> {
        loop {
            (wait.sound)().map_err(|error| self.ring_error(error))?;
            self.check_open()?;
            let evicts = wait.evicts && self.patience.is_some_and(|most| start.elapsed() >= most);
            self.make_way(wait.wanted, evicts);
            // Looked up before `ready`: what the peer committed before it went is not passed over.
            let peer = self.check_peer();
            if (wait.ready)() {
                return Ok(());
            }
            peer?;
            check()?;
            let now = Instant::now();
            let left = match deadline {
                Some(deadline) if deadline <= now => {
                    return Err(Error::TimedOut {
                        channel: Arc::clone(self.name()),
                        what: wait.what,
                        after: wait.timeout.unwrap_or_default(),
                    });
                }
                Some(deadline) => deadline - now,
                None => wait::SLICE,
            };
            let left = match self.patience {
                Some(patience) if wait.evicts && !evicts => {
                    left.min(patience.saturating_sub(start.elapsed()))
                }
                _ => left,
            };
            let is_ready = match self.strategy {
                Strategy::Spin => spin_until(now + left.min(wait::SLICE), true, wait.ready),
                Strategy::Adaptive | Strategy::Sleep => self.doze(wait, left),
            };
            if is_ready {
                return Ok(());
            }
        }
    }

    fn doze(&self, wait: &mut Wait<'_>, timeout: Duration) -> bool {
        let ready = &mut wait.ready;
        let mut over = || ready() || self.peer_has_closed() || self.closing.load(Ordering::SeqCst);
        self.sleep(wait.wanted, timeout, &mut over);
        (wait.ready)()
    }

    /// Whether the peer's page says so. Asks nobody.
    ///
    /// The end of one of several peers ends no wait: those that are still waited for may have closed long ago.
    pub(crate) fn peer_has_closed(&self) -> bool {
        // Acquire: pairs with the Release store in `store_closed`.
        !self.is_publisher() && self.peer().presence.0.state.load(Ordering::Acquire) == STATE_CLOSED
    }

    /// Sleeps on the peer's wake count: see [`wait::doze`].
    fn sleep(&self, wanted: u64, timeout: Duration, over: &mut dyn FnMut() -> bool) {
        let facing = self.facing();
        let peer = self.mapping().page(facing);
        let epoch = match self.seat {
            Seat::WRITER => None,
            _ => self.commons().map(|commons| &commons.epoch.0),
        };
        self.with_peer_signal(facing, |signal| {
            wait::doze(self.own(), peer, signal, epoch, wanted, timeout, over);
        });
    }

    fn with_peer_signal(&self, facing: Seat, act: impl FnOnce(&Signal)) {
        if let Some(signal) = &self.peer_signal {
            return act(signal);
        }
        match self.segment.sleeper(facing, self.seat) {
            Ok(signal) => act(&signal),
            // The system has nothing left to sleep on: look again soon.
            Err(_) => std::thread::sleep(Duration::from_millis(1)),
        }
    }

    /// For a publisher that waits until all have released up to `wanted`: those that have died hold it up no more, and
    /// with `evicts` the slow ones neither (B5). It then faces one of those that are left.
    pub(crate) fn make_way(&self, wanted: u64, evicts: bool) {
        if !self.is_publisher() {
            return;
        }
        let mapping = &**self.mapping();
        // Relaxed: stored by this side.
        let written = self.own().progress.0.position.load(Ordering::Relaxed);
        let capacity = mapping.geometry().capacity as u64;
        let slow = gates::gates(mapping, written, capacity).filter(|gate| gate.position < wanted);
        for gate in slow {
            // Its state as well, since a seat is taken before it is announced.
            let is_dead = || self.segment.state_of(gate.seat) == PeerState::Died;
            if !gate.is_durable && (evicts || is_dead()) {
                gates::pass_over(mapping, gate.seat, gate.session);
            } else {
                self.facing.store(gate.seat.number(), Ordering::Relaxed);
            }
        }
    }

    /// Tells a publisher that waits for subscribers that one has come.
    pub(crate) fn announce_arrival(&self) {
        if let Some(commons) = self.commons() {
            roster::announce(commons, self.own_signal.signal());
        }
    }

    /// For a publisher: waits until `over`, which is asked whenever a subscriber comes.
    pub(crate) fn wait_for_arrivals(
        &self,
        timeout: Option<Duration>,
        over: &dyn Fn() -> bool,
        check: Check<'_>,
    ) -> Result<()> {
        /// Where the system cannot sleep on the word that tells.
        const PAUSE: Duration = Duration::from_millis(10);
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let slice = if cfg!(windows) { PAUSE } else { wait::SLICE };
        while let Some(commons) = self.commons() {
            let epoch = roster::epoch(commons);
            if over() {
                break;
            }
            self.check_open()?;
            check()?;
            let left = deadline.map_or(slice, |deadline| {
                deadline.saturating_duration_since(Instant::now())
            });
            if left.is_zero() {
                return Err(Error::TimedOut {
                    channel: Arc::clone(self.name()),
                    what: "subscriber",
                    after: timeout.unwrap_or_default(),
                });
            }
            self.own_signal
                .signal()
                .sleep(&commons.epoch.0, epoch, left.min(slice));
        }
        Ok(())
    }

    /// Makes a thread that waits on this endpoint look again.
    pub(crate) fn rouse(&self) {
        let facing = self.facing();
        self.with_peer_signal(facing, |signal| {
            signal.wake(&self.mapping().page(facing).wake.0);
        });
    }

    /// Closes this side: tells the peer, gives the role back, and removes the name if this was the
    /// last side and nothing is left to deliver.
    ///
    /// Waits (well under a millisecond) until no thread sleeps in this endpoint.
    pub(crate) fn detach(&self, drained: impl FnOnce() -> bool) {
        if self.begin_leaving() {
            self.announce_closed();
            self.give_back(drained);
        }
    }

    /// As [`Endpoint::detach`], and the name goes now: only a side that is attached gets what is undelivered.
    pub(crate) fn detach_discarding(&self) -> Result<()> {
        if !self.begin_leaving() {
            return Ok(());
        }
        let removed = self.segment.remove_name();
        self.announce_closed();
        // Where the name could not be removed, it goes by the usual rule, or stays with what is undelivered.
        self.segment.let_go(self.seat);
        removed
    }

    /// The first third of [`Endpoint::detach`]: makes every waiting thread leave. `false` when there is nothing
    /// to close: it is closed already, or the parent's.
    pub(crate) fn begin_leaving(&self) -> bool {
        if self.is_inherited() || self.closing.swap(true, Ordering::SeqCst) {
            return false;
        }
        self.leave_watch();
        while self.waiting.load(Ordering::SeqCst) {
            // The thread may be on its way into its sleep, so once is not enough.
            self.rouse();
            std::thread::yield_now();
        }
        true
    }

    /// The second third: from here on the peer takes this side for closed.
    ///
    /// Not a subscriber's, which holds its publisher up as long as it has lent messages out, and whose closing nobody
    /// waits for.
    pub(crate) fn announce_closed(&self) {
        if !self.is_subscriber() {
            self.store_closed();
        }
    }

    fn store_closed(&self) {
        let own = self.own();
        // Release: pairs with the Acquire loads of the peer; everything published comes before.
        own.presence.0.state.store(STATE_CLOSED, Ordering::Release);
        self.call();
    }

    /// Wakes all peers, however they sleep.
    fn call(&self) {
        wait::call(self.own(), self.peers(), &self.own_signal);
    }

    /// Leaves as a death would: the peer gets what was published, then [`Error::PeerDied`].
    pub(crate) fn desert(&self, drained: impl FnOnce() -> bool) {
        if self.begin_leaving() {
            self.segment.let_go(self.seat);
            self.segment.remove_if_alone(drained);
            // It looks anew, and finds the role free: that look at who is alone has held it for a moment.
            self.call();
        }
    }

    /// The last third: others may take the role, and the name goes if nothing is left.
    pub(crate) fn give_back(&self, drained: impl FnOnce() -> bool) {
        if self.is_subscriber() {
            self.store_closed();
        }
        self.segment.let_go(self.seat);
        // Of a broadcast nothing is left to deliver but to durable subscribers.
        let is_broadcast = self.segment.is_broadcast();
        self.segment.remove_if_alone(|| match is_broadcast {
            true => matches!(self.segment.undelivered(), Ok((0, _))),
            false => drained(),
        });
    }
}

/// Takes [`Endpoint::waiting`] back at the end of a wait.
struct Waiting<'a>(&'a Endpoint);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.store(false, Ordering::SeqCst);
        self.0.tell_watch();
    }
}

/// A predecessor that died asleep may have left the bell behind that it slept on.
fn bury_bell_of_predecessor(own: &RolePage) {
    let words = &own.sleep.0;
    let bell = words.bell.load(Ordering::Relaxed);
    if bell != 0 && words.ticket.load(Ordering::Relaxed) % 2 == 1 {
        segment::bury(bell);
    }
}

/// Polls `ready` for some hundred nanoseconds.
pub(crate) fn poll(ready: &mut dyn FnMut() -> bool) -> bool {
    for _ in 0..POLLS_PER_LOOK {
        if ready() {
            return true;
        }
        std::hint::spin_loop();
    }
    false
}

/// Polls `ready` until `end`, and lets others run now and then if it `shares` its processor.
pub(crate) fn spin_until(end: Instant, shares: bool, ready: &mut dyn FnMut() -> bool) -> bool {
    let mut let_others_run = None;
    while !poll(ready) {
        let now = Instant::now();
        if now >= end {
            return false;
        }
        if shares && now >= *let_others_run.get_or_insert(now + PATIENCE) {
            std::thread::yield_now();
            let_others_run = Some(now + PATIENCE);
        }
    }
    true
}

/// With one processor the peer cannot run while this side spins.
fn several_processors() -> bool {
    static ANSWER: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *ANSWER.get_or_init(|| os::processors() > 1)
}
