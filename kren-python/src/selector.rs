//! The core's selector, for `kren.Selector`.

use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use kren_core::{Canceller, Error, Interest};
use pyo3::prelude::*;

use crate::detached::checked;
use crate::errors::exception;
use crate::timeout::Timeout;

/// What errors call it, which is no channel.
const NAME: &str = "(a selector)";

/// Waits for many ends; the keys are those of `kren.Selector`.
#[pyclass(frozen, module = "kren._kren")]
pub(crate) struct Selector {
    core: Mutex<Option<kren_core::Selector>>,
    canceller: Canceller,
}

#[pymethods]
impl Selector {
    #[new]
    fn new(py: Python<'_>) -> PyResult<Self> {
        let core = kren_core::Selector::new().map_err(|error| exception(py, &error))?;
        Ok(Self {
            canceller: core.canceller(),
            core: Mutex::new(Some(core)),
        })
    }

    fn add_timer(
        &self,
        py: Python<'_>,
        key: u64,
        first: Timeout,
        period: Option<Timeout>,
    ) -> PyResult<()> {
        let never = Duration::MAX;
        let first = first.limit().unwrap_or(never);
        let period = period.map(|period| period.limit().unwrap_or(never));
        self.with(py, |core| core.add_timer(key, first, period))
    }

    fn remove(&self, py: Python<'_>, key: u64) -> PyResult<bool> {
        self.with(py, |core| Ok(core.remove(key)))
    }

    /// Returns the keys of all that is ready, or gone, or due.
    fn wait(&self, py: Python<'_>, timeout: Timeout) -> PyResult<Vec<u64>> {
        let mut guard = self.hold(py)?;
        let Some(core) = guard.as_mut() else {
            return Err(closed(py));
        };
        let limit = timeout.limit();
        let events = checked(py, NAME, || false, |check| core.wait_checking(limit, check))
            .map_err(|failure| failure.into_exception(py))?;
        Ok(events.iter().map(|event| event.key).collect())
    }

    /// Ends the wait under way, or the next one, with Interrupted.
    fn cancel(&self) {
        self.canceller.cancel();
    }

    /// Takes everything out, after a wait that is under way in another thread has ended.
    fn close(&self, py: Python<'_>) {
        loop {
            match self.core.try_lock() {
                Ok(mut core) => return drop(core.take()),
                Err(TryLockError::Poisoned(core)) => return drop(core.into_inner().take()),
                Err(TryLockError::WouldBlock) => {
                    self.canceller.cancel();
                    py.detach(|| std::thread::sleep(Duration::from_millis(1)));
                }
            }
        }
    }
}

impl Selector {
    pub(crate) fn add(&self, py: Python<'_>, key: u64, interest: Interest) -> PyResult<()> {
        self.with(py, |core| core.add(key, interest))
    }

    fn with<R>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut kren_core::Selector) -> kren_core::Result<R>,
    ) -> PyResult<R> {
        match self.hold(py)?.as_mut() {
            Some(core) => work(core).map_err(|error| exception(py, &error)),
            None => Err(closed(py)),
        }
    }

    fn hold(&self, py: Python<'_>) -> PyResult<MutexGuard<'_, Option<kren_core::Selector>>> {
        match self.core.try_lock() {
            Ok(core) => Ok(core),
            Err(TryLockError::Poisoned(core)) => Ok(PoisonError::into_inner(core)),
            Err(TryLockError::WouldBlock) => {
                let channel = NAME.into();
                Err(exception(py, &Error::Busy { channel }))
            }
        }
    }
}

fn closed(py: Python<'_>) -> PyErr {
    let channel = NAME.into();
    exception(py, &Error::Interrupted { channel })
}
