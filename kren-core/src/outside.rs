//! For a face that moves messages itself.
//!
//! A call from compiled JavaScript into native code costs as much as several messages, so the Node.js face
//! reads and writes the ring's words itself, by `docs/spec`, and calls here for all that is rare: waiting,
//! waking, damage, the end. Between two such calls the endpoint does not know how far its side has come; the
//! face says so first ([`KrenReader::stand_at`], [`KrenWriter::stand_at`]). Where nobody is left to say it,
//! the endpoint finds out as a successor of the dead would ([`KrenReader::catch_up`], [`KrenWriter::catch_up`]).
//!
//! Nothing here is for users of the crate, and it may change with any version. A wrong position breaks
//! the channel, never memory: offsets are worked out anew from it, within the ring.

use crate::endpoint::Check;
use crate::layout::Seat;
use crate::os::Mapping;
use crate::ring::{Memory, SHORT, Shape};
use crate::{KrenReader, KrenWriter, Message, Result, Role};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Where a side's ring lies, and where the side stands in it.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Outline {
    /// The first byte of the mapping; valid as long as the endpoint or its [`Mapped`](crate::Mapped) lives.
    /// Own page, and a writer's data region, may be stored to; storing elsewhere faults.
    pub base: *mut u8,
    /// Length of the mapping in bytes, the mirror included.
    pub len: usize,
    /// Offsets of this side's and of the peer's role page.
    pub own_page: usize,
    /// See `own_page`.
    pub peer_page: usize,
    /// Offset of the data region, and its length without the mirror.
    pub data: usize,
    /// See `data`.
    pub data_len: usize,
    /// The next position of this side, and the messages before it.
    pub position: u64,
    /// See `position`.
    pub count: u64,
    /// Whether this side must fence between publishing and looking at the peer's ticket (wake.md, W3).
    pub fences: bool,
    /// Whether this side polls before it sleeps.
    pub spins: bool,
    /// Of a publisher, the offset of the word that it looks at in place of its peers' tickets (B10); else 0.
    pub epoch: usize,
}

fn outline(
    mapping: &Mapping,
    seat: Seat,
    (position, count): (u64, u64),
    fences: bool,
    spins: bool,
) -> Outline {
    let geometry = mapping.geometry();
    let data = geometry.data_offset();
    Outline {
        base: mapping.data().wrapping_sub(data),
        len: data + 2 * geometry.data_len(),
        own_page: geometry.page_offset(seat),
        peer_page: geometry.page_offset(match seat {
            Seat::WRITER => Seat::READER,
            _ => Seat::WRITER,
        }),
        data,
        data_len: geometry.data_len(),
        position,
        count,
        fences,
        spins,
        // The commons begin with it.
        epoch: match seat {
            Seat::WRITER => geometry.commons_offset().unwrap_or(0),
            _ => 0,
        },
    }
}

#[doc(hidden)]
impl KrenReader {
    /// Where the ring lies.
    #[must_use]
    pub fn outline(&self) -> Outline {
        outline(
            self.endpoint.mapping(),
            self.endpoint.seat(),
            (self.consumer.cursor(), self.consumer.count()),
            self.waker.fences(),
            self.endpoint.ever_spins(),
        )
    }

    /// The face has read up to `cursor`, `count` messages in all.
    pub fn stand_at(&mut self, cursor: u64, count: u64) {
        self.consumer.stand_at(cursor, count);
    }

    /// Stands where the stored position says.
    pub fn catch_up(&mut self) {
        let progress = &self.consumer.memory().page(Role::Reader).progress.0;
        // Relaxed: stored by this side.
        let released = progress.position.load(Ordering::Relaxed);
        let count = progress.count.load(Ordering::Relaxed);
        self.consumer.stand_at(released, count);
    }

    /// Fails if what lies at the cursor is damaged; tells whether a message is there.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`](crate::Error::Corrupt); [`Error::Forked`](crate::Error::Forked).
    pub fn check(&mut self) -> Result<bool> {
        self.endpoint.check_process()?;
        let found = self.consumer.peek();
        let found = found.map_err(|error| self.endpoint.ring_error(error))?;
        Ok(found.is_some())
    }

