//! A peer that stores anything it likes into the segment (G7).
//!
//! The ring's own words are tried one by one in the unit tests (`ring/tests/hostile.rs`), with every
//! access checked; here whole endpoints meet them, and the words that only they look at.

use crate::attacker::{Attacker, DATA, HEADER_LEN, READER_PAGE, WORDS, WRITER_PAGE};
use crate::support::{Limit, Name, PAGE};
use kren_core::{Error, KrenReader, KrenWriter, Strategy};
use std::sync::atomic::Ordering;
use std::time::Duration;

pub(crate) const SOON: Duration = Duration::from_millis(1);

/// What a corrupt word may lead to in a call: anything that has a name and comes back.
pub(crate) fn tolerable<T>(what: &str, result: kren_core::Result<T>) -> Option<Error> {
    let error = result.err()?;
    let known = matches!(
        error,
        Error::Corrupt { .. }
            | Error::TimedOut { .. }
            | Error::Full { .. }
            | Error::Closed { .. }
            | Error::PeerDied { .. }
    );
    assert!(known, "{what}: {error:?}");
    Some(error)
}

/// Every call of both sides, each with a timeout where it has one; returns what went wrong.
pub(crate) fn exercise(what: &str, writer: &mut KrenWriter, reader: &mut KrenReader) -> Vec<Error> {
    let mut errors = vec![];
    let _ = (writer.available(), reader.available());
    let _ = (writer.reader_state(), reader.writer_state());
    // So long that the writer has to look how far the reader is.
    errors.extend(tolerable(what, writer.write_timeout(&[1; PAGE - 8], SOON)));
    errors.extend(tolerable(what, reader.read_timeout(SOON).map(drop)));
    errors.extend(tolerable(what, writer.write_timeout(&[1; 100], SOON)));
    errors.extend(tolerable(
        what,
        writer.reserve_timeout(3000, SOON).map(drop),
    ));
    // A batch waits without end, so only for what is sure to fit.
    if writer.try_reserve(100).is_ok() {
        let mut batch = writer.batch();
        errors.extend(tolerable(what, batch.push(&[2; 10])));
        errors.extend(tolerable(what, batch.push(&[2; 20])));
        batch.commit();
    }
    errors.extend(tolerable(what, writer.drain(SOON)));
    let wait = writer
        .room_waiter(4000)
        .and_then(|waiter| waiter.wait(Some(SOON)));
    errors.extend(tolerable(what, wait));
    for _ in 0..20 {
        match reader.try_read() {
            Ok(Some(message)) => assert!(message.len() < PAGE),
            Ok(None) => {}
            Err(error) => errors.extend(tolerable::<()>(what, Err(error))),
        }
    }
    errors.extend(tolerable(what, reader.read_timeout(SOON).map(drop)));
    let wait = reader
        .message_waiter()
        .and_then(|waiter| waiter.wait(Some(SOON)));
    errors.extend(tolerable(what, wait));
    for _ in 0..20 {
        if writer.try_write(&[3; 300]).is_err() {
            break;
        }
    }
    errors.extend(tolerable(what, writer.write_timeout(&[1; 2000], SOON)));
    errors
}

fn suspects(honest: u64, len: usize) -> Vec<u64> {
    let max = if len == 4 { u32::MAX.into() } else { u64::MAX };
    let all = [
        0,
        1,
        2,
        max,
        max - 1,
        max / 2,
        max / 2 + 1,
        honest.wrapping_add(1),
        honest.wrapping_sub(1),
    ];
    all.into_iter()
        .map(|value| value & max)
        .filter(|value| *value != honest)
        .collect()
}

