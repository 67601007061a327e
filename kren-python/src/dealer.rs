//! `kren.Dealer`, as far as it is native.

use std::sync::Arc;

use kren_core::{Error, KrenDealer, Order};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::buffer::{Payload, with_payload};
use crate::detached::checked;
use crate::endpoint::Endpoint;
use crate::errors::{Failure, exception};
use crate::notifier::Notifier;
use crate::options::{self, Key, Tag, with_access};
use crate::timeout::{Deadline, Timeout};

/// The writing end of a work queue (native half; use kren.Dealer).
#[pyclass(frozen, subclass, module = "kren._kren")]
pub(crate) struct Dealer {
    pub(crate) endpoint: Arc<Endpoint<KrenDealer>>,
}

#[pymethods]
impl Dealer {
    #[new]
    #[pyo3(
        signature = (
            name, capacity, *, workers=None, alignment=None, mode=None, any_owner=false, strategy=None
        ),
        text_signature = "(name, capacity, *, workers=64, alignment=None, mode=None, any_owner=False, \
                          strategy='adaptive')"
    )]
    #[allow(clippy::too_many_arguments, reason = "keyword arguments in Python")]
    fn new(
        py: Python<'_>,
        name: &Bound<'_, PyString>,
        capacity: &Bound<'_, PyAny>,
        workers: Option<&Bound<'_, PyAny>>,
        alignment: Option<&Bound<'_, PyAny>>,
        mode: Option<&Bound<'_, PyAny>>,
        any_owner: bool,
        strategy: Option<&Bound<'_, PyString>>,
    ) -> PyResult<Self> {
        let name = options::channel_name(name);
        let capacity = options::capacity(&name, capacity)?;
        let mut settings =
            with_access!(KrenDealer::options(), py, &name, mode, any_owner, strategy);
        if let Some(workers) = workers {
            settings = settings.workers(options::integer(&name, "workers", workers)?);
        }
        if let Some(alignment) = alignment {
            settings = settings.alignment(options::integer(&name, "alignment", alignment)?);
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

    /// Give one message to a worker, waiting for one to come, or to have room, if need be.
    ///
    /// data: any C-contiguous buffer (bytes, bytearray, memoryview, array, numpy array). It is
    ///     copied once, straight into the ring.
    /// timeout: seconds to wait; None waits for ever, 0 does not wait.
    /// tag: a number of your own, 0 to 4294967295, that travels with the message.
    /// key: a text or bytes. All messages of one key go to the same worker, as long as no worker comes or
    ///     goes; then only the keys of that worker move. Without one a message goes to the worker with the
    ///     fewest messages waiting.
    ///
    /// Other threads run while this one waits, and signal handlers run, so Ctrl-C works.
    ///
    /// Raises TimedOut when there was no worker with room in time, and TooLarge when there never will be room.
    /// In both cases nothing was written.
    #[pyo3(
        signature = (data, timeout=Timeout::NONE, *, tag=Tag(0), key=None),
        text_signature = "($self, data, timeout=None, *, tag=0, key=None)"
    )]
    fn write(
        &self,
        py: Python<'_>,
        data: &Bound<'_, PyAny>,
        timeout: Timeout,
        tag: Tag,
        key: Option<Key>,
    ) -> PyResult<()> {
        let key = key.map(|key| key.0);
        with_payload(data, |payload| {
            self.put_by(py, payload, timeout, &mut None, tag, key.as_deref())
                .map_err(|failure| failure.into_exception(py))
        })
    }

    /// Give one message to a worker if one has room for it now; never waits.
    ///
    /// Returns True when it was written. Takes and raises what write() does, except that it never raises TimedOut.
    #[pyo3(
        signature = (data, *, tag=Tag(0), key=None),
        text_signature = "($self, data, *, tag=0, key=None)"
    )]
    fn try_write(
        &self,
        py: Python<'_>,
        data: &Bound<'_, PyAny>,
        tag: Tag,
        key: Option<Key>,
    ) -> PyResult<bool> {
        let key = key.map(|key| key.0);
        with_payload(data, |payload| {
            let order = order(py, payload, tag, key.as_deref());
            self.endpoint
                .hold(py)
                .and_then(|mut core| Ok(core.try_order(&order)?))
                .map_err(|failure| failure.into_exception(py))
        })
    }

    /// Give every message of an iterable to the workers, in order.
    ///
    /// messages: buffers as for write(), in a list, a tuple or any other iterable.
    /// timeout: seconds to wait in all; None waits for ever, 0 does not wait.
    ///
    /// Returns how many were written: all of them. Raises what write() does, and what the iterable
    /// raises; messages before the failing one have been written, and the `written` of the exception
    /// says how many.
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
            let put = message.and_then(|message| {
                with_payload(&message, |payload| {
                    self.put_by(py, payload, timeout, &mut deadline, Tag(0), None)
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
        self.endpoint.figure(py, |_| written)
    }

    /// Wait until the workers have released everything, also what they have taken over from others.
    ///
    /// timeout: seconds to wait; None waits for ever.
    ///
    /// Raises TimedOut when work is left by then.
    #[pyo3(signature = (timeout=Timeout::NONE), text_signature = "($self, timeout=None)")]
    fn flush(&self, py: Python<'_>, timeout: Timeout) -> PyResult<()> {
        let flushed = self.endpoint.hold(py).and_then(|mut core| {
            core.wait(py, |core, check| {
                core.drain_checking(timeout.limit(), check)
            })
        });
        flushed.map_err(|failure| failure.into_exception(py))
    }

    /// How many workers there are, as far as the last call has seen.
    #[getter]
    fn workers(&self, py: Python<'_>) -> PyResult<usize> {
        self.endpoint.figure(py, KrenDealer::workers)
    }

    /// Length in bytes of the longest message that a worker has room for right now.
    #[getter]
    fn available(&self, py: Python<'_>) -> PyResult<usize> {
        self.endpoint.figure(py, KrenDealer::available)
    }

    /// Length in bytes of the longest message the queue can ever carry.
    #[getter]
    fn max_message_len(&self, py: Python<'_>) -> PyResult<usize> {
        self.endpoint.figure(py, KrenDealer::max_message_len)
    }

    /// Whether the queue's name does not lead here any more, since somebody has removed it.
    #[getter]
    fn is_removed(&self, py: Python<'_>) -> PyResult<bool> {
        self.endpoint.figure(py, KrenDealer::is_removed)
    }

    /// Name of the work queue.
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
    /// The workers still get what was written, and then Closed. A call that another thread is waiting in ends
    /// with EndpointClosed, within 100 ms.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.endpoint
            .close(py, KrenDealer::close)
            .map_err(|error| exception(py, &error))
    }

    fn __repr__(&self) -> String {
        self.endpoint.describe("Dealer")
    }

    /// Returns True when the workers have released everything (for asyncio), None otherwise; never waits.
    fn _drained(&self, py: Python<'_>) -> PyResult<Option<bool>> {
        let drained = self.endpoint.hold(py).and_then(|mut core| {
            core.wait(py, |core, check| {
                core.drain_checking(Timeout::ZERO.limit(), check)
            })
        });
        match drained {
            Ok(()) => Ok(Some(true)),
            Err(Failure::Channel(Error::TimedOut { .. })) => Ok(None),
            Err(failure) => Err(failure.into_exception(py)),
        }
    }

    /// Has the notifier wait for a worker to come, or to have done something (for asyncio).
    fn _arm(&self, py: Python<'_>, notifier: &Notifier) -> PyResult<()> {
        let interest = self.endpoint.ask(py, |core| core.progress())?;
        notifier.arm_for(py, interest)
    }
}

impl Dealer {
    /// Gives one message to a worker by `deadline`, which is `timeout` from the first wait on.
    fn put_by(
        &self,
        py: Python<'_>,
        payload: &Payload<'_>,
        timeout: Timeout,
        deadline: &mut Option<Deadline>,
        tag: Tag,
        key: Option<&[u8]>,
    ) -> Result<(), Failure> {
        self.give(py, timeout, deadline, |core| {
            core.try_order(&order(py, payload, tag, key))
        })
    }

    /// Tries until a worker was given something by `attempt`, or `deadline` has come.
    pub(crate) fn give(
        &self,
        py: Python<'_>,
        timeout: Timeout,
        deadline: &mut Option<Deadline>,
        mut attempt: impl FnMut(&mut KrenDealer) -> kren_core::Result<bool>,
    ) -> Result<(), Failure> {
        let mut core = self.endpoint.hold(py)?;
        while !attempt(&mut core)? {
            let left = deadline
                .get_or_insert_with(|| Deadline::after(timeout))
                .left();
            core.wait(py, |core, check| core.wait_open(left, check))?;
        }
        Ok(())
    }
}

fn order<'a>(
    py: Python<'a>,
    payload: &'a Payload<'_>,
    tag: Tag,
    key: Option<&'a [u8]>,
) -> Order<'a> {
    Order {
        data: payload.bytes(py),
        tag: tag.0,
        key,
    }
}
