//! `kren.Array`: a received array where it lies in the ring; and room for one that is built there.
#![allow(unsafe_code)]

use std::ffi::c_int;
use std::sync::Arc;

use kren_core::Lease;
use kren_core::array::{ArrayView, DType};
use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::dlpack;
use super::elements::Elements;
use crate::lease::Origin;
use crate::sender::SenderId;
use crate::slot::Slot;

/// A received array where it lies in the ring: what Reader.borrow_array() returns.
///
/// It is a read-only buffer with a shape and a format, so memoryview(array) and numpy.asarray(array) work, and
/// whatever reads DLPack takes it: torch.from_dlpack(array), jax.dlpack.from_dlpack(array). Types that
/// Python's buffers have no format for (bfloat16, float8) look there like unsigned numbers of their size.
///
/// The message goes back to the writer when this object, and everything that was made of it without a copy, is gone.
#[pyclass(frozen, module = "kren", weakref)]
pub(crate) struct Array {
    lease: Arc<Lease>,
    origin: Origin,
    pub(super) elements: Elements,
}

impl Array {
    /// `view` is part of the lease's message.
    pub(super) fn new(lease: &Arc<Lease>, origin: Origin, view: &ArrayView<'_>) -> Self {
        Self::of(lease, origin, view.bytes(), view.dtype(), view.shape())
    }

    /// `data` are part of the lease's message.
    pub(super) fn of(
        lease: &Arc<Lease>,
        origin: Origin,
        data: &[u8],
        dtype: DType,
        shape: &[usize],
    ) -> Self {
        Self {
            lease: Arc::clone(lease),
            origin,
            elements: Elements::new(data.as_ptr().cast_mut(), data.len(), dtype, shape),
        }
    }
}

#[pymethods]
impl Array {
    /// The type of the elements by its name, for example 'float32' or 'bfloat16'.
    #[getter]
    fn dtype(&self) -> &'static str {
        self.elements.dtype.name()
    }

    /// The dimensions, outermost first.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        self.elements.dims(py)
    }

    /// Bytes of its data.
    #[getter]
    fn nbytes(&self) -> usize {
        self.elements.len
    }

    /// The number that the message was written with; 0 unless the writer gave one.
    #[getter]
    fn tag(&self) -> u32 {
        self.lease.tag()
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

    /// Where the data live, for DLPack: on the processor.
    fn __dlpack_device__(&self) -> (i32, i32) {
        dlpack::CPU
    }

    /// A capsule with a DLPack tensor over the ring, read-only and so of version 1.0 or later; or with copy=True over a
    /// copy, of the version that is asked for.
    ///
    /// Raises BufferError when the consumer knows no read-only tensors (it gives no max_version, or one below
    /// 1.0), or wants another device.
    #[pyo3(signature = (*, stream=None, max_version=None, dl_device=None, copy=None))]
    fn __dlpack__<'py>(
        &self,
        py: Python<'py>,
        stream: Option<&Bound<'py, PyAny>>,
        max_version: Option<(u32, u32)>,
        dl_device: Option<(i32, i32)>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        // There is nothing to wait for on a processor.
        let _ = stream;
        if dl_device.is_some_and(|device| device != dlpack::CPU) {
            return Err(PyBufferError::new_err(
                "a received array lies in memory of the processor; take it there and copy it on",
            ));
        }
        let is_versioned = max_version.is_some_and(|(major, _)| major >= 1);
        let is_copy = copy == Some(true);
        if !is_versioned && !is_copy {
            return Err(PyBufferError::new_err(
                "the consumer asks for an older DLPack, which knows no read-only tensors, and a received array is one; \
                 give it array.unflagged() if it never stores into its tensors (as jax), else a copy: \
                 read_array(copy=True)",
            ));
        }
        dlpack::export(py, &self.elements, &self.lease, is_versioned, is_copy)
    }

    /// The same array for consumers whose DLPack has no way to say that a tensor is read-only: for those that never store
    /// into a tensor, as jax: jax.dlpack.from_dlpack(array.unflagged()).
    ///
    /// A store into it ends the process.
    fn unflagged(this: Py<Self>) -> Unflagged {
        Unflagged { array: this }
    }

    fn __len__(&self) -> PyResult<usize> {
        match self.elements.shape.first() {
            Some(&dim) => Ok(dim as usize),
            None => Err(pyo3::exceptions::PyTypeError::new_err(
                "an array of no dimensions has no length",
            )),
        }
    }

    fn __repr__(&self) -> String {
        let Elements { dtype, shape, .. } = &self.elements;
        let tag = self.lease.tag();
        format!("<kren.Array of {dtype}, shape={shape:?}, tag={tag}>")
    }

    /// Return a memoryview (what Python's own types call it from 3.12 on).
    #[pyo3(signature = (flags, /))]
    fn __buffer__<'py>(
        this: &Bound<'py, Self>,
        flags: c_int,
    ) -> PyResult<Bound<'py, pyo3::types::PyMemoryView>> {
        let _ = flags;
        pyo3::types::PyMemoryView::from(this)
    }

    fn __reduce__(&self) -> PyResult<Bound<'_, PyDict>> {
        Err(pyo3::exceptions::PyTypeError::new_err(
            "a kren.Array lies in memory that it shares, and cannot be pickled; pickle a copy",
        ))
    }

    /// # Safety
    ///
    /// `view` is Python's to give: writable.
    unsafe fn __getbuffer__(
        this: &Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        // SAFETY: whoever has the view has this object, whose lease keeps the message as it is.
        unsafe { this.get().elements.export(this, true, view, flags) }
    }
}

