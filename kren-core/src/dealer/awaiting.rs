//! Dealing without blocking the thread.

use super::{KrenDealer, Order};
use crate::Result;

impl KrenDealer {
    /// As [`KrenDealer::write`], without blocking the thread; see [`KrenWriter::write_async`](crate::KrenWriter::write_async).
    /// Cancel-safe: a future that is dropped has dealt nothing.
    ///
    /// # Errors
    ///
    /// As [`KrenDealer::write`]; those of [`Background::new`](crate::Background::new) at the first wait.
    pub async fn write_async(&mut self, order: &Order<'_>) -> Result<()> {
        self.awaiting.take_turns().await;
        while !self.deal(order)? {
            let progress = self.progress()?;
            self.awaiting.until_event(progress, None)?.await?;
        }
        Ok(())
    }
}
