//! A message built in place.

use super::KrenWriter;
use crate::Result;
use crate::ring::RingError;
use std::ops::{Deref, DerefMut};

/// Bytes reserved in the ring, to be filled in place: a `&mut [u8]` that is then committed.
///
/// Dropping it uncommitted aborts: the reader never sees anything of it. Its first content is
/// whatever the ring held before.
pub struct Slot<'a> {
    /// Holds the length and the tag, in `slot`. The slot itself is one pointer: a larger one would travel
    /// through memory on its way to its user.
    writer: &'a mut KrenWriter,
}

/// What a writer remembers of the slot that it has lent.
#[derive(Default)]
pub(super) struct Reserved {
    len: usize,
    tag: u32,
}

impl<'a> Slot<'a> {
    /// Lends the `len` bytes that [`Producer::room`](crate::ring::Producer::room) has found.
    #[inline]
    pub(super) fn new(writer: &'a mut KrenWriter, len: usize) -> Self {
        writer.reserved = Reserved { len, tag: 0 };
        Self { writer }
    }

    fn len(&self) -> usize {
        self.writer.reserved.len
    }

    /// Sets the tag that the reader will find on the message. Default 0.
    pub fn set_tag(&mut self, tag: u32) {
        self.writer.reserved.tag = tag;
    }

    /// Publishes the whole slot as one message. Does not block. Does nothing in a child made by
    /// `fork`.
    #[inline]
    pub fn commit(self) {
        let len = self.len();
        self.finish(len);
    }

    /// Gives the slot up: the reader never sees anything of it. Dropping it does the same.
    pub fn abort(self) {}

    /// Publishes the first `len` bytes as one message. Does not block.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`](crate::Error::TooLarge) when `len` is more than was reserved;
    /// [`Error::Forked`](crate::Error::Forked). Nothing is published then.
    #[inline]
    pub fn commit_len(self, len: usize) -> Result<()> {
        self.writer.endpoint.check_process()?;
        let max = self.len();
        if len > max {
            return Err(self
                .writer
                .endpoint
                .ring_error(RingError::TooLarge { len, max }));
        }
        self.finish(len);
        Ok(())
    }

    /// Copies `data` into the slot, from byte `at` on.
    ///
    /// As `slot[at..][..data.len()].copy_from_slice(data)`, but from 4 KiB on in the way that is faster where the reader runs,
    /// as [`KrenWriter::write`] copies: between processors that share no cache 1.7 to 3 times as fast.
    ///
    /// ```
    /// # use kren_core::{KrenReader, KrenWriter};
    /// # let name = format!("doc-write-at-{}", std::process::id());
    /// # let frame = vec![7; 100_000];
    /// let mut writer = KrenWriter::create(&name, 1 << 20)?;
    /// let mut slot = writer.reserve(8 + frame.len())?;
    /// slot[..8].copy_from_slice(&1_u64.to_le_bytes());
    /// slot.write_at(8, &frame);
    /// slot.commit();
    /// # assert_eq!(KrenReader::connect(&name)?.read()?[8..], frame);
    /// # Ok::<(), kren_core::Error>(())
    /// ```
    ///
    /// # Panics
    ///
    /// When the slot ends before the data do.
    #[inline]
    pub fn write_at(&mut self, at: usize, data: &[u8]) {
        let room = self[at..][..data.len()].as_mut_ptr();
        // SAFETY: the slice just made has as many bytes, and is exclusive, so no part of `data`.
        #[allow(unsafe_code)]
        unsafe {
            self.writer.producer.copy_in(data, room);
        }
    }

    #[inline]
    fn finish(self, len: usize) {
        // A slot that was reserved before a `fork` belongs to the parent (G10).
        if self.writer.endpoint.is_inherited() {
            return;
        }
        let before = self.writer.producer.position();
        self.writer.producer.finish(len, self.writer.reserved.tag);
        self.writer.published(before);
    }
}

impl Deref for Slot<'_> {
    type Target = [u8];
    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: `Producer::room` found `len` mapped bytes here that no record occupies and no reader
        // looks at; they stay so while the slot borrows the writer.
        #[allow(unsafe_code)]
        unsafe {
            std::slice::from_raw_parts(self.writer.producer.payload(), self.len())
        }
    }
}

impl DerefMut for Slot<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`; the slot is borrowed mutably, and there is one at a time.
        #[allow(unsafe_code)]
        unsafe {
            std::slice::from_raw_parts_mut(self.writer.producer.payload(), self.len())
        }
    }
}

impl std::fmt::Debug for Slot<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slot")
            .field("len", &self.len())
            .field("tag", &self.writer.reserved.tag)
            .finish()
    }
}
