//! What a worker has noted survives its death: words in mapped files, and one log of lines.
#![allow(unsafe_code)]

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

/// Words of a file, shared between the coordinator and a worker.
pub(super) struct Words {
    words: *const AtomicU64,
    count: usize,
}

// SAFETY: the words are atomics in a mapping that lives as long as this value.
unsafe impl Send for Words {}

impl Words {
    /// Makes the file with `count` words of 0, or opens it as it is.
    pub(super) fn open(path: &Path, count: usize) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        file.set_len(8 * count as u64)?;
        // SAFETY: a new mapping at an address the kernel chooses disturbs nothing.
        let words = unsafe {
            let protection = libc::PROT_READ | libc::PROT_WRITE;
            let fd = file.as_raw_fd();
            libc::mmap(
                ptr::null_mut(),
                8 * count,
                protection,
                libc::MAP_SHARED,
                fd,
                0,
            )
        };
        match words {
            libc::MAP_FAILED => Err(io::Error::last_os_error()),
            words => Ok(Self {
                words: words.cast::<AtomicU64>().cast_const(),
                count,
            }),
        }
    }

    fn word(&self, at: usize) -> &AtomicU64 {
        assert!(at < self.count);
        // SAFETY: inside the mapping, aligned, and an atomic for every process that uses it.
        unsafe { &*self.words.add(at) }
    }

    pub(super) fn get(&self, at: usize) -> u64 {
        self.word(at).load(Ordering::SeqCst)
    }

    pub(super) fn set(&self, at: usize, value: u64) {
        self.word(at).store(value, Ordering::SeqCst);
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        // SAFETY: what `open` has mapped.
        unsafe {
            libc::munmap(self.words.cast_mut().cast(), 8 * self.count);
        }
    }
}

/// Lines that are whole, because each is one `write`.
pub(super) struct Log(File);

impl Log {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .map(Self)
    }

    pub(super) fn line(&mut self, line: &str) -> io::Result<()> {
        self.0.write_all(format!("{line}\n").as_bytes())
    }
}
