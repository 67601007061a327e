//! Which instructions change anything that another process could see.
//!
//! What a dead process leaves depends on nothing else, so dying once after each of these covers
//! every case there is, at a fraction of the runs.
#![allow(unsafe_code)]

use super::actor::{capacity, path};
use super::scenario::{Peer, Scenario};
use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::{ptr, slice};

/// As many as any scenario has.
const SEATS: usize = 4;

/// Looks at a channel again and again.
pub(super) struct Watch {
    path: String,
    /// The page that the peer stores, and which therefore says nothing of the victim.
    foreign: Option<usize>,
    last: Option<Look>,
}

/// A segment as it was.
struct Look {
    file: File,
    inode: u64,
    shown: *const u8,
    bytes: Vec<u8>,
    locks: [bool; SEATS],
}

impl Watch {
    /// Sees the channel as it is now.
    pub(super) fn new(scenario: &Scenario, channel: &str) -> Self {
        let foreign = match scenario.peer {
            Peer::Nobody => None,
            Peer::Writer | Peer::BlockedWriter => Some(1),
            Peer::Reader | Peer::SleepingReader => Some(2),
        };
        let path = path(channel);
        let last = Look::at(&path);
        Self {
            path,
            foreign,
            last,
        }
    }

    /// Whether the channel looks different from the last time.
    pub(super) fn has_changed(&mut self) -> bool {
        let inode = std::fs::metadata(&self.path).map(|found| found.ino()).ok();
        let is_same = match &mut self.last {
            Some(last) => Some(last.inode) == inode && !last.has_changed(self.foreign),
            None => inode.is_none(),
        };
        if !is_same {
            self.last = Look::at(&self.path);
        }
        !is_same
    }
}

impl Look {
    fn at(path: &str) -> Option<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path).ok()?;
        let data = file.metadata().ok()?;
        let len = data.len() as usize;
        // SAFETY: a new mapping at an address the kernel chooses disturbs nothing.
        let shown = unsafe {
            let fd = file.as_raw_fd();
            libc::mmap(
                ptr::null_mut(),
                len,
                libc::PROT_READ,
                libc::MAP_SHARED,
                fd,
                0,
            )
        };
        assert_ne!(shown, libc::MAP_FAILED, "a segment can be mapped");
        let shown = shown.cast::<u8>().cast_const();
        // SAFETY: mapped above, and the victim that could store there stands still; a live peer
        // stores words that are compared, never relied on.
        let bytes = unsafe { slice::from_raw_parts(shown, len) }.to_vec();
        let locks = locks(&file);
        Some(Self {
            inode: data.ino(),
            file,
            shown,
            bytes,
            locks,
        })
    }

    fn has_changed(&mut self, foreign: Option<usize>) -> bool {
        // SAFETY: as above.
        let now = unsafe { slice::from_raw_parts(self.shown, self.bytes.len()) };
        let mut pages = now
            .chunks(capacity())
            .zip(self.bytes.chunks(capacity()))
            .enumerate();
        pages.any(|(page, (now, then))| Some(page) != foreign && now != then)
            || locks(&self.file) != self.locks
    }
}

impl Drop for Look {
    fn drop(&mut self) {
        // SAFETY: what `at` has mapped, and nothing refers to it any more.
        unsafe {
            libc::munmap(self.shown.cast_mut().cast(), self.bytes.len());
        }
    }
}

fn locks(file: &File) -> [bool; SEATS] {
    std::array::from_fn(|seat| is_locked(file, seat as i64))
}

/// Whether somebody holds the lock on this byte.
fn is_locked(file: &File, byte: i64) -> bool {
    // SAFETY: an all-zero flock is valid, and the kernel fills it in.
    unsafe {
        let mut lock: libc::flock = std::mem::zeroed();
        lock.l_type = libc::F_WRLCK as libc::c_short;
        lock.l_start = byte as libc::off_t;
        lock.l_len = 1;
        libc::fcntl(file.as_raw_fd(), libc::F_OFD_GETLK, &raw mut lock) == 0
            && lock.l_type != libc::F_UNLCK as libc::c_short
    }
}
