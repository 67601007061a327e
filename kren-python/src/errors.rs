//! Core errors as Python exceptions. The classes live in `kren/_errors.py`.

use std::sync::Arc;

use kren_core::{Error, ErrorCode};
use pyo3::intern;
use pyo3::prelude::*;

/// Why a call fails: the channel's error, or an exception that Python already raised (a signal
/// handler's, MemoryError...).
pub(crate) enum Failure {
    Channel(Error),
    Raised(PyErr),
    /// The endpoint itself was closed by its own process.
    EndpointClosed(Arc<str>),
    /// A wait timed out while the reader held this many bytes of the ring.
    TimedOutHolding(Error, usize),
    /// The writer has lent itself to a slot.
    SlotOpen(Arc<str>),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Channel(error)
    }
}

impl From<PyErr> for Failure {
    fn from(error: PyErr) -> Self {
        Self::Raised(error)
    }
}

impl Failure {
    pub(crate) fn into_exception(self, py: Python<'_>) -> PyErr {
        match self {
            Self::Channel(error) => exception(py, &error),
            Self::Raised(error) => error,
            Self::EndpointClosed(channel) => endpoint_closed(py, &channel),
            Self::TimedOutHolding(error, held) => {
                let text = format!(
                    "{error}; leases of this reader hold {held} bytes of the ring, which the writer may \
                     be waiting for"
                );
                exception_of(py, error.code(), &text, error.channel(), None)
            }
            Self::SlotOpen(channel) => {
                let text = format!(
                    "the writer of channel '{channel}' has a slot open, or buffers of an aborted one are \
                     still in use; commit or abort it, and let go of its buffers, before anything else \
                     is written"
                );
                exception_of(py, ErrorCode::Busy, &text, &channel, None)
            }
        }
    }
}

/// The exception of the class that `error`'s code has in `kren._errors`.
pub(crate) fn exception(py: Python<'_>, error: &Error) -> PyErr {
    let errno = match error {
        Error::Io { os_error, .. } => Some(*os_error),
        _ => None,
    };
    exception_of(py, error.code(), &error.to_string(), error.channel(), errno)
}

/// The exception for `code` with a message of its own, where the core's words would not fit.
pub(crate) fn exception_of(
    py: Python<'_>,
    code: ErrorCode,
    message: &str,
    channel: &str,
    errno: Option<i32>,
) -> PyErr {
    let arguments = (code.number(), code.name(), message, channel, errno);
    let made = PyModule::import(py, intern!(py, "kren._errors"))
        .and_then(|module| module.getattr(intern!(py, "from_code"))?.call1(arguments));
    made.map_or_else(|failure| failure, PyErr::from_value)
}

fn endpoint_closed(py: Python<'_>, channel: &str) -> PyErr {
    let made = PyModule::import(py, intern!(py, "kren._errors")).and_then(|module| {
        module
            .getattr(intern!(py, "endpoint_closed"))?
            .call1((channel,))
    });
    made.map_or_else(|failure| failure, PyErr::from_value)
}
