//! One channel, both sides in one process: what messages are (G1, G2).

use crate::support::{Limit, Name, PAGE, pattern};
use kren_core::{Error, KrenReader, KrenWriter, PeerState};
use std::time::Duration;

fn pair(name: &Name, capacity: usize) -> (KrenWriter, KrenReader) {
    let writer = KrenWriter::create(name, capacity).unwrap();
    let reader = KrenReader::connect(name).unwrap();
    (writer, reader)
}

/// G1: order, content, length and tag of every message are those it was written with.
#[test]
fn messages_arrive_as_they_were_written() {
    let _limit = Limit::new();
    let name = Name::new("as-written");
    let (mut writer, mut reader) = pair(&name, 64 * 1024);
    for round in 0..50u64 {
        let lens = [0, 1, 7, 8, 9, 63, 64, 65, 127, 128, 129, 4000, 5000];
        for (at, len) in lens.into_iter().enumerate() {
            writer.write_tagged(at as u32, pattern(round, len)).unwrap();
        }
        for (at, len) in lens.into_iter().enumerate() {
            let message = reader.read().unwrap();
            assert_eq!(message, pattern(round, len));
            assert_eq!(message.tag(), at as u32);
        }
        assert!(reader.try_read().unwrap().is_none());
    }
}

/// G2: the longest message fills the ring to the last byte, is one slice, and one byte more is
/// refused before anything happens.
#[test]
fn a_message_may_be_as_large_as_the_ring() {
    let _limit = Limit::new();
    for capacity in [1, PAGE, PAGE + 1, 1 << 20] {
        let name = Name::new("largest");
        let (mut writer, mut reader) = pair(&name, capacity);
        let real = capacity.next_multiple_of(PAGE);
        assert_eq!((writer.capacity(), reader.capacity()), (real, real));
        let max = writer.max_message_len();
        assert_eq!(max, real - 8);
        let mut large = vec![0; max + 1];
        // So that it starts at many offsets, and wraps.
        for round in 0..10u64 {
            large[..8].copy_from_slice(&round.to_le_bytes());
            large[max - 8..max].copy_from_slice(&round.to_le_bytes());
            writer.write(&large[..max]).unwrap();
            assert_eq!(writer.available(), 0);
            assert!(matches!(writer.try_write(b""), Err(Error::Full { .. })));
            assert_eq!(reader.read().unwrap(), &large[..max]);

            let refused = writer.write(&large);
            assert!(
                matches!(refused, Err(Error::TooLarge { len, max: most, .. })
                if len == max + 1 && most == max)
            );
            writer.write(b"shift").unwrap();
            assert_eq!(reader.read().unwrap(), b"shift");
        }
    }
}

/// G1: the same in a ring of one page, with everything that fits.
#[test]
fn a_ring_of_one_page_takes_every_length() {
    let _limit = Limit::new();
    let name = Name::new("one-page");
    let (mut writer, mut reader) = pair(&name, 1);
    for len in 0..=PAGE - 8 {
        writer.write(pattern(len as u64, len)).unwrap();
        assert_eq!(reader.read().unwrap(), pattern(len as u64, len));
    }
}

/// G2: payloads lie on the alignment that was asked for, on both sides.
#[test]
fn payloads_are_aligned() {
    let _limit = Limit::new();
    for alignment in (3..=12).map(|bits| 1 << bits) {
        let name = Name::new("aligned");
        let mut writer = KrenWriter::options()
            .alignment(alignment)
            .create(&name, 4 * PAGE)
            .unwrap();
        let mut reader = KrenReader::connect(&name).unwrap();
        assert_eq!(
            (writer.alignment(), reader.alignment()),
            (alignment, alignment)
        );
        for len in [0, 1, 100, 3000, writer.max_message_len()] {
            let mut slot = writer.reserve(len).unwrap();
            assert!((slot.as_ptr() as usize).is_multiple_of(alignment));
            slot.copy_from_slice(&vec![7; len]);
            slot.commit();
            let message = reader.read().unwrap();
            assert!((message.as_ptr() as usize).is_multiple_of(alignment));
            assert_eq!(message, vec![7; len]);
        }
    }
}

/// G1: a reserved message is not there before it is committed, and never when it is dropped.
#[test]
fn an_uncommitted_slot_is_never_seen() {
    let name = Name::new("slot");
    let (mut writer, mut reader) = pair(&name, PAGE);
    for _ in 0..100 {
        let mut slot = writer.reserve(100).unwrap();
        slot.fill(0xff);
        assert!(reader.try_read().unwrap().is_none());
        drop(slot);
        assert!(reader.try_read().unwrap().is_none());

        let mut slot = writer.try_reserve(200).unwrap();
        slot[..3].copy_from_slice(b"abc");
        slot.set_tag(9);
        assert_eq!(slot.len(), 200);
        slot.commit_len(3).unwrap();
        let message = reader.read().unwrap();
        assert_eq!(message, b"abc");
        assert_eq!(message.tag(), 9);
    }
    let slot = writer.reserve(10).unwrap();
    assert!(matches!(
        slot.commit_len(11),
        Err(Error::TooLarge {
            len: 11,
            max: 10,
            ..
        })
    ));
    assert!(reader.try_read().unwrap().is_none());
}

