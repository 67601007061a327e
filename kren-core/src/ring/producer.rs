//! The writing half of the ring.

use super::copy::{SHORT_TO, copy_short};
use super::copyway::CHOICE_FROM;
use super::mark::{bounded, leave_mark, messages_before, oldest_mark};
use super::prefetch::{LINE, can_demote, demote, prefetch_for_store};
use super::record::{NOT_COMMITTED, commit_word, header, stride};
use super::{CopyWay, Memory, RingError, Shape};
use crate::Role;
use crate::layout::{MARKS, POSITION_MAX, RECORD_HEADER};
use crate::sync::Ordering;

/// How far ahead of the position [`Producer::prefetch`] looks, in bytes.
const AHEAD: usize = 1024;
/// Bytes of lines it asks for at most: long copies have the processor's own prefetcher.
const PREFETCH_MAX: usize = 16 * LINE;
/// Payloads that [`Producer::push_short`] takes: less than two lines with their header, so that of none of
/// them lines have to be asked for or handed over.
pub(crate) const SHORT: usize = 2 * LINE - RECORD_HEADER - 1;
const _: () = assert!(SHORT <= SHORT_TO);

/// Writes records. There is one per ring (the writer's role lock sees to that).
pub(crate) struct Producer<M> {
    memory: M,
    shape: Shape,
    /// Where the next record starts.
    position: u64,
    /// The position of offset 0 in the current lap. Kept instead of the position's offset: it changes
    /// once a lap, not with every message.
    lap: u64,
    /// Messages before the position, since the ring was made.
    count: u64,
    /// A record may end here at most: the reader's position as last seen, plus the capacity (R4), but not beyond
    /// what is marked.
    limit: u64,
    /// A record may end here at most before a new mark is left (R9, R10).
    marked: u64,
    /// Which mark is the next to be changed: the oldest.
    next_mark: usize,
    /// Whether [`Self::hand_over`] is of use on this processor.
    demotes: bool,
    /// How long payloads are copied in.
    way: CopyWay,
}

/// Records that are written but not yet published: one, or a batch.
///
/// The first header is held back here, so that nothing behind it can be seen (R5).
pub(crate) struct Stage {
    first: Option<u64>,
    count: u64,
    position: u64,
    offset: usize,
}

impl Stage {
    /// Whether nothing has been staged.
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }
}

impl<M: Memory> Producer<M> {
    /// Takes over a ring where its last producer left it, wherever that was.
    ///
    /// The stored position may lag behind the records, since it is stored after them; so this walks
    /// from it over committed records to the first place that holds none (R7).
    pub(crate) fn resume(memory: M, shape: Shape) -> Result<Self, RingError> {
        // Acquire: pairs with the Release store in `publish` of the producer that ran before.
        let stored = memory.position(Role::Writer).load(Ordering::Acquire);
        let mut producer = Self {
            memory,
            shape,
            position: stored,
            lap: 0,
            count: 0,
            limit: 0,
            marked: 0,
            next_mark: 0,
            demotes: can_demote(),
            way: CopyWay::new(),
        };
        let read = producer.released();
        producer.check_position(stored, "the stored write position is out of range")?;
        producer.check_position(read, "the stored read position is out of range")?;
        if stored.saturating_sub(read) > shape.capacity
            || read.saturating_sub(stored) > shape.capacity
        {
            return Err(RingError::Corrupt(
                "the stored positions are more than a lap apart",
            ));
        }
        producer.lap = stored - shape.offset(stored) as u64;
        producer.limit = read + shape.capacity;
        producer.count = messages_before(&producer.memory, &shape, Role::Writer, stored);
        producer.next_mark = oldest_mark(&producer.memory);

        loop {
            // Acquire: pairs with the Release store in `publish`, so that the dead producer's
            // terminator behind this record is seen by the next step.
            let found = producer.header().load(Ordering::Acquire);
            if commit_word(found) == 0 {
                break;
            }
            let len = commit_word(found) as usize - 1;
            if len > shape.max_len {
                return Err(RingError::Corrupt(
                    "a record is longer than the ring allows",
                ));
            }
            let stride = stride(len, shape.alignment);
            // What a producer can have published since it last stored its position is no more than
            // the ring holds; this also ends the walk, whatever the reader's position does (G7).
            if producer.position + stride as u64 > stored + shape.capacity {
                return Err(RingError::Corrupt(
                    "more records are committed than the ring holds",
                ));
            }
            if producer.position + stride as u64 > producer.limit {
                // A live reader may have read on meanwhile.
                producer.limit = producer.released().saturating_add(shape.capacity);
            }
            if producer.position + stride as u64 > producer.limit {
                return Err(RingError::Corrupt(
                    "committed records overrun the read position",
                ));
            }
            producer.advance(producer.position + stride as u64);
            producer.count += 1;
        }
        // What the dead producer has marked is not known here, so the first record leaves a mark.
        producer.marked = producer.position;
        // Looks at the reader's position once more, for all that may rest on it from now on.
        producer.fits(producer.position, 0)?;
        producer.store_progress();
        Ok(producer)
    }

