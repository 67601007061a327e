//! The exporting side of the protocol: what to send when, and what may be forgotten. It knows neither zenoh nor clocks nor rings, so
//! that a test can lose, repeat and reorder everything that it says.
//!
//! - **E1** A message is released at the source only when the far side has said that it is committed.
//! - **E2** What is in flight takes no more room than the far side has said it has behind what it wants.
//! - **E3** What was sent can be sent again: the source goes back to any message that is not released.

use crate::wire::{self, Ack, Body, End, Frame, Piece, Probe};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Bytes of messages in a frame, about: what zenoh carries in one piece.
pub const FRAME: usize = 60 * 1024;
/// Bytes of the parts of a message that is longer than a frame, and of what they share a batch of zenoh's with, which has 64 KiB: cut
/// so, nothing is left over that would go alone.
pub const PIECE: usize = 64_000;
/// The least that is worth to be added to a batch.
const REST: usize = 4096;
/// Bytes in flight, whatever the room: what may have to be sent again.
pub const WINDOW: u64 = 8 << 20;
/// How long an answer may take, at first.
const PATIENCE: Duration = Duration::from_millis(200);
/// And at most.
const PATIENCE_MAX: Duration = Duration::from_secs(2);
/// A question in peace, so that each side knows of the other, and how far away it is.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// Where messages come from: a ring, or a test.
pub trait Source {
    /// What can go wrong there.
    type Error;
    /// The length and the tag of the next message, if there is one.
    ///
    /// # Errors
    ///
    /// The source's.
    fn peek(&mut self) -> Result<Option<(usize, u32)>, Self::Error>;
    /// Adds a part of it to `to`.
    ///
    /// # Errors
    ///
    /// The source's.
    fn copy(&mut self, from: usize, len: usize, to: &mut Vec<u8>) -> Result<(), Self::Error>;
    /// Goes on to the one behind it.
    ///
    /// # Errors
    ///
    /// The source's.
    fn step(&mut self) -> Result<(), Self::Error>;
    /// The number of the next message.
    fn number(&self) -> u64;
    /// The number of the oldest message that is not released.
    fn oldest(&self) -> u64;
    /// Goes back to the message of this number, which is not released.
    ///
    /// # Errors
    ///
    /// The source's.
    fn rewind(&mut self, number: u64) -> Result<(), Self::Error>;
    /// Releases all before the message of this number, or at least what was complete before it.
    ///
    /// # Errors
    ///
    /// The source's.
    fn release(&mut self, number: u64) -> Result<(), Self::Error>;
}

/// What was counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages that the far side has committed.
    pub messages: u64,
    /// Bytes of frames that were sent, those sent again included.
    pub bytes: u64,
    /// How often it was gone back.
    pub resends: u64,
    /// The last round trip.
    pub round_trip: Option<Duration>,
}

/// The exporting side of one channel.
#[derive(Debug)]
pub struct Sender {
    id: u64,
    peer: Option<Peer>,
    counters: Counters,
}

/// What is known of the far side, and what is on its way to it.
#[derive(Debug)]
struct Peer {
    receiver: u64,
    round: u32,
    /// Of the last answer.
    ack: Ack,
    flight: VecDeque<Flight>,
    in_flight: u64,
    /// How much of the next message has been sent in parts.
    offset: usize,
    /// Bytes in the batch that zenoh is filling, about.
    batched: usize,
    /// The next message was looked at, and there is no room for it.
    is_held_up: bool,
    end: Ending,
    question: u64,
    asked: Option<(u64, Instant)>,
    /// The number behind the last message that was ever sent.
    furthest: u64,
    /// When the far side was heard last.
    heard: Instant,
    /// When it is asked next.
    ask_at: Instant,
    patience: Duration,
}

/// What was sent in one frame.
#[derive(Debug)]
struct Flight {
    /// The number behind the last message.
    end: u64,
    cost: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
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

impl Sender {
    /// A new one; `id` is nobody else's.
    #[must_use]
    pub fn new(id: u64) -> Self {
        Self {
            id,
            peer: None,
            counters: Counters::default(),
        }
    }

    /// Its own number.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The far side that it talks with.
    #[must_use]
    pub fn receiver(&self) -> Option<u64> {
        self.peer.as_ref().map(|peer| peer.receiver)
    }

    /// Since when nothing has been heard of it.
    #[must_use]
    pub fn heard(&self) -> Option<Instant> {
        self.peer.as_ref().map(|peer| peer.heard)
    }

    /// What was counted.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// The number of the message that the far side wants next.
    #[must_use]
    pub fn confirmed(&self) -> Option<u64> {
        self.peer.as_ref().map(|peer| peer.ack.want)
    }

