//! Death before each store in turn, and what the successor finds (G3).

use super::fused::{Fuse, Fused, survives};
use super::rig::{Checked, PAGE, Rig, bytes, fill, pattern};
use crate::Role;
use crate::ring::{Consumer, Producer};
use std::cell::RefCell;

type Dying<'a> = Producer<Fused<'a, Checked>>;

/// Messages that have been read before a life begins.
const PASSED: u64 = 50;

/// What each life starts from: some messages through a ring that has gone round several times, so
/// that old bytes of every kind lie about, and two that were not read.
fn prepare(rig: &Rig) -> Vec<u32> {
    let mut producer = rig.producer().unwrap();
    let mut consumer = rig.consumer().unwrap();
    for tag in 0..PASSED as u32 {
        producer
            .push(&pattern(tag, 300 + tag as usize), tag)
            .unwrap();
        let record = consumer.peek().unwrap().unwrap();
        consumer.advance(&record);
        consumer.release();
    }
    for tag in [100, 101] {
        producer.push(&pattern(tag, 40), tag).unwrap();
    }
    vec![100, 101]
}

/// Everything the ring delivers, checked byte for byte, in order of delivery.
fn drain(consumer: &mut Consumer<Checked>) -> Vec<u32> {
    let mut tags = vec![];
    while let Some(record) = consumer.peek().unwrap() {
        assert_eq!(bytes(consumer, &record), pattern(record.tag, record.len));
        tags.push(record.tag);
        consumer.advance(&record);
        consumer.release();
    }
    consumer.check_empty().unwrap();
    tags
}

/// Lets `life` die before each access in turn. The successor must find exactly the messages before
/// it, and those of `life` as one: all or none. Returns how many deaths there were.
fn die_everywhere(alignment: usize, life: impl Fn(&mut Dying<'_>), committed: &[u32]) -> u32 {
    for accesses in 0.. {
        let rig = Rig::new(PAGE, alignment).at((1 << 32) - 4096);
        let before = prepare(&rig);
        let fuse = Fuse::default();
        let survived = survives(|| {
            let memory = Fused::new(rig.memory(Role::Writer), &fuse);
            let mut dying = Producer::resume(memory, rig.shape).unwrap();
            fuse.set(Some(accesses));
            life(&mut dying);
        });
        fuse.set(None);

        let mut consumer = rig.consumer().unwrap();
        let (found, _) = consumer.survey().unwrap();
        let whole = before.len() + committed.len();
        assert!(
            found == before.len() as u64 || found == whole as u64,
            "death {accesses}: {found} messages, neither none nor all of the last commit"
        );
        assert!(
            !survived || found == whole as u64,
            "a life that ended well commits"
        );
        let mut expected = before;
        if found == whole as u64 {
            expected.extend_from_slice(committed);
        }

        // The successor goes on behind them, and the reader sees every message once, in order. Both know how many
        // there have been (R10).
        assert_eq!(consumer.count(), PASSED, "death {accesses}");
        let mut heir = rig.producer().unwrap();
        assert_eq!(heir.count(), PASSED + found, "death {accesses}");
        heir.push(&pattern(200, 64), 200).unwrap();
        expected.push(200);
        assert_eq!(drain(&mut consumer), expected, "death {accesses}");
        assert!(heir.is_drained());

        // A reader may have been there all along: dead writer's commit first, then the successor.
        if survived {
            return accesses;
        }
    }
    unreachable!("some number of accesses is enough")
}

/// G1, G3: a write is committed whole or not at all, and what comes next finds its place.
#[test]
fn a_writer_may_die_anywhere_in_a_write() {
    for alignment in [8, 64, 1024] {
        for len in [0, 1, 8, 500] {
            let life = |dying: &mut Dying<'_>| dying.push(&pattern(7, len), 7).unwrap();
            let deaths = die_everywhere(alignment, life, &[7]);
            assert!(
                deaths >= 4,
                "only {deaths} deaths: payload, terminator, header, position"
            );
        }
    }
}

/// G1, G3: a batch is committed whole or not at all.
#[test]
fn a_writer_may_die_anywhere_in_a_batch() {
    for alignment in [8, 64] {
        let life = |dying: &mut Dying<'_>| {
            let mut stage = dying.stage();
            for (tag, len) in [(7, 10), (8, 0), (9, 700), (10, 8)] {
                let room = dying.room(&stage, len).unwrap();
                fill(room, &pattern(tag, len));
                dying.seal(&mut stage, len, tag);
            }
            dying.publish(stage);
        };
        let deaths = die_everywhere(alignment, life, &[7, 8, 9, 10]);
        assert!(deaths >= 10, "only {deaths} deaths");
    }
}

