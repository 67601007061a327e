//! Reading without blocking the thread.

use super::{KrenReader, Message, ReaderOptions};
use crate::Result;

impl KrenReader {
    /// The next message, waiting for it without blocking the thread: of any runtime, whose name KREN need not know. All ends that
    /// are awaited share one thread of KREN's.
    ///
    /// Cancel-safe: a future that is dropped has taken nothing. For a limit of time use the runtime's own.
    ///
    /// ```
    /// # use kren_core::{Error, KrenReader, KrenWriter};
    /// # let name = format!("doc-async-{}", std::process::id());
    /// # smol::block_on(async {
    /// let mut writer = KrenWriter::create(&name, 4096)?;
    /// let mut reader = KrenReader::connect(&name)?;
    /// writer.write_async(b"hello").await?;
    /// drop(writer);
    /// assert_eq!(reader.read_async().await?, b"hello");
    /// assert!(matches!(reader.read_async().await, Err(Error::Closed { .. })));
    /// # Ok::<(), Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As [`KrenReader::read`]; [`Error::Busy`](crate::Error::Busy) while a [`Selector`](crate::Selector) has this reader;
    /// [`Error::Io`](crate::Error::Io) and others of [`Background::new`](crate::Background::new) at the first wait.
    pub async fn read_async(&mut self) -> Result<Message<'_>> {
        loop {
            self.wait_readable_async().await?;
            if let Some(record) = self.peek()? {
                return Ok(self.hand_out(record));
            }
        }
    }

    /// Waits as [`KrenReader::read_async`] does, and takes nothing: [`KrenReader::try_read`] then has a message.
    ///
    /// # Errors
    ///
    /// As [`KrenReader::read_async`].
    pub async fn wait_readable_async(&mut self) -> Result<()> {
        self.awaiting.take_turns().await;
        loop {
            self.endpoint.check_process()?;
            if self.moving {
                self.move_on()?;
            }
            if self.peek()?.is_some() {
                return Ok(());
            }
            let waiter = self.message_waiter()?;
            self.awaiting.until(waiter)?.await?;
        }
    }

    /// As [`KrenReader::wait_for_writer`], without blocking the thread. Cancel-safe.
    ///
    /// # Errors
    ///
    /// As [`KrenReader::wait_for_writer`], but for [`Error::TimedOut`](crate::Error::TimedOut); and those of
    /// [`KrenReader::read_async`] that have to do with waiting.
    pub async fn wait_for_writer_async(&mut self) -> Result<()> {
        while !self.follow()? {
            let waiter = self.writer_waiter()?;
            self.awaiting.until(waiter)?.await?;
        }
        Ok(())
    }

    /// Connects to the channel `name`, waiting until it is there: see [`ReaderOptions::connect_async`].
    ///
    /// # Errors
    ///
    /// As [`ReaderOptions::connect_async`].
    pub async fn connect_async(name: &str) -> Result<Self> {
        ReaderOptions::default().connect_async(name).await
    }

    #[cfg(feature = "futures")]
    pub(crate) fn awaiting(&mut self) -> &mut crate::awaiting::Awaiting {
        &mut self.awaiting
    }
}
