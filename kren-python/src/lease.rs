//! `kren.Lease`: a received message, read where it lies in the ring.
#![allow(unsafe_code)]

use std::ffi::c_int;
use std::sync::{Mutex, MutexGuard, PoisonError};

use kren_core::{Lease as Held, Mapped};
use pyo3::basic::CompareOp;
use pyo3::exceptions::PyValueError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMemoryView};

use crate::buffer::to_bytes;
use crate::pin::{Bytes, pin};

/// A received message where it lies in the ring: what Reader.borrow() returns.
///
/// It is a read-only buffer: memoryview(lease), numpy.frombuffer(lease), bytes(lease), lease[:4] and
/// len(lease) work, and everything else that takes a buffer. Use it in a `with` block, or call
/// release(): the writer gets the bytes back then, or when the lease is collected. Buffers taken from it that
/// are still in use put that off until they go. Any number of leases may be held, and
/// released in any order; the writer gets bytes back from the oldest on.
///
/// After its release every use raises ValueError.
#[pyclass(frozen, module = "kren")]
pub(crate) struct Lease {
    state: Mutex<State>,
    start: *const u8,
    len: usize,
    tag: u32,
    /// Whoever holds this object by a pointer that Python does not count finds stale bytes at worst.
    _mapped: Mapped,
}

struct State {
    /// None once the bytes have been given back.
    held: Option<Held>,
    /// Buffers that others have of it.
    exports: usize,
    /// No more buffers are given out, and the last one that comes back gives the bytes back.
    released: bool,
}

// SAFETY: `start` leads into the mapping that `_mapped` keeps, and is only read through while `held`,
// which may be used on any thread, keeps the bytes as they are.
unsafe impl Send for Lease {}
// SAFETY: as for `Send`; what changes is behind a lock.
unsafe impl Sync for Lease {}

impl Lease {
    pub(crate) fn new(held: Held, mapped: Mapped) -> Self {
        Self {
            start: held.as_ptr(),
            len: held.len(),
            tag: held.tag(),
            state: Mutex::new(State {
                held: Some(held),
                exports: 0,
                released: false,
            }),
            _mapped: mapped,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A buffer has come back.
    fn let_go(&self) {
        let mut state = self.state();
        state.exports -= 1;
        if state.released && state.exports == 0 {
            let held = state.held.take();
            drop(state);
            drop(held);
        }
    }

    fn check(&self) -> PyResult<()> {
        if self.state().released {
            return Err(PyValueError::new_err(
                "this message was released; use it inside its `with` block, or copy it with bytes()",
            ));
        }
        Ok(())
    }
}

#[pymethods]
impl Lease {
    /// Give the message back to the writer; releasing twice is no error.
    ///
    /// While buffers taken from the lease are in use (a memoryview, a numpy array) the message stays in the
    /// ring, and those buffers stay valid; it is given back when the last of them goes.
    fn release(&self) {
        let mut state = self.state();
        state.released = true;
        if state.exports == 0 {
            let held = state.held.take();
            drop(state);
            drop(held);
        }
    }

    /// The number that the message was written with; 0 unless the writer gave one.
    #[getter]
    fn tag(&self) -> u32 {
        self.tag
    }

    /// Whether release() was called, or the `with` block left.
    #[getter]
    fn released(&self) -> bool {
        self.state().released
    }

    fn __enter__(this: PyRef<'_, Self>) -> PyResult<PyRef<'_, Self>> {
        this.check()?;
        Ok(this)
    }

    fn __exit__(
        &self,
        _kind: &Bound<'_, PyAny>,
        _error: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) {
        self.release();
    }

    fn __len__(&self) -> PyResult<usize> {
        self.check()?;
        Ok(self.len)
    }

    fn __getitem__<'py>(
        this: &Bound<'py, Self>,
        key: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        PyMemoryView::from(this)?.get_item(key)
    }

    fn __bytes__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let state = self.state();
        match &state.held {
            Some(held) if !state.released => to_bytes(py, held),
            _ => {
                drop(state);
                self.check()?;
                to_bytes(py, &[])
            }
        }
    }

    fn __richcmp__<'py>(
        this: &Bound<'py, Self>,
        other: &Bound<'py, PyAny>,
        operator: CompareOp,
    ) -> PyResult<Bound<'py, PyAny>> {
        PyMemoryView::from(this)?.rich_compare(other, operator)
    }

    /// Return a memoryview (what Python's own types call it from 3.12 on).
    #[pyo3(signature = (flags, /))]
    fn __buffer__<'py>(
        this: &Bound<'py, Self>,
        flags: c_int,
    ) -> PyResult<Bound<'py, PyMemoryView>> {
        let _ = flags;
        PyMemoryView::from(this)
    }

    fn __repr__(&self) -> String {
        let state = if self.state().released {
            ", released"
        } else {
            ""
        };
        format!(
            "<kren.Lease of {} bytes, tag={}{state}>",
            self.len, self.tag
        )
    }

    /// # Safety
    ///
    /// `view` is Python's to give: writable.
    unsafe fn __getbuffer__(
        this: &Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let lease = this.get();
        lease.check()?;
        lease.state().exports += 1;
        let bytes = Bytes {
            start: lease.start.cast_mut(),
            len: lease.len,
            readonly: true,
        };
        // SAFETY: the bytes stay as they are while the message is held, which the count makes sure of.
        unsafe { pin(this.as_any(), bytes, let_go, view, flags) }
    }

    /// Does nothing, for what is released is the view's own object. Without it numpy would not ask for a buffer that
    /// lasts, and keep this object instead.
    ///
    /// # Safety
    ///
    /// Called by Python.
    #[allow(clippy::unused_self, reason = "the method's shape is Python's")]
    unsafe fn __releasebuffer__(&self, _view: *mut ffi::Py_buffer) {}
}

fn let_go(lease: &Bound<'_, PyAny>) {
    // SAFETY: called with the lease that `__getbuffer__` passed on.
    unsafe { lease.cast_unchecked::<Lease>() }.get().let_go();
}
