//! The reading half of the ring.

use super::copy::copy;
use super::mark::{bounded, messages_before};
use super::prefetch::{LINE, prefetch_for_load};
use super::record::{Record, commit_word, stride, tag};
use super::{Memory, RingError, Shape};
use crate::Role;
use crate::layout::{POSITION_MAX, RECORD_HEADER};
use crate::sync::{Ordering, fence};

/// Reads records. There is one per ring (the reader's role lock sees to that).
pub(crate) struct Consumer<M> {
    memory: M,
    shape: Shape,
    /// Where the next record to hand out starts; never behind what has been released.
    cursor: u64,
    /// The position of offset 0 in the current lap. Kept instead of the cursor's offset:
    /// it changes once a lap, not with every message.
    lap: u64,
    /// Messages before the cursor, since the ring was made.
    count: u64,
    /// The last commit word that was validated, and what it means.
    ///
    /// Streams are made of equal lengths. When the word is the same again, `peek` uses the
    /// remembered length: the branch is predicted, so loads of the payload do not wait for the
    /// header's cache line to bring the length.
    known: Known,
}

#[derive(Clone, Copy)]
struct Known {
    word: u32,
    len: usize,
    stride: usize,
}

impl Known {
    /// Never equal to a word that fails validation: the length 0 is always valid.
    fn empty(alignment: usize) -> Self {
        Self {
            word: 1,
            len: 0,
            stride: stride(0, alignment),
        }
    }
}

impl<M: Memory> Consumer<M> {
    /// Takes over a ring at the first record that was not released.
    pub(crate) fn resume(memory: M, shape: Shape) -> Result<Self, RingError> {
        // Acquire: pairs with the Release store in `release` of the consumer that ran before.
        let read = memory.position(Role::Reader).load(Ordering::Acquire);
        if read > POSITION_MAX || !read.is_multiple_of(shape.alignment as u64) {
            return Err(RingError::Corrupt(
                "the stored read position is out of range",
            ));
        }
        let consumer = Self {
            memory,
            shape,
            cursor: read,
            lap: read - shape.offset(read) as u64,
            count: 0,
            known: Known::empty(shape.alignment),
        };
        consumer.check_against_writer()?;
        // Stored behind the position, so it may lag behind after a death.
        let count = messages_before(&consumer.memory, &shape, Role::Reader, read);
        Ok(Self { count, ..consumer })
    }

    /// At a place that nobody has said to be one yet.
    pub(crate) fn at(memory: M, shape: Shape, cursor: u64) -> Self {
        let mut consumer = Self {
            memory,
            shape,
            cursor,
            lap: 0,
            count: 0,
            known: Known::empty(shape.alignment),
        };
        consumer.stand_at(cursor, 0);
        consumer
    }

    /// Holds the cursor against the writer's stored position (R6).
    fn check_against_writer(&self) -> Result<u64, RingError> {
        // Acquire: pairs with the Release store in `Producer::publish`.
        let written = self.memory.position(Role::Writer).load(Ordering::Acquire);
        if written > POSITION_MAX
            || written.saturating_sub(self.cursor) > self.shape.capacity
            || self.cursor.saturating_sub(written) > self.shape.capacity
        {
            return Err(RingError::Corrupt(
                "the write position is not within a lap of the reader",
            ));
        }
        Ok(written)
    }

    #[inline]
    fn header(&self) -> u64 {
        // Acquire: pairs with the Release store of the commit word in `Producer::publish`; the
        // payload and the terminator behind it were stored before (R3).
        self.memory
            .header(self.shape.header_at(self.offset()))
            .load(Ordering::Acquire)
    }

    /// The cursor as an offset in the data region.
    #[inline]
    fn offset(&self) -> usize {
        (self.cursor - self.lap) as usize
    }

    /// The record at the cursor, if one has been committed there. The cursor stays.
    #[inline]
    pub(crate) fn peek(&mut self) -> Result<Option<Record>, RingError> {
        let header = self.header();
        let word = commit_word(header);
        if word != self.known.word {
            if word == 0 {
                return Ok(None);
            }
            self.learn(word)?;
        }
        Ok(Some(self.found(tag(header))))
    }

    /// The same, if it is as long as the last one.
    #[inline]
    pub(crate) fn peek_usual(&self) -> Option<Record> {
        let found = self.header();
        (commit_word(found) == self.known.word).then(|| self.found(tag(found)))
    }

