//! What a worker has noted survives its death: words in mapped files, and one log of lines.
#![allow(unsafe_code)]

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::FileExt as _;
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
        // A worker may know of fewer than there are.
        if file.metadata()?.len() < 8 * count as u64 {
            file.set_len(8 * count as u64)?;
        }
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

/// What one life of those that make messages has noted, and, of an inbox's senders, how far they were read.
pub(super) struct Maker(Words);

impl Maker {
    pub(super) fn open(folder: &Path, session: u32) -> Result<Self, String> {
        let path = folder.join(format!("writer-{session}"));
        let words = Words::open(&path, 3).map_err(|error| error.to_string());
        words.map(Self)
    }

    /// How many messages there may be: noted before they are written.
    pub(super) fn intent(&self) -> u64 {
        self.0.get(0)
    }

    /// How many there are at least: noted after they were written.
    pub(super) fn done(&self) -> u64 {
        self.0.get(1)
    }

    /// The first one that an inbox has not read.
    pub(super) fn read(&self) -> u64 {
        self.0.get(2)
    }

    pub(super) fn set_intent(&self, messages: u64) {
        self.0.set(0, messages);
    }

    pub(super) fn set_done(&self, messages: u64) {
        self.0.set(1, messages);
    }

    pub(super) fn set_read(&self, next: u64) {
        self.0.set(2, next);
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

/// A byte for each message of a session.
pub(super) struct Ledger(File);

impl Ledger {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .map(Self)
    }

    /// 0 where nothing was noted yet.
    pub(super) fn get(&self, number: u32) -> io::Result<u8> {
        let mut byte = [0];
        self.0.read_at(&mut byte, number.into())?;
        Ok(byte[0])
    }

    pub(super) fn set(&self, number: u32, byte: u8) -> io::Result<()> {
        self.0.write_all_at(&[byte], number.into())
    }
}
