//! Signals, and children that do not outlive a coordinator that is itself killed.
#![allow(unsafe_code)]

use std::process::Command;

pub(super) fn send(pid: u32, signal: i32) {
    // SAFETY: no preconditions; the process is a child not yet waited for, so the number is its own.
    unsafe {
        libc::kill(pid as libc::pid_t, signal);
    }
}

#[cfg(target_os = "linux")]
pub(super) fn die_with_parent(command: &mut Command) {
    use std::os::unix::process::CommandExt as _;
    // SAFETY: prctl may be called between fork and exec.
    unsafe {
        command.pre_exec(|| {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            Ok(())
        });
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn die_with_parent(_command: &mut Command) {}
