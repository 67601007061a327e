//! A broadcast in the model: one that joins while the publisher looks, one that reads without holding it up, and marks that change
//! while they are read (R9, R10, B1 to B3, B6).
#![allow(unsafe_code)]

use super::region::{Region, message, next, read, shape};
use super::{long_model, model};
use crate::Role;
use crate::gates::{self, Pages};
use crate::layout::{RolePage, STANCE_DURABLE, STANCE_GATING, STATE_OPEN, Seat};
use crate::ring::{Consumer, Memory, Producer, RingError, Shape, marks};
use crate::sync::{AtomicU64, Ordering};
use loom::sync::Arc;
use loom::thread;
use std::convert::Infallible;

/// The memory of a broadcast as the holder of a seat sees it: see `RingMemory`.
struct Seen {
    region: Arc<Region>,
    seat: Seat,
}

impl Seen {
    fn new(region: &Arc<Region>, seat: Seat) -> Self {
        Self {
            region: Arc::clone(region),
            seat,
        }
    }
}

// SAFETY: hands out what the region hands out.
unsafe impl Memory for Seen {
    fn page(&self, role: Role) -> &RolePage {
        let seat = match role {
            Role::Writer => Seat::WRITER,
            Role::Reader => self.seat.max(Seat::READER),
        };
        Pages::page(&*self.region, seat)
    }

    fn slowest(&self, written: u64, capacity: u64) -> u64 {
        gates::slowest(&*self.region, written, capacity)
    }

    fn look(&self, written: u64, end: u64, capacity: u64) -> Option<u64> {
        Some(gates::look(&*self.region, written, end, capacity))
    }

    fn header(&self, offset: usize) -> &AtomicU64 {
        self.region.header(offset)
    }

    fn payload(&self, offset: usize, len: usize) -> *const u8 {
        self.region.payload(offset, len)
    }

    fn payload_mut(&self, offset: usize, len: usize) -> *mut u8 {
        self.region.payload_mut(offset, len)
    }
}

/// Every message of these models takes 16 bytes.
const LEN: usize = 8;
const STRIDE: u64 = 16;

fn producer(region: &Arc<Region>, shape: Shape) -> Producer<Seen> {
    Producer::resume(Seen::new(region, Seat::WRITER), shape).unwrap()
}

/// Pushes, waiting for room: see `KrenWriter::write`. It looks anew when there is some, not before.
fn publish(producer: &mut Producer<Seen>, tag: u32) {
    publish_long(producer, tag, LEN);
}

fn publish_long(producer: &mut Producer<Seen>, tag: u32, len: usize) {
    loop {
        match producer.push(&message(tag, len), tag) {
            Ok(()) => return,
            Err(RingError::Full { .. }) => {}
            Err(error) => panic!("push: {error:?}"),
        }
        let wanted = producer.wanted(&producer.stage(), len);
        while !producer.has_released(wanted) {
            thread::yield_now();
        }
    }
}

/// What a subscriber says of itself before it joins: see `Endpoint::attach`.
fn attach(region: &Region, seat: Seat) {
    let presence = &Pages::page(region, seat).presence.0;
    presence.session.store(1, Ordering::Relaxed);
    presence.state.store(STATE_OPEN, Ordering::Release);
}

/// What a subscriber does that joins: see `KrenReader::join`. `place` says where it would start.
fn join(
    region: &Arc<Region>,
    shape: Shape,
    stance: u32,
    place: impl Fn(&Seen) -> u64,
) -> Consumer<Seen> {
    let seat = Seat::READER;
    attach(region, seat);
    loop {
        let memory = Seen::new(region, seat);
        let at = place(&memory);
        let unsettled = || {
            thread::yield_now();
            Ok::<_, Infallible>(false)
        };
        if gates::take_place(&**region, seat, stance, at, &shape, unsettled) == Ok(true) {
            return Consumer::resume(memory, shape).unwrap();
        }
        thread::yield_now();
    }
}

