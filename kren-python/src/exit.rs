//! The end of the process: what is still open then is closed, so that the other side sees a clean close.
//!
//! Python code runs until late: exit handlers, finalizers and generators of modules that are taken apart. It may use its
//! endpoints all that time, so they are closed after the last of it, when no thread is attached any more, nor ever will
//! be. Children of multiprocessing leave through `_exit` and never come there; for them `kren/_exit.py` calls
//! [`close_all`].
#![allow(unsafe_code)]

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi;
use pyo3::prelude::*;

/// What is closed at the end of the process.
pub(crate) trait Closing: Send + Sync {
    /// Closes it in a process whose threads go on: one that is in a call leaves it first.
    fn close_quietly(&self, py: Python<'_>);

    /// Has a thread that waits in a call stop to wait.
    fn stop_waiting(&self);

    /// Closes it when no thread is attached any more, nor ever will be.
    fn close_last(&self);
}

/// The endpoints of one process, by their addresses.
struct Open {
    pid: u32,
    endpoints: Mutex<HashMap<usize, Weak<dyn Closing>>>,
}

/// This process's [`Open`]. A forked child makes one of its own: its parent's endpoints are none of its business, and
/// the parent's lock may have been held by a thread that the child lacks.
static OPEN: AtomicPtr<Open> = AtomicPtr::new(ptr::null_mut());

/// Python has ended.
static ENDED: AtomicBool = AtomicBool::new(false);

/// Has what is open closed at the end of Python.
pub(crate) fn install() -> PyResult<()> {
    static INSTALLED: AtomicBool = AtomicBool::new(false);
    if INSTALLED.swap(true, Ordering::Relaxed) {
        return Ok(());
    }
    // SAFETY: the function lives as long as this library, which Python never unloads.
    if unsafe { ffi::Py_AtExit(Some(at_the_end)) } == 0 {
        return Ok(());
    }
    Err(PyRuntimeError::new_err(
        "kren cannot be told of the end of Python: other extension modules have taken all places for that",
    ))
}

/// Notes an endpoint that is open from now on. Needs no interpreter.
pub(crate) fn register(endpoint: &Arc<impl Closing + 'static>) {
    let place = Arc::as_ptr(endpoint).addr();
    let weak: Weak<dyn Closing> = Arc::downgrade(endpoint) as Weak<dyn Closing>;
    endpoints().insert(place, weak);
    // SeqCst, as the store in `at_the_end`: either that finds the endpoint in the list, or this finds Python ended.
    if ENDED.load(Ordering::SeqCst) {
        endpoint.close_last();
    }
}

/// Forgets the endpoint at this address.
pub(crate) fn forget(place: usize) {
    endpoints().remove(&place);
}

/// Closes what is open in a process that goes on.
pub(crate) fn close_all(py: Python<'_>) {
    for endpoint in snapshot() {
        endpoint.close_quietly(py);
    }
}

/// The last thing that Python does.
extern "C" fn at_the_end() {
    // A panic must not reach C, and at this point nobody could be told of it.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        ENDED.store(true, Ordering::SeqCst);
        let left = snapshot();
        for endpoint in &left {
            endpoint.stop_waiting();
        }
        for endpoint in &left {
            endpoint.close_last();
        }
    }));
}

fn snapshot() -> Vec<Arc<dyn Closing>> {
    endpoints().values().filter_map(Weak::upgrade).collect()
}

fn endpoints() -> MutexGuard<'static, HashMap<usize, Weak<dyn Closing>>> {
    let pid = std::process::id();
    loop {
        // Acquire: pairs with the exchange below, by which another thread published it.
        let open = OPEN.load(Ordering::Acquire);
        // SAFETY: null, or a box that is never freed.
        if let Some(open) = unsafe { open.as_ref() }
            && open.pid == pid
        {
            return open
                .endpoints
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
        }
        let new = Box::into_raw(Box::new(Open {
            pid,
            endpoints: Mutex::default(),
        }));
        // Release: pairs with the load above.
        let swapped = OPEN.compare_exchange(open, new, Ordering::Release, Ordering::Relaxed);
        if swapped.is_err() {
            // SAFETY: made above, and seen by nobody else.
            drop(unsafe { Box::from_raw(new) });
        }
    }
}
