//! Every field and every length there is, one after the other, for whoever opens the segment (G7).
//!
//! What is asked: `Corrupt` for all that cannot be, and otherwise what the bytes say; no hang, and no access
//! outside the mapping, which would be a fault (`guards`).

use crate::attacker::{DATA, HEADER_LEN, READER_PAGE, WORDS, WRITER_PAGE};
use crate::support::{Limit, Name, PAGE};
use kren_core::{Error, KrenReader, KrenWriter};
use std::time::Duration;

/// Bytes of the data region of a ring of one page.
const REGION: usize = 2 * PAGE;
/// Length of the one message in an image.
const LEN: usize = 100;
const STRIDE: u64 = 112;

/// The bytes of a segment, to be altered and looked at.
struct Image(Vec<u8>);

impl Image {
    /// A channel that both sides have left, with one message at `position`.
    fn new(name: &Name, position: u64) -> Self {
        let mut writer = KrenWriter::create(name, PAGE).unwrap();
        writer.write(&[1; LEN]).unwrap();
        drop(writer);
        let mut image = Self(std::fs::read(name.path()).unwrap());
        let word = image.get(DATA, 8);
        // The payload may say anything, but the place behind the record says that nothing follows.
        image.0[DATA..].fill(0);
        image.set(READER_PAGE, 8, position);
        image.set(WRITER_PAGE, 8, position + STRIDE);
        image.set(DATA + position as usize % REGION, 8, word);
        image
    }

    fn get(&self, at: usize, len: usize) -> u64 {
        let mut word = [0; 8];
        word[..len].copy_from_slice(&self.0[at..at + len]);
        u64::from_le_bytes(word)
    }

    fn set(&mut self, at: usize, len: usize, value: u64) {
        self.0[at..at + len].copy_from_slice(&value.to_le_bytes()[..len]);
    }

    /// Makes the checksum of the header right again.
    fn seal(&mut self) {
        let sum = self.0[..HEADER_LEN - 8]
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
            });
        self.set(HEADER_LEN - 8, 8, sum);
    }

    fn store(&self, name: &Name) {
        std::fs::write(name.path(), &self.0).unwrap();
    }
}

/// Values worth trying in a field of `len` bytes: 0, 1, the largest, off by one, off by one bit.
fn values(honest: u64, len: usize) -> Vec<u64> {
    let max = u64::MAX >> (64 - 8 * len);
    let mut all = vec![0, 1, max, max - 1, max / 2, max / 2 + 1];
    all.extend([honest.wrapping_add(1), honest.wrapping_sub(1)]);
    all.extend((0..8 * len).map(|bit| honest ^ (1 << bit)));
    all.iter_mut().for_each(|value| *value &= max);
    all.sort_unstable();
    all.dedup();
    all.retain(|value| *value != honest);
    all
}

fn is_corrupt(error: Option<&Error>) -> bool {
    matches!(error, Some(Error::Corrupt { .. }))
}

/// Reads all that there is, to the last byte; the lengths, and what ended it.
fn read_all(name: &Name) -> (Vec<usize>, Option<Error>) {
    let mut lengths = vec![];
    let mut reader = match KrenReader::connect(name) {
        Ok(reader) => reader,
        Err(error) => return (lengths, Some(error)),
    };
    let _ = (reader.available(), reader.writer_state());
    loop {
        match reader.read_timeout(Duration::ZERO) {
            Ok(message) => {
                std::hint::black_box(message.iter().fold(0u8, |sum, byte| sum ^ byte));
                lengths.push(message.len());
                assert!(lengths.len() <= REGION / 8, "messages without end");
            }
            Err(error) => return (lengths, Some(error)),
        }
    }
}

/// Takes the channel over and fills it.
fn write_all(name: &Name) -> Option<Error> {
    let mut writer = match KrenWriter::create(name, PAGE) {
        Ok(writer) => writer,
        Err(error) => return Some(error),
    };
    let _ = (writer.available(), writer.reader_state());
    for len in [PAGE - 8, 900, 900, 900, 900, 900, 0] {
        match writer.try_write(&vec![2; len]) {
            Ok(()) | Err(Error::Full { .. }) => {}
            Err(error) => return Some(error),
        }
    }
    None
}

fn fresh_start(name: &Name, what: &str) {
    let fresh = KrenWriter::options().fresh(true).create(name, PAGE);
    fresh.unwrap_or_else(|error| panic!("{what}: fresh was refused: {error}"));
}

