//! What is known of the far side, and what is on its way to it: which frames come next.

use super::{FRAME, PATIENCE, PATIENCE_MAX, PIECE, REST, Source, WINDOW};
use crate::wire::{self, Ack, Body, End, Frame, Piece, Probe};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What is known of the far side, and what is on its way to it.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) receiver: u64,
    pub(super) round: u32,
    /// Of the last answer.
    pub(super) ack: Ack,
    pub(super) flight: VecDeque<Flight>,
    pub(super) in_flight: u64,
    /// How much of the next message has been sent in parts.
    pub(super) offset: usize,
    /// Bytes in the batch that zenoh is filling, about.
    pub(super) batched: usize,
    /// The next message was looked at, and there is no room for it.
    pub(super) is_held_up: bool,
    pub(super) end: Ending,
    question: u64,
    pub(super) asked: Option<(u64, Instant)>,
    /// The number behind the last message that was ever sent.
    pub(super) furthest: u64,
    /// When the far side was heard last.
    pub(super) heard: Instant,
    /// When it is asked next.
    pub(super) ask_at: Instant,
    pub(super) patience: Duration,
}

/// What was sent in one frame.
#[derive(Debug)]
pub(super) struct Flight {
    /// The number behind the last message.
    pub(super) end: u64,
    pub(super) cost: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Open,
    /// The stream has ended in this way, which is to be told.
    Due {
        has_died: bool,
    },
    Told {
        has_died: bool,
    },
    Confirmed,
}

impl Peer {
    pub(super) fn new(receiver: u64, ack: Ack, now: Instant) -> Self {
        Self {
            receiver,
            round: 1,
            ack,
            flight: VecDeque::new(),
            in_flight: 0,
            offset: 0,
            batched: 0,
            is_held_up: false,
            end: Ending::Open,
            question: 0,
            asked: None,
            furthest: ack.want,
            heard: now,
            ask_at: now,
            patience: PATIENCE,
        }
    }

    /// Something is not answered for yet.
    pub(super) fn is_waiting(&self) -> bool {
        !self.flight.is_empty() || self.offset > 0 || matches!(self.end, Ending::Told { .. })
    }

    pub(super) fn go_back<S: Source>(&mut self, source: &mut S) -> Result<(), S::Error> {
        self.furthest = self.furthest.max(source.number());
        self.round += 1;
        self.flight.clear();
        self.in_flight = 0;
        self.offset = 0;
        self.is_held_up = false;
        if let Ending::Told { has_died } = self.end {
            self.end = Ending::Due { has_died };
        }
        source.rewind(self.ack.want)
    }

    /// Messages, as far as there are such, and room for them.
    pub(super) fn messages<S: Source>(
        &mut self,
        id: u64,
        source: &mut S,
    ) -> Result<Option<Vec<u8>>, S::Error> {
        self.is_held_up = false;
        if matches!(self.end, Ending::Told { .. } | Ending::Confirmed) {
            return Ok(None);
        }
        let Some((len, tag)) = source.peek()? else {
            return Ok(None);
        };
        if self.offset == 0 && !self.has_room(self.cost(len)) {
            self.is_held_up = true;
            return Ok(None);
        }
        if len > FRAME {
            return self.piece(id, source, len, tag).map(Some);
        }
        let first = source.number();
        let mut frame = wire::data(
            id,
            self.receiver,
            self.round,
            first,
            FRAME.min(len * 4 + 512),
        );
        let (mut count, mut cost) = (0, 0);
        while let Some((len, tag)) = source.peek()? {
            let more = self.cost(len);
            let is_full =
                frame.len() + wire::RECORD_HEAD + len > wire::DATA_HEAD + FRAME + wire::RECORD_HEAD;
            if count > 0 && (is_full || !self.has_room(cost + more)) {
                break;
            }
            wire::record(&mut frame, len, tag);
            source.copy(0, len, &mut frame)?;
            source.step()?;
            count += 1;
            cost += more;
        }
        wire::seal(&mut frame, count);
        self.sent(source.number(), cost);
        Ok(Some(frame))
    }

    /// The next part of a long message.
    fn piece<S: Source>(
        &mut self,
        id: u64,
        source: &mut S,
        total: usize,
        tag: u32,
    ) -> Result<Vec<u8>, S::Error> {
        let number = source.number();
        let len = (total - self.offset).min(PIECE - self.batched);
        let mut frame = Frame {
            sender: id,
            receiver: self.receiver,
            body: Body::Piece(Piece {
                round: self.round,
                tag,
                number,
                // A message's length is below 2^32 (R2).
                total: total as u32,
                offset: self.offset as u32,
                bytes: &[],
            }),
        }
        .encode();
        frame.reserve_exact(len);
        source.copy(self.offset, len, &mut frame)?;
        if self.offset == 0 {
            let cost = self.cost(total);
            self.sent(number + 1, cost);
        }
        self.offset += len;
        if self.offset == total {
            self.offset = 0;
            source.step()?;
        }
        Ok(frame)
    }

    /// A frame of so many bytes was added to the batch, or has begun a new one.
    pub(super) fn batch(&mut self, len: usize) {
        let end = match self.batched + len {
            end if end > PIECE + REST / 2 => len,
            end => end,
        };
        self.batched = if end + REST > PIECE { 0 } else { end };
    }

    fn sent(&mut self, end: u64, cost: u64) {
        self.flight.push_back(Flight { end, cost });
        self.in_flight += cost;
    }

    /// The end, or a question.
    pub(super) fn words(&mut self, id: u64, number: u64, now: Instant) -> Option<Vec<u8>> {
        let body = if let Ending::Due { has_died } = self.end
            && !self.is_held_up
        {
            self.end = Ending::Told { has_died };
            Body::End(End {
                round: self.round,
                has_died,
                number,
            })
        } else if now >= self.ask_at && self.end != Ending::Confirmed {
            self.question += 1;
            self.asked = Some((self.question, now));
            self.patience = (self.patience * 2).min(PATIENCE_MAX);
            self.ask_at = now + self.patience;
            Body::Probe(Probe {
                round: self.round,
                question: self.question,
                sent: number,
                offset: self.offset as u32,
            })
        } else {
            return None;
        };
        let frame = Frame {
            sender: id,
            receiver: self.receiver,
            body,
        };
        Some(frame.encode())
    }

    /// Bytes of records that a message of `len` bytes takes there.
    fn cost(&self, len: usize) -> u64 {
        (len as u64 + 8).next_multiple_of(self.ack.alignment.into())
    }

    /// E2. A message longer than the window goes alone.
    fn has_room(&self, cost: u64) -> bool {
        let end = self.in_flight + cost;
        end <= self.ack.room && (end <= WINDOW || self.in_flight == 0)
    }
}
