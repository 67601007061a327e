//! What the messages contain, and how it is read: every transport writes and reads the same bytes.
//!
//! The first eight bytes are the message's number, all others [`FILL`]. A reader loads one word of each
//! cache line; the sum over a run is known beforehand, so that a transport that loses, repeats or damages
//! a message is found out.

const FILL: u8 = 7;
const FILL_WORD: u64 = u64::from_ne_bytes([FILL; 8]);
const LINE: usize = 64;
const WORD: usize = 8;

/// A message in memory of the sender's own, for transports that copy.
pub(crate) struct Payload(Vec<u8>);

impl Payload {
    pub(crate) fn new(len: usize) -> Self {
        Self(vec![FILL; len])
    }

    /// The message with this number.
    #[inline]
    pub(crate) fn numbered(&mut self, number: u64) -> &[u8] {
        self.0[..WORD].copy_from_slice(&number.to_ne_bytes());
        &self.0
    }
}

/// Writes the message with this number in place, for transports that lend their memory.
#[inline]
pub(crate) fn build(room: &mut [u8], number: u64) {
    let (first, rest) = room.split_at_mut(WORD);
    first.copy_from_slice(&number.to_ne_bytes());
    rest.fill(FILL);
}

/// Reads a word of every cache line that the message lies on, and gives their sum.
#[inline]
pub(crate) fn read(message: &[u8]) -> u64 {
    let word = |at: usize| {
        let bytes = message[at..at + WORD].try_into().expect("eight bytes");
        u64::from_ne_bytes(bytes)
    };
    let mut sum = word(0);
    let mut at = LINE;
    while at + WORD <= message.len() {
        sum = sum.wrapping_add(word(at));
        at += LINE;
    }
    // A message that does not start on a line ends on one more.
    if message.len() > WORD {
        sum = sum.wrapping_add(word(message.len() - WORD));
    }
    sum
}

/// What [`read`] gives in all for the messages 0 to `count` - 1.
pub(crate) fn expected(len: usize, count: u64) -> u64 {
    let words = match len {
        ..=WORD => 0,
        _ => (len - WORD) / LINE + 1,
    } as u64;
    let numbers = count.wrapping_mul(count.wrapping_sub(1)) / 2;
    numbers.wrapping_add(FILL_WORD.wrapping_mul(words).wrapping_mul(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_what_was_expected() {
        for len in [8, 16, 32, 64, 72, 100, 256, 1024, 65536] {
            let mut copied = Payload::new(len);
            let mut built = vec![0; len];
            let mut sums = [0u64; 2];
            for number in 0..5 {
                sums[0] = sums[0].wrapping_add(read(copied.numbered(number)));
                build(&mut built, number);
                sums[1] = sums[1].wrapping_add(read(&built));
            }
            assert_eq!(sums, [expected(len, 5); 2], "of {len} bytes");
        }
    }

    #[test]
    fn a_lost_or_damaged_message_changes_the_sum() {
        assert_ne!(expected(64, 5), expected(64, 4));
        let mut message = Payload::new(256).numbered(0).to_vec();
        let sum = read(&message);
        message[128] ^= 1;
        assert_ne!(read(&message), sum);
    }
}
