//! A lane that goes on where one of the same origin left off, whose writer is gone: `docs/spec/registry.md`, I7.

use super::lane::{ENDS, Way, lane_name};
use super::seating::Seating;
use super::{Access, Purpose, Segment, Wish, broken_ring, open_writer, read_header};
use crate::gates;
use crate::layout::{Origin, Seat, SegmentHeader};
use crate::os::{Object, Place};
use crate::ring::{Producer, Shape};
use crate::ring_memory::RingMemory;
use crate::{Error, Result};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What the lanes of an origin hold that nobody writes to any more.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct Left {
    /// The number there of the message behind the last one that came.
    pub next: u64,
    /// Messages that the owner has not released.
    pub undelivered: u64,
}

/// Says from which message on the new lane goes, or why there is to be none.
pub(crate) type Decide<'a> = &'a mut dyn FnMut(Option<Left>) -> Result<u64>;

/// Who would go on.
pub(crate) struct Claim<'a> {
    /// The lane that is to be made. `first` of its origin is as `decide` says.
    pub(crate) wish: Wish,
    pub(crate) decide: Decide<'a>,
    /// What it has said, if it was asked.
    pub(crate) first: Option<u64>,
}

/// Takes the seat at which a lane of the same origin stands, and makes the one that follows it; `None` where none stands.
pub(super) fn take_seat(
    name: &Arc<str>,
    object: &Object,
    header: &SegmentHeader,
    access: Access,
    claim: &mut Claim<'_>,
) -> Result<Option<Seat>> {
    claim.wish.purpose = Purpose::Lane(header.instance);
    claim.first = None;
    let mut held = None;
    let taken = Seating::new(name, object, header)?.take(|seating| {
        held = None;
        for seat in gates::seats(&seating.pages) {
            let presence = &seating.pages.page(seat).presence.0;
            let place = At {
                registry: name,
                instance: header.instance,
                seat,
                access,
            };
            let session = || presence.session.load(Ordering::Acquire);
            if !place.stands(session(), claim.origin()) {
                continue;
            }
            if !seating.try_hold(seat)? {
                held = Some(presence.holder());
                continue;
            }
            match claim.go_on(&place, session()) {
                Ok(true) => return Ok(Some(seat)),
                outcome => {
                    seating.let_go(seat);
                    outcome?;
                }
            }
        }
        Ok(None)
    })?;
    match (taken, held) {
        (None, Some(holder)) => Err(Error::WriterExists {
            channel: Arc::clone(name),
            holder,
        }),
        _ => Ok(taken),
    }
}

/// Removes the lanes of the sessions before `session` that one of the same origin has followed.
pub(crate) fn forget(
    registry: &Arc<str>,
    instance: u64,
    seat: Seat,
    session: u32,
    origin: &Origin,
    access: Access,
) {
    let at = At {
        registry,
        instance,
        seat,
        access,
    };
    for before in [session.saturating_sub(1), session.saturating_sub(2)] {
        at.remove(before, origin);
    }
}

/// A seat of a registry.
struct At<'a> {
    registry: &'a str,
    instance: u64,
    seat: Seat,
    access: Access,
}

impl At<'_> {
    fn lane(&self, session: u32) -> Arc<str> {
        lane_name(self.registry, self.instance, self.seat, session, Way::Forth).into()
    }

    /// The lane of this session, if it is of that origin.
    fn find(&self, session: u32, origin: &Origin) -> Option<(Object, SegmentHeader)> {
        let name = self.lane(session);
        let found = Place::new(&name, self.access.machine_wide).open(self.access.any_owner);
        let object = found.ok().flatten()?;
        let header = read_header(&name, &object).ok()?;
        let is_of = |found: &Origin| (found.hash, found.instance) == (origin.hash, origin.instance);
        let matches = header.origin.as_ref().is_some_and(is_of);
        matches.then_some((object, header))
    }

    /// The sessions whose lanes may stand: who makes one does so before its session is stored.
    fn sessions(session: u32) -> impl Iterator<Item = u32> {
        [session.wrapping_add(1), session, session.saturating_sub(1)]
            .into_iter()
            .filter(|session| *session > 0)
    }

    fn stands(&self, session: u32, origin: &Origin) -> bool {
        Self::sessions(session).any(|session| self.find(session, origin).is_some())
    }

    /// Takes it over as its writer, who was there last.
    fn take_over(&self, header: &SegmentHeader, session: u32, wish: &Wish) -> Result<Segment> {
        let wish = Wish {
            capacity: header.geometry.capacity,
            alignment: header.geometry.alignment,
            mode: None,
            origin: header.origin.clone(),
            ..wish.clone()
        };
        open_writer(&self.lane(session), &wish, self.lane_access(), &mut || {
            Ok(())
        })
    }

    fn lane_access(&self) -> Access {
        Access {
            is_lane: true,
            ..self.access
        }
    }

    fn remove(&self, session: u32, origin: &Origin) {
        if let Some((object, _)) = self.find(session, origin) {
            let place = Place::new(&self.lane(session), self.access.machine_wide);
            object.remove_if_alone(&place, ENDS, || true);
        }
    }
}

