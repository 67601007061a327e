//! Waiting for an endpoint from another thread than the one that uses it.

use crate::endpoint::{Endpoint, Spot, Wait};
use crate::interest::{Look, Point};
use crate::ring::RingError;
use crate::{Error, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

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
    /// For a wait in the background, which has no other beginning.
    begun: Instant,
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
            begun: Instant::now(),
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
            begun: Instant::now(),
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

    /// The name of the channel that this waits for.
    #[must_use]
    pub fn channel(&self) -> &str {
        self.endpoint.name()
    }

    /// Makes [`Waiter::wait`] return [`Error::Interrupted`], now or when it is called.
    ///
    /// Does not block. A thread that is just falling asleep may take up to 100 ms to notice.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::SeqCst);
        self.endpoint.rouse();
    }
}

impl Waiter {
    /// What a wait that has just been over comes to: nothing, or why there is no more to wait for.
    pub(crate) fn outcome(&self) -> Result<()> {
        self.endpoint.check_process()?;
        self.endpoint.check_open()?;
        match &self.awaited {
            Awaited::Arrival(over) => over().map(drop),
            Awaited::Progress(goal) => {
                (goal.sound)().map_err(|error| self.endpoint.ring_error(error))?;
                // Before `ready`: what the peer committed before it went is not passed over.
                let peer = self.endpoint.check_peer();
                if (goal.ready)() { Ok(()) } else { peer }
            }
        }
    }
}

/// Waited for by somebody who sleeps on a bell.
impl Point for Arc<Waiter> {
    fn name(&self) -> &Arc<str> {
        self.endpoint.name()
    }

    fn begin(&self, spot: Spot) -> Result<()> {
        self.endpoint.begin_watch(spot)
    }

    fn end(&self) {
        self.endpoint.end_watch();
    }

    fn look(&self) -> Look {
        if self.endpoint.is_closing() {
            return Look::Gone;
        }
        match &self.awaited {
            Awaited::Progress(goal) => {
                let gone = self.endpoint.peer_has_closed();
                match (goal.ready)() {
                    true => Look::Ready,
                    false if gone => Look::Gone,
                    false => Look::Not(goal.wanted),
                }
            }
            // An error is something to see as well.
            Awaited::Arrival(over) => match over() {
                Ok(false) => Look::Not(0),
                _ => Look::Ready,
            },
        }
    }

    fn announce(&self, wanted: u64) -> bool {
        self.endpoint.announce(wanted)
    }

    fn withdraw(&self) {
        self.endpoint.withdraw();
    }

    fn relies_on_barrier(&self) -> bool {
        self.endpoint.relies_on_barrier()
    }

    fn is_deserted(&self) -> bool {
        match &self.awaited {
            Awaited::Progress(goal) => {
                let since = goal.evicts.then_some(self.begun);
                self.endpoint.is_deserted(goal.wanted, since)
            }
            Awaited::Arrival(_) => false,
        }
    }

    fn peer(&self) -> (u32, u32) {
        self.endpoint.peer_process()
    }

    fn unrung(&self) -> u32 {
        self.endpoint.unrung_by_peer()
    }

    fn is_silent(&self) -> bool {
        matches!(self.awaited, Awaited::Arrival(_)) || self.endpoint.is_publisher()
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
