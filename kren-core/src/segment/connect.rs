//! A reader's way to its segment: looking for the channel, and waiting until it is there.

use super::seating::Seating;
use super::{Access, PeerState, Segment, check_kind, check_name, check_schema, hold, read_header};
use crate::gates;
use crate::layout::{Kind, STANCE_DURABLE, Seat, SegmentHeader};
use crate::os::{Failure, Object, Place, Watch};
use crate::ring::{Consumer, Shape};
use crate::ring_memory::RingMemory;
use crate::wait::SLICE;
use crate::{Error, Result};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// The pause between two looks for a channel, at first; where nothing tells of a change each is twice the one before.
pub(crate) const PAUSE_MIN: Duration = Duration::from_millis(5);
/// The last: ten looks a second take some 0.02 % of a processor.
pub(crate) const PAUSE_MAX: Duration = Duration::from_millis(100);

/// Where a reader starts in what a channel holds already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Start {
    /// At the first message that no reader has released: nothing is lost between two readers.
    #[default]
    Oldest,
    /// Behind everything that was written before the reader began to connect, which is thus discarded. Of a broadcast it
    /// stays for others.
    Newest,
    /// Behind so many messages, counted since the broadcast was made: for a subscriber that knows where it was. Not for
    /// channels, which keep that themselves.
    After(u64),
}

/// What a reader waits for when it connects, and where it starts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Search {
    /// `None` waits for ever.
    pub(crate) timeout: Option<Duration>,
    /// Whether a writer must live on the channel.
    pub(crate) live: bool,
    pub(crate) start: Start,
    pub(crate) who: Who,
}

/// Who connects.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Who {
    /// The reader of a channel.
    Reader,
    /// A subscriber of a broadcast. `durable` is the hash of the name that it goes by, 0 where it has none.
    Subscriber { durable: Option<u64> },
}

impl Who {
    fn kind(self) -> Kind {
        match self {
            Self::Reader => Kind::Channel,
            Self::Subscriber { .. } => Kind::Broadcast,
        }
    }
}

/// What one look finds.
enum Look {
    Nothing,
    /// A channel without a live writer, where one is asked for.
    Deserted(Option<Past>),
    Taken(Box<Segment>),
}

/// What a segment held when it was found without a live writer.
#[derive(Clone, Copy)]
struct Past {
    instance: u64,
    end: u64,
}

/// One who looks for a channel, again and again.
pub(crate) struct Seeker {
    name: Arc<str>,
    place: Place,
    search: Search,
    access: Access,
    past: Option<Past>,
    is_first: bool,
    /// The channel was there at the last look, without the live writer that is asked for.
    is_deserted: bool,
}

impl Seeker {
    /// The timeout of the search is the caller's to keep.
    pub(crate) fn new(name: &str, search: Search, access: Access) -> Result<Self> {
        let name = match access.is_lane {
            true => Arc::from(name),
            false => check_name(name)?,
        };
        Ok(Self {
            place: Place::new(&name, access.machine_wide),
            name,
            search,
            access,
            past: None,
            is_first: true,
            is_deserted: false,
        })
    }

    /// Takes the reader's role, or a subscriber's seat, if the channel is there. Gives the position that the reader is to start
    /// at as well, if it is past the stored one.
    pub(crate) fn look(&mut self) -> Result<Option<(Segment, u64)>> {
        let is_first = std::mem::take(&mut self.is_first);
        // Subscribers take nothing away from each other, so each finds its own place in what there is.
        let is_reader = matches!(self.search.who, Who::Reader);
        let start = self.search.start;
        let notes = is_first && start == Start::Newest && is_reader;
        let look = look(&self.name, &self.place, self.access, &self.search, notes)?;
        self.is_deserted = matches!(look, Look::Deserted(_));
        match look {
            Look::Nothing => Ok(None),
            Look::Deserted(held) => {
                self.past = self.past.or(held);
                Ok(None)
            }
            Look::Taken(segment) => {
                let skipped = match (start, is_first) {
                    _ if !is_reader => 0,
                    (Start::Oldest | Start::After(_), _) => 0,
                    (Start::Newest, true) => segment.end()?,
                    // What was written since the reader began to wait is new.
                    (Start::Newest, false) => self
                        .past
                        .filter(|past| past.instance == segment.instance)
                        .map_or(0, |past| past.end),
                };
                Ok(Some((*segment, skipped)))
            }
        }
    }
}

