//! Sleeping and waking as the model checker sees them: a futex made of a lock and a condition, and
//! a process barrier made of a question that the other side must answer.

pub(crate) mod barrier;

use super::{Call, SLICE};
use crate::sync::{AtomicU32, Ordering};
use loom::sync::{Condvar, Mutex};
use loom::thread;
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

    /// As the kernel does it: compares and falls asleep as one step. A whole slice does not time
    /// out, so that a lost wake-up is a deadlock, which loom reports; anything shorter does at once.
    pub(crate) fn sleep(&self, word: &AtomicU32, expected: u32, timeout: Duration) {
        if timeout < SLICE {
            thread::yield_now();
            return;
        }
        // The kernel's switch to another task is a barrier on this processor, and so is the way back.
        let away = barrier::Away::begin();
        let mut gate = self.gate.lock().unwrap();
        if *gate > 0 {
            *gate -= 1;
        } else if word.load(Ordering::Relaxed) == expected {
            drop(self.bell.wait(gate).unwrap());
        }
        drop(away);
    }

    pub(crate) fn wake(&self, _word: &AtomicU32) {
        self.expire();
    }

    /// Ends whatever sleeps there are, as a timeout does that happens to come now.
    pub(crate) fn expire(&self) {
        let _gate = self.gate.lock().unwrap();
        self.bell.notify_all();
    }
}

/// A side that nobody waits for with a bell.
impl Call for Signal {
    fn signal(&self) -> &Signal {
        self
    }

    fn ring(&self, _bell: u64) -> bool {
        false
    }
}

/// What it is for is shown to people alone.
pub(crate) fn now() -> u64 {
    1
}
