//! The writing side of a channel.

mod awaiting;
mod batch;
mod options;
mod slot;

pub use self::batch::Batch;
pub use self::options::WriterOptions;
use self::slot::Reserved;
pub use self::slot::Slot;

use crate::awaiting::Awaiting;
use crate::endpoint::{Check, Endpoint, Wait};
use crate::layout::Schema;
use crate::pace::{ROOM_LEAD, lead};
use crate::registry::Registry;
use crate::ring::{Memory, Producer, RingError, Stage};
use crate::ring_memory::RingMemory;
use crate::segment::PeerState;
use crate::wait::{Herald, Waker};
use crate::waiter::{Goal, Waiter};
use crate::{Result, Role};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// What a writer waits for, as errors say it.
const ROOM: &str = "room";
/// Polls of [`KrenWriter::poll_writable`]: some microseconds.
const POLLS: u32 = 100;

/// Bytes of a publication from which on lines are fetched ahead; with less, asking costs more than it
/// gains.
const PREFETCH_FROM: u64 = 128;
/// Bytes of a publication up to which a lone one is handed over line by line; with more, the reader is
/// still at the first lines while the last are written.
const HAND_OVER_MAX: u64 = 2048;

/// The writing side of a channel. There is one per channel; the process that holds it may move it
/// between threads, but uses it from one at a time.
///
/// Dropping it closes the channel: the reader gets what was written, then
/// [`Error::Closed`](crate::Error::Closed).
pub struct KrenWriter {
    pub(crate) producer: Producer<RingMemory>,
    pub(crate) waker: Waker,
    /// Of a publisher, who has several to wake.
    pub(crate) herald: Option<Herald>,
    reserved: Reserved,
    awaiting: Awaiting,
    pub(crate) endpoint: Arc<Endpoint>,
    /// A sender's seat, where this is its lane. The last: who comes to the seat finds the lane closed.
    pub(crate) seat: Option<Box<Registry>>,
}

