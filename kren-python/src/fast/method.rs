//! A method as pyo3 made it, and a function put in front of it.
#![allow(unsafe_code)]

use std::ffi::{CString, c_int, c_void};
use std::sync::atomic::{AtomicPtr, Ordering};

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyType;

/// How Python calls a method with arguments, and one without.
pub(super) const ARGUMENTS: c_int = ffi::METH_FASTCALL | ffi::METH_KEYWORDS;
pub(super) const NO_ARGUMENTS: c_int = ffi::METH_NOARGS;

/// A method as pyo3 made it, which the one here stands in front of.
pub(super) struct Method {
    name: &'static str,
    /// How both are called: [`ARGUMENTS`] or [`NO_ARGUMENTS`].
    flags: c_int,
    /// Null before it is replaced; kept for ever.
    descriptor: AtomicPtr<ffi::PyObject>,
    /// The function behind the descriptor, once it has been asked for.
    function: AtomicPtr<c_void>,
}

impl Method {
    pub(super) const fn new(name: &'static str, flags: c_int) -> Self {
        Self {
            name,
            flags,
            descriptor: AtomicPtr::new(std::ptr::null_mut()),
            function: AtomicPtr::new(std::ptr::null_mut()),
        }
    }

    /// Makes `function` the method of this name, with the documentation of the one that was there.
    ///
    /// # Safety
    ///
    /// The function is of the type that the flags say, and takes calls on instances of `class` as Python makes them.
    pub(super) unsafe fn replace(
        &self,
        class: &Bound<'_, PyType>,
        function: ffi::PyMethodDefPointer,
    ) -> PyResult<()> {
        let py = class.py();
        if !self.descriptor.load(Ordering::Relaxed).is_null() {
            // The module is initialised again, and what stands there is ours.
            return Ok(());
        }
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
        // SAFETY: the definition is complete, its flags fit its function (the caller's promise), and it lives for ever.
        let descriptor = unsafe {
            let made = ffi::PyDescr_NewMethod(class.as_type_ptr(), definition);
            Bound::from_owned_ptr_or_err(py, made)?
        };
        class.setattr(self.name, descriptor)?;
        self.descriptor
            .store(original.into_ptr(), Ordering::Relaxed);
        Ok(())
    }

    /// Calls the method that pyo3 made.
    ///
    /// # Safety
    ///
    /// The arguments are those of a call that Python made to the method's replacement.
    #[cold]
    pub(super) unsafe fn call(
        &self,
        this: *mut ffi::PyObject,
        arguments: *const *mut ffi::PyObject,
        count: ffi::Py_ssize_t,
        names: *mut ffi::PyObject,
    ) -> *mut ffi::PyObject {
        let mut function = self.function.load(Ordering::Relaxed);
        if function.is_null() {
            // SAFETY: `this` is the caller's.
            function = unsafe { self.find(this) };
            if function.is_null() {
                return std::ptr::null_mut();
            }
        }
        // SAFETY: `find` has made sure that the function is of the type that `flags` says; the
        // arguments are the caller's.
        unsafe {
            if self.flags == NO_ARGUMENTS {
                let function: ffi::PyCFunction = std::mem::transmute(function);
                function(this, std::ptr::null_mut())
            } else {
                let function: ffi::PyCFunctionFastWithKeywords = std::mem::transmute(function);
                function(this, arguments, count, names)
            }
        }
    }

    /// Finds the function behind the descriptor; null with an exception set if there is none. Only a bound method
    /// tells, so this needs an instance.
    ///
    /// Python's own interface, and nothing of pyo3: it is called from C, which no panic may reach, and while the
    /// interpreter ends, when pyo3 takes it for gone.
    ///
    /// # Safety
    ///
    /// `this` is what the method was called on, and the thread is attached.
    unsafe fn find(&self, this: *mut ffi::PyObject) -> *mut c_void {
        let descriptor = self.descriptor.load(Ordering::Relaxed);
        // SAFETY: live objects; a method's descriptor binds, by a function of the type that Python says; the last two
        // look at a built-in function only, and raise for anything else.
        unsafe {
            let bind = ffi::PyType_GetSlot(ffi::Py_TYPE(descriptor), ffi::Py_tp_descr_get);
            if bind.is_null() {
                return std::ptr::null_mut();
            }
            let bind: ffi::descrgetfunc = std::mem::transmute(bind);
            let bound = bind(descriptor, this, ffi::Py_TYPE(this).cast());
            if bound.is_null() {
                return std::ptr::null_mut();
            }
            let flags = ffi::PyCFunction_GetFlags(bound);
            let function = ffi::PyCFunction_GetFunction(bound);
            ffi::Py_DECREF(bound);
            match function {
                Some(function) if flags == self.flags => {
                    let function = function as *mut c_void;
                    self.function.store(function, Ordering::Relaxed);
                    function
                }
                _ => {
                    let text = c"a method of kren is called in another way than expected";
                    ffi::PyErr_SetString(ffi::PyExc_SystemError, text.as_ptr());
                    std::ptr::null_mut()
                }
            }
        }
    }
}
