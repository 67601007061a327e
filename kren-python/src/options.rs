//! Arguments that need more than a type: strategies, sizes, names, numbers.

use std::time::Duration;

use kren_core::{Error, ErrorCode, PeerState, Schema, Start, Strategy};
use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyString};

use crate::errors::{exception, exception_of};
use crate::kind::kind_of;
use crate::timeout::seconds;

pub(crate) fn strategy(
    py: Python<'_>,
    channel: &str,
    name: Option<&Bound<'_, PyString>>,
) -> PyResult<Strategy> {
    let Some(name) = name else {
        return Ok(Strategy::Adaptive);
    };
    match &*name.to_string_lossy() {
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

/// Where a reader starts.
pub(crate) fn start(
    py: Python<'_>,
    channel: &str,
    name: Option<&Bound<'_, PyString>>,
) -> PyResult<Start> {
    let Some(name) = name else {
        return Ok(Start::Oldest);
    };
    match &*name.to_string_lossy() {
        "oldest" => Ok(Start::Oldest),
        "newest" => Ok(Start::Newest),
        _ => Err(exception(
            py,
            &Error::InvalidOption {
                channel: channel.into(),
                option: "start",
                reason: "it must be 'oldest' or 'newest'",
            },
        )),
    }
}

/// Where a subscriber starts.
pub(crate) fn start_of_subscriber(
    py: Python<'_>,
    channel: &str,
    value: Option<&Bound<'_, PyAny>>,
) -> PyResult<Start> {
    let Some(value) = value else {
        return Ok(Start::Newest);
    };
    let invalid = |reason| Error::InvalidOption {
        channel: channel.into(),
        option: "start",
        reason,
    };
    match value.cast::<PyString>() {
        Ok(name) => match &*name.to_string_lossy() {
            "oldest" => Ok(Start::Oldest),
            "newest" => Ok(Start::Newest),
            _ => Err(exception(
                py,
                &invalid("it must be 'oldest', 'newest' or the number of a message"),
            )),
        },
        Err(_) => integer(channel, "start", value).map(Start::After),
    }
}

/// A `durable=` argument: whether a subscriber keeps its place, and the name that it goes by.
pub(crate) struct Durable(pub(crate) Option<String>);

impl Durable {
    pub(crate) const NO: Self = Self(None);
}

impl<'py> FromPyObject<'_, 'py> for Durable {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(name) = value.cast::<PyString>() {
            return Ok(Self(Some(name.to_string_lossy().into_owned())));
        }
        match value.cast::<PyBool>() {
            Ok(is) => Ok(Self(is.is_true().then(String::new))),
            Err(_) => Err(PyTypeError::new_err(format!(
                "durable must be True, False or a name, not {}",
                kind_of(&value)
            ))),
        }
    }
}

/// What a side says of the messages; `kren/_schema.py` makes a name and a text of it.
pub(crate) fn schema(channel: &str, value: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Schema>> {
    let Some(value) = value else {
        return Ok(None);
    };
    let py = value.py();
    let (name, text): (String, String) = PyModule::import(py, intern!(py, "kren._schema"))?
        .call_method1(intern!(py, "describe"), (value,))?
        .extract()?;
    match Schema::new(&name, &text) {
        Some(schema) => Ok(Some(schema)),
        None => Err(exception(
            py,
            &Error::InvalidOption {
                channel: channel.into(),
                option: "schema",
                reason: "its text holds a zero character",
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
    whole_number(value, option, |py| {
        exception(
            py,
            &Error::InvalidOption {
                channel: channel.into(),
                option,
                reason: "it is negative or too large",
            },
        )
    })
}

/// The capacity in bytes; the core says what else may be wrong with it.
pub(crate) fn capacity(channel: &str, value: &Bound<'_, PyAny>) -> PyResult<usize> {
    whole_number(value, "capacity", |py| {
        let text = format!(
            "channel '{channel}' cannot have a capacity of {} bytes; give the size of the \
             ring as a positive number, for example 1024 * 1024",
            Shown(value)
        );
        exception_of(py, ErrorCode::InvalidCapacity, &text, channel, None)
    })
}

/// A `length` argument, in bytes.
#[derive(Clone, Copy)]
pub(crate) struct Length(pub(crate) usize);

impl<'py> FromPyObject<'_, 'py> for Length {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        whole_number(&value, "length", |_| {
            let text = format!("a length of {} bytes is not possible", Shown(&value));
            PyValueError::new_err(text)
        })
        .map(Self)
    }
}

/// A `tag=` argument.
#[derive(Clone, Copy)]
pub(crate) struct Tag(pub(crate) u32);

impl<'py> FromPyObject<'_, 'py> for Tag {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        whole_number(&value, "tag", |_| {
            let text = format!(
                "a tag is a number from 0 to 4294967295, not {}",
                Shown(&value)
            );
            PyValueError::new_err(text)
        })
        .map(Self)
    }
}

