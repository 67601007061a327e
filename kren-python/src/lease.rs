//! `kren.Lease`: a received message, read where it lies in the ring.
#![allow(unsafe_code)]

use std::ffi::c_int;
use std::ops::Deref;

use kren_core::{Lease as Held, Letter, Message, Work};
use pyo3::basic::CompareOp;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMemoryView};

use crate::hold::Hold;
use crate::sender::SenderId;

/// A received message where it lies in the ring: what Reader.borrow() returns.
///
/// It is a read-only buffer: memoryview(lease), numpy.frombuffer(lease), bytes(lease), lease[:4] and
/// len(lease) work, and everything else that takes a buffer. Use it in a `with` block, or call
/// release(): the writer gets the bytes back then, or when the lease is collected. Buffers taken from it that
/// are still in use put that off until they go. Any number of leases may be held, and
/// released in any order; the writer gets bytes back from the oldest on.
///
/// Of a work queue it is a piece of work, and releasing it says that the work is done.
///
/// After its release every use raises ValueError.
#[pyclass(frozen, module = "kren")]
pub(crate) struct Lease {
    hold: Hold<Held>,
    tag: u32,
    origin: Origin,
}

/// What is known of a message beside its bytes.
#[derive(Clone, Copy)]
pub(crate) enum Origin {
    Channel,
    Inbox(SenderId),
    Queue { redelivered: bool },
}

impl Origin {
    pub(crate) fn sender(self) -> Option<SenderId> {
        match self {
            Self::Inbox(sender) => Some(sender),
            _ => None,
        }
    }

    pub(crate) fn is_redelivered(self) -> bool {
        matches!(self, Self::Queue { redelivered: true })
    }
}

/// A message that has just come, wherever from.
pub(crate) trait Arrival: Deref<Target = [u8]> {
    fn origin(&self) -> Origin;

    /// Holds it beyond the borrow of the end that it came from.
    fn hold(self) -> Held;

    /// Leaves it where it is: the next read gets it again.
    fn leave(self);
}

impl Arrival for Message<'_> {
    fn origin(&self) -> Origin {
        Origin::Channel
    }

    fn hold(self) -> Held {
        self.into_lease()
    }

    fn leave(self) {
        self.keep();
    }
}

impl Arrival for Letter<'_> {
    fn origin(&self) -> Origin {
        Origin::Inbox(self.sender().into())
    }

    fn hold(self) -> Held {
        self.into_lease()
    }

    fn leave(self) {
        self.keep();
    }
}

impl Arrival for Work<'_> {
    fn origin(&self) -> Origin {
        Origin::Queue {
            redelivered: self.redelivered(),
        }
    }

    fn hold(self) -> Held {
        self.into_lease()
    }

    fn leave(self) {
        self.keep();
    }
}

impl Lease {
    pub(crate) fn of(message: impl Arrival) -> Self {
        let origin = message.origin();
        let held = message.hold();
        let mapped = held.mapped();
        Self {
            tag: held.tag(),
            hold: Hold::new(held, mapped),
            origin,
        }
    }
}

#[pymethods]
impl Lease {
    /// Give the message back to the writer; releasing twice is no error.
    ///
    /// While buffers taken from the lease are in use (a memoryview, a numpy array) the message stays in the
    /// ring, and those buffers stay valid; it is given back when the last of them goes.
    fn release(&self) {
        self.hold.release();
    }

    /// The number that the message was written with; 0 unless the writer gave one.
    #[getter]
    fn tag(&self) -> u32 {
        self.tag
    }

    /// Who sent it, if it comes from an inbox; None otherwise.
    #[getter]
    fn sender(&self) -> Option<SenderId> {
        self.origin.sender()
    }

    /// Whether a worker that is gone may have had it before, if it comes from a work queue: its work may be done
    /// already, or half.
    #[getter]
    fn redelivered(&self) -> bool {
        self.origin.is_redelivered()
    }

    /// Whether release() was called, or the `with` block left.
    #[getter]
    fn released(&self) -> bool {
        self.hold.is_released()
    }

    fn __enter__(this: PyRef<'_, Self>) -> PyResult<PyRef<'_, Self>> {
        this.hold.check()?;
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
        self.hold.check()?;
        Ok(self.hold.len())
    }

    fn __getitem__<'py>(
        this: &Bound<'py, Self>,
        key: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        PyMemoryView::from(this)?.get_item(key)
    }

    fn __bytes__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        self.hold.copy(py)
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
        let state = if self.hold.is_released() {
            ", released"
        } else {
            ""
        };
        format!(
            "<kren.Lease of {} bytes, tag={}{state}>",
            self.hold.len(),
            self.tag
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
        // SAFETY: the caller's promise.
        unsafe { this.get().hold.export(this.as_any(), let_go, view, flags) }
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
    unsafe { lease.cast_unchecked::<Lease>() }
        .get()
        .hold
        .let_go();
}
