//! The importing side of the protocol: what to commit, and what to answer. As pure as [`crate::sender`].
//!
//! - **D1** A message is committed when all before it are, and once: by its number.
//! - **D2** What is wanted is known by what is committed, and by nothing else.
//! - **D3** Room that was promised is there: it only grows, as nobody else writes. (A subscriber that joins further back can take
//!   room away; what then finds none waits here.)

#[cfg(test)]
mod tests;

use crate::wire::{Ack, Body, Data, End, Frame, Machine, Piece};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Bytes of records after which an answer does not wait.
const ACK_BYTES: u64 = 512 * 1024;
/// The pause between two answers otherwise.
const ACK_PAUSE: Duration = Duration::from_millis(1);
/// The longest pause between two looks for room, and before room alone is worth an answer.
const LOOK_MAX: Duration = Duration::from_millis(10);
/// An answer that nobody asked for, so that a sender that has begun anew is known.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// Bytes of frames that wait for room; far more than a sender has in flight.
const QUEUE: usize = 4 * crate::sender::WINDOW as usize;

/// Where messages go: a ring, or a test.
pub trait Sink {
    /// What can go wrong there.
    type Error;
    /// Alignment of payloads, by which records take room.
    fn alignment(&self) -> u32;
    /// Bytes of records that fit in all.
    fn capacity(&self) -> u64;
    /// Bytes of records that fit now.
    fn room(&self) -> u64;
    /// Commits a message, if there is room.
    ///
    /// # Errors
    ///
    /// The sink's; a message that can never fit is one.
    fn write(&mut self, tag: u32, message: &[u8]) -> Result<bool, Self::Error>;
    /// Puts a part of the next message, which has `total` bytes, in its place, if there is room for all of it.
    ///
    /// # Errors
    ///
    /// As [`Sink::write`].
    fn part(&mut self, total: usize, offset: usize, part: &[u8]) -> Result<bool, Self::Error>;
    /// Commits that message.
    ///
    /// # Errors
    ///
    /// As [`Sink::write`].
    fn commit(&mut self, total: usize, tag: u32) -> Result<bool, Self::Error>;
}

/// What was counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages that were committed here.
    pub messages: u64,
    /// Bytes of frames that came.
    pub bytes: u64,
    /// Messages that came again.
    pub duplicates: u64,
    /// Frames before which something was missing.
    pub gaps: u64,
}

/// The importing side of one channel, as long as it talks with one sender.
#[derive(Debug)]
pub struct Receiver {
    id: u64,
    sender: u64,
    /// D2.
    want: u64,
    /// How much of that message lies in its place already.
    placed: u32,
    /// What comes next of what comes: behind all that waits.
    expected: (u64, u32),
    /// Of the part that came last.
    round: u32,
    /// What came in order, and waits for room.
    queue: VecDeque<Vec<u8>>,
    queued: usize,
    end: Option<End>,
    has_ended: bool,
    /// Bytes of records that were committed.
    written: u64,
    answer: Answer,
    counters: Counters,
}

/// What is to be said, and what was.
#[derive(Debug)]
struct Answer {
    serial: u64,
    is_due: bool,
    gap: Option<u32>,
    question: Option<(u64, u32)>,
    /// Something was committed that has not been said.
    has_news: bool,
    /// When something was said last.
    at: Option<Instant>,
    want: u64,
    written: u64,
    room: u64,
    pause: Duration,
}

/// What becomes of a frame's part in the ring.
enum Placed {
    Whole,
    /// There was no room for all of it.
    Waits,
}

impl Receiver {
    /// One that talks with `sender`, and wants the message `want`; it says so at once. `id` is nobody else's.
    #[must_use]
    pub fn new(id: u64, sender: u64, want: u64) -> Self {
        Self {
            id,
            sender,
            want,
            placed: 0,
            expected: (want, 0),
            round: 0,
            queue: VecDeque::new(),
            queued: 0,
            end: None,
            has_ended: false,
            written: 0,
            answer: Answer {
                serial: 0,
                is_due: true,
                gap: None,
                question: None,
                has_news: false,
                at: None,
                want,
                written: 0,
                room: 0,
                pause: ACK_PAUSE,
            },
            counters: Counters::default(),
        }
    }

