//! `kren.Writer`, as far as it is native.

use std::sync::Arc;

use kren_core::{Error, KrenWriter};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::buffer::{Payload, with_payload};
use crate::detached::checked;
use crate::endpoint::{Endpoint, Held};
use crate::errors::{Failure, exception};
use crate::notifier::Notifier;
use crate::options::{self, Length, Tag};
use crate::selector::Selector;
use crate::slot::Slot;
use crate::timeout::{Deadline, Timeout};

/// The writing end of a channel (native half; use kren.Writer).
#[pyclass(frozen, subclass, module = "kren._kren")]
pub(crate) struct Writer {
    pub(crate) endpoint: Arc<Endpoint<KrenWriter>>,
    capacity: usize,
    max_message_len: usize,
    alignment: usize,
}

#[pymethods]
impl Writer {
    #[new]
    #[pyo3(
        signature = (
            name, capacity, *, mode=None, alignment=None, fresh=false, any_owner=false,
            strategy=None, prefault=false, machine_wide=false, schema=None
        ),
        text_signature = "(name, capacity, *, mode=None, alignment=None, fresh=False, \
                          any_owner=False, strategy='adaptive', prefault=False, \
                          machine_wide=False, schema=None)"
    )]
    #[allow(clippy::too_many_arguments, reason = "keyword arguments in Python")]
    fn new(
        py: Python<'_>,
        name: &Bound<'_, PyString>,
        capacity: &Bound<'_, PyAny>,
        mode: Option<&Bound<'_, PyAny>>,
        alignment: Option<&Bound<'_, PyAny>>,
        fresh: bool,
        any_owner: bool,
        strategy: Option<&Bound<'_, PyString>>,
        prefault: bool,
        machine_wide: bool,
        schema: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let name = options::channel_name(name);
        let capacity = options::capacity(&name, capacity)?;
        let mut settings = KrenWriter::options()
            .fresh(fresh)
            .any_owner(any_owner)
            .strategy(options::strategy(py, &name, strategy)?)
            .prefault(prefault)
            .machine_wide(machine_wide);
        if let Some(mode) = mode {
            settings = settings.mode(options::integer(&name, "mode", mode)?);
        }
        if let Some(alignment) = alignment {
            settings = settings.alignment(options::integer(&name, "alignment", alignment)?);
        }
        if let Some(schema) = options::schema(&name, schema)? {
            settings = settings.schema(&schema);
        }
        // Reserving (and pre-faulting) gigabytes takes long enough for other threads to notice.
        let channel = name.as_str();
        let made = checked(
            py,
            channel,
            || false,
            |check| {
                let core = settings.create_checked(channel, capacity, check)?;
                Ok(Self::open(channel, core))
            },
        );
        made.map_err(|failure| failure.into_exception(py))
    }

    /// Write one message, waiting for room while the ring is full.
    ///
    /// data: any C-contiguous buffer (bytes, bytearray, memoryview, array, numpy array). It is
    ///     copied once, straight into the ring.
    /// timeout: seconds to wait for room; None waits for ever, 0 does not wait.
    /// tag: a number of your own, 0 to 4294967295, that travels with the message.
    ///
    /// Other threads run while this one waits, and signal handlers run, so Ctrl-C works.
    ///
    /// Raises TimedOut when there was no room in time, TooLarge when there never will be, Closed or
    /// PeerDied when the channel is full and its reader has left, TypeError for str (encode it), and
    /// BufferError for a buffer that is not C-contiguous. In all these cases nothing was written.
    #[pyo3(
        signature = (data, timeout=Timeout::NONE, *, tag=Tag(0)),
        text_signature = "($self, data, timeout=None, *, tag=0)"
    )]
    fn write(
        &self,
        py: Python<'_>,
        data: &Bound<'_, PyAny>,
        timeout: Timeout,
        tag: Tag,
    ) -> PyResult<()> {
        with_payload(data, |payload| {
            self.put(py, payload, timeout, tag)
                .map_err(|failure| failure.into_exception(py))
        })
    }

    /// Write one message if there is room for it now; never waits.
    ///
    /// Returns True when it was written, False when the ring is full. Takes and raises what write()
    /// does, except that it never raises TimedOut, Closed or PeerDied.
    #[pyo3(
        signature = (data, *, tag=Tag(0)),
        text_signature = "($self, data, *, tag=0)"
    )]
    fn try_write(&self, py: Python<'_>, data: &Bound<'_, PyAny>, tag: Tag) -> PyResult<bool> {
        with_payload(data, |payload| {
            let written = self.endpoint.hold(py).and_then(|mut core| {
                match core.try_write_tagged(tag.0, payload.bytes(py)) {
                    Ok(()) => Ok(true),
                    Err(Error::Full { .. }) => Ok(false),
                    Err(error) => Err(error.into()),
                }
            });
            written.map_err(|failure| failure.into_exception(py))
        })
    }

    /// Write every message of an iterable, in order, waiting for room while the ring is full.
    ///
    /// messages: buffers as for write(), in a list, a tuple or any other iterable.
    /// timeout: seconds to wait for room in all; None waits for ever, 0 does not wait.
    ///
    /// Returns how many were written: all of them. Raises what write() does, and what the iterable
    /// raises; messages before the failing one have been written, and the `written` of the exception
    /// says how many. One call for many messages costs much less than a call for each.
    #[pyo3(
        signature = (messages, timeout=Timeout::NONE),
        text_signature = "($self, messages, timeout=None)"
    )]
    fn write_many(
        &self,
        py: Python<'_>,
        messages: &Bound<'_, PyAny>,
        timeout: Timeout,
    ) -> PyResult<usize> {
        let mut deadline = None;
        let mut written = 0;
        for message in messages.try_iter()? {
            // Held for each message anew: an iterator may run any code in between, this writer's too.
            let put = message.and_then(|message| {
                with_payload(&message, |payload| {
                    self.put_by(py, payload, timeout, &mut deadline, Tag(0))
                        .map_err(|failure| failure.into_exception(py))
                })
            });
            if let Err(error) = put {
                // A strange exception that takes no attributes is still the one to raise.
                let _ = error.value(py).setattr(intern!(py, "written"), written);
                return Err(error);
            }
            written += 1;
        }
        // Raises if closed, also when there was nothing to write.
        self.endpoint
            .look(py, |_| written)
            .map_err(|failure| failure.into_exception(py))
    }

    /// Reserve room for a message of `length` bytes and return it as a Slot, a writable buffer, to build the
    /// message in place; waits for room while the ring is full.
    ///
    /// timeout, tag: as for write().
    ///
    /// Use it as `with writer.reserve(length) as slot:`. The message is committed at the end of the block,
    /// or aborted by an exception; slot.commit(length) commits less than was reserved. Until then every other
    /// call of this writer raises Busy. Raises what write() does.
    #[pyo3(
        signature = (length, timeout=Timeout::NONE, *, tag=Tag(0)),
        text_signature = "($self, length, timeout=None, *, tag=0)"
    )]
    pub(crate) fn reserve(
        &self,
        py: Python<'_>,
        length: Length,
        timeout: Timeout,
        tag: Tag,
    ) -> PyResult<Slot> {
        self.lend(py, length.0, timeout, tag)
            .map_err(|failure| failure.into_exception(py))
    }

    /// Wait until the reader has taken and released every message.
    ///
    /// timeout: seconds to wait; None waits for ever.
    ///
    /// Raises TimedOut when messages are left by then, and Closed or PeerDied when the reader has
    /// left without them.
    #[pyo3(signature = (timeout=Timeout::NONE), text_signature = "($self, timeout=None)")]
    fn flush(&self, py: Python<'_>, timeout: Timeout) -> PyResult<()> {
        let flushed = self.endpoint.hold(py).and_then(|mut core| {
            core.wait(py, |core, check| core.wait_drained(timeout.limit(), check))
        });
        flushed.map_err(|failure| failure.into_exception(py))
    }

    /// Whether the channel's name does not lead here any more, since somebody has removed it.
    #[getter]
    fn is_removed(&self, py: Python<'_>) -> PyResult<bool> {
        self.look_if_usable(py, KrenWriter::is_removed)
    }

    /// Length in bytes of the longest message that fits right now.
    #[getter]
    fn available(&self, py: Python<'_>) -> PyResult<usize> {
        self.look_if_usable(py, KrenWriter::available)
    }

    /// How the reader stands: 'never_attached', 'attached', 'closed' or 'died'. Of a publisher, which has several, there is
    /// no such state: hence the name.
    #[getter]
    fn _reader_state(&self, py: Python<'_>) -> PyResult<&'static str> {
        self.look_if_usable(py, KrenWriter::reader_state)
            .map(options::state_name)
    }

    /// What the channel's creator says of its messages: a text (cut off after 512 bytes), or None.
    #[getter]
    fn schema(&self, py: Python<'_>) -> PyResult<Option<String>> {
        let text = |core: &KrenWriter| core.schema().map(|schema| schema.text().to_owned());
        self.endpoint
            .look(py, text)
            .map_err(|failure| failure.into_exception(py))
    }

    /// Name of the channel.
    #[getter]
    fn name(&self) -> &str {
        self.endpoint.name()
    }

    /// Size of the ring in bytes: what was asked for, rounded up to whole pages.
    #[getter]
    fn capacity(&self) -> usize {
        self.capacity
    }

    /// Length in bytes of the longest message the channel can ever carry.
    #[getter]
    fn max_message_len(&self) -> usize {
        self.max_message_len
    }

    /// What the addresses of messages in the ring are multiples of, in bytes.
    #[getter]
    fn alignment(&self) -> usize {
        self.alignment
    }

    /// Whether this endpoint was closed, by close() or by leaving a `with` block.
    #[getter]
    fn closed(&self) -> bool {
        self.endpoint.is_closed()
    }

    /// Close this end of the channel; closing twice is no error.
    ///
    /// discard: let go of what is undelivered. A reader that is attached still gets it; one that comes later
    ///     finds no channel, and the next writer starts anew. Otherwise messages that were written stay
    ///     for the reader, also for one that comes tomorrow.
    ///
    /// A call that another thread is waiting in ends with EndpointClosed, within 100 ms.
    #[pyo3(signature = (*, discard=false))]
    fn close(&self, py: Python<'_>, discard: bool) -> PyResult<()> {
        let finish = if discard {
            KrenWriter::close_discarding
        } else {
            KrenWriter::close
        };
        self.endpoint
            .close(py, finish)
            .map_err(|error| exception(py, &error))
    }

    fn __repr__(&self) -> String {
        self.describe("Writer")
    }

    /// Returns True when the reader has released every message (for asyncio), None otherwise; never waits.
    fn _drained(&self, py: Python<'_>) -> PyResult<Option<bool>> {
        let drained = self.endpoint.look(py, KrenWriter::is_drained);
        drained
            .map(|drained| drained.then_some(true))
            .map_err(|failure| failure.into_exception(py))
    }

    /// Has the notifier wait for that (for asyncio).
    fn _arm_drained(&self, py: Python<'_>, notifier: &Notifier) -> PyResult<()> {
        let waiter = self
            .hold(py)?
            .drained_waiter()
            .map_err(|error| exception(py, &error))?;
        notifier.arm(py, waiter)
    }

    /// Has a selector wait for room for a message of `length` bytes (for `kren.Selector`).
    fn _select(
        &self,
        py: Python<'_>,
        selector: &Selector,
        key: u64,
        length: usize,
    ) -> PyResult<()> {
        let interest = self
            .hold(py)?
            .writable(length)
            .map_err(|error| exception(py, &error))?;
        selector.add(py, key, interest)
    }

    /// Has the notifier wait for room for a message of `length` bytes (for asyncio).
    fn _arm(&self, py: Python<'_>, notifier: &Notifier, length: usize) -> PyResult<()> {
        let waiter = self
            .hold(py)?
            .room_waiter(length)
            .map_err(|error| exception(py, &error))?;
        notifier.arm(py, waiter)
    }
}

