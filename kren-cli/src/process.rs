//! Processes: the command behind an id, and what this one may have.
#![allow(unsafe_code)]

use std::collections::HashMap;

/// Remembers commands, since each look costs a file.
#[derive(Default)]
pub(crate) struct Commands {
    known: HashMap<u32, Option<String>>,
}

impl Commands {
    /// What runs as `pid`; `None` where nothing does, or the system does not tell.
    pub(crate) fn of(&mut self, pid: u32) -> Option<&str> {
        self.known
            .entry(pid)
            .or_insert_with(|| command(pid))
            .as_deref()
    }

    /// Numbers are given to other processes in time.
    pub(crate) fn forget(&mut self) {
        self.known.clear();
    }
}

#[cfg(target_os = "linux")]
fn command(pid: u32) -> Option<String> {
    let comm = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(crate::human::printable(comm.trim_end()))
}

#[cfg(not(target_os = "linux"))]
fn command(_pid: u32) -> Option<String> {
    None
}

/// Files that this process may have open at a time.
#[cfg(target_os = "linux")]
pub(crate) fn descriptors() -> u64 {
    limit(libc::RLIMIT_NOFILE).unwrap_or(u64::MAX)
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn descriptors() -> u64 {
    // Of those that every system allows.
    128
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
type Resource = libc::__rlimit_resource_t;
#[cfg(all(target_os = "linux", not(target_env = "gnu")))]
type Resource = libc::c_int;

/// What the system allows this process of a resource, if there is a limit.
#[cfg(target_os = "linux")]
pub(crate) fn limit(resource: Resource) -> Option<u64> {
    // SAFETY: an all-zero limit is valid, and writable.
    unsafe {
        let mut found: libc::rlimit = std::mem::zeroed();
        let asked = libc::getrlimit(resource, &raw mut found);
        (asked == 0 && found.rlim_cur != libc::RLIM_INFINITY).then_some(found.rlim_cur as u64)
    }
}
