//! A file descriptor that becomes readable when rung: what an event loop can watch.
//!
//! A pipe, since each has a number of its own in the file system: a process that closes descriptors by their numbers, as
//! daemons do, gives these numbers to other files, which must not be written to, read from or closed.
#![allow(unsafe_code)]

use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// One end to watch and read, one to write.
pub(crate) struct Bell {
    receive: End,
    send: End,
}

impl Bell {
    pub(crate) fn new() -> io::Result<Self> {
        let (receive, send) = io::pipe()?;
        Ok(Self {
            receive: End::new(receive.into())?,
            send: End::new(send.into())?,
        })
    }

    /// The descriptor to watch for reading.
    ///
    /// # Errors
    ///
    /// EBADF where this process has closed it.
    pub(crate) fn watched(&self) -> io::Result<RawFd> {
        self.receive
            .get()
            .ok_or_else(|| io::Error::from_raw_os_error(libc::EBADF))
    }

    /// Makes the descriptor readable. A bell that already rings stays ringing.
    pub(crate) fn ring(&self) {
        if let Some(fd) = self.send.get() {
            // SAFETY: one readable byte. The only failure is "full", which is "ringing".
            unsafe { libc::write(fd, [1_u8].as_ptr().cast(), 1) };
        }
    }

    /// Makes the descriptor unreadable until the next ring.
    pub(crate) fn silence(&self) {
        let Some(fd) = self.receive.get() else {
            return;
        };
        let mut drained = [0_u8; 64];
        loop {
            // SAFETY: `drained` is writable for its length.
            let count = unsafe { libc::read(fd, drained.as_mut_ptr().cast(), drained.len()) };
            // A pipe is empty when less than asked for comes back.
            if usize::try_from(count).is_ok_and(|count| count == drained.len()) {
                continue;
            }
            return;
        }
    }
}

/// A descriptor that is looked at before it is used or closed.
struct End {
    fd: ManuallyDrop<OwnedFd>,
    identity: Option<(libc::dev_t, libc::ino_t)>,
}

impl End {
    /// Of a new descriptor; none of the standard streams' numbers is kept, which a program prints to that was started
    /// without them.
    fn new(fd: OwnedFd) -> io::Result<Self> {
        let from = libc::STDERR_FILENO + 1;
        let fd = if fd.as_raw_fd() < from {
            // SAFETY: `fd` is open.
            let moved = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, from) };
            if moved < 0 {
                return Err(io::Error::last_os_error());
            }
            // SAFETY: a descriptor that has just been made is ours.
            unsafe { OwnedFd::from_raw_fd(moved) }
        } else {
            fd
        };
        // SAFETY: the descriptor is open, and the flags are only added to.
        let failed = unsafe {
            let flags = libc::fcntl(fd.as_raw_fd(), libc::F_GETFL);
            flags < 0 || libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, flags | libc::O_NONBLOCK) < 0
        };
        if failed {
            return Err(io::Error::last_os_error());
        }
        Ok(Self {
            identity: identity(fd.as_raw_fd()),
            fd: ManuallyDrop::new(fd),
        })
    }

    /// The number, while it leads to what was opened.
    fn get(&self) -> Option<RawFd> {
        let fd = self.fd.as_raw_fd();
        (identity(fd) == self.identity).then_some(fd)
    }
}

impl Drop for End {
    fn drop(&mut self) {
        if self.get().is_some() {
            // SAFETY: dropped once, here.
            unsafe { ManuallyDrop::drop(&mut self.fd) };
        }
    }
}

/// What tells the file behind a descriptor from every other one; `None` if nothing is open there.
fn identity(fd: RawFd) -> Option<(libc::dev_t, libc::ino_t)> {
    // SAFETY: an all-zero stat is valid and writable.
    unsafe {
        let mut found: libc::stat = std::mem::zeroed();
        (libc::fstat(fd, &raw mut found) == 0).then_some((found.st_dev, found.st_ino))
    }
}