/// A received array as an old DLPack tensor, which says nothing of being read-only: what Array.unflagged() returns.
#[pyclass(frozen, module = "kren._kren")]
pub(crate) struct Unflagged {
    array: Py<Array>,
}

#[pymethods]
impl Unflagged {
    fn __dlpack_device__(&self) -> (i32, i32) {
        dlpack::CPU
    }

    /// A capsule with a DLPack tensor over the ring, whatever is asked for.
    #[pyo3(signature = (**_asked))]
    fn __dlpack__<'py>(
        &self,
        py: Python<'py>,
        _asked: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let array = self.array.get();
        dlpack::export(py, &array.elements, &array.lease, false, false)
    }
}

/// Room for an array in an open slot: a writable buffer that the slot does not count, so that the array which is made of
/// it need not be gone for the commit. Its user, `kren/_arrays.py`, makes that array read-only then.
#[pyclass(frozen, module = "kren._kren")]
pub(crate) struct Room {
    /// Keeps the memory mapped.
    _slot: Py<Slot>,
    pub(super) elements: Elements,
}

impl Room {
    pub(super) fn new(slot: Py<Slot>, elements: Elements) -> Self {
        Self {
            _slot: slot,
            elements,
        }
    }
}

#[pymethods]
impl Room {
    /// The type of the elements by its name.
    #[getter]
    fn dtype(&self) -> &'static str {
        self.elements.dtype.name()
    }

    /// The dimensions, outermost first.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        self.elements.dims(py)
    }

    /// Return a memoryview (what Python's own types call it from 3.12 on).
    #[pyo3(signature = (flags, /))]
    fn __buffer__<'py>(
        this: &Bound<'py, Self>,
        flags: c_int,
    ) -> PyResult<Bound<'py, pyo3::types::PyMemoryView>> {
        let _ = flags;
        pyo3::types::PyMemoryView::from(this)
    }

    /// # Safety
    ///
    /// `view` is Python's to give: writable.
    unsafe fn __getbuffer__(
        this: &Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        // SAFETY: mapped and writable as long as the slot lives.
        unsafe { this.get().elements.export(this, false, view, flags) }
    }
}
