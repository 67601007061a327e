//! A request, as its server gets it and answers it.

use super::envelope::{Envelope, Part};
use super::way_back::WayBack;
use crate::inbox::SenderId;
use crate::{Error, Lease, Mapped, Result};
use std::borrow::Cow;
use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A request, where it lies: a `&[u8]`, its tag, and the way to answer it. It may be moved to another thread and answered there.
///
/// It is released when it is answered. One that is dropped unanswered fails at the client.
pub struct Request {
    pub(super) lease: Lease,
    pub(super) alignment: usize,
    pub(super) envelope: Envelope,
    /// Of those whose client does not wait for ever.
    pub(super) arrived: Option<Instant>,
    pub(super) way: Arc<WayBack>,
    pub(super) is_answered: bool,
}

impl Request {
    /// The user's own number; 0 unless the client chose one.
    #[must_use]
    pub fn tag(&self) -> u32 {
        self.lease.tag()
    }

    /// What is called; empty where the client named no method. What is no UTF-8 becomes U+FFFD.
    #[must_use]
    pub fn method(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.lease[self.envelope.method(self.alignment)])
    }

    /// Who asks.
    #[must_use]
    pub fn client(&self) -> SenderId {
        self.way.client
    }

    /// What is left of the time that the client waits; `None`: it waits for ever.
    #[must_use]
    pub fn time_left(&self) -> Option<Duration> {
        let arrived = self.arrived?;
        let left = Duration::from_millis(self.envelope.left.into());
        Some(left.saturating_sub(arrived.elapsed()))
    }

    /// Whether the client has given the call up, as far as the server has heard: it hears of it when it looks for requests.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.way.is_cancelled(self.envelope.call)
    }

    /// Answers, and ends the call.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`]; [`Error::Full`] when the client has not read some 16 MiB of answers; [`Error::Corrupt`];
    /// [`Error::Forked`].
    pub fn reply(self, data: &[u8]) -> Result<()> {
        self.reply_tagged(0, data)
    }

    /// As [`Request::reply`], with a tag that the client finds on the answer.
    ///
    /// # Errors
    ///
    /// As [`Request::reply`].
    pub fn reply_tagged(mut self, tag: u32, data: &[u8]) -> Result<()> {
        self.answer(Part::Reply, tag, data)
    }

    /// One of several answers; [`Request::end`] comes after the last one.
    ///
    /// # Errors
    ///
    /// As [`Request::reply`]. [`Error::Cancelled`] once the client has given the call up.
    pub fn item(&mut self, data: &[u8]) -> Result<()> {
        self.item_tagged(0, data)
    }

    /// As [`Request::item`], with a tag.
    ///
    /// # Errors
    ///
    /// As [`Request::item`].
    pub fn item_tagged(&mut self, tag: u32, data: &[u8]) -> Result<()> {
        if self.is_cancelled() {
            return Err(Error::Cancelled {
                channel: Arc::clone(&self.way.channel),
            });
        }
        let envelope = Envelope::new(self.envelope.call, Part::Item);
        self.way.send(envelope, tag, data)
    }

    /// Ends several answers.
    ///
    /// # Errors
    ///
    /// As [`Request::reply`].
    pub fn end(mut self) -> Result<()> {
        self.answer(Part::End, 0, &[])
    }

    /// As [`Request::reply_tagged`], for who still reads the request: it is released when this is dropped.
    ///
    /// # Errors
    ///
    /// As [`Request::reply`].
    #[doc(hidden)]
    pub fn reply_holding(&mut self, tag: u32, data: &[u8]) -> Result<()> {
        self.answer(Part::Reply, tag, data)
    }

    /// As [`Request::end`]; otherwise as [`Request::reply_holding`].
    ///
    /// # Errors
    ///
    /// As [`Request::reply`].
    #[doc(hidden)]
    pub fn end_holding(&mut self) -> Result<()> {
        self.answer(Part::End, 0, &[])
    }

    /// As [`Request::fail`]; otherwise as [`Request::reply_holding`].
    ///
    /// # Errors
    ///
    /// As [`Request::reply`].
    #[doc(hidden)]
    pub fn fail_holding(&mut self, code: u32, text: &str) -> Result<()> {
        self.refuse(code, text)
    }

    /// Whether a successor of this server may do it again.
    #[doc(hidden)]
    #[must_use]
    pub fn may_retry(&self) -> bool {
        self.envelope.may_retry
    }

    /// Leaves the request where it is, as a server does that dies, for one that is about to close: the client hears of that, or waits
    /// for the next server if that may do it again.
    #[doc(hidden)]
    pub fn keep(mut self) {
        self.is_answered = true;
        self.lease.leave();
    }

    /// Keeps the channel's memory mapped as long as the result lives.
    #[must_use]
    pub fn mapped(&self) -> Mapped {
        self.lease.mapped()
    }

    /// Says that the call has failed: the client gets [`Error::Remote`] with this code and text.
    ///
    /// # Errors
    ///
    /// As [`Request::reply`].
    pub fn fail(mut self, code: u32, text: &str) -> Result<()> {
        self.refuse(code, text)
    }

    pub(super) fn refuse(&mut self, code: u32, text: &str) -> Result<()> {
        let mut body = code.to_le_bytes().to_vec();
        body.extend_from_slice(text.as_bytes());
        self.answer(Part::Error, 0, &body)
    }

    pub(super) fn answer(&mut self, part: Part, tag: u32, data: &[u8]) -> Result<()> {
        let call = self.envelope.call;
        // Nobody waits for a cancelled one.
        if !self.way.take_cancelled(call) {
            // Where this fails, an answer that fits may follow.
            self.way.send(Envelope::new(call, part), tag, data)?;
        }
        self.is_answered = true;
        Ok(())
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        if !self.is_answered && !std::thread::panicking() {
            // If the client cannot be told, it hears of the server's end, or its time passes.
            let _ = self.refuse(0, "the server dropped the request unanswered");
        }
    }
}

impl Deref for Request {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.lease[self.envelope.front(self.alignment)..]
    }
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request")
            .field("client", &self.client())
            .field("tag", &self.tag())
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
