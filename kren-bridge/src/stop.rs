//! A polite kill, or Ctrl-C: everything closes so that the next bridge can go on.
#![allow(unsafe_code)]

use std::sync::atomic::{AtomicBool, Ordering};

static STOPPED: AtomicBool = AtomicBool::new(false);

extern "C" fn stop(_: libc::c_int) {
    // Relaxed: a flag alone.
    STOPPED.store(true, Ordering::Relaxed);
}

/// From here on the first such signal only asks to stop; the second one ends the process.
pub fn listen() {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: an all-zero action is valid, and the handler stores one atomic.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = stop as *const () as libc::sighandler_t;
            action.sa_flags = libc::SA_RESETHAND | libc::SA_RESTART;
            libc::sigaction(signal, &raw const action, std::ptr::null_mut());
        }
    }
}

/// Whether somebody asked to stop.
#[must_use]
pub fn is_asked() -> bool {
    STOPPED.load(Ordering::Relaxed)
}
