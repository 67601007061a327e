//! What the messages contain, and how it is read: every transport writes and reads the same bytes.
//!
//! The first eight bytes are the message's number, all others [`FILL`]; of a shorter message, the number's
//! lowest bytes. A reader loads one word of each cache line; the sum over a run is known beforehand, so that a
//! transport that loses, repeats or damages a message is found out.

const FILL: u8 = 7;
const FILL_WORD: u64 = u64::from_le_bytes([FILL; 8]);
const LINE: usize = 64;
const WORD: usize = 8;

/// The numbers of the messages of a run.
pub(crate) trait Numbers {
    fn at(index: u64) -> u64;

    /// What [`read`] gives in all for `count` messages of `len` bytes.
    fn expected(len: usize, count: u64) -> u64;
}

/// 0, 1, 2, ...
pub(crate) struct Counted;

/// Always the same, for peers in languages in which writing a number costs more than sending it: they send the
/// bytes 0 to 7 and then [`FILL`].
pub(crate) struct Same;

impl Numbers for Counted {
    #[inline]
    fn at(index: u64) -> u64 {
        index
    }

    fn expected(len: usize, count: u64) -> u64 {
        let below = |count: u64| match count % 2 {
            0 => (count / 2).wrapping_mul(count.wrapping_sub(1)),
            _ => (count.wrapping_sub(1) / 2).wrapping_mul(count),
        };
        if len >= WORD {
            return below(count).wrapping_add(fill(len).wrapping_mul(count));
        }
        // The numbers start again at 0 whenever they no longer fit.
        let cycle = 1u64 << (8 * len);
        let cycles = (count / cycle).wrapping_mul(below(cycle));
        cycles.wrapping_add(below(count % cycle))
    }
}

impl Numbers for Same {
    #[inline]
    fn at(_index: u64) -> u64 {
        u64::from_le_bytes([0, 1, 2, 3, 4, 5, 6, 7])
    }

    fn expected(len: usize, count: u64) -> u64 {
        let mut message = vec![0; len];
        build(&mut message, Self::at(0));
        read(&message).wrapping_mul(count)
    }
}

/// What the words after the first add to the sum of one message.
fn fill(len: usize) -> u64 {
    let words = match len {
        ..16 => 0,
        _ => (len - WORD) / LINE + 1,
    } as u64;
    FILL_WORD.wrapping_mul(words)
}

/// A message in memory of the sender's own, for transports that copy.
pub(crate) struct Payload(Vec<u8>);

impl Payload {
    pub(crate) fn new(len: usize) -> Self {
        Self(vec![FILL; len])
    }

    /// The message with this number.
    #[inline]
    pub(crate) fn numbered(&mut self, number: u64) -> &[u8] {
        match self.0.first_chunk_mut::<WORD>() {
            Some(first) => *first = number.to_le_bytes(),
            None => build(&mut self.0, number),
        }
        &self.0
    }
}

/// Writes the message with this number in place, for transports that lend their memory.
#[inline]
pub(crate) fn build(room: &mut [u8], number: u64) {
    match room.split_first_chunk_mut::<WORD>() {
        Some((first, rest)) => {
            *first = number.to_le_bytes();
            rest.fill(FILL);
        }
        None => room.copy_from_slice(&number.to_le_bytes()[..room.len()]),
    }
}

/// Reads a word of every cache line that the message lies on, and gives their sum.
#[inline]
pub(crate) fn read(message: &[u8]) -> u64 {
    let Some(first) = message.first_chunk::<WORD>() else {
        let bytes = message.iter().rev();
        return bytes.fold(0, |word, byte| word << 8 | u64::from(*byte));
    };
    let word = |at: usize| {
        let bytes = message[at..at + WORD].try_into().expect("eight bytes");
        u64::from_le_bytes(bytes)
    };
    let mut sum = u64::from_le_bytes(*first);
    let mut at = LINE;
    while at + WORD <= message.len() {
        sum = sum.wrapping_add(word(at));
        at += LINE;
    }
    // A message that does not start on a line ends on one more. Below 16 bytes that word would hold a part of
    // the number.
    if message.len() >= 2 * WORD {
        sum = sum.wrapping_add(word(message.len() - WORD));
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sums over messages that were copied, and over those that were built in place.
    fn sums<N: Numbers>(len: usize, count: u64) -> [u64; 2] {
        let mut copied = Payload::new(len);
        let mut built = vec![0; len];
        let mut sums = [0u64; 2];
        for index in 0..count {
            sums[0] = sums[0].wrapping_add(read(copied.numbered(N::at(index))));
            build(&mut built, N::at(index));
            sums[1] = sums[1].wrapping_add(read(&built));
        }
        sums
    }

    #[test]
    fn what_is_read_is_what_was_expected() {
        for len in [
            1, 2, 3, 7, 8, 9, 15, 16, 32, 64, 65, 72, 73, 100, 256, 1024, 65536,
        ] {
            for count in [0, 1, 2, 5, 300] {
                let wanted = [Counted::expected(len, count); 2];
                assert_eq!(
                    sums::<Counted>(len, count),
                    wanted,
                    "{count} of {len} bytes"
                );
                let wanted = [Same::expected(len, count); 2];
                assert_eq!(sums::<Same>(len, count), wanted, "{count} of {len} bytes");
            }
        }
        assert_eq!(
            sums::<Counted>(2, 70_000),
            [Counted::expected(2, 70_000); 2]
        );
    }

    #[test]
    fn a_lost_or_damaged_message_changes_the_sum() {
        assert_ne!(Counted::expected(64, 5), Counted::expected(64, 4));
        let mut message = Payload::new(256).numbered(0).to_vec();
        let sum = read(&message);
        message[128] ^= 1;
        assert_ne!(read(&message), sum);
    }
}
