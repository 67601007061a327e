//! A file descriptor that becomes readable when rung: what an event loop can watch.
#![allow(unsafe_code)]

use std::io;
#[cfg(target_os = "linux")]
use std::os::fd::FromRawFd;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

/// One end to watch and read, one to write; on Linux both are the same eventfd.
pub(crate) struct Bell {
    receive: OwnedFd,
    #[cfg(not(target_os = "linux"))]
    send: OwnedFd,
}

impl Bell {
    #[cfg(target_os = "linux")]
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: a plain system call; the result is checked before it is owned.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is new, and nothing else owns it.
        let receive = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Self { receive })
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) fn new() -> io::Result<Self> {
        let (receive, send) = io::pipe()?;
        let bell = Self {
            receive: receive.into(),
            send: send.into(),
        };
        for fd in [&bell.receive, &bell.send] {
            // SAFETY: the descriptor is open, and the flags are only added to.
            let failed = unsafe {
                let flags = libc::fcntl(fd.as_raw_fd(), libc::F_GETFL);
                flags < 0
                    || libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, flags | libc::O_NONBLOCK) < 0
            };
            if failed {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(bell)
    }

    /// The descriptor to watch for reading.
    pub(crate) fn watched(&self) -> RawFd {
        self.receive.as_raw_fd()
    }

    /// Makes the descriptor readable. A bell that already rings stays ringing.
    pub(crate) fn ring(&self) {
        #[cfg(target_os = "linux")]
        let fd = &self.receive;
        #[cfg(not(target_os = "linux"))]
        let fd = &self.send;
        let one = 1_u64.to_ne_bytes();
        // SAFETY: `one` is readable for its length. The only failure is "full", which is "ringing".
        unsafe { libc::write(fd.as_raw_fd(), one.as_ptr().cast(), one.len()) };
    }

    /// Makes the descriptor unreadable until the next ring.
    pub(crate) fn silence(&self) {
        let mut drained = [0_u8; 64];
        loop {
            // SAFETY: `drained` is writable for its length.
            let count = unsafe {
                libc::read(
                    self.receive.as_raw_fd(),
                    drained.as_mut_ptr().cast(),
                    drained.len(),
                )
            };
            // An eventfd empties at once, a pipe when less than asked for comes back.
            if usize::try_from(count).is_ok_and(|count| count == drained.len()) {
                continue;
            }
            return;
        }
    }
}
