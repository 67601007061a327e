//! `kren.Reader`, as far as it is native.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use kren_core::{Error, KrenReader, Message};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString};

use crate::buffer::{to_bytes, with_target};
use crate::connecting::{Shape, Stop};
use crate::detached::{Check, checked};
use crate::endpoint::{Endpoint, Held};
use crate::errors::{Failure, exception};
use crate::lease::Lease;
use crate::many::take_ready;
use crate::notifier::Notifier;
use crate::options::{self, Max};
use crate::selector::Selector;
use crate::source::{self, Source};
use crate::timeout::Timeout;

/// Messages that read_many takes at most, unless told otherwise.
pub(crate) const MANY: usize = 1024;

/// The reading end of a channel (native half; use kren.Reader).
#[pyclass(frozen, subclass, module = "kren._kren")]
pub(crate) struct Reader {
    pub(crate) endpoint: Arc<Endpoint<KrenReader>>,
    pub(crate) shape: Shape,
}

#[pymethods]
impl Reader {
    #[new]
    #[pyo3(
        signature = (
            name, *, timeout=Timeout::ZERO, live=false, start=None, any_owner=false, strategy=None,
            prefault=false, machine_wide=false, schema=None, _stop=None
        ),
        text_signature = "(name, *, timeout=0, live=False, start='oldest', any_owner=False, \
                          strategy='adaptive', prefault=False, machine_wide=False, schema=None, \
                          _stop=None)"
    )]
    #[allow(clippy::too_many_arguments, reason = "keyword arguments in Python")]
    fn new(
        py: Python<'_>,
        name: &Bound<'_, PyString>,
        timeout: Timeout,
        live: bool,
        start: Option<&Bound<'_, PyString>>,
        any_owner: bool,
        strategy: Option<&Bound<'_, PyString>>,
        prefault: bool,
        machine_wide: bool,
        schema: Option<&Bound<'_, PyAny>>,
        _stop: Option<&Bound<'_, Stop>>,
    ) -> PyResult<Self> {
        let name = options::channel_name(name);
        let mut settings = KrenReader::options()
            .live_writer(live)
            .start(options::start(py, &name, start)?)
            .any_owner(any_owner)
            .strategy(options::strategy(py, &name, strategy)?)
            .prefault(prefault)
            .machine_wide(machine_wide);
        if let Some(schema) = options::schema(&name, schema)? {
            settings = settings.schema(&schema);
        }
        connect(py, &name, _stop.map(Bound::get), |check| {
            settings.connect_within(&name, timeout.limit(), check)
        })
        .map_err(|failure| failure.into_exception(py))
    }

    /// Return the next message as bytes, waiting for it while the channel is empty.
    ///
    /// timeout: seconds to wait; None waits for ever, 0 does not wait.
    ///
    /// Other threads run while this one waits, and signal handlers run, so Ctrl-C works; it loses no
    /// message.
    ///
    /// Raises TimedOut when none came in time. Raises Closed when the writer closed the channel, and
    /// PeerDied when the writer's process died, in both cases only after every message was read.
    #[pyo3(signature = (timeout=Timeout::NONE), text_signature = "($self, timeout=None)")]
    fn read<'py>(&self, py: Python<'py>, timeout: Timeout) -> PyResult<Bound<'py, PyBytes>> {
        self.next_message(py, timeout, |message| {
            take(message, |message| to_bytes(py, message))
        })
        .map_err(|failure| failure.into_exception(py))
    }

    /// Return the next message as bytes, or None when there is none now; never waits.
    ///
    /// None also when the writer has left: see writer_closed.
    fn try_read<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        self.message_if_any(py, |message| take(message, |message| to_bytes(py, message)))
    }

    /// Return (tag, message) of the next message; otherwise as read().
    #[pyo3(signature = (timeout=Timeout::NONE), text_signature = "($self, timeout=None)")]
    fn read_tagged<'py>(
        &self,
        py: Python<'py>,
        timeout: Timeout,
    ) -> PyResult<(u32, Bound<'py, PyBytes>)> {
        self.next_message(py, timeout, |message| {
            take(message, |message| {
                Ok((message.tag(), to_bytes(py, message)?))
            })
        })
        .map_err(|failure| failure.into_exception(py))
    }

    /// Return (tag, message) of the next message, or None when there is none now; never waits.
    fn try_read_tagged<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<Option<(u32, Bound<'py, PyBytes>)>> {
        self.message_if_any(py, |message| {
            take(message, |message| {
                Ok((message.tag(), to_bytes(py, message)?))
            })
        })
    }

    /// Copy the next message to the start of buffer and return its length.
    ///
    /// buffer: any writable C-contiguous buffer (bytearray, memoryview, array, numpy array).
    /// timeout: as for read().
    ///
    /// Raises what read() does, and ValueError when the message is longer than the buffer; it then
    /// stays the next message.
    #[pyo3(
        signature = (buffer, timeout=Timeout::NONE),
        text_signature = "($self, buffer, timeout=None)"
    )]
    fn read_into(
        &self,
        py: Python<'_>,
        buffer: &Bound<'_, PyAny>,
        timeout: Timeout,
    ) -> PyResult<usize> {
        with_target(buffer, |target| {
            let copied = self.next_message(py, timeout, |message| take(message, |message| {
                if message.len() > target.len() {
                    return Err(PyValueError::new_err(format!(
                        "the next message of channel '{}' has {} bytes and the buffer {}; give a \
                         larger one, the message is still there",
                        self.endpoint.name(),
                        message.len(),
                        target.len()
                    )));
                }
                target.fill(py, message);
                Ok(message.len())
            }));
            copied.map_err(|failure| failure.into_exception(py))
        })
    }

    /// Return the messages that are there as a list of bytes, up to max of them, waiting for the first
    /// one while the channel is empty.
    ///
    /// max: how many to take at most.
    /// timeout: seconds to wait for the first message; None waits for ever, 0 does not wait.
    ///
    /// The list is never empty. One call for many messages costs much less than a call for each. Raises
    /// what read() does.
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
        // Before anything is taken, for want of memory must not lose a message.
        let list = PyList::empty(py);
        self.read_ready(&list, max.0, timeout)
            .map_err(|failure| failure.into_exception(py))?;
        Ok(list)
    }

    /// Return the next message as a Lease, a read-only buffer over the bytes in the ring; nothing is
    /// copied.
    ///
    /// timeout: as for read().
    ///
    /// Use it as `with reader.borrow() as lease:`. The bytes go back to the writer at the end of the block,
    /// when the lease is released or collected, and not before every buffer taken from it is gone.
    /// Any number may be held; see `held`. Raises what read() does.
    #[pyo3(signature = (timeout=Timeout::NONE), text_signature = "($self, timeout=None)")]
    fn borrow(&self, py: Python<'_>, timeout: Timeout) -> PyResult<Lease> {
        self.next_message(py, timeout, |message| Ok(Lease::of(message)))
            .map_err(|failure| failure.into_exception(py))
    }

    /// Wait until a live writer holds the channel: the first one, or the successor of one that closed or died.
    ///
    /// timeout: seconds to wait; None waits for ever, 0 does not wait.
    ///
    /// It is what to do after Closed, PeerDied or Removed, to go on with the next writer; read() then returns
    /// what is left of the last one first. Where the channel's name was removed and a new channel of the name
    /// stands there, the reader moves over to that, once all is read; its capacity may be another.
    ///
    /// Returns at once while the writer that this reader knows of lives. Raises TimedOut when none came in time, and
    /// what Reader() raises when a new channel cannot be connected to.
    #[pyo3(signature = (timeout=Timeout::NONE), text_signature = "($self, timeout=None)")]
    fn wait_for_writer(&self, py: Python<'_>, timeout: Timeout) -> PyResult<()> {
        let waited = self.endpoint.hold(py).and_then(|mut core| {
            core.wait(py, |core, check| core.wait_attached(timeout.limit(), check))
        });
        waited.map_err(|failure| failure.into_exception(py))
    }

    /// Whether the channel's name does not lead here any more, since somebody has removed it.
    #[getter]
    fn is_removed(&self, py: Python<'_>) -> PyResult<bool> {
        self.look(py, KrenReader::is_removed)
    }

    /// Bytes of the ring that leases keep from the writer, record headers included, and with them
    /// messages that were read and released behind held ones.
    #[getter]
    fn held(&self, py: Python<'_>) -> PyResult<usize> {
        self.look(py, KrenReader::held)
    }

    /// Bytes of the ring that hold unread messages, 8-byte record headers included; 0 when there is
    /// nothing to read.
    #[getter]
    fn available(&self, py: Python<'_>) -> PyResult<usize> {
        self.look(py, KrenReader::available)
    }

    /// Whether no writer is attached any more: it closed the channel, or died. Messages may be left.
    #[getter]
    fn writer_closed(&self, py: Python<'_>) -> PyResult<bool> {
        self.look(py, KrenReader::is_writer_closed)
    }

    /// How the writer stands: 'never_attached', 'attached', 'closed' or 'died'.
    #[getter]
    fn writer_state(&self, py: Python<'_>) -> PyResult<&'static str> {
        self.look(py, KrenReader::writer_state)
            .map(options::state_name)
    }

    /// What the channel's creator says of its messages: a text (cut off after 512 bytes), or None.
    #[getter]
    fn schema(&self, py: Python<'_>) -> PyResult<Option<String>> {
        self.look(py, |core| {
            core.schema().map(|schema| schema.text().to_owned())
        })
    }

    /// Name of the channel.
    #[getter]
    fn name(&self) -> &str {
        self.endpoint.name()
    }

    /// Size of the ring in bytes.
    #[getter]
    fn capacity(&self, py: Python<'_>) -> usize {
        self.shape(py).capacity.load(Ordering::Relaxed)
    }

    /// What the addresses of messages in the ring are multiples of, in bytes.
    #[getter]
    fn alignment(&self, py: Python<'_>) -> usize {
        self.shape(py).alignment.load(Ordering::Relaxed)
    }

    /// Whether this endpoint was closed, by close() or by leaving a `with` block.
    #[getter]
    fn closed(&self) -> bool {
        self.endpoint.is_closed()
    }

    /// Close this end of the channel; closing twice is no error.
    ///
    /// Messages that were not read stay for the next reader. A call that another thread is waiting in
    /// ends with EndpointClosed, within 100 ms.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.endpoint
            .close(py, KrenReader::close)
            .map_err(|error| exception(py, &error))
    }

    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        match self.next_message(py, Timeout::NONE, |message| {
            take(message, |message| to_bytes(py, message))
        }) {
            Ok(message) => Ok(Some(message)),
            Err(Failure::Channel(Error::Closed { .. })) => Ok(None),
            Err(failure) => Err(failure.into_exception(py)),
        }
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        self.describe(py, "Reader")
    }

    /// Returns True when a writer has come (for asyncio), None otherwise; never waits.
    fn _follow(&self, py: Python<'_>) -> PyResult<Option<bool>> {
        let come = self.hold(py)?.follow();
        come.map(|come| come.then_some(true))
            .map_err(|error| exception(py, &error))
    }

    /// Has the notifier wait for a writer (for asyncio).
    fn _arm_writer(&self, py: Python<'_>, notifier: &Notifier) -> PyResult<()> {
        let waiter = self
            .hold(py)?
            .writer_waiter()
            .map_err(|error| exception(py, &error))?;
        notifier.arm(py, waiter)
    }

    /// Has a selector wait for a message (for `kren.Selector`).
    fn _select(&self, py: Python<'_>, selector: &Selector, key: u64) -> PyResult<()> {
        let interest = self
            .hold(py)?
            .readable()
            .map_err(|error| exception(py, &error))?;
        selector.add(py, key, interest)
    }

    /// Has the notifier wait for a message (for asyncio).
    fn _arm(&self, py: Python<'_>, notifier: &Notifier) -> PyResult<()> {
        let waiter = self
            .hold(py)?
            .message_waiter()
            .map_err(|error| exception(py, &error))?;
        notifier.arm(py, waiter)
    }
}

