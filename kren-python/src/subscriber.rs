//! `kren.Subscriber`, as far as it is more than a reader.

use kren_core::{KrenReader, KrenSubscriber};
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::connecting::Stop;
use crate::errors::exception;
use crate::options::{self, Durable};
use crate::reader::{Reader, connect};
use crate::timeout::Timeout;

/// A reading end of a broadcast (native half; use kren.Subscriber).
#[pyclass(frozen, subclass, extends = Reader, module = "kren._kren")]
pub(crate) struct Subscriber;

#[pymethods]
impl Subscriber {
    #[new]
    #[pyo3(
        signature = (
            name, *, start=None, lossy=false, durable=Durable::NO, timeout=Timeout::ZERO, live=false,
            any_owner=false, strategy=None, prefault=false, machine_wide=false, _stop=None
        ),
        text_signature = "(name, *, start='newest', lossy=False, durable=False, timeout=0, \
                          live=False, any_owner=False, strategy='adaptive', prefault=False, \
                          machine_wide=False, _stop=None)"
    )]
    #[allow(clippy::too_many_arguments, reason = "keyword arguments in Python")]
    fn new(
        py: Python<'_>,
        name: &Bound<'_, PyString>,
        start: Option<&Bound<'_, PyAny>>,
        lossy: bool,
        durable: Durable,
        timeout: Timeout,
        live: bool,
        any_owner: bool,
        strategy: Option<&Bound<'_, PyString>>,
        prefault: bool,
        machine_wide: bool,
        _stop: Option<&Bound<'_, Stop>>,
    ) -> PyResult<PyClassInitializer<Self>> {
        let name = options::channel_name(name);
        let mut settings = KrenSubscriber::options()
            .live_publisher(live)
            .start(options::start_of_subscriber(py, &name, start)?)
            .lossy(lossy)
            .any_owner(any_owner)
            .strategy(options::strategy(py, &name, strategy)?)
            .prefault(prefault)
            .machine_wide(machine_wide);
        if let Some(identity) = durable.0 {
            settings = settings.durable(&identity);
        }
        let found = connect(py, &name, _stop.map(Bound::get), |check| {
            let core = settings.connect_within(&name, timeout.limit(), check)?;
            Ok(core.into_reader())
        });
        found
            .map(|reader| PyClassInitializer::from(reader).add_subclass(Self))
            .map_err(|failure| failure.into_exception(py))
    }

    /// The number of the next message, counted from 0 since the broadcast was made: what `start` takes, to
    /// go on here another time.
    #[getter]
    fn position(this: &Bound<'_, Self>) -> PyResult<u64> {
        this.as_super()
            .get()
            .look(this.py(), KrenReader::next_number)
    }

    /// Close this end for good: the place of a durable subscriber is given up too, and the publisher does
    /// not wait for it any more. Otherwise as close().
    fn unsubscribe(this: &Bound<'_, Self>) -> PyResult<()> {
        let py = this.py();
        let finish = |core: KrenReader| {
            core.give_up_place()?;
            core.close()
        };
        this.as_super()
            .get()
            .endpoint
            .close(py, finish)
            .map_err(|error| exception(py, &error))
    }

    fn __repr__(this: &Bound<'_, Self>) -> String {
        this.as_super().get().describe(this.py(), "Subscriber")
    }
}
