//! A registry in the model: members that join, leave and take one another's seats while the owner looks them over, and
//! the names that go with them (I1 to I5, Q2 to Q4).
//!
//! A sleep of the model does not time out, so what is told to nobody is a deadlock.

use super::region::page;
use super::{long_model, long_model_of_each_barrier};
use crate::gates::Pages;
use crate::layout::{Block, Commons, RolePage, STATE_CLOSED, STATE_OPEN, Seat};
use crate::roster::{self, Member};
use crate::sync::{AtomicU32, AtomicU64, Ordering};
use crate::wait::model::{Signal, barrier};
use crate::wait::{Call, Waker, bell, settle};
use loom::sync::Arc;
use loom::thread;
use std::time::Duration;

/// Seats for members.
const SEATS: usize = 2;
/// What the owner's page names: a bell of the model, slot 0.
const BELL: u64 = 1 << 16;

/// Names and locks as the kernel keeps them. Each call is one step, and finds what there is by then. Locks order what their
/// holders do, one after the other; the registry relies on no word about names doing so.
struct Kernel(loom::sync::atomic::AtomicU32);

impl Kernel {
    fn make(&self, name: u32) {
        self.0.fetch_or(name, Ordering::Relaxed);
    }

    fn unlink(&self, name: u32) {
        self.0.fetch_and(!name, Ordering::Relaxed);
    }

    /// Whether there is such a name, or somebody holds such a lock.
    fn has(&self, what: u32) -> bool {
        self.0.fetch_or(0, Ordering::Relaxed) & what != 0
    }

    /// Takes all of these locks, or none.
    fn lock(&self, locks: u32) -> bool {
        let mut found = self.0.fetch_or(0, Ordering::Relaxed);
        while found & locks == 0 {
            let (taken, not) = (Ordering::Acquire, Ordering::Relaxed);
            match self.0.compare_exchange(found, found | locks, taken, not) {
                Ok(_) => return true,
                Err(changed) => found = changed,
            }
        }
        false
    }

    fn unlock(&self, locks: u32) {
        self.0.fetch_and(!locks, Ordering::Release);
    }

    /// Removes the name if all of these locks are free, and `agreed` says so: see `Object::remove_if_alone`.
    fn remove_if_alone(&self, name: u32, locks: u32, agreed: impl FnOnce() -> bool) {
        if self.lock(locks) {
            if agreed() {
                self.unlink(name);
            }
            self.unlock(locks);
        }
    }
}

/// The registry's name.
const NAME: u32 = 1;

/// The lock of a seat.
fn lock(seat: Seat) -> u32 {
    2 << seat.number()
}

/// What the kernel knows of the lane of one session: its name, and its writer's and its reader's locks.
#[derive(Clone, Copy)]
struct LaneBits {
    name: u32,
    writer: u32,
    reader: u32,
}

fn bits(member: Member) -> LaneBits {
    let at = at(member);
    LaneBits {
        name: 1 << (8 + at),
        writer: 1 << (16 + at),
        reader: 1 << (24 + at),
    }
}

/// Two sessions of each seat have lanes in these models.
fn at(member: Member) -> usize {
    2 * (member.seat.number() - 1) + (member.session as usize - 1)
}

/// What stands in a lane: how many messages were written, how many released, and that its writer has closed.
struct Lane {
    written: AtomicU32,
    released: AtomicU32,
    closed: AtomicU32,
}

/// What all sides share.
struct Registry {
    kernel: Kernel,
    /// The owner's, then the members'.
    pages: [RolePage; 1 + SEATS],
    commons: Commons,
    lanes: [Lane; 2 * SEATS],
    /// Of whoever sleeps on the epoch.
    signal: Signal,
    /// On which the owner sleeps.
    bell: Commons,
    bell_signal: Signal,
}

impl Pages for Registry {
    fn page(&self, seat: Seat) -> &RolePage {
        &self.pages[seat.number()]
    }

    fn readers(&self) -> usize {
        SEATS
    }
}

impl Call for Registry {
    fn signal(&self) -> &Signal {
        &self.signal
    }

    fn ring(&self, _bell: u64) -> bool {
        bell::ring(&self.bell, &self.bell_signal, 0)
    }
}

