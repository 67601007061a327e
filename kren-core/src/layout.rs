//! The bytes of a segment: `docs/spec/segment.md` as constants, types and one validator.
//!
//! Pure arithmetic: nothing here touches shared memory or the operating system.

mod header;

pub(crate) use self::header::{HEADER_LEN, HeaderError, Origin, SegmentHeader, hash};
pub use self::header::{Kind, Schema};

use crate::Role;
use crate::sync::{AtomicU32, AtomicU64};
use std::mem::{offset_of, size_of};

/// First eight bytes of every segment.
pub(crate) const MAGIC: [u8; 8] = *b"KREN\x1a\r\n\0";
/// Version of everything in `docs/spec`.
pub const LAYOUT_VERSION: u32 = 2;
/// Length of a record header in bytes.
pub(crate) const RECORD_HEADER: usize = 8;
/// Payload alignments a channel may ask for, in bytes.
pub(crate) const ALIGNMENT_MIN: usize = 8;
/// See [`ALIGNMENT_MIN`].
pub(crate) const ALIGNMENT_MAX: usize = 4096;
/// Granularities a segment may be built with: 4 KiB to 64 KiB pages.
const GRANULARITY_MIN: usize = 4096;
const GRANULARITY_MAX: usize = 65536;
/// Largest capacity in bytes: far beyond any machine's memory, small enough that no sum overflows.
pub(crate) const CAPACITY_MAX: u64 = if size_of::<usize>() == 8 {
    1 << 44
} else {
    1 << 29
};
/// Positions beyond this cannot have been reached by writing: centuries at any real rate.
pub(crate) const POSITION_MAX: u64 = 1 << 62;

/// Words of different meaning are kept this many bytes apart: two cache lines, because processors
/// prefetch lines in pairs.
pub(crate) const BLOCK: usize = 128;

/// One word group alone on its block.
#[repr(C, align(128))]
pub(crate) struct Block<T>(pub(crate) T);

/// Readers that a broadcast may have.
pub(crate) const SUBSCRIBERS_MAX: usize = 64;
/// Members that an inbox, a queue or a service may have.
pub(crate) const MEMBERS_MAX: usize = 1024;
/// Marks that a writer keeps: see [`Mark`]. The model has no use for so many.
pub(crate) const MARKS: usize = if cfg!(loom) { 2 } else { 64 };
/// Words of a block that say which readers no longer count.
const VOIDS: usize = if cfg!(loom) { 1 } else { 32 };

/// A place in a segment that one process may hold: its page, and its lock.
///
/// Seat 0 is the writer's (the owner's, where nothing is written); the others are those of its readers, or members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Seat(u16);

impl Seat {
    pub(crate) const WRITER: Self = Self(0);
    /// The only reader of a channel.
    pub(crate) const READER: Self = Self(1);
    /// No seat: of one who stores to the commons alone, as who rings a bell does.
    pub(crate) const NONE: Self = Self(u16::MAX);

    /// The seat of the reader or member of this index, which starts from 0.
    pub(crate) fn reader(index: usize) -> Self {
        debug_assert!(index < MEMBERS_MAX);
        Self(index as u16 + 1)
    }

    /// The seat of this number.
    #[cfg_attr(
        all(target_os = "linux", not(like_macos)),
        allow(dead_code, reason = "locks are asked for by range there")
    )]
    pub(crate) fn numbered(number: usize) -> Self {
        debug_assert!(number <= MEMBERS_MAX);
        Self(number as u16)
    }

    /// The number in the spec: 0 for the writer.
    pub(crate) fn number(self) -> usize {
        usize::from(self.0)
    }

    pub(crate) fn role(self) -> Role {
        match self {
            Self::WRITER => Role::Writer,
            _ => Role::Reader,
        }
    }
}

/// The side of a channel, which has one of each.
impl From<Role> for Seat {
    fn from(role: Role) -> Self {
        match role {
            Role::Writer => Self::WRITER,
            Role::Reader => Self::READER,
        }
    }
}

/// The page that one side stores and the others only load.
///
/// All sides have the same shape; see `docs/spec/segment.md`, "Role page".
#[repr(C)]
pub(crate) struct RolePage {
    /// How far this side has come.
    pub(crate) progress: Block<Progress>,
    /// Counts the wake-ups this side has given; the *peer* sleeps on it.
    pub(crate) wake: Block<AtomicU32>,
    /// What this side says about its own sleep.
    pub(crate) sleep: Block<SleepWords>,
    /// Who holds the seat.
    pub(crate) presence: Block<Presence>,
    /// The writer's alone: what it may touch.
    pub(crate) reach: Block<Reach>,
    /// The writer's alone: for each reader's seat the session that no longer counts.
    pub(crate) void: [Block<[AtomicU32; VOIDS]>; 2],
    /// So that the marks start at 1024.
    pub(crate) unused: Block<[u64; 16]>,
    /// The writer's alone: see [`Mark`].
    pub(crate) marks: [Mark; MARKS],
}

