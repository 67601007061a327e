//! Sleeping and waking as the model checker sees them: a futex made of a lock and a condition.
//!
//! `membarrier` cannot be modelled, so publishers fence here, as they do where it is not to be had.

use crate::sync::{AtomicU32, Ordering};
use loom::sync::{Condvar, Mutex};
use std::time::Duration;

pub(crate) struct Signal {
    /// Sleeps that are still to end at once, as if they had timed out.
    gate: Mutex<u32>,
    bell: Condvar,
}

impl Signal {
    pub(crate) fn new() -> Self {
        Self {
            gate: Mutex::new(0),
            bell: Condvar::new(),
        }
    }

    /// One whose first sleep ends without a wake-up.
    #[cfg(test)]
    pub(crate) fn that_times_out_first() -> Self {
        Self {
            gate: Mutex::new(1),
            bell: Condvar::new(),
        }
    }

    /// As the kernel does it: compares and falls asleep as one step. Does not time out, so that a
    /// lost wake-up is a deadlock, which loom reports.
    pub(crate) fn sleep(&self, word: &AtomicU32, expected: u32, _timeout: Duration) {
        let mut gate = self.gate.lock().unwrap();
        if *gate > 0 {
            *gate -= 1;
        } else if word.load(Ordering::Relaxed) == expected {
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
