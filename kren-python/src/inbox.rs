//! `kren.Inbox`, as far as it is native.

use std::sync::Arc;
use std::time::Duration;

use kren_core::{KrenInbox, Letter};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString};

use crate::detached::Check;
use crate::detached::checked;
use crate::endpoint::Endpoint;
use crate::errors::{Failure, exception};
use crate::lease::Lease;
use crate::message::message;
use crate::notifier::Notifier;
use crate::options::{self, Max, with_access};
use crate::reader::MANY;
use crate::selector::Selector;
use crate::sender::{Departure, SenderId};
use crate::source::{self, Source};
use crate::timeout::Timeout;

/// The reading end of an inbox (native half; use kren.Inbox).
#[pyclass(frozen, subclass, module = "kren._kren")]
pub(crate) struct Inbox {
    pub(crate) endpoint: Arc<Endpoint<KrenInbox>>,
}

#[pymethods]
impl Inbox {
    #[new]
    #[pyo3(
        signature = (name, capacity, *, senders=None, mode=None, any_owner=false, strategy=None),
        text_signature = "(name, capacity, *, senders=64, mode=None, any_owner=False, \
                          strategy='adaptive')"
    )]
    fn new(
        py: Python<'_>,
        name: &Bound<'_, PyString>,
        capacity: &Bound<'_, PyAny>,
        senders: Option<&Bound<'_, PyAny>>,
        mode: Option<&Bound<'_, PyAny>>,
        any_owner: bool,
        strategy: Option<&Bound<'_, PyString>>,
    ) -> PyResult<Self> {
        let name = options::channel_name(name);
        let capacity = options::capacity(&name, capacity)?;
        let mut settings = with_access!(KrenInbox::options(), py, &name, mode, any_owner, strategy);
        if let Some(senders) = senders {
            settings = settings.senders(options::integer(&name, "senders", senders)?);
        }
        let channel = name.as_str();
        let made = checked(
            py,
            channel,
            || false,
            |_| Ok(Endpoint::open(channel, settings.create(channel, capacity)?)),
        );
        made.map(|endpoint| Self { endpoint })
            .map_err(|failure| failure.into_exception(py))
    }

    /// Return the next message, waiting for it, and for the first sender, if need be: a Message, which is a
    /// `bytes` that has a `sender` and a `tag`.
    ///
    /// timeout: seconds to wait; None waits for ever, 0 does not wait.
    ///
    /// Other threads run while this one waits, and signal handlers run, so Ctrl-C works; it loses no message.
    ///
    /// Raises TimedOut when none came in time. The end of a sender is no error: see departures().
    #[pyo3(signature = (timeout=Timeout::NONE), text_signature = "($self, timeout=None)")]
    fn read<'py>(&self, py: Python<'py>, timeout: Timeout) -> PyResult<Bound<'py, PyAny>> {
        source::next(py, &self.endpoint, timeout, |letter| copy(py, letter))
            .map_err(|failure| failure.into_exception(py))
    }

    /// Return the next message, or None when there is none now; never waits.
    fn try_read<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        source::if_any(py, &self.endpoint, |letter| copy(py, letter))
            .map_err(|failure| failure.into_exception(py))
    }

    /// Return the messages that are there as a list, up to max of them, waiting for the first one if need be.
    ///
    /// max: how many to take at most.
    /// timeout: seconds to wait for the first message; None waits for ever, 0 does not wait.
    ///
    /// The list is never empty. Raises what read() does.
    #[pyo3(
        signature = (max=Max(MANY), timeout=Timeout::NONE),
        text_signature = "($self, max=1024, timeout=None)"
    )]
    fn read_many<'py>(
        &self,
        py: Python<'py>,
        max: Max,
        timeout: Timeout,
    ) -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(py);
        list.append(self.read(py, timeout)?)?;
        while list.len() < max.0 {
            match self.try_read(py) {
                Ok(Some(message)) => list.append(message)?,
                // An error will be told by the next call.
                Ok(None) | Err(_) => break,
            }
        }
        Ok(list)
    }

    /// Return the next message as a Lease, a read-only buffer over the bytes in the ring, with a `sender`;
    /// nothing is copied.
    ///
    /// timeout: as for read().
    ///
    /// The bytes go back to their sender at the end of a `with` block, or when the lease is released or
    /// collected. Raises what read() does.
    #[pyo3(signature = (timeout=Timeout::NONE), text_signature = "($self, timeout=None)")]
    fn borrow(&self, py: Python<'_>, timeout: Timeout) -> PyResult<Lease> {
        source::next(py, &self.endpoint, timeout, |letter| Ok(Lease::of(letter)))
            .map_err(|failure| failure.into_exception(py))
    }

    /// Return the senders that are gone since the last call, each once all that it wrote was read: a list of
    /// Departure.
    ///
    /// A death is noticed within 200 ms by a call that waits, or while the inbox is awaited.
    fn departures(&self, py: Python<'_>) -> PyResult<Vec<Departure>> {
        let gone = self
            .endpoint
            .hold(py)
            .map(|mut core| core.departures())
            .map_err(|failure| failure.into_exception(py))?;
        Ok(gone.into_iter().map(Departure::from).collect())
    }

    /// The senders that are there, and those that are gone and have messages left: a list of SenderId.
    #[getter]
    fn senders(&self, py: Python<'_>) -> PyResult<Vec<SenderId>> {
        let known = self.endpoint.figure(py, KrenInbox::senders)?;
        Ok(known.into_iter().map(SenderId::from).collect())
    }

    /// Bytes of all senders' rings that hold unread messages, 8-byte record headers included.
    #[getter]
    fn available(&self, py: Python<'_>) -> PyResult<usize> {
        self.endpoint.figure(py, KrenInbox::available)
    }

    /// Whether the inbox's name does not lead here any more, since somebody has removed it.
    #[getter]
    fn is_removed(&self, py: Python<'_>) -> PyResult<bool> {
        self.endpoint.figure(py, KrenInbox::is_removed)
    }

    /// Name of the inbox.
    #[getter]
    fn name(&self) -> &str {
        self.endpoint.name()
    }

    /// Whether this end was closed, by close() or by leaving a `with` block.
    #[getter]
    fn closed(&self) -> bool {
        self.endpoint.is_closed()
    }

    /// Close this end; closing twice is no error.
    ///
    /// Messages that were not read stay for the next inbox of this name. A call that another thread is waiting
    /// in ends with EndpointClosed, within 100 ms.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.endpoint
            .close(py, KrenInbox::close)
            .map_err(|error| exception(py, &error))
    }

    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.read(py, Timeout::NONE)
    }

    fn __repr__(&self) -> String {
        self.endpoint.describe("Inbox")
    }

    /// Has a selector wait for a message, or for a sender's end (for `kren.Selector`).
    fn _select(&self, py: Python<'_>, selector: &Selector, key: u64) -> PyResult<()> {
        let interest = self.endpoint.ask(py, KrenInbox::readable)?;
        selector.add(py, key, interest)
    }

    /// Has the notifier wait for that (for asyncio).
    fn _arm(&self, py: Python<'_>, notifier: &Notifier) -> PyResult<()> {
        let interest = self.endpoint.ask(py, KrenInbox::readable)?;
        notifier.arm_for(py, interest)
    }
}

impl Source for KrenInbox {
    type Item<'a> = Letter<'a>;

    fn try_take(&mut self) -> kren_core::Result<Option<Letter<'_>>> {
        self.try_read()
    }

    fn wait(&mut self, timeout: Option<Duration>, check: Check<'_>) -> kren_core::Result<()> {
        self.wait_readable(timeout, check)
    }
}

/// Copies a letter and releases it; one that cannot be copied, for want of memory, stays the next one.
fn copy<'py>(py: Python<'py>, letter: Letter<'_>) -> Result<Bound<'py, PyAny>, Failure> {
    let sender = letter.sender().into();
    message(py, &letter, letter.tag(), Some(sender)).map_err(|error| {
        letter.keep();
        Failure::Raised(error)
    })
}
