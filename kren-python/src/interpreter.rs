//! Which interpreters the module runs in: the main one.
#![allow(unsafe_code)]

use pyo3::exceptions::PyImportError;
use pyo3::ffi;
use pyo3::prelude::*;

/// Refuses sub-interpreters.
///
/// pyo3 makes one set of type objects per process. In an interpreter that ends before the others
/// they would be left dangling.
pub(crate) fn require_main(_attached: Python<'_>) -> PyResult<()> {
    // SAFETY: the thread is attached to an interpreter, which is the one asked for its number.
    let number = unsafe { ffi::PyInterpreterState_GetID(ffi::PyInterpreterState_Get()) };
    if number == 0 {
        return Ok(());
    }
    Err(PyImportError::new_err(
        "kren does not support sub-interpreters; use it in the main interpreter, or in another \
         process",
    ))
}
