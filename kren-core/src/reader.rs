//! The reading side of a channel.

use crate::endpoint::{Endpoint, PeerState, Strategy, Wait};
use crate::layout::RECORD_HEADER;
use crate::pace::Pace;
use crate::ring::{Consumer, Memory, Record, Shape};
use crate::ring_memory::RingMemory;
use crate::segment::{self, Access};
use crate::wait::Waker;
use crate::waiter::{Goal, Waiter};
use crate::{Result, Role};
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Polls before a waiting reader turns to the clock: some microseconds.
const POLLS: u32 = 100;

/// How to connect to a channel; see [`KrenReader::options`].
#[derive(Debug, Clone, Default)]
pub struct ReaderOptions {
    timeout: Duration,
    access: Access,
    strategy: Strategy,
}

impl ReaderOptions {
    /// How long to wait for a channel that does not exist yet. Default: not at all.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
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
    /// As [`KrenReader::connect`].
    pub fn connect(&self, name: &str) -> Result<KrenReader> {
        let segment = segment::open_reader(name, self.timeout, self.access)?;
        let mapping = Arc::clone(segment.mapping());
        let shape = Shape::new(mapping.geometry());
        let consumer = Consumer::resume(RingMemory::new(mapping), shape)
            .map_err(|error| segment::broken_ring(segment.name(), error))?;
        let endpoint = Endpoint::attach(segment, Role::Reader, self.strategy)?;
        let waker = endpoint.waker();
        Ok(KrenReader {
            consumer,
            waker,
            pace: Pace::default(),
            current: Record::default(),
            endpoint,
        })
    }
}

/// The reading side of a channel. There is one per channel; the process that holds it may move it
/// between threads, but uses it from one at a time.
///
/// Dropping it closes this side. Messages not yet read stay for a later reader.
pub struct KrenReader {
    consumer: Consumer<RingMemory>,
    waker: Waker,
    pace: Pace,
    /// The record that is handed out, as long as a [`Message`] lives.
    current: Record,
    endpoint: Arc<Endpoint>,
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
    /// when the writer has closed, [`Error::PeerDied`](crate::Error::PeerDied) when it died. After
    /// either, the next call waits again if a new writer has taken over.
    /// [`Error::Corrupt`](crate::Error::Corrupt); [`Error::Forked`](crate::Error::Forked).
    #[inline]
    pub fn read(&mut self) -> Result<Message<'_>> {
        self.read_within(None)
    }

    /// As [`KrenReader::read`], waiting `timeout` at most.
    ///
    /// # Errors
    ///
    /// As [`KrenReader::read`], and [`Error::TimedOut`](crate::Error::TimedOut).
    #[inline]
    pub fn read_timeout(&mut self, timeout: Duration) -> Result<Message<'_>> {
        self.read_within(Some(timeout))
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
        match self.consumer.peek() {
            Ok(Some(record)) => Ok(Some(self.hand_out(record))),
            Ok(None) => Ok(None),
            Err(error) => Err(self.endpoint.ring_error(error)),
        }
    }

    #[inline]
    fn read_within(&mut self, timeout: Option<Duration>) -> Result<Message<'_>> {
        self.endpoint.check_process()?;
        match self.consumer.peek() {
            Ok(Some(record)) => Ok(self.hand_out(record)),
            Ok(None) => self.read_later(timeout),
            Err(error) => Err(self.endpoint.ring_error(error)),
        }
    }

    #[cold]
    #[inline(never)]
    fn read_later(&mut self, timeout: Option<Duration>) -> Result<Message<'_>> {
        loop {
            self.wait_readable(timeout, &mut || Ok(()))?;
            match self.consumer.peek() {
                Ok(Some(record)) => return Ok(self.hand_out(record)),
                Ok(None) => {}
                Err(error) => return Err(self.endpoint.ring_error(error)),
            }
        }
    }

    #[inline]
    fn hand_out(&mut self, record: Record) -> Message<'_> {
        debug_assert!(record.len + RECORD_HEADER <= self.capacity());
        self.current = record;
        Message { reader: self }
    }

    /// Bytes of the ring that hold unread messages, record headers included; 0 when there is
    /// nothing to read.
    #[must_use]
    pub fn available(&self) -> usize {
        self.consumer.available()
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

    /// The channel's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.endpoint.name()
    }

    /// Whether no writer is attached any more, because it closed or because it died. Messages may
    /// still be waiting. Makes a system call.
    #[must_use]
    pub fn is_writer_closed(&self) -> bool {
        matches!(self.writer_state(), PeerState::Closed | PeerState::Died)
    }

    /// Who is on the writing side. Makes a system call.
    #[must_use]
    pub fn writer_state(&self) -> PeerState {
        self.endpoint.peer_state()
    }

    /// Closes this side. The last side to close a channel with nothing left to deliver removes its
    /// name.
    ///
    /// Dropping the reader does the same; this says so, and reports an inherited endpoint.
    ///
    /// # Errors
    ///
    /// [`Error::Forked`](crate::Error::Forked).
    pub fn close(self) -> Result<()> {
        self.endpoint.check_process()
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
        if self.endpoint.spins() {
            let own = self.consumer.memory().page(Role::Reader);
            self.pace
                .found_empty(own, self.consumer.cursor(), self.consumer.usual_stride());
            // Here rather than in the wait below: nothing stands between a poll and the message.
            for _ in 0..POLLS {
                if self.consumer.has_record() {
                    return Ok(());
                }
                std::hint::spin_loop();
            }
        }
        let consumer = &self.consumer;
        let mut wait = Wait {
            ready: &mut || consumer.has_record(),
            sound: &|| consumer.check_empty(),
            wanted: consumer.cursor() + 1,
            what: "message",
            timeout,
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
        self.consumer
            .check_empty()
            .map_err(|error| self.endpoint.ring_error(error))?;
        let memory = RingMemory::new(Arc::clone(self.endpoint.mapping()));
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
        };
        Ok(Waiter::new(Arc::clone(&self.endpoint), goal))
    }

    /// Steps over a record and gives its bytes back.
    #[inline]
    fn release(&mut self) {
        // A message that was read before a `fork` is the parent's to release (G10).
        if self.endpoint.is_inherited() {
            return;
        }
        let end = self.current.end;
        self.consumer.advance(&self.current);
        self.consumer.release(end);
        let memory = self.consumer.memory();
        self.waker.notify(
            memory.page(Role::Reader),
            memory.page(Role::Writer),
            self.endpoint.own_signal(),
            end,
        );
    }
}

