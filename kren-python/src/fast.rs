//! The short way through the calls that are made for each message.
//!
//! A call through pyo3 parses its arguments, counts the attachment and catches panics, which for a small
//! message costs more than the message. Each function here stands in front of one method that pyo3 made:
//! it serves the common case (plain arguments, a `bytes`, nothing to wait for), and hands everything else to the
//! method with the arguments as they came. So it decides nothing: without this file everything works as it
//! does with it, more slowly.
#![allow(unsafe_code)]

use std::ffi::{CString, c_int, c_void};
use std::sync::atomic::{AtomicPtr, Ordering};

use pyo3::PyClass;
use pyo3::exceptions::PySystemError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::pyclass::boolean_struct::True;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

use crate::reader::{Now, Reader};
use crate::writer::Writer;

type Function = ffi::PyCFunctionFastWithKeywords;

/// How Python calls a method with arguments, and one without.
const ARGUMENTS: c_int = ffi::METH_FASTCALL | ffi::METH_KEYWORDS;
const NO_ARGUMENTS: c_int = ffi::METH_NOARGS;

/// A method as pyo3 made it, which the one here stands in front of.
struct Method {
    name: &'static str,
    /// How both are called: [`ARGUMENTS`] or [`NO_ARGUMENTS`].
    flags: c_int,
    descriptor: PyOnceLock<Py<PyAny>>,
    /// The function behind the descriptor, once it has been asked for.
    function: AtomicPtr<c_void>,
}

static WRITE: Method = Method::new("write", ARGUMENTS);
static TRY_WRITE: Method = Method::new("try_write", ARGUMENTS);
static READ: Method = Method::new("read", ARGUMENTS);
static TRY_READ: Method = Method::new("try_read", NO_ARGUMENTS);

/// Puts the short ways in front of the methods of both classes.
pub(crate) fn install(py: Python<'_>) -> PyResult<()> {
    let (writer, reader) = (py.get_type::<Writer>(), py.get_type::<Reader>());
    let with_arguments = |function: Function| ffi::PyMethodDefPointer {
        PyCFunctionFastWithKeywords: function,
    };
    WRITE.replace(&writer, with_arguments(write))?;
    TRY_WRITE.replace(&writer, with_arguments(try_write))?;
    READ.replace(&reader, with_arguments(read))?;
    let try_read = ffi::PyMethodDefPointer {
        PyCFunction: try_read,
    };
    TRY_READ.replace(&reader, try_read)
}

impl Method {
    const fn new(name: &'static str, flags: c_int) -> Self {
        Self {
            name,
            flags,
            descriptor: PyOnceLock::new(),
            function: AtomicPtr::new(std::ptr::null_mut()),
        }
    }

    /// Makes `function` the method of this name, with the documentation of the one that was there.
    fn replace(
        &self,
        class: &Bound<'_, PyType>,
        function: ffi::PyMethodDefPointer,
    ) -> PyResult<()> {
        let py = class.py();
        let original = class.getattr(self.name)?;
        let signature: String = original.getattr("__text_signature__")?.extract()?;
        let text: String = original.getattr("__doc__")?.extract()?;
        let doc = CString::new(format!("{}{signature}\n--\n\n{text}", self.name))?;
        let name = CString::new(self.name)?;
        // Types live as long as the process, and so must the definitions of their methods.
        let definition = Box::leak(Box::new(ffi::PyMethodDef {
            ml_name: name.into_raw(),
            ml_meth: function,
            ml_flags: self.flags,
            ml_doc: doc.into_raw(),
        }));
        // SAFETY: the definition is complete, its flags fit its function (see `install`), and it lives for ever.
        let descriptor = unsafe {
            let made = ffi::PyDescr_NewMethod(class.as_type_ptr(), definition);
            Bound::from_owned_ptr_or_err(py, made)?
        };
        class.setattr(self.name, descriptor)?;
        let _ = self.descriptor.set(py, original.unbind());
        Ok(())
    }