impl Claim<'_> {
    fn origin(&self) -> &Origin {
        self.wish.origin.as_ref().expect("a claim is of an origin")
    }

    /// Makes the lane of the session after `session`. Its seat's lock is held.
    fn go_on(&mut self, at: &At<'_>, session: u32) -> Result<bool> {
        let mut left: Option<Left> = None;
        let mut standing = vec![];
        for session in At::sessions(session) {
            let Some((object, header)) = at.find(session, self.origin()) else {
                continue;
            };
            drop(object);
            let lane = at.take_over(&header, session, &self.wish)?;
            let first = header.origin.as_ref().map_or(0, |origin| origin.first);
            let next = first + count(&lane)?;
            let (undelivered, _) = lane.undelivered()?;
            left = Some(left.map_or(Left { next, undelivered }, |left| Left {
                next: left.next.max(next),
                undelivered: left.undelivered + undelivered,
            }));
            standing.push(session);
        }
        if left.is_none() {
            return Ok(false);
        }
        let first = (self.decide)(left)?;
        self.first = Some(first);
        if let Some(origin) = &mut self.wish.origin {
            origin.first = first;
        }
        // Before its session is stored: at any moment one of those that are looked for says what has come.
        let lane = at.lane(session.wrapping_add(1));
        drop(open_writer(
            &lane,
            &self.wish,
            at.lane_access(),
            &mut || Ok(()),
        )?);
        // That of the last session keeps the seat until then; with it, that before would be forgotten.
        if standing.contains(&session) {
            at.remove(session.saturating_sub(1), self.origin());
        }
        Ok(true)
    }
}

/// Messages that were ever committed, also by a writer that died before it had counted them.
fn count(lane: &Segment) -> Result<u64> {
    let shape = Shape::new(lane.mapping().geometry());
    let memory = RingMemory::new(Arc::clone(lane.mapping()), Seat::WRITER);
    let producer = Producer::resume(memory, shape);
    producer
        .map(|producer| producer.count())
        .map_err(|error| broken_ring(lane.name(), error))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use crate::layout::{Kind, Origin};
    use crate::registry::{Plan, Registry};
    use crate::segment::{Access, Claim, Purpose, Way, Wish, open_member, remove_lane};

    /// I7: who dies when the new lane is made, and its session not stored yet, leaves the seat to the next one of the same origin alone.
    #[test]
    fn a_death_before_the_session_is_stored() {
        let name = format!("claim-died-{}", std::process::id());
        let plan = |instance| Plan {
            members: 1,
            origin: Some(Origin {
                instance,
                hash: 7,
                name: "realm/machine".into(),
                first: 0,
            }),
            ..Plan::new(Kind::Inbox)
        };
        let mut own = plan(1);
        let registry = Registry::join_again(&name, &mut own, &mut |_| Ok(40)).unwrap();
        let member = registry.own_member();
        drop(registry.lane_writer(member, Way::Forth).unwrap());
        drop(registry);
        for next in [40, 40, 45] {
            let wish = |purpose, origin| Wish {
                capacity: crate::registry::LANE,
                alignment: 8,
                mode: None,
                fresh: false,
                purpose,
                schema: None,
                origin,
            };
            let mut claim = Claim {
                wish: wish(Purpose::Lane(0), own.origin.clone()),
                decide: &mut |left| {
                    assert_eq!(left.unwrap().next.min(next), left.unwrap().next);
                    Ok(next)
                },
                first: None,
            };
            let registry = wish(Purpose::Registry(Kind::Inbox, 1), None);
            let access = Access::default();
            drop(open_member(&name, &registry, access, Some(&mut claim), &mut || Ok(())).unwrap());
            assert_eq!(claim.first, Some(next));
            let stranger = Registry::join(&name, &Plan::new(Kind::Inbox), &mut || Ok(()));
            assert!(stranger.is_err(), "somebody else has got its seat");
        }
        let mut found = None;
        let mut again = plan(1);
        let registry = Registry::join_again(&name, &mut again, &mut |left| {
            found = left.map(|left| (left.next, left.undelivered));
            Ok(45)
        });
        let registry = registry.unwrap();
        assert_eq!(found, Some((45, 0)));
        let next = registry.own_member();
        assert_eq!((next.seat, next.session), (member.seat, member.session + 1));
        let lane = registry.lane_name(next, Way::Forth);
        let before = registry.lane_name(member, Way::Forth);
        drop(registry);
        assert!(crate::inspect::channel(&before).is_err());
        assert!(remove_lane(
            &name.as_str().into(),
            &lane.into(),
            Access::default()
        ));
        assert!(crate::inspect::channel(&name).is_err());
    }
}