    fn check_position(&self, position: u64, what: &'static str) -> Result<(), RingError> {
        if position > POSITION_MAX || !position.is_multiple_of(self.shape.alignment as u64) {
            return Err(RingError::Corrupt(what));
        }
        Ok(())
    }

    #[inline]
    fn header(&self) -> &crate::sync::AtomicU64 {
        self.memory.header(self.shape.header_at(self.offset()))
    }

    /// The position as an offset in the data region.
    #[inline]
    fn offset(&self) -> usize {
        (self.position - self.lap) as usize
    }

    /// Moves on to `position`, which is at most a lap ahead.
    #[inline]
    fn advance(&mut self, position: u64) {
        self.position = position;
        if self.offset() >= self.shape.data_len {
            self.lap += self.shape.data_len as u64;
        }
    }

    /// Where the next record will start.
    #[inline]
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Messages before the position, since the ring was made.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Stands at `position`, up to which somebody else has written on this side's behalf, `count` messages in all.
    pub(crate) fn stand_at(&mut self, position: u64, count: u64) {
        self.count = bounded(count, position);
        // Whatever the number: offsets stay in the ring, and on the alignment.
        self.position = position - position % self.shape.alignment as u64;
        self.lap = self.position - self.shape.offset(self.position) as u64;
        // What was seen before may be less than what this position has used up.
        self.limit = self.position;
    }

    /// Bytes of records that may be stored behind the position now, if a record of `stride` bytes may; else 0.
    pub(crate) fn free(&mut self, stride: usize) -> Result<usize, RingError> {
        let free = match self.fits(self.position, stride)? {
            true => (self.limit - self.position) as usize,
            false => 0,
        };
        Ok(free)
    }

    /// The memory the ring lives in.
    #[inline]
    pub(crate) fn memory(&self) -> &M {
        &self.memory
    }

    /// Starts a stage at the current position.
    #[inline]
    pub(crate) fn stage(&self) -> Stage {
        Stage {
            first: None,
            count: 0,
            position: self.position,
            offset: self.offset(),
        }
    }

    /// Whether there is room for a payload of `len` bytes, as far as is known already.
    #[inline]
    pub(crate) fn has_room(&self, len: usize) -> bool {
        let stride = stride(len, self.shape.alignment);
        len <= self.shape.max_len && self.position + stride as u64 <= self.limit
    }

    /// Finds room for a payload of `len` bytes at the end of `stage` and returns where it lies.
    ///
    /// Nothing is promised or changed: a room not filled needs no undoing.
    #[inline]
    pub(crate) fn room(&mut self, stage: &Stage, len: usize) -> Result<*mut u8, RingError> {
        if len > self.shape.max_len {
            return Err(RingError::TooLarge {
                len,
                max: self.shape.max_len,
            });
        }
        let stride = stride(len, self.shape.alignment);
        if stage.position + stride as u64 > self.limit && !self.fits(stage.position, stride)? {
            return Err(self.no_room(stage, len, stride));
        }
        Ok(self
            .memory
            .payload_mut(self.shape.payload_at(stage.offset), len))
    }

