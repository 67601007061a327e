//! The messages of a soak: each says where it belongs, and its content follows from that.
//!
//! `soak/plan.py` and `soak/plan.mjs` say the same in their languages.

/// Session and number in it, four bytes each.
pub(super) const HEAD: usize = 8;
/// The content of message `n` starts at `n % SPREAD` in the table.
const SPREAD: usize = 4096;

/// Makes and checks messages.
pub(super) struct Plan {
    table: Vec<u8>,
    longest: usize,
}

impl Plan {
    /// `longest` is the length of the longest content, in bytes.
    pub(super) fn new(longest: usize) -> Self {
        let table = (0..SPREAD + longest)
            .map(|at| (at * 131 + (at >> 8) * 17) as u8)
            .collect();
        Self { table, longest }
    }

    /// The content of message `number`; its length is spread evenly up to the longest.
    pub(super) fn content(&self, number: u32) -> &[u8] {
        let len = number.wrapping_mul(2_654_435_761) as usize % (self.longest + 1);
        let start = number as usize % SPREAD;
        &self.table[start..start + len]
    }

    /// Length of a whole message.
    pub(super) fn len(&self, number: u32) -> usize {
        HEAD + self.content(number).len()
    }

    /// Writes the whole message into `room`, which has its length.
    pub(super) fn fill(&self, session: u32, number: u32, room: &mut [u8]) {
        room[..4].copy_from_slice(&session.to_le_bytes());
        room[4..HEAD].copy_from_slice(&number.to_le_bytes());
        room[HEAD..].copy_from_slice(self.content(number));
    }

    /// Session and number of a message that is exactly as it was written.
    pub(super) fn check(&self, message: &[u8]) -> Option<(u32, u32)> {
        let session = u32::from_le_bytes(message.get(..4)?.try_into().ok()?);
        let number = u32::from_le_bytes(message.get(4..HEAD)?.try_into().ok()?);
        (message[HEAD..] == *self.content(number)).then_some((session, number))
    }
}
