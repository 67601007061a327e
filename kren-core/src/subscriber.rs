//! A reading side of a broadcast.

use crate::layout::STANCE_LOSSY;
use crate::reader::Subscription;
use crate::segment::{self, Access, PeerState, Search, Start, Who};
use crate::{Error, Interest, KrenReader, Message, Result, Strategy};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// A reading side of a broadcast, one of many: see [`KrenPublisher`](crate::KrenPublisher).
///
/// It has the face of a [`KrenReader`]. By default it is *lossless*: the publisher waits for it, as a writer for its reader,
/// and it starts with what is written after it has joined. [`SubscriberOptions`] tells the other ways.
///
/// Dropping it gives its seat back.
#[derive(Debug)]
pub struct KrenSubscriber {
    reader: KrenReader,
}

impl KrenSubscriber {
    /// Joins the broadcast `name`, lossless, behind everything that was written before.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`]; [`Error::NoSeat`] while all seats are taken; [`Error::WrongKind`] when it is a channel;
    /// [`Error::InvalidName`]; [`Error::PermissionDenied`]; [`Error::Corrupt`]; [`Error::VersionMismatch`]; [`Error::Io`].
    pub fn connect(name: &str) -> Result<Self> {
        Self::options().connect(name)
    }

    /// Options for subscribers that need more than a name.
    #[must_use]
    pub fn options() -> SubscriberOptions {
        SubscriberOptions::default()
    }

    /// The next message, waiting for it if need be.
    ///
    /// # Errors
    ///
    /// As [`KrenReader::read`]. [`Error::Lagged`] when a lossy subscriber was overtaken, [`Error::Evicted`] when a slow lossless
    /// one was passed over: both say how many messages were missed, and the next call goes on behind them.
    #[inline]
    pub fn read(&mut self) -> Result<Message<'_>> {
        self.reader.read()
    }

    /// As [`KrenSubscriber::read`], waiting `timeout` at most.
    ///
    /// # Errors
    ///
    /// As [`KrenSubscriber::read`], and [`Error::TimedOut`].
    #[inline]
    pub fn read_timeout(&mut self, timeout: Duration) -> Result<Message<'_>> {
        self.reader.read_timeout(timeout)
    }

    /// The next message if there is one now; `None` if not, whatever the reason.
    ///
    /// # Errors
    ///
    /// [`Error::Lagged`]; [`Error::Evicted`]; [`Error::Corrupt`]; [`Error::Forked`].
    #[inline]
    pub fn try_read(&mut self) -> Result<Option<Message<'_>>> {
        self.reader.try_read()
    }

    /// As [`KrenSubscriber::read`], without blocking the thread; see [`KrenReader::read_async`].
    ///
    /// # Errors
    ///
    /// As [`KrenSubscriber::read`] and [`KrenReader::read_async`].
    pub async fn read_async(&mut self) -> Result<Message<'_>> {
        self.reader.read_async().await
    }

    /// A message, or that none will come, for a [`Selector`](crate::Selector); see [`KrenReader::readable`].
    ///
    /// # Errors
    ///
    /// [`Error::Forked`].
    pub fn readable(&self) -> Result<Interest> {
        self.reader.readable()
    }

    /// The number of the next message, counted from 0 since the broadcast was made: what [`Start::After`] takes.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.reader.next_number()
    }

    /// Waits until a live publisher holds the broadcast; see [`KrenReader::wait_for_writer`].
    ///
    /// # Errors
    ///
    /// As [`KrenReader::wait_for_writer`].
    pub fn wait_for_publisher(&mut self, timeout: Option<Duration>) -> Result<()> {
        self.reader.wait_for_writer(timeout)
    }

    /// Who is on the writing side. Makes a system call.
    #[must_use]
    pub fn publisher_state(&self) -> PeerState {
        self.reader.writer_state()
    }

    /// Bytes of the ring that hold unread messages, record headers included.
    #[must_use]
    pub fn available(&self) -> usize {
        self.reader.available()
    }

    /// Bytes of the ring that held messages keep from the publisher.
    #[must_use]
    pub fn held(&self) -> usize {
        self.reader.held()
    }

    /// Bytes of records the ring holds.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.reader.capacity()
    }

    /// The broadcast's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.reader.name()
    }

    /// Closes this side and gives its seat back. A durable subscriber's place is kept: the publisher goes on waiting for it.
    ///
    /// # Errors
    ///
    /// [`Error::Forked`].
    pub fn close(self) -> Result<()> {
        self.reader.close()
    }

    /// Closes this side for good: the place of a durable subscriber is given up as well.
    ///
    /// # Errors
    ///
    /// [`Error::Forked`].
    pub fn unsubscribe(self) -> Result<()> {
        self.reader.give_up_place()?;
        self.reader.close()
    }

    /// The same as the reader that it is but for its being one of many, for a face that treats them alike.
    #[doc(hidden)]
    #[must_use]
    pub fn into_reader(self) -> KrenReader {
        self.reader
    }
}

#[doc(hidden)]
impl KrenReader {
    /// See [`KrenSubscriber::position`].
    #[must_use]
    pub fn next_number(&self) -> u64 {
        self.consumer.count()
    }