    /// Calls the method that pyo3 made.
    ///
    /// # Safety
    ///
    /// The arguments are those of a call that Python made to the method's replacement.
    #[cold]
    unsafe fn call(
        &self,
        this: *mut ffi::PyObject,
        arguments: *const *mut ffi::PyObject,
        count: ffi::Py_ssize_t,
        names: *mut ffi::PyObject,
    ) -> *mut ffi::PyObject {
        let mut function = self.function.load(Ordering::Relaxed);
        if function.is_null() {
            let found = Python::attach(|py| {
                // SAFETY: `this` is the caller's.
                let this = unsafe { Borrowed::from_ptr(py, this) };
                self.find(&this).map_err(|error| error.restore(py))
            });
            match found {
                Ok(found) => function = found,
                Err(()) => return std::ptr::null_mut(),
            }
        }
        // SAFETY: `find` has made sure that the function is of the type that `flags` says; the
        // arguments are the caller's.
        unsafe {
            if self.flags == NO_ARGUMENTS {
                let function: ffi::PyCFunction = std::mem::transmute(function);
                function(this, std::ptr::null_mut())
            } else {
                let function: Function = std::mem::transmute(function);
                function(this, arguments, count, names)
            }
        }
    }

    /// Finds the function behind the descriptor. Only a bound method tells, so this needs an instance.
    fn find(&self, this: &Bound<'_, PyAny>) -> PyResult<*mut c_void> {
        let py = this.py();
        let Some(descriptor) = self.descriptor.get(py) else {
            return Err(PySystemError::new_err("kren was not imported to its end"));
        };
        let bound = descriptor
            .bind(py)
            .call_method1("__get__", (this, this.get_type()))?;
        // SAFETY: both look at a built-in function only, and raise for anything else.
        let (flags, function) = unsafe {
            let flags = ffi::PyCFunction_GetFlags(bound.as_ptr());
            (flags, ffi::PyCFunction_GetFunction(bound.as_ptr()))
        };
        if let Some(error) = PyErr::take(py) {
            return Err(error);
        }
        match function {
            Some(function) if flags == self.flags => {
                let function = function as *mut c_void;
                self.function.store(function, Ordering::Relaxed);
                Ok(function)
            }
            _ => {
                let text = format!("{} is called in another way than expected", self.name);
                Err(PySystemError::new_err(text))
            }
        }
    }
}

/// The instance that a method was called on.
///
/// # Safety
///
/// `this` is what Python gave a method of `T`: a live instance, kept alive by the caller. It is so
/// because a method descriptor checks it.
#[inline]
unsafe fn instance<'a, T: PyClass<Frozen = True> + Sync>(
    py: Python<'a>,
    this: *mut ffi::PyObject,
) -> &'a T {
    // SAFETY: see above.
    unsafe { Borrowed::from_ptr(py, this).cast_unchecked::<T>() }.get()
}

/// The bytes of a `bytes`; `None` for all other objects.
#[inline]
unsafe fn bytes_of<'a>(object: *mut ffi::PyObject) -> Option<&'a [u8]> {
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

unsafe extern "C" fn write(
    this: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: called by Python.
    unsafe {
        if count == 1
            && names.is_null()
            && let Some(data) = bytes_of(*arguments)
        {
            let py = Python::assume_attached();
            if instance::<Writer>(py, this).write_now(py, data) {
                return ffi::Py_NewRef(ffi::Py_None());
            }
        }
        WRITE.call(this, arguments, count, names)
    }
}

unsafe extern "C" fn try_write(
    this: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: called by Python.
    unsafe {
        if count == 1
            && names.is_null()
            && let Some(data) = bytes_of(*arguments)
        {
            let py = Python::assume_attached();
            if instance::<Writer>(py, this).write_now(py, data) {
                return ffi::Py_NewRef(ffi::Py_True());
            }
        }
        TRY_WRITE.call(this, arguments, count, names)
    }
}

unsafe extern "C" fn read(
    this: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: called by Python.
    unsafe {
        if count == 0 && names.is_null() {
            let py = Python::assume_attached();
            if let Now::Message(message) = instance::<Reader>(py, this).read_now(py, true) {
                return message;
            }
        }
        READ.call(this, arguments, count, names)
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
