//! Keeps an open file description, and with it its locks, whatever becomes of the descriptor.
#![allow(unsafe_code)]

use super::fork;
use super::granularity;
use std::os::fd::RawFd;
use std::ptr;
use std::sync::OnceLock;

/// A page mapped from a description, out of reach of everybody, which a forked child does not inherit.
///
/// A description lives, and holds its locks, as long as something is mapped from it. So a role stays
/// held (G5) when this process closes descriptors that are not its own; and as the child of a `fork`
/// has no part in the mapping, a parent that dies is still seen to die (G3).
pub(super) struct Pin {
    page: *mut libc::c_void,
    generation: u32,
}

// SAFETY: nobody looks through the pointer; it is only given back.
unsafe impl Send for Pin {}
// SAFETY: as for `Send`.
unsafe impl Sync for Pin {}

impl Pin {
    /// `None` where it cannot be had: the descriptor alone holds the locks then.
    pub(super) fn new(fd: RawFd) -> Option<Self> {
        if !advice_is_taken() {
            return None;
        }
        let page = map(fd, libc::MAP_SHARED)?;
        let pin = Self {
            page,
            generation: fork::generation(),
        };
        advise(page, libc::MADV_DONTFORK).then_some(pin)
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        // A forked child has something else there, or nothing.
        if self.generation == fork::generation() {
            unmap(self.page);
        }
    }
}

fn map(fd: RawFd, flags: i32) -> Option<*mut libc::c_void> {
    let len = granularity();
    // SAFETY: a mapping at an address the kernel chooses disturbs nothing.
    let page = unsafe { libc::mmap(ptr::null_mut(), len, libc::PROT_NONE, flags, fd, 0) };
    (page != libc::MAP_FAILED).then_some(page)
}

fn advise(page: *mut libc::c_void, advice: i32) -> bool {
    // SAFETY: a page of ours, which holds nothing.
    unsafe { libc::madvise(page, granularity(), advice) == 0 }
}

fn unmap(page: *mut libc::c_void) {
    // SAFETY: a page that `map` has made, given back once.
    unsafe { libc::munmap(page, granularity()) };
}

/// Whether this system does as `madvise` says: an emulator of other processors nods at everything and does nothing, and
/// a child would keep its parent's locks.
fn advice_is_taken() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| {
        /// No advice of any kernel.
        const NONSENSE: i32 = 0x7a7a;
        map(-1, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS).is_some_and(|page| {
            let nods = advise(page, NONSENSE);
            unmap(page);
            !nods
        })
    })
}
