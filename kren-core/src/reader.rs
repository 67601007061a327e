//! The reading side of a channel.

mod awaiting;
mod checked;
mod join;
mod lease;
mod message;
mod options;
mod successor;

pub use self::lease::Lease;
pub use self::message::Message;
pub use self::options::ReaderOptions;

pub(crate) use self::join::{Subscription, find_place};

use self::checked::Checked;
use self::lease::{Afterwards, Leases};
use crate::awaiting::Awaiting;
use crate::endpoint::{Check, Endpoint, Strategy, Wait};
use crate::layout::{RECORD_HEADER, Schema};
use crate::pace::Pace;
use crate::ring::{Consumer, Memory, Record};
use crate::ring_memory::RingMemory;
use crate::segment::{Access, PeerState};
use crate::wait::Waker;
use crate::waiter::{Goal, Waiter};
use crate::{Result, Role};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Polls before a waiting reader turns to the clock: some microseconds.
const POLLS: u32 = 100;

/// The reading side of a channel. There is one per channel; the process that holds it may move it
/// between threads, but uses it from one at a time.
///
/// Dropping it closes this side. Messages not yet read stay for a later reader.
pub struct KrenReader {
    pub(crate) consumer: Consumer<RingMemory>,
    pub(crate) waker: Waker,
    pace: Pace,
    /// The tag of the record that is handed out, as long as a [`Message`] lives. All else of that record
    /// is what the consumer has found last.
    tag: u32,
    leases: Leases,
    /// A new channel of the name is to be moved over to when this one has been read to its end.
    pub(crate) moving: bool,
    /// Of a subscriber to a broadcast: how it joined.
    subscription: Option<Subscription>,
    /// Of one whose messages may be overwritten while it reads them.
    checked: Option<Box<Checked>>,
    /// How it was connected, for the next time.
    strategy: Strategy,
    access: Access,
    awaiting: Awaiting,
    /// For leases that outlive it.
    pub(crate) afterwards: Option<Afterwards>,
    pub(crate) endpoint: Arc<Endpoint>,
}

impl KrenReader {
    /// Connects to the channel `name` and starts at its first unreleased message.
    ///
    /// Does not wait for the channel to exist (see [`ReaderOptions::timeout`]) and does not need
    /// its writer to live: a channel with undelivered messages outlives it.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`](crate::Error::NotFound);
    /// [`Error::ReaderExists`](crate::Error::ReaderExists) while another reader lives;
    /// [`Error::InvalidName`](crate::Error::InvalidName);
    /// [`Error::PermissionDenied`](crate::Error::PermissionDenied);
    /// [`Error::Corrupt`](crate::Error::Corrupt);
    /// [`Error::VersionMismatch`](crate::Error::VersionMismatch); [`Error::Io`](crate::Error::Io).
    pub fn connect(name: &str) -> Result<Self> {
        ReaderOptions::default().connect(name)
    }

    /// Options for readers that need more than a name.
    #[must_use]
    pub fn options() -> ReaderOptions {
        ReaderOptions::default()
    }

