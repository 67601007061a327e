//! `kren.Worker`, as far as it is native.

use std::sync::Arc;
use std::time::Duration;

use kren_core::{Error, KrenWorker, Work};
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::detached::Check;
use crate::detached::checked;
use crate::endpoint::Endpoint;
use crate::errors::{Failure, exception};
use crate::lease::Lease;
use crate::notifier::Notifier;
use crate::options::{self, with_access};
use crate::selector::Selector;
use crate::source::{self, Source};
use crate::timeout::Timeout;

/// One of the reading ends of a work queue (native half; use kren.Worker).
#[pyclass(frozen, subclass, module = "kren._kren")]
pub(crate) struct Worker {
    pub(crate) endpoint: Arc<Endpoint<KrenWorker>>,
}

#[pymethods]
impl Worker {
    #[new]
    #[pyo3(
        signature = (
            name, *, ahead=None, workers=None, mode=None, any_owner=false, strategy=None
        ),
        text_signature = "(name, *, ahead=0, workers=64, mode=None, any_owner=False, \
                          strategy='adaptive')"
    )]
    fn new(
        py: Python<'_>,
        name: &Bound<'_, PyString>,
        ahead: Option<&Bound<'_, PyAny>>,
        workers: Option<&Bound<'_, PyAny>>,
        mode: Option<&Bound<'_, PyAny>>,
        any_owner: bool,
        strategy: Option<&Bound<'_, PyString>>,
    ) -> PyResult<Self> {
        let name = options::channel_name(name);
        let mut settings =
            with_access!(KrenWorker::options(), py, &name, mode, any_owner, strategy);
        if let Some(ahead) = ahead {
            settings = settings.ahead(options::integer(&name, "ahead", ahead)?);
        }
        if let Some(workers) = workers {
            settings = settings.workers(options::integer(&name, "workers", workers)?);
        }
        let channel = name.as_str();
        let made = checked(
            py,
            channel,
            || false,
            |_| Ok(Endpoint::open(channel, settings.connect(channel)?)),
        );
        made.map(|endpoint| Self { endpoint })
            .map_err(|failure| failure.into_exception(py))
    }

    /// Return the next piece of work, waiting for it if need be: a Lease, a read-only buffer over the bytes in
    /// the ring, with a `tag` and the flag `redelivered`.
    ///
    /// timeout: seconds to wait; None waits for ever, 0 does not wait.
    ///
    /// Release it when its work is done, best by a `with` block: until then it goes to another worker if this
    /// process dies. One that is collected was released. Any number may be held, and released in any order.
    ///
    /// Other threads run while this one waits, and signal handlers run, so Ctrl-C works; it loses no message.
    ///
    /// Raises TimedOut when none came in time. Raises Closed when the dealer has closed, and PeerDied when its
    /// process died, in both cases only when nothing is left, neither here nor of workers that are gone; the next
    /// call waits for another dealer.
    #[pyo3(signature = (timeout=Timeout::NONE), text_signature = "($self, timeout=None)")]
    fn read(&self, py: Python<'_>, timeout: Timeout) -> PyResult<Lease> {
        source::next(py, &self.endpoint, timeout, hand_out)
            .map_err(|failure| failure.into_exception(py))
    }

    /// Return the next piece of work, or None when there is none now, whatever the reason; never waits.
    fn try_read(&self, py: Python<'_>) -> PyResult<Option<Lease>> {
        source::if_any(py, &self.endpoint, hand_out).map_err(|failure| failure.into_exception(py))
    }

    /// How the dealer stands: 'never_attached', 'attached', 'closed' or 'died'.
    #[getter]
    fn dealer_state(&self, py: Python<'_>) -> PyResult<&'static str> {
        self.endpoint
            .figure(py, KrenWorker::dealer_state)
            .map(options::state_name)
    }

    /// Whether the queue's name does not lead here any more, since somebody has removed it.
    #[getter]
    fn is_removed(&self, py: Python<'_>) -> PyResult<bool> {
        self.endpoint.figure(py, KrenWorker::is_removed)
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
    /// What was not released goes to other workers, what is held once it is released or this process has ended. A call
    /// that another thread is waiting in ends with EndpointClosed, within 100 ms.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.endpoint
            .close(py, KrenWorker::close)
            .map_err(|error| exception(py, &error))
    }

    fn __repr__(&self) -> String {
        self.endpoint.describe("Worker")
    }

    /// As try_read(), but raises Closed or PeerDied where read() would (for asyncio).
    fn _attempt(&self, py: Python<'_>) -> PyResult<Option<Lease>> {
        attempt(py, &self.endpoint, hand_out).map_err(|failure| failure.into_exception(py))
    }

    /// Has a selector wait for work (for `kren.Selector`).
    fn _select(&self, py: Python<'_>, selector: &Selector, key: u64) -> PyResult<()> {
        let interest = self.endpoint.ask(py, KrenWorker::readable)?;
        selector.add(py, key, interest)
    }

    /// Has the notifier wait for work (for asyncio).
    fn _arm(&self, py: Python<'_>, notifier: &Notifier) -> PyResult<()> {
        let interest = self.endpoint.ask(py, KrenWorker::readable)?;
        notifier.arm_for(py, interest)
    }
}

impl Source for KrenWorker {
    type Item<'a> = Work<'a>;

    fn try_take(&mut self) -> kren_core::Result<Option<Work<'_>>> {
        self.try_read()
    }

    fn wait(&mut self, timeout: Option<Duration>, check: Check<'_>) -> kren_core::Result<()> {
        self.wait_readable(timeout, check)
    }
}

fn hand_out(work: Work<'_>) -> Result<Lease, Failure> {
    Ok(Lease::of(work))
}

/// What is there now, converted; raises Closed or PeerDied where a call that waits would.
pub(crate) fn attempt<R>(
    py: Python<'_>,
    endpoint: &Endpoint<KrenWorker>,
    convert: impl Fn(Work<'_>) -> Result<R, Failure>,
) -> Result<Option<R>, Failure> {
    match source::next(py, endpoint, Timeout::ZERO, convert) {
        Ok(work) => Ok(Some(work)),
        Err(Failure::Channel(Error::TimedOut { .. })) => Ok(None),
        Err(failure) => Err(failure),
    }
}
