//! The writing side of a broadcast.

use crate::endpoint::Endpoint;
use crate::gates::{self, Pages};
use crate::layout::{STANCE_DURABLE, STANCE_JOINING, STANCE_LOSSY, Seat};
use crate::segment::{Audience, PeerState, Purpose};
use crate::writer::WriterOptions;
use crate::{Batch, Holder, Interest, KrenWriter, Result, Slot, Strategy, Waiter};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Seats for subscribers, unless another number is asked for.
const SEATS: usize = 16;

/// The writing side of a broadcast: each message is written once, and read by every subscriber
/// ([`KrenSubscriber`](crate::KrenSubscriber)) where it lies.
///
/// There is one per broadcast. It has the face of a [`KrenWriter`]; what is different:
///
/// - **Without subscribers it never blocks, and what it writes is gone with the next lap of the ring.** Wait for them with
///   [`KrenPublisher::wait_for_subscribers`] where the first messages count.
/// - It waits for the slowest lossless subscriber, for as long as it takes, or as long as
///   [`PublisherOptions::evict_after`] says. One that has died is passed over within 200 ms.
///
/// ```
/// # use kren_core::{KrenPublisher, KrenSubscriber};
/// # let name = format!("doc-publisher-{}", std::process::id());
/// let mut publisher = KrenPublisher::create(&name, 1 << 20)?;
/// let mut one = KrenSubscriber::connect(&name)?;
/// let mut two = KrenSubscriber::connect(&name)?;
/// publisher.write(b"to all")?;
/// assert_eq!(one.read()?, b"to all");
/// assert_eq!(two.read()?, b"to all");
/// # Ok::<(), kren_core::Error>(())
/// ```
#[derive(Debug)]
pub struct KrenPublisher {
    writer: KrenWriter,
}

/// What a publisher knows of one of its subscribers.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Subscriber {
    /// The seat's number, from 1.
    pub seat: usize,
    /// The process that holds it, or held it last.
    pub holder: Holder,
    /// Whether it is there. One that has died or closed is listed only if it is durable.
    pub state: PeerState,
    /// Whether it never holds the publisher up.
    pub is_lossy: bool,
    /// Whether it holds the publisher up also when it is gone.
    pub is_durable: bool,
    /// Messages that it has not released.
    pub behind: u64,
    /// Bytes of the ring that these take.
    pub behind_bytes: u64,
}

impl KrenPublisher {
    /// Creates the broadcast `name` with room for `capacity` bytes of records and 16 subscribers, or goes on with it.
    ///
    /// # Errors
    ///
    /// As [`KrenWriter::create`]; [`Error::WrongKind`](crate::Error::WrongKind) when a channel of the name exists.
    pub fn create(name: &str, capacity: usize) -> Result<Self> {
        Self::options().create(name, capacity)
    }

    /// Options for broadcasts that need more than a name and a capacity.
    #[must_use]
    pub fn options() -> PublisherOptions {
        PublisherOptions::default()
    }

    /// Writes one message, waiting for the slowest lossless subscriber if need be.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`](crate::Error::TooLarge); [`Error::Forked`](crate::Error::Forked);
    /// [`Error::Corrupt`](crate::Error::Corrupt).
    #[inline]
    pub fn write(&mut self, data: &[u8]) -> Result<()> {
        self.writer.write(data)
    }

    /// As [`KrenPublisher::write`], without blocking the thread; see [`KrenWriter::write_async`].
    ///
    /// # Errors
    ///
    /// As [`KrenPublisher::write`] and [`KrenWriter::write_async`].
    pub async fn write_async(&mut self, data: &[u8]) -> Result<()> {
        self.writer.write_async(data).await
    }

    /// Room for a message of `len` bytes, for a [`Selector`](crate::Selector); see [`KrenWriter::writable`].
    ///
    /// # Errors
    ///
    /// As [`KrenWriter::writable`].
    pub fn writable(&self, len: usize) -> Result<Interest> {
        self.writer.writable(len)
    }

    /// As [`KrenPublisher::write`], with a tag that each subscriber finds on the message.
    ///
    /// # Errors
    ///
    /// As [`KrenPublisher::write`].
    #[inline]
    pub fn write_tagged(&mut self, tag: u32, data: &[u8]) -> Result<()> {
        self.writer.write_tagged(tag, data)
    }

    /// As [`KrenPublisher::write`], waiting `timeout` at most.
    ///
    /// # Errors
    ///
    /// As [`KrenPublisher::write`], and [`Error::TimedOut`](crate::Error::TimedOut).
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

