//! Many messages in one call: what a call costs is paid once for all of them.
#![allow(unsafe_code)]

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyList;

use kren_core::KrenReader;

use crate::buffer::bytes_or_null;
use crate::errors::Failure;

/// Appends the messages that are there to `list` until it has `max`; copies each once.
///
/// A message is released when it is in the list, and not before. What stands in the way of one is an
/// error only if the list is empty: the next call will meet it again, and what was read is not lost.
pub(crate) fn take_ready(
    list: &Bound<'_, PyList>,
    core: &mut KrenReader,
    max: usize,
) -> Result<(), Failure> {
    let mut count = 0;
    while count < max {
        let error = match core.try_read() {
            Ok(Some(message)) => {
                let bytes = bytes_or_null(&message);
                // SAFETY: `bytes` is null or a new object of ours; the list takes a reference of its own.
                let appended = unsafe {
                    let appended =
                        !bytes.is_null() && ffi::PyList_Append(list.as_ptr(), bytes) == 0;
                    ffi::Py_XDECREF(bytes);
                    appended
                };
                if !appended {
                    message.keep();
                    let error = PyErr::fetch(list.py());
                    return if count == 0 {
                        Err(error.into())
                    } else {
                        Ok(())
                    };
                }
                count += 1;
                continue;
            }
            Ok(None) => break,
            Err(error) => error,
        };
        if count == 0 {
            return Err(error.into());
        }
        core.tell_later(error);
        break;
    }
    Ok(())
}
