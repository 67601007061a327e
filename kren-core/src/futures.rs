//! Both sides as the traits `Stream` and `Sink`: feature `futures`.

use crate::awaiting::{Awaiting, Until};
use crate::{Error, KrenReader, KrenWriter, Lease, Result, Waiter};
use futures_core::Stream;
use futures_sink::Sink;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// The messages of a channel: see [`KrenReader::stream`].
#[derive(Debug)]
#[must_use = "a stream does nothing unless it is polled"]
pub struct MessageStream<'a> {
    reader: &'a mut KrenReader,
    wait: Wait,
    has_ended: bool,
}

/// Where messages are sent to: see [`KrenWriter::sink`].
#[derive(Debug)]
#[must_use = "a sink does nothing unless it is polled"]
pub struct MessageSink<'a, T> {
    writer: &'a mut KrenWriter,
    /// What has been sent and has had no room yet.
    pending: Option<T>,
    wait: Wait,
}

/// The wait under way, if any.
#[derive(Default)]
struct Wait(Option<Until>);

impl Wait {
    fn begin(&mut self, awaiting: &mut Awaiting, waiter: Result<Waiter>) -> Result<()> {
        self.0 = Some(awaiting.until(waiter?)?);
        Ok(())
    }

    /// Ready when there is none, or when it is over.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        let Some(until) = &mut self.0 else {
            return Poll::Ready(Ok(()));
        };
        let outcome = ready!(Pin::new(until).poll(context));
        self.0 = None;
        Poll::Ready(outcome)
    }
}

impl std::fmt::Debug for Wait {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Wait").field(&self.0.is_some()).finish()
    }
}

impl KrenReader {
    /// The messages as a `Stream`, each held in the ring until it is dropped ([`Lease`]). It ends when the writer has closed;
    /// when the writer died, with that error as its last item.
    ///
    /// A stream that is dropped has taken nothing that it has not given.
    ///
    /// ```
    /// # use futures_util::{SinkExt, StreamExt};
    /// # use kren_core::{KrenReader, KrenWriter};
    /// # let name = format!("doc-stream-{}", std::process::id());
    /// # smol::block_on(async {
    /// let mut writer = KrenWriter::create(&name, 4096)?;
    /// let mut reader = KrenReader::connect(&name)?;
    /// let mut sink = writer.sink();
    /// sink.send("one").await?;
    /// sink.send("two").await?;
    /// drop(writer);
    /// let mut stream = reader.stream();
    /// let mut texts = vec![];
    /// while let Some(message) = stream.next().await {
    ///     texts.push(String::from_utf8_lossy(&message?).into_owned());
    /// }
    /// assert_eq!(texts, ["one", "two"]);
    /// # Ok::<(), kren_core::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn stream(&mut self) -> MessageStream<'_> {
        MessageStream {
            reader: self,
            wait: Wait::default(),
            has_ended: false,
        }
    }
}

impl Stream for MessageStream<'_> {
    type Item = Result<Lease>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.has_ended {
            return Poll::Ready(None);
        }
        let failure = loop {
            if let Err(error) = ready!(this.wait.poll(context)) {
                break error;
            }
            match this.reader.try_read() {
                Ok(Some(message)) => return Poll::Ready(Some(Ok(message.into_lease()))),
                Ok(None) => {}
                Err(error) => break error,
            }
            let waiter = this.reader.message_waiter();
            if let Err(error) = this.wait.begin(this.reader.awaiting(), waiter) {
                break error;
            }
        };
        this.has_ended = true;
        Poll::Ready(match failure {
            Error::Closed { .. } => None,
            error => Some(Err(error)),
        })
    }
}

impl KrenWriter {
    /// The channel as a `Sink` of whatever is bytes. An item that was sent waits for its room in the sink; the sink is flushed when it is
    /// in the ring, and is not when it has been read ([`KrenWriter::flush_async`] waits for that). Closing the sink flushes it, and
    /// leaves the writer open.
    ///
    /// An item that was sent, but not flushed, is lost with the sink when that is dropped.
    pub fn sink<T: AsRef<[u8]>>(&mut self) -> MessageSink<'_, T> {
        MessageSink {
            writer: self,
            pending: None,
            wait: Wait::default(),
        }
    }
}

impl<T: AsRef<[u8]> + Unpin> MessageSink<'_, T> {
    fn poll_pending(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        while let Some(item) = &self.pending {
            ready!(self.wait.poll(context))?;
            let data = item.as_ref();
            match self.writer.try_write(data) {
                Ok(()) => self.pending = None,
                Err(Error::Full { .. }) => {
                    let waiter = self.writer.room_waiter(data.len());
                    self.wait.begin(self.writer.awaiting(), waiter)?;
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsRef<[u8]> + Unpin> Sink<T> for MessageSink<'_, T> {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.poll_pending(context)
    }

    fn start_send(mut self: Pin<&mut Self>, item: T) -> Result<()> {
        match self.writer.try_write(item.as_ref()) {
            Err(Error::Full { .. }) => {
                self.pending = Some(item);
                Ok(())
            }
            outcome => outcome,
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.poll_pending(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.poll_pending(context)
    }
}