    /// The position of the reader, or of the slowest that holds this side up.
    fn released(&self) -> u64 {
        self.memory.slowest(self.position, self.shape.capacity)
    }

    /// Looks at the reader's position anew and says whether `stride` bytes fit at `position`; if so, what they touch
    /// is marked.
    #[cold]
    fn fits(&mut self, position: u64, stride: usize) -> Result<bool, RingError> {
        let end = position + stride as u64;
        if stride >= CHOICE_FROM {
            // Here, since what is timed is the first load of it for a while.
            let theirs = self.memory.position(Role::Reader);
            self.way.look(self.position, theirs);
        }
        let gate = self.memory.look(self.position, end, self.shape.capacity);
        if self.position > POSITION_MAX {
            return Err(RingError::Corrupt("the write position is out of range"));
        }
        // R4 rests on this word, which the peer's process stores (G7).
        let Some(gate) = gate else {
            return Err(RingError::Corrupt(
                "the read position is not within a lap of the writer",
            ));
        };
        let fits = end <= gate;
        if fits && end > self.marked {
            // No further than who holds this side up by a whole lap can bear to be told (R9).
            let most = gate + self.shape.beyond();
            self.marked = end.max((self.position + self.shape.step).min(most));
            let at = (self.position, self.count);
            leave_mark(&self.memory, self.next_mark, at, self.frontier());
            self.next_mark = (self.next_mark + 1) % MARKS;
        }
        self.limit = gate.min(self.marked);
        Ok(fits)
    }

    /// Where nothing has been stored from, once what is marked has been used: also not by a predecessor, which may have
    /// died in a long message.
    fn frontier(&self) -> u64 {
        let reach = &self.memory.page(Role::Writer).reach.0;
        // Relaxed: stored by this side. More than this no mark allows (R10).
        let stored = reach.frontier.load(Ordering::Relaxed);
        let stored = stored.min(self.position + self.shape.data_len as u64);
        stored.max(self.marked + self.shape.alignment as u64)
    }

    #[cold]
    fn no_room(&self, stage: &Stage, len: usize, stride: usize) -> RingError {
        let staged = (stage.position - self.position) as usize;
        if staged + stride > self.shape.capacity as usize {
            // A batch that outgrows the ring; waiting would not help.
            let max = (self.shape.capacity as usize - staged).saturating_sub(RECORD_HEADER);
            return RingError::TooLarge { len, max };
        }
        RingError::Full {
            needed: len,
            available: self.available(),
        }
    }

    /// The position the reader must have released for `len` more bytes to fit behind `stage`.
    pub(crate) fn wanted(&self, stage: &Stage, len: usize) -> u64 {
        let end = stage.position + stride(len, self.shape.alignment) as u64;
        end.saturating_sub(self.shape.capacity)
    }

    /// Ends the record that [`Self::room`] gave with a payload of `len` bytes, unpublished.
    ///
    /// `len` may be less than was asked for, not more.
    #[inline]
    pub(crate) fn seal(&mut self, stage: &mut Stage, len: usize, tag: u32) {
        let word = header(len, tag);
        if stage.first.is_none() {
            stage.first = Some(word);
        } else {
            // Relaxed: unreachable until the first header is published with Release (R5).
            self.memory
                .header(self.shape.header_at(stage.offset))
                .store(word, Ordering::Relaxed);
        }
        let stride = stride(len, self.shape.alignment);
        stage.count += 1;
        stage.position += stride as u64;
        stage.offset = self.shape.step(stage.offset, stride);
    }

