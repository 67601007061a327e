//! Timeouts: Python's float seconds, and what is left of them while a wait goes on.

use std::time::{Duration, Instant};

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBool;

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
        if value.is_none() {
            return Ok(Self::NONE);
        }
        // `write(data, True)` is a mistake, and never means "one second".
        if value.is_instance_of::<PyBool>() {
            return Err(not_a_number(&value));
        }
        let seconds: f64 = value.extract().map_err(|_| not_a_number(&value))?;
        if seconds.is_nan() {
            return Err(PyValueError::new_err(
                "timeout is NaN; give seconds, or None to wait for ever",
            ));
        }
        if seconds < 0.0 {
            return Err(PyValueError::new_err(format!(
                "timeout is {seconds} seconds; give 0 or more, or None to wait for ever"
            )));
        }
        Ok(Self(
            (seconds < FOR_EVER).then(|| Duration::from_secs_f64(seconds)),
        ))
    }
}

fn not_a_number(value: &Bound<'_, PyAny>) -> PyErr {
    let kind = value
        .get_type()
        .name()
        .map_or_else(|_| "?".to_owned(), |name| name.to_string());
    PyTypeError::new_err(format!(
        "timeout must be a number of seconds or None, not {kind}"
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
