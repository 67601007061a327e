//! Constructor arguments that need more than a type: strategies, sizes, names.

use kren_core::{Error, ErrorCode, PeerState, Strategy};
use pyo3::exceptions::PyOverflowError;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::errors::{exception, exception_of};

pub(crate) fn strategy(py: Python<'_>, channel: &str, name: &str) -> PyResult<Strategy> {
    match name {
        "adaptive" => Ok(Strategy::Adaptive),
        "spin" => Ok(Strategy::Spin),
        "sleep" => Ok(Strategy::Sleep),
        _ => Err(exception(
            py,
            &Error::InvalidOption {
                channel: channel.into(),
                option: "strategy",
                reason: "it must be 'adaptive', 'spin' or 'sleep'",
            },
        )),
    }
}

/// The channel name; text that UTF-8 cannot hold becomes text that the naming rules refuse.
pub(crate) fn channel_name(name: &Bound<'_, PyString>) -> String {
    name.to_string_lossy().into_owned()
}

/// An integer option; one that does not fit its type is refused as `option`, not as an overflow.
pub(crate) fn integer<'py, N: FromPyObjectOwned<'py>>(
    channel: &str,
    option: &'static str,
    value: &Bound<'py, PyAny>,
) -> PyResult<N> {
    value.extract::<N>().map_err(|error| {
        let py = value.py();
        let error: PyErr = error.into();
        if !error.is_instance_of::<PyOverflowError>(py) {
            return error;
        }
        let reason = "it is negative or too large";
        exception(
            py,
            &Error::InvalidOption {
                channel: channel.into(),
                option,
                reason,
            },
        )
    })
}

/// The capacity in bytes; the core says what else may be wrong with it.
pub(crate) fn capacity(channel: &str, value: &Bound<'_, PyAny>) -> PyResult<usize> {
    value.extract().map_err(|error: PyErr| {
        let py = value.py();
        if !error.is_instance_of::<PyOverflowError>(py) {
            return error;
        }
        let text = format!(
            "channel '{channel}' cannot have a capacity of {value} bytes; give the size of the \
             ring as a positive number, for example 1024 * 1024"
        );
        exception_of(py, ErrorCode::InvalidCapacity, &text, channel, None)
    })
}

/// How the other side stands, as `reader_state` and `writer_state` say it.
pub(crate) fn state_name(state: PeerState) -> &'static str {
    match state {
        PeerState::NeverAttached => "never_attached",
        PeerState::Attached => "attached",
        PeerState::Closed => "closed",
        PeerState::Died => "died",
        _ => "unknown",
    }
}
