//! `kren.Server` and the requests that it gets, as far as they are native.
#![allow(unsafe_code)]

use std::ffi::c_int;
use std::sync::Arc;
use std::time::Duration;

use kren_core::{KrenServer, Request as Asked};
use pyo3::exceptions::PyValueError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMemoryView, PyString};

use crate::buffer::with_payload;
use crate::connecting::Stop;
use crate::detached::{Check, checked};
use crate::endpoint::Endpoint;
use crate::errors::exception;
use crate::hold::Hold;
use crate::notifier::Notifier;
use crate::options::{self, Standby, Tag, with_access};
use crate::selector::Selector;
use crate::sender::SenderId;
use crate::source::{self, Source};
use crate::timeout::Timeout;

/// Seconds between two tries to hand over what is kept for slow clients.
const RETRY: f64 = 0.001;

/// The answering end of a service (native half; use kren.Server).
#[pyclass(frozen, subclass, module = "kren._kren")]
pub(crate) struct Server {
    endpoint: Arc<Endpoint<Serving>>,
}

/// A core, and the request that a wait of it has found.
pub(crate) struct Serving {
    core: KrenServer,
    found: Option<Asked>,
}

#[pymethods]
impl Server {
    #[new]
    #[pyo3(
        signature = (
            name, *, capacity=None, clients=None, standby=Standby::NO, mode=None, any_owner=false,
            strategy=None, _stop=None
        ),
        text_signature = "(name, *, capacity=1048576, clients=64, standby=False, mode=None, \
                          any_owner=False, strategy='adaptive', _stop=None)"
    )]
    #[allow(clippy::too_many_arguments, reason = "keyword arguments in Python")]
    fn new(
        py: Python<'_>,
        name: &Bound<'_, PyString>,
        capacity: Option<&Bound<'_, PyAny>>,
        clients: Option<&Bound<'_, PyAny>>,
        standby: Standby,
        mode: Option<&Bound<'_, PyAny>>,
        any_owner: bool,
        strategy: Option<&Bound<'_, PyString>>,
        _stop: Option<&Bound<'_, Stop>>,
    ) -> PyResult<Self> {
        let name = options::channel_name(name);
        let mut settings =
            with_access!(KrenServer::options(), py, &name, mode, any_owner, strategy);
        if let Some(capacity) = capacity {
            settings = settings.capacity(options::capacity(&name, capacity)?);
        }
        if let Some(clients) = clients {
            settings = settings.clients(options::integer(&name, "clients", clients)?);
        }
        if let Some(timeout) = standby.0 {
            settings = settings.standby(timeout);
        }
        let channel = name.as_str();
        let stop = _stop.map(Bound::get);
        let made = checked(
            py,
            channel,
            || stop.is_some_and(Stop::is_set),
            |check| {
                let core = settings.create_checked(channel, check)?;
                Ok(Endpoint::open(channel, Serving { core, found: None }))
            },
        );
        made.map(|endpoint| Self { endpoint })
            .map_err(|failure| failure.into_exception(py))
    }

    /// Return the next request, waiting for it, and for the first client, if need be.
    ///
    /// timeout: seconds to wait; None waits for ever, 0 does not wait.
    ///
    /// Other threads run while this one waits, and signal handlers run, so Ctrl-C works; it loses no request.
    ///
    /// Raises TimedOut when none came in time.
    #[pyo3(signature = (timeout=Timeout::NONE), text_signature = "($self, timeout=None)")]
    fn read(&self, py: Python<'_>, timeout: Timeout) -> PyResult<Request> {
        source::next(py, &self.endpoint, timeout, |asked| Ok(Request::new(asked)))
            .map_err(|failure| failure.into_exception(py))
    }

    /// Return the next request, or None when there is none now; never waits.
    fn try_read(&self, py: Python<'_>) -> PyResult<Option<Request>> {
        source::if_any(py, &self.endpoint, |asked| Ok(Request::new(asked)))
            .map_err(|failure| failure.into_exception(py))
    }

    /// The clients that are there: a list of SenderId.
    #[getter]
    fn clients(&self, py: Python<'_>) -> PyResult<Vec<SenderId>> {
        let known = self.endpoint.figure(py, |serving| serving.core.clients())?;
        Ok(known.into_iter().map(SenderId::from).collect())
    }

    /// Whether the service's name does not lead here any more, since somebody has removed it.
    #[getter]
    fn is_removed(&self, py: Python<'_>) -> PyResult<bool> {
        self.endpoint
            .figure(py, |serving| serving.core.is_removed())
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

    /// Close this end; closing twice is no error.
    ///
    /// Requests that were not answered fail at their clients, or go to a server that stands by. A call that
    /// another thread is waiting in ends with EndpointClosed, within 100 ms.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.endpoint
            .close(py, |serving| {
                drop(serving.found);
                serving.core.close()
            })
            .map_err(|error| exception(py, &error))
    }

    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Request> {
        self.read(py, Timeout::NONE)
    }

    fn __repr__(&self) -> String {
        self.endpoint.describe("Server")
    }

    /// Has a selector wait for a request (for `kren.Selector`).
    fn _select(&self, py: Python<'_>, selector: &Selector, key: u64) -> PyResult<()> {
        let interest = self.endpoint.ask(py, |serving| serving.core.readable())?;
        selector.add(py, key, interest)
    }

    /// Has the notifier wait for a request (for asyncio), and returns after how many seconds to try anyway.
    fn _arm(&self, py: Python<'_>, notifier: &Notifier) -> PyResult<Option<f64>> {
        let (interest, is_behind) = self.endpoint.ask(py, |serving| {
            Ok((serving.core.readable()?, serving.core.is_behind()))
        })?;
        notifier.arm_for(py, interest)?;
        Ok(is_behind.then_some(RETRY))
    }
}

