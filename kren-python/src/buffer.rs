//! Bytes in and out: the user's buffers where they lie, and `bytes` made with one copy.
#![allow(unsafe_code)]

use std::ffi::c_int;
use std::marker::PhantomData;

use kren_core::copy_slice;
use pyo3::exceptions::{PyBufferError, PySystemError, PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::kind::kind_of;

/// A payload that the caller's object keeps alive and in place.
///
/// It is a pointer and no slice because another thread may store into a `bytearray` while this one
/// waits; a slice exists only while the bytes are copied.
pub(crate) struct Payload<'a> {
    start: *const u8,
    len: usize,
    owner: PhantomData<&'a [u8]>,
}

impl Payload<'_> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The bytes, for as long as this thread stays attached to the interpreter.
    pub(crate) fn bytes<'s>(&'s self, _attached: Python<'s>) -> &'s [u8] {
        if self.len == 0 {
            return &[];
        }
        // SAFETY: `start..start + len` belongs to the object the payload was taken from, whose
        // export (or immutability, for `bytes`) keeps it allocated. Attached threads do not store
        // concurrently; on a free-threaded interpreter that is the caller's duty, as it is for
        // `file.write`.
        unsafe { std::slice::from_raw_parts(self.start, self.len) }
    }
}

impl Payload<'_> {
    /// Copies the payload to `target`, which has room for it, and may be part of it.
    ///
    /// # Safety
    ///
    /// `target` is writable for as many bytes.
    pub(crate) unsafe fn copy_to(&self, attached: Python<'_>, target: *mut u8) {
        let bytes = self.bytes(attached);
        if target.addr().abs_diff(self.start.addr()) < self.len {
            // SAFETY: readable here, writable there, and the two may overlap.
            unsafe { std::ptr::copy(bytes.as_ptr(), target, bytes.len()) };
        } else {
            // SAFETY: writable, says the caller; and apart from `bytes`.
            copy_slice(bytes, unsafe {
                std::slice::from_raw_parts_mut(target, bytes.len())
            });
        }
    }
}

/// Calls `work` with the bytes of any C-contiguous buffer, without copying them.
pub(crate) fn with_payload<R>(
    data: &Bound<'_, PyAny>,
    work: impl FnOnce(&Payload<'_>) -> PyResult<R>,
) -> PyResult<R> {
    if let Ok(bytes) = data.cast::<PyBytes>() {
        let bytes = bytes.as_bytes();
        return work(&Payload {
            start: bytes.as_ptr(),
            len: bytes.len(),
            owner: PhantomData,
        });
    }
    let mut view = View::new();
    view.fill(data, ffi::PyBUF_SIMPLE)?;
    work(&Payload {
        start: view.start(),
        len: view.len(),
        owner: PhantomData,
    })
}

/// Clears the exception that is set: the attempt will be made again by who can raise it.
#[cold]
pub(crate) fn forget_error(_attached: Python<'_>) {
    // SAFETY: the thread is attached.
    unsafe { ffi::PyErr_Clear() };
}

/// Writable bytes of the caller's; a pointer for the reason [`Payload`] is one.
pub(crate) struct Target<'a> {
    start: *mut u8,
    len: usize,
    owner: PhantomData<&'a mut [u8]>,
}

impl Target<'_> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Copies `message`, which is no longer than the buffer, to its start.
    pub(crate) fn fill(&self, _attached: Python<'_>, message: &[u8]) {
        assert!(
            message.len() <= self.len,
            "the caller compares the lengths first"
        );
        if message.is_empty() {
            return;
        }
        // SAFETY: the length was compared above; the export keeps the bytes allocated and writable,
        // and they are no part of the ring, which Python has no buffer of.
        unsafe {
            copy_slice(
                message,
                std::slice::from_raw_parts_mut(self.start, message.len()),
            );
        }
    }
}

