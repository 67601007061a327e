//! The command behind a process id.

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
