//! Messages that become visible together.

use super::KrenWriter;
use crate::Result;
use crate::ring::{RingError, Stage};

/// Messages that become visible together; see [`KrenWriter::batch`].
///
/// Dropping it uncommitted aborts all of them.
pub struct Batch<'a> {
    pub(super) writer: &'a mut KrenWriter,
    pub(super) stage: Stage,
}

impl Batch<'_> {
    /// Adds one message, waiting for room if need be.
    ///
    /// # Errors
    ///
    /// As [`KrenWriter::write`]; [`Error::TooLarge`](crate::Error::TooLarge) also when the batch as
    /// a whole would outgrow the ring. What was pushed before stays in the batch.
    #[inline]
    pub fn push(&mut self, data: &[u8]) -> Result<()> {
        self.push_tagged(0, data)
    }

    /// As [`Batch::push`], with a tag.
    ///
    /// # Errors
    ///
    /// As [`Batch::push`].
    #[inline]
    pub fn push_tagged(&mut self, tag: u32, data: &[u8]) -> Result<()> {
        self.writer.endpoint.check_process()?;
        let room = match self.writer.producer.room(&self.stage, data.len()) {
            Err(RingError::Full { .. }) => {
                self.writer
                    .wait_for_room(&self.stage, data.len(), None, &mut || Ok(()))?;
                self.writer.producer.room(&self.stage, data.len())
            }
            room => room,
        };
        let room = room.map_err(|error| self.writer.endpoint.ring_error(error))?;
        // SAFETY: as in `Producer::push`.
        #[allow(unsafe_code)]
        unsafe {
            self.writer.producer.copy_in(data, room);
        }
        self.writer.producer.seal(&mut self.stage, data.len(), tag);
        Ok(())
    }

    /// Gives the whole batch up. Dropping it does the same.
    pub fn abort(self) {}

    /// Publishes every message of the batch at once. Does not block. Does nothing in a child made
    /// by `fork`.
    #[inline]
    pub fn commit(self) {
        // A batch that was begun before a `fork` belongs to the parent (G10).
        if self.stage.is_empty() || self.writer.endpoint.is_inherited() {
            return;
        }
        let before = self.writer.producer.position();
        self.writer.producer.publish(self.stage);
        self.writer.published(before);
    }
}

impl std::fmt::Debug for Batch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batch")
            .field("channel", &self.writer.name())
            .finish_non_exhaustive()
    }
}
