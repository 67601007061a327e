//! Signals: a closed pipe ends a command quietly, and Ctrl-C lets it close its channel first.
#![allow(unsafe_code)]

use kren_core::{Error, Result};
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

/// The signal that asked to stop, or 0.
static STOPPED: AtomicI32 = AtomicI32::new(0);

/// A reader of our output that goes away ends us, as it ends any command of a pipe.
#[cfg(unix)]
pub(crate) fn behave_in_pipes() {
    // SAFETY: the default action, set before there is another thread.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}

#[cfg(not(unix))]
pub(crate) fn behave_in_pipes() {}

#[cfg(unix)]
extern "C" fn stop(signal: libc::c_int) {
    // Relaxed: a flag alone.
    STOPPED.store(signal, Ordering::Relaxed);
}

/// From here on the first Ctrl-C (or end of the terminal, or a polite kill) only asks to stop; the second one ends the process.
#[cfg(unix)]
pub(crate) fn listen() {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: an all-zero action is valid, and the handler stores one atomic. No SA_RESTART: waits are to end.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = stop as *const () as libc::sighandler_t;
            action.sa_flags = libc::SA_RESETHAND;
            let mut before: libc::sigaction = std::mem::zeroed();
            libc::sigaction(signal, std::ptr::null(), &raw mut before);
            // `nohup` and shells' background jobs ignore some on purpose.
            if before.sa_sigaction != libc::SIG_IGN {
                libc::sigaction(signal, &raw const action, std::ptr::null_mut());
            }
        }
    }
}

#[cfg(not(unix))]
pub(crate) fn listen() {}

/// Whether somebody asked to stop.
pub(crate) fn is_stopped() -> bool {
    STOPPED.load(Ordering::Relaxed) != 0
}

/// What shells expect of a process that a signal has ended; that of Ctrl-C where it was another way.
pub(crate) fn exit_code() -> u8 {
    match STOPPED.load(Ordering::Relaxed) {
        0 => 130,
        signal => u8::try_from(128 + signal).unwrap_or(130),
    }
}

/// Ends the library's waits when somebody has asked to stop.
pub(crate) fn check() -> Result<()> {
    if is_stopped() {
        return Err(Error::Interrupted { channel: "".into() });
    }
    Ok(())
}

/// Sleeps, unless somebody asks to stop.
pub(crate) fn pause(time: Duration) -> Result<()> {
    /// A signal that comes just before a sleep would not end it.
    const SLICE: Duration = Duration::from_millis(20);
    let start = Instant::now();
    loop {
        check()?;
        match time.checked_sub(start.elapsed()) {
            None | Some(Duration::ZERO) => return Ok(()),
            Some(left) => std::thread::sleep(left.min(SLICE)),
        }
    }
}

/// Lets every other process have the processor first.
#[cfg(unix)]
pub(crate) fn give_way() {
    const LAST: libc::c_int = 19;
    // SAFETY: no preconditions; where it may not be, all stays as it was.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, LAST) };
}

#[cfg(not(unix))]
pub(crate) fn give_way() {}

/// Lets a pipe hold more, so that both ends wait less often. Whatever is no pipe stays as it is.
#[cfg(target_os = "linux")]
pub(crate) fn widen_pipe(file: &impl std::os::fd::AsRawFd) {
    const WIDE: libc::c_int = 1 << 20;
    // SAFETY: an open descriptor; where it is no pipe, or may not be wider, nothing happens.
    unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETPIPE_SZ, WIDE) };
}

#[cfg(all(unix, not(target_os = "linux")))]
pub(crate) fn widen_pipe<T>(_file: &T) {}
