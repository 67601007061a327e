//! From a channel's name to a mapped segment whose role lock is held, and back.
//!
//! Everything that decides who may attach, and when a name goes, is here; what the operating
//! system must do for it is the contract in `os`.

use crate::gates;
use crate::layout::{
    self, Geometry, HEADER_LEN, HeaderError, Kind, LAYOUT_VERSION, MEMBERS_MAX, Origin,
    STANCE_DURABLE, SUBSCRIBERS_MAX, Schema, Seat, SegmentHeader,
};
use crate::os::{self, Failure, Mapping, Object, Place, Signal};
use crate::ring::{Consumer, Producer, RingError, Shape};
use crate::ring_memory::RingMemory;
use crate::{Error, Holder, Result, Role};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

mod bell;
mod claim;
mod connect;
mod lane;
mod presence;
mod registry;
mod seating;

pub(crate) use self::bell::{Bell, Caller, bury};
pub use self::claim::Left;
pub(crate) use self::claim::{Claim, Decide, forget};
pub use self::connect::Start;
pub(crate) use self::connect::{
    PAUSE_MAX, PAUSE_MIN, Search, Seeker, Who, exists, find, open_reader,
};
pub(crate) use self::lane::{Way, lane_name};
pub use self::presence::PeerState;
pub(crate) use self::registry::{open_member, remove_lane};

/// Longest channel name in bytes.
const NAME_MAX: usize = 128;
/// Permission bits of a new segment, unless others are asked for (G8).
const MODE: u32 = 0o600;
/// A side that closes holds both roles for an instant; a refusal is final only after this.
const LOCK_PATIENCE: Duration = Duration::from_millis(10);
/// What a writer asks of the segment.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub(crate) capacity: usize,
    pub(crate) alignment: usize,
    /// `None`: the owner alone for a new segment, and whatever it has for an existing one.
    pub(crate) mode: Option<u32>,
    pub(crate) fresh: bool,
    pub(crate) purpose: Purpose,
    pub(crate) schema: Option<Schema>,
    /// Of what it is to be the mirror.
    pub(crate) origin: Option<Origin>,
}

/// What a segment is made for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    Channel,
    /// A channel that belongs to the registry of this instance.
    Lane(u64),
    Broadcast(Audience),
    /// A registry of this kind, with so many seats for members. One that stands there already may have another number.
    Registry(Kind, usize),
}

/// What a publisher asks of the segment beside that.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Audience {
    /// Seats for subscribers.
    pub(crate) seats: usize,
    /// Whether slow ones may be passed over.
    pub(crate) evicts: bool,
}

impl Wish {
    fn kind(&self) -> Kind {
        match self.purpose {
            Purpose::Channel | Purpose::Lane(_) => Kind::Channel,
            Purpose::Broadcast(_) => Kind::Broadcast,
            Purpose::Registry(kind, _) => kind,
        }
    }
}

/// A mapped segment whose role lock is held by this value.
pub(crate) struct Segment {
    /// As users know it; the object's own is that of `place`.
    name: Arc<str>,
    place: Place,
    object: Object,
    mapping: Arc<Mapping>,
    seat: Seat,
    kind: Kind,
    evicts: bool,
    /// The header's: tells this segment from others that had or will have its name.
    instance: u64,
    schema: Option<Schema>,
    origin: Option<Origin>,
    /// Whether other users' objects are accepted.
    any_owner: bool,
}

