//! Words that no honest side would store (G7).
//!
//! Every access goes through `rig::Checked`, which panics at the first one outside the data region
//! and its mirror. What is asked here is that nothing panics, nothing runs for ever, and that what
//! cannot be true is called `Corrupt`.

use super::rig::{PAGE, Rig, bytes, fill, pattern};
use crate::Role;
use crate::layout::POSITION_MAX;
use crate::ring::{Consumer, Memory, Producer, RingError};
use proptest::prelude::*;

/// Values of a 64-bit word worth trying beside an honest `value`.
pub(super) fn suspects(value: u64, rig: &Rig) -> Vec<u64> {
    let capacity = rig.shape.capacity;
    let data = rig.shape.data_len as u64;
    let mut all = vec![
        0,
        1,
        7,
        8,
        u64::from(u32::MAX),
        1 << 32,
        u64::MAX,
        u64::MAX - 7,
        1 << 63,
    ];
    all.extend([POSITION_MAX, POSITION_MAX + 8, POSITION_MAX - 8]);
    for step in [
        1,
        7,
        8,
        9,
        capacity - 8,
        capacity,
        capacity + 8,
        data,
        2 * data,
    ] {
        all.push(value.wrapping_add(step));
        all.push(value.wrapping_sub(step));
    }
    all.sort_unstable();
    all.dedup();
    all.retain(|suspect| *suspect != value);
    all
}

/// Takes everything the ring will give, more laps than it can honestly hold.
pub(super) fn read_all<M: Memory>(consumer: &mut Consumer<M>) -> Result<usize, RingError> {
    let mut count = 0;
    while let Some(record) = consumer.peek()? {
        assert_eq!(bytes(consumer, &record).len(), record.len);
        consumer.advance(&record);
        consumer.release();
        count += 1;
        if count > 10_000 {
            return Ok(count);
        }
    }
    consumer.check_empty()?;
    Ok(count)
}

/// Everything a producer can be asked.
pub(super) fn write_all<M: Memory>(producer: &mut Producer<M>) -> Result<(), RingError> {
    producer.available();
    producer.is_drained();
    let mut stage = producer.stage();
    let most = PAGE - 96;
    for len in [0, 100, most, most, most, 0, most, 8] {
        match producer.room(&stage, len) {
            Ok(room) => {
                fill(room, &pattern(1, len));
                producer.wanted(&stage, len);
                producer.seal(&mut stage, len, 1);
            }
            Err(RingError::Corrupt(what)) => return Err(RingError::Corrupt(what)),
            Err(_) => {}
        }
    }
    producer.publish(stage);
    for len in [0, PAGE - 8, PAGE - 7, usize::MAX] {
        match producer.push(&vec![1; len.min(PAGE + 904)], 1) {
            Err(RingError::Corrupt(what)) => return Err(RingError::Corrupt(what)),
            _ => continue,
        }
    }
    Ok(())
}

/// A ring with two read messages, three unread ones, and both positions far from zero.
pub(super) fn prepare() -> (Rig, Vec<u64>) {
    let rig = Rig::new(PAGE, 8).at((1 << 32) - 64);
    let mut producer = rig.producer().unwrap();
    let mut consumer = rig.consumer().unwrap();
    let mut starts = vec![];
    for tag in 0..5 {
        starts.push(producer.position());
        producer
            .push(&pattern(tag, 50 * tag as usize), tag)
            .unwrap();
    }
    for _ in 0..2 {
        let record = consumer.peek().unwrap().unwrap();
        consumer.advance(&record);
        consumer.release();
    }
    (rig, starts[2..].to_vec())
}

