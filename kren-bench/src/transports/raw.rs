//! The limit "raw": two bare atomics, each on a line of its own, bounced between the two processes.
//!
//! It is no floor: a ring that moves on to a fresh line for each message can beat it.

use std::sync::atomic::Ordering;

use super::shared::Shared;
use super::{Entry, SIZES};
use crate::Result;
use crate::link::{Ends, Setup, Side, Test};

struct Raw {
    shared: Shared,
    side: Side,
    sent: u64,
    received: u64,
}

pub(super) fn entry() -> Entry {
    Entry {
        name: "raw",
        how: "limit: two bare atomics bounced, no payload",
        tests: &[Test::Trips, Test::Timed],
        sizes: SIZES,
        listed: true,
        open: |setup| Ok(Box::new(Raw::open(setup)?)),
    }
}

impl Raw {
    fn open(setup: &Setup) -> Result<Self> {
        Ok(Self {
            shared: Shared::open(setup)?,
            side: setup.side,
            sent: 0,
            received: 0,
        })
    }
}

impl Ends for Raw {
    #[inline]
    fn send(&mut self, _number: u64) {
        self.sent += 1;
        self.shared
            .words(self.side)
            .0
            .store(self.sent, Ordering::Release);
    }

    #[inline]
    fn receive(&mut self) -> u64 {
        self.received += 1;
        while self.shared.words(self.side).1.load(Ordering::Acquire) != self.received {
            std::hint::spin_loop();
        }
        0
    }

    fn carried(&self) -> Option<usize> {
        None
    }
}