impl Reader {
    fn hold<'a>(&'a self, py: Python<'a>) -> PyResult<Held<'a, KrenReader>> {
        self.endpoint
            .hold(py)
            .map_err(|failure| failure.into_exception(py))
    }

    /// As text, by the name that the class has in Python.
    pub(crate) fn describe(&self, py: Python<'_>, class: &str) -> String {
        let state = if self.endpoint.is_closed() {
            "closed"
        } else {
            "open"
        };
        format!(
            "<kren.{class} '{}' capacity={} {state}>",
            self.endpoint.name(),
            self.capacity(py)
        )
    }

    /// Looks at the core, unless this process may not use it: Forked, or Io.
    pub(crate) fn look<R>(
        &self,
        py: Python<'_>,
        look: impl FnOnce(&KrenReader) -> R,
    ) -> PyResult<R> {
        let seen = self
            .endpoint
            .look(py, |core| core.check_usable().map(|()| look(core)));
        seen.and_then(|seen| Ok(seen?))
            .map_err(|failure| failure.into_exception(py))
    }

    fn shape(&self, py: Python<'_>) -> &Shape {
        if let Some(core) = self.endpoint.try_hold(py) {
            self.shape.renew(&core);
        }
        &self.shape
    }

    pub(crate) fn next_message<R>(
        &self,
        py: Python<'_>,
        timeout: Timeout,
        convert: impl Fn(Message<'_>) -> Result<R, Failure>,
    ) -> Result<R, Failure> {
        source::next(py, &self.endpoint, timeout, convert)
    }

    fn read_ready(
        &self,
        list: &Bound<'_, PyList>,
        max: usize,
        timeout: Timeout,
    ) -> Result<(), Failure> {
        let py = list.py();
        let mut core = self.endpoint.hold(py)?;
        let mut deadline = None;
        loop {
            take_ready(list, &mut core, max)?;
            if !list.is_empty() {
                return Ok(());
            }
            source::wait(py, &mut core, timeout, &mut deadline)?;
        }
    }

    pub(crate) fn message_if_any<R>(
        &self,
        py: Python<'_>,
        convert: impl Fn(Message<'_>) -> Result<R, Failure>,
    ) -> PyResult<Option<R>> {
        source::if_any(py, &self.endpoint, convert).map_err(|failure| failure.into_exception(py))
    }
}

impl Source for KrenReader {
    type Item<'a> = Message<'a>;

    #[inline]
    fn try_take(&mut self) -> kren_core::Result<Option<Message<'_>>> {
        self.try_read()
    }

    fn poll(&mut self) -> bool {
        self.poll_readable()
    }

    fn wait(&mut self, timeout: Option<Duration>, check: Check<'_>) -> kren_core::Result<()> {
        self.wait_readable(timeout, check)
    }

    fn held(&self) -> usize {
        KrenReader::held(self)
    }
}

/// Converts a message and releases it; one that cannot be converted (no memory, buffer too short)
/// stays the next one.
#[inline]
fn take<R>(
    message: Message<'_>,
    convert: impl Fn(&Message<'_>) -> PyResult<R>,
) -> Result<R, Failure> {
    convert(&message).map_err(|error| {
        message.keep();
        Failure::Raised(error)
    })
}

/// A reader of what `find` finds, which may wait, unless `stop` says otherwise.
pub(crate) fn connect(
    py: Python<'_>,
    name: &str,
    stop: Option<&Stop>,
    find: impl FnOnce(Check<'_>) -> kren_core::Result<KrenReader> + Send,
) -> Result<Reader, Failure> {
    let stopped = || stop.is_some_and(Stop::is_set);
    checked(py, name, stopped, |check| {
        let core = find(check)?;
        Ok(Reader {
            shape: Shape::of(&core),
            endpoint: Endpoint::open(name, core),
        })
    })
}
