//! How a reader connects.

use super::KrenReader;
use super::lease::Leases;
use crate::awaiting::Awaiting;
use crate::endpoint::{Endpoint, Strategy};
use crate::layout::Schema;
use crate::pace::Pace;
use crate::ring::{Consumer, Shape};
use crate::ring_memory::RingMemory;
use crate::schema;
use crate::segment::{self, Access, Search, Segment, Start, Who};
use crate::{Error, Result};
use std::sync::Arc;
use std::time::Duration;

/// How to connect to a channel; see [`KrenReader::options`].
#[derive(Debug, Clone, Default)]
pub struct ReaderOptions {
    timeout: Duration,
    live: bool,
    start: Start,
    pub(crate) access: Access,
    strategy: Strategy,
    schema: Option<Schema>,
}

impl ReaderOptions {
    /// How long to wait for a channel that does not exist yet. Default: not at all.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Connects to a channel with a live writer only: a channel whose writer has closed or died is waited for like one
    /// that does not exist, until a new writer takes it over or the timeout ends. Default: a channel with undelivered messages is
    /// as good without its writer.
    ///
    /// What an earlier writer left undelivered is still delivered first, unless [`ReaderOptions::start`] says otherwise.
    ///
    /// ```
    /// # use kren_core::{Error, KrenReader, KrenWriter, Start};
    /// # use std::time::Duration;
    /// # let name = format!("doc-live-{}", std::process::id());
    /// KrenWriter::create(&name, 4096)?.write(b"yesterday's")?; // and closed
    /// let live = KrenReader::options().live_writer(true).start(Start::Newest);
    /// let refused = live.connect(&name);
    /// assert!(matches!(refused, Err(Error::TimedOut { .. }) | Err(Error::NotFound { .. })));
    ///
    /// # let name2 = name.clone();
    /// # let today = std::thread::spawn(move || {
    /// #     let mut writer = KrenWriter::create(&name2, 4096).unwrap();
    /// #     std::thread::sleep(Duration::from_millis(20));
    /// #     writer.write(b"today's").unwrap();
    /// #     writer.flush().unwrap();
    /// # });
    /// // Meanwhile another process starts a writer, which writes.
    /// let mut reader = live.timeout(Duration::from_secs(60)).connect(&name)?;
    /// assert_eq!(reader.read()?, b"today's");
    /// # drop(reader); today.join().unwrap();
    /// # Ok::<(), Error>(())
    /// ```
    #[must_use]
    pub fn live_writer(mut self, live: bool) -> Self {
        self.live = live;
        self
    }

