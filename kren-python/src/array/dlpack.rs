//! DLPack: received arrays as tensors of others, and tensors of others as arrays to write.
//!
//! The structures are DLPack's own, version 1; a capsule that nobody took is undone by its destructor, one that was
//! taken by its consumer.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_int, c_void};
use std::sync::Arc;

use kren_core::Lease;
use kren_core::array::DType;
use pyo3::exceptions::{PyBufferError, PyTypeError};
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::elements::Elements;
use crate::buffer::export as export_bytes;

/// Device type and number of the processor's memory.
pub(super) const CPU: (i32, i32) = (1, 0);
/// The processor's memory too, in the hands of CUDA or ROCm.
const PINNED: [i32; 2] = [3, 11];

const READ_ONLY: u64 = 1;
const IS_COPIED: u64 = 2;

const PLAIN: &CStr = c"dltensor";
const VERSIONED: &CStr = c"dltensor_versioned";

#[repr(C)]
struct DataType {
    code: u8,
    bits: u8,
    lanes: u16,
}

#[repr(C)]
struct RawTensor {
    data: *mut c_void,
    device_type: i32,
    device_id: i32,
    ndim: i32,
    dtype: DataType,
    shape: *mut i64,
    strides: *mut i64,
    byte_offset: u64,
}

#[repr(C)]
struct Managed {
    tensor: RawTensor,
    context: *mut c_void,
    deleter: Option<unsafe extern "C" fn(*mut Managed)>,
}

#[repr(C)]
struct ManagedVersioned {
    major: u32,
    minor: u32,
    context: *mut c_void,
    deleter: Option<unsafe extern "C" fn(*mut ManagedVersioned)>,
    flags: u64,
    tensor: RawTensor,
}

/// What a tensor of ours keeps until its deleter is called, on whatever thread.
struct Kept {
    _shape: Box<[i64]>,
    _memory: Memory,
}

enum Memory {
    Ring { _lease: Arc<Lease> },
    Copy { _bytes: Box<[u128]> },
}

/// The elements, which the lease keeps in place, as a capsule of the kind that was asked for. One that is not versioned cannot say that it is read-only.
pub(super) fn export<'py>(
    py: Python<'py>,
    elements: &Elements,
    lease: &Arc<Lease>,
    is_versioned: bool,
    is_copy: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let Elements {
        start, len, dtype, ..
    } = elements;
    let (data, memory) = if is_copy {
        // Of 16 bytes each, so that it is aligned for every type.
        let mut bytes = vec![0_u128; len.div_ceil(16)].into_boxed_slice();
        // SAFETY: as long, apart, and the lease keeps the source as it is.
        unsafe { std::ptr::copy_nonoverlapping(*start, bytes.as_mut_ptr().cast(), *len) };
        (bytes.as_mut_ptr().cast(), Memory::Copy { _bytes: bytes })
    } else {
        let lease = Arc::clone(lease);
        (*start, Memory::Ring { _lease: lease })
    };
    let mut shape: Box<[i64]> = elements.shape.iter().map(|&dim| dim as i64).collect();
    let tensor = RawTensor {
        data: data.cast(),
        device_type: CPU.0,
        device_id: CPU.1,
        ndim: shape.len() as i32,
        dtype: DataType {
            code: dtype.code(),
            bits: dtype.bits(),
            lanes: 1,
        },
        shape: shape.as_mut_ptr(),
        // In C order.
        strides: std::ptr::null_mut(),
        byte_offset: 0,
    };
    let kept = Box::into_raw(Box::new(Kept {
        _shape: shape,
        _memory: memory,
    }));
    let (pointer, name, destructor): (*mut c_void, _, ffi::PyCapsule_Destructor) = if is_versioned {
        let managed = Box::new(ManagedVersioned {
            major: 1,
            minor: 0,
            context: kept.cast(),
            deleter: Some(delete_versioned),
            flags: if is_copy { IS_COPIED } else { READ_ONLY },
            tensor,
        });
        (Box::into_raw(managed).cast(), VERSIONED, undo_versioned)
    } else {
        let managed = Box::new(Managed {
            tensor,
            context: kept.cast(),
            deleter: Some(delete_plain),
        });
        (Box::into_raw(managed).cast(), PLAIN, undo_plain)
    };
    // SAFETY: a pointer that is not null; the name lives for ever, and the destructor fits what it leads to.
    unsafe {
        let capsule = ffi::PyCapsule_New(pointer, name.as_ptr(), Some(destructor));
        if capsule.is_null() {
            // No memory for a capsule; what it would have led to is small, and lost.
            return Err(PyErr::fetch(py));
        }
        Ok(Bound::from_owned_ptr(py, capsule))
    }
}