fn newest(memory: &Seen) -> u64 {
    memory.position(Role::Writer).load(Ordering::Acquire)
}

/// The oldest mark that is not overwritten.
fn oldest(memory: &Seen, shape: Shape) -> u64 {
    let written = newest(memory);
    let reach = &memory.page(Role::Writer).reach.0;
    let limit = reach.limit.load(Ordering::Acquire);
    let frontier = reach.frontier.load(Ordering::Relaxed);
    let is_whole = |at: &u64| {
        *at <= written && at + shape.capacity >= limit && at + shape.data_len as u64 >= frontier
    };
    let all = marks(memory).map(|(position, _)| position);
    all.filter(is_whole).min().unwrap_or(written)
}

/// Messages 1 and 2 through a ring that holds one of them, `before` of them already there, beside a subscriber that joins at `place`
/// and reads to the end.
fn joins_in_mid_stream(before: u32, place: impl Fn(&Seen, Shape) -> u64) {
    let shape = shape(2);
    let region = Region::with_readers(shape, 1);
    let mut producer = producer(&region, shape);
    (1..=before).for_each(|tag| publish(&mut producer, tag));
    let writing =
        thread::spawn(move || (before + 1..=2).for_each(|tag| publish(&mut producer, tag)));
    let mut consumer = join(&region, shape, STANCE_GATING, |memory| place(memory, shape));
    // R10: its count is right whatever the marks did meanwhile.
    assert_eq!(consumer.count() * STRIDE, consumer.cursor());
    while consumer.cursor() < 2 * STRIDE {
        let expected = consumer.count() as u32 + 1;
        assert_eq!(read(&mut consumer), (expected, LEN));
    }
    writing.join().unwrap();
}

/// B1, B2, B3: one that joins while the publisher looks at its gates is respected, or finds that it came too late: no byte that it
/// reads is overwritten before it releases it.
#[test]
fn loom_a_join_that_races_a_look_is_not_missed() {
    long_model(|| joins_in_mid_stream(0, |memory, _| newest(memory)));
}

/// B4, R10: nor one that starts at the oldest mark, which may be about to be overwritten.
#[test]
fn loom_a_join_at_the_oldest_mark_is_not_missed() {
    long_model(|| joins_in_mid_stream(1, oldest));
}

/// B1, R8: a publisher that is held up by one of two goes on when that one has released, and not before.
#[test]
fn loom_two_gates_are_both_respected() {
    long_model(|| {
        let shape = shape(2);
        let region = Region::with_readers(shape, 2);
        let mut producer = producer(&region, shape);
        let mut consumers = [Seat::reader(0), Seat::reader(1)].map(|seat| {
            attach(&region, seat);
            gates::stand(&*region, seat, STANCE_GATING, 0, 0);
            Consumer::resume(Seen::new(&region, seat), shape).unwrap()
        });
        let writing = thread::spawn(move || (1..=2).for_each(|tag| publish(&mut producer, tag)));
        let [one, two] = &mut consumers;
        assert_eq!(next(one).tag, 1);
        assert_eq!(read(two).0, 1);
        one.release();
        assert_eq!(read(one).0, 2);
        assert_eq!(read(two).0, 2);
        writing.join().unwrap();
    });
}

/// B1, R4, R8: no byte that a gate has not released is overwritten: the second message fills the ring, and the fourth has its
/// payload where the second one had some of its own.
#[test]
fn loom_what_a_gate_holds_is_not_overwritten() {
    const MESSAGES: [(u32, usize); 4] = [(1, 8), (2, 24), (3, 8), (4, 8)];
    long_model(|| {
        let shape = shape(4);
        let region = Region::with_readers(shape, 1);
        let mut producer = producer(&region, shape);
        attach(&region, Seat::READER);
        gates::stand(&*region, Seat::READER, STANCE_GATING, 0, 0);
        let memory = Seen::new(&region, Seat::READER);
        let mut consumer = Consumer::resume(memory, shape).unwrap();
        let writing = thread::spawn(move || {
            for (tag, len) in MESSAGES {
                publish_long(&mut producer, tag, len);
            }
        });
        for expected in MESSAGES {
            assert_eq!(read(&mut consumer), expected);
        }
        writing.join().unwrap();
    });
}

