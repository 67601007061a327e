//! Elements in memory, as the buffer protocol describes them.
#![allow(unsafe_code)]

use std::ffi::c_int;

use kren_core::array::DType;
use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::describe::format_of;

/// Elements in memory that somebody keeps in place, as buffers describe them.
pub(super) struct Elements {
    pub(super) start: *mut u8,
    pub(super) len: usize,
    pub(super) dtype: DType,
    pub(super) shape: Vec<ffi::Py_ssize_t>,
    /// In bytes.
    strides: Vec<ffi::Py_ssize_t>,
}

// SAFETY: plain figures; who reads through `start` answers for it.
unsafe impl Send for Elements {}
// SAFETY: as for `Send`.
unsafe impl Sync for Elements {}

impl Elements {
    pub(super) fn new(start: *mut u8, len: usize, dtype: DType, dims: &[usize]) -> Self {
        let shape: Vec<_> = dims.iter().map(|&dim| dim as ffi::Py_ssize_t).collect();
        let mut strides = vec![0; shape.len()];
        let mut stride = dtype.size() as ffi::Py_ssize_t;
        for (place, dim) in strides.iter_mut().zip(&shape).rev() {
            *place = stride;
            // An array of nothing may have dimensions whose product is none.
            stride = stride.wrapping_mul(*dim);
        }
        Self {
            start,
            len,
            dtype,
            shape,
            strides,
        }
    }

    /// The dimensions for Python.
    pub(super) fn dims<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, &self.shape)
    }

    /// Fills `view`, for an `owner` that keeps the elements in place.
    ///
    /// # Safety
    ///
    /// `view` is Python's to give; `self` lives as long as `owner`.
    pub(super) unsafe fn export<T>(
        &self,
        owner: &Bound<'_, T>,
        readonly: bool,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        // SAFETY: writable, says the caller.
        let view = unsafe { &mut *view };
        view.obj = std::ptr::null_mut();
        if readonly && flags & ffi::PyBUF_WRITABLE == ffi::PyBUF_WRITABLE {
            return Err(PyBufferError::new_err(
                "a received array is read-only; take a copy to change it",
            ));
        }
        let asked = |flag: c_int| flags & flag == flag;
        view.buf = self.start.cast();
        view.len = self.len as ffi::Py_ssize_t;
        view.itemsize = self.dtype.size() as ffi::Py_ssize_t;
        view.readonly = c_int::from(readonly);
        view.ndim = self.shape.len() as c_int;
        view.format = match asked(ffi::PyBUF_FORMAT) {
            true => format_of(self.dtype).as_ptr().cast_mut(),
            false => std::ptr::null_mut(),
        };
        view.shape = match asked(ffi::PyBUF_ND) {
            true => self.shape.as_ptr().cast_mut(),
            false => std::ptr::null_mut(),
        };
        view.strides = match asked(ffi::PyBUF_STRIDES) {
            true => self.strides.as_ptr().cast_mut(),
            false => std::ptr::null_mut(),
        };
        view.suboffsets = std::ptr::null_mut();
        view.internal = std::ptr::null_mut();
        view.obj = owner.clone().into_any().into_ptr();
        Ok(())
    }
}