    /// Reserves `len` bytes in the ring, waiting for room if need be, to build a message in place.
    ///
    /// # Errors
    ///
    /// As [`KrenPublisher::write`].
    #[inline]
    pub fn reserve(&mut self, len: usize) -> Result<Slot<'_>> {
        self.writer.reserve(len)
    }

    /// Starts a batch: messages that become visible together.
    pub fn batch(&mut self) -> Batch<'_> {
        self.writer.batch()
    }

    /// Waits until every lossless subscriber has released everything, `timeout` at most.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`](crate::Error::TimedOut); [`Error::Forked`](crate::Error::Forked).
    pub fn drain(&mut self, timeout: Duration) -> Result<()> {
        self.writer.drain(timeout)
    }

    /// As [`KrenPublisher::drain`], however long it takes.
    ///
    /// # Errors
    ///
    /// As [`KrenPublisher::drain`], but for the time-out.
    pub fn flush(&mut self) -> Result<()> {
        self.writer.flush()
    }

    /// Waits until at least `count` subscribers are there, `timeout` at most, or for ever with `None`.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`](crate::Error::TimedOut); [`Error::Forked`](crate::Error::Forked).
    pub fn wait_for_subscribers(&mut self, count: usize, timeout: Option<Duration>) -> Result<()> {
        self.writer.wait_subscribed(count, timeout, &mut || Ok(()))
    }

    /// Who is subscribed, and how far behind each is. Makes a system call for each.
    #[must_use]
    pub fn subscribers(&self) -> Vec<Subscriber> {
        self.writer.subscribers()
    }

    /// The longest message, in bytes, that could be written now without waiting.
    #[must_use]
    pub fn available(&self) -> usize {
        self.writer.available()
    }

    /// Bytes of records the ring holds.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.writer.capacity()
    }

    /// The longest message, in bytes, that this broadcast can ever carry.
    #[must_use]
    pub fn max_message_len(&self) -> usize {
        self.writer.max_message_len()
    }

    /// The broadcast's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.writer.name()
    }

    /// Closes the broadcast: each subscriber gets what was written, then [`Error::Closed`](crate::Error::Closed). The name
    /// goes with the last side, unless a durable subscriber has messages to come.
    ///
    /// # Errors
    ///
    /// [`Error::Forked`](crate::Error::Forked).
    pub fn close(self) -> Result<()> {
        self.writer.close()
    }

    /// The same as the writer that it is but for its several readers, for a face that treats them alike.
    #[doc(hidden)]
    #[must_use]
    pub fn into_writer(self) -> KrenWriter {
        self.writer
    }

    pub(crate) fn writer_mut(&mut self) -> &mut KrenWriter {
        &mut self.writer
    }
}

#[doc(hidden)]
impl KrenWriter {
    /// See [`KrenPublisher::wait_for_subscribers`]; `check` is that of [`KrenWriter::wait_writable`].
    ///
    /// # Errors
    ///
    /// As [`KrenPublisher::wait_for_subscribers`], and whatever `check` returns.
    pub fn wait_subscribed(
        &mut self,
        count: usize,
        timeout: Option<Duration>,
        check: &mut dyn FnMut() -> Result<()>,
    ) -> Result<()> {
        self.endpoint.check_process()?;
        let over = || is_subscribed(&self.endpoint, count);
        self.endpoint.wait_for_arrivals(timeout, &over, check)
    }

    /// As [`KrenWriter::wait_subscribed`], without waiting: whether they are there.
    ///
    /// # Errors
    ///
    /// [`Error::Forked`](crate::Error::Forked).
    pub fn is_subscribed(&self, count: usize) -> Result<bool> {
        self.endpoint.check_process()?;
        Ok(is_subscribed(&self.endpoint, count))
    }

    /// A [`Waiter`] for that.
    ///
    /// # Errors
    ///
    /// [`Error::Forked`](crate::Error::Forked).
    pub fn subscribers_waiter(&self, count: usize) -> Result<Waiter> {
        self.endpoint.check_process()?;
        let endpoint = Arc::clone(&self.endpoint);
        Ok(Waiter::for_arrival(Arc::clone(&self.endpoint), move || {
            Ok(is_subscribed(&endpoint, count))
        }))
    }

    /// See [`KrenPublisher::subscribers`].
    #[must_use]
    pub fn subscribers(&self) -> Vec<Subscriber> {
        let segment = self.endpoint.segment();
        let mapping = &**segment.mapping();
        let describe = |seat: Seat| {
            let page = Pages::page(mapping, seat);
            let presence = &page.presence.0;
            let stance = presence.stance.load(Ordering::Acquire);
            let state = segment.state_of(seat);
            let is_durable = stance == STANCE_DURABLE;
            // Relaxed: figures to show.
            let count = page.progress.0.count.load(Ordering::Relaxed);
            let position = page.progress.0.position.load(Ordering::Relaxed);
            let is_there = state == PeerState::Attached && stance != STANCE_JOINING;
            (is_durable || is_there).then(|| Subscriber {
                seat: seat.number(),
                holder: presence.holder(),
                state,
                is_lossy: stance == STANCE_LOSSY,
                is_durable,
                behind: self.producer.count().saturating_sub(count),
                behind_bytes: self.producer.position().saturating_sub(position),
            })
        };
        gates::seats(mapping).filter_map(describe).collect()
    }
}

