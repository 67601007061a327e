//! A ring of more than 4 GiB: offsets that take more than 32 bits, and the longest message there can be (G2).
//!
//! Takes its size in memory, so it runs by command:
//!
//! ```text
//! cargo test --release -p kren-core --test it -- --ignored giant
//! ```

use crate::support::{Limit, Name, PAGE, mix};
use kren_core::{Error, KrenReader, KrenWriter};

const FOUR_GIB: usize = 1 << 32;
/// One more than the 32 bits of a commit word can say.
const TOO_LONG: usize = FOUR_GIB - 1;

/// A word that tells where in the message it stands.
fn word(at: usize) -> [u8; 8] {
    mix(at as u64).to_le_bytes()
}

/// Where a message is looked at: some thousand places, and both ends.
fn places(len: usize) -> impl Iterator<Item = usize> {
    let step = (len / 4096 + 1).next_multiple_of(8);
    (0..len.saturating_sub(15)).step_by(step).chain([len - 8])
}

#[test]
#[ignore = "takes more than 4 GiB of shared memory"]
fn a_ring_of_more_than_four_gibibytes() {
    let _limit = Limit::new();
    let name = Name::new("giant");
    let capacity = FOUR_GIB + 16 * PAGE;
    let mut writer = KrenWriter::create(&name, capacity).unwrap();
    assert_eq!(writer.capacity(), capacity);
    assert_eq!(writer.max_message_len(), TOO_LONG - 1);
    let error = writer.reserve(TOO_LONG).unwrap_err();
    assert!(
        matches!(error, Error::TooLarge { len: TOO_LONG, .. }),
        "{error}"
    );
    let mut reader = KrenReader::connect(&name).unwrap();
    // The first and the longest of these leave the next ones to both sides of 4 GiB, and to the ring's end.
    for len in [
        TOO_LONG - 1,
        100,
        4000,
        9 * PAGE,
        TOO_LONG - 1,
        FOUR_GIB / 2,
        4000,
        8,
        TOO_LONG - 1,
    ] {
        let mut slot = writer.reserve(len).unwrap();
        for at in places(len) {
            slot[at..at + 8].copy_from_slice(&word(at));
        }
        slot.commit();
        let message = reader.read().unwrap();
        assert_eq!(message.len(), len);
        for at in places(len) {
            assert_eq!(message[at..at + 8], word(at), "at {at} of {len}");
        }
    }
    drop((writer, reader));
    name.assert_gone();
}