/// G7: each field of the header under a right checksum. Those that rules bind are refused with any other
/// value, and the others, which only tell people something, may say anything.
#[test]
fn every_header_field_under_a_right_checksum() {
    let _limit = Limit::new();
    let bound = [
        (0, 8),
        (8, 4),
        (12, 4),
        (16, 8),
        (24, 4),
        (28, 4),
        (52, 4),
        (56, 8),
        (72, 8),
        (80, 8),
        (96, 8),
        (128, 8),
        (256, 4),
        (1008, 8),
    ];
    let free = [(32, 8), (40, 8), (48, 4), (64, 8)];
    let mut tried = 0;
    for (at, len) in bound.into_iter().chain(free) {
        let name = Name::new("sealed-header");
        let honest = Image::new(&name, 0).get(at, len);
        for value in values(honest, len) {
            let name = Name::new("sealed-header");
            let mut image = Image::new(&name, 0);
            image.set(at, len, value);
            image.seal();
            image.store(&name);
            let what = format!("{value:#x} at {at}");
            // Any other power of two is an alignment too, but not that of the record and of the wish.
            let is_alignment = at == 24 && value.is_power_of_two() && (8..=4096).contains(&value);
            for (side, error) in [("writer", write_all(&name)), ("reader", read_all(&name).1)] {
                let is_right = match (at, error.as_ref()) {
                    (8, Some(Error::VersionMismatch { found, .. })) => u64::from(*found) == value,
                    (24, _) if is_alignment => true,
                    // A schema, an origin, or both, that say nothing.
                    (56, error) if [2, 4, 6].contains(&value) => !is_corrupt(error),
                    (32 | 40 | 48 | 64, error) => !is_corrupt(error),
                    (_, error) => is_corrupt(error),
                };
                assert!(is_right, "{what}, {side}: {error:?}");
            }
            fresh_start(&name, &what);
            tried += 1;
        }
    }
    println!("{tried} values of header fields");
    assert!(tried > 300);
}

/// G7: each word of both role pages, before anybody opens the segment.
#[test]
fn every_word_of_a_role_page_at_opening() {
    let _limit = Limit::new();
    let mut tried = 0;
    for page in [WRITER_PAGE, READER_PAGE] {
        for (word, at, len) in WORDS {
            let name = Name::new("role-words");
            let honest = Image::new(&name, 0).get(page + at, len);
            for value in values(honest, len) {
                let name = Name::new("role-words");
                let mut image = Image::new(&name, 0);
                image.set(page + at, len, value);
                image.store(&name);
                let what = format!("{word} = {value:#x}");
                let error = write_all(&name);
                let impossible = word == "position" && (value > REGION as u64 || value % 8 != 0);
                assert!(
                    error.is_none() || is_corrupt(error.as_ref()),
                    "{what}: {error:?}"
                );
                assert!(!impossible || error.is_some(), "{what} was taken");
                // A sound ring again, whose other words are still altered.
                image.store(&name);
                let (lengths, error) = read_all(&name);
                if word == "position" {
                    assert!(lengths.len() <= 1, "{what}: {lengths:?}");
                } else {
                    assert_eq!(lengths, [LEN], "{what}");
                }
                let is_known = matches!(
                    error,
                    Some(
                        Error::Corrupt { .. }
                            | Error::Closed { .. }
                            | Error::PeerDied { .. }
                            | Error::TimedOut { .. }
                    )
                );
                assert!(is_known, "{what}: {error:?}");
                fresh_start(&name, &what);
                tried += 1;
            }
        }
    }
    println!("{tried} values of role words");
    assert!(tried > 600);
}

/// G7: each length that a record may claim, up to twice what the ring holds, and the largest, at the end of the
/// data region, where a payload reaches furthest into the mirror; and many of them elsewhere.
#[test]
fn every_record_length() {
    let _limit = Limit::new();
    let name = Name::new("lengths");
    let max = PAGE - 8;
    let extremes = [
        1 << 16,
        (1 << 31) - 1,
        1 << 31,
        u32::MAX - 7,
        u32::MAX - 1,
        u32::MAX,
    ];
    let bounds = [max - 1, max, max + 1, max + 2, PAGE, PAGE + 1].map(|word| word as u32);
    let mut tried = 0;
    for (position, step) in [
        (0, 5),
        (REGION - 8, 7),
        (REGION - 16, 1),
        (5 * REGION - PAGE / 2, 7),
    ] {
        let mut image = Image::new(&name, position as u64);
        let header = DATA + position % REGION;
        for word in (0..=2 * PAGE as u32 + 64)
            .step_by(step)
            .chain(bounds)
            .chain(extremes)
        {
            image.set(header, 4, word.into());
            image.store(&name);
            let (lengths, error) = read_all(&name);
            let what = format!("{word} at {position}: {lengths:?}, {error:?}");
            if word == 0 || word as usize > max + 1 {
                assert!(lengths.is_empty() && is_corrupt(error.as_ref()), "{what}");
            } else {
                assert_eq!(lengths[0], word as usize - 1, "{what}");
            }
            image.store(&name);
            let error = write_all(&name);
            let what = format!("{word} at {position}: {error:?}");
            if word == 0 || word as usize == LEN + 1 {
                // A writer starts behind the record, and has no use for its header.
                assert!(!is_corrupt(error.as_ref()), "{what}");
            }
            tried += 1;
        }
        std::fs::remove_file(name.path()).unwrap();
    }
    println!("{tried} lengths");
}