/// G1: a batch is seen as a whole or not at all.
#[test]
fn a_batch_is_seen_as_a_whole() {
    let name = Name::new("batch");
    let (mut writer, mut reader) = pair(&name, PAGE);
    for round in 0..100u64 {
        let mut batch = writer.batch();
        for at in 0..5u32 {
            batch
                .push_tagged(at, pattern(round, at as usize * 50))
                .unwrap();
            assert!(reader.try_read().unwrap().is_none());
        }
        if round % 3 == 0 {
            drop(batch);
            assert!(reader.try_read().unwrap().is_none());
            continue;
        }
        batch.commit();
        for at in 0..5u32 {
            let message = reader.try_read().unwrap().expect("all of the batch");
            assert_eq!(message, pattern(round, at as usize * 50));
            assert_eq!(message.tag(), at);
        }
    }
    writer.batch().commit();
    assert!(reader.try_read().unwrap().is_none());
}

/// A batch that cannot ever fit says so instead of waiting, and keeps what it has.
#[test]
fn a_batch_that_outgrows_the_ring_is_refused() {
    let _limit = Limit::new();
    let name = Name::new("large-batch");
    let (mut writer, mut reader) = pair(&name, PAGE);
    let mut batch = writer.batch();
    for _ in 0..4 {
        batch.push(&[1; PAGE / 4 - 8]).unwrap();
    }
    assert!(matches!(batch.push(b""), Err(Error::TooLarge { .. })));
    batch.commit();
    for _ in 0..4 {
        assert_eq!(reader.read().unwrap(), &[1; PAGE / 4 - 8]);
    }
}

/// G2: a message is used in place, and its bytes are not given away while it is.
#[test]
fn a_message_in_use_is_not_overwritten() {
    // Two of them leave room for one of 72.
    const LEN: usize = PAGE / 2 - 48;
    let name = Name::new("in-use");
    let (mut writer, mut reader) = pair(&name, PAGE);
    writer.write(&[1; LEN]).unwrap();
    let message = reader.read().unwrap();
    writer.write(&[2; LEN]).unwrap();
    let refused = writer.try_write(&[3; LEN]);
    assert!(
        matches!(
            refused,
            Err(Error::Full {
                needed: LEN,
                available: 72,
                ..
            })
        ),
        "{refused:?}"
    );
    assert_eq!(message, &[1; LEN]);
    drop(message);
    writer.try_write(&[3; LEN]).unwrap();
    assert_eq!(reader.read().unwrap(), &[2; LEN]);
    assert_eq!(reader.read().unwrap(), &[3; LEN]);
}

/// A message that the caller could not take is there again.
#[test]
fn a_message_that_is_kept_comes_again() {
    let name = Name::new("kept");
    let (mut writer, mut reader) = pair(&name, PAGE);
    writer.write(b"one").unwrap();
    writer.write(b"two").unwrap();
    reader.read().unwrap().keep();
    std::mem::forget(reader.read().unwrap());
    assert_eq!(reader.read().unwrap(), b"one");
    assert_eq!(reader.read().unwrap(), b"two");
}

/// The figures both sides show.
#[test]
fn available_is_what_fits_and_what_waits() {
    let name = Name::new("figures");
    let (mut writer, mut reader) = pair(&name, PAGE);
    assert_eq!(writer.available(), PAGE - 8);
    assert_eq!(reader.available(), 0);
    writer.write(&[0; 100]).unwrap();
    assert_eq!(writer.available(), PAGE - 112 - 8);
    assert_eq!(reader.available(), 112);
    writer.write(&vec![0; writer.available()]).unwrap();
    assert_eq!(writer.available(), 0);
    assert_eq!(reader.available(), PAGE);
    drop(reader.read().unwrap());
    drop(reader.read().unwrap());
    assert_eq!(writer.available(), PAGE - 8);
    assert_eq!((writer.name(), reader.name()), (&*name, &*name));
    assert_eq!(writer.reader_state(), PeerState::Attached);
    assert_eq!(reader.writer_state(), PeerState::Attached);
    assert!(!reader.is_writer_closed());
}

/// Endpoints move between threads.
#[test]
fn endpoints_move_between_threads() {
    let _limit = Limit::new();
    let name = Name::new("moved");
    let (mut writer, mut reader) = pair(&name, PAGE);
    for round in 0..20u64 {
        writer = std::thread::spawn(move || {
            for at in 0..50 {
                writer.write(pattern(round, at)).unwrap();
            }
            writer
        })
        .join()
        .unwrap();
        reader = std::thread::spawn(move || {
            for at in 0..50 {
                assert_eq!(reader.read().unwrap(), pattern(round, at));
            }
            reader
        })
        .join()
        .unwrap();
    }
    drop(writer);
    let ended = reader.read_timeout(Duration::from_secs(5));
    assert!(matches!(ended, Err(Error::Closed { .. })));
}
