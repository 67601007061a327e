//! Random operations on a ring, held against a queue that cannot be wrong.

use super::rig::{Checked, PAGE, Rig, bytes, fill, pattern};
use crate::Role;
use crate::layout::POSITION_MAX;
use crate::ring::record::stride;
use crate::ring::{Consumer, Producer, Record, RingError};
use proptest::prelude::*;
use std::collections::{HashMap, VecDeque};

#[derive(Debug, Clone)]
enum Op {
    Push(Len),
    /// Reserves, fills, and commits that many hundredths of it, or aborts.
    Reserve(Len, Option<u8>),
    Batch(Vec<Len>, bool),
    /// Reads so many messages, and releases them or keeps them.
    Read(u8, bool),
    /// Gives up the side as a dying process would, and takes it over.
    ReplaceProducer,
    ReplaceConsumer,
}

/// A message length, as a share of what the ring takes.
#[derive(Debug, Clone, Copy)]
enum Len {
    Bytes(usize),
    /// Thousandths of the longest message.
    Share(usize),
    /// The longest message less so many bytes.
    LessThanMax(usize),
    /// What fits now, and so many bytes more.
    MoreThanFits(usize),
}

struct Oracle<'a> {
    rig: &'a Rig,
    producer: Producer<Checked>,
    consumer: Consumer<Checked>,
    /// Committed and not read.
    waiting: VecDeque<Sent>,
    /// Read and not released, with where each ends.
    held: VecDeque<(Sent, Record)>,
    count: u32,
    /// Where each record ever committed starts, and the end of the last, with the messages before it.
    starts: HashMap<u64, u64>,
}

/// One message: its tag is the seed of its bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Sent {
    tag: u32,
    len: usize,
}

impl<'a> Oracle<'a> {
    fn new(rig: &'a Rig) -> Self {
        Self {
            rig,
            producer: rig.producer().unwrap(),
            consumer: rig.consumer().unwrap(),
            waiting: VecDeque::new(),
            held: VecDeque::new(),
            count: 0,
            // Marks that were never left say that the ring starts at 0, as it does but for the tests.
            starts: HashMap::from([(0, 0), (rig.position(Role::Writer), 0)]),
        }
    }

    fn sent(&mut self, len: usize) -> Sent {
        self.count += 1;
        Sent {
            tag: self.count,
            len,
        }
    }

    fn stride(&self, len: usize) -> usize {
        stride(len, self.rig.shape.alignment)
    }

    fn used(&self) -> usize {
        let held = self.held.iter().map(|(sent, _)| sent);
        held.chain(&self.waiting)
            .map(|sent| self.stride(sent.len))
            .sum()
    }

    fn free(&self) -> usize {
        self.rig.shape.capacity as usize - self.used()
    }

    fn len(&self, len: Len) -> usize {
        let max = self.rig.shape.max_len;
        match len {
            Len::Bytes(len) => len,
            Len::Share(thousandths) => max * thousandths / 1000,
            Len::LessThanMax(less) => max.saturating_sub(less),
            Len::MoreThanFits(more) => self.producer.available() + more,
        }
    }

