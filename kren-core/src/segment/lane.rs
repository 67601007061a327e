//! What the lanes of a registry are called (`docs/spec/registry.md`, I2).

use crate::layout::Seat;
use std::sync::Arc;

/// The two sides of a lane.
pub(super) const ENDS: usize = 2;

/// Which way a lane leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Where messages start from: from senders to their inbox, from a dealer to its workers, from clients to their server.
    Forth,
    /// From a server to a client.
    Back,
}

/// The name of the lane of one session of a member (I2).
pub(crate) fn lane_name(
    registry: &str,
    instance: u64,
    seat: Seat,
    session: u32,
    way: Way,
) -> String {
    let back = match way {
        Way::Forth => "",
        Way::Back => "r",
    };
    // Half of the instance tells apart what stands under one name one after the other.
    let instance = instance as u32;
    format!(
        "{registry}@{instance:08x}.{}.{session}{back}",
        seat.number()
    )
}

/// The name that users know `name` by: a lane goes by its registry's.
pub(super) fn known_name(name: &Arc<str>) -> Arc<str> {
    match name.split_once('@') {
        Some((registry, _)) => registry.into(),
        None => Arc::clone(name),
    }
}