/// The commit word of each record, set to every length that is interesting: an impossible length is
/// `Corrupt` to a reader and to a writer that takes over; any other keeps both inside the ring.
#[test]
fn every_record_length_is_checked_before_use() {
    let honest: Vec<u32> = (2..5).map(|tag| 50 * tag + 1).collect();
    for (at, honest) in honest.into_iter().enumerate() {
        let page = PAGE as u32;
        let max = page - 8;
        let mut words = vec![
            0,
            1,
            2,
            max - 1,
            max,
            max + 1,
            max + 2,
            max + 9,
            page,
            page + 1,
            page + 904,
        ];
        words.extend([honest - 1, honest + 1, honest - 8, honest + 8]);
        words.extend([u32::MAX, u32::MAX - 1, 1 << 31, (1 << 31) - 1, 1 << 16]);
        for word in words {
            let (rig, starts) = prepare();
            let header = rig.header_at(starts[at]);
            rig.set_word(header, (rig.word(header) & !0xffff_ffff) | u64::from(word));

            let mut consumer = rig.consumer().unwrap();
            consumer.available();
            let surveyed = consumer.survey();
            let read = read_all(&mut consumer);
            let impossible = word > max + 1;
            let lost = word == 0;
            if impossible || lost {
                assert!(
                    matches!(read, Err(RingError::Corrupt(_))),
                    "record {at}, {word}: {read:?}"
                );
            }
            if impossible {
                assert!(
                    matches!(surveyed, Err(RingError::Corrupt(_))),
                    "record {at}, {word}"
                );
            }
        }
    }
}

/// The same for a writer that takes over and walks the records.
#[test]
fn a_walk_over_impossible_lengths_is_corrupt() {
    let page = PAGE as u32;
    for word in [page - 6, page, page + 904, u32::MAX, 1 << 31] {
        let (rig, starts) = prepare();
        rig.set_position(Role::Writer, starts[0]);
        for start in starts {
            let header = rig.header_at(start);
            rig.set_word(header, u64::from(word));
            assert!(
                matches!(rig.producer(), Err(RingError::Corrupt(_))),
                "{word}"
            );
        }
    }
    // Lengths that are possible each, and too much together: the word is the length plus 1.
    let most = PAGE as u64 - 95;
    let (rig, starts) = prepare();
    rig.set_position(Role::Writer, starts[0]);
    rig.set_word(rig.header_at(starts[0]), most);
    rig.set_word(rig.header_at(starts[0] + most + 7), most);
    assert!(matches!(rig.producer(), Err(RingError::Corrupt(_))));
    assert!(matches!(
        rig.consumer().unwrap().survey(),
        Err(RingError::Corrupt(_))
    ));
}

/// A ring of nothing but committed empty records is walked to its end, not for ever.
#[test]
fn a_ring_of_nothing_but_records_is_walked_once() {
    let rig = Rig::new(PAGE, 8);
    for offset in (0..rig.shape.data_len).step_by(8) {
        rig.set_word(offset, 1);
    }
    assert!(matches!(rig.producer(), Err(RingError::Corrupt(_))));
    let consumer = rig.consumer().unwrap();
    assert!(matches!(consumer.survey(), Err(RingError::Corrupt(_))));
}

/// Each stored position, set to everything, before a side takes over.
#[test]
fn every_stored_position_is_checked_at_resume() {
    for role in [Role::Writer, Role::Reader] {
        let (rig, _) = prepare();
        for suspect in suspects(rig.position(role), &rig) {
            let (rig, _) = prepare();
            let (written, read) = (rig.position(Role::Writer), rig.position(Role::Reader));
            rig.set_position(role, suspect);
            let far = match role {
                Role::Writer => suspect.abs_diff(read) > PAGE as u64,
                Role::Reader => suspect.abs_diff(written) > PAGE as u64,
            };
            let impossible = suspect > POSITION_MAX || far || !suspect.is_multiple_of(8);
            let producer = rig.producer();
            if impossible {
                assert!(
                    matches!(producer, Err(RingError::Corrupt(_))),
                    "{role} {suspect}"
                );
            }
            if let Ok(mut producer) = producer {
                let _ = write_all(&mut producer);
            }
            let (rig, _) = prepare();
            rig.set_position(role, suspect);
            let consumer = rig.consumer();
            if far || suspect > POSITION_MAX {
                assert!(
                    matches!(consumer, Err(RingError::Corrupt(_))),
                    "{role} {suspect}"
                );
            }
            if let Ok(mut consumer) = consumer {
                let _ = read_all(&mut consumer);
            }
        }
    }
}

