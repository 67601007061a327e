//! Reading an inbox without blocking the thread.

use super::{KrenInbox, Letter};
use crate::Result;

impl KrenInbox {
    /// As [`KrenInbox::read`], without blocking the thread; see [`KrenReader::read_async`](crate::KrenReader::read_async). Cancel-safe.
    ///
    /// ```
    /// # use kren_core::{KrenInbox, KrenSender};
    /// # let name = format!("doc-inbox-async-{}", std::process::id());
    /// # smol::block_on(async {
    /// let mut inbox = KrenInbox::create(&name, 1 << 16)?;
    /// let mut sender = KrenSender::connect(&name)?;
    /// sender.write(b"hello")?;
    /// assert_eq!(&inbox.read_async().await?[..], b"hello");
    /// # Ok::<(), kren_core::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As [`KrenInbox::read`]; [`Error::Busy`](crate::Error::Busy) while a [`Selector`](crate::Selector) has this inbox; those of
    /// [`Background::new`](crate::Background::new) at the first wait.
    pub async fn read_async(&mut self) -> Result<Letter<'_>> {
        self.awaiting.take_turns().await;
        loop {
            if let Some(number) = self.lanes.next()? {
                return self.take(number);
            }
            let readable = self.readable()?;
            self.awaiting.until_event(readable, None)?.await?;
        }
    }
}
