//! Messages as bytes of a stream, and back.

use crate::options::Framing;
use clap::ValueEnum;
use serde_json::json;
use std::io::{self, BufRead, Write};

/// How received messages are written.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Default)]
pub(crate) enum Format {
    /// The bytes of each message, one after the other.
    #[default]
    Raw,
    /// Each message, then a line feed.
    Lines,
    /// Each message, then a NUL byte.
    Null,
    /// Each message behind its length: 4 bytes, little-endian.
    LengthPrefixed,
    /// A line for each message: its number, tag and length, and its bytes as hexadecimal digits.
    Hex,
    /// A JSON object in a line for each message.
    Json,
}

impl Format {
    /// The one that `framing` names, or else `self`.
    pub(crate) fn or_framing(self, framing: Framing) -> Self {
        match framing {
            Framing { lines: true, .. } => Self::Lines,
            Framing { null: true, .. } => Self::Null,
            Framing {
                length_prefixed: true,
                ..
            } => Self::LengthPrefixed,
            _ => self,
        }
    }

    /// Writes one message.
    pub(crate) fn write(
        self,
        out: &mut impl Write,
        (number, tag): (u64, u32),
        bytes: &[u8],
    ) -> io::Result<()> {
        match self {
            Self::Raw => out.write_all(bytes),
            Self::Lines => out.write_all(bytes).and_then(|()| out.write_all(b"\n")),
            Self::Null => out.write_all(bytes).and_then(|()| out.write_all(b"\0")),
            Self::LengthPrefixed => {
                // A message has at most 2^32 - 2 bytes.
                out.write_all(&(bytes.len() as u32).to_le_bytes())?;
                out.write_all(bytes)
            }
            Self::Hex => {
                write!(out, "{number} {tag} {} ", bytes.len())?;
                for byte in bytes {
                    write!(out, "{byte:02x}")?;
                }
                writeln!(out)
            }
            Self::Json => {
                let mut message = json!({ "number": number, "tag": tag, "length": bytes.len() });
                match std::str::from_utf8(bytes) {
                    Ok(text) => message["text"] = json!(text),
                    Err(_) => {
                        let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
                        message["hex"] = json!(digits.collect::<String>());
                    }
                }
                writeln!(out, "{message}")
            }
        }
    }
}

/// How a stream is cut into messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cut {
    /// What one read brings.
    Blocks,
    /// At this byte, which belongs to none.
    At(u8),
    /// Each behind its length.
    Lengths,
}

impl From<Framing> for Cut {
    fn from(framing: Framing) -> Self {
        match framing {
            Framing { lines: true, .. } => Self::At(b'\n'),
            Framing { null: true, .. } => Self::At(0),
            Framing {
                length_prefixed: true,
                ..
            } => Self::Lengths,
            _ => Self::Blocks,
        }
    }
}

/// What is done with messages.
type Take<'a, E> = dyn FnMut(&[&[u8]]) -> Result<(), E> + 'a;

/// Cuts a stream into messages, in groups that are there without another read.
pub(crate) struct Cutter<R> {
    source: R,
    cut: Cut,
    /// The longest message that the channel takes, in bytes.
    max: usize,
    /// The beginning of a message whose end has not come yet.
    partial: Vec<u8>,
    used: usize,
}

impl<R: BufRead> Cutter<R> {
    pub(crate) fn new(source: R, cut: Cut, max: usize) -> Self {
        Self {
            source,
            cut,
            max,
            partial: vec![],
            used: 0,
        }
    }

    /// Hands the next messages to `take`, at least one; `false` at the end of the stream. An error of `take` ends the call.
    pub(crate) fn next<E: From<io::Error>>(&mut self, take: &mut Take<'_, E>) -> Result<bool, E> {
        loop {
            self.source.consume(std::mem::take(&mut self.used));
            let bytes = self.source.fill_buf()?;
            if bytes.is_empty() {
                return self.end(take);
            }
            self.used = bytes.len();
            let mut rest = bytes;
            let mut messages = vec![];
            if !self.partial.is_empty() {
                let Some(more) = Self::missing(self.cut, &mut self.partial, &mut rest, self.max)?
                else {
                    continue;
                };
                match more {
                    0 => take(&[&self.partial])?,
                    prefix => take(&[&self.partial[prefix..]])?,
                }
                self.partial.clear();
            }
            while let Some((message, behind)) = split(self.cut, rest) {
                messages.push(message);
                rest = behind;
            }
            self.partial.extend_from_slice(rest);
            if self.partial.len() > self.max + PREFIX {
                return Err(too_long(self.max).into());
            }
            if !messages.is_empty() {
                take(&messages)?;
            }
            return Ok(true);
        }
    }

