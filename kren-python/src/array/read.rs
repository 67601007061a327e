//! Messages taken out as arrays and tables. One that is something else stays the next message.
#![allow(
    clippy::needless_pass_by_value,
    reason = "what arguments are taken out as"
)]

use std::sync::Arc;

use kren_core::array::{ArrayView, ArraysView, DType, Reason, table_stream};
use kren_core::{Error, Lease};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::numpy;
use super::view::Array;
use crate::endpoint::Endpoint;
use crate::errors::Failure;
use crate::inbox::Inbox;
use crate::lease::{Arrival, Origin};
use crate::reader::Reader;
use crate::source::{self, Source};
use crate::timeout::Timeout;
use crate::worker::{self, Worker};

/// An end that messages are taken from.
#[derive(FromPyObject)]
pub(crate) enum Taking<'py> {
    Reader(Bound<'py, Reader>),
    Inbox(Bound<'py, Inbox>),
    Worker(Bound<'py, Worker>),
}

/// A message that is held, and is what it was asked for as.
struct Found {
    lease: Arc<Lease>,
    origin: Origin,
}

/// What is wrong with a message that is asked for as something.
type Check = fn(&[u8]) -> Result<(), Reason>;

impl Found {
    fn of(message: impl Arrival, channel: &str, check: Check) -> Result<Self, Failure> {
        match check(&message) {
            Ok(()) => Ok(Self {
                origin: message.origin(),
                lease: Arc::new(message.hold()),
            }),
            Err(reason) => {
                message.leave();
                Err(Failure::Channel(Error::NotAnArray {
                    channel: channel.into(),
                    reason: reason.into(),
                }))
            }
        }
    }

    fn array(&self) -> Result<Array, Failure> {
        Ok(Array::new(&self.lease, self.origin, &self.lease.array()?))
    }

    fn arrays<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let arrays = PyDict::new(py);
        let found = self.lease.arrays().map_err(Failure::from);
        for (name, view) in found.map_err(|failure| failure.into_exception(py))?.iter() {
            let array = Array::new(&self.lease, self.origin, &view);
            arrays.set_item(name, Bound::new(py, array)?)?;
        }
        Ok(arrays)
    }

    fn table(&self) -> Array {
        let stream = table_stream(&self.lease).unwrap_or_default();
        let shape = [stream.len()];
        Array::of(&self.lease, self.origin, stream, DType::Uint8, &shape)
    }
}

impl Taking<'_> {
    /// The next message, waiting for it.
    fn next(&self, py: Python<'_>, timeout: Timeout, check: Check) -> PyResult<Found> {
        fn of<C>(
            py: Python<'_>,
            endpoint: &Endpoint<C>,
            timeout: Timeout,
            check: Check,
        ) -> Result<Found, Failure>
        where
            C: Source + 'static,
            for<'a> C::Item<'a>: Arrival,
        {
            source::next(py, endpoint, timeout, |message| {
                Found::of(message, endpoint.name(), check)
            })
        }
        let found = match self {
            Self::Reader(end) => of(py, &end.get().endpoint, timeout, check),
            Self::Inbox(end) => of(py, &end.get().endpoint, timeout, check),
            Self::Worker(end) => of(py, &end.get().endpoint, timeout, check),
        };
        found.map_err(|failure| failure.into_exception(py))
    }

    /// The next message, or None when there is none now.
    fn try_next(&self, py: Python<'_>, check: Check) -> PyResult<Option<Found>> {
        let found = match self {
            Self::Reader(end) => {
                let endpoint = &end.get().endpoint;
                source::if_any(py, endpoint, |message| {
                    Found::of(message, endpoint.name(), check)
                })
            }
            Self::Inbox(end) => {
                let endpoint = &end.get().endpoint;
                source::if_any(py, endpoint, |message| {
                    Found::of(message, endpoint.name(), check)
                })
            }
            Self::Worker(end) => {
                let endpoint = &end.get().endpoint;
                worker::attempt(py, endpoint, |message| {
                    Found::of(message, endpoint.name(), check)
                })
            }
        };
        found.map_err(|failure| failure.into_exception(py))
    }
}

fn is_array(message: &[u8]) -> Result<(), Reason> {
    ArrayView::parse(message).map(drop)
}

fn is_arrays(message: &[u8]) -> Result<(), Reason> {
    ArraysView::parse(message).map(drop)
}

fn is_table(message: &[u8]) -> Result<(), Reason> {
    table_stream(message).map(drop)
}

/// The next message as an Array, waiting for it.
#[pyfunction]
#[pyo3(signature = (end, timeout=Timeout::NONE), text_signature = "(end, timeout=None)")]
pub(crate) fn borrow_array(py: Python<'_>, end: Taking<'_>, timeout: Timeout) -> PyResult<Array> {
    end.next(py, timeout, is_array)?
        .array()
        .map_err(|failure| failure.into_exception(py))
}

/// The next message as a numpy array over it, waiting for it; as an Array where numpy is not known, or has no such type.
#[pyfunction]
pub(crate) fn read_array<'py>(
    py: Python<'py>,
    end: Taking<'py>,
    timeout: Timeout,
) -> PyResult<Bound<'py, PyAny>> {
    let array = Bound::new(py, borrow_array(py, end, timeout)?)?;
    numpy::show(array.as_any().clone(), &array.get().elements)
}

/// The next message as an Array, or None when there is none now.
#[pyfunction]
pub(crate) fn try_borrow_array(py: Python<'_>, end: Taking<'_>) -> PyResult<Option<Array>> {
    let found = end.try_next(py, is_array)?;
    let array = found.map(|found| found.array()).transpose();
    array.map_err(|failure| failure.into_exception(py))
}

/// The next message as a dictionary of Arrays, waiting for it.
#[pyfunction]
#[pyo3(signature = (end, timeout=Timeout::NONE), text_signature = "(end, timeout=None)")]
pub(crate) fn borrow_arrays<'py>(
    py: Python<'py>,
    end: Taking<'py>,
    timeout: Timeout,
) -> PyResult<Bound<'py, PyDict>> {
    end.next(py, timeout, is_arrays)?.arrays(py)
}

/// The next message as a dictionary of Arrays, or None when there is none now.
#[pyfunction]
pub(crate) fn try_borrow_arrays<'py>(
    py: Python<'py>,
    end: Taking<'py>,
) -> PyResult<Option<Bound<'py, PyDict>>> {
    let found = end.try_next(py, is_arrays)?;
    found.map(|found| found.arrays(py)).transpose()
}

/// The Arrow stream of the next message, a table, as an Array of bytes, waiting for it.
#[pyfunction]
#[pyo3(signature = (end, timeout=Timeout::NONE), text_signature = "(end, timeout=None)")]
pub(crate) fn borrow_table(py: Python<'_>, end: Taking<'_>, timeout: Timeout) -> PyResult<Array> {
    Ok(end.next(py, timeout, is_table)?.table())
}

/// As `borrow_table`, or None when there is no message now.
#[pyfunction]
pub(crate) fn try_borrow_table(py: Python<'_>, end: Taking<'_>) -> PyResult<Option<Array>> {
    let found = end.try_next(py, is_table)?;
    Ok(found.map(|found| found.table()))
}
