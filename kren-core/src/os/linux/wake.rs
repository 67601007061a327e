//! Futexes to sleep on, and `membarrier`, so that the sleeper pays for ordering.
#![allow(unsafe_code)]

use crate::sync::AtomicU32;
use std::time::Duration;

/// A futex: any word of the segment will do.
pub(crate) struct Signal;

impl Signal {
    /// Sleeps while `word` holds `expected`, at most for `timeout`. May return early.
    #[allow(clippy::cast_lossless, reason = "on 32-bit systems a shorter word")]
    pub(crate) fn sleep(&self, word: &AtomicU32, expected: u32, timeout: Duration) {
        let timeout = libc::timespec {
            tv_sec: timeout.as_secs() as _,
            tv_nsec: timeout.subsec_nanos() as _,
        };
        // Without FUTEX_PRIVATE_FLAG: the word is shared between processes.
        // SAFETY: `word` is a mapped, aligned u32; the kernel only compares it.
        unsafe {
            libc::syscall(
                libc::SYS_futex,
                std::ptr::from_ref(word),
                libc::FUTEX_WAIT,
                expected,
                &raw const timeout,
            );
        }
    }

    /// Wakes whoever sleeps on `word`.
    pub(crate) fn wake(&self, word: &AtomicU32) {
        // SAFETY: `word` is a mapped, aligned u32; the kernel only uses its address.
        unsafe {
            libc::syscall(
                libc::SYS_futex,
                std::ptr::from_ref(word),
                libc::FUTEX_WAKE,
                i32::MAX,
            );
        }
    }
}

/// `membarrier`: lets the side that goes to sleep pay for ordering, instead of every publisher at
/// every message.
pub(crate) mod barrier {
    use std::sync::OnceLock;

    /// Whether this kind of system has such a thing.
    pub(crate) const OFFERED: bool = true;

    const GLOBAL_EXPEDITED: i32 = 1 << 1;
    const REGISTER_GLOBAL_EXPEDITED: i32 = 1 << 2;

    fn membarrier(command: i32) -> bool {
        // SAFETY: membarrier touches no memory of ours.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
    }

    /// Lets other processes order this one's loads and stores; `false` where that cannot be had.
    /// Once per process.
    pub(crate) fn register() -> bool {
        static REGISTERED: OnceLock<bool> = OnceLock::new();
        *REGISTERED.get_or_init(|| membarrier(REGISTER_GLOBAL_EXPEDITED))
    }

    /// A full barrier on every running thread of every registered process; `false` if refused.
    pub(crate) fn issue() -> bool {
        membarrier(GLOBAL_EXPEDITED)
    }
}
