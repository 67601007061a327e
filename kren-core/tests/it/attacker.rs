//! A process that may store anything it likes into a segment, and does.
#![allow(unsafe_code)]

use crate::support::PAGE;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Where things lie: `docs/spec/segment.md`.
pub(crate) const HEADER_LEN: usize = 72;
pub(crate) const WRITER_PAGE: usize = PAGE;
pub(crate) const READER_PAGE: usize = 2 * PAGE;
pub(crate) const DATA: usize = 3 * PAGE;
/// Offset and length of each word of a role page.
pub(crate) const WORDS: [(&str, usize, usize); 9] = [
    ("position", 0, 8),
    ("wake count", 128, 4),
    ("ticket", 256, 4),
    ("streaming", 260, 4),
    ("wanted", 264, 8),
    ("state", 384, 4),
    ("session", 388, 4),
    ("pid", 392, 4),
    ("barrier", 396, 4),
];

/// The whole segment, writable, as an attacker who owns it has it.
pub(crate) struct Attacker {
    base: *mut u8,
    len: usize,
}

// SAFETY: reached through atomics only.
unsafe impl Sync for Attacker {}

impl Attacker {
    pub(crate) fn new(name: &str) -> Self {
        let path = format!("/dev/shm/kren-{name}");
        let file = std::fs::File::options()
            .read(true)
            .write(true)
            .open(path)
            .unwrap();
        let len = file.metadata().unwrap().len() as usize;
        // SAFETY: a fresh mapping disturbs nothing.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                len,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                std::os::fd::AsRawFd::as_raw_fd(&file),
                0,
            )
        };
        assert_ne!(base, libc::MAP_FAILED);
        Self {
            base: base.cast(),
            len,
        }
    }

    pub(crate) fn u32(&self, at: usize) -> &AtomicU32 {
        assert!(at + 4 <= self.len && at.is_multiple_of(4));
        // SAFETY: inside the mapping, aligned.
        unsafe { &*self.base.add(at).cast() }
    }

    pub(crate) fn u64(&self, at: usize) -> &AtomicU64 {
        assert!(at + 8 <= self.len && at.is_multiple_of(8));
        // SAFETY: inside the mapping, aligned.
        unsafe { &*self.base.add(at).cast() }
    }

    pub(crate) fn get(&self, at: usize, len: usize) -> u64 {
        match len {
            4 => self.u32(at).load(Ordering::SeqCst).into(),
            _ => self.u64(at).load(Ordering::SeqCst),
        }
    }

    pub(crate) fn set(&self, at: usize, len: usize, value: u64) {
        match len {
            4 => self.u32(at).store(value as u32, Ordering::SeqCst),
            _ => self.u64(at).store(value, Ordering::SeqCst),
        }
    }
}

impl Drop for Attacker {
    fn drop(&mut self) {
        // SAFETY: what `new` mapped.
        unsafe { libc::munmap(self.base.cast(), self.len) };
    }
}
