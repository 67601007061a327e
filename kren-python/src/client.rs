//! `kren.Client`, as far as it is native.

use std::sync::Arc;

use kren_core::{Call, CallOptions, KrenClient, Reply};
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::buffer::with_payload;
use crate::detached::checked;
use crate::endpoint::Endpoint;
use crate::errors::{Failure, exception};
use crate::message::message;
use crate::notifier::Notifier;
use crate::options::{self, Tag, with_access};
use crate::selector::Selector;
use crate::timeout::{Deadline, Timeout};

/// One of the calling ends of a service (native half; use kren.Client).
#[pyclass(frozen, subclass, module = "kren._kren")]
pub(crate) struct Client {
    endpoint: Arc<Endpoint<KrenClient>>,
}

#[pymethods]
impl Client {
    #[new]
    #[pyo3(
        signature = (
            name, *, capacity=None, clients=None, mode=None, any_owner=false, strategy=None
        ),
        text_signature = "(name, *, capacity=1048576, clients=64, mode=None, any_owner=False, \
                          strategy='adaptive')"
    )]
    fn new(
        py: Python<'_>,
        name: &Bound<'_, PyString>,
        capacity: Option<&Bound<'_, PyAny>>,
        clients: Option<&Bound<'_, PyAny>>,
        mode: Option<&Bound<'_, PyAny>>,
        any_owner: bool,
        strategy: Option<&Bound<'_, PyString>>,
    ) -> PyResult<Self> {
        let name = options::channel_name(name);
        let mut settings =
            with_access!(KrenClient::options(), py, &name, mode, any_owner, strategy);
        if let Some(capacity) = capacity {
            settings = settings.capacity(options::capacity(&name, capacity)?);
        }
        if let Some(clients) = clients {
            settings = settings.clients(options::integer(&name, "clients", clients)?);
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

    /// Sends a request, waiting for room if need be, and returns the number of its call.
    #[pyo3(signature = (request, timeout, tag, retry, method))]
    fn _start(
        &self,
        py: Python<'_>,
        request: &Bound<'_, PyAny>,
        timeout: Timeout,
        tag: Tag,
        retry: bool,
        method: &str,
    ) -> PyResult<u64> {
        with_payload(request, |payload| {
            let len = payload.len();
            let mut options = options_of(timeout, tag, retry, method);
            let mut deadline = None;
            let started = self.endpoint.hold(py).and_then(|mut core| {
                loop {
                    if let Some(call) = core.try_start(payload.bytes(py), options)? {
                        return Ok(call.number());
                    }
                    let left = deadline
                        .get_or_insert_with(|| Deadline::after(timeout))
                        .left();
                    core.wait(py, |core, check| core.wait_room(len, options, left, check))?;
                    // The answer has what is left then.
                    if let Some(left) = deadline.as_ref().and_then(Deadline::left) {
                        options = options.timeout(left);
                    }
                }
            });
            started.map_err(|failure| failure.into_exception(py))
        })
    }

    /// The same if there is room now (for asyncio); None if not.
    #[pyo3(signature = (request, timeout, tag, retry, method))]
    fn _try_start(
        &self,
        py: Python<'_>,
        request: &Bound<'_, PyAny>,
        timeout: Timeout,
        tag: Tag,
        retry: bool,
        method: &str,
    ) -> PyResult<Option<u64>> {
        let options = options_of(timeout, tag, retry, method);
        with_payload(request, |payload| {
            let call = self
                .endpoint
                .ask(py, |core| core.try_start(payload.bytes(py), options))?;
            Ok(call.map(Call::number))
        })
    }

    /// Has the notifier wait for room for a request of `length` bytes (for asyncio).
    fn _arm_room(
        &self,
        py: Python<'_>,
        notifier: &Notifier,
        length: usize,
        method: &str,
    ) -> PyResult<()> {
        let options = CallOptions::default().method(method);
        let interest = self
            .endpoint
            .ask(py, |core| core.writable(length, options))?;
        notifier.arm_for(py, interest)
    }

    /// Returns the next answer to a call, waiting for it; None once there are no more.
    fn _next<'py>(&self, py: Python<'py>, call: u64) -> PyResult<Option<Bound<'py, PyAny>>> {
        let mut part = None;
        let waited = self.endpoint.hold(py).and_then(|mut core| {
            core.wait(py, |core, check| {
                part = core.next_part(Call::of(call), check)?;
                Ok(())
            })
        });
        waited.map_err(|failure: Failure| failure.into_exception(py))?;
        part.map(|reply| copy(py, &reply)).transpose()
    }

    /// Returns whether an answer to a call is there, and it, which is None after the last one; never waits.
    fn _poll<'py>(
        &self,
        py: Python<'py>,
        call: u64,
    ) -> PyResult<(bool, Option<Bound<'py, PyAny>>)> {
        match self.endpoint.ask(py, |core| core.poll(Call::of(call)))? {
            None => Ok((false, None)),
            Some(part) => {
                let part = part.map(|reply| copy(py, &reply)).transpose()?;
                Ok((true, part))
            }
        }
    }

    /// Returns the numbers of the calls to which answers are there.
    fn _arrived(&self, py: Python<'_>) -> PyResult<Vec<u64>> {
        self.endpoint.ask(py, |core| {
            let arrived = core.arrived()?;
            Ok(arrived.into_iter().map(Call::number).collect())
        })
    }

    /// Gives a call up.
    fn _cancel(&self, py: Python<'_>, call: u64) -> PyResult<()> {
        self.endpoint.ask(py, |core| {
            core.cancel(Call::of(call));
            Ok(())
        })
    }

    /// Has the notifier wait for answers (for asyncio).
    fn _arm(&self, py: Python<'_>, notifier: &Notifier) -> PyResult<()> {
        let interest = self.endpoint.ask(py, |core| core.readable())?;
        notifier.arm_for(py, interest)
    }

    /// Has a selector wait for answers (for `kren.Selector`).
    fn _select(&self, py: Python<'_>, selector: &Selector, key: u64) -> PyResult<()> {
        let interest = self.endpoint.ask(py, |core| core.readable())?;
        selector.add(py, key, interest)
    }

    /// How many calls are started and not over.
    #[getter]
    fn pending(&self, py: Python<'_>) -> PyResult<usize> {
        self.endpoint.figure(py, KrenClient::pending)
    }

    /// How many answers came when nobody waited for them any more.
    #[getter]
    fn late(&self, py: Python<'_>) -> PyResult<u64> {
        self.endpoint.figure(py, KrenClient::late)
    }

    /// How the server stands: 'never_attached', 'attached', 'closed' or 'died'.
    #[getter]
    fn server_state(&self, py: Python<'_>) -> PyResult<&'static str> {
        self.endpoint
            .figure(py, KrenClient::server_state)
            .map(options::state_name)
    }

    /// Length in bytes of the longest request, if it names no method.
    #[getter]
    fn max_request_len(&self, py: Python<'_>) -> PyResult<usize> {
        self.endpoint.figure(py, KrenClient::max_request_len)
    }

    /// Whether the service's name does not lead here any more, since somebody has removed it.
    #[getter]
    fn is_removed(&self, py: Python<'_>) -> PyResult<bool> {
        self.endpoint.figure(py, KrenClient::is_removed)
    }

    /// Name of the service.
    #[getter]
    fn name(&self) -> &str {
        self.endpoint.name()
    }

    /// Whether this end was closed, by close() or by leaving a `with` block.
    #[getter]
    fn closed(&self) -> bool {
        self.endpoint.is_closed()
    }

    /// Close this end; calls that are under way are given up. Closing twice is no error.
    ///
    /// A call that another thread is waiting in ends with EndpointClosed, within 100 ms.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.endpoint
            .close(py, KrenClient::close)
            .map_err(|error| exception(py, &error))
    }

    fn __repr__(&self) -> String {
        self.endpoint.describe("Client")
    }
}

fn options_of(timeout: Timeout, tag: Tag, retry: bool, method: &str) -> CallOptions<'_> {
    let options = CallOptions::default()
        .tag(tag.0)
        .retry(retry)
        .method(method);
    match timeout.limit() {
        Some(limit) => options.timeout(limit),
        None => options,
    }
}

fn copy<'py>(py: Python<'py>, reply: &Reply) -> PyResult<Bound<'py, PyAny>> {
    message(py, reply, reply.tag(), None)
}