impl Segment {
    fn new(
        name: &Arc<str>,
        place: Place,
        mut object: Object,
        mapping: Mapping,
        header: &SegmentHeader,
        seat: Seat,
        access: Access,
    ) -> Self {
        object.keep_only_lock();
        Self {
            name: lane::known_name(name),
            place,
            object,
            mapping: Arc::new(mapping),
            seat,
            kind: header.kind,
            evicts: header.evicts,
            instance: header.instance,
            schema: header.schema.clone(),
            origin: header.origin.clone(),
            any_owner: access.any_owner,
        }
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(crate) fn mapping(&self) -> &Arc<Mapping> {
        &self.mapping
    }

    /// The seat that this value holds.
    pub(crate) fn seat(&self) -> Seat {
        self.seat
    }

    /// What its creator says of its messages.
    pub(crate) fn schema(&self) -> Option<&Schema> {
        self.schema.as_ref()
    }

    /// Whether one writer has several readers here.
    pub(crate) fn is_broadcast(&self) -> bool {
        self.kind == Kind::Broadcast
    }

    /// What tells this segment from others that had or will have its name.
    pub(crate) fn instance(&self) -> u64 {
        self.instance
    }

    /// Whether slow readers may be passed over here.
    pub(crate) fn evicts(&self) -> bool {
        self.evicts
    }

    /// On which the peers of `of` sleep.
    pub(crate) fn signal(&self, of: Seat) -> Result<Signal> {
        self.object
            .signal(of)
            .map_err(|failure| failure.into_error(&self.name))
    }

    /// With what this side wakes its peers.
    pub(crate) fn caller(&self) -> Result<Caller> {
        Ok(Caller::new(self.signal(self.seat)?, self.any_owner))
    }

    /// On which `sleeper` sleeps for `of`.
    pub(crate) fn sleeper(&self, of: Seat, sleeper: Seat) -> Result<Signal> {
        self.object
            .sleeper(of, sleeper)
            .map_err(|failure| failure.into_error(&self.name))
    }

    /// Fails where this process has closed the descriptor beneath its own endpoint.
    pub(crate) fn check_lock(&self) -> Result<()> {
        self.object
            .check_lock()
            .map_err(|failure| failure.into_error(&self.name))
    }

    pub(crate) fn is_held(&self, seat: Seat) -> bool {
        self.object.is_held(seat)
    }

    pub(crate) fn let_go(&self, seat: Seat) {
        self.object.let_go(seat);
    }

    pub(crate) fn remove_if_alone(&self, drained: impl FnOnce() -> bool) {
        // What has come here is known by its count, which goes with the name (L13).
        if self.origin.is_some() {
            return;
        }
        let seats = self.mapping.geometry().seats();
        self.object.remove_if_alone(&self.place, seats, drained);
    }

    /// Whether the name still leads here, so that others can come. Asks the system; where it will not say,
    /// nothing is taken for lost.
    pub(crate) fn is_named(&self) -> bool {
        self.object.is_named(&self.place).unwrap_or(true)
    }

    /// Removes the name, whoever is on the segment; they go on, and nobody else comes.
    pub(crate) fn remove_name(&self) -> Result<()> {
        self.place
            .remove(&self.object)
            .map_err(|failure| failure.into_error(&self.name))
    }
}

/// What opening takes besides the name.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Access {
    pub(crate) any_owner: bool,
    pub(crate) prefault: bool,
    pub(crate) machine_wide: bool,
    /// The name is that of a lane, which users cannot give.
    pub(crate) is_lane: bool,
    /// The hash of the schema that this side goes by, if it gives one.
    pub(crate) schema: Option<u64>,
}

/// Finds the channel or makes it, and takes the writer's role.
///
/// `check` runs now and then while the memory is taken, and an error of its ends that.
pub(crate) fn open_writer(
    name: &str,
    wish: &Wish,
    access: Access,
    check: &mut dyn FnMut() -> Result<()>,
) -> Result<Segment> {
    open(name, wish, access, check, &|name, object, header| {
        hold(name, object, header, Seat::WRITER).map(|()| Seat::WRITER)
    })
}

/// Locks a seat of what was found.
type Take<'a> = &'a dyn Fn(&Arc<str>, &Object, &SegmentHeader) -> Result<Seat>;

