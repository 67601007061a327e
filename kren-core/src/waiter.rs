//! Waiting for an endpoint from another thread than the one that uses it.

use crate::endpoint::{Endpoint, Wait};
use crate::ring::RingError;
use crate::{Error, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// One wait for readiness that can run on another thread while the endpoint's own thread goes on.
///
/// Event loops need this: the loop's thread tries without blocking, and when there is nothing, a
/// helper thread waits and then tells the loop. A waiter consumes nothing; after it returns, try
/// again on the endpoint, which may still find nothing (a waiter may wake up early).
///
/// The endpoint's non-blocking calls may be used meanwhile. A blocking call that would have to
/// wait returns [`Error::Busy`] while a waiter waits, and the other way round.
pub struct Waiter {
    endpoint: Arc<Endpoint>,
    awaited: Awaited,
    cancelled: AtomicBool,
}

enum Awaited {
    /// Progress on the ring.
    Progress(Goal),
    /// Somebody on the other side: the closure tells whether it is worth another look.
    Arrival(Box<dyn Fn() -> Result<bool> + Send + Sync>),
}

type Ready = Box<dyn Fn() -> bool + Send + Sync>;
type Sound = Box<dyn Fn() -> std::result::Result<(), RingError> + Send + Sync>;

/// What is waited for: see [`Wait`].
pub(crate) struct Goal {
    pub(crate) ready: Ready,
    pub(crate) sound: Sound,
    pub(crate) wanted: u64,
    pub(crate) what: &'static str,
    pub(crate) evicts: bool,
}

impl Waiter {
    pub(crate) fn new(endpoint: Arc<Endpoint>, goal: Goal) -> Self {
        Self {
            endpoint,
            awaited: Awaited::Progress(goal),
            cancelled: AtomicBool::new(false),
        }
    }

    pub(crate) fn for_arrival(
        endpoint: Arc<Endpoint>,
        over: impl Fn() -> Result<bool> + Send + Sync + 'static,
    ) -> Self {
        Self {
            endpoint,
            awaited: Awaited::Arrival(Box::new(over)),
            cancelled: AtomicBool::new(false),
        }
    }

    /// Blocks the calling thread until the endpoint is likely to make progress.
    ///
    /// `timeout` of `None` waits for ever.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`]; [`Error::Interrupted`] after [`Waiter::cancel`] or when the endpoint was
    /// closed; [`Error::Closed`] or [`Error::PeerDied`] when the other side is gone and nothing is
    /// left to do; [`Error::Busy`] when another thread waits on the endpoint; [`Error::Corrupt`];
    /// [`Error::Forked`].
    pub fn wait(&self, timeout: Option<Duration>) -> Result<()> {
        self.endpoint.check_process()?;
        let cancelled = || self.cancelled.load(Ordering::SeqCst);
        let result = match &self.awaited {
            Awaited::Progress(goal) => {
                let mut ready = || cancelled() || (goal.ready)();
                let mut wait = Wait {
                    ready: &mut ready,
                    sound: &goal.sound,
                    wanted: goal.wanted,
                    what: goal.what,
                    timeout,
                    evicts: goal.evicts,
                };
                self.endpoint.wait(&mut wait, &mut || Ok(()))
            }
            Awaited::Arrival(over) => {
                let over = || Ok(cancelled() || over()?);
                self.endpoint
                    .wait_for_arrival(timeout, &over, &mut || Ok(()))
            }
        };
        if self.cancelled.load(Ordering::SeqCst) {
            return Err(Error::Interrupted {
                channel: Arc::clone(self.endpoint.name()),
            });
        }
        result
    }

    /// Makes [`Waiter::wait`] return [`Error::Interrupted`], now or when it is called.
    ///
    /// Does not block. A thread that is just falling asleep may take up to 100 ms to notice.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::SeqCst);
        self.endpoint.rouse();
    }
}

impl std::fmt::Debug for Waiter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waiter")
            .field("channel", self.endpoint.name())
            .field(
                "what",
                &match &self.awaited {
                    Awaited::Progress(goal) => goal.what,
                    Awaited::Arrival(_) => "live writer",
                },
            )
            .finish_non_exhaustive()
    }
}