    /// The next message, waiting for it if need be.
    ///
    /// # Errors
    ///
    /// Once everything that was committed has been read: [`Error::Closed`](crate::Error::Closed)
    /// when the writer has closed, [`Error::PeerDied`](crate::Error::PeerDied) when it died,
    /// [`Error::Removed`](crate::Error::Removed) when it died and the channel's name is gone as well. A death is noticed
    /// within 200 ms of the end of the process, which a core dump, or the freeing of much memory, puts off. After
    /// the first two the next call waits again if a new writer has taken over;
    /// [`KrenReader::wait_for_writer`] waits for that after any of them.
    /// [`Error::Corrupt`](crate::Error::Corrupt); [`Error::Forked`](crate::Error::Forked).
    #[inline]
    pub fn read(&mut self) -> Result<Message<'_>> {
        self.read_fast(None)
    }

    /// As [`KrenReader::read`], waiting `timeout` at most.
    ///
    /// # Errors
    ///
    /// As [`KrenReader::read`], and [`Error::TimedOut`](crate::Error::TimedOut).
    #[inline]
    pub fn read_timeout(&mut self, timeout: Duration) -> Result<Message<'_>> {
        self.read_fast(Some(timeout))
    }

    /// The next message if there is one now; `None` if not, whatever the reason. Makes no system
    /// call unless the writer sleeps for the room that a message released.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`](crate::Error::Corrupt); [`Error::Forked`](crate::Error::Forked).
    #[inline]
    pub fn try_read(&mut self) -> Result<Option<Message<'_>>> {
        self.endpoint.check_process()?;
        match self.peek()? {
            Some(record) => Ok(Some(self.hand_out(record))),
            None if self.moving => self.try_read_there(),
            None => Ok(None),
        }
    }

    /// As [`KrenReader::try_read`], in the channel that is moved over to.
    #[cold]
    fn try_read_there(&mut self) -> Result<Option<Message<'_>>> {
        self.move_on()?;
        let found = self.peek()?;
        Ok(found.map(|record| self.hand_out(record)))
    }

    /// The fast way: the message is there.
    #[inline]
    fn read_fast(&mut self, timeout: Option<Duration>) -> Result<Message<'_>> {
        self.endpoint.check_process()?;
        match self.peek()? {
            Some(record) => Ok(self.hand_out(record)),
            None => self.read_slow(timeout),
        }
    }

    /// The slow way: waits for it, and says why there is none.
    #[cold]
    #[inline(never)]
    fn read_slow(&mut self, timeout: Option<Duration>) -> Result<Message<'_>> {
        loop {
            self.wait_readable(timeout, &mut || Ok(()))?;
            if let Some(record) = self.peek()? {
                return Ok(self.hand_out(record));
            }
        }
    }

    /// The record at the cursor. Of one that may be overwritten the message has been copied (see `checked`).
    #[inline]
    fn peek(&mut self) -> Result<Option<Record>> {
        if self.checked.is_some() {
            return self.peek_checked();
        }
        let found = self.consumer.peek();
        found.map_err(|error| self.endpoint.ring_error(error))
    }

    #[inline]
    pub(crate) fn hand_out(&mut self, record: Record) -> Message<'_> {
        debug_assert!(record.len + RECORD_HEADER <= self.capacity());
        self.tag = record.tag;
        Message { reader: self }
    }

    /// Bytes of the ring that hold unread messages, record headers included; 0 when there is
    /// nothing to read, and in a child made by `fork`.
    #[must_use]
    pub fn available(&self) -> usize {
        if self.endpoint.is_inherited() {
            return 0;
        }
        self.consumer.available()
    }

    /// Whether there is a message now, as far as one look tells. For those who look at many.
    #[inline]
    pub(crate) fn has_message(&self) -> bool {
        self.consumer.has_record()
    }

    /// As [`KrenReader::has_message`], for those who look again soon: see [`Consumer::prefetch`].
    #[inline]
    pub(crate) fn awaits_message(&self) -> bool {
        let is_there = self.consumer.has_record();
        if !is_there {
            self.consumer.prefetch();
        }
        !is_there
    }

    /// Messages before the next one, since the channel was made.
    pub(crate) fn messages_read(&self) -> u64 {
        self.consumer.count()
    }

    /// Messages that the writer says it has written, since the channel was made.
    pub(crate) fn messages_written(&self) -> u64 {
        let progress = &self.consumer.memory().page(Role::Writer).progress.0;
        // Relaxed: one that is written just now may be counted or not.
        progress.count.load(Ordering::Relaxed)
    }

    /// Bytes of records the ring holds.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.endpoint.mapping().geometry().capacity
    }

    /// Alignment of payloads in bytes.
    #[must_use]
    pub fn alignment(&self) -> usize {
        self.endpoint.mapping().geometry().alignment
    }

    /// What the channel's creator says of its messages, if anything; its text may be cut off.
    #[must_use]
    pub fn schema(&self) -> Option<&Schema> {
        self.endpoint.schema()
    }

    /// The channel's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.endpoint.name()
    }

    /// Whether no writer is attached any more, because it closed or because it died. Messages may
    /// still be waiting. `false` where it cannot be told ([`PeerState::Unknown`]). Makes a system call.
    #[must_use]
    pub fn is_writer_closed(&self) -> bool {
        matches!(self.writer_state(), PeerState::Closed | PeerState::Died)
    }

    /// Who is on the writing side; [`PeerState::Unknown`] in a child made by `fork`, and where
    /// this process has closed the endpoint's lock (see [`KrenReader::check_usable`]). Makes a system call.
    #[must_use]
    pub fn writer_state(&self) -> PeerState {
        self.endpoint.peer_state().unwrap_or(PeerState::Unknown)
    }

    /// Whether this process may use the endpoint. The calls that cannot fail have a safe answer where it may
    /// not; this says why. Makes a system call.
    ///
    /// # Errors
    ///
    /// [`Error::Forked`](crate::Error::Forked) in a child made by `fork`; [`Error::Io`](crate::Error::Io) where this process
    /// has closed the descriptor of the endpoint's lock, as one does that closes all descriptors.
    pub fn check_usable(&self) -> Result<()> {
        self.endpoint.check_usable()
    }

    /// Whether the channel's name no longer leads here, because somebody removed it: then this side and its peer, if it is
    /// there, go on with each other, and nobody else can come. Makes some system calls.
    ///
    /// [`KrenReader::wait_for_writer`] moves over to the channel that the name leads to next.
    ///
    /// ```
    /// # use kren_core::{KrenReader, KrenWriter};
    /// # let name = format!("doc-removed-reader-{}", std::process::id());
    /// let mut writer = KrenWriter::create(&name, 4096)?;
    /// let reader = KrenReader::connect(&name)?;
    /// assert!(!reader.is_removed());
    /// writer.write(b"last words")?;
    /// writer.close_discarding()?; // which removes the name
    /// assert!(reader.is_removed());
    /// # Ok::<(), kren_core::Error>(())
    /// ```
    #[must_use]
    pub fn is_removed(&self) -> bool {
        !self.endpoint.is_inherited() && !self.endpoint.is_named()
    }

    /// Closes this side. The last side to close a channel with nothing left to deliver removes its
    /// name. While messages are held ([`Lease`]) the role stays taken until the last of them is released.
    ///
    /// Dropping the reader does the same; this says so, and reports an inherited endpoint.
    ///
    /// # Errors
    ///
    /// [`Error::Forked`](crate::Error::Forked).
    pub fn close(self) -> Result<()> {
        self.endpoint.check_process()
    }

    /// Polls for a message for some microseconds, unless the reader's [`Strategy`] or the machine speaks
    /// against it; tells whether there is one.
    ///
    /// For callers to whom the wait itself is dear, as it is to a binding that must let go of an
    /// interpreter for it: poll first, then [`KrenReader::wait_readable`].
    pub fn poll_readable(&mut self) -> bool {
        if self.endpoint.is_inherited() || !self.endpoint.spins() {
            return false;
        }
        let own = self.consumer.memory().page(Role::Reader);
        self.pace
            .found_empty(own, self.consumer.cursor(), self.consumer.usual_stride());
        for _ in 0..POLLS {
            if self.consumer.has_record() {
                return true;
            }
            self.consumer.prefetch();
            std::hint::spin_loop();
        }
        false
    }

    /// Waits until there is a message, for callers that have to look after something else
    /// meanwhile: `check` runs at least every 100 ms and after each signal, and an error of its ends
    /// the wait. `timeout` of `None` waits for ever.
    ///
    /// # Errors
    ///
    /// As [`KrenReader::read_timeout`]; whatever `check` returns;
    /// [`Error::Busy`](crate::Error::Busy) while a [`Waiter`] of this reader waits.
    pub fn wait_readable(
        &mut self,
        timeout: Option<Duration>,
        check: &mut dyn FnMut() -> Result<()>,
    ) -> Result<()> {
        self.endpoint.check_process()?;
        if self.moving {
            self.move_on()?;
        }
        // Here rather than in the wait below: nothing stands between a poll and the message.
        if self.poll_readable() {
            return Ok(());
        }
        self.wait_for_record(timeout, check)
    }

    pub(crate) fn wait_for_record(
        &mut self,
        timeout: Option<Duration>,
        check: Check<'_>,
    ) -> Result<()> {
        let consumer = &self.consumer;
        let is_checked = self.is_checked();
        let mut wait = Wait {
            ready: &mut || consumer.has_record() || is_checked && consumer.is_overtaken(),
            // Who does not hold its writer up may be any number of laps behind.
            sound: &|| match is_checked {
                true => Ok(()),
                false => consumer.check_empty(),
            },
            wanted: consumer.cursor() + 1,
            what: "message",
            timeout,
            evicts: false,
        };
        self.endpoint.wait(&mut wait, check)
    }

    /// A [`Waiter`] for the next message.
    ///
    /// # Errors
    ///
    /// [`Error::Forked`](crate::Error::Forked); [`Error::Corrupt`](crate::Error::Corrupt).
    pub fn message_waiter(&self) -> Result<Waiter> {
        self.endpoint.check_process()?;
        // Here, since the waiter itself cannot tell a lost header from one that was read meanwhile:
        // a caller that tries and waits in turns must not go round for ever.
        if !self.is_checked() {
            let sound = self.consumer.check_empty();
            sound.map_err(|error| self.endpoint.ring_error(error))?;
        }
        let memory = self.endpoint.memory();
        let header = self.consumer.header_offset();
        let cursor = self.consumer.cursor();
        let goal = Goal {
            ready: Box::new(move || {
                // The position as well: the endpoint's own thread may read on meanwhile, and then
                // other bytes stand where the header was.
                memory.header(header).load(Ordering::Acquire) as u32 != 0
                    || memory.position(Role::Writer).load(Ordering::Acquire) > cursor
            }),
            sound: Box::new(|| Ok(())),
            wanted: cursor + 1,
            what: "message",
            evicts: false,
        };
        Ok(Waiter::new(Arc::clone(&self.endpoint), goal))
    }

    /// The record that is handed out.
    #[inline]
    pub(crate) fn current(&self) -> Record {
        self.consumer.found(self.tag)
    }

    /// Whether messages are held, so that what is given back has to wait for them.
    #[inline]
    pub(crate) fn has_leases(&self) -> bool {
        self.leases.are_out()
    }

    /// Steps over a record and gives its bytes back.
    #[inline]
    fn release(&mut self) {
        // A message that was read before a `fork` is the parent's to release (G10).
        if self.endpoint.is_inherited() {
            return;
        }
        let record = self.current();
        self.consumer.advance(&record);
        if self.leases.are_out() && self.released_behind_leases() {
            return;
        }
        self.give_back();
    }

    /// Gives everything before the cursor back to the writer.
    #[inline]
    fn give_back(&mut self) {
        self.consumer.release();
        let memory = self.consumer.memory();
        self.waker.notify(
            memory.page(Role::Reader),
            memory.page(Role::Writer),
            self.endpoint.own_signal(),
            self.consumer.cursor(),
        );
    }
}

impl Drop for KrenReader {
    fn drop(&mut self) {
        self.depart();
    }
}

impl std::fmt::Debug for KrenReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KrenReader")
            .field("name", &self.name())
            .field("capacity", &self.capacity())
            .field("available", &self.available())
            .finish_non_exhaustive()
    }
}
