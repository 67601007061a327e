//! From a name to what is seen there.

use super::channel::{Channel, Contents, Origin, Ring, Schema, Segment, Side, Stance};
use super::{Kind, check_name};
use crate::gates;
use crate::layout::{
    Geometry, HEADER_LEN, HeaderError, POSITION_MAX, STANCE_DURABLE, STANCE_GATING, STATE_CLOSED,
    STATE_NEVER, STATE_OPEN, Seat, SegmentHeader,
};
use crate::os::{self, Failure, Mapping, Object, Place};
use crate::ring::{Consumer, Shape, marks};
use crate::ring_memory::RingMemory;
use crate::{Error, PeerState, Result};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Glances at words that belong together, and are stored by somebody who lives.
const LOOKS: u32 = 16;

/// One channel, to be looked at as often as one likes: a look through it takes a fraction of what finding the channel does.
///
/// It stays with the channel that it found, also when the name goes to another one. It keeps one descriptor open; a look
/// makes a few system calls, and does not block.
///
/// ```
/// # use kren_core::{KrenWriter, inspect::Observer};
/// # let name = format!("doc-observer-{}", std::process::id());
/// let mut writer = KrenWriter::create(&name, 4096)?;
/// let observer = Observer::open(&name)?;
/// let before = observer.look();
/// writer.write(b"a message")?;
/// let written = |seen: &kren_core::inspect::Channel| seen.segment().unwrap().ring.as_ref().unwrap().written;
/// assert_eq!([written(&before), written(&observer.look())], [0, 1]);
/// # writer.close_discarding()?;
/// # Ok::<(), kren_core::Error>(())
/// ```
pub struct Observer {
    name: Arc<str>,
    /// This process's pid namespace.
    space: u32,
    found: std::result::Result<Found, Contents>,
}

/// What can be opened.
struct Found {
    object: Object,
    header: Look<SegmentHeader>,
}

impl Observer {
    /// Finds what stands under `name`, whatever that is.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`]; [`Error::InvalidName`].
    pub fn open(name: &str) -> Result<Self> {
        Self::within(name, os::pid_space())
    }

    /// Of a process in the pid namespace `space`.
    pub(super) fn within(name: &str, space: u32) -> Result<Self> {
        check_name(name)?;
        let name: Arc<str> = name.into();
        let found = match Place::new(&name, false).look() {
            Ok(Some(object)) => Ok(Found {
                header: header(&name, &object),
                object,
            }),
            Ok(None) => {
                return Err(Error::NotFound {
                    channel: name,
                    waited: Duration::ZERO,
                });
            }
            // A folder, say: no bytes that could be damaged.
            Err(Failure::Foreign(what)) => Err(Contents::Unreadable(what.into())),
            Err(failure) => Err(refused(failure.into_error(&name))),
        };
        Ok(Self { name, space, found })
    }

    /// What is there now.
    #[must_use]
    pub fn look(&self) -> Channel {
        let mut seen = Channel {
            name: String::from(&*self.name),
            bytes: 0,
            owner: None,
            mode: None,
            contents: Contents::Damaged(String::new()),
        };
        let described = self.found.as_ref().map_err(Contents::clone);
        let described = described.and_then(|Found { object, header }| {
            let rights = object.rights();
            seen.bytes = object.len();
            seen.owner = rights.map(|rights| rights.owner);
            seen.mode = rights.map(|rights| rights.mode);
            let header = header.as_ref().map_err(Contents::clone)?;
            let pages = Pages {
                name: &self.name,
                object,
                // The ring itself is seldom looked into.
                pages: glance(&self.name, object, header.geometry)?,
                geometry: header.geometry,
                space: self.space,
            };
            pages.describe(header.clone())
        });
        seen.contents = match described {
            Ok(segment) => Contents::Segment(Box::new(segment)),
            Err(contents) => contents,
        };
        seen
    }
}

impl Observer {
    /// Whether anybody on a seat that `seen` tells of has written or released something since, where `seen` is what this observer
    /// saw. Takes a fraction of a look, and does not block.
    #[must_use]
    pub fn has_moved(&self, seen: &Channel) -> bool {
        let (Ok(Found { object, header }), Some(segment)) = (&self.found, seen.segment()) else {
            return false;
        };
        let Ok(header) = header else {
            return false;
        };
        // What cannot be seen any more is to be looked at.
        let Ok(pages) = object.glance(header.geometry) else {
            return true;
        };
        let moved = |side: &Side| {
            let progress = &pages.page(Seat::numbered(side.seat)).progress.0;
            (side.position, side.count)
                != (
                    progress.position.load(Ordering::Relaxed),
                    progress.count.load(Ordering::Relaxed),
                )
        };
        std::iter::once(&segment.writer)
            .chain(&segment.readers)
            .any(moved)
    }

