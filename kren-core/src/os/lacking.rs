//! Stand-ins for what Linux alone offers.

use super::Failure;
use std::convert::Infallible;
use std::time::Duration;

/// Nobody is told when a channel is made: one looks now and then.
pub(crate) struct Watch(Infallible);

impl Watch {
    pub(crate) fn new() -> Option<Self> {
        None
    }

    pub(crate) fn wait(&self, _timeout: Duration) -> bool {
        match self.0 {}
    }
}

/// Process ids mean the same to every process.
pub(crate) fn pid_space() -> u32 {
    0
}

/// It cannot be told.
pub(crate) fn is_dying(_pid: u32) -> bool {
    false
}

/// The names that begin with `start`: this system does not tell.
pub(crate) fn names(_start: &str) -> Result<Vec<String>, Failure> {
    #[cfg(unix)]
    const NOT_SUPPORTED: i32 = libc::ENOTSUP;
    #[cfg(windows)]
    const NOT_SUPPORTED: i32 = windows_sys::Win32::Foundation::ERROR_NOT_SUPPORTED as i32;
    Err(Failure::Call {
        call: "listing shared memory, which this system does not do (ask for a channel by its name instead)",
        code: NOT_SUPPORTED,
    })
}