fn is_subscribed(endpoint: &Endpoint, count: usize) -> bool {
    let segment = endpoint.segment();
    let mapping = &**segment.mapping();
    let is_there = |seat: &Seat| {
        let presence = &Pages::page(mapping, *seat).presence.0;
        // One that has not found its place would miss what is written next.
        segment.state_of(*seat) == PeerState::Attached
            // Acquire: pairs with the Release store in `gates::stand`.
            && presence.stance.load(Ordering::Acquire) != STANCE_JOINING
    };
    gates::seats(mapping).filter(is_there).count() >= count
}

/// How to create a broadcast; see [`KrenPublisher::options`].
#[derive(Debug, Clone)]
pub struct PublisherOptions {
    writer: WriterOptions,
    seats: usize,
}

impl Default for PublisherOptions {
    fn default() -> Self {
        Self {
            writer: WriterOptions::default(),
            seats: SEATS,
        }
    }
}

impl PublisherOptions {
    /// How many subscribers there may be at a time: 1 to 64. Default: 16. Each takes a page of memory.
    #[must_use]
    pub fn subscribers(mut self, seats: usize) -> Self {
        self.seats = seats;
        self
    }

    /// Passes over a lossless subscriber for which a message had to wait as long as `patience`: it gets
    /// [`Error::Evicted`](crate::Error::Evicted), with the number of messages that it missed. Durable ones are waited for.
    /// Default: all are, for ever.
    ///
    /// Subscribers of such a broadcast get each message as a copy, since a slow one might still be looking at it.
    #[must_use]
    pub fn evict_after(mut self, patience: Duration) -> Self {
        self.writer.patience = Some(patience);
        self
    }

    /// All that a writer's options say, in place of what was said of it before.
    #[must_use]
    pub fn writer(mut self, options: &WriterOptions) -> Self {
        let patience = self.writer.patience;
        self.writer = options.clone();
        self.writer.patience = patience;
        self
    }

    /// See [`WriterOptions::mode`].
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.writer = self.writer.mode(mode);
        self
    }

    /// See [`WriterOptions::alignment`].
    #[must_use]
    pub fn alignment(mut self, alignment: usize) -> Self {
        self.writer = self.writer.alignment(alignment);
        self
    }

    /// See [`WriterOptions::fresh`].
    #[must_use]
    pub fn fresh(mut self, fresh: bool) -> Self {
        self.writer = self.writer.fresh(fresh);
        self
    }

    /// See [`WriterOptions::any_owner`].
    #[must_use]
    pub fn any_owner(mut self, any_owner: bool) -> Self {
        self.writer = self.writer.any_owner(any_owner);
        self
    }

    /// How blocking calls wait.
    #[must_use]
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.writer = self.writer.strategy(strategy);
        self
    }

    /// See [`WriterOptions::prefault`].
    #[must_use]
    pub fn prefault(mut self, prefault: bool) -> Self {
        self.writer = self.writer.prefault(prefault);
        self
    }

    /// See [`WriterOptions::machine_wide`].
    #[must_use]
    pub fn machine_wide(mut self, machine_wide: bool) -> Self {
        self.writer = self.writer.machine_wide(machine_wide);
        self
    }

    /// Creates the broadcast `name`, or goes on with it; see [`KrenPublisher::create`].
    ///
    /// # Errors
    ///
    /// As [`KrenPublisher::create`], and [`Error::InvalidOption`](crate::Error::InvalidOption).
    pub fn create(&self, name: &str, capacity: usize) -> Result<KrenPublisher> {
        self.create_checked(name, capacity, &mut || Ok(()))
    }

    /// As [`PublisherOptions::create`], for callers that have to look after something else meanwhile; see
    /// [`WriterOptions::create_checked`].
    ///
    /// # Errors
    ///
    /// As [`PublisherOptions::create`]; whatever `check` returns.
    pub fn create_checked(
        &self,
        name: &str,
        capacity: usize,
        check: &mut dyn FnMut() -> Result<()>,
    ) -> Result<KrenPublisher> {
        let mut options = self.writer.clone();
        options.wish.purpose = Purpose::Broadcast(Audience {
            seats: self.seats,
            evicts: options.patience.is_some(),
        });
        let writer = options.create_checked(name, capacity, check)?;
        Ok(KrenPublisher { writer })
    }
}
