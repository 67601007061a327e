//! Outlasting a writer: waiting for the next one, and moving over to its channel where that is another one.

use super::KrenReader;
use crate::endpoint::Endpoint;
use crate::segment::{self, Access};
use crate::waiter::Waiter;
use crate::{Error, Result};
use std::sync::Arc;
use std::time::{Duration, Instant};

impl KrenReader {
    /// Waits until a live writer holds the channel: a successor of one that has closed or died, or the first one.
    /// Returns at once when one is there. `timeout` of `None` waits for ever.
    ///
    /// This is what to do after [`Error::Closed`], [`Error::PeerDied`] or [`Error::Removed`] where the reader is to
    /// outlast its writer. A successor that has come and gone since counts as well: its messages are there.
    ///
    /// Where the channel's name was removed and leads to a new channel, the reader moves over to that: it first delivers
    /// what is unread in the old one, and then starts at the first message of the new one, whose capacity may be
    /// another. Messages that are held ([`Lease`](super::Lease)) stay held.
    ///
    /// ```
    /// # use kren_core::{Error, KrenReader, KrenWriter};
    /// # use std::time::Duration;
    /// # let name = format!("doc-successor-{}", std::process::id());
    /// # let mut first = KrenWriter::create(&name, 4096)?;
    /// # first.write(b"one")?;
    /// let mut reader = KrenReader::connect(&name)?;
    /// # drop(first);
    /// # let successor = { let name = name.clone(); std::thread::spawn(move || {
    /// #     let mut writer = KrenWriter::create(&name, 4096).unwrap();
    /// #     writer.write(b"two").unwrap();
    /// #     writer.flush().unwrap();
    /// # }) };
    /// # let mut count = 0;
    /// loop {
    ///     let gone = match reader.read() {
    ///         Ok(message) => {
    ///             println!("{} bytes", message.len());
    /// #           count += 1;
    ///             continue;
    ///         }
    ///         Err(error) => error,
    ///     };
    /// #   if count == 2 { break; }
    ///     match gone {
    ///         Error::Closed { .. } | Error::PeerDied { .. } | Error::Removed { .. } => {
    ///             reader.wait_for_writer(Some(Duration::from_secs(60)))?;
    ///         }
    ///         other => return Err(other),
    ///     }
    /// }
    /// # successor.join().unwrap();
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`]; those of [`KrenReader::connect`] when a new channel of the name cannot be connected to, among
    /// them [`Error::ReaderExists`] when another reader was faster; [`Error::Busy`] while a [`Waiter`] of this
    /// reader waits; [`Error::Forked`].
    pub fn wait_for_writer(&mut self, timeout: Option<Duration>) -> Result<()> {
        self.wait_attached(timeout, &mut || Ok(()))
    }

    /// As [`KrenReader::wait_for_writer`], for callers that have to look after something else meanwhile; `check` is that of
    /// [`KrenReader::wait_readable`].
    ///
    /// # Errors
    ///
    /// As [`KrenReader::wait_for_writer`], and whatever `check` returns.
    pub fn wait_attached(
        &mut self,
        timeout: Option<Duration>,
        check: &mut dyn FnMut() -> Result<()>,
    ) -> Result<()> {
        let start = Instant::now();
        while !self.follow()? {
            let left = timeout.map(|timeout| timeout.saturating_sub(start.elapsed()));
            let arrival = self.arrival();
            let waited = self
                .endpoint
                .wait_for_arrival(left, &|| arrival.is_over(), check);
            waited.map_err(|error| match (error, timeout) {
                (Error::TimedOut { channel, what, .. }, Some(after)) => Error::TimedOut {
                    channel,
                    what,
                    after,
                },
                (error, _) => error,
            })?;
        }
        Ok(())
    }

    /// A [`Waiter`] for what [`KrenReader::wait_for_writer`] waits for. After it, call [`KrenReader::follow`].
    ///
    /// # Errors
    ///
    /// [`Error::Forked`].
    pub fn writer_waiter(&self) -> Result<Waiter> {
        self.endpoint.check_process()?;
        let arrival = self.arrival();
        Ok(Waiter::for_arrival(Arc::clone(&self.endpoint), move || {
            arrival.is_over()
        }))
    }

    /// As [`KrenReader::wait_for_writer`], without waiting: moves over to a new channel of the name if there is one, and
    /// tells whether a writer has come.
    ///
    /// While something is unread in a channel whose name was removed, the move is put off until it has been read; then
    /// [`KrenReader::try_read`] and those that wait for a message make it, and so does this.
    ///
    /// # Errors
    ///
    /// As [`KrenReader::wait_for_writer`], but for [`Error::TimedOut`].
    pub fn follow(&mut self) -> Result<bool> {
        self.endpoint.check_process()?;
        if !self.endpoint.peer_has_come()? {
            if self.endpoint.is_named() {
                return Ok(false);
            }
            if self.consumer.has_record() {
                self.moving = segment::exists(self.name(), self.access)?;
                return Ok(self.moving);
            }
            let Some(reader) = self.reattach()? else {
                return Ok(false);
            };
            // The old one is closed when the new one stands; messages that are held there stay so.
            *self = reader;
            self.endpoint.know_nobody();
            if !self.endpoint.peer_has_come()? {
                return Ok(false);
            }
        }
        self.endpoint.know_peer();
        Ok(true)
    }

    /// Makes the move that was put off, if nothing is left to read where the reader stands.
    #[cold]
    pub(super) fn move_on(&mut self) -> Result<()> {
        if !self.consumer.has_record() {
            self.moving = false;
            self.follow()?;
        }
        Ok(())
    }

    fn arrival(&self) -> Arrival {
        Arrival {
            endpoint: Arc::clone(&self.endpoint),
            access: self.access,
        }
    }
}

/// What is waited for, apart from the reader.
struct Arrival {
    endpoint: Arc<Endpoint>,
    access: Access,
}

impl Arrival {
    /// Whether [`KrenReader::follow`] is worth a call.
    fn is_over(&self) -> Result<bool> {
        if self.endpoint.peer_has_come()? {
            return Ok(true);
        }
        Ok(!self.endpoint.is_named() && segment::exists(self.endpoint.name(), self.access)?)
    }
}
