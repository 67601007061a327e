//! Calls and answers without blocking the thread.

use super::call::{Call, CallOptions};
use super::client::KrenClient;
use super::reply::Reply;
use super::request::Request;
use super::server::{KrenServer, RETRY};
use crate::{Error, Result};
use std::time::Instant;

impl KrenServer {
    /// As [`KrenServer::next`], without blocking the thread; see [`KrenReader::read_async`](crate::KrenReader::read_async).
    /// Cancel-safe.
    ///
    /// # Errors
    ///
    /// As [`KrenServer::next`]; [`Error::Busy`] while a [`Selector`](crate::Selector) has this server; those of
    /// [`Background::new`](crate::Background::new) at the first wait.
    pub async fn next_async(&mut self) -> Result<Request> {
        self.awaiting.take_turns().await;
        loop {
            if let Some(request) = self.try_next()? {
                return Ok(request);
            }
            let within = self.is_behind().then_some(RETRY);
            let readable = self.readable()?;
            self.awaiting.until_event(readable, within)?.await?;
        }
    }
}

impl KrenClient {
    /// As [`KrenClient::call`], without blocking the thread; see [`KrenReader::read_async`](crate::KrenReader::read_async). A future that is
    /// dropped cancels the call.
    ///
    /// ```
    /// # use kren_core::{CallOptions, KrenClient, KrenServer};
    /// # let name = format!("doc-call-async-{}", std::process::id());
    /// # smol::block_on(async {
    /// let mut server = KrenServer::create(&name)?;
    /// let mut client = KrenClient::connect(&name)?;
    /// let serving = async { server.next_async().await?.reply(b"pong") };
    /// let calling = client.call_async(b"ping", CallOptions::default());
    /// let (served, reply) = futures_util::future::join(serving, calling).await;
    /// served?;
    /// assert_eq!(&reply?[..], b"pong");
    /// # Ok::<(), kren_core::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As [`KrenClient::call`]; [`Error::Busy`] while a [`Selector`](crate::Selector) has this client; those of
    /// [`Background::new`](crate::Background::new) at the first wait.
    pub async fn call_async(&mut self, request: &[u8], options: CallOptions<'_>) -> Result<Reply> {
        let call = self.start_async(request, options).await?;
        let mut pending = Pending { client: self, call };
        let answer = pending.client.next_async(call).await;
        let Pending { client, .. } = &mut pending;
        client.only_answer(call, answer)
    }

    /// As [`KrenClient::start`], without blocking the thread while there is no room. Cancel-safe: a future that is dropped has sent
    /// nothing.
    ///
    /// # Errors
    ///
    /// As [`KrenClient::start`], and those of [`KrenClient::call_async`] that have to do with waiting.
    pub async fn start_async(&mut self, request: &[u8], options: CallOptions<'_>) -> Result<Call> {
        let deadline = options.timeout.map(|timeout| Instant::now() + timeout);
        loop {
            if let Some(call) = self.try_start(request, options)? {
                return Ok(call);
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Err(Error::TimedOut {
                    channel: self.name().into(),
                    what: "room",
                    after: options.timeout.unwrap_or_default(),
                });
            }
            let writable = self.writable(request.len(), options)?;
            self.awaiting.until_event(writable, left)?.await?;
        }
    }

    /// As [`KrenClient::next`], without blocking the thread. Cancel-safe: a future that is dropped has taken nothing, and the call goes on.
    ///
    /// # Errors
    ///
    /// As [`KrenClient::next`], and those of [`KrenClient::call_async`] that have to do with waiting.
    pub async fn next_async(&mut self, call: Call) -> Result<Option<Reply>> {
        self.awaiting.take_turns().await;
        loop {
            if let Some(part) = self.poll(call)? {
                return Ok(part);
            }
            let left = self.time_left(call)?;
            let readable = self.readable()?;
            self.awaiting.until_event(readable, left)?.await?;
        }
    }
}

/// A call that is given up with the future that waits for it; one that is over is not there to be cancelled.
struct Pending<'a> {
    client: &'a mut KrenClient,
    call: Call,
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.client.cancel(self.call);
    }
}
