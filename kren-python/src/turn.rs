//! Who may use an endpoint now.
//!
//! A lock would do, were it not for its price: its atomic exchange waits until the stores before it, the last
//! message's, have left the processor, which in a stream is a cache miss for each message. Where there is a GIL it
//! already keeps threads apart, and a plain word that says "taken" is enough.

use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::prelude::*;

/// Taken by one at a time. It is given back by the thread that took it, attached again if it was
/// detached meanwhile.
pub(crate) struct Turn(AtomicBool);

impl Turn {
    pub(crate) const fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    /// Takes the turn; `false` if somebody has it.
    #[inline]
    #[cfg(not(Py_GIL_DISABLED))]
    pub(crate) fn take(&self, _attached: Python<'_>) -> bool {
        // No other thread comes between the two, and the GIL orders what they do before and after.
        if self.0.load(Ordering::Relaxed) {
            return false;
        }
        self.0.store(true, Ordering::Relaxed);
        true
    }

    /// Takes the turn; `false` if somebody has it.
    #[inline]
    #[cfg(Py_GIL_DISABLED)]
    pub(crate) fn take(&self, _attached: Python<'_>) -> bool {
        // Acquire: pairs with the Release store in `give`.
        let taken = self
            .0
            .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed);
        taken.is_ok()
    }

    /// Gives the turn back.
    #[inline]
    pub(crate) fn give(&self) {
        // Release: pairs with the Acquire exchange in `take`.
        self.0.store(false, Ordering::Release);
    }
}
