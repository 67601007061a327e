//! Which instructions change anything that another process could see.
//!
//! What a dead process leaves depends on nothing else, so dying once after each of these covers
//! every case there is, at a fraction of the runs.
#![allow(unsafe_code)]

use super::actor::{capacity, path};
use super::company::files;
use super::scenario::{Peer, Scenario};
use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::{ptr, slice};

/// As many as any scenario has.
const SEATS: usize = 4;

/// Looks at a channel, with its lanes if it has any, again and again.
pub(super) struct Watch {
    channel: String,
    has_lanes: bool,
    /// The page that the peer stores, and which therefore says nothing of the victim.
    foreign: Option<usize>,
    last: Vec<Look>,
}

/// A segment as it was.
struct Look {
    path: String,
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
        let mut watch = Self {
            channel: channel.to_owned(),
            has_lanes: scenario.part.is_some(),
            foreign,
            last: vec![],
        };
        watch.last = watch.look();
        watch
    }

    fn paths(&self) -> Vec<String> {
        match self.has_lanes {
            true => files(&self.channel),
            false => vec![path(&self.channel)],
        }
    }

    fn look(&self) -> Vec<Look> {
        self.paths().into_iter().filter_map(Look::at).collect()
    }

    /// Whether the channel looks different from the last time. Names and locks change by system calls alone.
    pub(super) fn has_changed(&mut self, was_call: bool) -> bool {
        let foreign = self.foreign;
        if !was_call {
            return self
                .last
                .iter_mut()
                .any(|last| last.bytes_have_changed(foreign));
        }
        let there = self.paths().into_iter().filter_map(|path| {
            let inode = std::fs::metadata(&path).ok()?.ino();
            Some((path, inode))
        });
        let is_same = there.eq(self.last.iter().map(|last| (last.path.clone(), last.inode)))
            && !self
                .last
                .iter_mut()
                .any(|last| last.has_changed(self.foreign));
        if !is_same {
            self.last = self.look();
        }
        !is_same
    }
}

impl Look {
    fn at(path: String) -> Option<Self> {
        let file = OpenOptions::new().read(true).write(true).open(&path).ok()?;
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
            path,
            inode: data.ino(),
            file,
            shown,
            bytes,
            locks,
        })
    }

    fn has_changed(&mut self, foreign: Option<usize>) -> bool {
        self.bytes_have_changed(foreign) || locks(&self.file) != self.locks
    }

    /// Since the last look that found a change, which this one then is.
    fn bytes_have_changed(&mut self, foreign: Option<usize>) -> bool {
        // SAFETY: as above.
        let now = unsafe { slice::from_raw_parts(self.shown, self.bytes.len()) };
        let pages = now.chunks(capacity()).zip(self.bytes.chunks(capacity()));
        let has_changed = pages
            .enumerate()
            .any(|(page, (now, then))| Some(page) != foreign && now != then);
        if has_changed {
            self.bytes.copy_from_slice(now);
        }
        has_changed
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