    /// Walks the messages that are written and not released, of which `seen` tells and this observer saw, and says what is wrong
    /// with them. A look alone does not look at them. Meant for a channel that nobody holds: of others the reader tells.
    ///
    /// Maps the ring and touches each message, so it takes a while where there are many.
    #[must_use]
    pub fn damage(&self, seen: &Channel) -> Option<&'static str> {
        let Ok(Found {
            object,
            header: Ok(header),
        }) = &self.found
        else {
            return None;
        };
        let ring = seen.segment()?.ring.as_ref()?;
        if ring.damage.is_some() {
            return ring.damage;
        }
        let mapping = map(&self.name, object, header.geometry).ok()?;
        let memory = RingMemory::new(mapping, Seat::READER);
        let shape = Shape::new(&header.geometry);
        match Consumer::at(memory, shape, ring.released_bytes).survey() {
            Ok((_, bytes)) if ring.released_bytes + bytes >= ring.written_bytes => None,
            Ok(_) => Some("its messages end before its write position"),
            Err(_) => Some("its undelivered messages cannot be walked"),
        }
    }
}

impl std::fmt::Debug for Observer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Observer")
            .field("channel", &self.name)
            .finish_non_exhaustive()
    }
}

/// What is seen, or else what stands there instead.
type Look<T> = std::result::Result<T, Contents>;

/// The header of a sound segment of this version, and its memory, ring and all.
pub(super) fn open(name: &Arc<str>, object: &Object) -> Look<(SegmentHeader, Arc<Mapping>)> {
    let header = header(name, object)?;
    let mapping = map(name, object, header.geometry)?;
    Ok((header, mapping))
}

fn header(name: &Arc<str>, object: &Object) -> Look<SegmentHeader> {
    let bytes: [u8; HEADER_LEN] = object
        .read_header()
        .map_err(|failure| refused(failure.into_error(name)))?;
    let header = SegmentHeader::decode(&bytes, object.len()).map_err(|error| match error {
        HeaderError::Version(version) => Contents::OtherVersion(version),
        HeaderError::Corrupt(what) => Contents::Damaged(what.to_string()),
    })?;
    if !header
        .geometry
        .granularity
        .is_multiple_of(os::granularity())
    {
        let what = "it was made with a page size smaller than this system's";
        return Err(Contents::Unreadable(what.into()));
    }
    Ok(header)
}

fn map(name: &Arc<str>, object: &Object, geometry: Geometry) -> Look<Arc<Mapping>> {
    let mapping = object.map(geometry, None, false);
    let mapping = mapping.map_err(|failure| refused(failure.into_error(name)))?;
    Ok(Arc::new(mapping))
}

fn glance(name: &Arc<str>, object: &Object, geometry: Geometry) -> Look<Arc<Mapping>> {
    let pages = object.glance(geometry);
    let pages = pages.map_err(|failure| refused(failure.into_error(name)))?;
    Ok(Arc::new(pages))
}

fn refused(error: Error) -> Contents {
    match error {
        Error::Corrupt { what, .. } => Contents::Damaged(what.to_string()),
        Error::PermissionDenied { reason, .. } => Contents::Unreadable(reason.to_string()),
        error => Contents::Unreadable(error.to_string()),
    }
}

/// A segment's pages, and the locks of its seats.
struct Pages<'a> {
    name: &'a Arc<str>,
    object: &'a Object,
    /// As they were at a glance.
    pages: Arc<Mapping>,
    /// With the ring.
    geometry: Geometry,
    space: u32,
}