    /// See [`KrenSubscriber::unsubscribe`].
    ///
    /// # Errors
    ///
    /// [`Error::Forked`].
    pub fn give_up_place(&self) -> Result<()> {
        self.endpoint.check_process()?;
        let presence = &self.endpoint.own().presence.0;
        // Release: pairs with the Acquire load in `gates::gate_at`. Whoever still waits for it looks again in a moment.
        presence.stance.store(STANCE_LOSSY, Ordering::Release);
        Ok(())
    }
}

/// How to join a broadcast; see [`KrenSubscriber::options`].
#[derive(Debug, Clone)]
pub struct SubscriberOptions {
    timeout: Duration,
    live: bool,
    start: Start,
    is_lossy: bool,
    durable: Option<Arc<str>>,
    access: Access,
    strategy: Strategy,
}

impl Default for SubscriberOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::ZERO,
            live: false,
            start: Start::Newest,
            is_lossy: false,
            durable: None,
            access: Access::default(),
            strategy: Strategy::default(),
        }
    }
}

impl SubscriberOptions {
    /// How long to wait for a broadcast that does not exist yet. Default: not at all.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Joins a broadcast with a live publisher only; see [`ReaderOptions::live_writer`](crate::ReaderOptions::live_writer).
    #[must_use]
    pub fn live_publisher(mut self, live: bool) -> Self {
        self.live = live;
        self
    }

    /// Where to start. Default: [`Start::Newest`], behind what was written before.
    ///
    /// [`Start::Oldest`] is the oldest message that the ring still holds, to within a 32nd of its length.
    /// [`Start::After`] goes on where another subscriber stood ([`KrenSubscriber::position`]); what is gone by then is told by
    /// the first read, as [`Error::Lagged`].
    #[must_use]
    pub fn start(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// Never holds the publisher up: one that is too slow misses messages, and is told how many ([`Error::Lagged`]). Each
    /// message is then a copy. Default: the publisher waits.
    #[must_use]
    pub fn lossy(mut self, lossy: bool) -> Self {
        self.is_lossy = lossy;
        self
    }

    /// Keeps its place when it closes or dies: the publisher waits for it, and the next subscriber that asks for the same
    /// `name` goes on where it was. An empty name is that of any durable subscriber that has none.
    #[must_use]
    pub fn durable(mut self, name: &str) -> Self {
        self.durable = Some(name.into());
        self
    }

    /// Accepts a segment that belongs to another user. Default: refused.
    #[must_use]
    pub fn any_owner(mut self, any_owner: bool) -> Self {
        self.access.any_owner = any_owner;
        self
    }

    /// How blocking calls wait.
    #[must_use]
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// Maps every page now, so that the first lap of the ring takes no page faults.
    #[must_use]
    pub fn prefault(mut self, prefault: bool) -> Self {
        self.access.prefault = prefault;
        self
    }

    /// See [`ReaderOptions::machine_wide`](crate::ReaderOptions::machine_wide).
    #[must_use]
    pub fn machine_wide(mut self, machine_wide: bool) -> Self {
        self.access.machine_wide = machine_wide;
        self
    }

    /// Joins the broadcast `name`; see [`KrenSubscriber::connect`].
    ///
    /// # Errors
    ///
    /// As [`KrenSubscriber::connect`]; [`Error::ReaderExists`] while a durable subscriber of the same name lives;
    /// [`Error::InvalidOption`] for one that is to be lossy as well.
    pub fn connect(&self, name: &str) -> Result<KrenSubscriber> {
        self.connect_within(name, Some(self.timeout), &mut || Ok(()))
    }

    /// As [`SubscriberOptions::connect`], for callers that have to look after something else meanwhile; see
    /// [`ReaderOptions::connect_within`](crate::ReaderOptions::connect_within).
    ///
    /// # Errors
    ///
    /// As [`SubscriberOptions::connect`]; whatever `check` returns.
    pub fn connect_within(
        &self,
        name: &str,
        timeout: Option<Duration>,
        check: &mut dyn FnMut() -> Result<()>,
    ) -> Result<KrenSubscriber> {
        if self.is_lossy && self.durable.is_some() {
            return Err(Error::InvalidOption {
                channel: name.into(),
                option: "durable",
                reason: "a durable subscriber is waited for, and a lossy one is not",
            });
        }
        let identity = |name: &Arc<str>| match name.is_empty() {
            true => 0,
            false => crate::layout::hash(name.as_bytes()).max(1),
        };
        let subscription = Subscription {
            is_lossy: self.is_lossy,
            durable: self.durable.as_ref().map(identity),
            start: self.start,
        };
        let search = Search {
            timeout,
            live: self.live,
            start: self.start,
            who: Who::Subscriber {
                durable: subscription.durable,
            },
        };
        let (segment, _) = segment::open_reader(name, search, self.access, check)?;
        let joined = KrenReader::subscribe(segment, subscription, self.strategy, self.access);
        joined.map(|reader| KrenSubscriber { reader })
    }
}
