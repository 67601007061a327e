//! Waiting for somebody to come to the other side: a successor of one that has gone, or the first one.

use super::{Check, Endpoint};
use crate::segment::PeerState;
use crate::wait;
use crate::{Error, Result};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

impl Endpoint {
    /// How often the peer's role has been taken.
    pub(super) fn peer_session(&self) -> u32 {
        // Acquire: pairs with the Release stores in `attach`.
        self.peer().presence.0.session.load(Ordering::Acquire)
    }

    /// Whether the peer is there, or somebody has come who is not known yet and may have gone since.
    pub(crate) fn peer_has_come(&self) -> Result<bool> {
        Ok(
            self.peer_session() != self.known_session.load(Ordering::Relaxed)
                || self.peer_state()? == PeerState::Attached,
        )
    }

    /// The peer that is or was there is known from now on.
    pub(crate) fn know_peer(&self) {
        self.known_session
            .store(self.peer_session(), Ordering::Relaxed);
    }

    /// Nobody who was there before this side is known.
    pub(crate) fn know_nobody(&self) {
        self.known_session.store(0, Ordering::Relaxed);
    }

    /// Whether the name still leads to this segment. Asks the system.
    pub(crate) fn is_named(&self) -> bool {
        self.segment.is_named()
    }

    /// Waits until `over` says so, which is asked every 100 ms and whenever somebody takes the peer's role.
    /// `Busy` if another thread waits on this endpoint.
    pub(crate) fn wait_for_arrival(
        &self,
        timeout: Option<Duration>,
        over: &dyn Fn() -> Result<bool>,
        check: Check<'_>,
    ) -> Result<()> {
        let _waiting = self.begin_waiting()?;
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            self.check_open()?;
            self.check_usable()?;
            // Before `over`: who comes after that look changes it.
            let session = self.peer_session();
            if over()? {
                return Ok(());
            }
            check()?;
            let left = deadline.map_or(wait::SLICE, |deadline| {
                deadline.saturating_duration_since(Instant::now())
            });
            if left.is_zero() {
                return Err(Error::TimedOut {
                    channel: Arc::clone(self.name()),
                    what: "live writer",
                    after: timeout.unwrap_or_default(),
                });
            }
            let mut ready =
                || self.peer_session() != session || self.closing.load(Ordering::SeqCst);
            // Whatever the peer's position: who comes wakes this side.
            self.sleep(0, left, &mut ready);
        }
    }
}
