//! `kren.Writer`, as far as it is native.

use kren_core::{Error, KrenWriter};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::buffer::{Payload, with_payload};
use crate::endpoint::{Endpoint, Held};
use crate::errors::{Failure, exception};
use crate::notifier::Notifier;
use crate::options;
use crate::timeout::{Deadline, Timeout};

/// The writing end of a channel (native half; use kren.Writer).
#[pyclass(frozen, subclass, module = "kren._kren")]
pub(crate) struct Writer {
    endpoint: Endpoint<KrenWriter>,
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
            strategy="adaptive", prefault=false, machine_wide=false
        ),
        text_signature = "(name, capacity, *, mode=None, alignment=None, fresh=False, \
                          any_owner=False, strategy='adaptive', prefault=False, \
                          machine_wide=False)"
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
        strategy: &str,
        prefault: bool,
        machine_wide: bool,
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
        // Reserving (and pre-faulting) gigabytes takes long enough for other threads to notice.
        let core = py
            .detach(|| settings.create(&name, capacity))
            .map_err(|error| exception(py, &error))?;
        Ok(Self {
            capacity: core.capacity(),
            max_message_len: core.max_message_len(),
            alignment: core.alignment(),
            endpoint: Endpoint::new(&name, core),
        })
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
            let written = self.endpoint.hold().and_then(|mut core| {
                match core.try_write_tagged(tag.0, payload.bytes(py)) {
                    Ok(()) => Ok(true),
                    Err(Error::Full { .. }) => Ok(false),
                    Err(error) => Err(error.into()),
                }
            });
            written.map_err(|failure| failure.into_exception(py))
        })
    }

    /// Wait until the reader has taken and released every message.
    ///
    /// timeout: seconds to wait; None waits for ever.
    ///
    /// Raises TimedOut when messages are left by then, and Closed or PeerDied when the reader has
    /// left without them.
    #[pyo3(signature = (timeout=Timeout::NONE), text_signature = "($self, timeout=None)")]
    fn flush(&self, py: Python<'_>, timeout: Timeout) -> PyResult<()> {
        let flushed = self.endpoint.hold().and_then(|mut core| {
            core.wait(py, |core, check| core.wait_drained(timeout.limit(), check))
        });
        flushed.map_err(|failure| failure.into_exception(py))
    }

    /// Length in bytes of the longest message that fits right now.
    #[getter]
    fn available(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(self.hold(py)?.available())
    }

    /// How the reader stands: 'never_attached', 'attached', 'closed' or 'died'.
    #[getter]
    fn reader_state(&self, py: Python<'_>) -> PyResult<&'static str> {
        Ok(options::state_name(self.hold(py)?.reader_state()))
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
    /// Messages that were written stay for the reader. A call that another thread is waiting in ends
    /// with EndpointClosed, within 100 ms.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.endpoint
            .close(py, KrenWriter::close)
            .map_err(|error| exception(py, &error))
    }

    fn __repr__(&self) -> String {
        let state = if self.endpoint.is_closed() {
            "closed"
        } else {
            "open"
        };
        format!(
            "<kren.Writer '{}' capacity={} {state}>",
            self.endpoint.name(),
            self.capacity
        )
    }

    /// Has the notifier wait for room for a message of `length` bytes (for asyncio).
    fn _arm(&self, py: Python<'_>, notifier: &Notifier, length: usize) -> PyResult<()> {
        let waiter = self
            .hold(py)?
            .room_waiter(length)
            .map_err(|error| exception(py, &error))?;
        notifier.arm(waiter)
    }
}

impl Writer {
    fn hold(&self, py: Python<'_>) -> PyResult<Held<'_, KrenWriter>> {
        self.endpoint
            .hold()
            .map_err(|failure| failure.into_exception(py))
    }

    fn put(
        &self,
        py: Python<'_>,
        payload: &Payload<'_>,
        timeout: Timeout,
        tag: Tag,
    ) -> Result<(), Failure> {
        let mut core = self.endpoint.hold()?;
        let mut deadline = None;
        loop {
            match core.try_write_tagged(tag.0, payload.bytes(py)) {
                Err(Error::Full { .. }) => {}
                outcome => return Ok(outcome?),
            }
            let left = deadline
                .get_or_insert_with(|| Deadline::after(timeout))
                .left();
            let len = payload.len();
            core.wait(py, |core, check| core.wait_writable(len, left, check))?;
        }
    }
}

/// A `tag=` argument.
#[derive(Clone, Copy)]
struct Tag(u32);

impl<'py> FromPyObject<'_, 'py> for Tag {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        value.extract().map(Self).map_err(|error: PyErr| {
            if error.is_instance_of::<pyo3::exceptions::PyOverflowError>(value.py()) {
                PyValueError::new_err("a tag is a number from 0 to 4294967295")
            } else {
                error
            }
        })
    }
}