/// Finds the segment or makes it, and takes a seat as `take` says.
fn open(
    name: &str,
    wish: &Wish,
    access: Access,
    check: &mut dyn FnMut() -> Result<()>,
    take: Take<'_>,
) -> Result<Segment> {
    let name = match wish.purpose {
        Purpose::Lane(_) => Arc::from(name),
        _ => check_name(name)?,
    };
    let wanted = check_wish(&name, wish)?;
    let place = Place::new(&name, access.machine_wide);
    let fail = |failure: Failure| failure.into_error(&name);
    loop {
        let found = place.open(access.any_owner).map_err(fail)?;
        let is_new = found.is_none();
        let object = match found {
            Some(object) => object,
            None => {
                let header = new_header(wanted, wish).encode();
                let len = wanted.segment_len() as u64;
                let mode = wish.mode.unwrap_or(MODE);
                let mut refusal = None;
                let mut go_on = || match check() {
                    Ok(()) => true,
                    Err(error) => {
                        refusal = Some(error);
                        false
                    }
                };
                let created = place.create(&header, len, mode, &mut go_on);
                match created.map_err(|failure| refusal.unwrap_or_else(|| fail(failure)))? {
                    Some(object) => object,
                    None => continue,
                }
            }
        };
        // What stands there was looked at before its lock is taken: taking a lock in a file that is
        // no segment would be rude, and the header never changes.
        let header = match read_header(&name, &object) {
            Err(Error::Corrupt { .. } | Error::VersionMismatch { .. }) if wish.fresh => {
                place.remove(&object).map_err(fail)?;
                continue;
            }
            header => header?,
        };
        check_kind(&name, &header, wish.kind())?;
        let (seat, mapping) = match enter(&name, &place, &object, &header, take, access) {
            Ok(Some(entered)) => entered,
            Ok(None) => continue,
            Err(error) => {
                // What nobody has written to yet does not stay behind.
                if is_new {
                    object.withdraw(&place, wanted.seats());
                }
                return Err(error);
            }
        };
        let place = Place::new(&name, access.machine_wide);
        let segment = Segment::new(&name, place, object, mapping, &header, seat, access);
        if segment.suits(&wanted, wish)? {
            if let (false, Some(mode)) = (is_new, wish.mode) {
                segment.object.set_mode(mode).map_err(fail)?;
            }
            return Ok(segment);
        }
        // Discarded: out of the way with it. Its reader, if any, sees a closed channel.
        segment.abandon()?;
    }
}

impl Segment {
    /// Whether an existing segment can serve a writer that wants `wanted`; `false` means that it is
    /// to be discarded.
    fn suits(&self, wanted: &Geometry, wish: &Wish) -> Result<bool> {
        let fresh = wish.fresh;
        let existing = self.mapping.geometry();
        let same = (existing.capacity, existing.alignment, existing.readers)
            == (wanted.capacity, wanted.alignment, wanted.readers)
            && match wish.purpose {
                Purpose::Broadcast(audience) => audience.evicts == self.evicts,
                _ => true,
            };
        let asked = wish.schema.as_ref().map(Schema::hash);
        let is_mirror_of_the_same = wish.origin == self.origin;
        let agrees = is_mirror_of_the_same
            && (asked.is_none() || asked == self.schema.as_ref().map(Schema::hash));
        if matches!(wish.purpose, Purpose::Registry(..)) || same && agrees && !fresh {
            return Ok(true);
        }
        let undelivered = self.undelivered();
        if fresh {
            // Nothing to discard: keep the segment, and with it a reader that waits on it.
            return Ok(same && agrees && matches!(undelivered, Ok((0, _))));
        }
        let (messages, undelivered) = undelivered?;
        let reader = gates::seats(&*self.mapping).find(|seat| self.object.is_held(*seat));
        // The reader of an ended mirror, too, is told of the end, and moves over.
        if undelivered == 0 && (reader.is_none() || !is_mirror_of_the_same) {
            return Ok(false);
        }
        if !is_mirror_of_the_same {
            return Err(Error::InvalidOption {
                channel: Arc::clone(&self.name),
                option: "name",
                reason: "messages of another origin are undelivered there: a bridge's mirror and a channel of this machine do \
                         not mix; read them, or remove the channel",
            });
        }
        if same {
            // A channel that says nothing of its messages is gone on with as it is.
            let access = Access {
                schema: asked,
                ..Access::default()
            };
            return check_schema(&self.name, self.schema(), access).map(|()| true);
        }
        Err(Error::CapacityMismatch {
            channel: Arc::clone(&self.name),
            asked: (wanted.capacity, wanted.alignment),
            existing: (existing.capacity, existing.alignment),
            undelivered,
            messages,
            reader: reader.map(|seat| self.mapping.page(seat).presence.0.holder()),
        })
    }

