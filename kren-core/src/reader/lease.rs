//! Messages that are held: several at a time, for as long as one likes, given back in any order.
//!
//! A [`Message`](super::Message) borrows its reader, so there is one at a time. A [`Lease`] is owned. The
//! reader steps over its message and reads on, and the writer gets the bytes back when the lease
//! and all that were read before it have been released.
//!
//! A reader without leases pays one predicted branch per message for this. As long as there are any, all
//! releases, the leases' and the reader's own, go through one [`Ledger`], under its lock:
//!
//! - E1: the stored read position is the end of the longest run of released records from the first
//!   one on. It is stored under the lock, or by the reader while no lease is out.
//! - E2: `Leases::out` is cleared by the reader alone, having found the ledger empty under its lock; so
//!   what other threads stored there comes before what the reader stores next.
//! - E3: the role is held as long as a lease is out, also when the reader has closed meanwhile: nobody
//!   else can release what a lease shows.
#![allow(unsafe_code)]

use super::KrenReader;
use crate::Mapped;
use crate::Role;
use crate::endpoint::Endpoint;
use crate::ring;
use crate::ring::Memory;
use crate::ring_memory::RingMemory;
use crate::sync::Ordering;
use crate::wait::Waker;
use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A message that is held in the ring: a `&[u8]` of its own, without a borrow of the reader.
///
/// Made by [`Message::into_lease`](super::Message::into_lease). Any number may be held, moved to other
/// threads, and dropped there in any order; the writer gets bytes back from the oldest on, up to the
/// first message that is still held. A ring that is full of held messages blocks its writer:
/// [`KrenReader::held`] tells how much they take.
///
/// A lease outlives its reader. The writer is told at once that the reader has closed; the role, and with
/// it the right to release, goes with the last lease. In a child made by `fork` a lease can be
/// looked at, and releases nothing (G10).
///
/// ```
/// # use kren_core::{KrenReader, KrenWriter};
/// # let name = format!("doc-lease-{}", std::process::id());
/// let mut writer = KrenWriter::create(&name, 4096)?;
/// writer.write(b"first")?;
/// writer.write(b"second")?;
/// let mut reader = KrenReader::connect(&name)?;
/// let first = reader.read()?.into_lease();
/// let second = reader.read()?.into_lease();
/// assert_eq!((&first[..], &second[..]), (&b"first"[..], &b"second"[..]));
/// assert_eq!(reader.held(), 32);
/// drop(second);
/// assert_eq!(reader.held(), 32);
/// drop(first);
/// assert_eq!(reader.held(), 0);
/// # Ok::<(), kren_core::Error>(())
/// ```
pub struct Lease {
    payload: *const u8,
    len: usize,
    tag: u32,
    /// Its record's in the ledger. `None`: the payload is a copy of the lease's own.
    number: Option<u64>,
    /// It is left to the next reader.
    is_kept: bool,
    ledger: Arc<Ledger>,
}

// SAFETY: `payload` leads into the mapping that `ledger` keeps, to bytes that nobody stores into until
// this lease is released (E1, E3), or to a copy of this lease's own; the ledger is Sync.
unsafe impl Send for Lease {}
// SAFETY: as for `Send`; a shared lease only reads.
unsafe impl Sync for Lease {}

impl Lease {
    /// The channel it came through.
    pub(crate) fn channel(&self) -> &Arc<str> {
        self.ledger.endpoint.name()
    }

    /// The tag the message was written with; 0 unless the writer chose one.
    #[must_use]
    pub fn tag(&self) -> u32 {
        self.tag
    }

    /// Keeps the channel's memory mapped as long as the result lives.
    #[must_use]
    pub fn mapped(&self) -> Mapped {
        Mapped::of(&self.ledger.endpoint)
    }

    /// Leaves the message in the channel: the reader that comes next gets it, and all that was read after it. For a reader that is
    /// about to close, since this one releases nothing any more from here on.
    ///
    /// A copy, which a subscriber's lease may be, was released already, and is let go.
    pub fn keep(mut self) {
        self.leave();
    }

