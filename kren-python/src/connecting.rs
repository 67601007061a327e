//! What a search for a channel needs to be called off, and what it tells of what it found.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use kren_core::KrenReader;
use pyo3::prelude::*;

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
    pub(crate) fn of(core: &KrenReader) -> Self {
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
