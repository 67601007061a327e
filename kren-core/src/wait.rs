//! Going to sleep without missing a wake-up, and waking without paying for it.
//!
//! The protocol of `docs/spec/wake.md`, on the role pages of one segment. W1 to W5 there are the
//! invariants. The argument in short: the sleeper loads the peer's wake count, says that it waits,
//! lets a barrier pass over both sides, and looks again; the publisher publishes, and then looks
//! whether anybody waits. One of the two must see the other.

use crate::layout::{RolePage, SleepWords};
use crate::sync::{AtomicU32, Ordering, compiler_fence, fence};
use std::time::Duration;

#[cfg(loom)]
use self::model::{Signal, barrier, now};
#[cfg(not(loom))]
use crate::os::{Signal, barrier, now};

/// How long a sleep lasts at most before the sleeper looks whether its peer lives (G4).
pub(crate) const SLICE: Duration = Duration::from_millis(100);
/// The same where the peer's wake-up cannot be relied on: see [`doze`].
const SLICE_UNRELIABLE: Duration = Duration::from_millis(1);

/// With what a side wakes its peer.
pub(crate) trait Call {
    /// That of this side's wake count.
    fn signal(&self) -> &Signal;

    /// Rings the bell that a peer has named in its page; `false` where that cannot be done.
    fn ring(&self, bell: u64) -> bool;
}

/// The publishing side's half: wakes a sleeping peer after something was published.
///
/// A clone serves where one side publishes in two places, not in both at a time (W1).
#[derive(Clone)]
pub(crate) struct Waker {
    /// The peer's ticket that has been answered already. A peer takes its time to wake up; until
    /// then every message would cost a system call.
    answered: u32,
    /// Whether this side must fence, because its process could not register for the barrier.
    fences: bool,
}

impl Waker {
    /// Prepares this side to publish, and says in its page how it does (W4).
    pub(crate) fn new(own: &RolePage) -> Self {
        let registered = barrier::register();
        own.presence
            .0
            .barrier
            .store(u32::from(registered), Ordering::Relaxed);
        // Pairs with the fence in `doze`: a sleeper that read the old value is seen by our first
        // look at its ticket.
        fence(Ordering::SeqCst);
        Self {
            answered: 0,
            fences: !registered,
        }
    }

    /// Whether this side must fence between publishing and looking at the peer's ticket (W3).
    pub(crate) fn fences(&self) -> bool {
        self.fences
    }

    /// Called after each publication. Costs one load of a line that changes only around sleeps.
    ///
    /// `reached` is the position published, which the peer may be waiting for.
    #[inline]
    pub(crate) fn notify(
        &mut self,
        own: &RolePage,
        peer: &RolePage,
        caller: &impl Call,
        reached: u64,
    ) {
        if let Some(ticket) = self.sleeper(peer) {
            self.answer(own, peer, caller, ticket, reached);
        }
    }

    /// The ticket of a peer that sleeps, or is about to: asked after a publication.
    #[inline]
    fn sleeper(&self, peer: &RolePage) -> Option<u32> {
        if self.fences {
            fence(Ordering::SeqCst);
        } else {
            // W3: the processor's share of this fence is paid by the sleeper, in `doze`.
            compiler_fence(Ordering::SeqCst);
        }
        // Acquire: pairs with the Release store in `doze`, so that `wanted` belongs to the ticket.
        let ticket = peer.sleep.0.ticket.load(Ordering::Acquire);
        (ticket % 2 == 1).then_some(ticket)
    }

    /// Whether [`Self::notify`] is to be called for a publication: for callers to whom that call is dear.
    #[inline]
    pub(crate) fn is_asked(&self, peer: &RolePage) -> bool {
        self.sleeper(peer).is_some()
    }

    #[cold]
    fn answer(
        &mut self,
        own: &RolePage,
        peer: &RolePage,
        caller: &impl Call,
        ticket: u32,
        reached: u64,
    ) {
        if ticket == self.answered || reached < peer.sleep.0.wanted.load(Ordering::Relaxed) {
            return;
        }
        self.answered = ticket;
        if !ring(own, peer, caller) {
            wake(own, caller.signal());
        }
    }
}

/// Rings the bell that the peer has named, if it sleeps on one; `false` where it does not, or cannot be rung.
fn ring(own: &RolePage, peer: &RolePage, caller: &impl Call) -> bool {
    // Relaxed: comes with the ticket. A bell of a later sleep is rung for nothing, or not at all: that sleep looks after
    // the publication (W3).
    let bell = peer.sleep.0.bell.load(Ordering::Relaxed);
    if bell == 0 {
        return false;
    }
    let is_rung = caller.ring(bell);
    if !is_rung {
        // W9: the sleeper is to look by itself. One storing side.
        let unrung = &own.presence.0.unrung;
        let count = unrung.load(Ordering::Relaxed).wrapping_add(1);
        unrung.store(count, Ordering::Relaxed);
    }
    is_rung
}

