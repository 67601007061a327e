//! The ring's memory in a mapped segment.
#![allow(unsafe_code)]

use crate::Role;
use crate::gates;
use crate::layout::{RolePage, Seat};
use crate::os::Mapping;
use crate::ring::Memory;
use crate::sync::{AtomicU64, Ordering};
use std::sync::Arc;

/// A mapped segment as the ring sees it, with the addresses at hand.
pub(crate) struct RingMemory {
    data: *mut u8,
    writer: *const RolePage,
    /// The page of the reader that this is for, or of the only one.
    reader: *const RolePage,
    /// Keeps the addresses valid.
    mapping: Arc<Mapping>,
}

// SAFETY: the pointers lead into `mapping`, which is itself Send and lives as long.
unsafe impl Send for RingMemory {}
// SAFETY: as for `Send`; through a shared reference only atomics are reached.
unsafe impl Sync for RingMemory {}

impl RingMemory {
    /// As the holder of `seat` sees it.
    pub(crate) fn new(mapping: Arc<Mapping>, seat: Seat) -> Self {
        let reader = seat.max(Seat::READER);
        Self {
            data: mapping.data(),
            writer: mapping.page(Seat::WRITER),
            reader: mapping.page(reader),
            mapping,
        }
    }

    /// Whether several readers may hold the writer up.
    fn is_shared(&self) -> bool {
        self.mapping.geometry().has_commons
    }
}

// SAFETY: M1 and M2 of `Mapping` are the promises of `Memory`: all of the data region and its
// mirror stay mapped, and data regions are multiples of the page size, so headers are aligned.
unsafe impl Memory for RingMemory {
    #[inline]
    fn page(&self, role: Role) -> &RolePage {
        let page = match role {
            Role::Writer => self.writer,
            Role::Reader => self.reader,
        };
        // SAFETY: valid while `mapping` lives.
        unsafe { &*page }
    }

    fn slowest(&self, written: u64, capacity: u64) -> u64 {
        if self.is_shared() {
            return gates::slowest(&*self.mapping, written, capacity);
        }
        // Acquire: pairs with the Release store in `ring::release` (R8).
        self.position(Role::Reader).load(Ordering::Acquire)
    }

    fn look(&self, written: u64, end: u64, capacity: u64) -> Option<u64> {
        if self.is_shared() {
            return Some(gates::look(&*self.mapping, written, end, capacity));
        }
        let read = self.slowest(written, capacity);
        (read <= written && written - read <= capacity).then(|| read + capacity)
    }

    #[inline]
    fn header(&self, offset: usize) -> &AtomicU64 {
        // SAFETY: `offset` is below the data length and a multiple of 8 (contract of `Memory`).
        unsafe { &*self.data.add(offset).cast::<AtomicU64>() }
    }

    #[inline]
    fn payload(&self, offset: usize, _len: usize) -> *const u8 {
        // SAFETY: `offset` is at most the data length; the mirror lies behind.
        unsafe { self.data.add(offset) }
    }

    #[inline]
    fn payload_mut(&self, offset: usize, _len: usize) -> *mut u8 {
        // SAFETY: as above.
        unsafe { self.data.add(offset) }
    }
}

impl gates::Pages for Mapping {
    fn page(&self, seat: Seat) -> &RolePage {
        Mapping::page(self, seat)
    }

    fn readers(&self) -> usize {
        self.geometry().readers
    }
}
