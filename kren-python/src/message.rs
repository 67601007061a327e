//! `kren.Message`: a copy of a message that says more than its bytes.

use pyo3::exceptions::PySystemError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

use crate::buffer::to_bytes;
use crate::sender::SenderId;

/// `kren.Message`, a `bytes` with attributes, which native classes cannot be.
static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();

/// Takes the class over.
#[pyfunction]
pub(crate) fn adopt_message(class: Py<PyType>, py: Python<'_>) {
    // A second import keeps the first one's, of which messages may be about.
    let _ = CLASS.set(py, class);
}

/// A message of these bytes.
pub(crate) fn message<'py>(
    py: Python<'py>,
    bytes: &[u8],
    tag: u32,
    sender: Option<SenderId>,
) -> PyResult<Bound<'py, PyAny>> {
    let class = CLASS
        .get(py)
        .ok_or_else(|| PySystemError::new_err("import kren, not kren._kren alone"))?;
    let message = class.bind(py).call1((to_bytes(py, bytes)?,))?;
    if tag != 0 {
        message.setattr(pyo3::intern!(py, "tag"), tag)?;
    }
    if let Some(sender) = sender {
        message.setattr(pyo3::intern!(py, "sender"), sender)?;
    }
    Ok(message)
}
