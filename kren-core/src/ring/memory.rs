//! What the ring needs of the memory it lives in.

use crate::Role;
use crate::layout::{ALIGNMENT_MIN, Geometry, MARKS, RECORD_HEADER, RolePage};
use crate::sync::{AtomicU64, Ordering};

/// The memory of one ring, seen from one side.
///
/// # Safety
///
/// For as long as the value lives:
/// - `page` gives the same two pages at every call;
/// - `header(offset)` is valid for every multiple of 8 below [`Shape::data_len`];
/// - `payload(offset, len)` points at `len` bytes that hold what the ring holds at
///   `offset..offset + len`, taken modulo the data length (the mirror), for `offset` at most the
///   data length and `len` at most the capacity less a record header.
#[allow(unsafe_code)]
pub(crate) unsafe trait Memory {
    /// The page that `role` stores.
    fn page(&self, role: Role) -> &RolePage;

    /// The position word that `role` stores.
    #[inline]
    fn position(&self, role: Role) -> &AtomicU64 {
        &self.page(role).progress.0.position
    }

    /// How far all that hold the writer up have released, for a writer at `written`.
    fn slowest(&self, _written: u64, _capacity: u64) -> u64 {
        // Acquire: pairs with the Release store in `release`; the reader's loads of the bytes that become free here
        // happen before our stores into them (R8).
        self.position(Role::Reader).load(Ordering::Acquire)
    }

    /// Where records may end without another look, for a writer at `written` that wants one to end at `end`. `None` where
    /// what the other side has stored cannot be.
    fn look(&self, written: u64, _end: u64, capacity: u64) -> Option<u64> {
        let read = self.slowest(written, capacity);
        (read <= written && written - read <= capacity).then(|| read + capacity)
    }

    /// The record header at `offset`.
    fn header(&self, offset: usize) -> &AtomicU64;

    /// Where the payload at `offset` lies, for the consumer to load.
    fn payload(&self, offset: usize, len: usize) -> *const u8;

    /// Where the payload at `offset` lies, for the producer to store.
    fn payload_mut(&self, offset: usize, len: usize) -> *mut u8;
}

/// Marks that a lap has room for: half of those there are, as a mark left early, because a long message passes the last
/// one, may be followed by another at once.
const STEPS: usize = MARKS / 2;

/// The figures of a ring that both algorithms use, worked out once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// Bytes of records the ring can hold.
    pub(crate) capacity: u64,
    /// Bytes of the data region; more than the capacity by at least one header (R1).
    pub(crate) data_len: usize,
    /// Alignment of payloads, and so of record strides.
    pub(crate) alignment: usize,
    /// Distance from a record's position to its header, so that the payload behind the header
    /// falls on the alignment.
    pub(crate) lead: usize,
    /// Longest payload.
    pub(crate) max_len: usize,
    /// Bytes after which the writer leaves a new mark, at the latest (R10).
    pub(crate) step: u64,
}

impl Shape {
    pub(crate) fn new(geometry: &Geometry) -> Self {
        debug_assert!(geometry.alignment >= ALIGNMENT_MIN);
        Self {
            capacity: geometry.capacity as u64,
            data_len: geometry.data_len(),
            alignment: geometry.alignment,
            lead: geometry.alignment - RECORD_HEADER,
            max_len: geometry.max_message_len(),
            step: (geometry.data_len() / STEPS).max(geometry.granularity) as u64,
        }
    }

    /// How far beyond the end of the last record that a reader allows a mark may reach, with a terminator behind it, and still
    /// be within a length of the data region of that reader's position.
    pub(crate) fn beyond(&self) -> u64 {
        self.data_len as u64 - self.capacity - self.alignment as u64
    }

    /// The offset of a position in the data region.
    pub(crate) fn offset(&self, position: u64) -> usize {
        (position % self.data_len as u64) as usize
    }

    /// Steps an offset over `stride` bytes.
    #[inline]
    pub(crate) fn step(&self, offset: usize, stride: usize) -> usize {
        let next = offset + stride;
        if next >= self.data_len {
            next - self.data_len
        } else {
            next
        }
    }

    /// The offset of the header of the record at `offset`. Below the data length, because offsets
    /// and the data length are multiples of the alignment.
    #[inline]
    pub(crate) fn header_at(&self, offset: usize) -> usize {
        offset + self.lead
    }

    /// The offset of the payload of the record at `offset`: at most the data length.
    #[inline]
    pub(crate) fn payload_at(&self, offset: usize) -> usize {
        offset + self.alignment
    }
}