    /// Where to start in what the channel holds. Default: [`Start::Oldest`], at the first message that was not released.
    ///
    /// [`Start::Newest`] discards what was written before the call of [`ReaderOptions::connect`]; what is written while that
    /// waits is delivered.
    #[must_use]
    pub fn start(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// Accepts a segment that belongs to another user. Default: refused.
    ///
    /// Where another user's side is the last to close, the empty channel stays in memory, as only its owner may remove its
    /// name (and a mode, `fresh` or other figures are [`Error::PermissionDenied`] for the same reason):
    /// let the owner's side close last.
    #[must_use]
    pub fn any_owner(mut self, any_owner: bool) -> Self {
        self.access.any_owner = any_owner;
        self
    }

    /// Says what the messages are taken for; a channel whose writer says something else is refused. Default: any.
    ///
    /// The error is [`Error::SchemaMismatch`]. A channel that says nothing is accepted.
    #[must_use]
    pub fn schema(mut self, schema: &Schema) -> Self {
        self.access.schema = Some(schema.hash());
        self.schema = Some(schema.clone());
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

    /// Looks for the channel, on Windows in the namespace of the whole machine (`Global\`) instead of the session's own
    /// (`Local\`), so that services and users of other sessions find it too. Both sides must say so,
    /// and making such a channel takes a privilege that services and administrators have. No effect
    /// on other systems, whose names are machine-wide anyway.
    #[must_use]
    pub fn machine_wide(mut self, machine_wide: bool) -> Self {
        self.access.machine_wide = machine_wide;
        self
    }

    /// Connects to the channel `name`; see [`KrenReader::connect`].
    ///
    /// # Errors
    ///
    /// As [`KrenReader::connect`], and [`Error::TimedOut`] when the channel is there at the end
    /// of the timeout, and the live writer that was asked for is not.
    pub fn connect(&self, name: &str) -> Result<KrenReader> {
        self.connect_within(name, Some(self.timeout), &mut || Ok(()))
    }

    /// As [`ReaderOptions::connect`], for callers that have to look after something else meanwhile: while it waits,
    /// `check` runs at least every 100 ms and after each signal, and an error of its ends the wait. `timeout` of `None`
    /// waits for ever; that of the options does not count.
    ///
    /// # Errors
    ///
    /// As [`ReaderOptions::connect`]; whatever `check` returns.
    pub fn connect_within(
        &self,
        name: &str,
        timeout: Option<Duration>,
        check: &mut dyn FnMut() -> Result<()>,
    ) -> Result<KrenReader> {
        let search = self.search(name, timeout)?;
        let found = segment::open_reader(name, search, self.access, check);
        let (segment, from) = schema::worded(found, self.schema.as_ref())?;
        let mut reader = KrenReader::attach(segment, self.strategy, self.access)?;
        reader.skip_to(from)?;
        Ok(reader)
    }

    fn search(&self, name: &str, timeout: Option<Duration>) -> Result<Search> {
        if let Start::After(_) = self.start {
            return Err(Error::InvalidOption {
                channel: name.into(),
                option: "start",
                reason: "a channel's reader starts at the oldest or at the newest message; the channel itself keeps where \
                         it was",
            });
        }
        Ok(Search {
            timeout,
            live: self.live,
            start: self.start,
            who: Who::Reader,
        })
    }
}

impl ReaderOptions {
    /// As [`ReaderOptions::connect`], without blocking: waits until the channel is there, and, where that is asked for, its live writer.
    /// The timeout of the options does not count: who gives up drops the future.
    ///
    /// It looks ten times a second.
    ///
    /// # Errors
    ///
    /// As [`ReaderOptions::connect`], but for [`Error::NotFound`].
    pub async fn connect_async(&self, name: &str) -> Result<KrenReader> {
        let search = self.search(name, None)?;
        let mut seeker = segment::Seeker::new(name, search, self.access)?;
        let mut awaiting = Awaiting::default();
        let mut pause = segment::PAUSE_MIN;
        loop {
            let found = schema::worded(seeker.look(), self.schema.as_ref())?;
            if let Some((segment, from)) = found {
                let mut reader = KrenReader::attach(segment, self.strategy, self.access)?;
                reader.skip_to(from)?;
                return Ok(reader);
            }
            awaiting.pause(name, pause)?.await;
            pause = (pause * 2).min(segment::PAUSE_MAX);
        }
    }
}

impl KrenReader {
    /// Reads a segment whose role is held, from its first message on that was not released.
    pub(super) fn attach(segment: Segment, strategy: Strategy, access: Access) -> Result<Self> {
        let mapping = Arc::clone(segment.mapping());
        let shape = Shape::new(mapping.geometry());
        let consumer = Consumer::resume(RingMemory::new(mapping, segment.seat()), shape)
            .map_err(|error| segment::broken_ring(segment.name(), error))?;
        let endpoint = Endpoint::attach(segment, strategy, None)?;
        let waker = endpoint.waker();
        let pace = Pace::new(consumer.cursor());
        Ok(Self {
            consumer,
            waker,
            pace,
            tag: 0,
            leases: Leases::default(),
            afterwards: None,
            moving: false,
            subscription: None,
            checked: None,
            strategy,
            access,
            awaiting: Awaiting::default(),
            endpoint,
        })
    }

    /// Releases what ends at or before `position` unread.
    fn skip_to(&mut self, position: u64) -> Result<()> {
        if self.consumer.cursor() >= position {
            return Ok(());
        }
        while self.consumer.cursor() < position {
            let found = self.consumer.peek();
            let found = found.map_err(|error| self.endpoint.ring_error(error))?;
            let Some(record) = found else { break };
            self.consumer.advance(&record);
        }
        self.give_back();
        Ok(())
    }
}