/// How far a side has come.
#[repr(C)]
pub(crate) struct Progress {
    /// Writer: end of the last committed record. Reader: end of the last released record.
    pub(crate) position: AtomicU64,
    /// Messages up to that position. Stored after it, so a death may leave it behind: a successor counts anew.
    pub(crate) count: AtomicU64,
}

/// See `docs/spec/wake.md`.
#[repr(C)]
pub(crate) struct SleepWords {
    /// Odd while this side sleeps or is about to; grows by one at each change.
    pub(crate) ticket: AtomicU32,
    /// Stored by the reader: 1 while messages come faster than it can take them one by one. A hint
    /// to the writer, on a line that the writer looks at anyway.
    pub(crate) streaming: AtomicU32,
    /// The peer's position this side waits for.
    pub(crate) wanted: AtomicU64,
    /// While the ticket is odd: the bell to ring, or 0 for the peer's own wake count.
    pub(crate) bell: AtomicU64,
    /// While the ticket is odd: when a sleep for `wanted` first began, in nanoseconds since the Unix epoch; for people.
    pub(crate) since: AtomicU64,
}

/// What is known of the holder of a seat. The truth about life is the lock; this explains it.
#[repr(C)]
pub(crate) struct Presence {
    /// One of the `STATE_` constants.
    pub(crate) state: AtomicU32,
    /// How often the seat has been taken.
    pub(crate) session: AtomicU32,
    /// Process id of the last holder, for messages only.
    pub(crate) pid: AtomicU32,
    /// 1 if this side publishes without a fence and relies on the sleeper's process barrier.
    pub(crate) barrier: AtomicU32,
    /// The namespace that the pid belongs to; 0 if that is not known.
    pub(crate) pid_space: AtomicU32,
    /// A subscriber's: one of the `STANCE_` constants.
    pub(crate) stance: AtomicU32,
    /// A durable subscriber's: the hash of the name it goes by.
    pub(crate) identity: AtomicU64,
    /// When the seat was taken, in nanoseconds since the Unix epoch; for people.
    pub(crate) since: AtomicU64,
    /// A registry owner's: bytes of each new lane.
    pub(crate) lane: AtomicU64,
    /// A worker's: how many messages it wants ahead; else 0.
    pub(crate) advice: AtomicU32,
    /// How often this side was to ring a bell and could not (W9).
    pub(crate) unrung: AtomicU32,
}

/// How far the writer may have stored, for those who read without holding it up.
#[repr(C)]
pub(crate) struct Reach {
    /// Everything before this position less the length of the data region may have been overwritten (R9).
    pub(crate) frontier: AtomicU64,
    /// What the gates were last found to allow: no record ends beyond it before they are looked at again.
    pub(crate) limit: AtomicU64,
    /// Odd while the gates are being looked at.
    pub(crate) scan: AtomicU32,
}

/// A place where a record starts, and how many messages come before it (R10).
#[repr(C)]
pub(crate) struct Mark {
    /// [`POSITION_NONE`] while the mark is being changed.
    pub(crate) position: AtomicU64,
    pub(crate) count: AtomicU64,
}

/// No position.
pub(crate) const POSITION_NONE: u64 = u64::MAX;

/// The page that all sides may store to, in segments with more than two. Everything here is a hint or is slept on.
#[repr(C)]
pub(crate) struct Commons {
    /// Grows when a reader of a broadcast goes to sleep, or a member comes to a registry.
    pub(crate) epoch: Block<AtomicU32>,
    /// On which the side with many peers sleeps; whoever wakes it makes it grow.
    pub(crate) bell: Block<AtomicU32>,
    /// A bit for each slot of a bell: set by who rings it for that slot, cleared by the bell's owner.
    pub(crate) slots: [AtomicU64; SLOT_WORDS],
}

/// Words of a bell's slots: what fits on the smallest page. The model has no use for so many.
pub(crate) const SLOT_WORDS: usize = if cfg!(loom) {
    1
} else {
    (GRANULARITY_MIN - 2 * BLOCK) / size_of::<u64>()
};
/// Slots that a bell has: ends that one selector may wait for.
pub(crate) const SLOTS: usize = 64 * SLOT_WORDS;
/// The bits of a page's `bell` that say which slot; the others are those of the bell's instance, where these are 0.
pub(crate) const SLOT_BITS: u32 = 16;

pub(crate) const STATE_NEVER: u32 = 0;
pub(crate) const STATE_OPEN: u32 = 1;
pub(crate) const STATE_CLOSED: u32 = 2;

/// A subscriber that holds nothing up.
pub(crate) const STANCE_LOSSY: u32 = 0;
/// One whose position the writer respects as long as it lives.
pub(crate) const STANCE_GATING: u32 = 1;
/// One whose position the writer respects also when it is gone.
pub(crate) const STANCE_DURABLE: u32 = 2;
/// One that has not found its place yet, and so is not there for its publisher.
pub(crate) const STANCE_JOINING: u32 = 3;