    /// As [`KrenReader::wait_readable`], for a face that has polled and kept the pace already.
    ///
    /// # Errors
    ///
    /// As [`KrenReader::wait_readable`].
    pub fn wait_polled(&mut self, timeout: Option<Duration>, check: Check<'_>) -> Result<()> {
        self.endpoint.check_process()?;
        self.wait_for_record(timeout, check)
    }

    /// Wakes the writer if it sleeps for what has been released.
    pub fn answer(&mut self) {
        if self.endpoint.is_inherited() {
            return;
        }
        let memory = self.consumer.memory();
        // Relaxed: stored by this side.
        let released = memory.position(Role::Reader).load(Ordering::Relaxed);
        self.waker.notify(
            memory.page(Role::Reader),
            memory.page(Role::Writer),
            self.endpoint.own_signal(),
            released,
        );
    }
}

/// For a face that has a way of its own for what needs no call: most messages are written, and read, without one.
#[doc(hidden)]
impl KrenReader {
    /// Gives the message that was [kept](Message::keep) back, if `is_kept` says that there is one, and nothing else is to be done
    /// for that. With `None` [`KrenReader::answer`] is to be called; whether a message is kept says `is_kept`.
    #[inline(always)]
    pub fn release_at_once(&mut self, is_kept: &mut bool) -> Option<()> {
        if self.endpoint.is_inherited() || self.is_checked() || self.has_leases() {
            return None;
        }
        if std::mem::take(is_kept) {
            let record = self.current();
            self.consumer.advance(&record);
            self.consumer.release();
            let memory = self.consumer.memory();
            if self.waker.is_asked(memory.page(Role::Writer)) {
                return None;
            }
        }
        Some(())
    }

    /// As [`KrenReader::release_at_once`], and keeps the next message, if it is there: where it lies, its length and its tag. With
    /// `None` there may be a next one all the same.
    #[inline(always)]
    pub fn next_at_once(&mut self, is_kept: &mut bool) -> Option<(*const u8, usize, u32)> {
        self.release_at_once(is_kept)?;
        self.first_at_once(is_kept)
    }

    /// As [`KrenReader::next_at_once`], of a reader that has just been found to keep nothing, and to be this process's own.
    #[inline(always)]
    pub fn first_at_once(&mut self, is_kept: &mut bool) -> Option<(*const u8, usize, u32)> {
        if self.is_checked() || self.has_leases() {
            return None;
        }
        let record = self.consumer.peek_usual()?;
        self.hand_out(record).keep();
        *is_kept = true;
        Some((self.consumer.payload(&record), record.len, record.tag))
    }
}

/// For a face that keeps account itself of what it holds.
#[doc(hidden)]
impl KrenReader {
    /// The next position to read, and the messages before it.
    #[must_use]
    pub fn place(&self) -> (u64, u64) {
        (self.consumer.cursor(), self.consumer.count())
    }

    /// Whether it moves over to a new channel of the name once everything here is read: see [`KrenReader::follow`].
    #[must_use]
    pub fn is_moving(&self) -> bool {
        self.moving
    }

    /// Has a selector wait for what is behind the next position to read, whatever is released.
    pub fn wait_behind_cursor(&self) {
        self.endpoint.has_read_to(self.consumer.cursor());
    }

    /// Gives everything before `position`, where `count` messages end, back to the writer.
    ///
    /// # Errors
    ///
    /// [`Error::Forked`](crate::Error::Forked).
    pub fn release_to(&mut self, position: u64, count: u64) -> Result<()> {
        self.endpoint.check_process()?;
        crate::ring::release(self.consumer.memory(), position, count);
        self.answer();
        Ok(())
    }
}

#[doc(hidden)]
impl Message<'_> {
    /// Steps over the message without giving it back: see [`KrenReader::release_to`].
    pub fn step_over(self) {
        let reader = &mut *std::mem::ManuallyDrop::new(self).reader;
        let record = reader.current();
        reader.consumer.advance(&record);
    }
}

#[doc(hidden)]
impl KrenWriter {
    /// Where the ring lies.
    #[must_use]
    pub fn outline(&self) -> Outline {
        outline(
            self.endpoint.mapping(),
            self.endpoint.seat(),
            (self.producer.position(), self.producer.count()),
            self.waker.fences(),
            self.endpoint.ever_spins(),
        )
    }

    /// Which of the two that follow is for a message of this length.
    #[must_use]
    #[inline(always)]
    pub fn is_short(len: usize) -> bool {
        len <= SHORT
    }