    /// Messages, and bytes of the ring, that no reader has released.
    ///
    /// Looks at the ring as both sides would: what only one of them stumbles over is `Corrupt` too,
    /// and messages that can no longer be found are not none (G7).
    pub(crate) fn undelivered(&self) -> Result<(u64, u64)> {
        let shape = Shape::new(self.mapping.geometry());
        let memory = |seat| RingMemory::new(Arc::clone(&self.mapping), seat);
        let survey = |seat| survey(memory(seat), shape);
        let look = || {
            // Which stores where the writer stands, so only the writer may.
            if self.seat == Seat::WRITER {
                Producer::resume(memory(Seat::WRITER), shape)?;
            }
            if !self.is_broadcast() {
                return survey(Seat::READER);
            }
            // Only durable subscribers that are behind have anything to lose.
            let durable = gates::seats(&*self.mapping).filter(|seat| {
                let presence = &self.mapping.page(*seat).presence.0;
                presence.stance.load(Ordering::Relaxed) == STANCE_DURABLE
            });
            durable
                .map(survey)
                .try_fold((0, 0), |most, found| Ok(found?.max(most)))
        };
        look().map_err(|error| broken_ring(&self.name, error))
    }

    /// Removes the name and tells a reader that nothing more will come.
    ///
    /// In this order: where the name cannot be removed nothing has happened, and a writer that died is not taken for one
    /// that has closed.
    fn abandon(self) -> Result<()> {
        self.remove_name()?;
        let own = self.mapping.page(Seat::WRITER);
        own.presence
            .0
            .state
            .store(layout::STATE_CLOSED, Ordering::Release);
        if let Ok(caller) = self.caller() {
            let peers = crate::gates::seats(&*self.mapping).map(|seat| self.mapping.page(seat));
            crate::wait::call(own, peers, &caller);
        }
        self.object.let_go(Seat::WRITER);
        Ok(())
    }
}

/// Messages, and bytes of the ring, that the reader of `memory` has not released.
fn survey(memory: RingMemory, shape: Shape) -> std::result::Result<(u64, u64), RingError> {
    let reader = Consumer::resume(memory, shape)?;
    let found = reader.survey()?;
    if found.0 == 0 {
        reader.check_empty()?;
    }
    Ok(found)
}

/// What to say of a ring that could not be taken over.
pub(crate) fn broken_ring(name: &Arc<str>, error: RingError) -> Error {
    let what = match error {
        RingError::Corrupt(what) => what,
        RingError::Full { .. } | RingError::TooLarge { .. } => "its ring cannot be walked",
    };
    Error::Corrupt {
        channel: Arc::clone(name),
        what: what.into(),
    }
}

fn check_name(name: &str) -> Result<Arc<str>> {
    let refuse = |reason| {
        Err(Error::InvalidName {
            name: name.into(),
            reason,
        })
    };
    if name.is_empty() {
        return refuse("it is empty");
    }
    if name.len() > NAME_MAX {
        return refuse("it is longer than 128 bytes");
    }
    if !name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    {
        return refuse("it holds a character that is not allowed");
    }
    Ok(name.into())
}

/// The longest message of a channel that is made as `wish` says.
pub(crate) fn longest_message(name: &Arc<str>, wish: &Wish) -> Result<usize> {
    check_wish(name, wish).map(|geometry| geometry.max_message_len())
}

