//! A record: an 8-byte header in front of a payload. `docs/spec/ring.md`, "Record".
//!
//! The header is one word: the commit word in the low half (0 = not committed, else length + 1)
//! and the user's tag in the high half.

use crate::layout::RECORD_HEADER;

/// The header of a place where no record has been committed.
pub(crate) const NOT_COMMITTED: u64 = 0;

/// A committed record as the consumer has validated it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Record {
    /// Offset of the payload's first byte in the data region; the payload may run past its end
    /// into the mirror.
    pub(crate) payload: usize,
    pub(crate) len: usize,
    pub(crate) tag: u32,
    /// Position just after the record: where the next one starts.
    pub(crate) end: u64,
}

/// The header of a committed record. `len` is at most `u32::MAX - 1` (R2).
#[inline]
pub(crate) fn header(len: usize, tag: u32) -> u64 {
    (u64::from(tag) << 32) | (len as u64 + 1)
}

/// The commit word of a header.
#[inline]
pub(crate) fn commit_word(header: u64) -> u32 {
    header as u32
}

/// The tag of a header.
#[inline]
pub(crate) fn tag(header: u64) -> u32 {
    (header >> 32) as u32
}

/// Bytes from the start of a record with a payload of `len` bytes to the start of the next.
#[inline]
pub(crate) fn stride(len: usize, alignment: usize) -> usize {
    (len + RECORD_HEADER + alignment - 1) & !(alignment - 1)
}