    /// Writes a message that is short and has room as far as is known already; `None` if it is not, or has not, or goes to several. With
    /// `false` it is written, and [`KrenWriter::answer`] is to be called.
    #[inline(always)]
    pub fn write_at_once(&mut self, tag: u32, data: &[u8]) -> Option<bool> {
        if !self.is_plain() || !self.producer.push_short(data, tag) {
            return None;
        }
        Some(self.is_answered())
    }

    /// The same for a message that is not short.
    #[inline]
    pub fn write_long_at_once(&mut self, tag: u32, data: &[u8]) -> Option<bool> {
        let before = self.producer.position();
        if !self.is_plain() || !self.producer.push_long(data, tag) {
            return None;
        }
        self.hint(before);
        Some(self.is_answered())
    }

    /// Room for a message of `len` bytes, if it is there as far as is known already: where it lies. It is promised to nobody.
    #[inline(always)]
    pub fn reserve_at_once(&mut self, len: usize) -> Option<*mut u8> {
        (self.is_plain() && self.producer.has_room(len)).then(|| self.producer.payload())
    }

    /// Publishes the first `len` of the bytes that were reserved; `None` and `false` as in [`KrenWriter::write_at_once`].
    #[inline(always)]
    pub fn commit_at_once(&mut self, len: usize, tag: u32) -> Option<bool> {
        if !self.is_plain() || !self.producer.has_room(len) {
            return None;
        }
        let before = self.producer.position();
        self.producer.finish(len, tag);
        self.hint(before);
        Some(self.is_answered())
    }

    #[inline(always)]
    fn is_plain(&self) -> bool {
        !self.endpoint.is_inherited() && self.herald.is_none()
    }

    #[inline(always)]
    fn is_answered(&self) -> bool {
        let reader = self.producer.memory().page(Role::Reader);
        !self.waker.is_asked(reader)
    }

    /// The face has written up to `position`, `count` messages in all.
    pub fn stand_at(&mut self, position: u64, count: u64) {
        self.producer.stand_at(position, count);
    }

    /// Stands behind the last committed record (R7).
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`](crate::Error::Corrupt).
    pub fn catch_up(&mut self) -> Result<()> {
        let mapping = self.endpoint.mapping();
        let memory = self.endpoint.memory();
        let shape = Shape::new(mapping.geometry());
        let found = crate::ring::Producer::resume(memory, shape);
        self.producer = found.map_err(|error| self.endpoint.ring_error(error))?;
        Ok(())
    }

    /// Closes this side in such a way that the reader does not take it for the end: it gets what was written, then
    /// [`Error::PeerDied`](crate::Error::PeerDied). For work that was broken off.
    ///
    /// # Errors
    ///
    /// [`Error::Forked`](crate::Error::Forked).
    pub fn break_off(self) -> Result<()> {
        self.endpoint.check_process()?;
        self.endpoint.desert(|| self.producer.is_drained());
        Ok(())
    }

    /// Copies `data` to the place that the face has found room at, `at` bytes from the start of the mapping, in the way that
    /// is faster for long messages. Tells whether that place is in the data region.
    pub fn store(&mut self, at: usize, data: &[u8]) -> bool {
        let outline = self.outline();
        let end = at.checked_add(data.len());
        if at < outline.data || end.is_none_or(|end| end > outline.len) {
            return false;
        }
        // SAFETY: inside the data region and its mirror, which this side maps writable; `data` is JavaScript's, which has a
        // view of the ring to itself only where it builds messages in place.
        #[allow(unsafe_code)]
        unsafe {
            self.producer.copy_in(data, outline.base.add(at));
        }
        self.producer.look_again(data.len());
        true
    }

    /// Bytes of records that may be stored behind the position now, if a record of `stride` bytes may; else 0.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`](crate::Error::Corrupt); [`Error::Forked`](crate::Error::Forked).
    pub fn free(&mut self, stride: usize) -> Result<usize> {
        self.endpoint.check_process()?;
        let free = self.producer.free(stride);
        free.map_err(|error| self.endpoint.ring_error(error))
    }

    /// Wakes the reader, or the subscribers, if they sleep. Tells whether every sleep that was announced before has been
    /// answered; else it is to be called again after the next message.
    pub fn answer(&mut self) -> bool {
        !self.endpoint.is_inherited() && self.wake_reader()
    }
}
