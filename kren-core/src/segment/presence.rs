//! Who is on a side of a segment: what its page says, held against what the kernel says.

use super::Segment;
use crate::layout::Seat;
use crate::layout::{Presence, STATE_CLOSED, STATE_NEVER, STATE_OPEN};
use crate::{Holder, os};
use std::sync::atomic::Ordering;

/// What is known of the other side of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PeerState {
    /// Nobody has taken the role since the channel was made.
    NeverAttached,
    /// A live process holds the role.
    Attached,
    /// The last holder closed its side.
    Closed,
    /// The last holder's process ended without closing.
    Died,
    /// It cannot be told: this process got the endpoint through `fork`, or has closed its lock. Every call
    /// that can fail says which.
    Unknown,
}

impl Presence {
    /// The process that held the side when it died, as an error names it. It is neither this one nor still dying,
    /// whatever goes by its number now.
    pub(crate) fn last_holder(&self) -> Holder {
        match self.holder() {
            Holder::Own(pid) | Holder::Dying(pid) => Holder::Other(pid),
            holder => holder,
        }
    }

    /// The process that holds the side, as an error names it.
    pub(crate) fn holder(&self) -> Holder {
        let pid = self.pid.load(Ordering::Relaxed);
        let (there, here) = (self.pid_space.load(Ordering::Relaxed), os::pid_space());
        if there != here && there != 0 && here != 0 {
            return Holder::Elsewhere(pid);
        }
        match pid {
            0 => Holder::Unknown,
            pid if pid == std::process::id() => Holder::Own(pid),
            pid if os::is_dying(pid) => Holder::Dying(pid),
            pid => Holder::Other(pid),
        }
    }
}

/// How often to look again at a side that is replaced while one looks.
const LOOKS: u32 = 16;

impl Segment {
    /// Who holds `seat`, which is not the caller's own. Asks the kernel when the page says that somebody is there.
    pub(crate) fn state_of(&self, seat: Seat) -> PeerState {
        let presence = &self.mapping.page(seat).presence.0;
        for _ in 0..LOOKS {
            // Acquire: pairs with the Release stores in `Endpoint::attach` and `announce_closed`.
            let session = presence.session.load(Ordering::Acquire);
            match presence.state.load(Ordering::Acquire) {
                STATE_NEVER => return PeerState::NeverAttached,
                STATE_OPEN if self.is_held(seat) => return PeerState::Attached,
                STATE_OPEN => {
                    // The lock was free. Unless the side was taken anew meanwhile, its holder died.
                    if presence.session.load(Ordering::Acquire) == session
                        && presence.state.load(Ordering::Acquire) == STATE_OPEN
                    {
                        return PeerState::Died;
                    }
                }
                // Whoever holds the lock: a side that is closing, or one that is about to attach. A close
                // is reported the moment it is stored.
                STATE_CLOSED => return PeerState::Closed,
                // A number that KREN does not store.
                _ if self.is_held(seat) => return PeerState::Attached,
                _ => return PeerState::Closed,
            }
        }
        // Words that change at every look are being stored by somebody who lives (G7: no hang).
        PeerState::Attached
    }
}
