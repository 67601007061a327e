//! Several named arrays in one message: P5.

use super::ArrayView;
use super::header::{ArrayLen, HEADER, Kind, Reason, count_of_parts, put_array_header, put_header};
use crate::Slot;

/// The most arrays in one message.
pub const MAX_PARTS: usize = 1024;
/// The most bytes in a name.
pub const MAX_NAME: usize = 48;

/// Bytes of an entry of the directory, and what parts begin at multiples of.
const ENTRY: usize = 64;
/// Where the name begins in it.
const NAME: usize = ENTRY - MAX_NAME;

/// Several named arrays where they lie in one message.
///
/// From [`Message::arrays`](crate::Message::arrays) and [`Lease::arrays`](crate::Lease::arrays).
#[derive(Debug, Clone, PartialEq)]
pub struct ArraysView<'a> {
    parts: Vec<(&'a str, ArrayView<'a>)>,
}

impl<'a> ArraysView<'a> {
    /// The arrays in a message. For bindings, which name the channel themselves.
    #[doc(hidden)]
    pub fn parse(message: &'a [u8]) -> Result<Self, Reason> {
        let count = count_of_parts(message)? as usize;
        if count > MAX_PARTS || HEADER + count * ENTRY > message.len() {
            return Err(
                format!("has a directory of {count} arrays that it has no room for").into(),
            );
        }
        let (directory, _) = message[HEADER..].as_chunks::<ENTRY>();
        let mut parts: Vec<(&str, ArrayView<'_>)> = Vec::with_capacity(count);
        for entry in &directory[..count] {
            let name = name_of(entry)?;
            if parts.iter().any(|(other, _)| *other == name) {
                return Err(format!("has two arrays called '{name}'").into());
            }
            let part = part_of(message, entry, HEADER + count * ENTRY)
                .ok_or_else(|| format!("says that '{name}' lies outside of it"))?;
            let array = ArrayView::parse(part)
                .map_err(|reason| format!("holds '{name}', of which KREN says: it {reason}"))?;
            parts.push((name, array));
        }
        Ok(Self { parts })
    }

    /// The array of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<ArrayView<'a>> {
        let part = self.parts.iter().find(|(other, _)| *other == name);
        part.map(|(_, array)| *array)
    }

    /// All of them, in the order in which they were written.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&'a str, ArrayView<'a>)> + '_ {
        self.parts.iter().copied()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parts.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }
}

/// The name in a directory's entry.
fn name_of(entry: &[u8; ENTRY]) -> Result<&str, Reason> {
    let field = &entry[NAME..];
    let len = field.iter().position(|&byte| byte == 0).unwrap_or(MAX_NAME);
    match std::str::from_utf8(&field[..len]) {
        Ok(name) if len > 0 => Ok(name),
        _ => Err("has an array whose name is none".into()),
    }
}

/// The message of its own that a directory's entry leads to, behind `first`.
fn part_of<'a>(message: &'a [u8], entry: &[u8; ENTRY], first: usize) -> Option<&'a [u8]> {
    let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| entry[at + i]));
    let offset = usize::try_from(word(0)).ok()?;
    let len = usize::try_from(word(8)).ok()?;
    if offset < first || !offset.is_multiple_of(ENTRY) {
        return None;
    }
    message.get(offset..offset.checked_add(len)?)
}

/// Where the parts of a message lie that is about to be written. For bindings, which wait for room themselves.
#[doc(hidden)]
pub struct Plan<'a> {
    /// Name, array, offset, length.
    parts: Vec<(&'a str, ArrayView<'a>, usize, ArrayLen)>,
    /// Bytes of the message.
    pub len: usize,
}

impl<'a> Plan<'a> {
    /// Words for what is wrong, where these arrays cannot travel together.
    pub fn of(arrays: &[(&'a str, ArrayView<'a>)]) -> Result<Self, &'static str> {
        if arrays.len() > MAX_PARTS {
            return Err("one message has room for 1024 arrays");
        }
        let mut len = HEADER + arrays.len() * ENTRY;
        let mut parts: Vec<(&'a str, ArrayView<'a>, usize, ArrayLen)> =
            Vec::with_capacity(arrays.len());
        for &(name, array) in arrays {
            if name.is_empty() || name.len() > MAX_NAME || name.contains('\0') {
                return Err("the name of an array has 1 to 48 bytes, none of them 0");
            }
            if parts.iter().any(|(other, ..)| *other == name) {
                return Err("two arrays have the same name");
            }
            let own = ArrayLen::of(array.dtype(), array.shape())?;
            let offset = len.next_multiple_of(ENTRY);
            len = offset
                .checked_add(own.total())
                .ok_or("together they are too large")?;
            parts.push((name, array, offset, own));
        }
        Ok(Self { parts, len })
    }

    /// Stores the message into `target`, which is as long.
    pub fn put(&self, target: &mut Slot<'_>) {
        put_header(
            target,
            Kind::Arrays,
            self.parts.len() as u32,
            self.len - HEADER,
        );
        let mut end = HEADER + self.parts.len() * ENTRY;
        for (at, (name, array, offset, own)) in self.parts.iter().enumerate() {
            let entry = &mut target[HEADER + at * ENTRY..][..ENTRY];
            entry.fill(0);
            entry[..8].copy_from_slice(&(*offset as u64).to_le_bytes());
            entry[8..16].copy_from_slice(&(own.total() as u64).to_le_bytes());
            entry[NAME..NAME + name.len()].copy_from_slice(name.as_bytes());
            // P4: what lay in the ring before is nobody's to read.
            target[end..*offset].fill(0);
            let part = &mut target[*offset..][..own.total()];
            put_array_header(part, array.dtype(), array.shape(), *own);
            target.write_at(offset + own.header, array.bytes());
            end = offset + own.total();
        }
    }
}
