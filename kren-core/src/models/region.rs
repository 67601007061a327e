//! A segment in the model: both role pages, and a ring whose every access loom watches.
#![allow(unsafe_code)]

use crate::Role;
use crate::gates::Pages;
use crate::layout::{
    Block, Mark, Presence, Progress, Reach, RolePage, STATE_NEVER, Seat, SleepWords,
};
use crate::ring::{Consumer, Memory, Producer, Record, RingError, Shape};
use crate::sync::{AtomicU32, AtomicU64, Ordering};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

/// Bytes of the smallest thing that has a header: the alignment of the modelled rings.
const UNIT: usize = 8;

/// A ring of `units` times 8 bytes, and one unit for the terminator.
pub(crate) fn shape(units: usize) -> Shape {
    Shape {
        capacity: (units * UNIT) as u64,
        data_len: (units + 1) * UNIT,
        alignment: UNIT,
        lead: 0,
        max_len: units * UNIT - 8,
        step: UNIT as u64,
    }
}

/// The page of a role that nobody has held.
pub(crate) fn page() -> RolePage {
    RolePage {
        progress: Block(Progress {
            position: AtomicU64::new(0),
            count: AtomicU64::new(0),
        }),
        wake: Block(AtomicU32::new(0)),
        sleep: Block(SleepWords {
            ticket: AtomicU32::new(0),
            streaming: AtomicU32::new(0),
            wanted: AtomicU64::new(0),
            bell: AtomicU64::new(0),
            since: AtomicU64::new(0),
        }),
        presence: Block(Presence {
            state: AtomicU32::new(STATE_NEVER),
            session: AtomicU32::new(0),
            pid: AtomicU32::new(0),
            barrier: AtomicU32::new(0),
            pid_space: AtomicU32::new(0),
            stance: AtomicU32::new(0),
            identity: AtomicU64::new(0),
            since: AtomicU64::new(0),
            lane: AtomicU64::new(0),
            advice: AtomicU32::new(0),
            unrung: AtomicU32::new(0),
        }),
        reach: Block(Reach {
            frontier: AtomicU64::new(0),
            limit: AtomicU64::new(0),
            scan: AtomicU32::new(0),
        }),
        void: std::array::from_fn(|_| Block(std::array::from_fn(|_| AtomicU32::new(0)))),
        unused: Block([0; 16]),
        marks: std::array::from_fn(|_| Mark {
            position: AtomicU64::new(0),
            count: AtomicU64::new(0),
        }),
    }
}

/// The memory that both sides share.
pub(crate) struct Region {
    /// The writer's, then one for each reader.
    pages: Vec<RolePage>,
    units: Vec<Unit>,
    /// What the payloads say. Twice the data region: a record that runs past the end finds its
    /// bytes behind it, and as both sides ask for the same offset nothing has to be mirrored.
    bytes: *mut [u8],
}

/// Eight bytes of the data region, which serve as a header or as payload.
struct Unit {
    header: AtomicU64,
    /// Reports a payload access that no happens-before orders after the one in the way.
    payload: UnsafeCell<()>,
}

// SAFETY: `bytes` is reached only after `payload` of the same units, where loom finds races.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

impl Region {
    pub(crate) fn new(shape: Shape) -> Arc<Self> {
        Self::with_readers(shape, 1)
    }

    pub(crate) fn with_readers(shape: Shape, readers: usize) -> Arc<Self> {
        let unit = |_| Unit {
            header: AtomicU64::new(0),
            payload: UnsafeCell::new(()),
        };
        Arc::new(Self {
            pages: (0..=readers).map(|_| page()).collect(),
            units: (0..shape.data_len / UNIT).map(unit).collect(),
            bytes: Box::into_raw(vec![0u8; 2 * shape.data_len].into_boxed_slice()),
        })
    }

    fn units(&self, offset: usize, len: usize) -> impl Iterator<Item = &Unit> {
        (offset / UNIT..(offset + len).div_ceil(UNIT)).map(|at| &self.units[at % self.units.len()])
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: came from `into_raw` in `new`, and nobody else is left.
        drop(unsafe { Box::from_raw(self.bytes) });
    }
}

impl Pages for Region {
    fn page(&self, seat: Seat) -> &RolePage {
        &self.pages[seat.number()]
    }

    fn readers(&self) -> usize {
        self.pages.len() - 1
    }
}

/// A header that payload bytes might look like: an empty message nobody wrote.
const LOOKALIKE: u64 = (0xbad << 32) | 1;

// SAFETY: the words live as long as the region, `bytes` covers every payload and what would be its
// mirror.
unsafe impl Memory for Arc<Region> {
    fn page(&self, role: Role) -> &RolePage {
        &self.pages[usize::from(role == Role::Reader)]
    }

    fn header(&self, offset: usize) -> &AtomicU64 {
        &self.units[offset / UNIT].header
    }

    fn payload(&self, offset: usize, len: usize) -> *const u8 {
        self.units(offset, len)
            .for_each(|unit| unit.payload.with(|_| ()));
        self.bytes.cast::<u8>().wrapping_add(offset)
    }

    fn payload_mut(&self, offset: usize, len: usize) -> *mut u8 {
        for unit in self.units(offset, len) {
            unit.payload.with_mut(|_| ());
            // Payload and headers share their bytes: a header read in the wrong place or too early
            // finds this.
            unit.header.store(LOOKALIKE, Ordering::Relaxed);
        }
        self.bytes.cast::<u8>().wrapping_add(offset)
    }
}

/// Both halves of a ring in `region`.
pub(crate) fn both(
    region: &Arc<Region>,
    shape: Shape,
) -> (Producer<Arc<Region>>, Consumer<Arc<Region>>) {
    let producer = Producer::resume(Arc::clone(region), shape).unwrap();
    let consumer = Consumer::resume(Arc::clone(region), shape).unwrap();
    (producer, consumer)
}

/// A message that says which it is: as long as asked for, filled with `tag`.
pub(crate) fn message(tag: u32, len: usize) -> Vec<u8> {
    vec![tag as u8; len]
}

/// Holds the payload of a record against what it must say.
pub(crate) fn check<M: Memory>(consumer: &Consumer<M>, record: &Record) {
    let payload = consumer.payload(record);
    // SAFETY: `payload` gave `len` bytes.
    let bytes = unsafe { std::slice::from_raw_parts(payload, record.len) };
    assert_eq!(
        bytes,
        message(record.tag, record.len),
        "the payload of {record:?}"
    );
}

/// Pushes, waiting for room.
pub(crate) fn push<M: Memory>(producer: &mut Producer<M>, tag: u32, len: usize) {
    loop {
        match producer.push(&message(tag, len), tag) {
            Ok(()) => return,
            Err(RingError::Full { .. }) => thread::yield_now(),
            Err(error) => panic!("push: {error:?}"),
        }
    }
}

/// Waits for the next record and checks that it is whole.
pub(crate) fn next<M: Memory>(consumer: &mut Consumer<M>) -> Record {
    loop {
        if let Some(record) = consumer.peek().expect("an honest ring") {
            check(consumer, &record);
            consumer.advance(&record);
            return record;
        }
        thread::yield_now();
    }
}

/// Reads one message, uses it up to the last moment, and releases it.
pub(crate) fn read<M: Memory>(consumer: &mut Consumer<M>) -> (u32, usize) {
    let record = next(consumer);
    // Once more: the payload stays ours until it is released.
    check(consumer, &record);
    consumer.release();
    (record.tag, record.len)
}
