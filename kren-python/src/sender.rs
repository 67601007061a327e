//! `kren.Sender`, as far as it is more than a writer, and who a sender is.

use kren_core::{KrenSender, KrenWriter, SenderId as Id};
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::detached::checked;
use crate::options::{self, with_access};
use crate::writer::Writer;

/// One of the writing ends of an inbox (native half; use kren.Sender).
#[pyclass(frozen, subclass, extends = Writer, module = "kren._kren")]
pub(crate) struct Sender;

#[pymethods]
impl Sender {
    #[new]
    #[pyo3(
        signature = (
            name, *, capacity=None, senders=None, alignment=None, mode=None, any_owner=false,
            strategy=None
        ),
        text_signature = "(name, *, capacity=1048576, senders=64, alignment=None, mode=None, \
                          any_owner=False, strategy='adaptive')"
    )]
    #[allow(clippy::too_many_arguments, reason = "keyword arguments in Python")]
    fn new(
        py: Python<'_>,
        name: &Bound<'_, PyString>,
        capacity: Option<&Bound<'_, PyAny>>,
        senders: Option<&Bound<'_, PyAny>>,
        alignment: Option<&Bound<'_, PyAny>>,
        mode: Option<&Bound<'_, PyAny>>,
        any_owner: bool,
        strategy: Option<&Bound<'_, PyString>>,
    ) -> PyResult<PyClassInitializer<Self>> {
        let name = options::channel_name(name);
        let mut settings =
            with_access!(KrenSender::options(), py, &name, mode, any_owner, strategy);
        if let Some(capacity) = capacity {
            settings = settings.capacity(options::capacity(&name, capacity)?);
        }
        if let Some(senders) = senders {
            settings = settings.senders(options::integer(&name, "senders", senders)?);
        }
        if let Some(alignment) = alignment {
            settings = settings.alignment(options::integer(&name, "alignment", alignment)?);
        }
        let channel = name.as_str();
        let made = checked(
            py,
            channel,
            || false,
            |_| {
                Ok(Writer::open(
                    channel,
                    settings.connect(channel)?.into_writer(),
                ))
            },
        );
        made.map(|writer| PyClassInitializer::from(writer).add_subclass(Self))
            .map_err(|failure| failure.into_exception(py))
    }

    /// How the inbox stands: 'never_attached', 'attached', 'closed' or 'died'.
    #[getter]
    fn inbox_state(this: &Bound<'_, Self>) -> PyResult<&'static str> {
        this.as_super()
            .get()
            .look_if_usable(this.py(), KrenWriter::inbox_state)
            .map(options::state_name)
    }

    /// Who this is to the inbox: the `sender` of the messages that it gets from here.
    #[getter]
    fn id(this: &Bound<'_, Self>) -> PyResult<SenderId> {
        let number = this
            .as_super()
            .get()
            .look_if_usable(this.py(), KrenWriter::sender_number)?;
        Ok(SenderId {
            number,
            pid: std::process::id(),
        })
    }

    fn __repr__(this: &Bound<'_, Self>) -> String {
        this.as_super().get().describe("Sender")
    }
}

/// Who a message, or a request, is from.
#[pyclass(frozen, get_all, eq, hash, module = "kren")]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SenderId {
    /// Tells it from every other one that this inbox, or server, has had.
    number: u64,
    /// Its process id, for people; 0 where that means nothing here, as that of another container's process.
    pid: u32,
}

impl From<Id> for SenderId {
    fn from(id: Id) -> Self {
        Self {
            number: id.number,
            pid: id.pid,
        }
    }
}

#[pymethods]
impl SenderId {
    fn __repr__(&self) -> String {
        format!("SenderId(number={}, pid={})", self.number, self.pid)
    }
}

/// A sender that is gone, and from which nothing more comes: an item of Inbox.departures().
#[pyclass(frozen, get_all, eq, module = "kren")]
#[derive(PartialEq, Eq)]
pub(crate) struct Departure {
    /// Who it was: the `sender` of its messages.
    sender: SenderId,
    /// Whether it died; else it has closed.
    died: bool,
}

impl From<kren_core::Departure> for Departure {
    fn from(gone: kren_core::Departure) -> Self {
        Self {
            sender: gone.sender.into(),
            died: gone.died,
        }
    }
}

#[pymethods]
impl Departure {
    fn __repr__(&self) -> String {
        let died = if self.died { "True" } else { "False" };
        format!("Departure(sender={}, died={died})", self.sender.__repr__())
    }
}
