//! Working without blocking the thread.

use super::{KrenWorker, Work};
use crate::{Error, Result};
use std::time::Duration;

impl KrenWorker {
    /// As [`KrenWorker::read`], without blocking the thread; see [`KrenReader::read_async`](crate::KrenReader::read_async).
    /// Cancel-safe.
    ///
    /// # Errors
    ///
    /// As [`KrenWorker::read`]; [`Error::Busy`] while a [`Selector`](crate::Selector) has this worker; those of
    /// [`Background::new`](crate::Background::new) at the first wait.
    pub async fn read_async(&mut self) -> Result<Work<'_>> {
        self.awaiting.take_turns().await;
        loop {
            match self.wait_readable(Some(Duration::ZERO), &mut || Ok(())) {
                Ok(()) => break,
                Err(Error::TimedOut { .. }) => {
                    let readable = self.readable()?;
                    self.awaiting.until_event(readable, None)?.await?;
                }
                Err(error) => return Err(error),
            }
        }
        self.read_checking(None, &mut || Ok(()))
    }
}