    /// Validates a commit word and remembers what it means (G7: before anything uses it).
    ///
    /// Out of line, so that the branch in `peek` cannot become a choice between two lengths, which
    /// would be the data dependency that [`Known`] is there to break. A precaution: inlined, it
    /// measured the same.
    #[cold]
    #[inline(never)]
    fn learn(&mut self, word: u32) -> Result<(), RingError> {
        let len = word as usize - 1;
        if len > self.shape.max_len {
            return Err(RingError::Corrupt(
                "a record is longer than the ring allows",
            ));
        }
        self.known = Known {
            word,
            len,
            stride: stride(len, self.shape.alignment),
        };
        Ok(())
    }

    /// The record that `peek` has just returned, with `tag`, which is all that is not remembered here.
    #[inline]
    pub(crate) fn found(&self, tag: u32) -> Record {
        Record {
            payload: self.shape.payload_at(self.offset()),
            len: self.known.len,
            tag,
            end: self.cursor + self.known.stride as u64,
        }
    }

    /// Steps the cursor over the record that `peek` has just returned.
    #[inline]
    pub(crate) fn advance(&mut self, record: &Record) {
        self.cursor = record.end;
        self.count += 1;
        if self.offset() >= self.shape.data_len {
            self.lap += self.shape.data_len as u64;
        }
    }

    /// Gives everything before the cursor back to the producer: nobody uses a payload there any more.
    #[inline]
    pub(crate) fn release(&mut self) {
        release(&self.memory, self.cursor, self.count);
    }

    /// Where the payload of a record lies.
    #[inline]
    pub(crate) fn payload(&self, record: &Record) -> *const u8 {
        self.memory.payload(record.payload, record.len)
    }

    /// The memory the ring lives in.
    #[inline]
    pub(crate) fn memory(&self) -> &M {
        &self.memory
    }

    /// The position of the next record.
    pub(crate) fn cursor(&self) -> u64 {
        self.cursor
    }

    /// Messages before the cursor, since the ring was made.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Stands at `cursor`, up to which somebody else has read on this side's behalf, `count` messages in all.
    pub(crate) fn stand_at(&mut self, cursor: u64, count: u64) {
        self.count = bounded(count, cursor);
        // Whatever the number: offsets stay in the ring, and on the alignment.
        self.cursor = cursor - cursor % self.shape.alignment as u64;
        self.lap = self.cursor - self.shape.offset(self.cursor) as u64;
    }

    /// The offset of the header that will tell of the next record.
    #[inline]
    pub(crate) fn header_offset(&self) -> usize {
        self.shape.header_at(self.offset())
    }

    /// Bytes from one record of the last length seen to the next.
    pub(crate) fn usual_stride(&self) -> usize {
        self.known.stride
    }

    /// Asks for the second line of the record that is waited for, if it is as long as the last one.
    ///
    /// A poll that fetches the first line anew would otherwise ask for the second one only when the
    /// first has come: loads behind a poll are not guessed ahead, since most polls fail. For one
    /// line it is worth it; more of them would be taken away from the writer before it has filled them.
    #[inline]
    pub(crate) fn prefetch(&self) {
        let header = self.memory.payload(self.header_offset(), 0);
        if header as usize % LINE + RECORD_HEADER + self.known.len > LINE {
            prefetch_for_load(header.wrapping_add(LINE));
        }
    }

    /// Whether what lies at the cursor may have been overwritten (R9): asked after the last load of it.
    pub(crate) fn is_overtaken(&self) -> bool {
        // Pairs with the last fence in `leave_mark`.
        fence(Ordering::Acquire);
        let reach = &self.memory.page(Role::Writer).reach.0;
        let frontier = reach.frontier.load(Ordering::Relaxed);
        frontier > self.cursor.saturating_add(self.shape.data_len as u64)
    }

