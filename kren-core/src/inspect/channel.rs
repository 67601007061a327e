//! What is seen of a channel.

use super::Kind;
use crate::PeerState;
use std::time::SystemTime;

/// What stands under a channel's name.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Channel {
    /// Its name.
    pub name: String,
    /// Bytes of shared memory that it takes; 0 where that cannot be seen.
    pub bytes: u64,
    /// The number of the user it belongs to, where the system tells.
    pub owner: Option<u32>,
    /// Permission bits, where the system tells.
    pub mode: Option<u32>,
    /// What it is.
    pub contents: Contents,
}

impl Channel {
    /// What is in it, unless it is something else than a sound segment of this version.
    #[must_use]
    pub fn segment(&self) -> Option<&Segment> {
        match &self.contents {
            Contents::Segment(segment) => Some(segment),
            _ => None,
        }
    }
}

/// What stands under a name.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Contents {
    /// A segment of this version.
    Segment(Box<Segment>),
    /// A segment of this layout version, which this version of KREN does not read.
    OtherVersion(u32),
    /// Bytes that are no segment, and why.
    Damaged(String),
    /// It may not be read, cannot be mapped, or is no file, and why.
    Unreadable(String),
}

/// What a segment says of itself and of those who hold it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Segment {
    /// What it is for.
    pub kind: Kind,
    /// Bytes of records that its ring holds; 0 without a ring.
    pub capacity: usize,
    /// Alignment of payloads in bytes.
    pub alignment: usize,
    /// Bytes of a page of it.
    pub granularity: usize,
    /// Seats for readers, subscribers or members.
    pub seats: usize,
    /// Whether slow subscribers may be passed over.
    pub evicts: bool,
    /// Tells it from every other segment that had or will have its name.
    pub instance: u64,
    /// When it was made.
    pub created: Option<SystemTime>,
    /// The process that made it, by the number it had.
    pub creator: u32,
    /// The instance of the registry that this lane belongs to.
    pub group: Option<u64>,
    /// What the messages are, as the creator says.
    pub schema: Option<Schema>,
    /// Of what it is the mirror.
    pub origin: Option<Origin>,
    /// The writing side; the owner of a registry or a bell.
    pub writer: Side,
    /// The other seats that were ever taken, in order.
    pub readers: Vec<Side>,
    /// Its ring, if it has one.
    pub ring: Option<Ring>,
}

/// What the messages of a channel are.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Schema {
    /// Its name.
    pub name: String,
    /// Of the whole description.
    pub hash: u64,
    /// The description, or its beginning.
    pub text: String,
}

/// Of which segment, on which machine, a channel is the mirror.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Origin {
    /// Of the realm and the machine.
    pub name: String,
    /// The same, for comparing.
    pub hash: u64,
    /// The instance of the segment that is mirrored.
    pub instance: u64,
    /// The number there of the message that is the first here.
    pub first: u64,
}

/// How a subscriber takes part in a broadcast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stance {
    /// It holds nothing up.
    Lossy,
    /// The publisher waits for it while it lives.
    Lossless,
    /// The publisher waits for it also when it is gone.
    Durable,
}

/// A seat, and who has it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Side {
    /// Its number: 0 for the writer's.
    pub seat: usize,
    /// Who is on it.
    pub state: PeerState,
    /// The process id of the last holder; 0 before the first.
    pub pid: u32,
    /// That number is one of another pid namespace, say another container's, and means nothing here.
    pub is_elsewhere: bool,
    /// How often the seat was taken.
    pub session: u32,
    /// When it was taken last.
    pub since: Option<SystemTime>,
    /// Bytes of the ring it has written or released in all.
    pub position: u64,
    /// Messages up to there.
    pub count: u64,
    /// How often it has woken its peers.
    pub wakes: u32,
    /// How often it went to sleep.
    pub sleeps: u32,
    /// It sleeps, or is about to.
    pub is_asleep: bool,
    /// While it sleeps: the peer's position that it waits for.
    pub wanted: u64,
    /// While it sleeps for a position: when that was first slept for. The peer has not come so far since.
    pub asleep_since: Option<SystemTime>,
    /// While it sleeps: the bell it sleeps on, if not the usual word.
    pub bell: u64,
    /// A reader's: it is busy with a stream.
    pub is_streaming: bool,
    /// It publishes without a fence, and relies on the sleeper's barrier.
    pub uses_barrier: bool,
    /// A subscriber's.
    pub stance: Option<Stance>,
    /// A subscriber's: its publisher has passed it over.
    pub is_passed_over: bool,
    /// A durable subscriber's: the hash of the name it goes by, or 0.
    pub identity: u64,
    /// A worker's: how many messages it wants ahead.
    pub advice: u32,
    /// A registry owner's: bytes of each new lane.
    pub lane: u64,
}

impl Side {
    /// Whether a live process holds it.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.state == PeerState::Attached
    }
}

/// How full a ring is.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Ring {
    /// Messages written since it was made.
    pub written: u64,
    /// Bytes of records written since it was made.
    pub written_bytes: u64,
    /// Messages that all have released whom the writer waits for.
    pub released: u64,
    /// Bytes of records up to there.
    pub released_bytes: u64,
    /// Messages that would be lost with the segment: to a channel's reader, or to a durable subscriber.
    pub kept: u64,
    /// Nothing from this position on was stored to.
    pub frontier: u64,
    /// Marks from which somebody who comes late can start.
    pub marks: usize,
    /// The rule that its words break, if they do.
    pub damage: Option<&'static str>,
}

impl Ring {
    /// Messages written and not yet released.
    #[must_use]
    pub fn undelivered(&self) -> u64 {
        self.written.saturating_sub(self.released)
    }

    /// Bytes of the ring that they take.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.written_bytes.saturating_sub(self.released_bytes)
    }
}
