//! What is known of an end and of those on the other side.

use kren_core::PeerState;

use crate::borrowed::out;
use crate::failure::Outcome;

/// Who is on the other side.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum kren_state {
    /// It cannot be told: the end was inherited through fork, or its lock was closed by this process.
    KREN_UNKNOWN = 0,
    /// Nobody has come yet.
    KREN_NEVER_ATTACHED = 1,
    /// A live process.
    KREN_ATTACHED = 2,
    /// The last one has closed.
    KREN_HAS_CLOSED = 3,
    /// The last one's process ended without closing.
    KREN_HAS_DIED = 4,
}

impl From<PeerState> for kren_state {
    fn from(state: PeerState) -> Self {
        match state {
            PeerState::NeverAttached => Self::KREN_NEVER_ATTACHED,
            PeerState::Attached => Self::KREN_ATTACHED,
            PeerState::Closed => Self::KREN_HAS_CLOSED,
            PeerState::Died => Self::KREN_HAS_DIED,
            _ => Self::KREN_UNKNOWN,
        }
    }
}

/// What is known of an end: kren_writer_info(), kren_reader_info(). What an end has no figure for is 0.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct kren_info {
    /// sizeof(kren_info), set before the call.
    pub size: usize,
    /// Bytes of records the ring holds.
    pub capacity: usize,
    /// Writing: the longest message that could be written now without waiting. Reading: bytes of the ring with unread messages.
    pub available: usize,
    /// Writing: the longest message that can ever be written.
    pub max_message_len: usize,
    /// Alignment of payloads.
    pub alignment: usize,
    /// Reading: bytes of the ring that held messages keep from the writer.
    pub held: usize,
    /// Sender: its number, as its inbox sees it. Reader, subscriber: messages before the next one, since the channel was made.
    pub number: u64,
    /// Members on the other side: of a dealer, its workers; of a publisher, an inbox: those that are there. Of others 0 or 1.
    pub peers: u64,
    /// Who is on the other side. Of an inbox and a dealer, which have many or none: KREN_ATTACHED if anybody is.
    pub state: kren_state,
    /// 1 if the name no longer leads to this end.
    pub removed: u32,
}

impl kren_info {
    /// With nothing known.
    pub(crate) fn new() -> Self {
        Self {
            size: size_of::<Self>(),
            capacity: 0,
            available: 0,
            max_message_len: 0,
            alignment: 0,
            held: 0,
            number: 0,
            peers: 0,
            state: kren_state::KREN_UNKNOWN,
            removed: 0,
        }
    }

    /// Says how many are on the other side, and that there is anybody.
    pub(crate) fn set_peers(&mut self, count: usize) {
        self.peers = count as u64;
        self.state = match count {
            0 => kren_state::KREN_NEVER_ATTACHED,
            _ => kren_state::KREN_ATTACHED,
        };
    }

    /// Says who is on the other side, where there is one.
    pub(crate) fn set_peer(&mut self, state: PeerState) {
        self.peers = u64::from(state == PeerState::Attached);
        self.state = state.into();
    }
}

/// Checks the size at `place`, which a program has set.
pub(crate) fn check_size(place: *mut kren_info) -> Outcome<()> {
    out(place)?;
    // SAFETY: H1: the size is there at least.
    #[allow(unsafe_code)]
    let size = unsafe { (*place).size };
    match size == size_of::<kren_info>() {
        true => Ok(()),
        false => Err(crate::failure::Failure::Misuse(
            &"kren_info.size is not sizeof(kren_info)",
        )),
    }
}

/// One on the other side, where there can be many.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct kren_peer {
    /// Tells it from all others there have been: a sender's number, or a client's; of a subscriber, its seat from 1.
    pub number: u64,
    /// Its process id, for people; 0 where it means nothing here.
    pub pid: u32,
    /// Whether it is there, or how it went.
    pub state: kren_state,
    /// Of a subscriber: messages that it has not released.
    pub behind: u64,
    /// Of a subscriber: bytes of the ring that these take.
    pub behind_bytes: u64,
    /// Of a subscriber: KREN_LOSSY if it is.
    pub flags: u32,
    /// Of a subscriber: 1 if it holds the publisher up also when it is gone.
    pub durable: u32,
}

impl kren_peer {
    pub(crate) fn new(sender: kren_core::SenderId, state: kren_state) -> Self {
        Self {
            number: sender.number,
            pid: sender.pid,
            state,
            behind: 0,
            behind_bytes: 0,
            flags: 0,
            durable: 0,
        }
    }
}