fn check_wish(name: &Arc<str>, wish: &Wish) -> Result<Geometry> {
    let invalid = |option, reason| {
        Err(Error::InvalidOption {
            channel: Arc::clone(name),
            option,
            reason,
        })
    };
    if !layout::valid_alignment(wish.alignment) {
        return invalid(
            "alignment",
            "it must be a power of two from 8 to 4096 bytes",
        );
    }
    let mode = wish.mode.unwrap_or(MODE);
    if mode & !0o777 != 0 || mode & 0o600 != 0o600 {
        return invalid(
            "mode",
            "it must be permission bits that let the owner read and write",
        );
    }
    let ring = Geometry::new(wish.capacity, wish.alignment, os::granularity());
    let geometry = match wish.purpose {
        Purpose::Channel | Purpose::Lane(_) => ring,
        Purpose::Broadcast(Audience { seats, .. }) if !(1..=SUBSCRIBERS_MAX).contains(&seats) => {
            return invalid("subscribers", "it must be from 1 to 64");
        }
        Purpose::Broadcast(Audience { seats, .. }) => ring.map(|ring| ring.shared_by(seats)),
        Purpose::Registry(kind, seats) if !(1..=MEMBERS_MAX).contains(&seats) => {
            return invalid(kind.members(), "it must be from 1 to 1024");
        }
        Purpose::Registry(_, seats) => Some(Geometry::without_ring(seats, os::granularity())),
    };
    geometry.ok_or_else(|| Error::InvalidCapacity {
        channel: Arc::clone(name),
        capacity: wish.capacity,
        reason: match wish.capacity {
            0 => "it must be at least 1; a page (4096) is the least that is used",
            _ => "it is more than this platform can map",
        },
    })
}

fn new_header(geometry: Geometry, wish: &Wish) -> SegmentHeader {
    SegmentHeader {
        evicts: matches!(wish.purpose, Purpose::Broadcast(audience) if audience.evicts),
        group: match wish.purpose {
            Purpose::Lane(group) => group,
            _ => 0,
        },
        schema: wish.schema.clone(),
        origin: wish.origin.clone(),
        ..header_of(geometry, wish.kind())
    }
}

/// A header with a number that nobody else has.
fn header_of(geometry: Geometry, kind: Kind) -> SegmentHeader {
    use std::hash::{BuildHasher, RandomState};
    let created = os::now();
    let creator_pid = std::process::id();
    SegmentHeader {
        geometry,
        kind,
        evicts: false,
        group: 0,
        schema: None,
        origin: None,
        instance: RandomState::new().hash_one((created, creator_pid)),
        creator_pid,
        created,
    }
}

fn read_header(name: &Arc<str>, object: &Object) -> Result<SegmentHeader> {
    let bytes: [u8; HEADER_LEN] = object
        .read_header()
        .map_err(|failure| failure.into_error(name))?;
    let header = SegmentHeader::decode(&bytes, object.len()).map_err(|error| match error {
        HeaderError::Version(found) => Error::VersionMismatch {
            channel: Arc::clone(name),
            found,
            supported: LAYOUT_VERSION,
        },
        HeaderError::Corrupt(what) => Error::Corrupt {
            channel: Arc::clone(name),
            what: what.into(),
        },
    })?;
    if !header
        .geometry
        .granularity
        .is_multiple_of(os::granularity())
    {
        return Err(Error::Corrupt {
            channel: Arc::clone(name),
            what: "it was made with a page size smaller than this system's".into(),
        });
    }
    Ok(header)
}

/// Takes a seat of the segment and maps it; `None` if the name leads elsewhere by now.
fn enter(
    name: &Arc<str>,
    place: &Place,
    object: &Object,
    header: &SegmentHeader,
    take: Take<'_>,
    access: Access,
) -> Result<Option<(Seat, Mapping)>> {
    let fail = |failure: Failure| failure.into_error(name);
    let seat = take(name, object, header)?;
    if !object.is_named(place).map_err(fail)? {
        return Ok(None);
    }
    object
        .map(header.geometry, Some(seat), access.prefault)
        .map(|mapping| Some((seat, mapping)))
        .map_err(fail)
}

