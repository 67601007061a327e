//! The short ways of `Reader`.
#![allow(unsafe_code)]

use kren_core::KrenReader;
use pyo3::ffi;
use pyo3::prelude::*;

use super::arguments::{Arguments, instance};
use super::method::{ARGUMENTS, Method, NO_ARGUMENTS};
use crate::buffer::{bytes_or_null, forget_error, try_with_target};
use crate::reader::Reader;

static READ: Method = Method::new("read", ARGUMENTS);
static READ_INTO: Method = Method::new("read_into", ARGUMENTS);
static TRY_READ: Method = Method::new("try_read", NO_ARGUMENTS);

pub(super) fn install(py: Python<'_>) -> PyResult<()> {
    let reader = py.get_type::<Reader>();
    let pointer = |function| ffi::PyMethodDefPointer {
        PyCFunctionFastWithKeywords: function,
    };
    let try_read = ffi::PyMethodDefPointer {
        PyCFunction: try_read,
    };
    // SAFETY: functions for methods with arguments, and one without, of `Reader`.
    unsafe {
        READ.replace(&reader, pointer(read))?;
        READ_INTO.replace(&reader, pointer(read_into))?;
        TRY_READ.replace(&reader, try_read)
    }
}

unsafe extern "C" fn read(
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
        if let Some(patient) = arguments.with_timeout(0) {
            let py = Python::assume_attached();
            if let Now::Message(message) = instance::<Reader>(py, this).read_now(py, patient) {
                return message;
            }
        }
        arguments.call(&READ, this)
    }
}

unsafe extern "C" fn read_into(
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
        if count > 0
            && let Some(patient) = arguments.with_timeout(1)
        {
            let py = Python::assume_attached();
            let target = Borrowed::from_ptr(py, *values);
            match instance::<Reader>(py, this).read_into_now(&target, patient) {
                Some(Some(len)) => return ffi::PyLong_FromSize_t(len),
                Some(None) => {}
                None if is_refusal() => forget_error(py),
                None => return std::ptr::null_mut(),
            }
        }
        arguments.call(&READ_INTO, this)
    }
}

unsafe extern "C" fn try_read(
    this: *mut ffi::PyObject,
    _none: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: called by Python.
    unsafe {
        let py = Python::assume_attached();
        match instance::<Reader>(py, this).read_now(py, false) {
            Now::Message(message) => message,
            Now::Nothing => ffi::Py_NewRef(ffi::Py_None()),
            Now::Otherwise => TRY_READ.call(this, std::ptr::null(), 0, std::ptr::null_mut()),
        }
    }
}

/// What came of a read in passing.
enum Now {
    /// A new `bytes`, the caller's.
    Message(*mut ffi::PyObject),
    Nothing,
    /// It takes more than that, or fails. Nothing has happened.
    Otherwise,
}

impl Reader {
    /// The next message as a `bytes`, if that takes nothing out of the ordinary. Polls for it briefly if
    /// `patient`.
    #[inline]
    fn read_now(&self, py: Python<'_>, patient: bool) -> Now {
        let Some(mut core) = self.endpoint.try_hold(py) else {
            return Now::Otherwise;
        };
        loop {
            match now(py, &mut core) {
                Now::Nothing if patient && core.poll_readable() => {}
                now => return now,
            }
        }
    }

    /// Copies the next message to `target`, if that takes nothing out of the ordinary, and gives its length; else
    /// nothing has happened. Polls for it briefly if `patient`. None where `target` gave no buffer, with its exception
    /// set.
    #[inline]
    fn read_into_now(&self, target: &Bound<'_, PyAny>, patient: bool) -> Option<Option<usize>> {
        let py = target.py();
        try_with_target(target, |target| {
            let mut core = self.endpoint.try_hold(py)?;
            loop {
                let failed = match core.try_read() {
                    Ok(Some(message)) if message.len() <= target.len() => {
                        target.fill(py, &message);
                        return Some(message.len());
                    }
                    Ok(Some(message)) => {
                        message.keep();
                        return None;
                    }
                    Ok(None) => None,
                    Err(error) => Some(error),
                };
                if let Some(error) = failed {
                    core.tell_later(error);
                    return None;
                }
                if !patient || !core.poll_readable() {
                    return None;
                }
            }
        })
    }
}

/// Whether the exception that is set says that there is no such buffer. Any other is the exporter's own, a
/// KeyboardInterrupt say, and asked again it may not come again.
#[cold]
unsafe fn is_refusal() -> bool {
    // SAFETY: the thread is attached, and an exception is set.
    unsafe {
        [
            ffi::PyExc_TypeError,
            ffi::PyExc_BufferError,
            ffi::PyExc_ValueError,
        ]
        .iter()
        .any(|&kind| ffi::PyErr_ExceptionMatches(kind) != 0)
    }
}

#[inline]
fn now(py: Python<'_>, core: &mut KrenReader) -> Now {
    let error = match core.try_read() {
        Ok(Some(message)) => {
            let bytes = bytes_or_null(&message);
            if bytes.is_null() {
                message.keep();
                forget_error(py);
                return Now::Otherwise;
            }
            return Now::Message(bytes);
        }
        Ok(None) => return Now::Nothing,
        Err(error) => error,
    };
    core.tell_later(error);
    Now::Otherwise
}
