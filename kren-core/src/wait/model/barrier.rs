//! `membarrier` in the model, as its manual page promises it: between the begin and the end of the
//! call every thread that runs in a registered process has, somewhere in its program, passed a full
//! fence; whoever does not run passes one on its way back.
//!
//! A thread of a model that publishes says that it runs ([`Running`]), and is asked at its
//! [`cut`]s, the places between two of its steps, whether somebody waits for its fence. Loom
//! tries every cut, since the question is seen late or early as the memory model allows.

use loom::sync::atomic::{AtomicU32, Ordering, fence};
use loom::thread;
use std::cell::Cell;

/// What `membarrier` does in a model. Without an offer publishers fence, as they do where it is not
/// to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offer {
    None,
    Kept,
    /// Registered, and then refused to the one who asks, as a filter on system calls may do.
    Refused,
}

/// One side of a channel, or one of several publishers, as the kernel sees its thread.
struct Slot {
    /// 1 while it runs nothing that a barrier would have to order.
    away: AtomicU32,
    asked: AtomicU32,
    answered: AtomicU32,
}

impl Slot {
    fn new() -> Self {
        Self {
            away: AtomicU32::new(1),
            asked: AtomicU32::new(0),
            answered: AtomicU32::new(0),
        }
    }

    fn leave(&self) {
        // Release: what was done before is seen by whoever finds it away.
        self.away.store(1, Ordering::Release);
    }

    fn enter(&self) {
        self.away.store(0, Ordering::Relaxed);
        // Pairs with the first fence in `issue`: one that has missed this store is seen from here on.
        fence(Ordering::SeqCst);
    }

    fn answer(&self) {
        let asked = self.asked.load(Ordering::Relaxed);
        if asked != self.answered.load(Ordering::Relaxed) {
            fence(Ordering::SeqCst);
            self.answered.store(asked, Ordering::Release);
        }
    }
}

loom::lazy_static! {
    static ref SLOTS: [Slot; 3] = [Slot::new(), Slot::new(), Slot::new()];
}

thread_local! {
    /// Of the models that this thread of the system runs, one after the other.
    static OFFER: Cell<Offer> = const { Cell::new(Offer::None) };
}

loom::thread_local! {
    static SIDE: Cell<Option<usize>> = Cell::new(None);
}

fn own() -> Option<&'static Slot> {
    SIDE.with(Cell::get).map(|side| &SLOTS[side])
}

/// Says what the models of this thread have.
pub(crate) fn offer(offer: Offer) {
    OFFER.set(offer);
}

/// While it lives, the thread that made it runs as one side of a channel.
pub(crate) struct Running(usize);

impl Running {
    /// `side` is 0, 1 or 2, and nobody else's.
    pub(crate) fn begin(side: usize) -> Self {
        SIDE.with(|own| own.set(Some(side)));
        SLOTS[side].enter();
        Self(side)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A model that fails has no state left to look at.
        if !std::thread::panicking() {
            SLOTS[self.0].leave();
            SIDE.with(|own| own.set(None));
        }
    }
}

/// While it lives, the thread that made it is in the kernel.
pub(crate) struct Away(());

impl Away {
    pub(crate) fn begin() -> Self {
        if let Some(own) = own() {
            own.leave();
        }
        Self(())
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        if !std::thread::panicking()
            && let Some(own) = own()
        {
            own.enter();
        }
    }
}

/// A place between two steps of a publisher, where somebody else's barrier may fall.
pub(crate) fn cut() {
    if OFFER.get() == Offer::Kept
        && let Some(own) = own()
    {
        own.answer();
    }
}

pub(crate) fn register() -> bool {
    OFFER.get() != Offer::None
}

pub(crate) fn issue() -> bool {
    if OFFER.get() != Offer::Kept {
        return false;
    }
    let side = SIDE.with(Cell::get).expect("a sleeper is one of the sides");
    fence(Ordering::SeqCst);
    for (_, other) in SLOTS.iter().enumerate().filter(|(at, _)| *at != side) {
        ask(other);
    }
    fence(Ordering::SeqCst);
    true
}

/// Waits until one that runs has passed a fence.
fn ask(other: &Slot) {
    if other.away.load(Ordering::Acquire) == 0 {
        // Several may ask at a time.
        let asked = other.asked.fetch_add(1, Ordering::AcqRel) + 1;
        while other.answered.load(Ordering::Acquire) < asked
            && other.away.load(Ordering::Acquire) == 0
        {
            // It may be asking the same of this side.
            cut();
            thread::yield_now();
        }
    }
}
