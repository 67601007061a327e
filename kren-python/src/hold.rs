//! Bytes in the ring that Python looks at through buffers, and gives back when the last of these is gone.
#![allow(unsafe_code)]

use std::ffi::c_int;
use std::ops::Deref;
use std::sync::{Mutex, MutexGuard, PoisonError};

use kren_core::Mapped;
use pyo3::exceptions::PyValueError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::buffer::to_bytes;
use crate::pin::{Bytes, pin};

/// What holds the bytes, until it is released and no buffer is in use.
pub(crate) struct Hold<T> {
    state: Mutex<State<T>>,
    start: *const u8,
    len: usize,
    /// Whoever holds this object by a pointer that Python does not count finds stale bytes at worst.
    _mapped: Mapped,
}

struct State<T> {
    /// None once the bytes have been given back.
    held: Option<T>,
    /// Buffers that others have of it.
    exports: usize,
    /// No more buffers are given out, and the last one that comes back gives the bytes back.
    released: bool,
}

// SAFETY: `start` leads into the mapping that `_mapped` keeps, and is only read through while `held`,
// which may be used on any thread, keeps the bytes as they are.
unsafe impl<T: Send> Send for Hold<T> {}
// SAFETY: as for `Send`; what changes is behind a lock.
unsafe impl<T: Send> Sync for Hold<T> {}

impl<T: Deref<Target = [u8]>> Hold<T> {
    pub(crate) fn new(held: T, mapped: Mapped) -> Self {
        Self {
            start: held.as_ptr(),
            len: held.len(),
            state: Mutex::new(State {
                held: Some(held),
                exports: 0,
                released: false,
            }),
            _mapped: mapped,
        }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many bytes there are, released or not.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Works on what holds the bytes, unless it was released.
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> PyResult<R> {
        let mut state = self.state();
        if state.released {
            return Err(released());
        }
        state.held.as_mut().map(work).ok_or_else(released)
    }

    pub(crate) fn is_released(&self) -> bool {
        self.state().released
    }

    pub(crate) fn check(&self) -> PyResult<()> {
        if self.is_released() {
            return Err(released());
        }
        Ok(())
    }

    pub(crate) fn release(&self) {
        let mut state = self.state();
        state.released = true;
        if state.exports == 0 {
            let held = state.held.take();
            drop(state);
            drop(held);
        }
    }

    /// A buffer has come back.
    pub(crate) fn let_go(&self) {
        let mut state = self.state();
        state.exports -= 1;
        if state.released && state.exports == 0 {
            let held = state.held.take();
            drop(state);
            drop(held);
        }
    }

    pub(crate) fn copy<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        self.with(|held| to_bytes(py, held))?
    }

    /// Gives a buffer out: `owner` is the object that has this hold, and `let_go` its function that calls
    /// [`Hold::let_go`].
    ///
    /// # Safety
    ///
    /// `view` is Python's to give: writable.
    pub(crate) unsafe fn export(
        &self,
        owner: &Bound<'_, PyAny>,
        let_go: fn(&Bound<'_, PyAny>),
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let mut state = self.state();
        if state.released {
            return Err(released());
        }
        state.exports += 1;
        drop(state);
        let bytes = Bytes {
            start: self.start.cast_mut(),
            len: self.len,
            readonly: true,
        };
        // SAFETY: the bytes stay as they are while the message is held, which the count makes sure of.
        unsafe { pin(owner, bytes, let_go, view, flags) }
    }
}

fn released() -> PyErr {
    PyValueError::new_err(
        "this message was released; use it inside its `with` block, or copy it with bytes()",
    )
}
