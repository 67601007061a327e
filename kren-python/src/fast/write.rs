//! The short ways of `Writer`.
#![allow(unsafe_code)]

use pyo3::ffi;
use pyo3::prelude::*;

use super::arguments::{Arguments, bytes_of, instance};
use super::method::{ARGUMENTS, Method};
use crate::writer::Writer;

static WRITE: Method = Method::new("write", ARGUMENTS);
static TRY_WRITE: Method = Method::new("try_write", ARGUMENTS);

pub(super) fn install(py: Python<'_>) -> PyResult<()> {
    let writer = py.get_type::<Writer>();
    let pointer = |function| ffi::PyMethodDefPointer {
        PyCFunctionFastWithKeywords: function,
    };
    // SAFETY: functions for methods with arguments, of `Writer`.
    unsafe {
        WRITE.replace(&writer, pointer(write))?;
        TRY_WRITE.replace(&writer, pointer(try_write))
    }
}

unsafe extern "C" fn write(
    this: *mut ffi::PyObject,
    values: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    let arguments = Arguments {
        values,
        count,
        names,
    };
    // SAFETY: called by Python.
    unsafe {
        if count > 0 && arguments.with_timeout(1).is_some() && put(this, *values) {
            return ffi::Py_NewRef(ffi::Py_None());
        }
        arguments.call(&WRITE, this)
    }
}

unsafe extern "C" fn try_write(
    this: *mut ffi::PyObject,
    values: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: called by Python.
    unsafe {
        if count == 1 && names.is_null() && put(this, *values) {
            return ffi::Py_NewRef(ffi::Py_True());
        }
        TRY_WRITE.call(this, values, count, names)
    }
}

/// Writes one message if that takes nothing out of the ordinary; else nothing has happened.
///
/// # Safety
///
/// `this` is the instance that a method of `Writer` was called on, `data` a live object.
#[inline]
unsafe fn put(this: *mut ffi::PyObject, data: *mut ffi::PyObject) -> bool {
    // SAFETY: called by Python, so this thread is attached.
    unsafe {
        let py = Python::assume_attached();
        let writer = instance::<Writer>(py, this);
        match bytes_of(data) {
            Some(data) => writer.write_now(py, data),
            None => false,
        }
    }
}

impl Writer {
    /// Writes `data`, if everything is as usual and there is room; else nothing has happened.
    #[inline]
    fn write_now(&self, py: Python<'_>, data: &[u8]) -> bool {
        self.endpoint
            .try_hold(py)
            .is_some_and(|mut core| core.try_write(data).is_ok())
    }
}