impl Writer {
    pub(crate) fn open(channel: &str, core: KrenWriter) -> Self {
        Self {
            capacity: core.capacity(),
            max_message_len: core.max_message_len(),
            alignment: core.alignment(),
            endpoint: Endpoint::open(channel, core),
        }
    }

    /// As text, by the name that the class has in Python.
    pub(crate) fn describe(&self, class: &str) -> String {
        let state = if self.endpoint.is_closed() {
            "closed"
        } else {
            "open"
        };
        format!(
            "<kren.{class} '{}' capacity={} {state}>",
            self.endpoint.name(),
            self.capacity
        )
    }

    fn hold<'a>(&'a self, py: Python<'a>) -> PyResult<Held<'a, KrenWriter>> {
        self.endpoint
            .hold(py)
            .map_err(|failure| failure.into_exception(py))
    }

    /// Looks at the core, also while a slot has it, unless this process may not use it.
    pub(crate) fn look_if_usable<R>(
        &self,
        py: Python<'_>,
        look: impl FnOnce(&KrenWriter) -> R,
    ) -> PyResult<R> {
        let seen = self
            .endpoint
            .look(py, |core| core.check_usable().map(|()| look(core)));
        seen.and_then(|seen| Ok(seen?))
            .map_err(|failure| failure.into_exception(py))
    }

