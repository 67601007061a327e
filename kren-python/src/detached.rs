//! Waiting detached from the interpreter, and looking up from it for signal handlers.
#![allow(unsafe_code)]

use std::cell::Cell;

use kren_core::{Error, Result};
use pyo3::ffi;
use pyo3::prelude::*;

use crate::errors::Failure;

/// What a core runs now and then while it waits.
pub(crate) type Check<'a> = &'a mut dyn FnMut() -> Result<()>;

/// Runs `wait` detached, and gives it a function that lets Python's signal handlers run, and fails if one raises.
///
/// pyo3's own way back (`Python::attach`) refuses while the interpreter ends; this one works as long as Python code
/// does. `wait` must not touch Python's objects in any other way.
fn detached<R: Send>(
    py: Python<'_>,
    wait: impl FnOnce(&mut dyn FnMut() -> PyResult<()>) -> R + Send,
) -> R {
    let handles_signals = runs_handlers(py);
    // SAFETY: the thread is attached.
    let mut state = Detached(unsafe { ffi::PyEval_SaveThread() });
    wait(&mut || {
        // In other threads there is nothing to find, and attaching means a wait for the GIL, or for ever at the end.
        if handles_signals {
            state.look_for_signals()
        } else {
            Ok(())
        }
    })
}

/// Runs `work` of the core's detached, with the check that the core wants: it lets signal handlers run, and ends the work
/// when one of them raises, or `stop` says so.
pub(crate) fn checked<R: Send>(
    py: Python<'_>,
    channel: &str,
    stop: impl Fn() -> bool + Sync,
    work: impl FnOnce(&mut dyn FnMut() -> Result<()>) -> Result<R> + Send,
) -> std::result::Result<R, Failure> {
    let mut raised = None;
    let outcome = detached(py, |look_for_signals| {
        work(&mut || {
            let stopped = || Error::Interrupted {
                channel: channel.into(),
            };
            if stop() {
                return Err(stopped());
            }
            look_for_signals().map_err(|error| {
                raised = Some(error);
                stopped()
            })
        })
    });
    match raised {
        Some(error) => Err(Failure::Raised(error)),
        None => Ok(outcome?),
    }
}

/// A thread that is detached, until this is dropped.
struct Detached(*mut ffi::PyThreadState);

impl Detached {
    fn look_for_signals(&mut self) -> PyResult<()> {
        self.attach();
        // SAFETY: attached.
        let checked = unsafe { Python::assume_attached() }.check_signals();
        // SAFETY: attached.
        self.0 = unsafe { ffi::PyEval_SaveThread() };
        checked
    }

    fn attach(&mut self) {
        let state = std::mem::take(&mut self.0);
        if !state.is_null() {
            // SAFETY: this thread's state, from `PyEval_SaveThread`, and not restored yet.
            unsafe { ffi::PyEval_RestoreThread(state) };
        }
    }
}

impl Drop for Detached {
    fn drop(&mut self) {
        self.attach();
    }
}

/// Whether signal handlers run in this thread.
fn runs_handlers(py: Python<'_>) -> bool {
    thread_local!(static MAIN: Cell<bool> = const { Cell::new(false) });
    // The main thread stays that, in its forked children too; any other may become it by a fork.
    if MAIN.get() {
        return true;
    }
    let is_main = || -> PyResult<bool> {
        let threading = PyModule::import(py, "threading")?;
        let main = threading.call_method0("main_thread")?.getattr("ident")?;
        main.eq(threading.call_method0("get_ident")?)
    };
    // Once modules are taken apart, only the thread that does so is left.
    let main = is_main().unwrap_or(true);
    MAIN.set(main);
    main
}