/// The deleter of a versioned tensor of ours.
unsafe extern "C" fn delete_versioned(managed: *mut ManagedVersioned) {
    // SAFETY: made by `export`, and given back once.
    unsafe {
        let managed = Box::from_raw(managed);
        drop(Box::from_raw(managed.context.cast::<Kept>()));
    }
}

/// The deleter of a plain tensor of ours.
unsafe extern "C" fn delete_plain(managed: *mut Managed) {
    // SAFETY: made by `export`, and given back once.
    unsafe {
        let managed = Box::from_raw(managed);
        drop(Box::from_raw(managed.context.cast::<Kept>()));
    }
}

/// A capsule's end: what nobody took is deleted.
unsafe extern "C" fn undo_versioned(capsule: *mut ffi::PyObject) {
    // SAFETY: called by Python with a capsule that `export` made; a consumer has renamed what it took.
    unsafe {
        if ffi::PyCapsule_IsValid(capsule, VERSIONED.as_ptr()) != 0 {
            delete_versioned(ffi::PyCapsule_GetPointer(capsule, VERSIONED.as_ptr()).cast());
        }
    }
}

/// As `undo_versioned`.
unsafe extern "C" fn undo_plain(capsule: *mut ffi::PyObject) {
    // SAFETY: as there.
    unsafe {
        if ffi::PyCapsule_IsValid(capsule, PLAIN.as_ptr()) != 0 {
            delete_plain(ffi::PyCapsule_GetPointer(capsule, PLAIN.as_ptr()).cast());
        }
    }
}

/// A tensor of somebody else's, taken over to be written: a buffer of its bytes.
#[pyclass(frozen, module = "kren._kren")]
pub(crate) struct Tensor {
    taken: Taken,
    elements: Elements,
}

enum Taken {
    Plain(*mut Managed),
    Versioned(*mut ManagedVersioned),
}

// SAFETY: the tensor is the owner's alone, only looked at, and deleters may be called from any thread.
unsafe impl Send for Taken {}
// SAFETY: as for `Send`.
unsafe impl Sync for Taken {}

impl Drop for Taken {
    fn drop(&mut self) {
        // SAFETY: taken over from its capsule, and deleted once. Python's objects are dropped attached, as producers
        // written in Python need it.
        unsafe {
            match *self {
                Self::Plain(managed) => {
                    if let Some(deleter) = (*managed).deleter {
                        deleter(managed);
                    }
                }
                Self::Versioned(managed) => {
                    if let Some(deleter) = (*managed).deleter {
                        deleter(managed);
                    }
                }
            }
        }
    }
}

#[pymethods]
impl Tensor {
    /// Return a memoryview (what Python's own types call it from 3.12 on).
    #[pyo3(signature = (flags, /))]
    fn __buffer__<'py>(
        this: &Bound<'py, Self>,
        flags: c_int,
    ) -> PyResult<Bound<'py, pyo3::types::PyMemoryView>> {
        let _ = flags;
        pyo3::types::PyMemoryView::from(this)
    }

    /// Takes the tensor over that `producer.__dlpack__()` gives.
    #[new]
    fn new(producer: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = producer.py();
        let (device, _): (i32, i32) = producer
            .call_method0(intern!(py, "__dlpack_device__"))?
            .extract()?;
        if device != CPU.0 && !PINNED.contains(&device) {
            return Err(PyBufferError::new_err(format!(
                "the array lies in memory of a device (DLPack's type {device}), and shared memory is the processor's; copy \
                 it there first, for example with .cpu()"
            )));
        }
        Self::of(&capsule_of(producer)?)
    }

    /// The type of the elements by its name.
    #[getter]
    fn dtype(&self) -> &'static str {
        self.elements.dtype.name()
    }

    /// The dimensions, outermost first.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        self.elements.dims(py)
    }

    /// # Safety
    ///
    /// `view` is Python's to give: writable.
    unsafe fn __getbuffer__(
        this: &Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let Elements { start, len, .. } = this.get().elements;
        // SAFETY: readable as long as the tensor is not deleted, that is as long as this object lives.
        unsafe { export_bytes(this, start, len, true, view, flags) }
    }
}