fn commons() -> Commons {
    Commons {
        epoch: Block(AtomicU32::new(0)),
        bell: Block(AtomicU32::new(0)),
        slots: [AtomicU64::new(0)],
    }
}

impl Registry {
    fn new() -> Arc<Self> {
        let lane = |_| Lane {
            written: AtomicU32::new(0),
            released: AtomicU32::new(0),
            closed: AtomicU32::new(0),
        };
        Arc::new(Self {
            kernel: Kernel(loom::sync::atomic::AtomicU32::new(NAME)),
            pages: std::array::from_fn(|_| page()),
            commons: commons(),
            lanes: std::array::from_fn(lane),
            signal: Signal::new(),
            bell: commons(),
            bell_signal: Signal::new(),
        })
    }

    fn lane(&self, member: Member) -> &Lane {
        &self.lanes[at(member)]
    }

    fn unread(&self, member: Member) -> u32 {
        let lane = self.lane(member);
        lane.written.load(Ordering::Acquire) - lane.released.load(Ordering::Acquire)
    }

    /// See `View::state_of`.
    fn is_attached(&self, member: Member) -> bool {
        let state = &self.page(member.seat).presence.0.state;
        roster::last(self, member.seat) == member
            && state.load(Ordering::Acquire) == STATE_OPEN
            && self.kernel.has(lock(member.seat))
    }

    /// Finds a lane or makes it, and takes the lock of one of its sides: see `segment::open`. `false` if somebody else has it.
    fn open_lane(&self, member: Member, side: u32) -> bool {
        loop {
            self.kernel.make(bits(member).name);
            if !self.kernel.lock(side) {
                return false;
            }
            if self.kernel.has(bits(member).name) {
                return true;
            }
            // Somebody has just removed it.
            self.kernel.unlock(side);
        }
    }

    /// The lanes that a new session at `seat` asks for: see `segment::registry::lanes`.
    fn left_at(&self, seat: Seat) -> impl Iterator<Item = Member> {
        let session = roster::last(self, seat).session;
        [session, session.saturating_sub(1)]
            .into_iter()
            .filter(|session| *session > 0)
            .map(move |session| Member { seat, session })
    }

    /// Removes a lane that is over, if nobody is on it and nothing is in it.
    fn remove_lane_if_alone(&self, member: Member) {
        let lane = bits(member);
        let is_empty = || self.unread(member) == 0;
        self.kernel
            .remove_if_alone(lane.name, lane.writer | lane.reader, is_empty);
    }
}

/// Who joins, and says so.
struct Joined {
    registry: Arc<Registry>,
    own: Member,
    waker: Waker,
}

impl Joined {
    /// Takes the seat if nothing was left there (I3): see `take_seat` and `Endpoint::attach`.
    fn join(registry: &Arc<Registry>, seat: Seat) -> Option<Self> {
        let kernel = &registry.kernel;
        if !kernel.lock(lock(seat)) {
            return None;
        }
        for left in registry.left_at(seat) {
            if kernel.has(bits(left).name) {
                registry.remove_lane_if_alone(left);
            }
        }
        if registry
            .left_at(seat)
            .any(|left| kernel.has(bits(left).name))
        {
            kernel.unlock(lock(seat));
            return None;
        }
        let presence = &registry.page(seat).presence.0;
        let session = presence.session.load(Ordering::Relaxed) + 1;
        presence.session.store(session, Ordering::Relaxed);
        presence.state.store(STATE_OPEN, Ordering::Release);
        Some(Self {
            waker: Waker::new(registry.page(seat)),
            registry: Arc::clone(registry),
            own: Member { seat, session },
        })
    }

    /// See `Registry::tell`.
    fn tell(&mut self) {
        let registry = &*self.registry;
        barrier::cut();
        roster::announce(&registry.commons, &registry.signal);
        barrier::cut();
        let (own, owner) = (registry.page(self.own.seat), registry.page(Seat::WRITER));
        self.waker.notify(own, owner, registry, u64::MAX);
        barrier::cut();
    }

    /// A sender's lane, with a message in it.
    fn write(&mut self) {
        let is_made = self.registry.open_lane(self.own, bits(self.own).writer);
        assert!(is_made, "it is this session's alone");
        let written = &self.registry.lane(self.own).written;
        written.store(1, Ordering::Release);
    }

