//! An endpoint that somebody else waits for as well: a selector, which sleeps on a bell.
//!
//! An endpoint has one ticket, so one wait at a time is announced on it. A selector's is left standing until it was answered,
//! and gives way to a call of the endpoint's own that blocks; when that call has ended, the selector is told to look again.

use super::Endpoint;
use crate::gates;
use crate::layout::{RolePage, Seat};
use crate::segment::Bell;
use crate::wait::{bell, settle};
use crate::{Error, Result};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// One slot of a bell of this process.
#[derive(Clone)]
pub(crate) struct Spot {
    pub(crate) bell: Arc<Bell>,
    pub(crate) slot: u16,
}

impl Spot {
    /// As a page names it.
    fn word(&self) -> u64 {
        self.bell.id() | u64::from(self.slot)
    }

    pub(crate) fn ring(&self) {
        self.bell.ring(usize::from(self.slot));
    }
}

/// The selector of an endpoint.
#[derive(Default)]
pub(super) struct Watch {
    /// Whether there is one, for those who pass by often.
    is_on: AtomicBool,
    state: Mutex<Option<Watched>>,
}

struct Watched {
    spot: Spot,
    /// The ticket is odd on its behalf, and [`Endpoint::waiting`] is set.
    announced: bool,
}

impl Watch {
    fn lock(&self) -> MutexGuard<'_, Option<Watched>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Endpoint {
    /// From now on `spot` is rung whenever there may be something to see.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`]: there is a selector already. [`Error::Forked`].
    pub(crate) fn begin_watch(&self, spot: Spot) -> Result<()> {
        self.check_process()?;
        let mut state = self.watch.lock();
        if state.is_some() {
            return Err(Error::Busy {
                channel: Arc::clone(self.name()),
            });
        }
        *state = Some(Watched {
            spot,
            announced: false,
        });
        self.watch.is_on.store(true, Ordering::SeqCst);
        Ok(())
    }

    /// Nobody is rung any more.
    pub(crate) fn end_watch(&self) {
        if self.is_inherited() {
            return;
        }
        let mut state = self.watch.lock();
        if let Some(watched) = state.take() {
            self.retract(&watched);
        }
        self.watch.is_on.store(false, Ordering::SeqCst);
    }

    /// Announces that the selector sleeps until the peer has reached `wanted`, anew if it has done so before. A
    /// barrier, and another look, must follow.
    ///
    /// `false`: a thread blocks on the endpoint, or it is being closed, and the bell will be rung then.
    pub(crate) fn announce(&self, wanted: u64) -> bool {
        let mut state = self.watch.lock();
        let Some(watched) = state.as_mut() else {
            return false;
        };
        // Under the lock: whoever closes the endpoint takes it after it has said so.
        if self.closing.load(Ordering::SeqCst) {
            return false;
        }
        if !watched.announced && self.waiting.swap(true, Ordering::SeqCst) {
            return false;
        }
        watched.announced = true;
        // Of a registry the owner knows whom it tells.
        let is_subscriber = self.segment.is_broadcast() && self.seat != Seat::WRITER;
        let epoch = self.commons().filter(|_| is_subscriber);
        let epoch = epoch.map(|commons| &commons.epoch.0);
        bell::announce(self.own(), epoch, wanted, watched.spot.word());
        true
    }

    /// Takes the announcement back.
    pub(crate) fn withdraw(&self) {
        if let Some(watched) = self.watch.lock().as_mut() {
            self.retract(watched);
            watched.announced = false;
        }
    }

    /// Whether this side's peer leaves the barrier to the sleeper.
    pub(crate) fn relies_on_barrier(&self) -> bool {
        self.peers().any(bell::relies_on_barrier)
    }

    /// The pages of all who may ring for this side.
    pub(super) fn peers(&self) -> impl Iterator<Item = &RolePage> {
        let mapping = self.mapping();
        let readers = gates::seats(&**mapping).filter(|_| self.seat == Seat::WRITER);
        let writer = (self.seat != Seat::WRITER).then_some(Seat::WRITER);
        readers.chain(writer).map(|seat| mapping.page(seat))
    }

    fn retract(&self, watched: &Watched) {
        if watched.announced {
            settle(self.own());
            self.waiting.store(false, Ordering::SeqCst);
        }
    }

    /// For a thread that blocks and finds the place taken: takes it from a selector. `false`: it is a thread's.
    pub(super) fn take_over(&self) -> bool {
        let mut state = self.watch.lock();
        if let Some(watched) = state.as_mut().filter(|watched| watched.announced) {
            settle(self.own());
            watched.announced = false;
            return true;
        }
        // Once more, now that no selector can come or go.
        !self.waiting.swap(true, Ordering::SeqCst)
    }

    /// A thread has blocked here; the selector is to look again.
    #[inline]
    pub(super) fn tell_watch(&self) {
        if self.watch.is_on.load(Ordering::SeqCst)
            && let Some(watched) = &*self.watch.lock()
        {
            watched.spot.ring();
        }
    }

    /// The endpoint is being closed: the selector is to see it.
    pub(super) fn leave_watch(&self) {
        let mut state = self.watch.lock();
        if let Some(watched) = state.as_mut() {
            self.retract(watched);
            watched.announced = false;
            watched.spot.ring();
        }
    }

    /// Whether this side is being closed, or was.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }

    /// Whether a wait until the peer has reached `wanted` must end because of the peer. Asks the system.
    ///
    /// A publisher's need not, but goes over those who are gone; and, where it does not wait for the slow, over those who
    /// have kept it waiting too long `since` then.
    pub(crate) fn is_deserted(&self, wanted: u64, since: Option<Instant>) -> bool {
        let is_over = |most: Duration| since.is_some_and(|since| since.elapsed() >= most);
        self.make_way(wanted, self.patience.is_some_and(is_over));
        self.look_at_peer().is_err()
    }

    /// The process that was last seen on the other side, and the space of its number.
    pub(crate) fn peer_process(&self) -> (u32, u32) {
        let presence = &self.peer().presence.0;
        (
            presence.pid.load(Ordering::Relaxed),
            presence.pid_space.load(Ordering::Relaxed),
        )
    }

    /// How often the peer was to ring a bell and could not (W9).
    pub(crate) fn unrung_by_peer(&self) -> u32 {
        let counts = self.peers().map(|peer| {
            let count = &peer.presence.0.unrung;
            count.load(Ordering::Relaxed)
        });
        counts.fold(0, u32::wrapping_add)
    }

    /// A reader has stepped over messages up to `cursor`, and not released them.
    pub(crate) fn has_read_to(&self, cursor: u64) {
        // Release: pairs with the Acquire load in `read_ahead`.
        self.read_ahead.fetch_max(cursor, Ordering::Release);
    }

    /// Where the last such message ends.
    pub(crate) fn read_ahead(&self) -> u64 {
        self.read_ahead.load(Ordering::Acquire)
    }
}