impl Drop for KrenReader {
    fn drop(&mut self) {
        self.endpoint.detach(|| self.consumer.is_drained());
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

/// One message, where it lies in the ring: a `&[u8]`, and the tag it was written with.
///
/// Dropping it releases its bytes to the writer. Copy with [`<[u8]>::to_vec`] what must live longer.
/// A message that is not dropped ([`Message::keep`], [`std::mem::forget`]) stays the next one.
pub struct Message<'a> {
    /// Holds the record, in `current`. The message itself is one pointer: a larger one would travel
    /// from `read` to its user through memory, stored in words and loaded in vectors, which costs
    /// more than all the rest of a short message.
    reader: &'a mut KrenReader,
}

impl Message<'_> {
    #[inline]
    fn bytes(&self) -> &[u8] {
        let record = &self.reader.current;
        let payload = self.reader.consumer.payload(record);
        // SAFETY: the record was committed and validated: `len` mapped bytes, which the writer
        // leaves alone until they are released, in `drop`, while the message borrows the reader.
        #[allow(unsafe_code)]
        unsafe {
            std::slice::from_raw_parts(payload, record.len)
        }
    }

    /// The tag the message was written with; 0 unless the writer chose one.
    #[must_use]
    pub fn tag(&self) -> u32 {
        self.reader.current.tag
    }

    /// Leaves the message in the ring: the next read gets it again.
    ///
    /// For a caller that could not take it, say because there was no memory for a copy.
    pub fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Message<'_> {
    #[inline]
    fn drop(&mut self) {
        self.reader.release();
    }
}

impl Deref for Message<'_> {
    type Target = [u8];
    #[inline]
    fn deref(&self) -> &[u8] {
        self.bytes()
    }
}

impl AsRef<[u8]> for Message<'_> {
    fn as_ref(&self) -> &[u8] {
        self.bytes()
    }
}

impl std::fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Message")
            .field("tag", &self.tag())
            .field("bytes", &self.bytes())
            .finish()
    }
}

impl Eq for Message<'_> {}

impl PartialEq for Message<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes() && self.tag() == other.tag()
    }
}

impl PartialEq<[u8]> for Message<'_> {
    fn eq(&self, other: &[u8]) -> bool {
        self.bytes() == other
    }
}

impl PartialEq<&[u8]> for Message<'_> {
    fn eq(&self, other: &&[u8]) -> bool {
        self.bytes() == *other
    }
}

impl<const N: usize> PartialEq<[u8; N]> for Message<'_> {
    fn eq(&self, other: &[u8; N]) -> bool {
        self.bytes() == other
    }
}

impl<const N: usize> PartialEq<&[u8; N]> for Message<'_> {
    fn eq(&self, other: &&[u8; N]) -> bool {
        self.bytes() == *other
    }
}

impl PartialEq<Vec<u8>> for Message<'_> {
    fn eq(&self, other: &Vec<u8>) -> bool {
        self.bytes() == other.as_slice()
    }
}
