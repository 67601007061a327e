//! Registries: who owns one, who is a member. `docs/spec/registry.md`.

use super::claim::{self, Claim};
use super::lane::{ENDS, Way, lane_name};
use super::seating::Seating;
use super::{Access, Segment, Wish, open};
use crate::Result;
use crate::gates;
use crate::layout::{Seat, SegmentHeader};
use crate::os::{Object, Place};
use crate::ring::Shape;
use crate::ring_memory::RingMemory;
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Finds the registry or makes it, and takes a member's seat: that of `claim`, if it finds one (I7).
pub(crate) fn open_member(
    name: &str,
    wish: &Wish,
    access: Access,
    claim: Option<&mut Claim<'_>>,
    check: &mut dyn FnMut() -> Result<()>,
) -> Result<Segment> {
    let claim = RefCell::new(claim);
    open(name, wish, access, check, &|name, object, header| {
        if let Some(claim) = &mut *claim.borrow_mut()
            && let Some(seat) = claim::take_seat(name, object, header, access, claim)?
        {
            return Ok(seat);
        }
        take_seat(name, object, header, access)
    })
}

/// Takes a seat that is free: nobody holds it, and nothing is left in the lanes of its last session (I3).
fn take_seat(
    name: &Arc<str>,
    object: &Object,
    header: &SegmentHeader,
    access: Access,
) -> Result<Seat> {
    let taken = Seating::new(name, object, header)?.take(|seating| {
        for seat in gates::seats(&seating.pages) {
            if !seating.try_hold(seat)? {
                continue;
            }
            let presence = &seating.pages.page(seat).presence.0;
            let session = presence.session.load(Ordering::Acquire);
            let lanes = || lanes(name, header.instance, seat, session);
            tidy(lanes(), access);
            if !stand(lanes(), access) {
                return Ok(Some(seat));
            }
            seating.let_go(seat);
        }
        Ok(None)
    })?;
    taken.ok_or_else(|| Seating::full(name, header))
}

/// The names of the lanes of a session; and of the session before, one of which a dealer may have made when the seat was
/// just taken anew (Q4).
fn lanes(
    name: &str,
    instance: u64,
    seat: Seat,
    session: u32,
) -> impl Iterator<Item = (Arc<str>, Way)> {
    [session, session.saturating_sub(1)]
        .into_iter()
        .filter(|session| *session > 0)
        .flat_map(move |session| {
            [Way::Forth, Way::Back].map(|way| {
                let lane = lane_name(name, instance, seat, session, way);
                (lane.into(), way)
            })
        })
}

/// Whether one of these lanes stands.
fn stand(mut lanes: impl Iterator<Item = (Arc<str>, Way)>, access: Access) -> bool {
    // What cannot be looked at is there.
    lanes.any(|(lane, _)| {
        let found = Place::new(&lane, access.machine_wide).open(true);
        !matches!(found, Ok(None))
    })
}

/// Removes what a session that is over has left in its lanes for nobody (I3). Not while a name is being removed: some systems
/// have one lock for that.
fn tidy(lanes: impl Iterator<Item = (Arc<str>, Way)>, access: Access) {
    for (lane, way) in lanes {
        let place = Place::new(&lane, access.machine_wide);
        if let Ok(Some(object)) = place.open(true) {
            let is_waste = || way == Way::Back || is_empty(&lane, &object);
            object.remove_if_alone(&place, ENDS, is_waste);
        }
    }
}

/// Whether nothing is left in a lane, and nobody goes on from it (I7); what cannot be judged is not nothing.
fn is_empty(lane: &Arc<str>, object: &Object) -> bool {
    let Ok(header) = super::read_header(lane, object) else {
        return false;
    };
    header.origin.is_none() && has_nothing(object, &header)
}

fn has_nothing(object: &Object, header: &SegmentHeader) -> bool {
    let Ok(mapping) = object.map(header.geometry, None, false) else {
        return false;
    };
    let memory = RingMemory::new(Arc::new(mapping), Seat::READER);
    matches!(
        super::survey(memory, Shape::new(&header.geometry)),
        Ok((0, _))
    )
}

/// Removes a lane that nobody goes on from any more (I7), once it is empty and nobody is on it, and the registry's name with it, if
/// nobody is there and no other lane stands. Tells whether the lane is gone.
pub(crate) fn remove_lane(registry: &Arc<str>, lane: &Arc<str>, access: Access) -> bool {
    let place = Place::new(lane, access.machine_wide);
    let Ok(Some(object)) = place.open(true) else {
        return true;
    };
    let is_drained =
        || super::read_header(lane, &object).is_ok_and(|header| has_nothing(&object, &header));
    object.remove_if_alone(&place, ENDS, is_drained);
    if object.is_named(&place).unwrap_or(true) {
        return false;
    }
    let place = Place::new(registry, access.machine_wide);
    if let Ok(Some(object)) = place.open(true)
        && let Ok(header) = super::read_header(registry, &object)
        && let Ok(pages) = object.map(header.geometry, None, false)
    {
        let has_lanes = || {
            gates::seats(&pages).any(|seat| {
                let session = pages.page(seat).presence.0.session.load(Ordering::Acquire);
                stand(lanes(registry, header.instance, seat, session), access)
            })
        };
        object.remove_if_alone(&place, header.geometry.seats(), || !has_lanes());
    }
    true
}

impl Segment {
    /// Whether a lane of any member stands.
    pub(crate) fn has_lanes(&self, access: Access) -> bool {
        gates::seats(&*self.mapping).any(|seat| stand(self.lanes(seat), access))
    }

    /// Removes what members that are gone have left in their lanes for nobody.
    pub(crate) fn tidy_lanes(&self, access: Access) {
        for seat in gates::seats(&*self.mapping) {
            // Before the look at who is there: whoever comes later has other lanes.
            let lanes = self.lanes(seat);
            if !self.is_held(seat) {
                tidy(lanes, access);
            }
        }
    }

    /// Those of the last session at `seat`.
    fn lanes(&self, seat: Seat) -> impl Iterator<Item = (Arc<str>, Way)> + '_ {
        let session = &self.mapping.page(seat).presence.0.session;
        let session = session.load(Ordering::Acquire);
        lanes(&self.name, self.instance, seat, session)
    }
}
