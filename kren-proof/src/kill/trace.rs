//! Running another process one machine instruction, or one system call, at a time.
#![allow(unsafe_code)]

use std::collections::HashMap;
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

/// What the kernel marks the signal of a stop at a system call with.
const AT_CALL: i32 = libc::SIGTRAP | 0x80;

/// A place in what a victim does: so many system calls, and so many instructions behind the last of them.
///
/// Most instructions lie between calls that nobody else can see anything of; running from call to call gets there a
/// hundred times sooner than instruction by instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) calls: usize,
    pub(super) steps: usize,
}

/// Where a step has led.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Running,
    /// As `Running`, by a system call.
    Called,
    /// The victim has reached [`end`].
    Done,
}

/// A process that stands still between two instructions.
///
/// Only the thread that started it may use it: the kernel lets no other one trace.
pub(super) struct Victim {
    pid: libc::pid_t,
    is_reaped: bool,
    /// Whether the instruction at an address is a system call.
    calls: HashMap<u64, bool>,
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
            calls: HashMap::new(),
        };
        victim.wait_for(libc::SIGTRAP)?; // exec
        let options = libc::PTRACE_O_EXITKILL | libc::PTRACE_O_TRACESYSGOOD;
        victim.request(libc::PTRACE_SETOPTIONS, options as usize)?;
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
        let is_call = self.is_at_call()?;
        Ok(match self.step_blindly()? {
            Step::Running if is_call => Step::Called,
            step => step,
        })
    }

    fn step_blindly(&mut self) -> Result<Step, String> {
        self.request(libc::PTRACE_SINGLESTEP, 0)?;
        match self.wait()? {
            libc::SIGTRAP => Ok(Step::Running),
            END => Ok(Step::Done),
            other => Err(format!("signal {other} came to the victim")),
        }
    }

    /// Brings the victim from its beginning to `place`, or to its end.
    pub(super) fn go_to(&mut self, place: Place) -> Result<(), String> {
        let mut calls = 0;
        while calls < place.calls {
            self.request(libc::PTRACE_SYSCALL, 0)?;
            match self.wait()? {
                AT_CALL => calls += usize::from(self.info()?.op == libc::PTRACE_SYSCALL_INFO_EXIT),
                END => return Ok(()),
                other => return Err(format!("signal {other} came to the victim")),
            }
        }
        for _ in 0..place.steps {
            if self.step_blindly()? == Step::Done {
                break;
            }
        }
        Ok(())
    }

    fn info(&self) -> Result<libc::ptrace_syscall_info, String> {
        // SAFETY: an all-zero structure is valid, and the kernel fills in as much as is said to be there.
        let (info, filled) = unsafe {
            let mut info: libc::ptrace_syscall_info = std::mem::zeroed();
            let len = size_of_val(&info);
            let request = libc::PTRACE_GET_SYSCALL_INFO;
            let filled = libc::ptrace(request, self.pid, len, &raw mut info);
            (info, filled)
        };
        match filled {
            -1 => Err(format!("ptrace: {}", io::Error::last_os_error())),
            _ => Ok(info),
        }
    }

    /// Whether the next instruction is a system call.
    fn is_at_call(&mut self) -> Result<bool, String> {
        let at = self.info()?.instruction_pointer;
        if let Some(is_call) = self.calls.get(&at) {
            return Ok(*is_call);
        }
        // SAFETY: reads a word of the victim's, or fails.
        let word = unsafe { libc::ptrace(libc::PTRACE_PEEKTEXT, self.pid, at, 0) };
        let is_call = match std::env::consts::ARCH {
            "x86_64" => word & 0xffff == 0x050f,
            "aarch64" => word & 0xffff_ffff == 0xd400_0001,
            other => {
                return Err(format!(
                    "what a system call looks like on {other} is not known"
                ));
            }
        };
        self.calls.insert(at, is_call);
        Ok(is_call)
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
