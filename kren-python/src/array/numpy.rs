//! numpy's classes, as far as `kren/_numpy.py` has found them: what is called for each array is called from here.

use kren_core::array::DType;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyType};

use super::elements::Elements;

static NUMPY: PyOnceLock<Numpy> = PyOnceLock::new();

struct Numpy {
    ndarray: Py<PyType>,
    /// Its own types, each of which is one object for all arrays.
    dtypes: Vec<(DType, Py<PyAny>)>,
}

/// Takes the classes over: that of arrays, and the types of elements by their names.
#[pyfunction]
pub(crate) fn adopt_numpy(ndarray: Py<PyType>, dtypes: &Bound<'_, PyDict>) -> PyResult<()> {
    let py = dtypes.py();
    let mut known = Vec::with_capacity(dtypes.len());
    for (name, dtype) in dtypes {
        if let Some(found) = DType::from_name(&name.extract::<String>()?) {
            known.push((found, dtype.unbind()));
        }
    }
    let numpy = Numpy {
        ndarray,
        dtypes: known,
    };
    // The first one's stay, of which arrays may be about.
    let _ = NUMPY.set(py, numpy);
    Ok(())
}

/// A numpy array over the elements in `owner`, a buffer; the owner itself where numpy is not known, or has no such type.
///
/// It keeps the owner, and so the elements, and with it everything that is made of it without a copy.
pub(super) fn show<'py>(
    owner: Bound<'py, PyAny>,
    elements: &Elements,
) -> PyResult<Bound<'py, PyAny>> {
    let py = owner.py();
    let Some(numpy) = NUMPY.get(py) else {
        return Ok(owner);
    };
    let Some((_, dtype)) = numpy.dtypes.iter().find(|(own, _)| *own == elements.dtype) else {
        return Ok(owner);
    };
    let shape = elements.dims(py)?;
    numpy.ndarray.bind(py).call1((shape, dtype, owner))
}

/// The type of the elements of a plain numpy array; None for all other objects, and for types that are not numpy's own.
pub(super) fn dtype_of(object: &Bound<'_, PyAny>) -> Option<DType> {
    let py = object.py();
    let numpy = NUMPY.get(py)?;
    // Not of a subclass, which may mean more than its buffer says.
    if !object.get_type().is(numpy.ndarray.bind(py)) {
        return None;
    }
    let dtype = object.getattr(pyo3::intern!(py, "dtype")).ok()?;
    let known = numpy.dtypes.iter().find(|(_, known)| dtype.is(known));
    known.map(|(dtype, _)| *dtype)
}