/// Wakes the peers however they sleep, for good: this side is gone.
pub(crate) fn call<'a>(
    own: &RolePage,
    peers: impl Iterator<Item = &'a RolePage>,
    caller: &impl Call,
) {
    wake(own, caller.signal());
    // W3: a sleeper on a bell has not loaded the wake count, so either it is seen here, or it sees what was stored.
    fence(Ordering::SeqCst);
    for peer in peers {
        if peer.sleep.0.ticket.load(Ordering::Acquire) % 2 == 1 {
            ring(own, peer, caller);
        }
    }
}

/// Wakes the peer whether it sleeps or not.
pub(crate) fn wake(own: &RolePage, signal: &Signal) {
    // Release: pairs with the Acquire load in `doze`. One storing side (W1), so no exchange.
    let count = own.wake.0.load(Ordering::Relaxed).wrapping_add(1);
    own.wake.0.store(count, Ordering::Release);
    signal.wake(&own.wake.0);
}

/// Sleeps until `ready`, a wake-up or the end of `timeout` (cut to a slice); tells whether `ready`.
///
/// `wanted` is the peer's position from which on a wake-up makes sense. `epoch` is what a publisher with several
/// sleepers looks at before it looks at their tickets (B10).
pub(crate) fn doze(
    own: &RolePage,
    peer: &RolePage,
    signal: &Signal,
    epoch: Option<&AtomicU32>,
    wanted: u64,
    timeout: Duration,
    ready: &mut dyn FnMut() -> bool,
) -> bool {
    // W2: the count is loaded before the ticket is stored (Acquire keeps the order). A peer that
    // answers this ticket changes the count after our load, and the sleep ends at once.
    let count = peer.wake.0.load(Ordering::Acquire);
    let words = &own.sleep.0;
    forget_since(words, wanted);
    words.wanted.store(wanted, Ordering::Relaxed);
    words.bell.store(0, Ordering::Relaxed);
    let ticket = words.ticket.load(Ordering::Relaxed) | 1;
    // Release: pairs with the Acquire load in `Waker::notify`.
    words.ticket.store(ticket, Ordering::Release);
    if let Some(epoch) = epoch {
        // B10: behind the ticket. Release: pairs with the Acquire load in `Herald::notify`, which then sees the ticket.
        epoch.fetch_add(1, Ordering::Release);
    }

    // W3: either the peer fences itself, or this barrier runs on its processor.
    fence(Ordering::SeqCst);
    let relies_on_barrier = peer.presence.0.barrier.load(Ordering::Relaxed) == 1;
    let reliable = !relies_on_barrier || barrier::issue();
    let slice = if reliable { SLICE } else { SLICE_UNRELIABLE };

    let mut is_ready = ready();
    if !is_ready {
        note_since(words);
        signal.sleep(&peer.wake.0, count, timeout.min(slice));
        is_ready = ready();
    }
    words
        .ticket
        .store(ticket.wrapping_add(1), Ordering::Release);
    is_ready
}

/// A sleep for `wanted` begins: what was said of a sleep for something else holds no more.
///
/// Slices, time-outs and restarts do not count: a position that was waited for once and still is has not been reached since.
fn forget_since(words: &SleepWords, wanted: u64) {
    if words.wanted.load(Ordering::Relaxed) != wanted {
        words.since.store(0, Ordering::Relaxed);
    }
}

/// Says since when this is waited for, unless it has been said.
fn note_since(words: &SleepWords) {
    if words.since.load(Ordering::Relaxed) == 0 {
        words.since.store(now(), Ordering::Relaxed);
    }
}

/// Ends a sleep that a dead predecessor of this side has left announced.
pub(crate) fn settle(own: &RolePage) {
    let words = &own.sleep.0;
    let ticket = words.ticket.load(Ordering::Relaxed);
    // To the next even number: a ticket that the peer has answered is never used twice (W5).
    words
        .ticket
        .store((ticket | 1).wrapping_add(1), Ordering::Release);
}

pub(crate) mod bell;
mod herald;

pub(crate) use self::herald::Herald;

#[cfg(all(test, loom))]
mod herald_tests;
#[cfg(loom)]
pub(crate) mod model;
#[cfg(all(test, loom))]
mod tests;
