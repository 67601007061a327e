//! The words of a registry that all its sides read: who has which seat, and that something has changed.
//! `docs/spec/registry.md`, I4 and Q4.

use crate::gates::{self, Pages};
use crate::layout::{Commons, Seat};
use crate::sync::Ordering;

#[cfg(not(loom))]
use crate::os::Signal;
#[cfg(loom)]
use crate::wait::model::Signal;

/// One session of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) seat: Seat,
    pub(crate) session: u32,
}

/// The last session at `seat`.
pub(crate) fn last(pages: &impl Pages, seat: Seat) -> Member {
    let presence = &pages.page(seat).presence.0;
    Member {
        seat,
        // Acquire: pairs with the Release stores in `Endpoint::attach`.
        session: presence.session.load(Ordering::Acquire),
    }
}

/// The last session at each seat that ever had one.
pub(crate) fn members<P: Pages>(pages: &P) -> impl Iterator<Item = Member> + '_ {
    gates::seats(pages)
        .map(|seat| last(pages, seat))
        .filter(|member| member.session > 0)
}

/// The same, and the session before each: a lane of either may stand (Q4).
pub(crate) fn sessions<P: Pages>(pages: &P) -> impl Iterator<Item = Member> + '_ {
    members(pages).flat_map(|last| {
        let before = Member {
            session: last.session - 1,
            ..last
        };
        [before, last]
            .into_iter()
            .filter(|member| member.session > 0)
    })
}

/// Changes when a member comes, has made its lane, or goes. One load.
#[inline]
pub(crate) fn epoch(commons: &Commons) -> u32 {
    // Acquire: pairs with the Release addition in `announce`.
    commons.epoch.0.load(Ordering::Acquire)
}

/// Says that something has changed to whoever looks at the epoch or sleeps on it (I4).
pub(crate) fn announce(commons: &Commons, signal: &Signal) {
    // Release: pairs with the Acquire load in `epoch`, which then sees what has changed.
    commons.epoch.0.fetch_add(1, Ordering::Release);
    signal.wake(&commons.epoch.0);
}
