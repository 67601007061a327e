//! The ring's memory in a mapped segment.
#![allow(unsafe_code)]

use crate::Role;
use crate::layout::RolePage;
use crate::os::Mapping;
use crate::ring::Memory;
use crate::sync::AtomicU64;
use std::sync::Arc;

/// A mapped segment as the ring sees it, with the addresses at hand.
pub(crate) struct RingMemory {
    data: *mut u8,
    writer: *const RolePage,
    reader: *const RolePage,
    /// Keeps the addresses valid.
    _mapping: Arc<Mapping>,
}

// SAFETY: the pointers lead into `_mapping`, which is itself Send and lives as long.
unsafe impl Send for RingMemory {}
// SAFETY: as for `Send`; through a shared reference only atomics are reached.
unsafe impl Sync for RingMemory {}

impl RingMemory {
    pub(crate) fn new(mapping: Arc<Mapping>) -> Self {
        Self {
            data: mapping.data(),
            writer: mapping.role_page(Role::Writer),
            reader: mapping.role_page(Role::Reader),
            _mapping: mapping,
        }
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
        // SAFETY: valid while `_mapping` lives.
        unsafe { &*page }
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
