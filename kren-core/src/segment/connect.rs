//! A reader's way to its segment: looking for the channel, and waiting until it is there.

use super::{Access, PeerState, Segment, check_name, hold, read_header};
use crate::layout::Seat;
use crate::os::{Failure, Place, Watch};
use crate::ring::{Consumer, Shape};
use crate::ring_memory::RingMemory;
use crate::wait::SLICE;
use crate::{Error, Result, Role};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The pause between two looks for a channel, at first; where nothing tells of a change each is twice the one before.
const PAUSE_MIN: Duration = Duration::from_millis(5);
/// The last: ten looks a second take some 0.02 % of a processor.
const PAUSE_MAX: Duration = Duration::from_millis(100);

/// Where a reader starts in what a channel holds already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Start {
    /// At the first message that no reader has released: nothing is lost between two readers.
    #[default]
    Oldest,
    /// Behind everything that was written before the reader began to connect, which is thus discarded.
    Newest,
}

/// What a reader waits for when it connects, and where it starts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Search {
    /// `None` waits for ever.
    pub(crate) timeout: Option<Duration>,
    /// Whether a writer must live on the channel.
    pub(crate) live: bool,
    pub(crate) start: Start,
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

/// Finds the channel, waiting for it as `search` says, and takes the reader's role. Gives the position that the reader
/// is to start at as well, if it is past the stored one.
pub(crate) fn open_reader(
    name: &str,
    search: Search,
    access: Access,
    check: &mut dyn FnMut() -> Result<()>,
) -> Result<(Segment, u64)> {
    let name = check_name(name)?;
    let place = Place::new(&name, access.machine_wide);
    let start = Instant::now();
    let mut pause = Pause::default();
    let mut past = None;
    let mut is_first = true;
    loop {
        if !is_first {
            // Who has given up meanwhile must not take a channel that has just come.
            check()?;
        }
        let notes = is_first && search.start == Start::Newest;
        let look = look(&name, &place, access, search.live, notes)?;
        let deserted = match look {
            Look::Taken(segment) => {
                let skipped = match (search.start, is_first) {
                    (Start::Oldest, _) => 0,
                    (Start::Newest, true) => segment.end()?,
                    // What was written since the reader began to wait is new.
                    (Start::Newest, false) => past
                        .filter(|past: &Past| past.instance == segment.instance)
                        .map_or(0, |past| past.end),
                };
                return Ok((*segment, skipped));
            }
            Look::Deserted(held) => {
                past = past.or(held);
                true
            }
            Look::Nothing => false,
        };
        is_first = false;
        check()?;
        let waited = start.elapsed();
        let left = search.timeout.map(|timeout| timeout.saturating_sub(waited));
        if left.is_some_and(|left| left.is_zero()) {
            let after = search.timeout.unwrap_or_default();
            return Err(if deserted {
                Error::TimedOut {
                    channel: name,
                    what: "live writer",
                    after,
                }
            } else {
                Error::NotFound {
                    channel: name,
                    waited: after,
                }
            });
        }
        pause.take(left.unwrap_or(SLICE).min(SLICE), deserted);
    }
}

/// Whether a channel stands under the name now.
pub(crate) fn exists(name: &str, access: Access) -> Result<bool> {
    let name = check_name(name)?;
    let place = Place::new(&name, access.machine_wide);
    let found = place.open(access.any_owner);
    found
        .map(|found| found.is_some())
        .map_err(|failure| failure.into_error(&name))
}

/// Takes the reader's role of what stands under the name now, if anything does.
pub(crate) fn find(name: &str, access: Access) -> Result<Option<Segment>> {
    let search = Search {
        timeout: Some(Duration::ZERO),
        live: false,
        start: Start::Oldest,
    };
    match open_reader(name, search, access, &mut || Ok(())) {
        Ok((segment, _)) => Ok(Some(segment)),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// `notes`: what a deserted channel holds is to be noted.
fn look(name: &Arc<str>, place: &Place, access: Access, live: bool, notes: bool) -> Result<Look> {
    let fail = |failure: Failure| failure.into_error(name);
    loop {
        let Some(object) = place.open(access.any_owner).map_err(fail)? else {
            return Ok(Look::Nothing);
        };
        let header = read_header(name, &object)?;
        let is_free = live && !object.is_held(Seat::WRITER);
        if is_free && !notes {
            return Ok(Look::Deserted(None));
        }
        // A deserted channel is not attached to: a writer of another capacity may still replace it.
        if !is_free {
            hold(name, &object, &header, Role::Reader)?;
            if !object.is_named(place).map_err(fail)? {
                continue;
            }
        }
        let mapping = object
            .map(
                header.geometry,
                Some(Seat::READER),
                access.prefault && !is_free,
            )
            .map_err(fail)?;
        let place = Place::new(name, access.machine_wide);
        let segment = Segment::new(name, place, object, mapping, &header);
        if !live || !is_free && segment.state_of(Role::Writer) == PeerState::Attached {
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
            segment.let_go(Role::Reader);
            segment.remove_if_alone(|| matches!(segment.undelivered(), Ok((0, _))));
        }
        return Ok(Look::Deserted(past));
    }
}

impl Segment {
    /// The position behind the last committed record.
    fn end(&self) -> Result<u64> {
        let memory = RingMemory::new(Arc::clone(&self.mapping));
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
