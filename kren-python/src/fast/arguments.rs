//! What Python passes to a method, as far as the short ways understand it.
#![allow(unsafe_code)]

use std::sync::atomic::{AtomicPtr, Ordering};

use pyo3::PyClass;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::pyclass::boolean_struct::True;
use pyo3::types::PyString;

use super::method::Method;

/// The name "timeout", of which Python has one object for all who name an argument so in their source.
static TIMEOUT: AtomicPtr<ffi::PyObject> = AtomicPtr::new(std::ptr::null_mut());

/// Prepares for [`Arguments::with_timeout`].
pub(super) fn install(py: Python<'_>) {
    let name = PyString::intern(py, "timeout");
    TIMEOUT.store(name.into_ptr(), Ordering::Relaxed);
}

/// The instance that a method was called on.
///
/// # Safety
///
/// `this` is what Python gave a method of `T`: a live instance, kept alive by the caller. It is so
/// because a method descriptor checks it.
#[inline]
pub(super) unsafe fn instance<'a, T: PyClass<Frozen = True> + Sync>(
    py: Python<'a>,
    this: *mut ffi::PyObject,
) -> &'a T {
    // SAFETY: see above.
    unsafe { Borrowed::from_ptr(py, this).cast_unchecked::<T>() }.get()
}

/// The bytes of a `bytes`; `None` for all other objects.
///
/// # Safety
///
/// `object` is alive for as long as the result is used.
#[inline]
pub(super) unsafe fn bytes_of<'a>(object: *mut ffi::PyObject) -> Option<&'a [u8]> {
    // SAFETY: a live object; the two calls fit a `bytes`, which is immutable.
    unsafe {
        if ffi::PyBytes_CheckExact(object) == 0 {
            return None;
        }
        let start = ffi::PyBytes_AsString(object).cast::<u8>();
        let len = ffi::PyBytes_Size(object) as usize;
        Some(std::slice::from_raw_parts(start, len))
    }
}

/// The arguments of a call, as Python passes them.
pub(super) struct Arguments {
    pub(super) values: *const *mut ffi::PyObject,
    pub(super) count: ffi::Py_ssize_t,
    pub(super) names: *mut ffi::PyObject,
}

impl Arguments {
    /// Whether there are `count` arguments in front, and behind them nothing, or a `timeout` that is plainly a
    /// good one: None, or a number of seconds that is not negative. The result is whether it allows to wait.
    ///
    /// # Safety
    ///
    /// These are the arguments of a call that Python is making.
    #[inline]
    pub(super) unsafe fn with_timeout(&self, count: ffi::Py_ssize_t) -> Option<bool> {
        // SAFETY: `values` has as many objects as there are arguments and names; names are a tuple of str.
        unsafe {
            if self.names.is_null() {
                return match self.count - count {
                    0 => Some(true),
                    1 => allows_to_wait(*self.values.offset(count)),
                    _ => None,
                };
            }
            let is_timeout = self.count == count
                && ffi::PyTuple_Size(self.names) == 1
                && ffi::PyTuple_GetItem(self.names, 0) == TIMEOUT.load(Ordering::Relaxed);
            is_timeout.then(|| allows_to_wait(*self.values.offset(count)))?
        }
    }

    /// Leaves the call to the method that pyo3 made.
    ///
    /// # Safety
    ///
    /// These are the arguments of a call that Python is making, on `this`.
    pub(super) unsafe fn call(
        &self,
        method: &Method,
        this: *mut ffi::PyObject,
    ) -> *mut ffi::PyObject {
        // SAFETY: of the caller.
        unsafe { method.call(this, self.values, self.count, self.names) }
    }
}

/// What a plain timeout says; `None` if it takes a closer look.
///
/// # Safety
///
/// `timeout` is a live object.
#[inline]
unsafe fn allows_to_wait(timeout: *mut ffi::PyObject) -> Option<bool> {
    // SAFETY: each call fits the type that was found.
    unsafe {
        if timeout == ffi::Py_None() {
            Some(true)
        } else if ffi::PyFloat_CheckExact(timeout) != 0 {
            let seconds = ffi::PyFloat_AsDouble(timeout);
            (seconds >= 0.0).then_some(seconds > 0.0)
        } else {
            None
        }
    }
}