    /// Whom it talks with.
    #[must_use]
    pub fn sender(&self) -> u64 {
        self.sender
    }

    /// The number of the message that is wanted next.
    #[must_use]
    pub fn want(&self) -> u64 {
        self.want
    }

    /// What was counted.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// So many bytes have come.
    pub fn count(&mut self, bytes: usize) {
        self.counters.bytes += bytes as u64;
    }

    /// Something that the sender says.
    ///
    /// # Errors
    ///
    /// The sink's.
    pub fn on_frame<S: Sink>(&mut self, frame: &Frame<'_>, sink: &mut S) -> Result<(), S::Error> {
        if (frame.sender, frame.receiver) != (self.sender, self.id) {
            return Ok(());
        }
        match &frame.body {
            Body::Data(data) if self.accepts(data) => {
                self.expected = (data.first + u64::from(data.count), 0);
                self.take(frame, sink)
            }
            Body::Piece(piece) if self.accepts_piece(piece) => {
                let end = piece.offset + piece.bytes.len() as u32;
                self.round = piece.round;
                self.expected = match end == piece.total {
                    true => (piece.number + 1, 0),
                    false => (piece.number, end),
                };
                self.take(frame, sink)
            }
            Body::End(end) => {
                if (end.number, 0) > self.expected {
                    self.missing(end.round);
                } else if (end.number, 0) == self.expected {
                    self.end = Some(*end);
                }
                Ok(())
            }
            Body::Probe(probe) => {
                if (probe.sent, probe.offset) > self.expected {
                    self.missing(probe.round);
                }
                self.answer.question = Some((probe.question, probe.round));
                self.answer.is_due = true;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Something before a frame of `round` has not come.
    fn missing(&mut self, round: u32) {
        self.counters.gaps += 1;
        self.answer.gap = Some(round);
        self.answer.is_due = true;
    }

    fn accepts(&mut self, data: &Data<'_>) -> bool {
        let (number, offset) = self.expected;
        let end = data.first + u64::from(data.count);
        if end <= number {
            self.counters.duplicates += u64::from(data.count);
            self.answer.is_due = true;
            return false;
        }
        if data.first > number || offset > 0 {
            self.missing(data.round);
            return false;
        }
        self.counters.duplicates += number - data.first;
        self.queued <= QUEUE
    }

    fn accepts_piece(&mut self, piece: &Piece<'_>) -> bool {
        let place = (piece.number, piece.offset);
        let (number, offset) = self.expected;
        if piece.number == number && piece.offset == 0 && offset > 0 && piece.round > self.round {
            // The sender has gone back to the beginning of this message.
            while self
                .queue
                .back()
                .is_some_and(|frame| is_part_of(frame, number))
            {
                self.queued -= self.queue.pop_back().map_or(0, |frame| frame.len());
            }
            return self.queued <= QUEUE;
        }
        if place < self.expected {
            self.counters.duplicates += 1;
            self.answer.is_due = true;
            return false;
        }
        if place > self.expected {
            self.missing(piece.round);
            return false;
        }
        self.queued <= QUEUE
    }

    /// Commits what is next, or has it wait.
    fn take<S: Sink>(&mut self, frame: &Frame<'_>, sink: &mut S) -> Result<(), S::Error> {
        let waits =
            !self.queue.is_empty() || matches!(self.place(&frame.body, sink)?, Placed::Waits);
        if waits {
            let bytes = frame.encode();
            self.queued += bytes.len();
            self.queue.push_back(bytes);
        }
        Ok(())
    }

    fn place<S: Sink>(&mut self, body: &Body<'_>, sink: &mut S) -> Result<Placed, S::Error> {
        match body {
            Body::Data(data) => {
                let known = self.want.saturating_sub(data.first);
                for (tag, message) in data.messages().skip(known as usize) {
                    if !sink.write(tag, message)? {
                        return Ok(Placed::Waits);
                    }
                    self.committed(message.len(), sink.alignment());
                }
                Ok(Placed::Whole)
            }
            Body::Piece(piece) if piece.number == self.want => {
                // Begun anew, or going on.
                if piece.offset != 0 && piece.offset != self.placed {
                    return Ok(Placed::Whole);
                }
                let (total, offset) = (piece.total as usize, piece.offset as usize);
                if !sink.part(total, offset, piece.bytes)? {
                    return Ok(Placed::Waits);
                }
                self.placed = piece.offset + piece.bytes.len() as u32;
                if self.placed == piece.total {
                    if !sink.commit(total, piece.tag)? {
                        self.placed = piece.offset;
                        return Ok(Placed::Waits);
                    }
                    self.committed(total, sink.alignment());
                }
                Ok(Placed::Whole)
            }
            _ => Ok(Placed::Whole),
        }
    }

    /// D1.
    fn committed(&mut self, len: usize, alignment: u32) {
        self.want += 1;
        self.placed = 0;
        self.counters.messages += 1;
        self.written += (len as u64 + 8).next_multiple_of(alignment.into());
    }

    /// Commits of what waits as much as there is room for.
    ///
    /// # Errors
    ///
    /// The sink's.
    pub fn drain<S: Sink>(&mut self, sink: &mut S) -> Result<(), S::Error> {
        while let Some(bytes) = self.queue.pop_front() {
            if let Ok(frame) = crate::wire::decode(&bytes)
                && matches!(self.place(&frame.body, sink)?, Placed::Waits)
            {
                self.queue.push_front(bytes);
                break;
            }
            self.queued -= bytes.len();
        }
        Ok(())
    }

    /// The end of the stream, once all before it is committed; told once.
    pub fn take_end(&mut self) -> Option<End> {
        let end = self.end.filter(|end| end.number == self.want)?;
        self.end = None;
        self.has_ended = true;
        self.answer.is_due = true;
        Some(end)
    }

    /// What is to be answered now, if anything.
    pub fn poll<S: Sink>(&mut self, sink: &S, now: Instant) -> Option<Vec<u8>> {
        let room = sink.room();
        let answer = &mut self.answer;
        let written = self.written - answer.written;
        // By how much more may be sent than at the last answer.
        let growth = (written + room).saturating_sub(answer.room);
        answer.has_news = self.want > answer.want;
        let enough = ACK_BYTES.min(sink.capacity() / 8);
        let silent = answer.at.map(|at| now.saturating_duration_since(at));
        answer.is_due |= match silent {
            None => true,
            Some(silent) => {
                answer.has_news && (written >= enough || silent >= ACK_PAUSE)
                    || growth > 0 && (growth >= enough || silent >= LOOK_MAX)
                    || silent >= HEARTBEAT
            }
        };
        if !answer.is_due {
            answer.pause = (answer.pause * 2).min(LOOK_MAX);
            return None;
        }
        let gap = answer.gap.take();
        let question = answer.question.take();
        let round = question.map(|(_, round)| round).or(gap).unwrap_or(0);
        let ack = Ack {
            serial: answer.serial + 1,
            want: self.want,
            room,
            alignment: sink.alignment(),
            round,
            question: question.map_or(0, |(question, _)| question),
            has_gap: gap == Some(round),
            has_ended: self.has_ended,
        };
        *answer = Answer {
            serial: ack.serial,
            is_due: false,
            gap: None,
            question: None,
            has_news: false,
            at: Some(now),
            want: self.want,
            written: self.written,
            room,
            pause: ACK_PAUSE,
        };
        let frame = Frame {
            sender: self.sender,
            receiver: self.id,
            body: Body::Ack(ack),
        };
        Some(frame.encode())
    }

    /// When to look again for room, and for what is to be answered, if nothing comes.
    #[must_use]
    pub fn deadline<S: Sink>(&self, sink: &S, now: Instant) -> Instant {
        if let Some(at) = self.answer.at.filter(|_| self.answer.has_news) {
            return at + ACK_PAUSE;
        }
        // While something is in the ring its reader may make room.
        let may_grow = !self.queue.is_empty() || sink.room() < sink.capacity();
        now + if may_grow {
            self.answer.pause
        } else {
            HEARTBEAT
        }
    }
}

fn is_part_of(frame: &[u8], number: u64) -> bool {
    matches!(crate::wire::decode(frame), Ok(Frame { body: Body::Piece(piece), .. }) if piece.number == number)
}

/// What a far side says that has nothing yet.
#[must_use]
pub fn join(receiver: u64, machine: &Machine) -> Vec<u8> {
    let frame = Frame {
        sender: 0,
        receiver,
        body: Body::Join(machine.clone()),
    };
    frame.encode()
}