impl Source for Serving {
    type Item<'a> = Asked;

    fn try_take(&mut self) -> kren_core::Result<Option<Asked>> {
        match self.found.take() {
            Some(found) => Ok(Some(found)),
            None => self.core.try_next(),
        }
    }

    fn wait(&mut self, timeout: Option<Duration>, check: Check<'_>) -> kren_core::Result<()> {
        self.found = Some(self.core.next_checking(timeout, check)?);
        Ok(())
    }
}

/// A request: what Server.read() returns, and iterating over a server.
///
/// It is a read-only buffer over the bytes in the ring: memoryview(request), numpy.frombuffer(request),
/// bytes(request), request[:4] and len(request) work, until it is answered. Buffers taken from it that are still
/// in use then keep the bytes for as long.
///
/// It is answered once, by reply() or fail(), or several times by item() and then once by end(); from any thread, and
/// in any order with other requests. One that is collected unanswered fails at the client.
#[pyclass(frozen, module = "kren")]
pub(crate) struct Request {
    hold: Hold<Asked>,
    tag: u32,
    client: SenderId,
    method: String,
}

impl Request {
    fn new(asked: Asked) -> Self {
        let mapped = asked.mapped();
        Self {
            tag: asked.tag(),
            client: asked.client().into(),
            method: asked.method().into_owned(),
            hold: Hold::new(asked, mapped),
        }
    }

    /// Answers, and lets go of the bytes if that was the last answer.
    fn answer(
        &self,
        py: Python<'_>,
        is_last: bool,
        answer: impl FnOnce(&mut Asked) -> kren_core::Result<()>,
    ) -> PyResult<()> {
        let answered = self
            .hold
            .with(answer)
            .map_err(|_| PyValueError::new_err("this request was answered already"))?;
        answered.map_err(|error| exception(py, &error))?;
        if is_last {
            self.hold.release();
        }
        Ok(())
    }
}

#[pymethods]
impl Request {
    /// Answer, and end the call. Never waits: what a slow client has no room for is kept for it.
    ///
    /// data: any C-contiguous buffer, as for Writer.write().
    /// tag: a number of your own, which the client finds on the answer.
    ///
    /// Raises TooLarge, when another answer may follow; Full when the client has not read some 16 MiB of answers;
    /// ValueError when the request was answered already.
    #[pyo3(signature = (data=None, *, tag=Tag(0)), text_signature = "($self, data=b'', *, tag=0)")]
    fn reply(&self, py: Python<'_>, data: Option<&Bound<'_, PyAny>>, tag: Tag) -> PyResult<()> {
        let Some(data) = data else {
            return self.answer(py, true, |asked| asked.reply_holding(tag.0, &[]));
        };
        with_payload(data, |payload| {
            self.answer(py, true, |asked| {
                asked.reply_holding(tag.0, payload.bytes(py))
            })
        })
    }

