//! What stands in front of each request and each reply: which call it belongs to, and what it is (S1).

use crate::{KrenWriter, Result};
use std::ops::Range;

/// As much of a server's session as a request says.
pub(super) fn short(session: u32) -> u8 {
    session as u8 & 0x7f
}

/// Bytes of it, on a channel whose payloads are aligned to no more than this.
const LEN: usize = 16;
/// What the payload behind a method's name is aligned to, at least.
const STEP: usize = 8;

/// What a record of a service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Request,
    /// The client does not wait for an answer any more.
    Cancel,
    /// The only answer, or the last one.
    Reply,
    /// One of several answers.
    Item,
    /// There are no more.
    End,
    /// A code of four bytes and a text: the call has failed.
    Error,
}

impl Part {
    const ALL: [Self; 6] = [
        Self::Request,
        Self::Cancel,
        Self::Reply,
        Self::Item,
        Self::End,
        Self::Error,
    ];

    fn number(self) -> u8 {
        self as u8 + 1
    }

    fn of(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number).checked_sub(1)?).copied()
    }

    /// Whether nothing more comes for that call.
    pub(super) fn is_last(self) -> bool {
        matches!(self, Self::Reply | Self::End | Self::Error)
    }
}

/// The request may be given to another server where the first one has died over it.
const MAY_RETRY: u8 = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Envelope {
    /// Never used twice by one client.
    pub(super) call: u64,
    pub(super) part: Part,
    pub(super) may_retry: bool,
    /// Of a request: the low bits of the session of the server that it is for.
    pub(super) server: u8,
    /// What is left of the client's time-out when it sends a request, in milliseconds; 0 is no time-out.
    pub(super) left: u32,
    /// Bytes of a method's name that stand behind it.
    pub(super) method: u16,
}

impl Envelope {
    pub(super) fn new(call: u64, part: Part) -> Self {
        Self {
            call,
            part,
            may_retry: false,
            server: 0,
            left: 0,
            method: 0,
        }
    }

    /// Bytes in front of what the user sends, the method's name included.
    pub(super) fn front(&self, alignment: usize) -> usize {
        let method = usize::from(self.method);
        Self::len(alignment) + method.next_multiple_of(STEP.max(alignment))
    }

    /// Where the name of the method is.
    pub(super) fn method(&self, alignment: usize) -> Range<usize> {
        let start = Self::len(alignment);
        start..start + usize::from(self.method)
    }

    /// Bytes of the envelope itself, so that what follows keeps the alignment.
    pub(super) fn len(alignment: usize) -> usize {
        LEN.max(alignment)
    }

    fn bytes(&self) -> [u8; LEN] {
        let flags = (u8::from(self.may_retry) * MAY_RETRY) | (self.server << 1);
        // In two whole words, as they are copied: bytes stored one by one would have to be waited for.
        let rest = u64::from(self.part.number())
            | u64::from(flags) << 8
            | u64::from(self.method) << 16
            | u64::from(self.left) << 32;
        let mut bytes = [0; LEN];
        bytes[..8].copy_from_slice(&self.call.to_le_bytes());
        bytes[8..].copy_from_slice(&rest.to_le_bytes());
        bytes
    }

    /// Writes it to the start of `target`, which is at least as long as `len` says.
    pub(super) fn store(&self, target: &mut [u8]) {
        target[..LEN].copy_from_slice(&self.bytes());
    }

    /// Sends it with what follows it, if there is room.
    ///
    /// # Errors
    ///
    /// As [`KrenWriter::try_reserve`].
    #[inline]
    pub(super) fn send(
        &self,
        writer: &mut KrenWriter,
        method: &str,
        tag: u32,
        body: &[u8],
    ) -> Result<()> {
        let is_plain = method.is_empty() && writer.alignment() <= LEN;
        if is_plain && writer.write_short_parts(tag, &self.bytes(), body) {
            return Ok(());
        }
        self.send_any(writer, method, tag, body)
    }

    /// The same for long ones, and all others.
    #[inline(never)]
    fn send_any(&self, writer: &mut KrenWriter, method: &str, tag: u32, body: &[u8]) -> Result<()> {
        let alignment = writer.alignment();
        let front = self.front(alignment);
        let mut slot = writer.try_reserve(front + body.len())?;
        self.store(&mut slot);
        slot[self.method(alignment)].copy_from_slice(method.as_bytes());
        slot[front..].copy_from_slice(body);
        slot.set_tag(tag);
        slot.commit();
        Ok(())
    }

    /// `None` where the message has none (G7).
    pub(super) fn load(message: &[u8], alignment: usize) -> Option<Self> {
        if message.len() < Self::len(alignment) {
            return None;
        }
        let part = Part::of(message[8])?;
        let envelope = Self {
            call: u64::from_le_bytes(message[..8].try_into().ok()?),
            part,
            may_retry: message[9] & MAY_RETRY != 0,
            server: message[9] >> 1,
            left: u32::from_le_bytes(message[12..LEN].try_into().ok()?),
            method: u16::from_le_bytes(message[10..12].try_into().ok()?),
        };
        (message.len() >= envelope.front(alignment)).then_some(envelope)
    }
}

/// What a failed call says: its code and its text.
pub(super) fn failure(body: &[u8]) -> (u32, String) {
    match body.split_first_chunk() {
        Some((code, text)) => (
            u32::from_le_bytes(*code),
            String::from_utf8_lossy(text).into_owned(),
        ),
        None => (0, String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_survives_a_round_trip() {
        for part in Part::ALL {
            for alignment in [8, 16, 64] {
                let envelope = Envelope {
                    call: 0x0102_0304_0506_0708,
                    part,
                    may_retry: part == Part::Request,
                    server: 0x55,
                    left: 77,
                    method: 300,
                };
                let mut bytes = vec![0xff; envelope.front(alignment)];
                envelope.store(&mut bytes);
                assert_eq!(Envelope::load(&bytes, alignment), Some(envelope));
                assert_eq!(bytes.len() % alignment, 0);
                // A name that would go beyond the message is none.
                bytes.pop();
                assert_eq!(Envelope::load(&bytes, alignment), None);
            }
        }
    }

    /// G7: no bytes are taken for an envelope that are none, and none makes it panic.
    #[test]
    fn other_bytes_are_no_envelope() {
        assert_eq!(Envelope::load(&[1; 15], 8), None);
        assert_eq!(Envelope::load(&[1; 63], 64), None);
        for part in [0, 7, 255] {
            let mut bytes = [0; 16];
            bytes[8] = part;
            assert_eq!(Envelope::load(&bytes, 8), None);
        }
        assert_eq!(failure(&[1, 2]), (0, String::new()));
        assert_eq!(failure(&[1, 0, 0, 0, 0xff]), (1, "\u{fffd}".into()));
    }
}
