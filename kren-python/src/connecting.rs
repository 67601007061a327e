//! Finding the channel of a reader.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use kren_core::KrenReader;
use pyo3::prelude::*;

use crate::detached::checked;
use crate::endpoint::Endpoint;
use crate::errors::Failure;
use crate::reader::Reader;

/// What a core runs now and then while it waits.
pub(crate) type Check<'a> = &'a mut dyn FnMut() -> kren_core::Result<()>;

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

/// Says to a search for a channel, in another thread, that nobody wants its result any more.
///
/// Internal to kren: it is what `await kren.connect()` stands on.
#[pyclass(frozen, module = "kren._kren")]
pub(crate) struct Stop(AtomicBool);

#[pymethods]
impl Stop {
    #[new]
    fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    /// Has the search end within 100 ms.
    fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Stop {
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The figures of a channel, as they were when its core was last looked at: it may be closed by now, or in use.
pub(crate) struct Shape {
    pub(crate) capacity: AtomicUsize,
    pub(crate) alignment: AtomicUsize,
}

impl Shape {
    fn of(core: &KrenReader) -> Self {
        Self {
            capacity: AtomicUsize::new(core.capacity()),
            alignment: AtomicUsize::new(core.alignment()),
        }
    }

    /// A reader that moves over to a new channel of its name finds other figures there.
    pub(crate) fn renew(&self, core: &KrenReader) {
        self.capacity.store(core.capacity(), Ordering::Relaxed);
        self.alignment.store(core.alignment(), Ordering::Relaxed);
    }
}