/// Calls `work` with a writable C-contiguous buffer to fill.
pub(crate) fn with_target<R>(
    target: &Bound<'_, PyAny>,
    work: impl FnOnce(&Target<'_>) -> PyResult<R>,
) -> PyResult<R> {
    let mut view = View::new();
    view.fill(target, ffi::PyBUF_WRITABLE)?;
    work(&Target {
        start: view.start(),
        len: view.len(),
        owner: PhantomData,
    })
}

/// As [`with_target`], for who can leave the call to another: None where there is no such buffer, with the exporter's
/// exception set.
pub(crate) fn try_with_target<R>(
    target: &Bound<'_, PyAny>,
    work: impl FnOnce(&Target<'_>) -> R,
) -> Option<R> {
    let mut view = View::new();
    // SAFETY: as in `View::fill`.
    let failed =
        unsafe { ffi::PyObject_GetBuffer(target.as_ptr(), &raw mut view.0, ffi::PyBUF_WRITABLE) };
    if failed != 0 {
        return None;
    }
    Some(work(&Target {
        start: view.start(),
        len: view.len(),
        owner: PhantomData,
    }))
}

/// Makes a `bytes` of `message` with one allocation and one copy.
pub(crate) fn to_bytes<'py>(py: Python<'py>, message: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    // SAFETY: a new `bytes`, or null with MemoryError set (`PyBytes::new` would panic there).
    unsafe { Ok(Bound::from_owned_ptr_or_err(py, bytes_or_null(message))?.cast_into_unchecked()) }
}

/// As [`to_bytes`], as Python's own interface has it. The thread is attached.
#[inline]
pub(crate) fn bytes_or_null(message: &[u8]) -> *mut ffi::PyObject {
    // SAFETY: the length of a slice fits; a new `bytes` made without content is its maker's to fill.
    unsafe {
        let len = message.len() as ffi::Py_ssize_t;
        let object = ffi::PyBytes_FromStringAndSize(std::ptr::null(), len);
        // The empty one is shared, and has nothing to fill.
        if len > 0 && !object.is_null() {
            let start = ffi::PyBytes_AsString(object).cast::<u8>();
            copy_slice(
                message,
                std::slice::from_raw_parts_mut(start, message.len()),
            );
        }
        object
    }
}

/// Fills `view` with `len` bytes of `owner` that begin at `start`.
///
/// # Safety
///
/// The bytes are readable, and writable unless `readonly`, for as long as the view is not released; `view` is
/// writable.
pub(crate) unsafe fn export<T>(
    owner: &Bound<'_, T>,
    start: *mut u8,
    len: usize,
    readonly: bool,
    view: *mut ffi::Py_buffer,
    flags: c_int,
) -> PyResult<()> {
    // SAFETY: the caller's promises; the call takes a reference to `owner`, or raises.
    let failed = unsafe {
        ffi::PyBuffer_FillInfo(
            view,
            owner.as_ptr(),
            start.cast(),
            len as ffi::Py_ssize_t,
            c_int::from(readonly),
            flags,
        )
    };
    if failed == 0 {
        return Ok(());
    }
    Err(PyErr::fetch(owner.py()))
}

/// A `Py_buffer` on the stack. It must not move once filled (exporters may point into it), which
/// holds because only a reference to a local ever leaves this module.
struct View(ffi::Py_buffer);

impl View {
    fn new() -> Self {
        Self(ffi::Py_buffer::new())
    }

    fn fill(&mut self, object: &Bound<'_, PyAny>, flags: c_int) -> PyResult<()> {
        // SAFETY: any object may be asked; the view is released in `drop`, and a failed call leaves
        // its `obj` null, which makes that release do nothing.
        if unsafe { ffi::PyObject_GetBuffer(object.as_ptr(), &raw mut self.0, flags) } == 0 {
            return Ok(());
        }
        // An exporter that fails without a word is broken, and no reason to panic.
        let cause = PyErr::take(object.py())
            .unwrap_or_else(|| PySystemError::new_err("an exporter of buffers failed silently"));
        Err(refusal(object, cause, flags))
    }

    fn start(&self) -> *mut u8 {
        self.0.buf.cast()
    }

    fn len(&self) -> usize {
        usize::try_from(self.0.len).unwrap_or(0)
    }
}

impl Drop for View {
    fn drop(&mut self) {
        // SAFETY: filled by PyObject_GetBuffer or still empty, and released once; the callers above
        // are attached to the interpreter while the view lives.
        unsafe { ffi::PyBuffer_Release(&raw mut self.0) };
    }
}

/// Says what kind of object is wanted where the exporter only says that it is not that kind. Whatever else it raised
/// (KeyboardInterrupt, MemoryError, "released"...) is passed on as it is.
#[cold]
fn refusal(object: &Bound<'_, PyAny>, cause: PyErr, flags: c_int) -> PyErr {
    let py = object.py();
    let kind = kind_of(object);
    let writable = flags == ffi::PyBUF_WRITABLE;
    // SAFETY: any live object may be asked.
    let error = if unsafe { ffi::PyObject_CheckBuffer(object.as_ptr()) } == 0 {
        PyTypeError::new_err(if writable {
            format!(
                "a writable C-contiguous buffer is needed (bytearray, memoryview, array, numpy array), not {kind}"
            )
        } else if object.is_instance_of::<PyString>() {
            "a message is bytes, and str is text: encode it first, for example text.encode()"
                .to_owned()
        } else {
            format!(
                "a bytes-like object is needed (bytes, bytearray, memoryview, array, numpy array), not {kind}"
            )
        })
    } else if is_refusal(&cause, py) && gives_another_view(object) {
        PyBufferError::new_err(if writable {
            format!(
                "a writable C-contiguous buffer is needed (bytearray, memoryview, array, numpy array), and this \
                 {kind} is none"
            )
        } else {
            format!(
                "a C-contiguous buffer is needed, and this {kind} is none: copy it first, for example with \
                 bytes() or numpy.ascontiguousarray()"
            )
        })
    } else {
        return cause;
    };
    error.set_cause(py, Some(cause));
    error
}

/// Whether an exporter may say with this that it has no such view.
fn is_refusal(error: &PyErr, py: Python<'_>) -> bool {
    error.is_instance_of::<PyBufferError>(py) || error.is_instance_of::<PyValueError>(py)
}

/// Whether the object gives any view at all: then it was the kind of view that it refused.
fn gives_another_view(object: &Bound<'_, PyAny>) -> bool {
    let mut view = View::new();
    // SAFETY: as in `View::fill`.
    let failed =
        unsafe { ffi::PyObject_GetBuffer(object.as_ptr(), &raw mut view.0, ffi::PyBUF_FULL_RO) };
    if failed != 0 {
        // The first refusal says it.
        forget_error(object.py());
    }
    failed == 0
}