    /// An answer of the far side. One that comes from a `receiver` that is not known yet makes it known.
    ///
    /// Tells whether it was taken: an answer to what nobody here can have said is not.
    ///
    /// # Errors
    ///
    /// The source's.
    pub fn on_ack<S: Source>(
        &mut self,
        receiver: u64,
        ack: Ack,
        source: &mut S,
        now: Instant,
    ) -> Result<bool, S::Error> {
        let known = self.peer.as_mut().filter(|peer| peer.receiver == receiver);
        let Some(peer) = known else {
            // E3: what it wants must be there.
            if ack.want < source.oldest() {
                return Ok(false);
            }
            source.rewind(source.oldest())?;
            while source.number() < ack.want {
                if source.peek()?.is_none() {
                    source.rewind(source.oldest())?;
                    return Ok(false);
                }
                source.step()?;
            }
            source.release(ack.want)?;
            self.peer = Some(Peer::new(receiver, ack, now));
            return Ok(true);
        };
        peer.furthest = peer.furthest.max(source.number());
        let is_news = ack.serial > peer.ack.serial && ack.want >= peer.ack.want;
        if !is_news || ack.want > peer.furthest {
            return Ok(true);
        }
        peer.heard = now;
        // It had come before it was gone back.
        while source.number() < ack.want && source.peek()?.is_some() {
            peer.offset = 0;
            source.step()?;
        }
        if ack.want > peer.ack.want {
            self.counters.messages += ack.want - peer.ack.want;
            peer.patience = PATIENCE;
            peer.ask_at = now + PATIENCE;
            source.release(ack.want)?; // E1
        }
        while peer.flight.front().is_some_and(|sent| sent.end <= ack.want) {
            let sent = peer.flight.pop_front().map_or(0, |sent| sent.cost);
            peer.in_flight -= sent;
        }
        if ack.has_ended && matches!(peer.end, Ending::Told { .. }) {
            peer.end = Ending::Confirmed;
        }
        let is_missing = ack.has_gap && ack.round == peer.round;
        if let Some((question, asked)) = peer.asked
            && ack.question == question
        {
            peer.asked = None;
            self.counters.round_trip = Some(now.saturating_duration_since(asked));
            peer.patience = PATIENCE;
            peer.ask_at = now
                + if peer.is_waiting() {
                    PATIENCE
                } else {
                    HEARTBEAT
                };
            if let Ending::Told { has_died } = peer.end {
                peer.end = Ending::Due { has_died };
            }
        }
        peer.ack = ack;
        if is_missing {
            self.counters.resends += 1;
            peer.go_back(source)?;
        }
        Ok(true)
    }

    /// The stream has ended: nothing comes after what the source holds.
    pub fn end(&mut self, has_died: bool) {
        if let Some(peer) = &mut self.peer
            && peer.end == Ending::Open
        {
            peer.end = Ending::Due { has_died };
        }
    }

    /// Whether the far side knows of the end.
    #[must_use]
    pub fn is_end_confirmed(&self) -> bool {
        let peer = self.peer.as_ref();
        peer.is_some_and(|peer| peer.end == Ending::Confirmed)
    }

    /// Whether a message at the source could be sent now.
    #[must_use]
    pub fn wants_messages(&self) -> bool {
        let peer = self.peer.as_ref();
        peer.is_some_and(|peer| peer.end == Ending::Open && !peer.is_held_up)
    }

    /// When to call [`Sender::poll`] again, whatever happens.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.peer.as_ref().map(|peer| peer.ask_at)
    }

    /// The next frame to send, if there is one.
    ///
    /// # Errors
    ///
    /// The source's.
    pub fn poll<S: Source>(
        &mut self,
        source: &mut S,
        now: Instant,
    ) -> Result<Option<Vec<u8>>, S::Error> {
        let id = self.id;
        let Some(peer) = &mut self.peer else {
            return Ok(None);
        };
        let frame = match peer.messages(id, source)? {
            Some(frame) => Some(frame),
            None => peer.words(id, source.number(), now),
        };
        if let Some(frame) = &frame {
            self.counters.bytes += frame.len() as u64;
            peer.batch(frame.len());
        } else {
            // It goes now.
            peer.batched = 0;
        }
        Ok(frame)
    }
}

impl Peer {
    fn new(receiver: u64, ack: Ack, now: Instant) -> Self {
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
    fn is_waiting(&self) -> bool {
        !self.flight.is_empty() || self.offset > 0 || matches!(self.end, Ending::Told { .. })
    }

    fn go_back<S: Source>(&mut self, source: &mut S) -> Result<(), S::Error> {
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
    fn messages<S: Source>(
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
    fn batch(&mut self, len: usize) {
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
    fn words(&mut self, id: u64, number: u64, now: Instant) -> Option<Vec<u8>> {
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
