//! The writing side of a channel.

use crate::endpoint::{Check, Endpoint, PeerState, Strategy, Wait};
use crate::pace::lead;
use crate::ring::{Producer, RingError, Shape, Stage, copy};
use crate::ring_memory::RingMemory;
use crate::segment::{self, Access, Wish};
use crate::wait::Waker;
use crate::waiter::{Goal, Waiter};
use crate::{Result, Role};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How to create a channel; see [`KrenWriter::options`].
#[derive(Debug, Clone)]
pub struct WriterOptions {
    wish: Wish,
    access: Access,
    strategy: Strategy,
}

impl Default for WriterOptions {
    fn default() -> Self {
        Self {
            wish: Wish {
                capacity: 0,
                alignment: 8,
                mode: 0o600,
                fresh: false,
            },
            access: Access::default(),
            strategy: Strategy::default(),
        }
    }
}

impl WriterOptions {
    /// Permission bits of a segment that has to be made, whatever the umask. Default `0o600`: the
    /// owner alone.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.wish.mode = mode;
        self
    }

    /// Alignment of every payload in bytes: a power of two from 8 (default) to 4096.
    ///
    /// Each record's size is rounded up to it, so ask for more than 8 only where arrays need it.
    #[must_use]
    pub fn alignment(mut self, alignment: usize) -> Self {
        self.wish.alignment = alignment;
        self
    }

    /// Discards what an earlier writer left under the name: undelivered messages, another
    /// capacity, broken bytes. A reader still attached to the old ring gets what was committed
    /// there, then [`Error::Closed`](crate::Error::Closed).
    #[must_use]
    pub fn fresh(mut self, fresh: bool) -> Self {
        self.wish.fresh = fresh;
        self
    }

    /// Accepts an existing segment that belongs to another user. Default: refused.
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

    /// Makes the channel, on Windows in the namespace of the whole machine (`Global\`) instead of the session's own
    /// (`Local\`), so that services and users of other sessions find it too. Both sides must say so,
    /// and making such a channel takes a privilege that services and administrators have. No effect
    /// on other systems, whose names are machine-wide anyway.
    #[must_use]
    pub fn machine_wide(mut self, machine_wide: bool) -> Self {
        self.access.machine_wide = machine_wide;
        self
    }

    /// Creates the channel `name`, or goes on with it; see [`KrenWriter::create`].
    ///
    /// # Errors
    ///
    /// As [`KrenWriter::create`], and [`Error::InvalidOption`](crate::Error::InvalidOption).
    pub fn create(&self, name: &str, capacity: usize) -> Result<KrenWriter> {
        let wish = Wish {
            capacity,
            ..self.wish.clone()
        };
        let segment = segment::open_writer(name, &wish, self.access)?;
        let mapping = Arc::clone(segment.mapping());
        let shape = Shape::new(mapping.geometry());
        let producer = Producer::resume(RingMemory::new(mapping), shape)
            .map_err(|error| segment::broken_ring(segment.name(), error))?;
        let endpoint = Endpoint::attach(segment, Role::Writer, self.strategy)?;
        let waker = endpoint.waker();
        Ok(KrenWriter {
            producer,
            waker,
            endpoint,
        })
    }
}

/// The writing side of a channel. There is one per channel; the process that holds it may move it
/// between threads, but uses it from one at a time.
///
/// Dropping it closes the channel: the reader gets what was written, then
/// [`Error::Closed`](crate::Error::Closed).
pub struct KrenWriter {
    producer: Producer<RingMemory>,
    waker: Waker,
    endpoint: Arc<Endpoint>,
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
    /// the reader that should make it is gone. A channel that no reader has joined yet is waited
    /// on. [`Error::Forked`](crate::Error::Forked); [`Error::Corrupt`](crate::Error::Corrupt).
    #[inline]
    pub fn write(&mut self, data: &[u8]) -> Result<()> {
        self.write_within(0, data, None)
    }

    /// As [`KrenWriter::write`], with a tag of the user's own that the reader finds on the message.
    ///
    /// # Errors
    ///
    /// As [`KrenWriter::write`].
    #[inline]
    pub fn write_tagged(&mut self, tag: u32, data: &[u8]) -> Result<()> {
        self.write_within(tag, data, None)
    }

