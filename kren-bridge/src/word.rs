//! What the two bridges of a service say to each other about calls, byte by byte: `docs/spec/bridge.md`, *Services*.

use crate::wire::Malformed;

/// A word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word<'a> {
    /// There is nothing to say.
    Beat,
    /// To the service: a call.
    Call {
        /// Never used twice in a talk.
        call: u64,
        /// Whose it is.
        client: u64,
        /// The user's own number.
        tag: u32,
        /// What is left of the client's time-out, in milliseconds; 0 is none.
        left: u32,
        /// A successor of the server may do it again.
        may_retry: bool,
        /// What is called.
        method: &'a str,
        /// The request.
        request: &'a [u8],
    },
    /// To the service: nobody waits for the answer any more.
    Cancel(u64),
    /// To the service: this client is gone.
    Gone(u64),
    /// Back: the answer.
    Reply(u64, u32, &'a [u8]),
    /// Back: one of several.
    Item(u64, u32, &'a [u8]),
    /// Back: there are no more.
    End(u64),
    /// Back: the call has failed, with this code and text.
    Error(u64, u32, &'a str),
    /// Back: its time is over there.
    Over(u64),
}

const BEAT: u8 = 0;
const CALL: u8 = 1;
const CANCEL: u8 = 2;
const GONE: u8 = 3;
const REPLY: u8 = 4;
const ITEM: u8 = 5;
const END: u8 = 6;
const ERROR: u8 = 7;
const OVER: u8 = 8;

/// Bytes before what is a word's own.
const HEAD: usize = 16;
/// Bytes of a call between these and the method's name.
const CALL_HEAD: usize = 16;

impl<'a> Word<'a> {
    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let (kind, call, tag, bytes): (_, _, _, &[u8]) = match *self {
            Self::Beat => (BEAT, 0, 0, &[]),
            Self::Call {
                call, tag, request, ..
            } => (CALL, call, tag, request),
            Self::Cancel(call) => (CANCEL, call, 0, &[]),
            Self::Gone(client) => (GONE, client, 0, &[]),
            Self::Reply(call, tag, bytes) => (REPLY, call, tag, bytes),
            Self::Item(call, tag, bytes) => (ITEM, call, tag, bytes),
            Self::End(call) => (END, call, 0, &[]),
            Self::Error(call, code, text) => (ERROR, call, code, text.as_bytes()),
            Self::Over(call) => (OVER, call, 0, &[]),
        };
        let mut to = Vec::with_capacity(HEAD + CALL_HEAD + bytes.len());
        let may_retry = matches!(
            self,
            Self::Call {
                may_retry: true,
                ..
            }
        );
        to.extend([kind, may_retry.into(), 0, 0]);
        to.extend(tag.to_le_bytes());
        to.extend(call.to_le_bytes());
        if let Self::Call {
            client,
            left,
            method,
            ..
        } = self
        {
            to.extend(client.to_le_bytes());
            to.extend(left.to_le_bytes());
            // A method's name has at most 65,535 bytes; what is not UTF-8 there has become longer, and nobody's method.
            let mut end = method.len().min(u16::MAX.into());
            while !method.is_char_boundary(end) {
                end -= 1;
            }
            to.extend((end as u32).to_le_bytes());
            to.extend(&method.as_bytes()[..end]);
        }
        to.extend(bytes);
        to
    }

    /// The word that these bytes are.
    ///
    /// # Errors
    ///
    /// [`Malformed::Garbage`].
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (head, rest) = bytes
            .split_first_chunk::<HEAD>()
            .ok_or(Malformed::Garbage)?;
        let [kind, may_retry, 0, 0, tag @ .., _, _, _, _, _, _, _, _] = *head else {
            return Err(Malformed::Garbage);
        };
        let tag = u32::from_le_bytes(tag);
        let call = number(&head[8..]);
        let text = |bytes| std::str::from_utf8(bytes).map_err(|_| Malformed::Garbage);
        let word = match kind {
            CALL if may_retry <= 1 => {
                let (head, rest) = rest
                    .split_first_chunk::<CALL_HEAD>()
                    .ok_or(Malformed::Garbage)?;
                let [_, _, _, _, _, _, _, _, left @ .., a, b, c, d] = *head;
                let len = u32::from_le_bytes([a, b, c, d]);
                let (method, request) = usize::try_from(len)
                    .ok()
                    .filter(|len| *len <= u16::MAX.into())
                    .and_then(|len| rest.split_at_checked(len))
                    .ok_or(Malformed::Garbage)?;
                return Ok(Self::Call {
                    call,
                    client: number(head),
                    tag,
                    left: u32::from_le_bytes(left),
                    may_retry: may_retry == 1,
                    method: text(method)?,
                    request,
                });
            }
            REPLY => Self::Reply(call, tag, rest),
            ITEM => Self::Item(call, tag, rest),
            ERROR => Self::Error(call, tag, text(rest)?),
            _ if !rest.is_empty() => return Err(Malformed::Garbage),
            BEAT => Self::Beat,
            CANCEL => Self::Cancel(call),
            GONE => Self::Gone(call),
            END => Self::End(call),
            OVER => Self::Over(call),
            _ => return Err(Malformed::Garbage),
        };
        Ok(word)
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes
        .first_chunk()
        .map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_word_survives_a_round_trip() {
        let words = [
            Word::Beat,
            Word::Call {
                call: 1,
                client: u64::MAX,
                tag: 3,
                left: 4,
                may_retry: true,
                method: "größe",
                request: b"bytes",
            },
            Word::Cancel(5),
            Word::Gone(6),
            Word::Reply(7, 8, b"answer"),
            Word::Item(9, 10, b""),
            Word::End(11),
            Word::Error(12, u32::MAX, "it failed"),
            Word::Over(13),
        ];
        for word in words {
            let bytes = word.encode();
            assert_eq!(Word::decode(&bytes), Ok(word));
            for len in 0..HEAD {
                assert_eq!(Word::decode(&bytes[..len]), Err(Malformed::Garbage));
            }
        }
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm(bytes in proptest::collection::vec(0_u8..10, 0..60)) {
            if let Ok(word) = Word::decode(&bytes) {
                let again = word.encode();
                prop_assert_eq!(Word::decode(&again), Ok(word));
            }
        }
    }
}