    /// Publishes everything sealed in `stage` at once.
    #[inline]
    #[allow(
        clippy::needless_pass_by_value,
        reason = "what is published cannot be staged on"
    )]
    pub(crate) fn publish(&mut self, stage: Stage) {
        let Stage {
            first: Some(first),
            count,
            position,
            offset,
        } = stage
        else {
            return;
        };
        self.terminate(offset);
        self.commit(first, count, position);
    }

    /// Stores the terminator at `offset`: R3 wants it there before the record in front of it can be
    /// seen.
    #[inline]
    fn terminate(&self, offset: usize) {
        // Relaxed: ordered by the Release store of that record's header in `commit`.
        self.memory
            .header(self.shape.header_at(offset))
            .store(NOT_COMMITTED, Ordering::Relaxed);
    }

    /// Commits the record at the current position, or the batch of `count` that begins with it, and moves on to
    /// `position` behind it, where the terminator is.
    #[inline]
    fn commit(&mut self, first: u64, count: u64, position: u64) {
        // Release: pairs with the Acquire load in `Consumer::peek` and in `resume`; payload, later
        // headers and terminator happen before.
        self.header().store(first, Ordering::Release);
        self.advance(position);
        self.count += count;
        self.store_progress();
    }

    #[inline]
    fn store_progress(&self) {
        // Asked for anew for each store, so that the tests can die before each.
        let progress = || &self.memory.page(Role::Writer).progress.0;
        // Release: pairs with the Acquire loads of `Consumer` and `resume`; whoever sees this
        // position sees the records before it committed (R6).
        progress().position.store(self.position, Ordering::Release);
        // Relaxed: a figure for those who look; a successor counts anew (R10).
        progress().count.store(self.count, Ordering::Relaxed);
    }

    /// Copies one payload in and publishes it.
    #[inline]
    pub(crate) fn push(&mut self, data: &[u8], tag: u32) -> Result<(), RingError> {
        while !(self.push_short(data, tag) || self.push_long(data, tag)) {
            self.room(&self.stage(), data.len())?;
        }
        Ok(())
    }

    /// As [`Self::push`] for a payload that is short and has room as far as is known already;
    /// else it does nothing and says `false`.
    ///
    /// Without calls and failures, so that little more than the stores themselves is left of it.
    #[inline(always)]
    pub(crate) fn push_short(&mut self, data: &[u8], tag: u32) -> bool {
        self.push_short_parts(&[], data, tag)
    }

    /// The same for a payload that the caller has in two pieces.
    #[inline(always)]
    pub(crate) fn push_short_parts(&mut self, front: &[u8], body: &[u8], tag: u32) -> bool {
        let len = front.len() + body.len();
        if len > SHORT || !self.has_room(len) {
            return false;
        }
        let stride = stride(len, self.shape.alignment);
        // First, while the reader polls another line: between the payload and the commit word,
        // which share a line, the wait for this one would give that line back to the reader.
        self.terminate(self.shape.step(self.offset(), stride));
        // SAFETY: `payload` points at `len` bytes of the ring that no record occupies (R4, by
        // `has_room`) and that the consumer does not look at before `commit`; the pieces are the caller's.
        #[allow(unsafe_code)]
        unsafe {
            copy_short(front.as_ptr(), self.payload(), front.len());
            copy_short(body.as_ptr(), self.payload().add(front.len()), body.len());
        }
        self.commit(header(len, tag), 1, self.position + stride as u64);
        true
    }

    /// The same for a payload that is not short.
    #[inline(always)]
    pub(crate) fn push_long(&mut self, data: &[u8], tag: u32) -> bool {
        let len = data.len();
        if len <= SHORT || !self.has_room(len) {
            return false;
        }
        // SAFETY: as in `push_short`.
        #[allow(unsafe_code)]
        unsafe {
            self.copy_in(data, self.payload());
        }
        self.finish(len, tag);
        true
    }

    /// Copies `data` to `room`, in the way that is faster here.
    ///
    /// # Safety
    ///
    /// `room` is writable for as many bytes, which are no part of `data`.
    #[inline]
    #[allow(unsafe_code)]
    pub(crate) unsafe fn copy_in(&mut self, data: &[u8], room: *mut u8) {
        let theirs = self.memory.position(Role::Reader);
        // SAFETY: the caller's.
        unsafe { self.way.copy(data.as_ptr(), room, data.len(), theirs) };
    }

    /// For a face that looks for room itself, behind [`Self::copy_in`] of `len` bytes: see [`CopyWay::look_again`].
    pub(crate) fn look_again(&mut self, len: usize) {
        self.way.look_again(len, self.memory.position(Role::Reader));
    }

    /// Where the payload of the next record lies, if [`Self::room`] has found room for one.
    #[inline]
    pub(crate) fn payload(&self) -> *mut u8 {
        self.memory
            .payload_mut(self.shape.payload_at(self.offset()), 0)
    }

    /// Publishes what has been stored at [`Self::payload`] as a record of `len` bytes, no more than
    /// room was found for.
    #[inline]
    pub(crate) fn finish(&mut self, len: usize, tag: u32) {
        let stride = stride(len, self.shape.alignment);
        self.terminate(self.shape.step(self.offset(), stride));
        self.commit(header(len, tag), 1, self.position + stride as u64);
    }

    /// Asks for the lines that will be stored some messages from now, as many as `bytes` covers.
    ///
    /// In a stream each line was last in the reader's cache, and fetching it back is most of what a
    /// message costs; asked for ahead, several are under way at a time. For a lone message it would
    /// only be traffic on the path of the reply.
    #[inline]
    pub(crate) fn prefetch(&self, bytes: usize) {
        if self.way.streams() {
            return;
        }
        let end = self.memory.payload_mut(self.offset(), 0) as usize + AHEAD;
        // Each line once, whatever the stride.
        let mut line = (end - bytes.min(PREFETCH_MAX)) / LINE;
        while line < end / LINE {
            line += 1;
            prefetch_for_store((line * LINE) as *const u8);
        }
    }

    /// Pushes the lines of a message of `bytes` in all, just published, towards the reader, and asks for those of the next
    /// one, if it is as long. For messages that come alone, where the processor can.
    ///
    /// A line that one core has written and another one wants is fetched from the first one's own cache, which answers
    /// one request after another: of several lines the reader waits longer than for any one. In a stream
    /// the reader lags, finds them pushed out anyway, and doing it here would cost more than it gains.
    #[inline]
    pub(crate) fn hand_over(&self, bytes: usize) {
        if !self.demotes {
            return;
        }
        let before = self.shape.offset(self.position - bytes as u64);
        let message = self.memory.payload_mut(before, 0);
        for at in (0..bytes).step_by(LINE) {
            demote(message.wrapping_add(at));
        }
        // Not the first two lines: those a waiting reader polls and prefetches.
        let next = self.memory.payload_mut(self.offset(), 0) as usize;
        for line in next / LINE + 2..(next + bytes) / LINE {
            prefetch_for_store((line * LINE) as *const u8);
        }
    }

    /// The longest payload that fits now; 0 also when not even an empty one does.
    pub(crate) fn available(&self) -> usize {
        // A figure to show, nothing is stored on the strength of it.
        let read = self.released();
        let used = self.position.saturating_sub(read).min(self.shape.capacity);
        let free = (self.shape.capacity - used) as usize;
        free.saturating_sub(RECORD_HEADER).min(self.shape.max_len)
    }

    /// Whether at least an empty payload fits now.
    pub(crate) fn has_any_room(&self) -> bool {
        let end = self.position + stride(0, self.shape.alignment) as u64;
        end <= self.released().saturating_add(self.shape.capacity)
    }

    /// Whether everything before `position` has been released.
    pub(crate) fn has_released(&self, position: u64) -> bool {
        self.released() >= position
    }

    /// Whether the reader has released every record.
    pub(crate) fn is_drained(&self) -> bool {
        self.released() >= self.position
    }
}
