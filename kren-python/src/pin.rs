//! Buffers of the ring in other hands: each is counted, for as long as anybody holds it.
//!
//! Python's buffer protocol says who holds a buffer: whoever has not released it. Several libraries take the address,
//! release the buffer at once, and keep the object that it came from instead (`view.obj`): so torch does, and numpy for
//! an array over a memoryview. Hence that object is one of its own for each buffer, and the buffer counts as long as the
//! object lives.
#![allow(unsafe_code)]

use std::ffi::c_int;

use pyo3::ffi;
use pyo3::prelude::*;

use crate::buffer::export;

/// A buffer of a slot or a lease that somebody has: what `memoryview(lease).obj` is.
///
/// Internal to kren. It is a buffer itself, of the same bytes.
#[pyclass(frozen, module = "kren._kren")]
pub(crate) struct Pin {
    owner: Py<PyAny>,
    let_go: fn(&Bound<'_, PyAny>),
    bytes: Bytes,
}

/// Bytes of the ring.
#[derive(Clone, Copy)]
pub(crate) struct Bytes {
    pub(crate) start: *mut u8,
    pub(crate) len: usize,
    pub(crate) readonly: bool,
}

// SAFETY: an address and no access; who stores or loads there has a buffer, from `pin`.
unsafe impl Send for Bytes {}
// SAFETY: as for `Send`.
unsafe impl Sync for Bytes {}

/// Fills `view` with `bytes` of `owner`, which has counted them; `let_go` is called when they are in use no more, or
/// when this fails.
///
/// # Safety
///
/// The bytes are readable, and writable unless they are read-only, until `let_go` is called; `view` is writable.
pub(crate) unsafe fn pin(
    owner: &Bound<'_, PyAny>,
    bytes: Bytes,
    let_go: fn(&Bound<'_, PyAny>),
    view: *mut ffi::Py_buffer,
    flags: c_int,
) -> PyResult<()> {
    let pin = Pin {
        owner: owner.clone().unbind(),
        let_go,
        bytes,
    };
    // Not made, it is dropped, which lets go.
    let pin = Bound::new(owner.py(), pin)?;
    // SAFETY: the caller's promises; the view has a reference to `pin`, which lets go when it is dropped.
    unsafe { export(&pin, bytes.start, bytes.len, bytes.readonly, view, flags) }
}

#[pymethods]
impl Pin {
    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("<buffer of {}>", self.owner.bind(py).repr()?))
    }

    /// # Safety
    ///
    /// `view` is Python's to give: writable.
    unsafe fn __getbuffer__(
        this: &Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let bytes = this.get().bytes;
        // SAFETY: counted, as long as `this` lives, which the view has a reference to.
        unsafe { export(this, bytes.start, bytes.len, bytes.readonly, view, flags) }
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        // Python collects its objects attached; at its very end there is nobody to give bytes back to.
        let _ = Python::try_attach(|py| (self.let_go)(self.owner.bind(py)));
    }
}
