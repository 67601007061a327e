//! A measuring process, from outside: started, told, listened to, ended.
#![allow(unsafe_code)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::Sender;

use serde_json::Value;

use crate::Result;

/// A line that the process of this number said; `None` is its end.
pub(crate) type Said = (usize, Option<String>);

pub(crate) struct Process {
    child: Child,
    orders: Option<ChildStdin>,
}

impl Process {
    /// Starts `command` on `processor`, if one is given; what it says goes to `said`.
    pub(crate) fn start(
        mut command: Command,
        number: usize,
        processor: Option<usize>,
        said: Sender<Said>,
    ) -> Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        // SAFETY: between fork and exec only system calls are made.
        unsafe { command.pre_exec(move || prepare(processor)) };
        let program = command.get_program().display().to_string();
        let mut child = command
            .spawn()
            .map_err(|error| format!("cannot start {program}: {error}"))?;
        let out = child.stdout.take().ok_or("no standard output")?;
        std::thread::spawn(move || {
            for line in BufReader::new(out)
                .lines()
                .map_while(std::result::Result::ok)
            {
                if said.send((number, Some(line))).is_err() {
                    return;
                }
            }
            // Nobody listens any more: the pair has been replaced.
            let _ = said.send((number, None));
        });
        Ok(Self {
            orders: child.stdin.take(),
            child,
        })
    }

    pub(crate) fn order(&mut self, order: &Value) -> Result<()> {
        let orders = self.orders.as_mut().ok_or("the process is ending")?;
        writeln!(orders, "{order}")?;
        Ok(orders.flush()?)
    }

    /// Lets the process end, which closes what it has open.
    pub(crate) fn end(mut self) {
        self.orders = None;
        let patience = std::time::Instant::now() + std::time::Duration::from_secs(5);
        while let Ok(None) = self.child.try_wait() {
            if std::time::Instant::now() > patience {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
    }
}

impl Drop for Process {
    /// Ends it whatever it does.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The processors that a process of this one's may be kept on.
#[cfg(target_os = "linux")]
pub(crate) fn usable() -> Vec<usize> {
    // SAFETY: a zeroed set is an empty one; it outlives the calls, its size is given, and no number exceeds it.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        if libc::sched_getaffinity(0, size_of_val(&set), &raw mut set) != 0 {
            return vec![];
        }
        let all = 0..libc::CPU_SETSIZE as usize;
        all.filter(|processor| libc::CPU_ISSET(*processor, &set))
            .collect()
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn usable() -> Vec<usize> {
    vec![]
}

/// Whether this machine can be told where a process runs.
pub(crate) const CAN_PIN: bool = cfg!(target_os = "linux");

#[cfg(target_os = "linux")]
fn prepare(processor: Option<usize>) -> std::io::Result<()> {
    // A process that waits for ever, spinning, must not outlive the one that measures.
    // SAFETY: a call without pointers.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    allow_many_files();
    let Some(processor) = processor else {
        return Ok(());
    };
    // SAFETY: a zeroed set is an empty one; it outlives the call, and its size is given.
    let refused = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(processor, &mut set);
        libc::sched_setaffinity(0, size_of_val(&set), &raw const set)
    };
    if refused == 0 {
        Ok(())
    } else {
        Err(std::io::Error::last_os_error())
    }
}

/// A thousand open channels are a few thousand open files, more than a process may have by default.
#[cfg(target_os = "linux")]
fn allow_many_files() {
    // SAFETY: a zeroed limit is valid, and it outlives both calls.
    unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) == 0 {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn prepare(_processor: Option<usize>) -> std::io::Result<()> {
    Ok(())
}
