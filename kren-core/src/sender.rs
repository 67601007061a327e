//! One of the writing sides of an inbox.

use crate::layout::Kind;
use crate::registry::{Plan, Registry, plan_setters};
use crate::segment::{PeerState, Way};
use crate::{Batch, KrenWriter, Result, Slot};
use std::time::Duration;

/// One of the writing sides of an inbox ([`KrenInbox`](crate::KrenInbox)), of which there may be many.
///
/// It has a lane of its own, so no other sender, dead or slow, is ever in its way; it has the face of a
/// [`KrenWriter`]. It may come before its inbox, and what it has written is there also when it is gone.
///
/// ```
/// # use kren_core::{KrenInbox, KrenSender};
/// # let name = format!("doc-sender-{}", std::process::id());
/// let mut one = KrenSender::connect(&name)?;
/// let mut two = KrenSender::connect(&name)?;
/// one.write(b"from one")?;
/// two.write(b"from two")?;
///
/// let mut inbox = KrenInbox::create(&name, 1 << 20)?;
/// let first = inbox.read()?.to_vec();
/// let second = inbox.read()?.to_vec();
/// assert_eq!(first.len() + second.len(), 16);
/// # Ok::<(), kren_core::Error>(())
/// ```
pub struct KrenSender {
    // Before the seat: who comes to that finds the lane closed.
    writer: KrenWriter,
    registry: Registry,
}

impl KrenSender {
    /// Joins the inbox `name`, which need not be there yet, with a lane as large as the inbox says, or else of 1 MiB.
    ///
    /// # Errors
    ///
    /// [`Error::NoSeat`](crate::Error::NoSeat) while all seats are taken, or hold what no inbox has read yet;
    /// [`Error::WrongKind`](crate::Error::WrongKind); otherwise as [`KrenWriter::create`].
    pub fn connect(name: &str) -> Result<Self> {
        Self::options().connect(name)
    }

    /// Options for senders that need more than a name.
    #[must_use]
    pub fn options() -> SenderOptions {
        SenderOptions::default()
    }

    /// Writes one message, waiting for room in this sender's lane if need be.
    ///
    /// # Errors
    ///
    /// As [`KrenWriter::write`].
    #[inline]
    pub fn write(&mut self, data: &[u8]) -> Result<()> {
        self.writer.write(data)
    }

    /// As [`KrenSender::write`], with a tag that the inbox finds on the message.
    ///
    /// # Errors
    ///
    /// As [`KrenWriter::write`].
    #[inline]
    pub fn write_tagged(&mut self, tag: u32, data: &[u8]) -> Result<()> {
        self.writer.write_tagged(tag, data)
    }

    /// As [`KrenSender::write`], waiting `timeout` at most.
    ///
    /// # Errors
    ///
    /// As [`KrenWriter::write_timeout`].
    #[inline]
    pub fn write_timeout(&mut self, data: &[u8], timeout: Duration) -> Result<()> {
        self.writer.write_timeout(data, timeout)
    }

    /// Writes one message if there is room now.
    ///
    /// # Errors
    ///
    /// As [`KrenWriter::try_write`].
    #[inline]
    pub fn try_write(&mut self, data: &[u8]) -> Result<()> {
        self.writer.try_write(data)
    }

    /// As [`KrenSender::write`], without blocking the thread; see [`KrenWriter::write_async`].
    ///
    /// # Errors
    ///
    /// As [`KrenWriter::write_async`].
    pub async fn write_async(&mut self, data: &[u8]) -> Result<()> {
        self.writer.write_async(data).await
    }

    /// As [`KrenSender::write_async`], with a tag.
    ///
    /// # Errors
    ///
    /// As [`KrenWriter::write_async`].
    pub async fn write_tagged_async(&mut self, tag: u32, data: &[u8]) -> Result<()> {
        self.writer.write_tagged_async(tag, data).await
    }

    /// As [`KrenSender::flush`], without blocking the thread; see [`KrenWriter::flush_async`].
    ///
    /// # Errors
    ///
    /// As [`KrenWriter::flush_async`].
    pub async fn flush_async(&mut self) -> Result<()> {
        self.writer.flush_async().await
    }