    /// Copies the message of the record at the cursor, in a ring whose writer may overtake this side. The cursor stays.
    ///
    /// Judges after the last load (R9): what was overwritten meanwhile, its length included, is not believed.
    pub(crate) fn copy_next(&mut self, into: &mut Vec<u8>) -> Taken {
        let found = self.peek();
        into.clear();
        if let Ok(Some(record)) = &found {
            into.reserve(record.len);
            // SAFETY: `peek` has checked the length, so these are mapped bytes; they may change meanwhile, and are then
            // not believed, below. The vector has room for as many.
            #[allow(unsafe_code)]
            unsafe {
                copy(self.payload(record), into.as_mut_ptr(), record.len);
                into.set_len(record.len);
            }
        }
        if self.is_overtaken() {
            return Taken::Overtaken;
        }
        match found {
            Ok(Some(record)) => Taken::Whole(record),
            Ok(None) => Taken::Nothing,
            Err(error) => Taken::Broken(error),
        }
    }

    /// Whether a record has been committed at the cursor.
    #[inline]
    pub(crate) fn has_record(&self) -> bool {
        commit_word(self.header()) != 0
    }

    /// Whether everything committed has been released.
    pub(crate) fn is_drained(&self) -> bool {
        let released = self.memory.position(Role::Reader).load(Ordering::Relaxed);
        released == self.cursor && !self.has_record()
    }

    /// Tells an empty ring from a broken one, for a reader that has found nothing and would wait.
    ///
    /// A writer's position past the cursor promises a committed record at the cursor (R6).
    pub(crate) fn check_empty(&self) -> Result<(), RingError> {
        let written = self.check_against_writer()?;
        if written > self.cursor && commit_word(self.header()) == 0 {
            return Err(RingError::Corrupt("a committed record has lost its header"));
        }
        Ok(())
    }

    /// Bytes of the ring from the cursor to the end of the last committed record.
    pub(crate) fn available(&self) -> usize {
        let written = self.memory.position(Role::Writer).load(Ordering::Acquire);
        let behind = written.saturating_sub(self.cursor).min(self.shape.capacity) as usize;
        // The position is stored after the commit word; a record may be there before it says so.
        match commit_word(self.header()) {
            0 => behind,
            word if (word as usize - 1) > self.shape.max_len => behind,
            word => behind.max(stride(word as usize - 1, self.shape.alignment)),
        }
    }

    /// Counts the committed records from the cursor on, and their bytes.
    pub(crate) fn survey(&self) -> Result<(u64, u64), RingError> {
        let mut scout = Consumer {
            memory: &self.memory,
            shape: self.shape,
            cursor: self.cursor,
            lap: self.lap,
            count: self.count,
            known: self.known,
        };
        let mut records = 0;
        while let Some(record) = scout.peek()? {
            if record.end - self.cursor > self.shape.capacity {
                return Err(RingError::Corrupt(
                    "committed records overrun the read position",
                ));
            }
            records += 1;
            scout.advance(&record);
        }
        Ok((records, scout.cursor - self.cursor))
    }
}

/// What comes of a copy that may have been overwritten while it was made.
pub(crate) enum Taken {
    /// It is the message of this record.
    Whole(Record),
    /// No record is committed there.
    Nothing,
    /// It is not to be believed, nor is anything else at the cursor.
    Overtaken,
    /// What stands there breaks an invariant.
    Broken(RingError),
}

/// Gives the bytes before `position`, where `count` messages end, back to the producer.
///
/// Nobody uses a payload before it any more.
#[inline]
pub(crate) fn release<M: Memory>(memory: &M, position: u64, count: u64) {
    // Asked for anew for each store, so that the tests can die before each.
    let progress = || &memory.page(Role::Reader).progress.0;
    // Release: pairs with the Acquire load in `Producer::fits` (R8); our loads of the payloads
    // happen before the producer's next stores there.
    progress().position.store(position, Ordering::Release);
    // Relaxed: a figure for those who look; a successor counts anew (R10).
    progress().count.store(count, Ordering::Relaxed);
}

#[allow(unsafe_code)]
// SAFETY: a reference keeps every promise of the value it refers to.
unsafe impl<M: Memory> Memory for &M {
    fn page(&self, role: Role) -> &crate::layout::RolePage {
        (**self).page(role)
    }
    fn header(&self, offset: usize) -> &crate::sync::AtomicU64 {
        (**self).header(offset)
    }
    fn payload(&self, offset: usize, len: usize) -> *const u8 {
        (**self).payload(offset, len)
    }
    fn payload_mut(&self, offset: usize, len: usize) -> *mut u8 {
        (**self).payload_mut(offset, len)
    }
}
