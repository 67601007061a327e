//! The machine's own limit: two bare atomics, each on a line of its own, bounced between two
//! processes.
#![allow(unsafe_code)]

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

const PAGE: usize = 4096;

pub(crate) struct Raw {
    base: *mut u8,
    path: Option<PathBuf>,
}

impl Raw {
    pub(crate) fn create(name: &str) -> Self {
        let path = Self::path(name);
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
            .unwrap();
        file.set_len(PAGE as u64).unwrap();
        Self {
            base: Self::map(&file),
            path: Some(path),
        }
    }

    pub(crate) fn open(name: &str) -> Self {
        let file = File::options()
            .read(true)
            .write(true)
            .open(Self::path(name))
            .unwrap();
        Self {
            base: Self::map(&file),
            path: None,
        }
    }

    fn path(name: &str) -> PathBuf {
        let shared = PathBuf::from("/dev/shm");
        let directory = if shared.is_dir() {
            shared
        } else {
            std::env::temp_dir()
        };
        directory.join(format!("kren-raw-{name}"))
    }

    fn map(file: &File) -> *mut u8 {
        // SAFETY: a new mapping of a page that the file has.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                PAGE,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        assert_ne!(base, libc::MAP_FAILED);
        base.cast()
    }

    fn word(&self, line: usize) -> &AtomicU64 {
        // SAFETY: inside the page, and aligned.
        unsafe { &*self.base.add(line * 256).cast() }
    }

    pub(crate) fn lead(&self, trips: usize) {
        let start = self.word(0).load(Ordering::Relaxed);
        for turn in start + 1..=start + trips as u64 {
            self.word(0).store(turn, Ordering::Release);
            while self.word(1).load(Ordering::Acquire) != turn {
                std::hint::spin_loop();
            }
        }
    }

    pub(crate) fn follow(&self, trips: usize) {
        let start = self.word(1).load(Ordering::Relaxed);
        for turn in start + 1..=start + trips as u64 {
            while self.word(0).load(Ordering::Acquire) != turn {
                std::hint::spin_loop();
            }
            self.word(1).store(turn, Ordering::Release);
        }
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // SAFETY: mapped in `map`, unmapped once.
        unsafe { libc::munmap(self.base.cast(), PAGE) };
        if let Some(path) = &self.path {
            let _ = std::fs::remove_file(path);
        }
    }
}
