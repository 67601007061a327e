//! The ring under the model checker: every interleaving of a producer and a consumer, and every
//! value that the memory model lets each load return.
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test -p kren-core --lib --release loom
//! ```
//!
//! At most three preemptions are tried in each run of a model; `LOOM_MAX_PREEMPTIONS=5` tries
//! more, and takes as many times longer for each.
#![allow(unsafe_code)]

use super::fused::{Fuse, Fused, survives};
use crate::Role;
use crate::ring::{Consumer, Memory, Producer, Record, RingError, Shape};
use crate::sync::{AtomicU64, Ordering};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

/// Bytes of the smallest thing that has a header: the alignment of the modelled rings.
const UNIT: usize = 8;

/// Runs `f` under every schedule with up to three preemptions, unless the environment says more.
fn model(f: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(3);
    builder.check(f);
}

/// A ring of `units` times 8 bytes, and one unit for the terminator.
fn shape(units: usize) -> Shape {
    Shape {
        capacity: (units * UNIT) as u64,
        data_len: (units + 1) * UNIT,
        alignment: UNIT,
        lead: 0,
        max_len: units * UNIT - 8,
    }
}

/// The ring's memory in the model.
struct Region {
    positions: [AtomicU64; 2],
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
    fn new(shape: Shape) -> Arc<Self> {
        let unit = |_| Unit {
            header: AtomicU64::new(0),
            payload: UnsafeCell::new(()),
        };
        Arc::new(Self {
            positions: [AtomicU64::new(0), AtomicU64::new(0)],
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

/// A header that payload bytes might look like: an empty message nobody wrote.
const LOOKALIKE: u64 = (0xbad << 32) | 1;

// SAFETY: the words live as long as the region, `bytes` covers every payload and what would be its
// mirror.
unsafe impl Memory for Arc<Region> {
    fn position(&self, role: Role) -> &AtomicU64 {
        &self.positions[usize::from(role == Role::Reader)]
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

/// A message that says which it is: as long as asked for, filled with `tag`.
fn message(tag: u32, len: usize) -> Vec<u8> {
    vec![tag as u8; len]
}

/// Pushes, waiting for room.
fn push<M: Memory>(producer: &mut Producer<M>, tag: u32, len: usize) {
    loop {
        match producer.push(&message(tag, len), tag) {
            Ok(()) => return,
            Err(RingError::Full { .. }) => thread::yield_now(),
            Err(error) => panic!("push: {error:?}"),
        }
    }
}

/// Waits for the next record and checks that it is whole.
fn next<M: Memory>(consumer: &mut Consumer<M>) -> Record {
    loop {
        if let Some(record) = consumer.peek().expect("an honest ring") {
            check(consumer, &record);
            consumer.advance(&record);
            return record;
        }
        thread::yield_now();
    }
}

fn check<M: Memory>(consumer: &Consumer<M>, record: &Record) {
    let payload = consumer.payload(record);
    // SAFETY: `payload` gave `len` bytes.
    let bytes = unsafe { std::slice::from_raw_parts(payload, record.len) };
    assert_eq!(
        bytes,
        message(record.tag, record.len),
        "the payload of {record:?}"
    );
}

/// Reads one message, uses it up to the last moment, and releases it.
fn read<M: Memory>(consumer: &mut Consumer<M>) -> (u32, usize) {
    let record = next(consumer);
    // Once more: the payload stays ours until it is released.
    check(consumer, &record);
    consumer.release(record.end);
    (record.tag, record.len)
}

fn both(region: &Arc<Region>, shape: Shape) -> (Producer<Arc<Region>>, Consumer<Arc<Region>>) {
    let producer = Producer::resume(Arc::clone(region), shape).unwrap();
    let consumer = Consumer::resume(Arc::clone(region), shape).unwrap();
    (producer, consumer)
}

/// G1, R3, R4, R8: messages of several lengths arrive whole and in order, through a full ring and
/// over its end, and no byte is overwritten before it was released: the second message fills the
/// ring, and the fourth has its payload where the second one had some of its own.
#[test]
fn loom_messages_arrive_whole_and_in_order() {
    const MESSAGES: [(u32, usize); 4] = [(1, 8), (2, 24), (3, 8), (4, 8)];
    model(|| {
        let shape = shape(4);
        let (mut producer, mut consumer) = both(&Region::new(shape), shape);
        let writing = thread::spawn(move || {
            for (tag, len) in MESSAGES {
                push(&mut producer, tag, len);
            }
        });
        for expected in MESSAGES {
            assert_eq!(read(&mut consumer), expected);
        }
        writing.join().unwrap();
        assert_eq!(consumer.peek(), Ok(None));
        assert!(consumer.is_drained());
    });
}

/// G1, G2: the same with a message as large as the ring, which leaves no room for anything else.
#[test]
fn loom_a_message_as_large_as_the_ring() {
    model(|| {
        let shape = shape(2);
        let (mut producer, mut consumer) = both(&Region::new(shape), shape);
        let writing = thread::spawn(move || {
            for tag in 1..=4 {
                push(&mut producer, tag, shape.max_len);
            }
        });
        for tag in 1..=4 {
            assert_eq!(read(&mut consumer), (tag, shape.max_len));
        }
        writing.join().unwrap();
    });
}

/// G1: an aborted reservation is never seen, and one that was cut short is seen at its length.
#[test]
fn loom_an_aborted_message_is_never_seen() {
    model(|| {
        let shape = shape(4);
        let (mut producer, mut consumer) = both(&Region::new(shape), shape);
        let writing = thread::spawn(move || {
            let fill = |room: *mut u8, tag: u32, len: usize| {
                // SAFETY: `room` has at least `len` bytes.
                unsafe { room.copy_from_nonoverlapping(message(tag, len).as_ptr(), len) };
            };
            let stage = producer.stage();
            fill(producer.room(&stage, 16).unwrap(), 9, 16);

            let mut stage = producer.stage();
            fill(producer.room(&stage, 16).unwrap(), 1, 8);
            producer.seal(&mut stage, 8, 1);
            producer.publish(stage);

            // A batch of two, given up.
            let mut stage = producer.stage();
            for _ in 0..2 {
                producer.room(&stage, 0).unwrap();
                producer.seal(&mut stage, 0, 9);
            }
            push(&mut producer, 2, 8);
        });
        assert_eq!(read(&mut consumer), (1, 8));
        assert_eq!(read(&mut consumer), (2, 8));
        writing.join().unwrap();
        assert_eq!(consumer.peek(), Ok(None));
    });
}

/// G1, R5: whoever sees the first message of a batch finds the others without waiting.
#[test]
fn loom_a_batch_appears_at_once() {
    model(|| {
        let shape = shape(5);
        let (mut producer, mut consumer) = both(&Region::new(shape), shape);
        // So that the batch lies where an old record's header may still be seen.
        push(&mut producer, 1, 8);
        read(&mut consumer);
        let writing = thread::spawn(move || {
            let mut stage = producer.stage();
            for (tag, len) in [(2, 8), (3, 0), (4, 0)] {
                let room = producer.room(&stage, len).unwrap();
                // SAFETY: `room` has `len` bytes.
                unsafe { room.copy_from_nonoverlapping(message(tag, len).as_ptr(), len) };
                producer.seal(&mut stage, len, tag);
            }
            producer.publish(stage);
        });
        assert_eq!(next(&mut consumer).tag, 2);
        for tag in [3, 4] {
            let record = consumer.peek().unwrap().expect("the batch is not whole");
            check(&consumer, &record);
            assert_eq!(record.tag, tag);
            consumer.advance(&record);
        }
        writing.join().unwrap();
        assert_eq!(consumer.peek(), Ok(None));
    });
}

/// G7, R6: a sound ring is never taken for a broken one, whenever the consumer looks.
#[test]
fn loom_a_sound_ring_is_never_called_corrupt() {
    model(|| {
        let shape = shape(3);
        let (mut producer, mut consumer) = both(&Region::new(shape), shape);
        let writing = thread::spawn(move || {
            push(&mut producer, 1, 8);
            push(&mut producer, 2, 0);
            push(&mut producer, 3, 8);
        });
        for tag in 1..=3 {
            consumer.check_empty().expect("sound");
            assert!(consumer.available() <= shape.capacity as usize);
            assert_eq!(read(&mut consumer).0, tag);
            consumer.survey().expect("sound");
        }
        writing.join().unwrap();
    });
}

/// G3, R7: a producer that dies before any of its stores, and its successor, deliver each committed
/// message once and in order to a consumer that reads all the while.
#[test]
fn loom_a_producer_dies_anywhere_and_another_goes_on() {
    for accesses in 0.. {
        let lived = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let outcome = std::sync::Arc::clone(&lived);
        model(move || {
            let shape = shape(4);
            let region = Region::new(shape);
            let (mut first, mut consumer) = both(&region, shape);
            push(&mut first, 1, 8);
            let lived = std::sync::Arc::clone(&outcome);
            let writing = thread::spawn(move || {
                let survived = survives(|| {
                    let fuse = Fuse::default();
                    let memory = Fused::new(Arc::clone(&region), &fuse);
                    let mut dying = Producer::resume(memory, shape).unwrap();
                    fuse.set(Some(accesses));
                    let _ = dying.push(&message(2, 8), 2);
                });
                lived.store(survived, std::sync::atomic::Ordering::Relaxed);
                let mut heir = Producer::resume(Arc::clone(&region), shape).unwrap();
                // Message 2 takes the positions 16 to 32 if it was committed.
                let committed = heir.position() == 32;
                assert!(committed || heir.position() == 16);
                push(&mut heir, 3, 0);
                committed
            });
            assert_eq!(read(&mut consumer), (1, 8));
            let mut seen = vec![];
            while seen.last() != Some(&3) {
                seen.push(read(&mut consumer).0);
            }
            let committed = writing.join().unwrap();
            assert_eq!(seen, if committed { vec![2, 3] } else { vec![3] });
        });
        if lived.load(std::sync::atomic::Ordering::Relaxed) {
            assert!(accesses >= 4, "the model never killed anybody");
            return;
        }
    }
}

/// G3: a consumer that dies before any of its stores loses nothing: its successor starts at the
/// first message that was not released, while the producer goes on.
#[test]
fn loom_a_consumer_dies_anywhere_and_another_goes_on() {
    for accesses in 0.. {
        let lived = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let outcome = std::sync::Arc::clone(&lived);
        model(move || {
            let shape = shape(3);
            let region = Region::new(shape);
            let mut producer = Producer::resume(Arc::clone(&region), shape).unwrap();
            push(&mut producer, 1, 8);
            let lived = std::sync::Arc::clone(&outcome);
            let reading = thread::spawn(move || {
                let seen = std::cell::Cell::new(0);
                let survived = survives(|| {
                    let fuse = Fuse::default();
                    let memory = Fused::new(Arc::clone(&region), &fuse);
                    let mut dying = Consumer::resume(memory, shape).unwrap();
                    fuse.set(Some(accesses));
                    let record = dying.peek().unwrap().unwrap();
                    check(&dying, &record);
                    dying.advance(&record);
                    seen.set(record.tag);
                    dying.release(record.end);
                });
                lived.store(survived, std::sync::atomic::Ordering::Relaxed);
                let mut heir = Consumer::resume(Arc::clone(&region), shape).unwrap();
                if !survived {
                    assert_eq!(read(&mut heir).0, 1, "message 1 was not released");
                } else {
                    assert_eq!(seen.get(), 1);
                }
                assert_eq!(read(&mut heir).0, 2);
                assert_eq!(read(&mut heir).0, 3);
            });
            push(&mut producer, 2, 8);
            push(&mut producer, 3, 0);
            reading.join().unwrap();
        });
        if lived.load(std::sync::atomic::Ordering::Relaxed) {
            assert!(accesses >= 3, "the model never killed anybody");
            return;
        }
    }
}
