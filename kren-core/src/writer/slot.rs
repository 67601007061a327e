//! A message built in place.

use super::KrenWriter;
use crate::Result;
use crate::ring::{RingError, Stage};
use std::ops::{Deref, DerefMut};

/// Bytes reserved in the ring, to be filled in place: a `&mut [u8]` that is then committed.
///
/// Dropping it uncommitted aborts: the reader never sees anything of it. Its first content is
/// whatever the ring held before.
pub struct Slot<'a> {
    writer: &'a mut KrenWriter,
    stage: Stage,
    bytes: &'a mut [u8],
    tag: u32,
}

impl<'a> Slot<'a> {
    pub(super) fn new(writer: &'a mut KrenWriter, stage: Stage, room: *mut u8, len: usize) -> Self {
        // SAFETY: `Producer::room` gave `len` mapped bytes that no record occupies and no reader
        // looks at; they stay so while the slot borrows the writer.
        #[allow(unsafe_code)]
        let bytes = unsafe { std::slice::from_raw_parts_mut(room, len) };
        Self {
            writer,
            stage,
            bytes,
            tag: 0,
        }
    }

    /// Sets the tag that the reader will find on the message. Default 0.
    pub fn set_tag(&mut self, tag: u32) {
        self.tag = tag;
    }

    /// Publishes the whole slot as one message. Does not block. Does nothing in a child made by
    /// `fork`.
    #[inline]
    pub fn commit(self) {
        let len = self.bytes.len();
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
        let max = self.bytes.len();
        if len > max {
            return Err(self
                .writer
                .endpoint
                .ring_error(RingError::TooLarge { len, max }));
        }
        self.finish(len);
        Ok(())
    }

    #[inline]
    fn finish(mut self, len: usize) {
        // A slot that was reserved before a `fork` belongs to the parent (G10).
        if self.writer.endpoint.is_inherited() {
            return;
        }
        self.writer.producer.seal(&mut self.stage, len, self.tag);
        let before = self.writer.producer.position();
        self.writer.producer.publish(self.stage);
        self.writer.published(before);
    }
}

impl Deref for Slot<'_> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.bytes
    }
}

impl DerefMut for Slot<'_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.bytes
    }
}

impl std::fmt::Debug for Slot<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slot")
            .field("len", &self.bytes.len())
            .field("tag", &self.tag)
            .finish()
    }
}