/// Finds the channel, waiting for it as `search` says, and takes its place there. Gives what [`Seeker::look`] gives.
pub(crate) fn open_reader(
    name: &str,
    search: Search,
    access: Access,
    check: &mut dyn FnMut() -> Result<()>,
) -> Result<(Segment, u64)> {
    let mut seeker = Seeker::new(name, search, access)?;
    let start = Instant::now();
    let mut pause = Pause::default();
    loop {
        if !seeker.is_first {
            // Who has given up meanwhile must not take a channel that has just come.
            check()?;
        }
        if let Some(found) = seeker.look()? {
            return Ok(found);
        }
        check()?;
        let waited = start.elapsed();
        let left = search.timeout.map(|timeout| timeout.saturating_sub(waited));
        if left.is_some_and(|left| left.is_zero()) {
            let after = search.timeout.unwrap_or_default();
            return Err(if seeker.is_deserted {
                Error::TimedOut {
                    channel: seeker.name,
                    what: "live writer",
                    after,
                }
            } else {
                Error::NotFound {
                    channel: seeker.name,
                    waited: after,
                }
            });
        }
        pause.take(left.unwrap_or(SLICE).min(SLICE), seeker.is_deserted);
    }
}

/// Whether a channel stands under the name now.
pub(crate) fn exists(name: &str, access: Access) -> Result<bool> {
    let name = match access.is_lane {
        true => Arc::from(name),
        false => check_name(name)?,
    };
    let place = Place::new(&name, access.machine_wide);
    let found = place.open(access.any_owner);
    found
        .map(|found| found.is_some())
        .map_err(|failure| failure.into_error(&name))
}