#[cfg(not(loom))]
const _: () = {
    assert!(offset_of!(RolePage, progress) == 0);
    assert!(offset_of!(Progress, count) == 8);
    assert!(offset_of!(RolePage, wake) == BLOCK);
    assert!(offset_of!(RolePage, sleep) == 2 * BLOCK);
    assert!(offset_of!(SleepWords, wanted) == 8);
    assert!(offset_of!(SleepWords, bell) == 16);
    assert!(offset_of!(SleepWords, since) == 24);
    assert!(offset_of!(RolePage, presence) == 3 * BLOCK);
    assert!(offset_of!(Presence, barrier) == 12);
    assert!(offset_of!(Presence, pid_space) == 16);
    assert!(offset_of!(Presence, identity) == 24);
    assert!(offset_of!(Presence, lane) == 40);
    assert!(offset_of!(Presence, unrung) == 52);
    assert!(offset_of!(Commons, slots) == 2 * BLOCK);
    assert!(size_of::<Commons>() == GRANULARITY_MIN);
    assert!(SLOTS <= 1 << SLOT_BITS);
    assert!(offset_of!(RolePage, reach) == 4 * BLOCK);
    assert!(offset_of!(Reach, scan) == 16);
    assert!(offset_of!(RolePage, void) == 5 * BLOCK);
    assert!(offset_of!(RolePage, marks) == 1024);
    assert!(size_of::<RolePage>() == 2048);
    assert!(size_of::<RolePage>() <= GRANULARITY_MIN);
    assert!(HEADER_LEN <= GRANULARITY_MIN);
};

/// The dimensions of a segment; every offset follows from these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Geometry {
    /// Bytes of records the ring can hold; a multiple of the granularity. 0 where there is no ring.
    pub(crate) capacity: usize,
    /// Alignment of each payload in bytes; a power of two.
    pub(crate) alignment: usize,
    /// Size of a page, or of what the platform maps at once.
    pub(crate) granularity: usize,
    /// Seats beside the writer's.
    pub(crate) readers: usize,
    /// Whether there is a page to which all sides may store.
    pub(crate) has_commons: bool,
}

impl Geometry {
    /// Of a channel. Rounds `capacity` up to the granularity.
    ///
    /// `None` when it is 0 or over [`CAPACITY_MAX`].
    pub(crate) fn new(capacity: usize, alignment: usize, granularity: usize) -> Option<Self> {
        if capacity == 0 || capacity as u64 > CAPACITY_MAX {
            return None;
        }
        Some(Self {
            capacity: capacity.next_multiple_of(granularity),
            alignment,
            granularity,
            readers: 1,
            has_commons: false,
        })
    }

    /// The same with so many readers, and the page that they share.
    pub(crate) fn shared_by(self, readers: usize) -> Self {
        Self {
            readers,
            has_commons: true,
            ..self
        }
    }

    #[cfg_attr(not(test), allow(dead_code, reason = "of the registries to come"))]
    /// Without a ring: seats alone, and the page that they share.
    pub(crate) fn without_ring(readers: usize, granularity: usize) -> Self {
        Self {
            capacity: 0,
            alignment: ALIGNMENT_MIN,
            granularity,
            readers,
            has_commons: true,
        }
    }

    /// The pages of the seats alone, for one who does not look into the ring.
    pub(crate) fn pages_only(self) -> Self {
        Self {
            capacity: 0,
            ..self
        }
    }

    /// Bytes of the data region. One granule more than the capacity, so that the terminator after
    /// the last record of a full ring never falls on the oldest one.
    pub(crate) fn data_len(&self) -> usize {
        match self.capacity {
            0 => 0,
            capacity => capacity + self.granularity,
        }
    }

    /// Seats, the writer's included.
    pub(crate) fn seats(&self) -> usize {
        1 + self.readers
    }

    /// Where the page of a seat starts in the segment.
    pub(crate) fn page_offset(&self, seat: Seat) -> usize {
        (1 + seat.number()) * self.granularity
    }

    /// Where the page starts to which all sides may store, if there is one.
    pub(crate) fn commons_offset(&self) -> Option<usize> {
        self.has_commons
            .then(|| (2 + self.readers) * self.granularity)
    }

    /// Where the data region starts in the segment.
    pub(crate) fn data_offset(&self) -> usize {
        (2 + self.readers + usize::from(self.has_commons)) * self.granularity
    }

    /// Size of the whole shared object in bytes.
    pub(crate) fn segment_len(&self) -> usize {
        self.data_offset() + self.data_len()
    }

    /// The longest message in bytes: the capacity less one record header, as far as the commit
    /// word can say it.
    pub(crate) fn max_message_len(&self) -> usize {
        self.capacity
            .saturating_sub(RECORD_HEADER)
            .min(u32::MAX as usize - 1)
    }
}

/// Whether a channel may ask for this payload alignment.
pub(crate) fn valid_alignment(alignment: usize) -> bool {
    alignment.is_power_of_two() && (ALIGNMENT_MIN..=ALIGNMENT_MAX).contains(&alignment)
}
