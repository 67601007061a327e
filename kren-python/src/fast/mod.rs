//! The short way through the calls that are made for each message.
//!
//! A call through pyo3 parses its arguments, counts the attachment and catches panics, which for a small
//! message costs more than the message: 90 ns for a write and a read of 64 bytes, 45 this way. Each function
//! here stands in front of one method that pyo3 made: it serves the common case (a `bytes`, a plain timeout,
//! nothing to wait for), and hands everything else to the method with the arguments as they came. So it
//! decides nothing: without this folder everything works as it does with it, more slowly.

mod arguments;
mod method;
mod read;
mod write;

use pyo3::prelude::*;

/// Puts the short ways in front of the methods of both classes.
pub(crate) fn install(py: Python<'_>) -> PyResult<()> {
    arguments::install(py);
    write::install(py)?;
    read::install(py)
}