    fn put(
        &self,
        py: Python<'_>,
        payload: &Payload<'_>,
        timeout: Timeout,
        tag: Tag,
    ) -> Result<(), Failure> {
        self.put_by(py, payload, timeout, &mut None, tag)
    }

    /// Writes one message by `deadline`, which is `timeout` from the first wait on.
    fn put_by(
        &self,
        py: Python<'_>,
        payload: &Payload<'_>,
        timeout: Timeout,
        deadline: &mut Option<Deadline>,
        tag: Tag,
    ) -> Result<(), Failure> {
        let mut core = self.endpoint.hold(py)?;
        loop {
            match core.try_write_tagged(tag.0, payload.bytes(py)) {
                Err(Error::Full { .. }) => {}
                outcome => return Ok(outcome?),
            }
            wait(py, &mut core, payload.len(), timeout, deadline)?;
        }
    }

    /// Finds room for `len` bytes and lends the core to the slot that will fill them.
    fn lend(
        &self,
        py: Python<'_>,
        len: usize,
        timeout: Timeout,
        tag: Tag,
    ) -> Result<Slot, Failure> {
        let mut core = self.endpoint.hold(py)?;
        let mut deadline = None;
        loop {
            match core.try_reserve(len) {
                Ok(room) => {
                    room.abort();
                    return Slot::open(&self.endpoint, core, len, tag.0);
                }
                Err(Error::Full { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            wait(py, &mut core, len, timeout, &mut deadline)?;
        }
    }
}

/// Waits for room, as long as `deadline` allows, which is `timeout` from the first call on.
pub(crate) fn wait(
    py: Python<'_>,
    core: &mut Held<'_, KrenWriter>,
    len: usize,
    timeout: Timeout,
    deadline: &mut Option<Deadline>,
) -> Result<(), Failure> {
    // Before the GIL is given away: taking it back costs more than most waits last.
    if !timeout.is_zero() && core.poll_writable(len) {
        return Ok(());
    }
    let left = deadline
        .get_or_insert_with(|| Deadline::after(timeout))
        .left();
    core.wait(py, |core, check| core.wait_writable(len, left, check))
}