    /// Closes the lane, as its writer: see `Endpoint::detach`.
    fn close_lane(&self) {
        let lane = self.registry.lane(self.own);
        lane.closed.store(1, Ordering::Release);
        self.registry.kernel.unlock(bits(self.own).writer);
        self.registry.remove_lane_if_alone(self.own);
    }

    /// See the end of `Registry`.
    fn leave(&mut self) {
        let state = &self.registry.page(self.own.seat).presence.0.state;
        state.store(STATE_CLOSED, Ordering::Release);
        self.tell();
        self.registry.kernel.unlock(lock(self.own.seat));
    }
}

/// The owner, which sleeps on a bell until the epoch has changed.
struct Owner {
    registry: Arc<Registry>,
    seen: u32,
    waker: Waker,
}

impl Owner {
    fn new(registry: &Arc<Registry>) -> Self {
        assert!(registry.kernel.lock(lock(Seat::WRITER)));
        Self {
            waker: Waker::new(registry.page(Seat::WRITER)),
            registry: Arc::clone(registry),
            seen: 0,
        }
    }

    fn has_changed(&self) -> bool {
        roster::epoch(&self.registry.commons) != self.seen
    }

    /// The members there are. Before the look: what changes after it is seen the next time.
    fn look_over(&mut self) -> Vec<Member> {
        self.seen = roster::epoch(&self.registry.commons);
        roster::members(&*self.registry).collect()
    }

    /// See `Selector::wait`, and `Told` for what it asks.
    fn sleep(&self) {
        let (own, bell) = (self.registry.page(Seat::WRITER), &self.registry.bell);
        loop {
            let heard = bell::heard(bell);
            bell::take(bell, 1, |_| ());
            if self.has_changed() {
                return;
            }
            bell::announce(own, None, 0, BELL);
            // Whoever it is that comes next.
            let kept = bell::pass_barrier(barrier::register);
            if self.has_changed() {
                settle(own);
                return;
            }
            let slice = if kept { Duration::MAX } else { Duration::ZERO };
            self.registry.bell_signal.sleep(&bell.bell.0, heard, slice);
            settle(own);
        }
    }

    /// Tells a member that its lane was made: see `Registry::tell_member`.
    fn tell_member(&mut self, member: Member) {
        let registry = &*self.registry;
        barrier::cut();
        roster::announce(&registry.commons, &registry.signal);
        barrier::cut();
        let (own, peer) = (registry.page(Seat::WRITER), registry.page(member.seat));
        self.waker.notify(own, peer, registry, u64::MAX);
        barrier::cut();
    }
}

/// An inbox, which reads what it finds: see `Lanes`.
struct Inbox {
    owner: Owner,
    open: Vec<Member>,
    /// Somebody looked at a lane, and so had it.
    is_denied: bool,
    over: [u32; 1 + SEATS],
    read: Vec<Member>,
}

impl Inbox {
    fn new(registry: &Arc<Registry>) -> Self {
        Self {
            owner: Owner::new(registry),
            open: vec![],
            is_denied: false,
            over: [0; 1 + SEATS],
            read: vec![],
        }
    }

    fn refresh(&mut self) {
        self.is_denied = false;
        for member in self.owner.look_over() {
            let seat = member.seat.number();
            let is_known = self.open.iter().any(|open| open.seat == member.seat);
            if is_known || self.over[seat] == member.session {
                continue;
            }
            let (kernel, lane) = (&self.owner.registry.kernel, bits(member));
            if !kernel.has(lane.name) {
                continue;
            }
            match kernel.lock(lane.reader) {
                true => self.open.push(member),
                false => self.is_denied = true,
            }
        }
    }

    /// Reads what there is; lets go of lanes that are over and empty, and says how many those were.
    fn collect(&mut self) -> usize {
        let mut gone = 0;
        for member in std::mem::take(&mut self.open) {
            let registry = &self.owner.registry;
            let lane = registry.lane(member);
            // Before the look: what was written before the close is not passed over.
            let is_closed = lane.closed.load(Ordering::Acquire) == 1;
            if registry.unread(member) > 0 {
                lane.released.store(1, Ordering::Release);
                self.read.push(member);
            }
            if is_closed {
                self.over[member.seat.number()] = member.session;
                registry.kernel.unlock(bits(member).reader);
                registry.remove_lane_if_alone(member);
                gone += 1;
            } else {
                self.open.push(member);
            }
        }
        gone
    }