    /// As [`KrenWriter::write`], waiting `timeout` at most.
    ///
    /// # Errors
    ///
    /// As [`KrenWriter::write`], and [`Error::TimedOut`](crate::Error::TimedOut).
    #[inline]
    pub fn write_timeout(&mut self, data: &[u8], timeout: Duration) -> Result<()> {
        self.write_within(0, data, Some(timeout))
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

    #[inline]
    fn write_within(&mut self, tag: u32, data: &[u8], timeout: Option<Duration>) -> Result<()> {
        self.endpoint.check_process()?;
        match self.push(tag, data) {
            Ok(()) => Ok(()),
            Err(RingError::Full { .. }) => self.write_later(tag, data, timeout),
            Err(error) => Err(self.endpoint.ring_error(error)),
        }
    }

    #[cold]
    fn write_later(&mut self, tag: u32, data: &[u8], timeout: Option<Duration>) -> Result<()> {
        self.wait_writable(data.len(), timeout, &mut || Ok(()))?;
        self.push(tag, data)
            .map_err(|error| self.endpoint.ring_error(error))
    }

    #[inline]
    fn push(&mut self, tag: u32, data: &[u8]) -> std::result::Result<(), RingError> {
        let before = self.producer.position();
        self.producer.push(data, tag)?;
        self.published(before);
        Ok(())
    }

    /// What follows a publication that began at position `before`.
    #[inline]
    fn published(&mut self, before: u64) {
        let memory = self.producer.memory();
        // Relaxed: a hint.
        if memory
            .page(Role::Reader)
            .sleep
            .0
            .streaming
            .load(Ordering::Relaxed)
            == 1
        {
            self.producer
                .prefetch((self.producer.position() - before) as usize);
        }
        self.waker.notify(
            memory.page(Role::Writer),
            memory.page(Role::Reader),
            self.endpoint.own_signal(),
            self.producer.position(),
        );
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
        self.reserve_within(len, None)
    }

    /// As [`KrenWriter::reserve`], waiting `timeout` at most.
    ///
    /// # Errors
    ///
    /// As [`KrenWriter::write`], and [`Error::TimedOut`](crate::Error::TimedOut).
    #[inline]
    pub fn reserve_timeout(&mut self, len: usize, timeout: Duration) -> Result<Slot<'_>> {
        self.reserve_within(len, Some(timeout))
    }

    /// As [`KrenWriter::reserve`], if there is room now.
    ///
    /// # Errors
    ///
    /// As [`KrenWriter::try_write`].
    #[inline]
    pub fn try_reserve(&mut self, len: usize) -> Result<Slot<'_>> {
        self.endpoint.check_process()?;
        let stage = self.producer.stage();
        match self.producer.room(&stage, len) {
            Ok(room) => Ok(Slot::new(self, stage, room, len)),
            Err(error) => Err(self.endpoint.ring_error(error)),
        }
    }

    fn reserve_within(&mut self, len: usize, timeout: Option<Duration>) -> Result<Slot<'_>> {
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
            Ok(room) => Ok(Slot::new(self, stage, room, len)),
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

    /// The longest message, in bytes, that could be written now without waiting.
    #[must_use]
    pub fn available(&self) -> usize {
        self.producer.available()
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

    /// The channel's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.endpoint.name()
    }

    /// Who is on the reading side. Makes a system call unless nobody ever was.
    #[must_use]
    pub fn reader_state(&self) -> PeerState {
        self.endpoint.peer_state()
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
        match self.producer.room(stage, len) {
            Ok(_) => Ok(()),
            Err(RingError::Full { .. }) => {
                let wanted = self.producer.wanted(stage, len);
                if self.endpoint.spins() {
                    // Room for several messages costs the reader no more than room for one.
                    lead();
                }
                self.wait_until(wanted, "room", timeout, check)
            }
            Err(error) => Err(self.endpoint.ring_error(error)),
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
        let released = &self.endpoint.mapping().role_page(Role::Reader).position.0;
        let mut wait = Wait {
            // Acquire: pairs with the Release store in `Consumer::release`.
            ready: &mut || released.load(Ordering::Acquire) >= wanted,
            sound: &|| Ok(()),
            wanted,
            what,
            timeout,
        };
        self.endpoint.wait(&mut wait, check)
    }

    /// A [`Waiter`] for room for a message of `len` bytes.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`](crate::Error::TooLarge); [`Error::Forked`](crate::Error::Forked).
    pub fn room_waiter(&self, len: usize) -> Result<Waiter> {
        self.endpoint.check_process()?;
        let max = self.max_message_len();
        if len > max {
            return Err(self.endpoint.ring_error(RingError::TooLarge { len, max }));
        }
        let wanted = self.producer.wanted(&self.producer.stage(), len);
        let mapping = Arc::clone(self.endpoint.mapping());
        let goal = Goal {
            ready: Box::new(move || {
                mapping
                    .role_page(Role::Reader)
                    .position
                    .0
                    .load(Ordering::Acquire)
                    >= wanted
            }),
            sound: Box::new(|| Ok(())),
            wanted,
            what: "room",
        };
        Ok(Waiter::new(Arc::clone(&self.endpoint), goal))
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

/// Bytes reserved in the ring, to be filled in place: a `&mut [u8]` that is then committed.
///
/// Dropping it uncommitted aborts: the reader never sees anything of it. Its first content is
/// whatever the ring held before.
pub struct Slot<'a> {
    writer: &'a mut KrenWriter,
    stage: Stage,
    bytes: &'a mut [u8],
    tag: u32,
}

impl<'a> Slot<'a> {
    fn new(writer: &'a mut KrenWriter, stage: Stage, room: *mut u8, len: usize) -> Self {
        // SAFETY: `Producer::room` gave `len` mapped bytes that no record occupies and no reader
        // looks at; they stay so while the slot borrows the writer.
        #[allow(unsafe_code)]
        let bytes = unsafe { std::slice::from_raw_parts_mut(room, len) };
        Self {
            writer,
            stage,
            bytes,
            tag: 0,
        }
    }

    /// Sets the tag that the reader will find on the message. Default 0.
    pub fn set_tag(&mut self, tag: u32) {
        self.tag = tag;
    }

    /// Publishes the whole slot as one message. Does not block. Does nothing in a child made by
    /// `fork`.
    #[inline]
    pub fn commit(self) {
        let len = self.bytes.len();
        self.finish(len);
    }

    /// Publishes the first `len` bytes as one message. Does not block.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`](crate::Error::TooLarge) when `len` is more than was reserved;
    /// [`Error::Forked`](crate::Error::Forked). Nothing is published then.
    #[inline]
    pub fn commit_len(self, len: usize) -> Result<()> {
        self.writer.endpoint.check_process()?;
        let max = self.bytes.len();
        if len > max {
            return Err(self
                .writer
                .endpoint
                .ring_error(RingError::TooLarge { len, max }));
        }
        self.finish(len);
        Ok(())
    }

    #[inline]
    fn finish(mut self, len: usize) {
        // A slot that was reserved before a `fork` belongs to the parent (G10).
        if self.writer.endpoint.is_inherited() {
            return;
        }
        self.writer.producer.seal(&mut self.stage, len, self.tag);
        let before = self.writer.producer.position();
        self.writer.producer.publish(self.stage);
        self.writer.published(before);
    }
}

impl Deref for Slot<'_> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.bytes
    }
}

