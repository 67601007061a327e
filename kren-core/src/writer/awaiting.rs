//! Writing without blocking the thread.

use super::{KrenWriter, Slot};
use crate::Result;
use crate::ring::RingError;

impl KrenWriter {
    /// Writes one message, waiting for room without blocking the thread: of any runtime, whose name KREN need not know. All
    /// ends that are awaited share one thread of KREN's.
    ///
    /// Cancel-safe: a future that is dropped before it is done has written nothing. For a limit of time use the runtime's own.
    ///
    /// # Errors
    ///
    /// As [`KrenWriter::write`]; [`Error::Busy`](crate::Error::Busy) while a [`Selector`](crate::Selector) has this writer;
    /// [`Error::Io`](crate::Error::Io) and others of [`Background::new`](crate::Background::new) at the first wait.
    pub async fn write_async(&mut self, data: &[u8]) -> Result<()> {
        self.write_tagged_async(0, data).await
    }

    /// As [`KrenWriter::write_async`], with a tag.
    ///
    /// # Errors
    ///
    /// As [`KrenWriter::write_async`].
    pub async fn write_tagged_async(&mut self, tag: u32, data: &[u8]) -> Result<()> {
        self.awaiting.take_turns().await;
        loop {
            self.endpoint.check_process()?;
            match self.push(tag, data) {
                Ok(()) => return Ok(()),
                Err(RingError::Full { .. }) => self.wait_writable_async(data.len()).await?,
                Err(error) => return Err(self.endpoint.ring_error(error)),
            }
        }
    }

    /// As [`KrenWriter::reserve`], without blocking the thread. Cancel-safe.
    ///
    /// # Errors
    ///
    /// As [`KrenWriter::write_async`].
    pub async fn reserve_async(&mut self, len: usize) -> Result<Slot<'_>> {
        self.awaiting.take_turns().await;
        loop {
            self.endpoint.check_process()?;
            let stage = self.producer.stage();
            match self.producer.room(&stage, len) {
                Ok(_) => return Ok(Slot::new(self, len)),
                Err(RingError::Full { .. }) => self.wait_writable_async(len).await?,
                Err(error) => return Err(self.endpoint.ring_error(error)),
            }
        }
    }

    /// Waits until a message of `len` bytes is likely to fit, without blocking the thread.
    ///
    /// # Errors
    ///
    /// As [`KrenWriter::write_async`].
    pub async fn wait_writable_async(&mut self, len: usize) -> Result<()> {
        let waiter = self.room_waiter(len)?;
        self.awaiting.until(waiter)?.await
    }

    /// As [`KrenWriter::flush`], without blocking the thread. Cancel-safe.
    ///
    /// # Errors
    ///
    /// As [`KrenWriter::flush`], and those of [`KrenWriter::write_async`] that have to do with waiting.
    pub async fn flush_async(&mut self) -> Result<()> {
        self.endpoint.check_process()?;
        while !self.producer.is_drained() {
            let waiter = self.drained_waiter()?;
            self.awaiting.until(waiter)?.await?;
        }
        Ok(())
    }

    #[cfg(feature = "futures")]
    pub(crate) fn awaiting(&mut self) -> &mut crate::awaiting::Awaiting {
        &mut self.awaiting
    }
}
