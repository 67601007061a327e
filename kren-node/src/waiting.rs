//! Waits that must be able to end early: because a worker is being terminated, or a promise was
//! given up.

use std::time::{Duration, Instant};

use kren_core::{Error, KrenReader, ReaderOptions, Result};

use crate::context::Context;
use crate::value::Stop;

/// Runs `wait`, which gets the check that the core calls while it waits, and tells an end of the
/// context from an end of the wait.
pub(crate) fn blocking(
    context: &Context,
    channel: &str,
    wait: impl FnOnce(&mut dyn FnMut() -> Result<()>) -> Result<()>,
) -> std::result::Result<(), Stop> {
    let mut unwind = false;
    let outcome = wait(&mut || {
        unwind = context.interrupted();
        if unwind {
            Err(Error::Interrupted {
                channel: channel.into(),
            })
        } else {
            Ok(())
        }
    });
    match outcome {
        Err(_) if unwind => Err(Stop::Unwind),
        other => other.map_err(Stop::Kren),
    }
}

/// How long one attempt to connect blocks.
const SLICE: Duration = Duration::from_millis(50);

/// Connects, waiting for the channel if need be; `None` when `go_on` said no. `timeout` of `None`
/// waits for ever.
pub(crate) fn connect_within(
    name: &str,
    options: &ReaderOptions,
    timeout: Option<Duration>,
    mut go_on: impl FnMut() -> bool,
) -> Option<Result<KrenReader>> {
    let started = Instant::now();
    loop {
        let left = timeout.map(|timeout| timeout.saturating_sub(started.elapsed()));
        let last = left.is_some_and(|left| left <= SLICE);
        let slice = left.unwrap_or(SLICE).min(SLICE);
        match options.clone().timeout(slice).connect(name) {
            Err(Error::NotFound { .. }) if !last => {}
            other => return Some(other),
        }
        if !go_on() {
            return None;
        }
    }
}