    /// Give one of several answers; end() comes after the last one.
    ///
    /// data, tag: as for reply().
    ///
    /// Raises what reply() does, and Cancelled once the client has given the call up: then nothing more is wanted.
    #[pyo3(signature = (data, *, tag=Tag(0)), text_signature = "($self, data, *, tag=0)")]
    fn item(&self, py: Python<'_>, data: &Bound<'_, PyAny>, tag: Tag) -> PyResult<()> {
        with_payload(data, |payload| {
            self.answer(py, false, |asked| {
                asked.item_tagged(tag.0, payload.bytes(py))
            })
        })
    }

    /// End several answers.
    fn end(&self, py: Python<'_>) -> PyResult<()> {
        self.answer(py, true, Asked::end_holding)
    }

    /// Say that the call has failed: the client's call raises Remote, with this code and text.
    ///
    /// code: a number of your own, 0 to 4294967039; KREN's are above.
    /// text: what went wrong, for people.
    #[pyo3(signature = (code, text=""))]
    fn fail(&self, py: Python<'_>, code: u32, text: &str) -> PyResult<()> {
        self.answer(py, true, |asked| asked.fail_holding(code, text))
    }

    /// The number that the client gave to the call; 0 unless it gave one.
    #[getter]
    fn tag(&self) -> u32 {
        self.tag
    }

    /// What is called; '' unless the client named a method.
    #[getter]
    fn method(&self) -> &str {
        &self.method
    }

    /// Who asks: a SenderId.
    #[getter]
    fn client(&self) -> SenderId {
        self.client
    }

    /// Seconds that are left of the time that the client waits; None if it waits for ever.
    #[getter]
    fn time_left(&self) -> PyResult<Option<f64>> {
        let left = self.hold.with(|asked| asked.time_left())?;
        Ok(left.map(|left| left.as_secs_f64()))
    }

    /// Whether the client has given the call up, as far as the server has heard: it hears of it when it looks for
    /// requests.
    #[getter]
    fn cancelled(&self) -> PyResult<bool> {
        self.hold.with(|asked| asked.is_cancelled())
    }

    /// Whether it was answered for good.
    #[getter]
    fn answered(&self) -> bool {
        self.hold.is_released()
    }

    fn __len__(&self) -> PyResult<usize> {
        self.hold.check()?;
        Ok(self.hold.len())
    }

    fn __getitem__<'py>(
        this: &Bound<'py, Self>,
        key: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        PyMemoryView::from(this)?.get_item(key)
    }

    fn __bytes__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        self.hold.copy(py)
    }

    /// Return a memoryview (what Python's own types call it from 3.12 on).
    #[pyo3(signature = (flags, /))]
    fn __buffer__<'py>(
        this: &Bound<'py, Self>,
        flags: c_int,
    ) -> PyResult<Bound<'py, PyMemoryView>> {
        let _ = flags;
        PyMemoryView::from(this)
    }

    fn __repr__(&self) -> String {
        let state = if self.hold.is_released() {
            ", answered"
        } else {
            ""
        };
        format!(
            "<kren.Request of {} bytes, method='{}', tag={}{state}>",
            self.hold.len(),
            self.method,
            self.tag
        )
    }

    /// # Safety
    ///
    /// `view` is Python's to give: writable.
    unsafe fn __getbuffer__(
        this: &Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        // SAFETY: the caller's promise.
        unsafe { this.get().hold.export(this.as_any(), let_go, view, flags) }
    }

    /// Does nothing, for what is released is the view's own object. Without it numpy would not ask for a buffer that
    /// lasts, and keep this object instead.
    ///
    /// # Safety
    ///
    /// Called by Python.
    #[allow(clippy::unused_self, reason = "the method's shape is Python's")]
    unsafe fn __releasebuffer__(&self, _view: *mut ffi::Py_buffer) {}
}

fn let_go(request: &Bound<'_, PyAny>) {
    // SAFETY: called with the request that `__getbuffer__` passed on.
    unsafe { request.cast_unchecked::<Request>() }
        .get()
        .hold
        .let_go();
}