/// G7: every word of both role pages, set to everything suspicious while both sides work: no hang,
/// no panic, and where the ring depends on it `Corrupt`.
#[test]
fn every_word_of_the_role_pages_is_distrusted() {
    let _limit = Limit::new();
    for strategy in [Strategy::Adaptive, Strategy::Sleep] {
        for (side, page) in [("writer", WRITER_PAGE), ("reader", READER_PAGE)] {
            for (word, at, len) in WORDS {
                for step in 0..9 {
                    let name = Name::new("role-page");
                    let options = KrenWriter::options().strategy(strategy);
                    let mut writer = options.create(&name, PAGE).unwrap();
                    let mut reader = KrenReader::options()
                        .strategy(strategy)
                        .connect(&name)
                        .unwrap();
                    let attacker = Attacker::new(&name);
                    writer.write(&[9; 50]).unwrap();
                    assert_eq!(reader.read().unwrap(), &[9; 50]);
                    let suspects = suspects(attacker.get(page + at, len), len);
                    let Some(value) = suspects.get(step) else {
                        continue;
                    };
                    attacker.set(page + at, len, *value);
                    let what = format!("{side}'s {word} = {value:#x}");
                    let errors = exercise(&what, &mut writer, &mut reader);
                    // The two sides' first store over a position mends it.
                    let impossible = word == "position" && *value > 64 + 2 * PAGE as u64;
                    if impossible && side == "reader" {
                        assert!(
                            errors
                                .iter()
                                .any(|error| matches!(error, Error::Corrupt { .. })),
                            "{what}: {errors:?}"
                        );
                    }
                    // Whatever it was, closing works, and `fresh` starts anew.
                    drop((writer, reader));
                    let mut writer = KrenWriter::options()
                        .fresh(true)
                        .create(&name, PAGE)
                        .unwrap();
                    let mut reader = KrenReader::connect(&name).unwrap();
                    writer.write(b"anew").unwrap();
                    assert_eq!(reader.read().unwrap(), b"anew");
                }
            }
        }
    }
}

/// G7: a stored position that cannot be is `Corrupt` to whoever comes next.
#[test]
fn impossible_positions_are_refused_at_the_start() {
    for page in [WRITER_PAGE, READER_PAGE] {
        for value in [
            8 * PAGE as u64,
            u64::MAX,
            u64::MAX - 7,
            1 << 63,
            (1 << 62) + 8,
        ] {
            let name = Name::new("positions");
            let mut writer = KrenWriter::create(&name, PAGE).unwrap();
            writer.write(b"x").unwrap();
            let attacker = Attacker::new(&name);
            drop(writer);
            attacker.set(page, 8, value);
            let error = KrenReader::connect(&name).unwrap_err();
            assert!(
                matches!(error, Error::Corrupt { .. }),
                "{value:#x}: {error:?}"
            );
            let error = KrenWriter::create(&name, PAGE).unwrap_err();
            assert!(
                matches!(error, Error::Corrupt { .. }),
                "{value:#x}: {error:?}"
            );
            assert!(error.to_string().contains(&*name), "{error}");
            KrenWriter::options()
                .fresh(true)
                .create(&name, PAGE)
                .unwrap();
        }
    }
}

/// G7: messages that can no longer be found are not none: only `fresh` goes over them, and it does
/// wherever the damage is.
#[test]
fn lost_messages_are_not_taken_for_an_empty_ring() {
    for (writer_at, header_at, header) in [
        // The first record has lost its header.
        (64, 0, 0),
        // Where the writer stopped there is a record that cannot be.
        (8, 8, u64::MAX),
        (0, 0, 1 << 31),
    ] {
        let name = Name::new("lost");
        let mut writer = KrenWriter::create(&name, PAGE).unwrap();
        writer.write(&[0; 50]).unwrap();
        let attacker = Attacker::new(&name);
        drop(writer);
        attacker.u64(DATA).store(0, Ordering::SeqCst);
        attacker
            .u64(DATA + header_at)
            .store(header, Ordering::SeqCst);
        attacker.u64(WRITER_PAGE).store(writer_at, Ordering::SeqCst);
        let error = KrenWriter::create(&name, 2 * PAGE).unwrap_err();
        assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
        let mut writer = KrenWriter::options()
            .fresh(true)
            .create(&name, PAGE)
            .unwrap();
        writer.write(b"anew").unwrap();
        assert_eq!(KrenReader::connect(&name).unwrap().read().unwrap(), b"anew");
    }
}

/// G7: `fresh` goes over a ring that only its writer would stumble over.
#[test]
fn fresh_goes_over_a_ring_that_is_broken_for_its_writer_alone() {
    let name = Name::new("one-sided");
    let mut writer = KrenWriter::create(&name, PAGE).unwrap();
    let mut reader = KrenReader::connect(&name).unwrap();
    for _ in 0..2 {
        writer.write(&[0; 50]).unwrap();
        drop(reader.read().unwrap());
    }
    let attacker = Attacker::new(&name);
    drop(writer);
    // As if it had died before it stored its position, behind a record that was then damaged.
    attacker.u64(WRITER_PAGE).store(64, Ordering::SeqCst);
    attacker.u64(DATA + 64).store(u64::MAX, Ordering::SeqCst);
    let error = KrenWriter::create(&name, PAGE).unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
    let writer = KrenWriter::options()
        .fresh(true)
        .create(&name, PAGE)
        .unwrap();
    assert_eq!(writer.available(), PAGE - 8);
    assert!(matches!(reader.read(), Err(Error::Closed { .. })));
}

