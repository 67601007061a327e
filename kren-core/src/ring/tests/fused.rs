//! A memory whose user dies at a chosen access.
//!
//! Each store of the ring asks its memory for the word first. Dying at access 0, 1, 2, ... is
//! therefore dying before each store in turn, which is what `kill -9` can do to a process.
#![allow(unsafe_code)]

use crate::Role;
use crate::layout::RolePage;
use crate::ring::Memory;
use crate::sync::AtomicU64;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// How many more accesses its holder lives through; for ever when `None`.
pub(crate) type Fuse = Cell<Option<u32>>;

pub(crate) struct Fused<'a, M> {
    memory: M,
    fuse: &'a Fuse,
}

/// What a blown fuse unwinds with.
struct Killed;

impl<'a, M> Fused<'a, M> {
    pub(crate) fn new(memory: M, fuse: &'a Fuse) -> Self {
        Self { memory, fuse }
    }

    fn burn(&self) {
        match self.fuse.get() {
            // Not `panic!`: a death that was asked for is nothing to print.
            Some(0) => resume_unwind(Box::new(Killed)),
            Some(left) => self.fuse.set(Some(left - 1)),
            None => {}
        }
    }
}

/// Runs `life` and tells whether it reached its end alive.
pub(crate) fn survives(life: impl FnOnce()) -> bool {
    match catch_unwind(AssertUnwindSafe(life)) {
        Ok(()) => true,
        Err(cause) if cause.is::<Killed>() => false,
        Err(cause) => resume_unwind(cause),
    }
}

// SAFETY: hands out what the inner memory hands out, or nothing.
unsafe impl<M: Memory> Memory for Fused<'_, M> {
    fn page(&self, role: Role) -> &RolePage {
        self.burn();
        self.memory.page(role)
    }

    fn header(&self, offset: usize) -> &AtomicU64 {
        self.burn();
        self.memory.header(offset)
    }

    fn payload(&self, offset: usize, len: usize) -> *const u8 {
        self.burn();
        self.memory.payload(offset, len)
    }

    fn payload_mut(&self, offset: usize, len: usize) -> *mut u8 {
        self.burn();
        self.memory.payload_mut(offset, len)
    }
}