    pub(crate) fn leave(&mut self) {
        if let Some(number) = self.number {
            self.ledger.keep(number);
            self.is_kept = true;
        }
    }

    fn own_copy(&self) -> *mut [u8] {
        std::ptr::slice_from_raw_parts_mut(self.payload.cast_mut(), self.len)
    }
}

impl Deref for Lease {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: a committed and validated record of `len` mapped bytes; not released before the
        // lease is dropped, by nobody (E1, E3). Or a copy, which lives as long.
        unsafe { std::slice::from_raw_parts(self.payload, self.len) }
    }
}

impl AsRef<[u8]> for Lease {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        match self.number {
            Some(_) if self.is_kept => {}
            Some(number) => self.ledger.release(number),
            // SAFETY: made by `Box::into_raw` in `KrenReader::lease`, and given up here.
            None => drop(unsafe { Box::from_raw(self.own_copy()) }),
        }
    }
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lease")
            .field("channel", self.ledger.endpoint.name())
            .field("tag", &self.tag)
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

/// What a reader knows of its leases.
#[derive(Default)]
pub(super) struct Leases {
    /// There may be leases, so nothing is released but through the ledger (E2).
    out: bool,
    /// Kept when the leases are gone: the next ones need no new one.
    ledger: Option<Arc<Ledger>>,
}

impl Leases {
    #[inline]
    pub(super) fn are_out(&self) -> bool {
        self.out
    }
}

/// The records that leases hold, and those behind them that wait to be released.
struct Ledger {
    endpoint: Arc<Endpoint>,
    memory: RingMemory,
    book: Mutex<Book>,
}

struct Book {
    /// From the oldest that is held on.
    entries: VecDeque<Entry>,
    /// The number of the first entry.
    first: u64,
    waker: Waker,
    /// Set when the reader has closed.
    departed: Option<Departed>,
}

/// What a reader that has closed leaves to its last lease.
struct Departed {
    /// Whether nothing is left to deliver.
    drained: Box<dyn FnOnce() -> bool + Send>,
    afterwards: Option<Afterwards>,
}

/// What is to be done when the last lease of a closed reader is gone, and its role with it.
pub(crate) type Afterwards = Box<dyn FnOnce() + Send + Sync>;

struct Entry {
    /// Position behind its record, and behind the released records that follow it.
    end: u64,
    /// Messages up to there.
    count: u64,
    fate: Fate,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Held,
    Released,
    /// Neither: for the next reader.
    Kept,
}

impl Book {
    /// Nobody holds anything that this side could still release.
    fn is_settled(&self) -> bool {
        self.entries.iter().all(|entry| entry.fate != Fate::Held)
    }
}

