//! What an object's buffer holds: the type of its elements, its shape, and where they lie.
#![allow(unsafe_code)]

use std::ffi::CStr;

use kren_core::array::DType;
use pyo3::ffi;
use pyo3::prelude::*;

use crate::buffer::forget_error;

/// A C-contiguous buffer of elements that KREN knows, held as long as this lives.
pub(super) struct Described {
    view: ffi::Py_buffer,
    pub(super) dtype: DType,
    pub(super) shape: Vec<usize>,
}

impl Described {
    /// None where `object` has no such buffer; nothing is raised then, since others may know more of it.
    pub(super) fn of(object: &Bound<'_, PyAny>) -> Option<Box<Self>> {
        Self::taken(object, None)
    }

    /// The same of an object whose elements are of this type. Asked for the format, numpy writes it anew each time.
    pub(super) fn of_type(object: &Bound<'_, PyAny>, dtype: DType) -> Option<Box<Self>> {
        Self::taken(object, Some(dtype))
    }

    fn taken(object: &Bound<'_, PyAny>, known: Option<DType>) -> Option<Box<Self>> {
        let flags = match known {
            Some(_) => ffi::PyBUF_C_CONTIGUOUS,
            None => ffi::PyBUF_FORMAT | ffi::PyBUF_C_CONTIGUOUS,
        };
        // Boxed, since exporters may point into the view.
        let mut described = Box::new(Self {
            view: ffi::Py_buffer::new(),
            dtype: DType::Uint8,
            shape: Vec::new(),
        });
        let view = &mut described.view;
        // SAFETY: any object may be asked; `drop` releases what was given, and nothing where the call failed.
        if unsafe { ffi::PyObject_GetBuffer(object.as_ptr(), view, flags) } != 0 {
            forget_error(object.py());
            return None;
        }
        let dtype = match known {
            Some(dtype) => dtype,
            None => {
                let format = if view.format.is_null() {
                    c"B"
                } else {
                    // SAFETY: the exporter's text, which lives as long as the view.
                    unsafe { CStr::from_ptr(view.format) }
                };
                dtype_of(format.to_bytes(), view.itemsize)?
            }
        };
        let ndim = usize::try_from(view.ndim).ok()?;
        if ndim > 0 {
            // SAFETY: asked for, so the exporter has given as many dimensions, which are not negative.
            let dims = unsafe { std::slice::from_raw_parts(view.shape, ndim) };
            described.shape = dims.iter().map(|&dim| dim as usize).collect();
        }
        described.dtype = dtype;
        Some(described)
    }

    /// The elements, for as long as this thread stays attached to the interpreter.
    pub(super) fn bytes<'s>(&'s self, _attached: Python<'s>) -> &'s [u8] {
        if self.view.len == 0 {
            return &[];
        }
        // SAFETY: contiguous bytes that the view keeps in place; as for `buffer::Payload::bytes`.
        unsafe { std::slice::from_raw_parts(self.view.buf.cast(), self.view.len as usize) }
    }
}

impl Drop for Described {
    fn drop(&mut self) {
        // SAFETY: filled by PyObject_GetBuffer or still empty; callers are attached.
        unsafe { ffi::PyBuffer_Release(&raw mut self.view) };
    }
}

/// The type that a format of the module `struct` (or numpy's for complex numbers) stands for, if it is one that is sent.
fn dtype_of(format: &[u8], itemsize: isize) -> Option<DType> {
    // What has one byte has no order of bytes, which numpy then leaves out.
    let kind = match format {
        [b'@' | b'=' | b'<', kind @ ..] | kind => kind,
    };
    // DLPack's codes.
    let code = match kind {
        b"b" | b"h" | b"i" | b"l" | b"q" | b"n" => 0,
        b"B" | b"H" | b"I" | b"L" | b"Q" | b"N" => 1,
        b"e" | b"f" | b"d" => 2,
        b"Zf" | b"Zd" => 5,
        b"?" => 6,
        _ => return None,
    };
    DType::from_code(code, u8::try_from(itemsize.checked_mul(8)?).ok()?)
}

/// The format that [`dtype_of`] reads; for types that `struct` has none for, that of unsigned numbers as long.
pub(super) fn format_of(dtype: DType) -> &'static CStr {
    match (dtype.code(), dtype.size()) {
        (0, 1) => c"b",
        (0, 2) => c"h",
        (0, 4) => c"i",
        (0, _) => c"q",
        (2, 2) => c"e",
        (2, 4) => c"f",
        (2, _) => c"d",
        (5, 8) => c"Zf",
        (5, _) => c"Zd",
        (6, _) => c"?",
        (_, 1) => c"B",
        (_, 2) => c"H",
        (_, 4) => c"I",
        (_, _) => c"Q",
    }
}