impl DerefMut for Slot<'_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.bytes
    }
}

impl std::fmt::Debug for Slot<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slot")
            .field("len", &self.bytes.len())
            .field("tag", &self.tag)
            .finish()
    }
}

/// Messages that become visible together; see [`KrenWriter::batch`].
///
/// Dropping it uncommitted aborts all of them.
pub struct Batch<'a> {
    writer: &'a mut KrenWriter,
    stage: Stage,
}

impl Batch<'_> {
    /// Adds one message, waiting for room if need be.
    ///
    /// # Errors
    ///
    /// As [`KrenWriter::write`]; [`Error::TooLarge`](crate::Error::TooLarge) also when the batch as
    /// a whole would outgrow the ring. What was pushed before stays in the batch.
    #[inline]
    pub fn push(&mut self, data: &[u8]) -> Result<()> {
        self.push_tagged(0, data)
    }

    /// As [`Batch::push`], with a tag.
    ///
    /// # Errors
    ///
    /// As [`Batch::push`].
    #[inline]
    pub fn push_tagged(&mut self, tag: u32, data: &[u8]) -> Result<()> {
        self.writer.endpoint.check_process()?;
        let room = match self.writer.producer.room(&self.stage, data.len()) {
            Err(RingError::Full { .. }) => {
                self.writer
                    .wait_for_room(&self.stage, data.len(), None, &mut || Ok(()))?;
                self.writer.producer.room(&self.stage, data.len())
            }
            room => room,
        };
        let room = room.map_err(|error| self.writer.endpoint.ring_error(error))?;
        // SAFETY: as in `Producer::push`.
        #[allow(unsafe_code)]
        unsafe {
            copy(data.as_ptr(), room, data.len());
        }
        self.writer.producer.seal(&mut self.stage, data.len(), tag);
        Ok(())
    }

    /// Publishes every message of the batch at once. Does not block. Does nothing in a child made
    /// by `fork`.
    #[inline]
    pub fn commit(self) {
        // A batch that was begun before a `fork` belongs to the parent (G10).
        if self.stage.is_empty() || self.writer.endpoint.is_inherited() {
            return;
        }
        let before = self.writer.producer.position();
        self.writer.producer.publish(self.stage);
        self.writer.published(before);
    }
}

impl std::fmt::Debug for Batch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batch")
            .field("channel", &self.writer.name())
            .finish_non_exhaustive()
    }
}