/// B3: who joins while a publisher is dead that was looking, or while its successor comes, is not left waiting.
#[test]
fn loom_a_look_that_death_has_ended_is_over_with_the_successor() {
    model(|| {
        let shape = shape(2);
        let region = Region::with_readers(shape, 1);
        publish(&mut producer(&region, shape), 1);
        let reach = &Pages::page(&*region, Seat::WRITER).reach.0;
        reach.scan.store(7, Ordering::Relaxed);
        let heirs = Arc::clone(&region);
        let writing = thread::spawn(move || drop(producer(&heirs, shape)));
        let consumer = join(&region, shape, STANCE_GATING, newest);
        assert_eq!(consumer.cursor(), STRIDE);
        writing.join().unwrap();
    });
}

/// B6: wherever one dies that joins for good, it has left no durable place that is overwritten.
#[test]
fn loom_a_place_is_durable_only_when_it_holds() {
    long_model(|| {
        let shape = shape(2);
        let region = Region::with_readers(shape, 1);
        let mut producer = producer(&region, shape);
        let pages = Arc::clone(&region);
        let writing = thread::spawn(move || {
            for tag in 1..=2 {
                // Full: by one that has joined, and dies without reading.
                match producer.push(&message(tag, LEN), tag) {
                    Ok(()) => {}
                    Err(RingError::Full { .. }) => break,
                    Err(error) => panic!("push: {error:?}"),
                }
            }
            // Whoever has not come further by now may have died there.
            let page = Pages::page(&*pages, Seat::READER);
            if page.presence.0.stance.load(Ordering::Acquire) == STANCE_DURABLE {
                let place = page.progress.0.position.load(Ordering::Acquire);
                assert!(producer.position() - place <= shape.capacity);
            }
        });
        join(&region, shape, STANCE_DURABLE, newest);
        writing.join().unwrap();
    });
}

/// R9, B7: what one reads that does not hold the publisher up is believed only if it was whole.
#[test]
fn loom_what_was_overtaken_is_not_believed() {
    model(|| {
        let shape = shape(2);
        let region = Region::with_readers(shape, 1);
        let mut producer = producer(&region, shape);
        let bytes = Arc::clone(&region);
        let writing = thread::spawn(move || {
            for tag in 1..=3 {
                let mut stage = producer.stage();
                producer.room(&stage, LEN).unwrap();
                // The payload, as something that may be loaded while it is stored.
                let at = shape.offset(producer.position() + 8) % shape.data_len;
                bytes.header(at).store(tag.into(), Ordering::Relaxed);
                producer.seal(&mut stage, LEN, tag);
                producer.publish(stage);
            }
        });
        let mut consumer = Consumer::at(Seen::new(&region, Seat::READER), shape, 0);
        for _ in 0..2 {
            let found = consumer.peek();
            let payload = region.header(8).load(Ordering::Relaxed);
            if consumer.is_overtaken() {
                break;
            }
            // At the position 0, whose payload is at 8.
            if let Some(record) = found.expect("what is whole is sound") {
                assert_eq!((record.tag, record.len, payload), (1, LEN, 1));
            }
        }
        writing.join().unwrap();
    });
}

/// R10: a mark that is changed while it is read is whole or passed over.
#[test]
fn loom_a_mark_that_changes_is_whole_or_passed_over() {
    model(|| {
        let shape = shape(4);
        let region = Region::with_readers(shape, 1);
        let mut producer = producer(&region, shape);
        let writing = thread::spawn(move || (1..=3).for_each(|tag| publish(&mut producer, tag)));
        for (position, count) in marks(&Seen::new(&region, Seat::READER)) {
            assert_eq!(position, count * STRIDE);
        }
        writing.join().unwrap();
    });
}
