//! What channels there are, seen from outside.

use std::time::UNIX_EPOCH;

use kren_core::inspect::{self, Field};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyNone};

use crate::errors::Failure;

/// Returns what is known of every channel, by name.
#[pyfunction]
pub(crate) fn channels(py: Python<'_>) -> PyResult<Vec<Bound<'_, PyAny>>> {
    let seen = py.detach(inspect::channels);
    let seen = seen.map_err(|error| Failure::from(error).into_exception(py))?;
    seen.iter()
        .map(|channel| object(py, channel.fields(None)))
        .collect()
}

/// Returns what is known of one channel.
#[pyfunction]
pub(crate) fn inspect_channel<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    let seen = py.detach(|| inspect::channel(name));
    let seen = seen.map_err(|error| Failure::from(error).into_exception(py))?;
    object(py, seen.fields(None))
}

fn object(py: Python<'_>, field: Field) -> PyResult<Bound<'_, PyAny>> {
    Ok(match field {
        Field::Flag(flag) => flag.into_pyobject(py)?.to_owned().into_any(),
        Field::Number(number) | Field::Id(number) => number.into_pyobject(py)?.into_any(),
        Field::Time(time) => {
            // As `time.time()` tells it.
            let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
            since.as_secs_f64().into_pyobject(py)?.into_any()
        }
        Field::Text(text) => text.into_pyobject(py)?.into_any(),
        Field::List(list) => {
            let objects: PyResult<Vec<_>> =
                list.into_iter().map(|field| object(py, field)).collect();
            PyList::new(py, objects?)?.into_any()
        }
        Field::Parts(parts) => {
            let dict = PyDict::new(py);
            for (name, part) in parts {
                dict.set_item(name, object(py, part)?)?;
            }
            dict.into_any()
        }
        _ => PyNone::get(py).to_owned().into_any(),
    })
}