impl Pages<'_> {
    fn describe(&self, header: SegmentHeader) -> Look<Segment> {
        let geometry = header.geometry;
        let is_broadcast = header.kind == Kind::Broadcast;
        let readers = gates::seats(&*self.pages).filter(|seat| {
            let presence = &self.pages.page(*seat).presence.0;
            presence.state.load(Ordering::Relaxed) != STATE_NEVER
                || presence.stance.load(Ordering::Relaxed) == STANCE_DURABLE
        });
        let readers: Vec<Side> = readers.map(|seat| self.side(seat, is_broadcast)).collect();
        let writer = self.side(Seat::WRITER, false);
        let ring = match geometry.capacity {
            0 => None,
            _ => Some(self.ring(is_broadcast, &writer)?),
        };
        Ok(Segment {
            kind: header.kind,
            capacity: geometry.capacity,
            alignment: geometry.alignment,
            granularity: geometry.granularity,
            seats: geometry.readers,
            evicts: header.evicts,
            instance: header.instance,
            created: moment(header.created),
            creator: header.creator_pid,
            group: Some(header.group).filter(|group| *group != 0),
            schema: header.schema.map(|schema| Schema {
                name: schema.name,
                hash: schema.hash,
                text: schema.text,
            }),
            origin: header.origin.map(|origin| Origin {
                name: origin.name,
                hash: origin.hash,
                instance: origin.instance,
                first: origin.first,
            }),
            writer,
            readers,
            ring,
        })
    }

    /// Everything here is a figure to show, so the loads are relaxed.
    fn side(&self, seat: Seat, subscribes: bool) -> Side {
        let page = self.pages.page(seat);
        let (presence, sleep, progress) = (&page.presence.0, &page.sleep.0, &page.progress.0);
        let ticket = sleep.ticket.load(Ordering::Relaxed);
        let is_asleep = ticket % 2 == 1;
        let session = presence.session.load(Ordering::Relaxed);
        let space = presence.pid_space.load(Ordering::Relaxed);
        let stance = match presence.stance.load(Ordering::Relaxed) {
            STANCE_DURABLE => Stance::Durable,
            STANCE_GATING => Stance::Lossless,
            _ => Stance::Lossy,
        };
        let asleep = |word: u64| if is_asleep { word } else { 0 };
        let wanted = asleep(sleep.wanted.load(Ordering::Relaxed));
        Side {
            seat: seat.number(),
            state: self.state_of(seat),
            pid: presence.pid.load(Ordering::Relaxed),
            is_elsewhere: space != self.space && space != 0 && self.space != 0,
            session,
            since: moment(presence.since.load(Ordering::Relaxed)),
            position: progress.position.load(Ordering::Relaxed),
            count: progress.count.load(Ordering::Relaxed),
            wakes: page.wake.0.load(Ordering::Relaxed),
            sleeps: ticket.div_ceil(2),
            is_asleep,
            wanted,
            // Who waits for no position has always waited for the same.
            asleep_since: match wanted {
                0 => None,
                _ => moment(sleep.since.load(Ordering::Relaxed)),
            },
            bell: asleep(sleep.bell.load(Ordering::Relaxed)),
            is_streaming: sleep.streaming.load(Ordering::Relaxed) == 1,
            uses_barrier: presence.barrier.load(Ordering::Relaxed) == 1,
            stance: subscribes.then_some(stance),
            is_passed_over: subscribes && gates::is_void(&*self.pages, seat, session),
            identity: presence.identity.load(Ordering::Relaxed),
            advice: presence.advice.load(Ordering::Relaxed),
            lane: presence.lane.load(Ordering::Relaxed),
        }
    }

    /// As `Segment::state_of`, by one who holds no seat.
    fn state_of(&self, seat: Seat) -> PeerState {
        let presence = |pages: &Mapping| {
            let presence = &pages.page(seat).presence.0;
            // Acquire: pairs with the Release stores in `Endpoint::attach` and `announce_closed`.
            let session = presence.session.load(Ordering::Acquire);
            (session, presence.state.load(Ordering::Acquire))
        };
        let mut seen = presence(&self.pages);
        for _ in 0..LOOKS {
            match seen.1 {
                STATE_NEVER => return PeerState::NeverAttached,
                STATE_CLOSED => return PeerState::Closed,
                STATE_OPEN if self.object.is_held(seat) => return PeerState::Attached,
                STATE_OPEN => {}
                _ => return PeerState::Unknown,
            }
            // The lock was free. Unless the side was taken anew meanwhile, its holder died.
            let Ok(pages) = self.object.glance(self.geometry) else {
                break;
            };
            let again = presence(&pages);
            if again == seen {
                return PeerState::Died;
            }
            seen = again;
        }
        PeerState::Unknown
    }

    fn ring(&self, is_broadcast: bool, writer: &Side) -> Look<Ring> {
        let shape = Shape::new(&self.geometry);
        let memory = RingMemory::new(Arc::clone(&self.pages), Seat::READER);
        let reach = &self.pages.page(Seat::WRITER).reach.0;
        let mut ring = Ring {
            written: writer.count,
            written_bytes: 0,
            released: 0,
            released_bytes: 0,
            kept: 0,
            frontier: reach.frontier.load(Ordering::Relaxed),
            marks: places(marks(&memory)),
            damage: None,
        };
        let count = |seat: Seat| {
            let progress = &self.pages.page(seat).progress.0;
            progress.count.load(Ordering::Relaxed)
        };
        let (written, released) = if is_broadcast {
            let written = position(&self.pages, Seat::WRITER);
            let slow = gates::gates(&*self.pages, written, shape.capacity);
            let slow = slow.min_by_key(|gate| gate.position);
            ring.released = slow.map_or(writer.count, |gate| count(gate.seat));
            let durable = gates::gates(&*self.pages, written, shape.capacity);
            let behind = |seat| writer.count.saturating_sub(count(seat));
            ring.kept = durable
                .filter(|gate| gate.is_durable)
                .map(|gate| behind(gate.seat))
                .max()
                .unwrap_or(0);
            (written, slow.map_or(written, |gate| gate.position))
        } else {
            ring.released = count(Seat::READER);
            self.positions()
        };
        ring.written_bytes = written;
        ring.released_bytes = released;
        ring.damage = damage(&shape, written, released);
        let may_have_more = matches!(writer.state, PeerState::Died | PeerState::Unknown);
        if ring.damage.is_none() && may_have_more {
            // Who died may have committed more than its position says (R7); who has closed has not.
            let mapping = map(self.name, self.object, self.geometry)?;
            let memory = RingMemory::new(mapping, Seat::READER);
            match Consumer::at(memory, shape, written.max(released)).survey() {
                Ok((0, _)) => {}
                Ok((messages, bytes)) => {
                    ring.written += messages;
                    ring.written_bytes = written.max(released) + bytes;
                }
                Err(_) => ring.damage = Some("the records behind its writer cannot be walked"),
            }
        }
        if !is_broadcast {
            ring.kept = ring.undelivered();
            // Counts are stored behind positions, and may lag for good after a death.
            if ring.used() == 0 {
                ring.kept = 0;
                ring.released = ring.written;
            } else if ring.kept == 0 {
                ring.kept = 1;
            }
        }
        Ok(ring)
    }

    /// The writer's position and the reader's, as they were at one moment or nearly so.
    fn positions(&self) -> (u64, u64) {
        let positions = |pages: &Mapping| {
            // What is released was written before.
            let released = position(pages, Seat::READER);
            (position(pages, Seat::WRITER), released)
        };
        let mut seen = positions(&self.pages);
        for _ in 0..LOOKS {
            // Else this process was kept from the second half of its glance while the ring went round.
            let is_one_moment = |(written, released): (u64, u64)| {
                written.saturating_sub(released) <= self.geometry.capacity as u64
            };
            if is_one_moment(seen) {
                break;
            }
            let Ok(pages) = self.object.glance(self.geometry) else {
                break;
            };
            seen = positions(&pages);
        }
        seen
    }
}

