//! Running another process one machine instruction at a time.
#![allow(unsafe_code)]

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::ptr;

/// The victim sends itself these; the tracer sees them and delivers neither.
const BEGIN: i32 = libc::SIGSTOP;
const END: i32 = libc::SIGUSR1;

/// In the victim: everything up to here ran at full speed.
pub(super) fn begin() {
    signal_self(BEGIN);
}

/// In the victim: the operation is over. Does not return.
pub(super) fn end() -> ! {
    signal_self(END);
    unreachable!("the tracer kills the victim here");
}

fn signal_self(signal: i32) {
    // SAFETY: no preconditions. Straight to the system call: what the C library does in `raise`
    // would be counted as part of the operation.
    unsafe {
        libc::kill(libc::getpid(), signal);
    }
}

/// Keeps this thread, and the victims that it will start, on one processor: a step is two switches
/// between them, and those are several times dearer between processors.
pub(super) fn settle_on_processor(worker: usize) {
    // SAFETY: an all-zero set is a valid, empty one; the number is below what it can hold.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        if libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set) != 0 {
            return;
        }
        let limit = libc::CPU_SETSIZE as usize;
        let all: Vec<usize> = (0..limit).filter(|at| libc::CPU_ISSET(*at, &set)).collect();
        libc::CPU_ZERO(&mut set);
        libc::CPU_SET(all[worker % all.len()], &mut set);
        // Refused in some containers; then it is slower, not wrong.
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set);
    }
}

/// Where a step has led.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Running,
    /// The victim has reached [`end`].
    Done,
}

/// A process that stands still between two instructions.
///
/// Only the thread that started it may use it: the kernel lets no other one trace.
pub(super) struct Victim {
    pid: libc::pid_t,
    is_reaped: bool,
}

impl Victim {
    /// Starts `command` and lets it run to [`begin`].
    pub(super) fn start(mut command: Command) -> Result<Self, String> {
        command.stdin(Stdio::null()).stdout(Stdio::null());
        // SAFETY: both calls may be made between fork and exec.
        unsafe {
            command.pre_exec(|| {
                // The same addresses in each run, so that instructions can be numbered.
                libc::personality(libc::ADDR_NO_RANDOMIZE as libc::c_ulong);
                match libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) {
                    0 => Ok(()),
                    _ => Err(io::Error::last_os_error()),
                }
            });
        }
        let child = command
            .spawn()
            .map_err(|error| format!("cannot start a victim: {error}"))?;
        let mut victim = Self {
            pid: child.id() as libc::pid_t,
            is_reaped: false,
        };
        victim.wait_for(libc::SIGTRAP)?; // exec
        victim.request(libc::PTRACE_SETOPTIONS, libc::PTRACE_O_EXITKILL as usize)?;
        victim.request(libc::PTRACE_CONT, 0)?;
        victim.wait_for(BEGIN)?;
        Ok(victim)
    }

    fn request(&self, request: libc::c_uint, data: usize) -> Result<(), String> {
        // SAFETY: requests that only take numbers.
        let result = unsafe { libc::ptrace(request, self.pid, ptr::null_mut::<u8>(), data) };
        match result {
            -1 => Err(format!("ptrace: {}", io::Error::last_os_error())),
            _ => Ok(()),
        }
    }

    /// The signal that the victim has stopped at.
    fn wait(&mut self) -> Result<i32, String> {
        let mut status = 0;
        // SAFETY: `status` is writable.
        while unsafe { libc::waitpid(self.pid, &raw mut status, 0) } != self.pid {
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(format!("waitpid: {error}"));
            }
        }
        if libc::WIFSTOPPED(status) {
            return Ok(libc::WSTOPSIG(status));
        }
        self.is_reaped = true;
        Err(format!(
            "the victim ended by itself (wait status {status:#x})"
        ))
    }

    fn wait_for(&mut self, signal: i32) -> Result<(), String> {
        match self.wait()? {
            found if found == signal => Ok(()),
            found => Err(format!(
                "the victim was stopped by signal {found}, not {signal}"
            )),
        }
    }

    /// Lets the victim execute one instruction; a system call counts as one.
    pub(super) fn step(&mut self) -> Result<Step, String> {
        self.request(libc::PTRACE_SINGLESTEP, 0)?;
        match self.wait()? {
            libc::SIGTRAP => Ok(Step::Running),
            END => Ok(Step::Done),
            other => Err(format!("signal {other} came to the victim")),
        }
    }

    /// Kills the victim where it stands, and waits until nothing is left of it.
    pub(super) fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if self.is_reaped {
            return;
        }
        // SAFETY: the process is ours and not yet waited for, so the number is still its own.
        unsafe { libc::kill(self.pid, libc::SIGKILL) };
        while self.wait().is_ok() {}
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        self.end();
    }
}