    /// Reserves `len` bytes in the lane, waiting for room if need be, to build a message in place.
    ///
    /// # Errors
    ///
    /// As [`KrenWriter::reserve`].
    #[inline]
    pub fn reserve(&mut self, len: usize) -> Result<Slot<'_>> {
        self.writer.reserve(len)
    }

    /// Starts a batch: messages that become visible together.
    pub fn batch(&mut self) -> Batch<'_> {
        self.writer.batch()
    }

    /// Waits until the inbox has released everything, `timeout` at most.
    ///
    /// # Errors
    ///
    /// As [`KrenWriter::drain`].
    pub fn drain(&mut self, timeout: Duration) -> Result<()> {
        self.writer.drain(timeout)
    }

    /// As [`KrenSender::drain`], however long it takes.
    ///
    /// # Errors
    ///
    /// As [`KrenWriter::flush`].
    pub fn flush(&mut self) -> Result<()> {
        self.writer.flush()
    }

    /// Whether the inbox is there. Makes a system call.
    #[must_use]
    pub fn inbox_state(&self) -> PeerState {
        self.registry.owner()
    }

    /// The number that the inbox finds on this sender's messages: [`SenderId::number`](crate::SenderId::number).
    #[must_use]
    pub fn number(&self) -> u64 {
        crate::inbox::number(self.registry.own_member())
    }

    /// Whether the inbox's name does not lead to it any more, since somebody has removed it. Makes a system call.
    #[must_use]
    pub fn is_removed(&self) -> bool {
        self.registry.is_removed()
    }

    /// The longest message, in bytes, that could be written now without waiting.
    #[must_use]
    pub fn available(&self) -> usize {
        self.writer.available()
    }

    /// Bytes of records that this sender's lane holds.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.writer.capacity()
    }

    /// The longest message, in bytes, that this sender's lane can ever carry.
    #[must_use]
    pub fn max_message_len(&self) -> usize {
        self.writer.max_message_len()
    }

    /// The inbox's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.registry.name()
    }

    /// Closes this side. What was written stays for the inbox.
    ///
    /// # Errors
    ///
    /// [`Error::Forked`](crate::Error::Forked).
    pub fn close(self) -> Result<()> {
        self.registry.endpoint().check_process()
    }

    /// The writer of the lane, for a face that treats it like any other; the seat goes with it.
    #[doc(hidden)]
    #[must_use]
    pub fn into_writer(self) -> KrenWriter {
        let mut writer = self.writer;
        writer.seat = Some(Box::new(self.registry));
        writer
    }

    pub(crate) fn writer_mut(&mut self) -> &mut KrenWriter {
        &mut self.writer
    }
}

#[doc(hidden)]
impl KrenWriter {
    /// See [`KrenSender::inbox_state`].
    #[must_use]
    pub fn inbox_state(&self) -> PeerState {
        let registry = self.seat.as_ref();
        registry.map_or(PeerState::Unknown, |registry| registry.owner())
    }

    /// See [`KrenSender::number`].
    #[must_use]
    pub fn sender_number(&self) -> u64 {
        let registry = self.seat.as_ref();
        registry.map_or(0, |registry| crate::inbox::number(registry.own_member()))
    }
}

impl std::fmt::Debug for KrenSender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KrenSender")
            .field("name", &self.name())
            .field("available", &self.available())
            .finish_non_exhaustive()
    }
}

/// How to join an inbox; see [`KrenSender::options`].
#[derive(Debug, Clone)]
pub struct SenderOptions {
    pub(crate) plan: Plan,
}

impl Default for SenderOptions {
    fn default() -> Self {
        Self {
            plan: Plan::new(Kind::Inbox),
        }
    }
}

impl SenderOptions {
    /// Bytes of records that the lane holds, where no inbox has said so. Default: 1 MiB.
    #[must_use]
    pub fn capacity(mut self, capacity: usize) -> Self {
        self.plan.lane = capacity;
        self
    }

    /// How many senders the inbox may have at a time, if this one comes first: 1 to 1024. Default: 64.
    #[must_use]
    pub fn senders(mut self, senders: usize) -> Self {
        self.plan.members = senders;
        self
    }

    /// Alignment of every payload in bytes; see [`WriterOptions::alignment`](crate::WriterOptions::alignment).
    #[must_use]
    pub fn alignment(mut self, alignment: usize) -> Self {
        self.plan.alignment = alignment;
        self
    }

    plan_setters!();

    /// Joins the inbox `name`; see [`KrenSender::connect`].
    ///
    /// # Errors
    ///
    /// As [`KrenSender::connect`], and [`Error::InvalidOption`](crate::Error::InvalidOption).
    pub fn connect(&self, name: &str) -> Result<KrenSender> {
        self.begin(Registry::join(name, &self.plan, &mut || Ok(()))?)
    }

    pub(crate) fn begin(&self, mut registry: Registry) -> Result<KrenSender> {
        let writer = registry.lane_writer(registry.own_member(), Way::Forth)?;
        registry.tell();
        Ok(KrenSender { writer, registry })
    }
}
