//! What all ends have in common from which something is taken: the next one at once, or after a wait.

use std::time::Duration;

use kren_core::Error;
use pyo3::prelude::*;

use crate::detached::Check;
use crate::endpoint::{Endpoint, Held};
use crate::errors::Failure;
use crate::timeout::{Deadline, Timeout};

/// A core from which messages, or requests, are taken.
pub(crate) trait Source: Send {
    type Item<'a>
    where
        Self: 'a;

    /// The next one, if there is one now.
    fn try_take(&mut self) -> kren_core::Result<Option<Self::Item<'_>>>;

    /// Looks for one for a few microseconds; `false` where that is not worth while.
    fn poll(&mut self) -> bool {
        false
    }

    /// Waits until there is one.
    fn wait(&mut self, timeout: Option<Duration>, check: Check<'_>) -> kren_core::Result<()>;

    /// Bytes of the ring that this side keeps.
    fn held(&self) -> usize {
        0
    }
}

/// What comes next, converted, after a wait of `timeout` at most.
pub(crate) fn next<C: Source, R>(
    py: Python<'_>,
    endpoint: &Endpoint<C>,
    timeout: Timeout,
    convert: impl Fn(C::Item<'_>) -> Result<R, Failure>,
) -> Result<R, Failure> {
    let mut core = endpoint.hold(py)?;
    let mut deadline = None;
    loop {
        if let Some(item) = core.try_take()? {
            return convert(item);
        }
        wait(py, &mut core, timeout, &mut deadline)?;
    }
}

/// What is there now, converted.
pub(crate) fn if_any<C: Source, R>(
    py: Python<'_>,
    endpoint: &Endpoint<C>,
    convert: impl Fn(C::Item<'_>) -> Result<R, Failure>,
) -> Result<Option<R>, Failure> {
    let mut core = endpoint.hold(py)?;
    match core.try_take()? {
        Some(item) => convert(item).map(Some),
        None => Ok(None),
    }
}

/// Waits, as long as `deadline` allows, which is `timeout` from the first call on.
pub(crate) fn wait<C: Source>(
    py: Python<'_>,
    core: &mut Held<'_, C>,
    timeout: Timeout,
    deadline: &mut Option<Deadline>,
) -> Result<(), Failure> {
    // Before the GIL is given away: taking it back costs more than most waits last.
    if !timeout.is_zero() && core.poll() {
        return Ok(());
    }
    let left = deadline
        .get_or_insert_with(|| Deadline::after(timeout))
        .left();
    let waited = core.wait(py, |core, check| Source::wait(core, left, check));
    match waited {
        Err(Failure::Channel(error @ Error::TimedOut { .. })) if core.held() > 0 => {
            let held = core.held();
            Err(Failure::TimedOutHolding(error, held))
        }
        waited => waited,
    }
}