/// Refuses what is not what the caller opens.
fn check_kind(name: &Arc<str>, header: &SegmentHeader, wanted: Kind) -> Result<()> {
    if header.kind == wanted {
        return Ok(());
    }
    Err(Error::WrongKind {
        channel: Arc::clone(name),
        found: header.kind.name(),
        wanted: wanted.name(),
    })
}

/// Refuses a channel whose messages are something else, where both sides say what they are.
pub(crate) fn check_schema(name: &Arc<str>, found: Option<&Schema>, access: Access) -> Result<()> {
    match (access.schema, found) {
        (Some(asked), Some(found)) if found.hash() != asked => Err(Error::SchemaMismatch {
            channel: Arc::clone(name),
            // Who asked has the words for it.
            asked: format!("one with the hash {asked:016x}").into(),
            existing: crate::schema::shown(found).into(),
        }),
        _ => Ok(()),
    }
}

/// Takes a seat's lock, or says who has it (G5).
fn hold(name: &Arc<str>, object: &Object, header: &SegmentHeader, seat: Seat) -> Result<()> {
    let start = Instant::now();
    loop {
        if object
            .try_hold(seat)
            .map_err(|failure| failure.into_error(name))?
        {
            return Ok(());
        }
        if start.elapsed() >= LOCK_PATIENCE {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    // Only for the message.
    let holder = object
        .map(header.geometry, None, false)
        .map_or(Holder::Unknown, |mapping| {
            mapping.page(seat).presence.0.holder()
        });
    let channel = Arc::clone(name);
    Err(match seat.role() {
        Role::Writer => Error::WriterExists { channel, holder },
        Role::Reader => Error::ReaderExists { channel, holder },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_allowed_character_is_allowed() {
        let all: String = ('a'..='z')
            .chain('A'..='Z')
            .chain('0'..='9')
            .chain("._-".chars())
            .collect();
        assert!(check_name(&all).is_ok());
        assert!(check_name(&"n".repeat(NAME_MAX)).is_ok());
        assert!(check_name(".").is_ok() && check_name("..").is_ok());
    }

    #[test]
    fn every_kind_of_bad_name_is_refused_with_its_reason() {
        for bad in [
            "",
            "a/b",
            "/a",
            "a b",
            "a\0b",
            "a\n",
            "ä",
            "a\\b",
            "a:b",
            "*",
            &"n".repeat(129),
        ] {
            let error = check_name(bad).unwrap_err();
            assert!(
                matches!(error, Error::InvalidName { .. }),
                "{bad:?}: {error}"
            );
        }
    }

    /// A segment made where pages are larger works here; one made where they are smaller is refused.
    #[test]
    fn segments_of_every_page_size() {
        for granularity in [4096, 16 * 1024, 64 * 1024] {
            let name = format!("page-size-{granularity}-{}", std::process::id());
            let geometry = Geometry::new(3 * granularity, 8, granularity).unwrap();
            let wish = Wish {
                schema: None,
                origin: None,
                capacity: 0,
                alignment: 8,
                mode: None,
                fresh: false,
                purpose: Purpose::Channel,
            };
            let header = new_header(geometry, &wish).encode();
            let place = Place::new(&name, false);
            let len = geometry.segment_len() as u64;
            let object = place.create(&header, len, 0o600, &mut || true);
            let object = object.unwrap().unwrap();
            let found = crate::KrenReader::connect(&name);
            if granularity < os::granularity() {
                let error = found.unwrap_err();
                assert!(matches!(error, Error::Corrupt { .. }), "{error}");
                assert!(error.to_string().contains("page size"), "{error}");
            } else {
                let mut reader = found.unwrap();
                let mut writer = crate::KrenWriter::create(&name, 3 * granularity).unwrap();
                assert_eq!(writer.capacity(), 3 * granularity);
                for round in 0..9_u8 {
                    let message = vec![round; writer.max_message_len()];
                    writer.write(&message).unwrap();
                    assert_eq!(reader.read().unwrap(), message);
                    writer.write(b"shift").unwrap();
                    assert_eq!(reader.read().unwrap(), b"shift");
                }
            }
            place.remove(&object).unwrap();
        }
    }
}
