//! The messages that the scenarios exchange, each known by its number.

/// Strides of 32, 8, 112, 16, 16 and 72 bytes: 256 together, so that a ring is filled exactly.
const LENGTHS: [usize; 6] = [24, 0, 100, 1, 7, 64];
const CYCLE: usize = 256;

/// The message after everything a scenario has written.
pub(super) const LAST: u32 = 1_000_000;

/// Tag and bytes of a message.
pub(super) fn message(number: u32) -> (u32, Vec<u8>) {
    let len = LENGTHS[number as usize % LENGTHS.len()];
    let byte = |at: usize| (number.wrapping_mul(31) as usize + at * 7 + 1) as u8;
    (number + 1, (0..len).map(byte).collect())
}

/// How many messages, from number 0 on, fill a ring of `capacity` bytes to the last one.
pub(super) fn filling(capacity: usize) -> u32 {
    (capacity / CYCLE * LENGTHS.len()) as u32
}

/// The number of a message that was found, if it is whole.
pub(super) fn number(tag: u32, bytes: &[u8]) -> Result<u32, String> {
    let found = tag
        .checked_sub(1)
        .ok_or("a message without a tag was found")?;
    if message(found).1 != bytes {
        return Err(format!("message {found} is not whole: {bytes:?}"));
    }
    Ok(found)
}
