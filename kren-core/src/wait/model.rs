//! Sleeping and waking as the model checker sees them: a futex made of a lock and a condition.
//!
//! `membarrier` cannot be modelled, so publishers fence here, as they do where it is not to be had.

use crate::sync::{AtomicU32, Ordering};
use loom::sync::{Condvar, Mutex};
use std::time::Duration;

pub(crate) struct Signal {
    gate: Mutex<()>,
    bell: Condvar,
}

impl Signal {
    pub(crate) fn new() -> Self {
        Self { gate: Mutex::new(()), bell: Condvar::new() }
    }

    /// As the kernel does it: compares and falls asleep as one step. Never times out, so that a
    /// lost wake-up is a deadlock, which loom reports.
    pub(crate) fn sleep(&self, word: &AtomicU32, expected: u32, _timeout: Duration) {
        let gate = self.gate.lock().unwrap();
        if word.load(Ordering::Relaxed) == expected {
            drop(self.bell.wait(gate).unwrap());
        }
    }

    pub(crate) fn wake(&self, _word: &AtomicU32) {
        let _gate = self.gate.lock().unwrap();
        self.bell.notify_all();
    }
}

pub(crate) mod barrier {
    pub(crate) fn register() -> bool {
        false
    }

    pub(crate) fn issue() -> bool {
        true
    }
}