/// The options that all who join or own a registry have in common, set on its builder.
macro_rules! with_access {
    ($settings:expr, $py:expr, $name:expr, $mode:expr, $any_owner:expr, $strategy:expr) => {{
        let mut settings = $settings
            .any_owner($any_owner)
            .strategy($crate::options::strategy($py, $name, $strategy)?);
        if let Some(mode) = $mode {
            settings = settings.mode($crate::options::integer($name, "mode", mode)?);
        }
        settings
    }};
}
pub(crate) use with_access;

/// A `standby=` argument: whether a server waits for the end of another one, and for how long.
#[derive(Clone, Copy)]
pub(crate) struct Standby(pub(crate) Option<Option<Duration>>);

impl Standby {
    pub(crate) const NO: Self = Self(None);
}

impl<'py> FromPyObject<'_, 'py> for Standby {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        match value.cast::<PyBool>() {
            Ok(is) => Ok(Self(is.is_true().then_some(None))),
            Err(_) => seconds(&value, "standby").map(|limit| Self(Some(limit))),
        }
    }
}

/// A `key=` argument: what messages have in common that go to the same worker.
pub(crate) struct Key(pub(crate) Vec<u8>);

impl<'py> FromPyObject<'_, 'py> for Key {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(text) = value.cast::<PyString>() {
            return Ok(Self(text.to_string_lossy().into_owned().into_bytes()));
        }
        match value.cast::<PyBytes>() {
            Ok(bytes) => Ok(Self(bytes.as_bytes().to_vec())),
            Err(_) => Err(PyTypeError::new_err(format!(
                "key must be a str or bytes, not {}",
                kind_of(&value)
            ))),
        }
    }
}

/// A `count` argument: of how many subscribers.
#[derive(Clone, Copy)]
pub(crate) struct Count(pub(crate) usize);

impl<'py> FromPyObject<'_, 'py> for Count {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        whole_number(&value, "count", |_| {
            let text = format!("{} subscribers are not possible", Shown(&value));
            PyValueError::new_err(text)
        })
        .map(Self)
    }
}

/// A `max` argument: how many messages to take at most.
#[derive(Clone, Copy)]
pub(crate) struct Max(pub(crate) usize);

impl<'py> FromPyObject<'_, 'py> for Max {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let refusal = || {
            PyValueError::new_err(format!(
                "max is {}; give the number of messages to take at most, 1 or more",
                Shown(&value)
            ))
        };
        // More than memory can hold is no limit at all.
        let too_large = value.gt(usize::MAX).unwrap_or(false);
        let max = if too_large {
            usize::MAX
        } else {
            whole_number(&value, "max", |_| refusal())?
        };
        if max == 0 {
            Err(refusal())
        } else {
            Ok(Self(max))
        }
    }
}

/// A whole number that fits `N`. One that does not gives `out_of_range`; what is none, an error that names the argument.
fn whole_number<'py, N: FromPyObjectOwned<'py>>(
    value: &Bound<'py, PyAny>,
    argument: &str,
    out_of_range: impl FnOnce(Python<'py>) -> PyErr,
) -> PyResult<N> {
    let py = value.py();
    value.extract::<N>().map_err(|error| {
        let error: PyErr = error.into();
        if error.is_instance_of::<PyOverflowError>(py) {
            return out_of_range(py);
        }
        // Anything else was raised by the object's own code.
        if !error.is_instance_of::<PyTypeError>(py) || value.hasattr("__index__").unwrap_or(true) {
            return error;
        }
        let kind = kind_of(value);
        let hint = if kind == "float" {
            format!("; write int({})", Shown(value))
        } else {
            String::new()
        };
        PyTypeError::new_err(format!(
            "{argument} must be a whole number (an int), not {kind}{hint}"
        ))
    })
}

/// A number as text: `str` refuses those of more than 4,300 digits, and an object's own code may do anything.
struct Shown<'a, 'py>(&'a Bound<'py, PyAny>);

impl std::fmt::Display for Shown<'_, '_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.str() {
            Ok(text) => f.write_str(&text.to_string_lossy()),
            Err(_) => write!(f, "so many (an enormous {})", kind_of(self.0)),
        }
    }
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
