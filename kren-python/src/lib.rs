//! The native half of the Python package `kren`: it converts, `kren-core` decides.
//!
//! `python/kren/` holds the other half: the exception tree, asyncio, and what runs at exit.

mod array;
#[cfg(unix)]
mod bell;
mod buffer;
mod client;
mod connecting;
mod dealer;
mod detached;
mod endpoint;
mod errors;
mod exit;
mod fast;
mod hold;
mod inbox;
mod inspect;
mod interpreter;
mod kind;
mod lease;
mod many;
mod message;
mod notifier;
mod options;
mod pin;
mod publisher;
mod reader;
mod selector;
mod sender;
mod server;
mod slot;
mod source;
mod subscriber;
mod timeout;
mod turn;
mod worker;
mod writer;

/// Shared-memory channels (native half); use the package `kren`.
// `gil_used = false`: every class is frozen, with its state behind a mutex or in atomics.
#[pyo3::pymodule(name = "_kren", gil_used = false)]
mod native {
    use kren_core::ErrorCode;
    use pyo3::prelude::*;

    use crate::timeout::Timeout;

    #[pymodule_export]
    use crate::array::{
        Array, Room, Tensor, Unflagged, adopt_numpy, borrow_array, borrow_arrays, borrow_table,
        read_array, reserve_array, table_room, try_borrow_array, try_borrow_arrays,
        try_borrow_table, write_array, write_arrays, write_buffer, write_described, write_stream,
    };
    #[pymodule_export]
    use crate::client::Client;
    #[pymodule_export]
    use crate::connecting::Stop;
    #[pymodule_export]
    use crate::dealer::Dealer;
    #[pymodule_export]
    use crate::errors::{adopt_errors, error_of};
    #[pymodule_export]
    use crate::inbox::Inbox;
    #[pymodule_export]
    use crate::inspect::{channels, inspect_channel};
    #[pymodule_export]
    use crate::lease::Lease;
    #[pymodule_export]
    use crate::message::adopt_message;
    #[pymodule_export]
    use crate::notifier::Notifier;
    #[pymodule_export]
    use crate::publisher::{Publisher, SubscriberInfo};
    #[pymodule_export]
    use crate::reader::Reader;
    #[pymodule_export]
    use crate::selector::Selector;
    #[pymodule_export]
    use crate::sender::{Departure, Sender, SenderId};
    #[pymodule_export]
    use crate::server::{Request, Server};
    #[pymodule_export]
    use crate::slot::Slot;
    #[pymodule_export]
    use crate::subscriber::Subscriber;
    #[pymodule_export]
    use crate::worker::Worker;
    #[pymodule_export]
    use crate::writer::Writer;

    #[pymodule_export]
    #[allow(non_upper_case_globals, reason = "the name Python expects")]
    const __version__: &str = env!("CARGO_PKG_VERSION");

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        crate::interpreter::require_main(module.py())?;
        crate::exit::install()?;
        crate::fast::install(module.py())
    }

    /// Returns (number, name) of every error code, as all languages share them.
    #[pyfunction]
    fn error_codes() -> Vec<(u32, &'static str)> {
        ErrorCode::ALL
            .iter()
            .map(|code| (code.number(), code.name()))
            .collect()
    }

    /// Closes every endpoint of this process that is open.
    #[pyfunction]
    fn close_all(py: Python<'_>) {
        crate::exit::close_all(py);
    }

    /// Returns the timeout in seconds, or None for ever; refuses what is no timeout.
    #[pyfunction]
    #[pyo3(signature = (timeout))]
    fn check_timeout(timeout: Timeout) -> Option<f64> {
        timeout.limit().map(|limit| limit.as_secs_f64())
    }
}
