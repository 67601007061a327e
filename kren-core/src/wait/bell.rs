//! Sleeping for many at once: a bell.
//!
//! The second half of `docs/spec/wake.md`, W6 to W9. A bell is a word that one thread sleeps on, and a bit for each
//! end that it waits for. The sleeper loads the word, announces itself on each end, once, lets a barrier pass,
//! and looks again; whoever then publishes on one of the ends sets that end's bit and makes the word grow.

use super::{Signal, forget_since, note_since};
use crate::layout::{Commons, RolePage};
use crate::sync::{AtomicU32, Ordering, fence};

#[cfg(loom)]
use super::model::barrier;
#[cfg(not(loom))]
use crate::os::barrier;

/// Rings the bell for `slot`; `false` if it has no such slot.
pub(crate) fn ring(bell: &Commons, signal: &Signal, slot: usize) -> bool {
    let Some(word) = bell.slots.get(slot / 64) else {
        return false;
    };
    // W6: the bit before the word. Relaxed: the Release below brings it along.
    word.fetch_or(1 << (slot % 64), Ordering::Relaxed);
    // Release: pairs with the Acquire load in `heard`.
    bell.bell.0.fetch_add(1, Ordering::Release);
    signal.wake(&bell.bell.0);
    true
}

/// What the word says now: to be asked for before [`take`] (W7), and given to the signal to sleep on.
pub(crate) fn heard(bell: &Commons) -> u32 {
    // Acquire: pairs with the Release in `ring`: of each ring that is counted here the bit is there to be taken.
    bell.bell.0.load(Ordering::Acquire)
}

/// Clears the bits of the first `words` words, and tells `of` about each that was set.
pub(crate) fn take(bell: &Commons, words: usize, mut of: impl FnMut(usize)) {
    for (at, word) in bell.slots.iter().take(words).enumerate() {
        // Relaxed: `heard` has brought what belongs to a ring that it has counted; another keeps the sleeper awake.
        if word.load(Ordering::Relaxed) == 0 {
            continue;
        }
        let mut bits = word.swap(0, Ordering::Relaxed);
        while bits != 0 {
            of(64 * at + bits.trailing_zeros() as usize);
            bits &= bits - 1;
        }
    }
}

/// Says on one end that its holder sleeps on `bell`, until the peer has reached `wanted`.
///
/// A number of its own each time (W5, W8). [`pass_barrier`] and another look must follow.
/// `epoch` is that of [`doze`](super::doze).
pub(crate) fn announce(own: &RolePage, epoch: Option<&AtomicU32>, wanted: u64, bell: u64) {
    let words = &own.sleep.0;
    forget_since(words, wanted);
    note_since(words);
    words.wanted.store(wanted, Ordering::Relaxed);
    words.bell.store(bell, Ordering::Relaxed);
    let ticket = words.ticket.load(Ordering::Relaxed).wrapping_add(1) | 1;
    // Release: pairs with the Acquire load in `Waker::notify`, so that `bell` and `wanted` belong to the ticket.
    words.ticket.store(ticket, Ordering::Release);
    if let Some(epoch) = epoch {
        // B10, as in `doze`.
        epoch.fetch_add(1, Ordering::Release);
    }
}

/// Whether the peer leaves the barrier between its publication and its look at the ticket to the sleeper.
pub(crate) fn relies_on_barrier(peer: &RolePage) -> bool {
    peer.presence.0.barrier.load(Ordering::Relaxed) == 1
}

/// Lets a barrier pass between the announcements before it and the looks after it (W3), on the publishers' side as well
/// where one of them `relies` on that; `false` where the system refuses it.
pub(crate) fn pass_barrier(relies: impl FnOnce() -> bool) -> bool {
    fence(Ordering::SeqCst);
    // Asked behind the fence: see "A publisher attaches meanwhile" in the spec.
    !relies() || barrier::issue()
}

#[cfg(all(test, loom))]
mod tests;
