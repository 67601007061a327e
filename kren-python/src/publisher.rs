//! `kren.Publisher`, as far as it is more than a writer.

use kren_core::{KrenPublisher, KrenWriter, Subscriber as Known};
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::detached::checked;
use crate::notifier::Notifier;
use crate::options::{self, Count};
use crate::timeout::{Patience, Timeout};
use crate::writer::Writer;

/// The writing end of a broadcast (native half; use kren.Publisher).
#[pyclass(frozen, subclass, extends = Writer, module = "kren._kren")]
pub(crate) struct Publisher;

#[pymethods]
impl Publisher {
    #[new]
    #[pyo3(
        signature = (
            name, capacity, *, subscribers=None, evict_after=Patience::NONE, mode=None, alignment=None,
            fresh=false, any_owner=false, strategy=None, prefault=false, machine_wide=false
        ),
        text_signature = "(name, capacity, *, subscribers=16, evict_after=None, mode=None, \
                          alignment=None, fresh=False, any_owner=False, strategy='adaptive', \
                          prefault=False, machine_wide=False)"
    )]
    #[allow(clippy::too_many_arguments, reason = "keyword arguments in Python")]
    fn new(
        py: Python<'_>,
        name: &Bound<'_, PyString>,
        capacity: &Bound<'_, PyAny>,
        subscribers: Option<&Bound<'_, PyAny>>,
        evict_after: Patience,
        mode: Option<&Bound<'_, PyAny>>,
        alignment: Option<&Bound<'_, PyAny>>,
        fresh: bool,
        any_owner: bool,
        strategy: Option<&Bound<'_, PyString>>,
        prefault: bool,
        machine_wide: bool,
    ) -> PyResult<PyClassInitializer<Self>> {
        let name = options::channel_name(name);
        let capacity = options::capacity(&name, capacity)?;
        let mut settings = KrenPublisher::options()
            .fresh(fresh)
            .any_owner(any_owner)
            .strategy(options::strategy(py, &name, strategy)?)
            .prefault(prefault)
            .machine_wide(machine_wide);
        if let Some(seats) = subscribers {
            settings = settings.subscribers(options::integer(&name, "subscribers", seats)?);
        }
        if let Some(patience) = evict_after.0 {
            settings = settings.evict_after(patience);
        }
        if let Some(mode) = mode {
            settings = settings.mode(options::integer(&name, "mode", mode)?);
        }
        if let Some(alignment) = alignment {
            settings = settings.alignment(options::integer(&name, "alignment", alignment)?);
        }
        let channel = name.as_str();
        let made = checked(
            py,
            channel,
            || false,
            |check| {
                let core = settings.create_checked(channel, capacity, check)?;
                Ok(Writer::open(channel, core.into_writer()))
            },
        );
        made.map(|writer| PyClassInitializer::from(writer).add_subclass(Self))
            .map_err(|failure| failure.into_exception(py))
    }

    /// Wait until at least `count` subscribers are there.
    ///
    /// timeout: seconds to wait; None waits for ever, 0 does not wait.
    ///
    /// It is the cure for first messages that nobody got: a publisher without subscribers never waits.
    ///
    /// Raises TimedOut when there are fewer by then.
    #[pyo3(
        signature = (count, timeout=Timeout::NONE),
        text_signature = "($self, count, timeout=None)"
    )]
    fn wait_for_subscribers(
        this: &Bound<'_, Self>,
        count: Count,
        timeout: Timeout,
    ) -> PyResult<()> {
        let py = this.py();
        let waited = this
            .as_super()
            .get()
            .endpoint
            .hold(py)
            .and_then(|mut core| {
                core.wait(py, |core, check| {
                    core.wait_subscribed(count.0, timeout.limit(), check)
                })
            });
        waited.map_err(|failure| failure.into_exception(py))
    }

    /// Who is subscribed, and how far behind each is: a list of SubscriberInfo.
    #[getter]
    fn subscribers(this: &Bound<'_, Self>) -> PyResult<Vec<SubscriberInfo>> {
        let writer = this.as_super().get();
        let known = writer.look_if_usable(this.py(), KrenWriter::subscribers)?;
        Ok(known.iter().map(SubscriberInfo::of).collect())
    }

    /// Returns True when `count` subscribers are there (for asyncio), None otherwise; never waits.
    fn _subscribed(this: &Bound<'_, Self>, count: Count) -> PyResult<Option<bool>> {
        let py = this.py();
        let seen = this
            .as_super()
            .get()
            .endpoint
            .look(py, |core| core.is_subscribed(count.0));
        seen.and_then(|there| Ok(there?))
            .map(|there| there.then_some(true))
            .map_err(|failure| failure.into_exception(py))
    }

    /// Has the notifier wait for that (for asyncio).
    fn _arm_subscribed(this: &Bound<'_, Self>, notifier: &Notifier, count: Count) -> PyResult<()> {
        let py = this.py();
        let waiter = this
            .as_super()
            .get()
            .endpoint
            .hold(py)
            .and_then(|core| Ok(core.subscribers_waiter(count.0)?))
            .map_err(|failure| failure.into_exception(py))?;
        notifier.arm(py, waiter)
    }

    fn __repr__(this: &Bound<'_, Self>) -> String {
        this.as_super().get().describe("Publisher")
    }
}

/// What a publisher knows of one of its subscribers: an item of Publisher.subscribers.
#[pyclass(frozen, get_all, eq, module = "kren")]
#[derive(PartialEq, Eq)]
pub(crate) struct SubscriberInfo {
    /// The number of its seat, from 1.
    seat: usize,
    /// The process that holds the seat, or held it last; 0 when its number means nothing here, as that of
    /// another container's process.
    pid: u32,
    /// Whether it is there: 'attached', 'closed' or 'died'. Who is gone is listed only if it is durable.
    state: &'static str,
    /// Whether it never holds the publisher up.
    lossy: bool,
    /// Whether it holds the publisher up also when it is gone.
    durable: bool,
    /// How many messages it has not released.
    behind: u64,
    /// How many bytes of the ring these take.
    behind_bytes: u64,
}

impl SubscriberInfo {
    fn of(known: &Known) -> Self {
        Self {
            seat: known.seat,
            pid: known.holder.pid(),
            state: options::state_name(known.state),
            lossy: known.is_lossy,
            durable: known.is_durable,
            behind: known.behind,
            behind_bytes: known.behind_bytes,
        }
    }
}

#[pymethods]
impl SubscriberInfo {
    fn __repr__(&self) -> String {
        let flag = |is: bool| if is { "True" } else { "False" };
        format!(
            "SubscriberInfo(seat={}, pid={}, state='{}', lossy={}, durable={}, behind={}, behind_bytes={})",
            self.seat,
            self.pid,
            self.state,
            flag(self.lossy),
            flag(self.durable),
            self.behind,
            self.behind_bytes
        )
    }
}