impl KrenWriter {
    /// Creates the channel `name` with room for `capacity` bytes of records, or goes on with it.
    ///
    /// `name` has 1 to 128 of the characters `a-z A-Z 0-9 . _ -`. `capacity` is rounded up to the
    /// page size; each message takes 8 bytes more than its length, rounded up to the alignment. All
    /// memory is reserved here (G6).
    ///
    /// A channel whose last writer is gone is continued: what that writer committed stays and the
    /// reader gets it first. Does not block, apart from some milliseconds to settle a race with a
    /// side that is closing.
    ///
    /// # Errors
    ///
    /// [`Error::WriterExists`](crate::Error::WriterExists) while another writer lives;
    /// [`Error::CapacityMismatch`](crate::Error::CapacityMismatch) when the channel exists with
    /// other figures and holds messages or has a reader;
    /// [`Error::InvalidName`](crate::Error::InvalidName);
    /// [`Error::InvalidCapacity`](crate::Error::InvalidCapacity);
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory);
    /// [`Error::PermissionDenied`](crate::Error::PermissionDenied);
    /// [`Error::Corrupt`](crate::Error::Corrupt);
    /// [`Error::VersionMismatch`](crate::Error::VersionMismatch); [`Error::Io`](crate::Error::Io).
    pub fn create(name: &str, capacity: usize) -> Result<Self> {
        WriterOptions::default().create(name, capacity)
    }

    /// Options for channels that need more than a name and a capacity.
    ///
    /// ```
    /// # use kren_core::KrenWriter;
    /// # let name = format!("doc-options-{}", std::process::id());
    /// let writer = KrenWriter::options().alignment(64).fresh(true).create(&name, 1 << 20)?;
    /// assert_eq!(writer.alignment(), 64);
    /// # Ok::<(), kren_core::Error>(())
    /// ```
    #[must_use]
    pub fn options() -> WriterOptions {
        WriterOptions::default()
    }

    /// Writes one message, waiting for room if need be.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`](crate::Error::TooLarge) when it can never fit; while waiting for room,
    /// [`Error::Closed`](crate::Error::Closed) or [`Error::PeerDied`](crate::Error::PeerDied) when
    /// the reader that should make it is gone, and [`Error::Removed`](crate::Error::Removed) when
    /// none can come any more, as the channel's name was taken away. A channel that no reader has joined
    /// yet is waited on. [`Error::Forked`](crate::Error::Forked); [`Error::Corrupt`](crate::Error::Corrupt).
    #[inline]
    pub fn write(&mut self, data: &[u8]) -> Result<()> {
        self.write_fast(0, data, None)
    }

    /// As [`KrenWriter::write`], with a tag of the user's own that the reader finds on the message.
    ///
    /// # Errors
    ///
    /// As [`KrenWriter::write`].
    #[inline]
    pub fn write_tagged(&mut self, tag: u32, data: &[u8]) -> Result<()> {
        self.write_fast(tag, data, None)
    }

    /// As [`KrenWriter::write`], waiting `timeout` at most.
    ///
    /// # Errors
    ///
    /// As [`KrenWriter::write`], and [`Error::TimedOut`](crate::Error::TimedOut).
    #[inline]
    pub fn write_timeout(&mut self, data: &[u8], timeout: Duration) -> Result<()> {
        self.write_fast(0, data, Some(timeout))
    }

    /// Writes one message if there is room now. Makes no system call unless the reader sleeps.
    ///
    /// # Errors
    ///
    /// [`Error::Full`](crate::Error::Full); [`Error::TooLarge`](crate::Error::TooLarge);
    /// [`Error::Forked`](crate::Error::Forked); [`Error::Corrupt`](crate::Error::Corrupt).
    #[inline]
    pub fn try_write(&mut self, data: &[u8]) -> Result<()> {
        self.try_write_tagged(0, data)
    }

    /// As [`KrenWriter::try_write`], with a tag.
    ///
    /// # Errors
    ///
    /// As [`KrenWriter::try_write`].
    #[inline]
    pub fn try_write_tagged(&mut self, tag: u32, data: &[u8]) -> Result<()> {
        self.endpoint.check_process()?;
        self.push(tag, data)
            .map_err(|error| self.endpoint.ring_error(error))
    }

    /// The fast way: a short message, and room for it as far as is known already.
    #[inline]
    fn write_fast(&mut self, tag: u32, data: &[u8], timeout: Option<Duration>) -> Result<()> {
        if !self.endpoint.is_inherited() && self.producer.push_short(data, tag) {
            self.wake_reader();
            return Ok(());
        }
        self.write_long(tag, data, timeout)
    }

    /// As fast, for messages of any length: out of line, so that what those need does not weigh on a short one.
    #[inline(never)]
    fn write_long(&mut self, tag: u32, data: &[u8], timeout: Option<Duration>) -> Result<()> {
        let before = self.producer.position();
        if !self.endpoint.is_inherited() && self.producer.push_long(data, tag) {
            self.published(before);
            return Ok(());
        }
        self.write_slow(tag, data, timeout)
    }

    /// The slow way: looks where the reader is, waits for room, and says what is wrong.
    #[cold]
    #[inline(never)]
    fn write_slow(&mut self, tag: u32, data: &[u8], timeout: Option<Duration>) -> Result<()> {
        self.endpoint.check_process()?;
        let mut written = self.push(tag, data);
        if let Err(RingError::Full { .. }) = written {
            self.wait_writable(data.len(), timeout, &mut || Ok(()))?;
            written = self.push(tag, data);
        }
        written.map_err(|error| self.endpoint.ring_error(error))
    }

    #[inline]
    fn push(&mut self, tag: u32, data: &[u8]) -> std::result::Result<(), RingError> {
        let before = self.producer.position();
        self.producer.push(data, tag)?;
        self.published(before);
        Ok(())
    }

    /// Writes a message of two pieces if it is short, and has room as far as is known already; else it does nothing and
    /// says `false`.
    #[inline]
    pub(crate) fn write_short_parts(&mut self, tag: u32, front: &[u8], body: &[u8]) -> bool {
        let is_written =
            !self.endpoint.is_inherited() && self.producer.push_short_parts(front, body, tag);
        if is_written {
            self.wake_reader();
        }
        is_written
    }

    /// What follows a publication that began at position `before`.
    #[inline]
    fn published(&mut self, before: u64) {
        self.hint(before);
        self.wake_reader();
    }

    /// Tells the processor where the lines of a publication that began at `before` are wanted next.
    #[inline(always)]
    pub(crate) fn hint(&self, before: u64) {
        let bytes = self.producer.position() - before;
        let reader = self.producer.memory().page(Role::Reader);
        if bytes >= PREFETCH_FROM {
            // Relaxed, as the pid: hints.
            if reader.sleep.0.streaming.load(Ordering::Relaxed) == 1 {
                self.producer.prefetch(bytes as usize);
            } else if bytes <= HAND_OVER_MAX && !self.endpoint.is_within_process() {
                self.producer.hand_over(bytes as usize);
            }
        }
    }

    #[inline]
    pub(crate) fn wake_reader(&mut self) -> bool {
        if self.herald.is_some() {
            return self.wake_subscribers();
        }
        let memory = self.producer.memory();
        self.waker.notify(
            memory.page(Role::Writer),
            memory.page(Role::Reader),
            self.endpoint.own_signal(),
            self.producer.position(),
        );
        true
    }

    fn wake_subscribers(&mut self) -> bool {
        let (Some(herald), Some(commons)) = (&mut self.herald, self.endpoint.commons()) else {
            return true;
        };
        herald.notify(
            &**self.endpoint.mapping(),
            commons,
            self.endpoint.own_signal(),
            self.producer.position(),
        )
    }

    /// Reserves `len` bytes in the ring, waiting for room if need be, to build a message in place.
    ///
    /// ```
    /// # use kren_core::{KrenReader, KrenWriter};
    /// # let name = format!("doc-reserve-{}", std::process::id());
    /// let mut writer = KrenWriter::create(&name, 1 << 20)?;
    /// let mut slot = writer.reserve(1000)?;
    /// slot[..5].copy_from_slice(b"frame");
    /// slot.commit_len(5)?;
    /// assert_eq!(KrenReader::connect(&name)?.read()?, b"frame");
    /// # Ok::<(), kren_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`KrenWriter::write`].
    #[inline]
    pub fn reserve(&mut self, len: usize) -> Result<Slot<'_>> {
        self.reserve_fast(len, None)
    }

    /// As [`KrenWriter::reserve`], waiting `timeout` at most.
    ///
    /// # Errors
    ///
    /// As [`KrenWriter::write`], and [`Error::TimedOut`](crate::Error::TimedOut).
    #[inline]
    pub fn reserve_timeout(&mut self, len: usize, timeout: Duration) -> Result<Slot<'_>> {
        self.reserve_fast(len, Some(timeout))
    }

    /// As [`KrenWriter::reserve`], if there is room now.
    ///
    /// A slot that was dropped, and is asked for again with nothing written in between, lies where it
    /// lay and holds what it held: for callers that cannot keep the borrow while they fill it.
    ///
    /// # Errors
    ///
    /// As [`KrenWriter::try_write`].
    #[inline]
    pub fn try_reserve(&mut self, len: usize) -> Result<Slot<'_>> {
        self.endpoint.check_process()?;
        let stage = self.producer.stage();
        match self.producer.room(&stage, len) {
            Ok(_) => Ok(Slot::new(self, len)),
            Err(error) => Err(self.endpoint.ring_error(error)),
        }
    }

    /// The fast way: there is room as far as is known already.
    #[inline]
    fn reserve_fast(&mut self, len: usize, timeout: Option<Duration>) -> Result<Slot<'_>> {
        if !self.endpoint.is_inherited() && self.producer.has_room(len) {
            return Ok(Slot::new(self, len));
        }
        self.reserve_slow(len, timeout)
    }

    /// The slow way: looks where the reader is, waits for room, and says what is wrong.
    #[inline(never)]
    fn reserve_slow(&mut self, len: usize, timeout: Option<Duration>) -> Result<Slot<'_>> {
        self.endpoint.check_process()?;
        let stage = self.producer.stage();
        let room = match self.producer.room(&stage, len) {
            Err(RingError::Full { .. }) => {
                self.wait_writable(len, timeout, &mut || Ok(()))?;
                self.producer.room(&stage, len)
            }
            room => room,
        };
        match room {
            Ok(_) => Ok(Slot::new(self, len)),
            Err(error) => Err(self.endpoint.ring_error(error)),
        }
    }

    /// Starts a batch: messages that become visible together, at [`Batch::commit`].
    ///
    /// ```
    /// # use kren_core::{KrenReader, KrenWriter};
    /// # let name = format!("doc-batch-{}", std::process::id());
    /// let mut writer = KrenWriter::create(&name, 1 << 20)?;
    /// let mut batch = writer.batch();
    /// batch.push(b"debit")?;
    /// batch.push(b"credit")?;
    /// batch.commit();
    /// let mut reader = KrenReader::connect(&name)?;
    /// assert_eq!(reader.read()?, b"debit");
    /// assert_eq!(reader.read()?, b"credit");
    /// # Ok::<(), kren_core::Error>(())
    /// ```
    pub fn batch(&mut self) -> Batch<'_> {
        let stage = self.producer.stage();
        Batch {
            writer: self,
            stage,
        }
    }

    /// Waits until the reader has released everything, however long it takes.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`](crate::Error::Closed) or [`Error::PeerDied`](crate::Error::PeerDied) when
    /// the reader went before it was done; a reader that has not come yet is waited for.
    /// [`Error::Forked`](crate::Error::Forked).
    pub fn flush(&mut self) -> Result<()> {
        self.wait_drained(None, &mut || Ok(()))
    }

    /// As [`KrenWriter::flush`], waiting `timeout` at most.
    ///
    /// # Errors
    ///
    /// As [`KrenWriter::flush`], and [`Error::TimedOut`](crate::Error::TimedOut).
    pub fn drain(&mut self, timeout: Duration) -> Result<()> {
        self.wait_drained(Some(timeout), &mut || Ok(()))
    }

    /// The longest message, in bytes, that could be written now without waiting; 0 in a child made by `fork`.
    #[must_use]
    pub fn available(&self) -> usize {
        if self.endpoint.is_inherited() {
            return 0;
        }
        self.producer.available()
    }

    /// Whether a message of `len` bytes could be written now without waiting.
    pub(crate) fn has_room(&self, len: usize) -> bool {
        len <= self.producer.available() && self.producer.has_any_room()
    }

    /// Bytes of records the ring holds: what was asked for, rounded up to the page size.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.endpoint.mapping().geometry().capacity
    }

    /// The longest message, in bytes, that this channel can ever carry: capacity less 8.
    #[must_use]
    pub fn max_message_len(&self) -> usize {
        self.endpoint.mapping().geometry().max_message_len()
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

    /// Who is on the reading side; [`PeerState::Unknown`] in a child made by `fork`, and where this process has
    /// closed the endpoint's lock (see [`KrenWriter::check_usable`]). Makes a system call.
    #[must_use]
    pub fn reader_state(&self) -> PeerState {
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
    /// A writer that waits is told by [`Error::Removed`](crate::Error::Removed); one that never waits may ask now and then.
    ///
    /// ```
    /// # use kren_core::{KrenReader, KrenWriter};
    /// # let name = format!("doc-removed-writer-{}", std::process::id());
    /// let mut writer = KrenWriter::create(&name, 4096)?;
    /// let reader = KrenReader::connect(&name)?;
    /// assert!(!writer.is_removed());
    /// writer.write(b"last words")?;
    /// writer.close_discarding()?; // which removes the name
    /// assert!(reader.is_removed());
    /// # Ok::<(), kren_core::Error>(())
    /// ```
    #[must_use]
    pub fn is_removed(&self) -> bool {
        match &self.seat {
            Some(registry) => registry.is_removed(),
            None => !self.endpoint.is_inherited() && !self.endpoint.is_named(),
        }
    }

    /// Closes the channel: the reader gets what was written, then
    /// [`Error::Closed`](crate::Error::Closed). The last side to close a channel with nothing left
    /// to deliver removes its name.
    ///
    /// Dropping the writer does the same; this says so, and reports an inherited endpoint.
    ///
    /// # Errors
    ///
    /// [`Error::Forked`](crate::Error::Forked).
    pub fn close(self) -> Result<()> {
        self.endpoint.check_process()
    }

    /// As [`KrenWriter::close`], and what is undelivered may go: where that is something, the name is removed at once. A reader
    /// that is attached still gets it, then [`Error::Closed`](crate::Error::Closed); one that comes later finds no
    /// channel, and the next writer starts anew.
    ///
    /// For a stream that is worth nothing once its writer has ended: without this the rest waits for the
    /// next reader, which may come tomorrow.
    ///
    /// ```
    /// # use kren_core::{Error, KrenReader, KrenWriter};
    /// # let name = format!("doc-discard-{}", std::process::id());
    /// let mut writer = KrenWriter::create(&name, 4096)?;
    /// writer.write(b"nobody reads this")?;
    /// writer.close_discarding()?;
    /// assert!(matches!(KrenReader::connect(&name), Err(Error::NotFound { .. })));
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Forked`](crate::Error::Forked); [`Error::PermissionDenied`](crate::Error::PermissionDenied) when the
    /// name belongs to another user, who alone may remove it: then the writer is closed, and what is undelivered stays.
    pub fn close_discarding(self) -> Result<()> {
        self.endpoint.check_process()?;
        if self.producer.is_drained() {
            return Ok(());
        }
        self.endpoint.detach_discarding()
    }

    /// Polls for room for a message of `len` bytes for some microseconds, unless the writer's
    /// [`Strategy`](crate::Strategy) or the machine speaks against it; tells whether it is worth another try.
    ///
    /// For callers to whom the wait itself is dear, as it is to a binding that must let go of an
    /// interpreter for it: poll first, then [`KrenWriter::wait_writable`].
    pub fn poll_writable(&mut self, len: usize) -> bool {
        if self.endpoint.is_inherited() || !self.endpoint.spins() {
            return false;
        }
        // Room for several messages costs the reader no more than room for one.
        lead(ROOM_LEAD);
        let stage = self.producer.stage();
        for _ in 0..POLLS {
            match self.producer.room(&stage, len) {
                Err(RingError::Full { .. }) => std::hint::spin_loop(),
                _ => return true,
            }
        }
        false
    }

    /// Waits until a message of `len` bytes fits, for callers that have to look after something
    /// else meanwhile: `check` runs at least every 100 ms and after each signal, and an error of
    /// its ends the wait. `timeout` of `None` waits for ever.
    ///
    /// # Errors
    ///
    /// As [`KrenWriter::write_timeout`]; whatever `check` returns;
    /// [`Error::Busy`](crate::Error::Busy) while a [`Waiter`] of this writer waits.
    pub fn wait_writable(
        &mut self,
        len: usize,
        timeout: Option<Duration>,
        check: &mut dyn FnMut() -> Result<()>,
    ) -> Result<()> {
        let stage = self.producer.stage();
        self.wait_for_room(&stage, len, timeout, check)
    }

    fn wait_for_room(
        &mut self,
        stage: &Stage,
        len: usize,
        timeout: Option<Duration>,
        check: Check<'_>,
    ) -> Result<()> {
        self.endpoint.check_process()?;
        let mut waiting_since = None;
        loop {
            match self.producer.room(stage, len) {
                Ok(_) => return Ok(()),
                Err(RingError::Full { .. }) => {}
                Err(error) => return Err(self.endpoint.ring_error(error)),
            }
            // Again where a subscriber has joined further back in the moment in which there was room: that room is nobody's
            // before the look that binds (B2).
            let left = waiting_since.map_or(timeout, |since: Instant| {
                timeout.map(|timeout| timeout.saturating_sub(since.elapsed()))
            });
            if timeout.is_some() {
                waiting_since.get_or_insert_with(Instant::now);
            }
            let wanted = self.producer.wanted(stage, len);
            if self.endpoint.spins() {
                // Room for several messages costs the reader no more than room for one.
                lead(ROOM_LEAD);
            }
            self.wait_until(wanted, ROOM, left, check)?;
        }
    }

    /// Waits until the reader has released everything; the parameters are those of
    /// [`KrenWriter::wait_writable`].
    ///
    /// # Errors
    ///
    /// As [`KrenWriter::drain`]; whatever `check` returns; [`Error::Busy`](crate::Error::Busy).
    pub fn wait_drained(
        &mut self,
        timeout: Option<Duration>,
        check: &mut dyn FnMut() -> Result<()>,
    ) -> Result<()> {
        self.endpoint.check_process()?;
        if self.producer.is_drained() {
            return Ok(());
        }
        self.wait_until(self.producer.position(), "end of delivery", timeout, check)
    }

    fn wait_until(
        &self,
        wanted: u64,
        what: &'static str,
        timeout: Option<Duration>,
        check: Check<'_>,
    ) -> Result<()> {
        let mut wait = Wait {
            ready: &mut || self.producer.has_released(wanted),
            sound: &|| Ok(()),
            wanted,
            what,
            timeout,
            evicts: what == ROOM,
        };
        self.endpoint.wait(&mut wait, check)
    }

    /// Refuses a length that can never fit.
    pub(crate) fn check_len(&self, len: usize) -> Result<()> {
        let max = self.max_message_len();
        if len > max {
            return Err(self.endpoint.ring_error(RingError::TooLarge { len, max }));
        }
        Ok(())
    }

    /// A [`Waiter`] for room for a message of `len` bytes.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`](crate::Error::TooLarge); [`Error::Forked`](crate::Error::Forked).
    pub fn room_waiter(&self, len: usize) -> Result<Waiter> {
        self.endpoint.check_process()?;
        self.check_len(len)?;
        let wanted = self.producer.wanted(&self.producer.stage(), len);
        Ok(self.release_waiter(wanted, ROOM))
    }

    /// Whether the reader has released everything that was written.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.producer.is_drained()
    }

    /// A [`Waiter`] for the reader to have released everything that is written by now.
    ///
    /// # Errors
    ///
    /// [`Error::Forked`](crate::Error::Forked).
    pub fn drained_waiter(&self) -> Result<Waiter> {
        self.endpoint.check_process()?;
        Ok(self.release_waiter(self.producer.position(), "end of delivery"))
    }

    fn release_waiter(&self, wanted: u64, what: &'static str) -> Waiter {
        let memory = self.endpoint.memory();
        let (written, capacity) = (self.producer.position(), self.capacity() as u64);
        let goal = Goal {
            ready: Box::new(move || memory.slowest(written, capacity) >= wanted),
            sound: Box::new(|| Ok(())),
            wanted,
            what,
            evicts: what == ROOM,
        };
        Waiter::new(Arc::clone(&self.endpoint), goal)
    }
}

impl Drop for KrenWriter {
    fn drop(&mut self) {
        self.endpoint.detach(|| self.producer.is_drained());
    }
}

impl std::fmt::Debug for KrenWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KrenWriter")
            .field("name", &self.name())
            .field("capacity", &self.capacity())
            .field("available", &self.available())
            .finish_non_exhaustive()
    }
}
