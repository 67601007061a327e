//! Timeouts: Python's float seconds, and what is left of them while a wait goes on.

use std::time::{Duration, Instant};

use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBool;

use crate::kind::kind_of;

/// Beyond this many seconds (30 years) a timeout means "for ever": no clock can tell the difference.
const FOR_EVER: f64 = 1e9;

/// A `timeout=` argument: None and infinity wait for ever, 0 does not wait.
#[derive(Clone, Copy)]
pub(crate) struct Timeout(Option<Duration>);

impl Timeout {
    pub(crate) const NONE: Self = Self(None);
    pub(crate) const ZERO: Self = Self(Some(Duration::ZERO));

    pub(crate) fn is_zero(self) -> bool {
        self.0.is_some_and(|limit| limit.is_zero())
    }

    /// How long to wait at most; None is for ever.
    pub(crate) fn limit(self) -> Option<Duration> {
        self.0
    }
}

impl<'py> FromPyObject<'_, 'py> for Timeout {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        seconds(&value, "timeout").map(Self)
    }
}

/// An `evict_after=` argument: how long a publisher waits for a slow subscriber; None is for ever.
#[derive(Clone, Copy)]
pub(crate) struct Patience(pub(crate) Option<Duration>);

impl Patience {
    pub(crate) const NONE: Self = Self(None);
}

impl<'py> FromPyObject<'_, 'py> for Patience {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        seconds(&value, "evict_after").map(Self)
    }
}

/// A number of seconds to wait, the argument `what`; None is for ever.
pub(crate) fn seconds(value: &Bound<'_, PyAny>, what: &str) -> PyResult<Option<Duration>> {
    if value.is_none() {
        return Ok(None);
    }
    // `write(data, True)` is a mistake, and never means "one second".
    if value.is_instance_of::<PyBool>() {
        return Err(not_a_number(value, what));
    }
    let seconds = match value.extract::<f64>() {
        Ok(seconds) => seconds,
        // A whole number beyond all floats.
        Err(error) if error.is_instance_of::<PyOverflowError>(value.py()) => {
            if value.lt(0)? {
                f64::NEG_INFINITY
            } else {
                f64::INFINITY
            }
        }
        Err(error) if is_no_number(value, &error) => return Err(not_a_number(value, what)),
        // Anything else was raised by the object's own code.
        Err(error) => return Err(error),
    };
    if seconds.is_nan() {
        return Err(PyValueError::new_err(format!(
            "{what} is NaN; give seconds, or None to wait for ever"
        )));
    }
    if seconds < 0.0 {
        return Err(PyValueError::new_err(format!(
            "{what} is {seconds} seconds; give 0 or more, or None to wait for ever"
        )));
    }
    Ok((seconds < FOR_EVER).then(|| Duration::from_secs_f64(seconds)))
}

fn is_no_number(value: &Bound<'_, PyAny>, error: &PyErr) -> bool {
    let has = |name: &str| value.hasattr(name).unwrap_or(true);
    error.is_instance_of::<PyTypeError>(value.py()) && !has("__float__") && !has("__index__")
}

fn not_a_number(value: &Bound<'_, PyAny>, what: &str) -> PyErr {
    PyTypeError::new_err(format!(
        "{what} must be a number of seconds or None, not {}",
        kind_of(value)
    ))
}

/// A timeout that started to run.
pub(crate) struct Deadline {
    at: Option<Instant>,
}

impl Deadline {
    pub(crate) fn after(timeout: Timeout) -> Self {
        Self {
            at: timeout
                .limit()
                .and_then(|limit| Instant::now().checked_add(limit)),
        }
    }

    /// What is left; None is for ever.
    pub(crate) fn left(&self) -> Option<Duration> {
        self.at
            .map(|at| at.saturating_duration_since(Instant::now()))
    }
}