    /// Waits until so many have come and gone.
    fn until_gone(&mut self, count: usize) {
        let mut gone = 0;
        loop {
            if self.owner.has_changed() {
                self.refresh();
            }
            gone += self.collect();
            if gone == count {
                return;
            }
            if self.is_denied {
                // After 100 ms.
                thread::yield_now();
                self.refresh();
            } else {
                self.owner.sleep();
            }
        }
    }
}

fn member(seat: usize, session: u32) -> Member {
    Member {
        seat: Seat::numbered(seat),
        session,
    }
}

/// Comes, writes, and goes again.
fn visit(registry: &Arc<Registry>, side: usize, seat: usize) -> thread::JoinHandle<()> {
    let registry = Arc::clone(registry);
    thread::spawn(move || {
        let _running = barrier::Running::begin(side);
        let mut sender = Joined::join(&registry, Seat::numbered(seat)).expect("a seat of its own");
        sender.write();
        sender.tell();
        sender.close_lane();
        sender.leave();
    })
}

/// I1, I4: a member that joins, and goes again, is found by an owner that sleeps, and what it wrote is read.
#[test]
fn loom_who_joins_is_found() {
    long_model_of_each_barrier(|| {
        let registry = Registry::new();
        let visitor = visit(&registry, 1, 1);
        let running = barrier::Running::begin(0);
        let mut inbox = Inbox::new(&registry);
        inbox.until_gone(1);
        assert_eq!(inbox.read, [member(1, 1)]);
        drop(running);
        visitor.join().unwrap();
        assert!(!registry.kernel.has(bits(member(1, 1)).name));
    });
}

/// I4: two that come at once are both found.
#[test]
fn loom_two_that_join_at_once_are_found() {
    long_model(|| {
        let registry = Registry::new();
        let join = |seat| {
            let registry = Arc::clone(&registry);
            thread::spawn(move || {
                let mut sender = Joined::join(&registry, Seat::numbered(seat)).unwrap();
                sender.write();
                sender.tell();
            })
        };
        let joining = [join(1), join(2)];
        let mut inbox = Inbox::new(&registry);
        while inbox.read.len() < 2 {
            inbox.owner.sleep();
            inbox.refresh();
            inbox.collect();
        }
        joining.into_iter().for_each(|one| one.join().unwrap());
    });
}

/// I3: a seat is taken anew only when what its last holder left was read, and its next one is found as well.
#[test]
fn loom_a_seat_that_is_taken_anew_loses_nothing() {
    long_model(|| {
        let registry = Registry::new();
        let seats = Arc::clone(&registry);
        let visitors = thread::spawn(move || {
            let _running = barrier::Running::begin(1);
            let seat = Seat::numbered(1);
            for session in 1..=2 {
                let mut sender = loop {
                    match Joined::join(&seats, seat) {
                        Some(sender) => break sender,
                        None => thread::yield_now(),
                    }
                };
                assert_eq!(sender.own, member(1, session));
                if session == 2 {
                    assert_eq!(seats.unread(member(1, 1)), 0, "what was left was lost");
                }
                sender.write();
                sender.tell();
                sender.close_lane();
                sender.leave();
            }
        });
        let running = barrier::Running::begin(0);
        let mut inbox = Inbox::new(&registry);
        inbox.until_gone(2);
        assert_eq!(inbox.read, [member(1, 1), member(1, 2)]);
        drop(running);
        visitors.join().unwrap();
    });
}

/// What a dealer does with one message: see `KrenDealer::refresh` and `deal`. Gives the session it wrote for.
fn deal(owner: &mut Owner) -> Member {
    loop {
        for member in owner.look_over() {
            let registry = Arc::clone(&owner.registry);
            if !registry.is_attached(member) {
                continue;
            }
            let lane = bits(member);
            if !registry.open_lane(member, lane.writer) {
                // Who takes the seat anew looks whether that is waste.
                owner.seen = owner.seen.wrapping_sub(1);
                continue;
            }
            // Q4: nothing is written to a lane that whoever has taken the seat meanwhile did not see.
            let is_dealt = registry.is_attached(member);
            if is_dealt {
                registry.lane(member).written.store(1, Ordering::Release);
                owner.tell_member(member);
            }
            registry.lane(member).closed.store(1, Ordering::Release);
            registry.kernel.unlock(lane.writer);
            registry.remove_lane_if_alone(member);
            if is_dealt {
                return member;
            }
        }
        if !owner.has_changed() {
            owner.sleep();
        } else {
            thread::yield_now();
        }
    }
}

