//! A ring in a real segment, with its real mirror, at any position, whose every access is checked.
#![allow(unsafe_code)]

use crate::Role;
use crate::layout::{ALIGNMENT_MIN, Mark, RolePage, Seat};
use crate::ring::{Consumer, Memory, Producer, RingError, Shape};
use crate::ring_memory::RingMemory;
use crate::segment::{Access, Purpose, Segment, Who, Wish, find, open_writer};
use crate::sync::{AtomicU64, Ordering};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

/// The least capacity here: what this kind of system maps at once. Linux on ARM has kernels with larger pages; there
/// the variable says so when the tests are built.
pub(super) const PAGE: usize = if let Some(bytes) = option_env!("KREN_TEST_PAGE") {
    match usize::from_str_radix(bytes, 10) {
        Ok(page) => page,
        Err(_) => panic!("KREN_TEST_PAGE is to be a number of bytes"),
    }
} else if cfg!(windows) {
    64 * 1024
} else if cfg!(target_os = "macos") {
    16 * 1024
} else {
    4096
};

pub(super) struct Rig {
    writer: Segment,
    reader: Segment,
    pub(super) shape: Shape,
}

impl Rig {
    pub(super) fn new(capacity: usize, alignment: usize) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("ring-test-{}-{count}", std::process::id());
        let wish = Wish {
            capacity,
            alignment,
            mode: None,
            fresh: true,
            purpose: Purpose::Channel,
            schema: None,
            origin: None,
        };
        let page = crate::os::granularity();
        assert_eq!(PAGE, page, "build the tests with KREN_TEST_PAGE={page}");
        let writer = open_writer(&name, &wish, Access::default(), &mut || Ok(())).unwrap();
        let reader = find(&name, Who::Reader, Access::default()).unwrap();
        let reader = reader.unwrap();
        let shape = Shape::new(writer.mapping().geometry());
        Self {
            writer,
            reader,
            shape,
        }
    }

    /// As if both sides had come to `position`, rounded down to the alignment, and everything had
    /// been released.
    pub(super) fn at(self, position: u64) -> Self {
        let position = position & !(self.shape.alignment as u64 - 1);
        self.set_position(Role::Writer, position);
        self.set_position(Role::Reader, position);
        self
    }

    /// The page of `role`, as its owner sees it.
    fn page(&self, role: Role) -> &RolePage {
        match role {
            Role::Writer => self.writer.mapping().page(role.into()),
            Role::Reader => self.reader.mapping().page(role.into()),
        }
    }

    pub(super) fn position(&self, role: Role) -> u64 {
        self.page(role).progress.0.position.load(Ordering::Acquire)
    }

    pub(super) fn set_position(&self, role: Role, position: u64) {
        self.page(role)
            .progress
            .0
            .position
            .store(position, Ordering::Release);
    }

    /// The marks that have been left and are not overwritten.
    pub(super) fn marks(&self) -> Vec<(u64, u64)> {
        let page = self.page(Role::Writer);
        let frontier = page.reach.0.frontier.load(Ordering::Acquire);
        let pair = |mark: &Mark| {
            let position = mark.position.load(Ordering::Acquire);
            (position, mark.count.load(Ordering::Acquire))
        };
        let is_whole =
            |pair: &(u64, u64)| frontier > 0 && pair.0 + self.shape.data_len as u64 >= frontier;
        page.marks.iter().map(pair).filter(is_whole).collect()
    }

    /// The word at `offset` of the data region.
    pub(super) fn word(&self, offset: usize) -> u64 {
        self.memory(Role::Writer)
            .header(offset)
            .load(Ordering::Acquire)
    }

    pub(super) fn set_word(&self, offset: usize, word: u64) {
        self.memory(Role::Writer)
            .header(offset)
            .store(word, Ordering::Release);
    }

    /// Where the header of the record at `position` lies.
    pub(super) fn header_at(&self, position: u64) -> usize {
        self.shape.header_at(self.shape.offset(position))
    }

    pub(super) fn memory(&self, role: Role) -> Checked {
        let segment = match role {
            Role::Writer => &self.writer,
            Role::Reader => &self.reader,
        };
        Checked {
            memory: RingMemory::new(Arc::clone(segment.mapping()), segment.seat()),
            shape: self.shape,
        }
    }

    pub(super) fn producer(&self) -> Result<Producer<Checked>, RingError> {
        Producer::resume(self.memory(Role::Writer), self.shape)
    }

    pub(super) fn consumer(&self) -> Result<Consumer<Checked>, RingError> {
        Consumer::resume(self.memory(Role::Reader), self.shape)
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.writer.let_go(Seat::WRITER);
        self.reader.let_go(Seat::READER);
        self.writer.remove_if_alone(|| true);
    }
}

/// Memory that holds its user to the contract of [`Memory`]: nothing outside the data region and
/// its mirror is ever asked for (G7).
pub(super) struct Checked {
    memory: RingMemory,
    shape: Shape,
}

// SAFETY: hands out what the real memory hands out, or panics.
unsafe impl Memory for Checked {
    fn page(&self, role: Role) -> &RolePage {
        self.memory.page(role)
    }

    fn header(&self, offset: usize) -> &AtomicU64 {
        assert!(offset.is_multiple_of(ALIGNMENT_MIN), "header at {offset}");
        assert!(offset < self.shape.data_len, "header at {offset}");
        self.memory.header(offset)
    }

    fn payload(&self, offset: usize, len: usize) -> *const u8 {
        assert!(
            offset.is_multiple_of(self.shape.alignment),
            "payload at {offset}"
        );
        assert!(
            offset <= self.shape.data_len && len <= self.shape.max_len,
            "{offset} + {len}"
        );
        self.memory.payload(offset, len)
    }

    fn payload_mut(&self, offset: usize, len: usize) -> *mut u8 {
        self.payload(offset, len).cast_mut()
    }
}

/// The bytes of a message, different for each `seed`.
pub(super) fn pattern(seed: u32, len: usize) -> Vec<u8> {
    let mut state = u64::from(seed) << 1 | 1;
    let mut next = || {
        state = state
            .wrapping_mul(0x5851_f42d_4c95_7f2d)
            .wrapping_add(0x1405_7b7e_f767_814f);
        state.to_le_bytes()
    };
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        bytes.extend_from_slice(&next());
    }
    bytes.truncate(len);
    bytes
}

/// Copies the payload of a record out.
pub(super) fn bytes<M: Memory>(consumer: &Consumer<M>, record: &crate::ring::Record) -> Vec<u8> {
    // SAFETY: the ring gave `len` mapped bytes, and no producer runs on this thread meanwhile.
    unsafe { std::slice::from_raw_parts(consumer.payload(record), record.len) }.to_vec()
}

/// Fills a reserved room.
pub(super) fn fill(room: *mut u8, bytes: &[u8]) {
    // SAFETY: the ring gave at least as many mapped bytes, which no consumer looks at yet.
    unsafe { room.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) }
}
