//! The exporting side of the protocol: what to send when, and what may be forgotten. It knows neither zenoh nor clocks nor rings, so
//! that a test can lose, repeat and reorder everything that it says.
//!
//! - **E1** A message is released at the source only when the far side has said that it is committed.
//! - **E2** What is in flight takes no more room than the far side has said it has behind what it wants.
//! - **E3** What was sent can be sent again: the source goes back to any message that is not released.

mod peer;
#[cfg(test)]
mod tests;

use self::peer::{Ending, Peer};
use crate::wire::Ack;
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
