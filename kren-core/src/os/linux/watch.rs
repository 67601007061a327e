//! Being told when something is made in the directory of channels: inotify.
#![allow(unsafe_code)]

use super::{DIRECTORY, Identity, fork, identity};
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// How often to look where nothing tells of a change any more.
const PAUSE: Duration = Duration::from_millis(50);

/// Tells of everything that is given a name in the directory.
pub(crate) struct Watch {
    /// Looked at before it is used: it is open as long as somebody waits, and another thread may close what is not
    /// its own meanwhile.
    fd: ManuallyDrop<OwnedFd>,
    identity: Identity,
}

impl Watch {
    /// `None` where the system has none to give: a user has some hundred of them. One then looks now and then.
    pub(crate) fn new() -> Option<Self> {
        // SAFETY: no preconditions.
        let fd = unsafe { libc::inotify_init1(libc::IN_CLOEXEC | libc::IN_NONBLOCK) };
        if fd < 0 {
            return None;
        }
        // SAFETY: a descriptor that has just been opened is ours.
        let fd = fork::beyond_streams(unsafe { OwnedFd::from_raw_fd(fd) }).ok()?;
        let watch = Self {
            identity: identity(fd.as_raw_fd()).ok()?,
            fd: ManuallyDrop::new(fd),
        };
        let mask = libc::IN_CREATE | libc::IN_MOVED_TO | libc::IN_ONLYDIR;
        // SAFETY: the path is NUL-terminated.
        let added =
            unsafe { libc::inotify_add_watch(watch.fd.as_raw_fd(), DIRECTORY.as_ptr(), mask) };
        (added >= 0).then_some(watch)
    }

    /// Waits until something is made, a signal comes, or `timeout` is over; tells whether something was made.
    pub(crate) fn wait(&self, timeout: Duration) -> bool {
        if !self.is_ours() {
            std::thread::sleep(timeout.min(PAUSE));
            return true;
        }
        let mut poll = libc::pollfd {
            fd: self.fd.as_raw_fd(),
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
        while unsafe {
            libc::read(
                self.fd.as_raw_fd(),
                events.as_mut_ptr().cast(),
                events.len(),
            )
        } > 0
        {}
        true
    }

    /// Whether the number leads to what was opened, as far as can be told: these have no number of their own in the file
    /// system, but no file of a user has theirs.
    fn is_ours(&self) -> bool {
        identity(self.fd.as_raw_fd()) == Ok(self.identity)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if self.is_ours() {
            // SAFETY: dropped once, here.
            unsafe { ManuallyDrop::drop(&mut self.fd) };
        }
    }
}
