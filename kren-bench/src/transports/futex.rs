//! The limit "futex": a store and a wake-up, a sleep and a load, with nothing around them.
#![allow(unsafe_code)]

use std::sync::atomic::{AtomicU32, Ordering};

use super::Entry;
use super::shared::Shared;
use crate::Result;
use crate::link::{Ends, Setup, Side, Test};

struct Futex {
    shared: Shared,
    side: Side,
    sent: u32,
    received: u32,
}

pub(super) fn entry() -> Entry {
    Entry {
        name: "futex",
        how: "limit: a bare futex hand-over, no payload",
        // Without a futex there is nothing to show, and the report says so by leaving it out.
        tests: if cfg!(target_os = "linux") {
            &[Test::Wake, Test::Idle, Test::Trips]
        } else {
            &[]
        },
        sizes: 64..=64,
        listed: true,
        open: |setup| Ok(Box::new(Futex::open(setup)?)),
    }
}

impl Futex {
    fn open(setup: &Setup) -> Result<Self> {
        Ok(Self {
            shared: Shared::open(setup)?,
            side: setup.side,
            sent: 0,
            received: 0,
        })
    }
}

impl Ends for Futex {
    fn send(&mut self, _number: u64) {
        self.sent = self.sent.wrapping_add(1);
        let (own, _) = self.shared.sleep_words(self.side);
        own.store(self.sent, Ordering::Release);
        wake(own);
    }

    fn receive(&mut self) -> u64 {
        let (_, peer) = self.shared.sleep_words(self.side);
        while peer.load(Ordering::Acquire) == self.received {
            sleep(peer, self.received);
        }
        self.received = self.received.wrapping_add(1);
        0
    }

    fn carried(&self) -> Option<usize> {
        None
    }
}

#[cfg(target_os = "linux")]
fn wake(word: &AtomicU32) {
    // SAFETY: the word is mapped; a wake-up touches nothing.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, 1) };
}

#[cfg(target_os = "linux")]
fn sleep(word: &AtomicU32, seen: u32) {
    let no_end = std::ptr::null::<libc::timespec>();
    // SAFETY: the word is mapped; every return is followed by another look at it.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT,
            seen,
            no_end,
        )
    };
}

#[cfg(not(target_os = "linux"))]
fn wake(_word: &AtomicU32) {}

#[cfg(not(target_os = "linux"))]
fn sleep(_word: &AtomicU32, _seen: u32) {
    std::hint::spin_loop();
}
