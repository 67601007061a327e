//! Waking many sleepers at the price of one look.
//!
//! A publisher with many readers would have to look at each one's ticket after each publication. Instead every reader
//! adds 1 to one word, the epoch, when it has announced its sleep (B10), and the publisher looks at the tickets only when
//! that word has changed. All sleep on the publisher's wake count, so one call wakes them.

use super::{Call, Waker, ring, wake};
use crate::gates::{Pages, seats};
use crate::layout::{Commons, Seat};
use crate::sync::{Ordering, compiler_fence, fence};

/// The publishing half of the wake protocol, for a publisher with several readers.
pub(crate) struct Herald {
    /// The epoch up to which every announced sleep has been answered.
    seen: u32,
    /// For each seat the ticket that has been answered already.
    answered: Vec<u32>,
    fences: bool,
}

impl Herald {
    /// For a publisher that has prepared `waker`, with so many readers.
    pub(crate) fn new(waker: &Waker, readers: usize, commons: &Commons) -> Self {
        // Whoever sleeps already is looked at with the first publication.
        let epoch = commons.epoch.0.load(Ordering::Relaxed);
        Self {
            seen: epoch.wrapping_sub(1),
            answered: vec![0; readers],
            fences: waker.fences(),
        }
    }

    /// Called after each publication. Costs one load of a line that changes only around sleeps.
    #[inline]
    ///
    /// Tells whether every sleep that has been announced is answered; else it is looked at again with the next one.
    pub(crate) fn notify(
        &mut self,
        pages: &impl Pages,
        commons: &Commons,
        caller: &impl Call,
        reached: u64,
    ) -> bool {
        if self.fences {
            fence(Ordering::SeqCst);
        } else {
            // W3: the processor's share of this fence is paid by the sleepers, in `doze`.
            compiler_fence(Ordering::SeqCst);
        }
        // Acquire: pairs with the Release addition in `doze`.
        let epoch = commons.epoch.0.load(Ordering::Acquire);
        if epoch != self.seen {
            self.answer(pages, caller, epoch, reached);
        }
        epoch == self.seen
    }

    #[cold]
    fn answer(&mut self, pages: &impl Pages, caller: &impl Call, epoch: u32, reached: u64) {
        let mut is_called = false;
        let mut is_done = true;
        for (seat, answered) in seats(pages).zip(&mut self.answered) {
            let words = &pages.page(seat).sleep.0;
            // Acquire: pairs with the Release store in `doze`, so that `wanted` belongs to the ticket.
            let ticket = words.ticket.load(Ordering::Acquire);
            if ticket % 2 == 0 || ticket == *answered {
                continue;
            }
            if reached < words.wanted.load(Ordering::Relaxed) {
                // Looked at again with the next publication.
                is_done = false;
                continue;
            }
            *answered = ticket;
            is_called |= !ring(pages.page(Seat::WRITER), pages.page(seat), caller);
        }
        if is_done {
            self.seen = epoch;
        }
        if is_called {
            wake(pages.page(Seat::WRITER), caller.signal());
        }
    }
}