/// G3: a successor that dies while it takes over leaves the ring to the next one.
#[test]
fn a_writer_may_die_anywhere_in_taking_over() {
    for accesses in 0.. {
        let rig = Rig::new(PAGE, 8).at(1 << 31);
        let mut expected = prepare(&rig);
        // The first died with its record committed and its position not yet stored.
        let stored = rig.position(Role::Writer);
        rig.producer()
            .unwrap()
            .push(&pattern(102, 40), 102)
            .unwrap();
        rig.set_position(Role::Writer, stored);
        let fuse = Fuse::new(Some(accesses));
        let survived = survives(|| {
            let memory = Fused::new(rig.memory(Role::Writer), &fuse);
            Producer::resume(memory, rig.shape).unwrap();
        });
        fuse.set(None);
        rig.producer()
            .unwrap()
            .push(&pattern(103, 40), 103)
            .unwrap();
        expected.extend([102, 103]);
        assert_eq!(
            drain(&mut rig.consumer().unwrap()),
            expected,
            "death {accesses}"
        );
        if survived {
            assert!(accesses >= 5, "only {accesses} deaths");
            return;
        }
    }
}

/// G3: a reader that dies anywhere loses nothing: what it had not released comes again.
#[test]
fn a_reader_may_die_anywhere() {
    for accesses in 0.. {
        let rig = Rig::new(PAGE, 8).at(1 << 32);
        let expected = prepare(&rig);
        let before = rig.position(Role::Reader);
        let ends = RefCell::new(vec![before]);
        let fuse = Fuse::new(Some(accesses));
        let survived = survives(|| {
            let memory = Fused::new(rig.memory(Role::Reader), &fuse);
            let mut dying = Consumer::resume(memory, rig.shape).unwrap();
            while let Some(record) = dying.peek().unwrap() {
                dying.payload(&record);
                dying.advance(&record);
                ends.borrow_mut().push(record.end);
                dying.release();
            }
        });
        fuse.set(None);
        // What counts is the position that was stored.
        let position = rig.position(Role::Reader);
        let released = ends.borrow().iter().position(|end| *end == position);
        let released = released.expect("the end of a record");
        let mut heir = rig.consumer().unwrap();
        assert_eq!(heir.count(), PASSED + released as u64, "death {accesses}");
        let rest = drain(&mut heir);
        assert_eq!(rest, expected[released..], "death {accesses}");
        if survived {
            assert!(accesses > 8 && rest.is_empty());
            return;
        }
    }
}

/// G3: a full ring, a reader ahead of the dead writer's stored position, a record that ends exactly
/// at the end of the data region: the walk ends at the right place.
#[test]
fn the_walk_of_recovery_finds_every_committed_record_and_no_more() {
    let page = PAGE as u64;
    // Every start where pages are small; elsewhere as many, at every distance from the end.
    for start in (0..2 * page).step_by(8 * ((PAGE / 4096) | 1)) {
        let rig = Rig::new(PAGE, 8).at(start);
        let mut producer = rig.producer().unwrap();
        let mut sent = 0;
        // Full to the last byte.
        while producer.push(&pattern(sent, 120), sent).is_ok() {
            sent += 1;
        }
        assert_eq!(sent as usize, PAGE / 128);
        let written = producer.position();
        // All of them as if the writer had died after each commit word: only the last can be
        // behind, but any stored position that a record starts at must lead to the same end.
        for behind in [0, 128, page] {
            rig.set_position(Role::Writer, written - behind);
            assert_eq!(rig.producer().unwrap().position(), written);
            assert_eq!(rig.position(Role::Writer), written);
        }
        // The reader went on past the stored position.
        let mut consumer = rig.consumer().unwrap();
        assert_eq!(drain(&mut consumer).len(), PAGE / 128);
        rig.set_position(Role::Writer, written - 128);
        let mut heir = rig.producer().unwrap();
        assert_eq!(heir.position(), written);
        heir.push(&pattern(99, PAGE - 8), 99).unwrap();
        assert_eq!(drain(&mut consumer), [99]);
    }
}
