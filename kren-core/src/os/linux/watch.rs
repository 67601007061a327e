//! Being told when something is made in the directory of channels: inotify.
#![allow(unsafe_code)]

use super::DIRECTORY;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// Tells of everything that is given a name in the directory.
pub(crate) struct Watch(OwnedFd);

impl Watch {
    /// `None` where the system has none to give: a user has some hundred of them. One then looks now and then.
    pub(crate) fn new() -> Option<Self> {
        // SAFETY: no preconditions.
        let fd = unsafe { libc::inotify_init1(libc::IN_CLOEXEC | libc::IN_NONBLOCK) };
        if fd < 0 {
            return None;
        }
        // SAFETY: a descriptor that has just been opened is ours.
        let watch = Self(unsafe { OwnedFd::from_raw_fd(fd) });
        let mask = libc::IN_CREATE | libc::IN_MOVED_TO | libc::IN_ONLYDIR;
        // SAFETY: the path is NUL-terminated.
        let added = unsafe { libc::inotify_add_watch(fd, DIRECTORY.as_ptr(), mask) };
        (added >= 0).then_some(watch)
    }

    /// Waits until something is made, a signal comes, or `timeout` is over; tells whether something was made.
    pub(crate) fn wait(&self, timeout: Duration) -> bool {
        let mut poll = libc::pollfd {
            fd: self.0.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // Up to the next millisecond, so that no wait turns into a loop without a pause.
        let millis = timeout.as_micros().div_ceil(1000);
        let millis = libc::c_int::try_from(millis).unwrap_or(libc::c_int::MAX);
        // SAFETY: one valid pollfd.
        if unsafe { libc::poll(&raw mut poll, 1, millis) } <= 0 {
            return false;
        }
        // Which names they were is found out by looking.
        let mut events = [0_u8; 4096];
        // SAFETY: the buffer is writable and of that length. It never blocks.
        while unsafe { libc::read(self.0.as_raw_fd(), events.as_mut_ptr().cast(), events.len()) }
            > 0
        {}
        true
    }
}