impl Tensor {
    fn of(capsule: &Bound<'_, PyAny>) -> PyResult<Self> {
        let raw = capsule.as_ptr();
        let is = |name: &CStr| {
            // SAFETY: any object may be asked.
            unsafe { ffi::PyCapsule_IsValid(raw, name.as_ptr()) != 0 }
        };
        // SAFETY: the capsule has the name that says what it leads to; renamed, it is ours. (The new names are those that
        // DLPack asks for.)
        let (taken, tensor) = unsafe {
            if is(VERSIONED) {
                let managed = ffi::PyCapsule_GetPointer(raw, VERSIONED.as_ptr()).cast();
                let ManagedVersioned { major, .. } = *managed;
                if major != 1 {
                    return Err(PyBufferError::new_err(format!(
                        "the array is a DLPack tensor of version {major}, and KREN knows version 1"
                    )));
                }
                ffi::PyCapsule_SetName(raw, c"used_dltensor_versioned".as_ptr());
                (Taken::Versioned(managed), &raw const (*managed).tensor)
            } else if is(PLAIN) {
                let managed: *mut Managed = ffi::PyCapsule_GetPointer(raw, PLAIN.as_ptr()).cast();
                ffi::PyCapsule_SetName(raw, c"used_dltensor".as_ptr());
                (Taken::Plain(managed), &raw const (*managed).tensor)
            } else {
                return Err(PyTypeError::new_err("__dlpack__() gave no DLPack tensor"));
            }
        };
        // SAFETY: the producer's, as long as it is not deleted.
        let elements = unsafe { elements_of(&*tensor)? };
        Ok(Self { taken, elements })
    }

    /// Keeps the compiler from taking what is only dropped for something unused.
    #[allow(
        dead_code,
        reason = "dropped with the object, which deletes the tensor"
    )]
    fn taken(&self) -> &Taken {
        &self.taken
    }
}

/// The elements of a tensor in C order.
///
/// # Safety
///
/// The tensor is as DLPack says.
unsafe fn elements_of(tensor: &RawTensor) -> PyResult<Elements> {
    let DataType { code, bits, lanes } = tensor.dtype;
    let Some(dtype) = DType::from_code(code, bits).filter(|_| lanes == 1) else {
        return Err(PyTypeError::new_err(format!(
            "arrays with elements of DLPack's code {code}, {bits} bits and {lanes} lanes are not sent; convert it first"
        )));
    };
    let ndim = usize::try_from(tensor.ndim).unwrap_or(0);
    let figures = |start: *mut i64| -> Vec<i64> {
        // SAFETY: the tensor has as many.
        let given = (ndim > 0).then(|| unsafe { std::slice::from_raw_parts(start, ndim) });
        given.unwrap_or_default().to_vec()
    };
    let dims: Option<Vec<usize>> = figures(tensor.shape)
        .into_iter()
        .map(|dim| usize::try_from(dim).ok())
        .collect();
    let len = dims.as_deref().and_then(|dims| {
        dims.iter()
            .try_fold(dtype.size(), |len, &dim| len.checked_mul(dim))
    });
    let (Some(dims), Some(len)) = (dims, len) else {
        return Err(PyBufferError::new_err(
            "the DLPack tensor has an impossible shape",
        ));
    };
    if !tensor.strides.is_null() && len > 0 {
        let mut expected = 1_i64;
        for (&dim, stride) in dims.iter().zip(figures(tensor.strides)).rev() {
            if dim != 1 && stride != expected {
                return Err(PyBufferError::new_err(
                    "the DLPack tensor is not in C order; make it contiguous first, for example with .contiguous()",
                ));
            }
            expected *= dim as i64;
        }
    }
    let start = tensor
        .data
        .cast::<u8>()
        .wrapping_add(tensor.byte_offset as usize);
    Ok(Elements::new(start, len, dtype, &dims))
}

/// The capsule of the newest kind that the producer knows.
fn capsule_of<'py>(producer: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = producer.py();
    let name = intern!(py, "__dlpack__");
    let newest = PyDict::new(py);
    newest.set_item(intern!(py, "max_version"), (1, 0))?;
    match producer.call_method(name, (), Some(&newest)) {
        // A producer from before there were versions.
        Err(error) if error.is_instance_of::<PyTypeError>(py) => producer.call_method0(name),
        capsule => capsule,
    }
}