/// Q2 to Q4, I3: what was dealt to a session that was just over is found by whoever has come since, also where it took the very
/// seat.
#[test]
fn loom_what_is_dealt_is_found() {
    long_model(|| {
        let registry = Registry::new();
        // The first worker is there, and about to leave.
        let mut first = Joined::join(&registry, Seat::numbered(1)).unwrap();
        first.tell();
        let seats = Arc::clone(&registry);
        let workers = thread::spawn(move || {
            let _running = barrier::Running::begin(1);
            first.leave();
            let join = |number| Joined::join(&seats, Seat::numbered(number));
            let mut second = join(1).or_else(|| join(2)).expect("two seats");
            second.tell();
            // As one that looks now and then at what others have left.
            loop {
                let found = roster::sessions(&*seats).find(|member| seats.unread(*member) > 0);
                if let Some(found) = found {
                    assert!(found == second.own || !seats.is_attached(found));
                    assert!(seats.kernel.has(bits(found).name), "nobody finds {found:?}");
                    return found;
                }
                thread::yield_now();
            }
        });
        let running = barrier::Running::begin(0);
        let dealt = deal(&mut Owner::new(&registry));
        drop(running);
        assert_eq!(workers.join().unwrap(), dealt);
    });
}

/// I4: a member that sleeps on the epoch hears that its lane was made, whoever came first.
#[test]
fn loom_a_member_hears_of_its_lane() {
    long_model_of_each_barrier(|| {
        let registry = Registry::new();
        let joins = Arc::clone(&registry);
        let worker = thread::spawn(move || {
            let _running = barrier::Running::begin(1);
            let mut worker = Joined::join(&joins, Seat::numbered(1)).unwrap();
            worker.tell();
            loop {
                // Before the look: see `KrenWorker::wait_in_lane` and `Endpoint::wait_for_arrivals`.
                let epoch = roster::epoch(&joins.commons);
                if joins.kernel.has(bits(worker.own).name) {
                    return;
                }
                joins
                    .signal
                    .sleep(&joins.commons.epoch.0, epoch, Duration::MAX);
            }
        });
        let running = barrier::Running::begin(0);
        deal(&mut Owner::new(&registry));
        drop(running);
        worker.join().unwrap();
    });
}

/// I5: whoever comes while the last side goes is on a registry that has its name, or makes another; and the name stays as
/// long as something was left.
#[test]
fn loom_nobody_joins_what_is_removed() {
    for leaves_something in [false, true] {
        long_model(move || {
            let registry = Registry::new();
            let mut last = Joined::join(&registry, Seat::numbered(1)).unwrap();
            if leaves_something {
                last.write();
                last.close_lane();
            }
            let going = Arc::clone(&registry);
            let last = thread::spawn(move || {
                last.leave();
                let locks = (0..=SEATS).map(|at| lock(Seat::numbered(at))).sum();
                let is_empty = || !going.kernel.has(bits(last.own).name);
                going.kernel.remove_if_alone(NAME, locks, is_empty);
            });
            let kernel = &registry.kernel;
            // See `segment::open` and `enter`.
            let joined = loop {
                if !kernel.has(NAME) {
                    break None;
                }
                let join = |number| Joined::join(&registry, Seat::numbered(number));
                match join(1).or_else(|| join(2)) {
                    Some(joined) if kernel.has(NAME) => break Some(joined),
                    Some(joined) => kernel.unlock(lock(joined.own.seat)),
                    None => thread::yield_now(),
                }
            };
            last.join().unwrap();
            assert!(joined.is_none() || kernel.has(NAME), "it is on its own");
            assert!(
                joined.is_some() || !leaves_something,
                "what was left is lost"
            );
        });
    }
}
