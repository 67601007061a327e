//! The state of a channel in a word.

use super::{Channel, Contents, Segment};
use crate::PeerState;

/// How a channel fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// Messages have passed since the earlier look.
    Flowing,
    /// Both sides are there, and nothing passes.
    Idle,
    /// The writer sleeps until somebody makes room.
    Full,
    /// A writer, and no reader yet or any more.
    WaitingForReader,
    /// A reader, and no writer yet or any more.
    WaitingForWriter,
    /// The writer's process ended without closing, and a reader is there.
    WriterDied,
    /// The reader's process ended without closing, and a writer is there.
    ReaderDied,
    /// Nobody is there, and messages are.
    Undelivered,
    /// Nobody is there, and nothing is left.
    Stale,
    /// A registry or a bell with its owner.
    Open,
    /// The owner of a registry or a bell ended without closing, and members are there.
    OwnerDied,
    /// Its bytes break the rules.
    Damaged,
    /// It was made by another version.
    OtherVersion,
    /// It may not be read.
    Unreadable,
}

impl State {
    /// As people say it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Flowing => "flowing",
            Self::Idle => "idle",
            Self::Full => "full",
            Self::WaitingForReader => "waiting for a reader",
            Self::WaitingForWriter => "waiting for a writer",
            Self::WriterDied => "writer died",
            Self::ReaderDied => "reader died",
            Self::Undelivered => "undelivered",
            Self::Stale => "stale",
            Self::Open => "open",
            Self::OwnerDied => "owner died",
            Self::Damaged => "damaged",
            Self::OtherVersion => "other version",
            Self::Unreadable => "unreadable",
        }
    }
}

impl Channel {
    /// How it fares. Only with an `earlier` look at the same channel can it be told to be flowing.
    #[must_use]
    pub fn state(&self, earlier: Option<&Channel>) -> State {
        let segment = match &self.contents {
            Contents::Segment(segment) => segment,
            Contents::OtherVersion(_) => return State::OtherVersion,
            Contents::Damaged(_) => return State::Damaged,
            Contents::Unreadable(_) => return State::Unreadable,
        };
        let Some(ring) = &segment.ring else {
            return segment.owned();
        };
        if ring.damage.is_some() {
            return State::Damaged;
        }
        let before = earlier.and_then(Channel::segment);
        let before = before.filter(|before| before.instance == segment.instance);
        let flows = before.is_some_and(|before| {
            before.ring.as_ref().is_some_and(|before| {
                (before.written, before.released) != (ring.written, ring.released)
            })
        });
        let reader = segment.readers.iter().any(super::Side::is_live);
        match (segment.writer.is_live(), reader) {
            (true, true) if flows => State::Flowing,
            (true, true) if segment.is_full() => State::Full,
            (true, true) => State::Idle,
            // A broadcast flows without subscribers too.
            (true, false) if flows && segment.seats > 1 => State::Flowing,
            (true, false) => match segment.readers.iter().any(died) {
                true => State::ReaderDied,
                false => State::WaitingForReader,
            },
            (false, true) if died(&segment.writer) => State::WriterDied,
            (false, true) if flows => State::Flowing,
            (false, true) => State::WaitingForWriter,
            (false, false) if ring.kept > 0 => State::Undelivered,
            (false, false) => State::Stale,
        }
    }
}

fn died(side: &super::Side) -> bool {
    side.state == PeerState::Died
}

impl Segment {
    /// Whether the writer sleeps until somebody makes room.
    #[must_use]
    pub fn is_full(&self) -> bool {
        let writer = &self.writer;
        // One that waits until everything is delivered wants its own position.
        self.ring.as_ref().is_some_and(|ring| {
            writer.is_asleep
                && writer.wanted > ring.released_bytes
                && writer.wanted < ring.written_bytes
        })
    }

    /// Whether a live process holds any seat.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.writer.is_live() || self.readers.iter().any(super::Side::is_live)
    }

    /// Whether it is the mirror of a channel on another machine, or its owner, or the last one, stands for one there.
    #[must_use]
    pub fn stands_for_another(&self) -> bool {
        self.origin.is_some() || self.ring.is_none() && self.writer.identity != 0
    }

    fn owned(&self) -> State {
        let members = self.readers.iter().any(super::Side::is_live);
        match (self.writer.is_live(), members) {
            (true, _) => State::Open,
            (false, true) if died(&self.writer) => State::OwnerDied,
            (false, true) => State::WaitingForWriter,
            (false, false) => State::Stale,
        }
    }
}