fn position(pages: &Mapping, seat: Seat) -> u64 {
    // Acquire: pairs with the Release stores in `Producer::publish` and `ring::release`.
    pages.page(seat).progress.0.position.load(Ordering::Acquire)
}

/// The rule that positions break (G7).
fn damage(shape: &Shape, written: u64, released: u64) -> Option<&'static str> {
    let aligned = |position: u64| position.is_multiple_of(shape.alignment as u64);
    // A position may be a little behind the words that tell it.
    let lap = 2 * shape.capacity;
    match () {
        () if written > POSITION_MAX || !aligned(written) => {
            Some("the stored write position is out of range")
        }
        () if released > POSITION_MAX || !aligned(released) => {
            Some("the stored read position is out of range")
        }
        () if written.abs_diff(released) > lap => {
            Some("the write position is not within a lap of the reader")
        }
        () => None,
    }
}

/// How many places marks stand at: at the beginning they all stand there.
fn places(marks: impl Iterator<Item = (u64, u64)>) -> usize {
    let mut places: Vec<u64> = marks.map(|(position, _)| position).collect();
    places.sort_unstable();
    places.dedup();
    places.len()
}

fn moment(nanoseconds: u64) -> Option<SystemTime> {
    if nanoseconds == 0 {
        return None;
    }
    UNIX_EPOCH.checked_add(Duration::from_nanos(nanoseconds))
}