    /// What the ring must say to `len` more bytes when `staged` are taken by a batch.
    fn verdict(&self, len: usize, staged: usize) -> Result<(), RingError> {
        let capacity = self.rig.shape.capacity as usize;
        let max = self.rig.shape.max_len;
        if len > max {
            Err(RingError::TooLarge { len, max })
        } else if staged + self.stride(len) > capacity {
            Err(RingError::TooLarge {
                len,
                max: (capacity - staged).saturating_sub(8),
            })
        } else if staged + self.stride(len) > self.free() {
            Err(RingError::Full {
                needed: len,
                available: self.free().saturating_sub(8),
            })
        } else {
            Ok(())
        }
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::Push(len) => {
                let sent = self.sent(self.len(*len));
                let expected = self.verdict(sent.len, 0);
                let bytes = pattern(sent.tag, sent.len.min(self.rig.shape.max_len + 1));
                let bytes = if bytes.len() < sent.len {
                    vec![0; sent.len]
                } else {
                    bytes
                };
                assert_eq!(self.producer.push(&bytes, sent.tag), expected);
                if expected.is_ok() {
                    self.committed(&[sent]);
                }
            }
            Op::Reserve(len, commit) => {
                let len = self.len(*len);
                let expected = self.verdict(len, 0);
                let mut stage = self.producer.stage();
                let room = self.producer.room(&stage, len);
                assert_eq!(room.map(|_| ()), expected);
                let Ok(room) = room else { return };
                assert!(
                    (room as usize).is_multiple_of(self.rig.shape.alignment),
                    "G2: alignment"
                );
                fill(room, &vec![0xee; len]);
                if let Some(hundredths) = commit {
                    let sent = self.sent(len * usize::from(*hundredths) / 100);
                    fill(room, &pattern(sent.tag, sent.len));
                    self.producer.seal(&mut stage, sent.len, sent.tag);
                    self.producer.publish(stage);
                    self.committed(&[sent]);
                }
            }
            Op::Batch(lens, commit) => self.batch(lens, *commit),
            Op::Read(messages, release) => self.read(*messages, *release),
            Op::ReplaceProducer => self.producer = self.rig.producer().unwrap(),
            Op::ReplaceConsumer => {
                self.consumer = self.rig.consumer().unwrap();
                // G3: what was not released comes again.
                while let Some((sent, _)) = self.held.pop_back() {
                    self.waiting.push_front(sent);
                }
            }
        }
        self.check();
    }

    fn batch(&mut self, lens: &[Len], commit: bool) {
        let mut stage = self.producer.stage();
        let mut staged = 0;
        let mut pushed = vec![];
        for len in lens {
            let len = self.len(*len);
            let expected = self.verdict(len, staged);
            let room = self.producer.room(&stage, len);
            assert_eq!(room.map(|_| ()), expected);
            let Ok(room) = room else { continue };
            let sent = self.sent(len);
            fill(room, &pattern(sent.tag, len));
            self.producer.seal(&mut stage, len, sent.tag);
            staged += self.stride(len);
            pushed.push(sent);
            // G1: nothing of the batch is visible yet.
            assert_eq!(self.consumer.survey().unwrap().0, self.waiting.len() as u64);
        }
        if commit {
            self.producer.publish(stage);
            self.committed(&pushed);
        }
    }

    fn committed(&mut self, messages: &[Sent]) {
        self.waiting.extend(messages);
        let mut end = self.producer.position();
        let mut count = self.producer.count();
        for sent in messages.iter().rev() {
            self.starts.insert(end, count);
            end -= self.stride(sent.len) as u64;
            count -= 1;
        }
        assert_eq!(self.starts.get(&end), Some(&count), "the count before");
    }

    fn read(&mut self, messages: u8, release: bool) {
        for _ in 0..messages {
            let record = self.consumer.peek().unwrap();
            let Some(expected) = self.waiting.pop_front() else {
                assert_eq!(record, None);
                break;
            };
            let record = record.expect("a committed message is missing");
            assert_eq!(
                Sent {
                    tag: record.tag,
                    len: record.len
                },
                expected
            );
            assert_eq!(
                bytes(&self.consumer, &record),
                pattern(expected.tag, expected.len)
            );
            let payload = self.consumer.payload(&record) as usize;
            assert!(
                payload.is_multiple_of(self.rig.shape.alignment),
                "G2: alignment"
            );
            self.consumer.advance(&record);
            self.held.push_back((expected, record));
        }
        // What is held has not been touched by what was written since.
        for (sent, record) in &self.held {
            assert_eq!(bytes(&self.consumer, record), pattern(sent.tag, sent.len));
        }
        if release && !self.held.is_empty() {
            self.consumer.release();
            self.held.clear();
        }
    }

    /// What must hold after every operation.
    fn check(&mut self) {
        let unread: usize = self.waiting.iter().map(|sent| self.stride(sent.len)).sum();
        assert_eq!(self.consumer.available(), unread);
        assert_eq!(
            self.consumer.survey(),
            Ok((self.waiting.len() as u64, unread as u64))
        );
        assert_eq!(self.consumer.check_empty(), Ok(()));
        assert_eq!(self.consumer.has_record(), !self.waiting.is_empty());
        assert_eq!(self.consumer.is_drained(), self.used() == 0);
        assert_eq!(self.producer.is_drained(), self.used() == 0);
        assert_eq!(self.producer.available(), self.free().saturating_sub(8));
        let written = self.rig.position(Role::Writer);
        assert_eq!(self.producer.position(), written);
        assert_eq!(
            written - self.rig.position(Role::Reader),
            self.used() as u64
        );
        // R10: who takes over counts right, and each mark that is not overwritten tells the truth.
        let waiting = self.waiting.len() as u64;
        assert_eq!(self.producer.count(), self.starts[&written]);
        assert_eq!(self.consumer.count() + waiting, self.producer.count());
        let marks = self.rig.marks();
        for (position, count) in &marks {
            assert_eq!(self.starts.get(position), Some(count), "{marks:?}");
        }
        assert!(!marks.is_empty() || self.producer.count() == 0);
    }
}

