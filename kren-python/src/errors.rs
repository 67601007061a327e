//! Core errors as Python exceptions. The classes are those of `kren/_errors.py`.
//!
//! They are handed over once, and no Python code runs as one is raised: while the interpreter ends, modules are taken
//! apart under whatever still runs, and its errors must be KREN's all the same.

use std::sync::Arc;

use kren_core::{Error, ErrorCode};
use pyo3::exceptions::PySystemError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyType};

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
    /// Another call is under way, and this is whose.
    Busy(Arc<str>, Caller),
}

/// Who is in the middle of a call on an endpoint, where the core's words, another thread, would not be true.
pub(crate) enum Caller {
    /// The very thread that calls again.
    ThisThread,
    Unknown,
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
            Self::Busy(channel, caller) => {
                let text = busy(&channel, &caller);
                exception_of(py, ErrorCode::Busy, &text, &channel, None)
            }
        }
    }
}

fn busy(channel: &str, caller: &Caller) -> String {
    match caller {
        Caller::ThisThread => format!(
            "this endpoint of channel '{channel}' was called by a signal handler (or a finalizer) that runs \
             inside another call on it, which waits; let the handler only note what happened, or close the \
             endpoint, and do the rest once that call has returned"
        ),
        Caller::Unknown => format!(
            "another call on this endpoint of channel '{channel}' is under way: that of another thread, or the \
             one from which this code was called (a finalizer, or another object's buffer); make one call at a \
             time"
        ),
    }
}

/// The exception of the class that `error`'s code has in `kren._errors`.
pub(crate) fn exception(py: Python<'_>, error: &Error) -> PyErr {
    let errno = match error {
        Error::Io { os_error, .. } => Some(*os_error),
        _ => None,
    };
    let raised = exception_of(py, error.code(), &error.to_string(), error.channel(), errno);
    if let Error::Remote { code, text, .. } = error {
        // As below.
        let value = raised.value(py);
        let _ = value.setattr(intern!(py, "remote_code"), code);
        let _ = value.setattr(intern!(py, "remote_text"), &**text);
    }
    if let Error::Lagged { missed, .. } | Error::Evicted { missed, .. } = error {
        // The class has the attribute; one that could not be set keeps its 0.
        let _ = raised.value(py).setattr(intern!(py, "missed"), missed);
    }
    raised
}

/// The exception for a failure of the operating system that did not come from the core.
#[cfg(unix)]
pub(crate) fn system_error(
    py: Python<'_>,
    error: &std::io::Error,
    what: &str,
    channel: &str,
) -> PyErr {
    let text = format!("channel '{channel}': {what}: {error}");
    exception_of(py, ErrorCode::Io, &text, channel, error.raw_os_error())
}

/// The exception for `code` with a message of its own, where the core's words would not fit.
pub(crate) fn exception_of(
    py: Python<'_>,
    code: ErrorCode,
    message: &str,
    channel: &str,
    errno: Option<i32>,
) -> PyErr {
    error_of(py, code.number(), code.name(), message, channel, errno)
        .map_or_else(|failure| failure, PyErr::from_value)
}

fn endpoint_closed(py: Python<'_>, channel: &str) -> PyErr {
    let text =
        format!("this endpoint of channel '{channel}' is closed; open the channel again to go on");
    classes(py)
        .and_then(|classes| make(classes.endpoint_closed.bind(py), &text, channel))
        .map_or_else(|failure| failure, PyErr::from_value)
}

/// The classes of `kren._errors`.
struct Classes {
    base: Py<PyType>,
    by_code: Py<PyDict>,
    endpoint_closed: Py<PyType>,
}

static CLASSES: PyOnceLock<Classes> = PyOnceLock::new();

fn classes(py: Python<'_>) -> PyResult<&Classes> {
    CLASSES
        .get(py)
        .ok_or_else(|| PySystemError::new_err("import kren, not kren._kren alone"))
}

/// Takes the classes over: the base, those by their codes, and the one for an endpoint that was closed here.
#[pyfunction]
pub(crate) fn adopt_errors(
    py: Python<'_>,
    base: Py<PyType>,
    by_code: Py<PyDict>,
    endpoint_closed: Py<PyType>,
) {
    // A second import keeps the first one's, which whoever caught some of them has.
    let _ = CLASSES.set(
        py,
        Classes {
            base,
            by_code,
            endpoint_closed,
        },
    );
}

/// Makes the exception for an error of the core; a code newer than the package gives KrenError.
#[pyfunction]
pub(crate) fn error_of<'py>(
    py: Python<'py>,
    code: u32,
    code_name: &str,
    message: &str,
    channel: &str,
    errno: Option<i32>,
) -> PyResult<Bound<'py, PyAny>> {
    let classes = classes(py)?;
    let error = match classes.by_code.bind(py).get_item(code)? {
        Some(class) => make(class.cast()?, message, channel)?,
        None => {
            let error = make(classes.base.bind(py), message, channel)?;
            error.setattr(intern!(py, "code"), code)?;
            error.setattr(intern!(py, "code_name"), code_name)?;
            error
        }
    };
    if let Some(errno) = errno {
        error.setattr(intern!(py, "errno"), errno)?;
    }
    Ok(error)
}

/// What `class(message, channel)` makes, without its `__init__`, which is Python's.
fn make<'py>(
    class: &Bound<'py, PyType>,
    message: &str,
    channel: &str,
) -> PyResult<Bound<'py, PyAny>> {
    let py = class.py();
    let error = class.call_method1(intern!(py, "__new__"), (class, message))?;
    error.setattr(intern!(py, "args"), (message,))?;
    error.setattr(intern!(py, "channel"), channel)?;
    Ok(error)
}