/// G7: a blocked reader whose record loses its header, or gets an impossible length, is told.
#[test]
fn a_damaged_record_is_corrupt_to_every_way_of_reading() {
    let _limit = Limit::new();
    for word in [0u32, PAGE as u32 - 6, PAGE as u32, u32::MAX] {
        let name = Name::new("record");
        let mut writer = KrenWriter::create(&name, PAGE).unwrap();
        let mut reader = KrenReader::connect(&name).unwrap();
        writer.write(&[1; 100]).unwrap();
        let attacker = Attacker::new(&name);
        attacker.u32(DATA).store(word, Ordering::SeqCst);
        let corrupt = |what: &str, result: kren_core::Result<()>| {
            assert!(
                matches!(result, Err(Error::Corrupt { .. })),
                "{what}, {word}: {result:?}"
            );
        };
        corrupt("read", reader.read().map(drop));
        corrupt("read_timeout", reader.read_timeout(SOON).map(drop));
        if word == 0 {
            corrupt("wait_readable", reader.wait_readable(None, &mut || Ok(())));
            corrupt("message_waiter", reader.message_waiter().map(drop));
        } else {
            corrupt("try_read", reader.try_read().map(drop));
        }
    }
}

/// G7: each field of the header, 0, 1, largest and off by one, for whoever opens it; `fresh` gets
/// rid of it.
#[test]
fn every_header_field_is_checked_at_opening() {
    let mut fields = vec![
        (0, 8),
        (8, 4),
        (12, 4),
        (16, 8),
        (24, 4),
        (28, 4),
        (32, 8),
        (40, 8),
        (48, 4),
        (52, 4),
        (56, 8),
    ];
    fields.extend((64..HEADER_LEN).step_by(8).map(|at| (at, 8)));
    assert_eq!(fields.iter().map(|(_, len)| len).sum::<usize>(), HEADER_LEN);
    for (at, len) in fields {
        for step in 0..9 {
            let name = Name::new("header");
            let mut writer = KrenWriter::create(&name, PAGE).unwrap();
            writer.write(b"x").unwrap();
            let attacker = Attacker::new(&name);
            drop(writer);
            let suspects = suspects(attacker.get(at, len), len);
            let Some(value) = suspects.get(step) else {
                continue;
            };
            // There a segment without its first word is one that is still being made.
            if cfg!(any(target_os = "macos", like_macos)) && (at, *value) == (0, 0) {
                continue;
            }
            attacker.set(at, len, *value);
            for error in [
                KrenReader::connect(&name).unwrap_err(),
                KrenWriter::create(&name, PAGE).unwrap_err(),
            ] {
                let right = match at {
                    8 => matches!(error, Error::VersionMismatch { found, supported: 2, .. }
                        if u64::from(found) == *value),
                    _ => matches!(error, Error::Corrupt { .. }),
                };
                assert!(right, "{value:#x} at {at}: {error:?}");
            }
            KrenWriter::options()
                .fresh(true)
                .create(&name, PAGE)
                .unwrap();
        }
    }
}

/// G7: so is the size of the file.
///
/// Windows cannot resize a section; `os::windows::tests` forges one of another size.
#[cfg(target_os = "linux")]
#[test]
fn a_segment_of_another_size_is_corrupt() {
    for change in [-(PAGE as i64), -1, 1, PAGE as i64] {
        let name = Name::new("size");
        let mut writer = KrenWriter::create(&name, PAGE).unwrap();
        writer.write(b"x").unwrap();
        drop(writer);
        let file = std::fs::File::options()
            .write(true)
            .open(name.path())
            .unwrap();
        let len = file
            .metadata()
            .unwrap()
            .len()
            .checked_add_signed(change)
            .unwrap();
        file.set_len(len).unwrap();
        for error in [
            KrenReader::connect(&name).unwrap_err(),
            KrenWriter::create(&name, PAGE).unwrap_err(),
        ] {
            assert!(
                matches!(error, Error::Corrupt { .. }),
                "{change}: {error:?}"
            );
        }
    }
}