fn len() -> impl Strategy<Value = Len> {
    prop_oneof![
        4 => (0usize..300).prop_map(Len::Bytes),
        2 => (0usize..=1000).prop_map(Len::Share),
        1 => (0usize..20).prop_map(Len::LessThanMax),
        1 => (0usize..3).prop_map(Len::MoreThanFits),
        1 => Just(Len::Bytes(0)),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => len().prop_map(Op::Push),
        2 => (len(), proptest::option::weighted(0.7, 0u8..=100))
            .prop_map(|(len, commit)| Op::Reserve(len, commit)),
        2 => (proptest::collection::vec(len(), 0..6), proptest::bool::weighted(0.8))
            .prop_map(|(lens, commit)| Op::Batch(lens, commit)),
        6 => (1u8..12, proptest::bool::weighted(0.8))
            .prop_map(|(messages, release)| Op::Read(messages, release)),
        1 => Just(Op::ReplaceProducer),
        1 => Just(Op::ReplaceConsumer),
    ]
}

/// Near zero, near each edge of 32 bits, near the end of what positions may be, and anywhere.
fn position() -> impl Strategy<Value = u64> {
    // So near that most walks cross it.
    let near = |edge: u64| (edge - (1 << 15))..(edge + (1 << 12));
    prop_oneof![
        Just(0),
        near(1 << 32),
        near(1 << 31),
        near(3 << 32),
        // As far as the ring goes on saying that positions are sound.
        (POSITION_MAX - (1 << 24))..(POSITION_MAX - (1 << 23)),
        0..(POSITION_MAX - (1 << 23)),
    ]
}

fn alignment() -> impl Strategy<Value = usize> {
    prop_oneof![3 => Just(3u32), 1 => 3u32..=12].prop_map(|bits| 1 << bits)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..Default::default() })]

    /// G1, G2, G3: whatever both sides do, in whatever order, the ring is that queue: every answer,
    /// every byte, every figure.
    #[test]
    fn a_ring_is_a_queue(
        pages in prop_oneof![3 => Just(1usize), 1 => 2usize..5],
        alignment in alignment(),
        position in position(),
        ops in proptest::collection::vec(op(), 1..120),
    ) {
        let rig = Rig::new(pages * PAGE, alignment).at(position);
        let mut oracle = Oracle::new(&rig);
        for op in &ops {
            oracle.apply(op);
        }
        // Whatever was left comes out at the end.
        oracle.apply(&Op::Read(u8::MAX, true));
        oracle.apply(&Op::Read(u8::MAX, true));
        oracle.apply(&Op::Read(u8::MAX, true));
        prop_assert!(oracle.waiting.is_empty());
    }
}

/// G7: past the last position that could ever be reached by writing the ring says so, and neither
/// side overflows.
#[test]
fn a_position_that_cannot_have_been_reached_is_corrupt() {
    let rig = Rig::new(PAGE, 8).at(POSITION_MAX);
    let mut producer = rig.producer().unwrap();
    let consumer = rig.consumer().unwrap();
    producer.push(&[0; 100], 0).unwrap();
    assert!(matches!(consumer.check_empty(), Err(RingError::Corrupt(_))));
    producer.push(&[0; PAGE - 296], 0).unwrap();
    assert!(matches!(
        producer.push(&[0; 400], 0),
        Err(RingError::Corrupt(_))
    ));
    assert!(matches!(rig.producer(), Err(RingError::Corrupt(_))));
    assert!(matches!(rig.consumer(), Err(RingError::Corrupt(_))));
}