/// Takes the reader's role, or a subscriber's seat, of what stands under the name now, if anything does.
pub(crate) fn find(name: &str, who: Who, access: Access) -> Result<Option<Segment>> {
    let search = Search {
        timeout: Some(Duration::ZERO),
        live: false,
        start: Start::Oldest,
        who,
    };
    match open_reader(name, search, access, &mut || Ok(())) {
        Ok((segment, _)) => Ok(Some(segment)),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// `notes`: what a deserted channel holds is to be noted.
fn look(
    name: &Arc<str>,
    place: &Place,
    access: Access,
    search: &Search,
    notes: bool,
) -> Result<Look> {
    let live = search.live;
    let fail = |failure: Failure| failure.into_error(name);
    loop {
        let Some(object) = place.open(access.any_owner).map_err(fail)? else {
            return Ok(Look::Nothing);
        };
        let header = read_header(name, &object)?;
        check_kind(name, &header, search.who.kind())?;
        check_schema(name, header.schema.as_ref(), access)?;
        let is_free = live && !object.is_held(Seat::WRITER);
        if is_free && !notes {
            return Ok(Look::Deserted(None));
        }
        // A deserted channel is not attached to: a writer of another capacity may still replace it.
        let mut seat = Seat::READER;
        if !is_free {
            seat = match search.who {
                Who::Reader => {
                    hold(name, &object, &header, Seat::READER)?;
                    Seat::READER
                }
                Who::Subscriber { durable } => take_seat(name, &object, &header, durable)?,
            };
            if !object.is_named(place).map_err(fail)? {
                continue;
            }
        }
        let mapping = object
            .map(header.geometry, Some(seat), access.prefault && !is_free)
            .map_err(fail)?;
        let place = Place::new(name, access.machine_wide);
        let segment = Segment::new(name, place, object, mapping, &header, seat, access);
        if !live || !is_free && segment.state_of(Seat::WRITER) == PeerState::Attached {
            return Ok(Look::Taken(Box::new(segment)));
        }
        let past = match notes {
            true => Some(Past {
                instance: segment.instance,
                end: segment.end()?,
            }),
            false => None,
        };
        if !is_free {
            // The writer is just attaching, or was just leaving: then it may have left the name to us.
            segment.let_go(seat);
            segment.remove_if_alone(|| matches!(segment.undelivered(), Ok((0, _))));
        }
        return Ok(Look::Deserted(past));
    }
}

/// Takes a subscriber's seat: the one that a durable subscriber had, or any that is free (B6).
fn take_seat(
    name: &Arc<str>,
    object: &Object,
    header: &SegmentHeader,
    durable: Option<u64>,
) -> Result<Seat> {
    let seating = Seating::new(name, object, header)?;
    let mut returned = None;
    let taken = seating.take(|seating| {
        let presence = |seat: Seat| &seating.pages.page(seat).presence.0;
        let is_durable = |seat: Seat| {
            // Acquire: pairs with the Release store in `gates::stand`.
            presence(seat).stance.load(Ordering::Acquire) == STANCE_DURABLE
        };
        let seats = || gates::seats(&seating.pages);
        if let Some(identity) = durable {
            let goes_by = |seat: &Seat| {
                is_durable(*seat) && presence(*seat).identity.load(Ordering::Relaxed) == identity
            };
            for seat in seats().filter(goes_by) {
                if seating.try_hold(seat)? {
                    return Ok(Some(seat));
                }
                if identity != 0 {
                    returned = Some(presence(seat).holder());
                    return Ok(None);
                }
            }
        }
        returned = None;
        for seat in seats() {
            if !is_durable(seat) && seating.try_hold(seat)? {
                if !is_durable(seat) {
                    return Ok(Some(seat));
                }
                // Somebody has come and gone in between, and left it to himself.
                seating.let_go(seat);
            }
        }
        Ok(None)
    })?;
    taken.ok_or_else(|| match returned {
        Some(holder) => Error::ReaderExists {
            channel: Arc::clone(name),
            holder,
        },
        None => Seating::full(name, header),
    })
}

impl Segment {
    /// The position behind the last committed record.
    fn end(&self) -> Result<u64> {
        let memory = RingMemory::new(Arc::clone(&self.mapping), self.seat);
        let end =
            Consumer::resume(memory, Shape::new(self.mapping.geometry())).and_then(|reader| {
                let (_, bytes) = reader.survey()?;
                Ok(reader.cursor() + bytes)
            });
        end.map_err(|error| super::broken_ring(&self.name, error))
    }
}

/// The pauses between the looks of one who waits for a channel.
#[derive(Default)]
struct Pause {
    /// `None` before the first pause.
    watch: Option<Option<Watch>>,
    /// The last pause, where nothing tells of a change.
    last: Duration,
    /// Something else was made.
    disturbed: bool,
}

impl Pause {
    /// Waits for a change, or for a while, at most for `most`. A channel that stands there `deserted` changes without
    /// a sign.
    fn take(&mut self, most: Duration, deserted: bool) {
        let Some(watch) = &mut self.watch else {
            // What is made from now on is noticed; what was made before is found by the next look.
            self.watch = Some(Watch::new());
            return;
        };
        if let Some(watch) = watch
            && !deserted
        {
            if self.disturbed {
                // A busy machine makes many things; do not look at each of them.
                std::thread::sleep(most.min(PAUSE_MIN));
            }
            self.disturbed = watch.wait(most);
            return;
        }
        self.last = (self.last * 2).clamp(PAUSE_MIN, PAUSE_MAX);
        std::thread::sleep(most.min(self.last));
    }
}
