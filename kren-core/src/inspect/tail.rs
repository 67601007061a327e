//! Messages in flight, read without taking them.

use super::{Contents, Kind, check_name, look};
use crate::layout::{Seat, SegmentHeader};
use crate::os::{Object, Place};
use crate::reader::find_place;
use crate::ring::{Consumer, Shape, Taken, messages_before};
use crate::ring_memory::RingMemory;
use crate::segment::Start;
use crate::{Error, Result, Role};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Where a [`Tail`] starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum TailFrom {
    /// At the first message that the reader has not released; of a broadcast as `Oldest`.
    #[default]
    Unread,
    /// At the oldest message that the ring still holds, to within a 32nd of its length.
    Oldest,
    /// Behind everything that was written before.
    Newest,
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Seen<'a> {
    /// A message.
    Message {
        /// Its number, counted from 0 since the channel was made.
        number: u64,
        /// Its tag.
        tag: u32,
        /// Its bytes, as they were written.
        bytes: &'a [u8],
    },
    /// So many messages were overwritten before they could be read.
    Missed(u64),
    /// Nothing more has been written yet.
    Nothing,
}

/// Follows a channel or a broadcast without taking part in it: takes no seat, holds nobody up, changes nothing.
///
/// A message is copied, and believed only if its writer had not come round to it meanwhile. Who follows too slowly misses
/// messages, and is told how many.
///
/// ```
/// # use kren_core::{KrenWriter, inspect::{Seen, Tail, TailFrom}};
/// # let name = format!("doc-tail-{}", std::process::id());
/// let mut writer = KrenWriter::create(&name, 4096)?;
/// writer.write(b"in flight")?;
/// let mut tail = Tail::open(&name, TailFrom::Unread)?;
/// assert_eq!(tail.next()?, Seen::Message { number: 0, tag: 0, bytes: b"in flight" });
/// assert_eq!(tail.next()?, Seen::Nothing);
/// # writer.close_discarding()?;
/// # Ok::<(), kren_core::Error>(())
/// ```
pub struct Tail {
    name: Arc<str>,
    object: Object,
    header: SegmentHeader,
    shape: Shape,
    consumer: Consumer<RingMemory>,
    copy: Vec<u8>,
    /// Broken looks in a row; some are allowed before the ring is said to be damaged.
    doubts: u32,
}

/// Tries to find a place in a ring whose writer overtakes each one.
const ATTEMPTS: u32 = 10_000;
/// Looks that a writer which is just starting anew may spoil.
const DOUBTS: u32 = 100;

impl Tail {
    /// Starts to follow the channel `name`.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`]; [`Error::WrongKind`] for what has no messages; [`Error::VersionMismatch`]; [`Error::Corrupt`];
    /// [`Error::PermissionDenied`]; [`Error::InvalidName`]; [`Error::Io`].
    pub fn open(name: &str, from: TailFrom) -> Result<Self> {
        check_name(name)?;
        let name: Arc<str> = name.into();
        let place = Place::new(&name, false);
        let found = place.look().map_err(|failure| failure.into_error(&name))?;
        let Some(object) = found else {
            return Err(Error::NotFound {
                channel: name,
                waited: Duration::ZERO,
            });
        };
        let channel = Arc::clone(&name);
        let (header, mapping) = look::open(&name, &object).map_err(|contents| match contents {
            Contents::OtherVersion(found) => Error::VersionMismatch {
                channel,
                found,
                supported: crate::layout::LAYOUT_VERSION,
            },
            Contents::Damaged(what) => Error::Corrupt {
                channel,
                what: what.into(),
            },
            Contents::Unreadable(reason) => Error::PermissionDenied {
                channel,
                reason: reason.into(),
            },
            Contents::Segment(_) => unreachable!("that is what was asked for"),
        })?;
        if header.geometry.capacity == 0 {
            return Err(Error::WrongKind {
                channel: name,
                found: header.kind.name(),
                wanted: "channel or broadcast",
            });
        }
        let shape = Shape::new(&header.geometry);
        let memory = RingMemory::new(mapping, Seat::READER);
        let mut tail = Self {
            name,
            object,
            header,
            shape,
            consumer: Consumer::at(memory, shape, 0),
            copy: vec![],
            doubts: 0,
        };
        tail.start(from);
        Ok(tail)
    }

    fn start(&mut self, from: TailFrom) {
        let memory = self.consumer.memory();
        let unread = || {
            // Acquire: pairs with the Release store in `ring::release`.
            crate::ring::Memory::position(memory, Role::Reader).load(Ordering::Acquire)
        };
        let place = match from {
            TailFrom::Newest => find_place(memory, &self.shape, Start::Newest, 0),
            TailFrom::Unread if self.header.kind != Kind::Broadcast => unread(),
            _ => find_place(memory, &self.shape, Start::Oldest, 0),
        };
        self.stand_at(place);
    }

    /// Stands at `place`, or at the oldest later one that is whole.
    fn stand_at(&mut self, mut place: u64) {
        for _ in 0..ATTEMPTS {
            let memory = self.consumer.memory();
            let count = messages_before(memory, &self.shape, Role::Writer, place);
            self.consumer.stand_at(place, count);
            // Only then was the count made of records that were whole.
            if !self.consumer.is_overtaken() {
                return;
            }
            let memory = self.consumer.memory();
            place = find_place(memory, &self.shape, Start::Oldest, place + 1);
        }
    }

    /// The next message, if there is one now. Does not block.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`].
    // An iterator could not lend what it has copied.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Seen<'_>> {
        match self.consumer.copy_next(&mut self.copy) {
            Taken::Whole(record) => {
                self.doubts = 0;
                let number = self.consumer.count();
                self.consumer.advance(&record);
                Ok(Seen::Message {
                    number,
                    tag: record.tag,
                    bytes: &self.copy,
                })
            }
            Taken::Nothing => Ok(Seen::Nothing),
            Taken::Overtaken => {
                let (before, from) = (self.consumer.count(), self.consumer.cursor());
                let memory = self.consumer.memory();
                let place = find_place(memory, &self.shape, Start::Oldest, from + 1);
                self.stand_at(place);
                Ok(Seen::Missed(self.consumer.count().saturating_sub(before)))
            }
            Taken::Broken(error) => {
                self.doubts += 1;
                if self.doubts < DOUBTS {
                    return Ok(Seen::Nothing);
                }
                Err(crate::segment::broken_ring(&self.name, error))
            }
        }
    }

    /// Whether a live process holds the writing side.
    #[must_use]
    pub fn has_writer(&self) -> bool {
        self.object.is_held(Seat::WRITER)
    }

    /// Whether the name still leads to the channel that is followed.
    #[must_use]
    pub fn is_named(&self) -> bool {
        self.object
            .is_named(&Place::new(&self.name, false))
            .unwrap_or(true)
    }
}

impl std::fmt::Debug for Tail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tail")
            .field("channel", &self.name)
            .field("next", &self.consumer.count())
            .finish_non_exhaustive()
    }
}