impl Ledger {
    fn new(endpoint: &Arc<Endpoint>, waker: Waker) -> Self {
        Self {
            memory: endpoint.memory(),
            endpoint: Arc::clone(endpoint),
            book: Mutex::new(Book {
                entries: VecDeque::new(),
                first: 0,
                waker,
                departed: None,
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a record that is held, ends at `end` and is message `count`; gives its number.
    fn enter(&self, end: u64, count: u64) -> u64 {
        let mut book = self.lock();
        let number = book.first + book.entries.len() as u64;
        book.entries.push_back(Entry {
            end,
            count,
            fate: Fate::Held,
        });
        number
    }

    /// Releases a lease's record, and all that only waited for it.
    fn release(&self, number: u64) {
        // The parent's to release (G10); its lock may be held by a thread that this process lacks.
        if self.endpoint.is_inherited() {
            return;
        }
        let mut book = self.lock();
        let at = (number - book.first) as usize;
        book.entries[at].fate = Fate::Released;
        let mut reached = None;
        while let Some(entry) = book.entries.front()
            && entry.fate == Fate::Released
        {
            reached = Some((entry.end, entry.count));
            book.entries.pop_front();
            book.first += 1;
        }
        if let Some((reached, count)) = reached {
            // Loads of the payloads in other threads happen before, through the lock (R8).
            ring::release(&self.memory, reached, count);
            let (own, peer) = (
                self.memory.page(Role::Reader),
                self.memory.page(Role::Writer),
            );
            book.waker
                .notify(own, peer, self.endpoint.own_signal(), reached);
        }
        self.settle(book);
    }

    /// A lease's record is left to the next reader.
    fn keep(&self, number: u64) {
        if self.endpoint.is_inherited() {
            return;
        }
        let mut book = self.lock();
        let at = (number - book.first) as usize;
        book.entries[at].fate = Fate::Kept;
        self.settle(book);
    }

    /// Gives the role back if the reader has closed and this was the last lease.
    fn settle(&self, mut book: MutexGuard<'_, Book>) {
        if !book.is_settled() {
            return;
        }
        let is_empty = book.entries.is_empty();
        if let Some(departed) = book.departed.take() {
            drop(book);
            self.endpoint.give_back(|| is_empty && (departed.drained)());
            if let Some(afterwards) = departed.afterwards {
                afterwards();
            }
        }
    }
}

impl KrenReader {
    /// Steps over the current record, which a lease then holds.
    pub(super) fn lease(&mut self) -> Lease {
        let record = self.current();
        let new = || Arc::new(Ledger::new(&self.endpoint, self.waker.clone()));
        let ledger = self.leases.ledger.get_or_insert_with(new);
        // A message that was read before a `fork` is the parent's to release (G10).
        let ledger = Arc::clone(ledger);
        if let Some(copy) = self.copied() {
            // What may be overwritten is never lent: the lease gets a copy, and the record is released.
            let copy: Box<[u8]> = copy.into();
            let lease = Lease {
                len: copy.len(),
                payload: Box::into_raw(copy).cast(),
                tag: record.tag,
                number: None,
                is_kept: false,
                ledger,
            };
            self.release();
            return lease;
        }
        let number = if self.endpoint.is_inherited() {
            0
        } else {
            self.leases.out = true;
            ledger.enter(record.end, self.consumer.count() + 1)
        };
        let lease = Lease {
            payload: self.consumer.payload(&record),
            len: record.len,
            tag: record.tag,
            number: Some(number),
            is_kept: false,
            ledger,
        };
        self.consumer.advance(&record);
        self.endpoint.has_read_to(self.consumer.cursor());
        lease
    }

    /// Releases what ends at the cursor and lies behind leases; tells whether that was done. `false`: they
    /// have all gone meanwhile.
    #[cold]
    pub(super) fn released_behind_leases(&mut self) -> bool {
        if let Some(ledger) = &self.leases.ledger
            && let Some(last) = ledger.lock().entries.back_mut()
        {
            last.end = self.consumer.cursor();
            last.count = self.consumer.count();
            self.endpoint.has_read_to(last.end);
            return true;
        }
        self.leases.out = false;
        false
    }

    /// Closes this side, which may have leases out.
    pub(super) fn depart(&mut self) {
        let Some(ledger) = self.leases.ledger.take().filter(|_| self.leases.out) else {
            self.endpoint.detach(|| self.consumer.is_drained());
            return;
        };
        if !self.endpoint.begin_leaving() {
            return;
        }
        let memory = self.endpoint.memory();
        let header = self.consumer.header_offset();
        // Everything before the cursor has been released by then.
        let drained = move || memory.header(header).load(Ordering::Acquire) as u32 == 0;
        let mut book = ledger.lock();
        // Under the lock: the wake count has one storing thread at a time (W1).
        self.endpoint.announce_closed();
        if book.is_settled() {
            let is_empty = book.entries.is_empty();
            drop(book);
            self.endpoint.give_back(|| is_empty && drained());
        } else {
            book.departed = Some(Departed {
                drained: Box::new(drained),
                afterwards: self.afterwards.take(),
            });
        }
    }

    /// Bytes of the ring that held messages ([`Lease`]) keep from the writer, record headers
    /// included, and with them messages that were read and released behind held ones.
    #[must_use]
    pub fn held(&self) -> usize {
        // Relaxed: a figure to show.
        let released = self
            .consumer
            .memory()
            .position(Role::Reader)
            .load(Ordering::Relaxed);
        self.consumer.cursor().saturating_sub(released) as usize
    }
}
