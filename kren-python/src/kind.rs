//! What an object is, for messages about arguments.

use pyo3::prelude::*;

/// The name of an object's type.
pub(crate) fn kind_of(value: &Bound<'_, PyAny>) -> String {
    value
        .get_type()
        .name()
        .map_or_else(|_| "?".to_owned(), |name| name.to_string())
}