/// The reader's position under a running writer: one that cannot be true is `Corrupt` as soon as it
/// is looked at, and none makes the writer fill more than the ring holds.
#[test]
fn every_read_position_is_checked_by_a_running_writer() {
    let (rig, _) = prepare();
    let written = rig.position(Role::Writer);
    for suspect in suspects(rig.position(Role::Reader), &rig) {
        let (rig, _) = prepare();
        let mut producer = rig.producer().unwrap();
        rig.set_position(Role::Reader, suspect);
        let outcome = write_all(&mut producer);
        if suspect > written || written - suspect > PAGE as u64 {
            assert!(
                matches!(outcome, Err(RingError::Corrupt(_))),
                "{suspect}: {outcome:?}"
            );
        }
    }
}

/// The writer's position under a running reader that finds nothing to read.
#[test]
fn every_write_position_is_checked_by_a_running_reader() {
    let (rig, _) = prepare();
    let written = rig.position(Role::Writer);
    for suspect in suspects(written, &rig) {
        let (rig, _) = prepare();
        let mut consumer = rig.consumer().unwrap();
        rig.set_position(Role::Writer, suspect);
        consumer.available();
        let outcome = read_all(&mut consumer);
        // One that lags is what every committed record looks like for an instant.
        if suspect > written || written - suspect > PAGE as u64 {
            assert!(
                matches!(outcome, Err(RingError::Corrupt(_))),
                "{suspect}: {outcome:?}"
            );
        }
    }
}

#[derive(Debug, Clone)]
enum Blow {
    /// Stores a word somewhere in the data region.
    Word(usize, u64),
    /// Stores a likely word where a header stands.
    Header(u64),
    Position(bool, u64),
    Write(usize),
    Batch(Vec<usize>),
    Read(u8),
    Resume,
}

fn blow() -> impl Strategy<Value = Blow> {
    let word = prop_oneof![
        any::<u64>(),
        0u64..6000,
        (0u64..6000).prop_map(|low| low | 7 << 32)
    ];
    let position = prop_oneof![
        any::<u64>(),
        0u64..20_000,
        (0u64..2500).prop_map(|units| units * 8),
        (POSITION_MAX - 20_000)..(POSITION_MAX + 20_000),
    ];
    prop_oneof![
        2 => (any::<usize>(), word.clone()).prop_map(|(at, word)| Blow::Word(at, word)),
        2 => word.prop_map(Blow::Header),
        2 => (any::<bool>(), position).prop_map(|(writer, at)| Blow::Position(writer, at)),
        3 => (0usize..5000).prop_map(Blow::Write),
        2 => proptest::collection::vec(0usize..5000, 1..5).prop_map(Blow::Batch),
        3 => (1u8..20).prop_map(Blow::Read),
        1 => Just(Blow::Resume),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..Default::default() })]

    /// Whatever is stored, wherever, between whatever operations: no panic, no access outside, and
    /// each call comes back.
    #[test]
    fn no_bytes_lead_out_of_the_ring(
        alignment in (3u32..=12).prop_map(|bits| 1usize << bits),
        blows in proptest::collection::vec(blow(), 1..60),
    ) {
        let rig = Rig::new(PAGE, alignment);
        let mut producer = rig.producer().unwrap();
        let mut consumer = rig.consumer().unwrap();
        for blow in blows {
            match blow {
                Blow::Word(at, word) => rig.set_word((at % rig.shape.data_len) & !7, word),
                Blow::Header(word) => rig.set_word(consumer.header_offset(), word),
                Blow::Position(true, at) => rig.set_position(Role::Writer, at),
                Blow::Position(false, at) => rig.set_position(Role::Reader, at),
                Blow::Write(len) => drop(producer.push(&vec![0xff; len], 3)),
                Blow::Batch(lens) => {
                    let mut stage = producer.stage();
                    for len in lens {
                        if producer.room(&stage, len).is_ok() {
                            producer.seal(&mut stage, len, 4);
                        }
                    }
                    producer.publish(stage);
                }
                Blow::Read(messages) => {
                    for _ in 0..messages {
                        let Ok(Some(record)) = consumer.peek() else { break };
                        bytes(&consumer, &record);
                        consumer.advance(&record);
                        consumer.release();
                    }
                    let _ = consumer.check_empty();
                    let _ = consumer.survey();
                    consumer.available();
                }
                Blow::Resume => {
                    if let Ok(heir) = rig.producer() {
                        producer = heir;
                    }
                    if let Ok(heir) = rig.consumer() {
                        consumer = heir;
                    }
                }
            }
            producer.available();
            producer.is_drained();
        }
    }
}
