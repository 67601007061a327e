//! Messages taken out as arrays and tables. One that is something else stays the next message.

use std::sync::Arc;

use kren_core::array::{ArrayView, ArraysView, DType, Reason, table_stream};
use kren_core::{Error, Lease, Message};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::view::Array;
use crate::errors::Failure;
use crate::reader::Reader;
use crate::timeout::Timeout;

/// Holds the message, if `check` finds nothing wrong with it.
fn hold(
    message: Message<'_>,
    channel: &str,
    check: impl FnOnce(&[u8]) -> Result<(), Reason>,
) -> Result<Arc<Lease>, Failure> {
    match check(&message) {
        Ok(()) => Ok(Arc::new(message.into_lease())),
        Err(reason) => {
            message.keep();
            Err(Failure::Channel(Error::NotAnArray {
                channel: channel.into(),
                reason: reason.into(),
            }))
        }
    }
}

/// The next message as an Array, waiting for it.
#[pyfunction]
#[pyo3(signature = (reader, timeout=Timeout::NONE), text_signature = "(reader, timeout=None)")]
pub(crate) fn borrow_array(
    py: Python<'_>,
    reader: &Bound<'_, Reader>,
    timeout: Timeout,
) -> PyResult<Array> {
    let reader = reader.get();
    let convert = |message: Message<'_>| as_array(message, reader.endpoint.name());
    reader
        .next_message(py, timeout, convert)
        .map_err(|failure| failure.into_exception(py))
}

/// The next message as an Array, or None when there is none now.
#[pyfunction]
pub(crate) fn try_borrow_array(
    py: Python<'_>,
    reader: &Bound<'_, Reader>,
) -> PyResult<Option<Array>> {
    let reader = reader.get();
    reader.message_if_any(py, |message| as_array(message, reader.endpoint.name()))
}

fn as_array(message: Message<'_>, channel: &str) -> Result<Array, Failure> {
    let lease = hold(message, channel, |message| {
        ArrayView::parse(message).map(drop)
    })?;
    let view = lease.array()?;
    Ok(Array::new(&lease, &view))
}

/// The next message as a dictionary of Arrays, waiting for it.
#[pyfunction]
#[pyo3(signature = (reader, timeout=Timeout::NONE), text_signature = "(reader, timeout=None)")]
pub(crate) fn borrow_arrays<'py>(
    py: Python<'py>,
    reader: &Bound<'py, Reader>,
    timeout: Timeout,
) -> PyResult<Bound<'py, PyDict>> {
    let reader = reader.get();
    let convert = |message: Message<'_>| as_arrays(py, message, reader.endpoint.name());
    reader
        .next_message(py, timeout, convert)
        .map_err(|failure| failure.into_exception(py))
}

/// The next message as a dictionary of Arrays, or None when there is none now.
#[pyfunction]
pub(crate) fn try_borrow_arrays<'py>(
    py: Python<'py>,
    reader: &Bound<'py, Reader>,
) -> PyResult<Option<Bound<'py, PyDict>>> {
    let reader = reader.get();
    reader.message_if_any(py, |message| as_arrays(py, message, reader.endpoint.name()))
}

fn as_arrays<'py>(
    py: Python<'py>,
    message: Message<'_>,
    channel: &str,
) -> Result<Bound<'py, PyDict>, Failure> {
    let lease = hold(message, channel, |message| {
        ArraysView::parse(message).map(drop)
    })?;
    let arrays = PyDict::new(py);
    for (name, view) in lease.arrays()?.iter() {
        arrays.set_item(name, Bound::new(py, Array::new(&lease, &view))?)?;
    }
    Ok(arrays)
}

/// The Arrow stream of the next message, a table, as an Array of bytes, waiting for it.
#[pyfunction]
#[pyo3(signature = (reader, timeout=Timeout::NONE), text_signature = "(reader, timeout=None)")]
pub(crate) fn borrow_table(
    py: Python<'_>,
    reader: &Bound<'_, Reader>,
    timeout: Timeout,
) -> PyResult<Array> {
    let reader = reader.get();
    let convert = |message: Message<'_>| as_table(message, reader.endpoint.name());
    reader
        .next_message(py, timeout, convert)
        .map_err(|failure| failure.into_exception(py))
}

/// As `borrow_table`, or None when there is no message now.
#[pyfunction]
pub(crate) fn try_borrow_table(
    py: Python<'_>,
    reader: &Bound<'_, Reader>,
) -> PyResult<Option<Array>> {
    let reader = reader.get();
    reader.message_if_any(py, |message| as_table(message, reader.endpoint.name()))
}

fn as_table(message: Message<'_>, channel: &str) -> Result<Array, Failure> {
    let lease = hold(message, channel, |message| table_stream(message).map(drop))?;
    let stream = table_stream(&lease).unwrap_or_default();
    Ok(Array::of(&lease, stream, DType::Uint8, &[stream.len()]))
}
