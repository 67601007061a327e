//! What can be learned of another process from its id: for messages only.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Of `include/linux/sched.h`: the thread is on its way out. It may take its time: the memory goes before the locks.
const PF_EXITING: u64 = 0x4;

/// The namespace in which this process's id is what it is; 0 if that cannot be told. Two processes whose spaces
/// differ do not mean the same by a number.
pub(crate) fn pid_space() -> u32 {
    // Asked each time: a child may be put into another.
    fs::metadata("/proc/self/ns/pid").map_or(0, |space| space.ino() as u32)
}

/// Whether the process has been killed, or has ended, and is not gone yet: it dumps core, or gives its memory back.
pub(crate) fn is_dying(pid: u32) -> bool {
    let process = Path::new("/proc").join(pid.to_string());
    let Ok(status) = fs::read_to_string(process.join("status")) else {
        return false;
    };
    dumps_core_or_is_killed(&status) || is_exiting(&process)
}

/// From `/proc/PID/status`.
fn dumps_core_or_is_killed(status: &str) -> bool {
    const SIGKILL: u64 = 1 << (libc::SIGKILL - 1);
    let pending = |mask: &str| u64::from_str_radix(mask, 16).is_ok_and(|mask| mask & SIGKILL != 0);
    status.lines().any(|line| match line.split_once(':') {
        Some(("CoreDumping", value)) => value.trim() == "1",
        Some(("SigPnd" | "ShdPnd", mask)) => pending(mask.trim()),
        _ => false,
    })
}

/// Whether every thread of it is on its way out.
fn is_exiting(process: &Path) -> bool {
    let Ok(threads) = fs::read_dir(process.join("task")) else {
        return false;
    };
    let mut any = false;
    for thread in threads.flatten() {
        let stat = fs::read_to_string(thread.path().join("stat"));
        // One that is gone by now has ended too.
        if stat.is_ok_and(|stat| !has_exiting_flag(&stat)) {
            return false;
        }
        any = true;
    }
    any
}

/// From `/proc/PID/task/TID/stat`, whose second field is a name in brackets that may hold anything.
fn has_exiting_flag(stat: &str) -> bool {
    let flags = stat
        .rsplit_once(')')
        .and_then(|(_, rest)| rest.split_whitespace().nth(6)?.parse::<u64>().ok());
    flags.is_some_and(|flags| flags & PF_EXITING != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_writes_is_understood() {
        assert!(dumps_core_or_is_killed("Name:\tx\nCoreDumping:\t1\n"));
        assert!(dumps_core_or_is_killed(
            "CoreDumping:\t0\nShdPnd:\t0000000000000100\n"
        ));
        assert!(!dumps_core_or_is_killed(
            "CoreDumping:\t0\nSigPnd:\t0000000000000000\nSigBlk:\t0000000000000100\n"
        ));
        let stat = |flags: u32| format!("42 (a ) b) R 1 42 42 0 -1 {flags} 100 0 0");
        assert!(has_exiting_flag(&stat(4_194_560 | 4)));
        assert!(!has_exiting_flag(&stat(4_194_560)));
    }

    #[test]
    fn a_process_that_runs_is_not_dying_and_one_that_has_ended_is() {
        assert!(!is_dying(std::process::id()));
        let mut child = std::process::Command::new("sleep")
            .arg("1000")
            .spawn()
            .unwrap();
        assert!(!is_dying(child.id()));
        child.kill().unwrap();
        // Not waited for, so it stays, as one that is slow to go does.
        while !is_dying(child.id()) {
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert!(!is_dying(child.id()));
    }
}