    /// Completes the partial message from `rest`; tells how many bytes of a prefix it starts with. `None`: there is more to come.
    fn missing(
        cut: Cut,
        partial: &mut Vec<u8>,
        rest: &mut &[u8],
        max: usize,
    ) -> io::Result<Option<usize>> {
        let (len, skip, prefix) = match cut {
            Cut::Blocks => (0, 0, 0),
            Cut::At(end) => match memchr::memchr(end, rest) {
                Some(at) => (at, 1, 0),
                None => {
                    partial.extend_from_slice(rest);
                    let is_long = partial.len() > max;
                    return if is_long {
                        Err(too_long(max))
                    } else {
                        Ok(None)
                    };
                }
            },
            Cut::Lengths => {
                while partial.len() < PREFIX {
                    let Some((first, behind)) = rest.split_first() else {
                        return Ok(None);
                    };
                    partial.push(*first);
                    *rest = behind;
                }
                let len = length(partial);
                if len > max {
                    return Err(too_long(max));
                }
                let missing = PREFIX + len - partial.len();
                if missing > rest.len() {
                    partial.extend_from_slice(rest);
                    return Ok(None);
                }
                (missing, 0, PREFIX)
            }
        };
        partial.extend_from_slice(&rest[..len]);
        *rest = &rest[len + skip..];
        Ok(Some(prefix))
    }

    fn end<E: From<io::Error>>(&mut self, take: &mut Take<'_, E>) -> Result<bool, E> {
        let last = std::mem::take(&mut self.partial);
        if last.is_empty() {
            return Ok(false);
        }
        if self.cut == Cut::Lengths {
            let what = "the input ends in the middle of a length-prefixed message";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, what).into());
        }
        take(&[&last])?;
        Ok(false)
    }
}

/// Bytes of a length.
const PREFIX: usize = 4;

fn length(bytes: &[u8]) -> usize {
    let mut prefix = [0; PREFIX];
    prefix.copy_from_slice(&bytes[..PREFIX]);
    u32::from_le_bytes(prefix) as usize
}

/// The first message of `bytes`, and what follows it, if it is there as a whole.
fn split(cut: Cut, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    match cut {
        Cut::Blocks => (!bytes.is_empty()).then_some((bytes, &[])),
        Cut::At(end) => {
            let at = memchr::memchr(end, bytes)?;
            Some((&bytes[..at], &bytes[at + 1..]))
        }
        Cut::Lengths => {
            let behind = bytes.get(PREFIX..)?;
            behind.split_at_checked(length(bytes))
        }
    }
}

fn too_long(max: usize) -> io::Error {
    let what = format!(
        "a message of the input is longer than the {max} bytes that the channel takes: give it a larger `--capacity`"
    );
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands out a few bytes at a time, so that messages are cut anywhere.
    struct Drops<'a>(&'a [u8], usize);

    impl io::Read for Drops<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let len = self.1.min(self.0.len()).min(into.len());
            into[..len].copy_from_slice(&self.0[..len]);
            self.0 = &self.0[len..];
            Ok(len)
        }
    }

    fn cut(bytes: &[u8], cut: Cut, step: usize) -> io::Result<Vec<Vec<u8>>> {
        let source = io::BufReader::new(Drops(bytes, step));
        let mut cutter = Cutter::new(source, cut, 100);
        let mut all = vec![];
        let mut take = |messages: &[&[u8]]| {
            all.extend(messages.iter().map(|message| message.to_vec()));
            Ok(())
        };
        while cutter.next::<io::Error>(&mut take)? {}
        Ok(all)
    }

    #[test]
    fn messages_are_the_same_wherever_reads_cut_them() {
        let messages: Vec<Vec<u8>> = [0, 1, 5, 0, 99, 3].map(|len| vec![b'x'; len]).into();
        let joined = |format: Format| {
            let mut out = vec![];
            for message in &messages {
                format.write(&mut out, (0, 0), message).unwrap();
            }
            out
        };
        for step in [1, 2, 3, 5, 7, 64, 1000] {
            for (format, at) in [
                (Format::Lines, Cut::At(b'\n')),
                (Format::Null, Cut::At(0)),
                (Format::LengthPrefixed, Cut::Lengths),
            ] {
                assert_eq!(
                    cut(&joined(format), at, step).unwrap(),
                    messages,
                    "{at:?} {step}"
                );
            }
            let whole: Vec<u8> = cut(b"any bytes", Cut::Blocks, step).unwrap().concat();
            assert_eq!(whole, b"any bytes");
        }
    }

    #[test]
    fn a_last_line_without_an_end_is_a_message_and_half_a_length_is_an_error() {
        assert_eq!(
            cut(b"one\ntwo", Cut::At(b'\n'), 2).unwrap(),
            [b"one", b"two"]
        );
        assert!(cut(&[9, 0, 0, 0, 1, 2], Cut::Lengths, 3).is_err());
        assert!(cut(&[9, 0], Cut::Lengths, 3).is_err());
    }

    #[test]
    fn what_no_channel_could_take_is_refused_before_it_fills_the_memory() {
        assert!(cut(&[b'x'; 1000], Cut::At(b'\n'), 7).is_err());
        assert!(cut(&[0xff; 8], Cut::Lengths, 3).is_err());
    }
}
