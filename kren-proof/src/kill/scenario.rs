//! One operation on a channel, and all that stands around it.

/// Who else is on the channel, in the tracer's own process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peer {
    Nobody,
    /// A writer that has written what is prepared, and lives on.
    Writer,
    /// A writer that has filled the ring, and waits in `write` for room for one more.
    BlockedWriter,
    /// A reader that does nothing.
    Reader,
    /// A reader that sleeps in `read`.
    SleepingReader,
}

/// Who else is on a broadcast, in the tracer's own process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Crowd {
    /// The victim publishes, and two subscribers look on that have read nothing.
    Publisher,
    /// The same, with a publisher that passes slow ones over.
    PublisherThatEvicts,
    /// The victim subscribes. There is a publisher that has written what is prepared, and another subscriber.
    Subscriber,
    Nobody,
}

/// The part that the victim has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Two senders live, the first of which has written what is prepared.
    Inbox,
    /// An inbox lives, and another sender that has written one message.
    Sender,
    /// Two workers live.
    Dealer,
    /// A dealer lives, which deals what is prepared when the victim is about to begin.
    Worker,
    /// A client lives, which calls when the victim is about to begin.
    Server,
    /// A server lives.
    Client,
}

/// What the operation does to the messages that lie in the channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Nothing,
    /// All of so many new ones are there afterwards; before, none.
    Commits(u32),
    /// So many of the first are gone afterwards, all at once.
    Releases(u32),
    /// All are gone afterwards.
    Discards,
}

/// One operation, with all that stands around it.
pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) peer: Peer,
    /// Of a broadcast: who else is on it.
    pub(super) crowd: Option<Crowd>,
    /// Of an inbox, a queue or a service: the victim's part in it.
    pub(super) part: Option<Part>,
    /// Runs in a process that then dies without closing.
    pub(super) predecessor: Option<fn(&str)>,
    /// Runs in the process that is killed.
    pub(super) victim: fn(&str),
    /// Messages that lie in the channel when the operation begins.
    pub(super) prepared: u32,
    pub(super) change: Change,
    /// Whether there may be no channel of that name afterwards.
    pub(super) may_be_absent: bool,
    /// It waits for a time to pass, so that no two runs take the same instructions.
    pub(super) keeps_time: bool,
}

impl Scenario {
    pub(super) fn new(name: &'static str, prepared: u32, change: Change, victim: fn(&str)) -> Self {
        let (peer, predecessor) = (Peer::Nobody, None);
        Self {
            name,
            peer,
            crowd: None,
            part: None,
            predecessor,
            victim,
            prepared,
            change,
            may_be_absent: false,
            keeps_time: false,
        }
    }

    pub(super) fn peer(mut self, peer: Peer) -> Self {
        self.peer = peer;
        self
    }

    pub(super) fn among(mut self, crowd: Crowd) -> Self {
        self.crowd = Some(crowd);
        self
    }

    pub(super) fn part(mut self, part: Part) -> Self {
        self.part = Some(part);
        self
    }

    pub(super) fn after(mut self, predecessor: fn(&str)) -> Self {
        self.predecessor = Some(predecessor);
        self
    }

    pub(super) fn keeps_time(mut self) -> Self {
        self.keeps_time = true;
        self
    }

    pub(super) fn may_be_absent(mut self) -> Self {
        self.may_be_absent = true;
        self
    }
}
