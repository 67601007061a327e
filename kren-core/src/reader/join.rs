//! Joining a broadcast: where a subscriber starts, and how it makes sure that the writer respects that (B3).

use super::KrenReader;
use super::checked::Checked;
use crate::awaiting::Awaiting;
use crate::endpoint::{Endpoint, Strategy};
use crate::gates;
use crate::layout::{STANCE_DURABLE, STANCE_GATING, STANCE_JOINING, STANCE_LOSSY};
use crate::ring::{self, Consumer, Memory, Shape};
use crate::segment::{self, Access, PeerState, Segment, Start, Who};
use crate::sync::{Ordering, fence};
use crate::{Error, Result, Role};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Tries to find a place in a ring whose writer overtakes each one.
const ATTEMPTS: u32 = 10_000;
/// Looks at a writer that is just looking itself, before it is asked whether it lives.
const LOOKS: u32 = 1000;
/// How long to wait for the end of its look, which takes microseconds, if it lives: it may have been stopped.
const PATIENCE: Duration = Duration::from_secs(10);

/// How a subscriber takes part in a broadcast.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subscription {
    pub(crate) is_lossy: bool,
    /// The hash of the name that a durable subscriber goes by; 0 for one without a name.
    pub(crate) durable: Option<u64>,
    pub(crate) start: Start,
}

impl Subscription {
    fn stance(&self) -> u32 {
        match (self.is_lossy, self.durable) {
            (true, _) => STANCE_LOSSY,
            (false, None) => STANCE_GATING,
            (false, Some(_)) => STANCE_DURABLE,
        }
    }
}

impl KrenReader {
    /// Joins the broadcast `segment`, one of whose seats is held. The first read tells how many of the messages that were
    /// asked for have been overwritten.
    pub(crate) fn subscribe(
        segment: Segment,
        subscription: Subscription,
        strategy: Strategy,
        access: Access,
    ) -> Result<Self> {
        let is_checked = subscription.is_lossy || segment.evicts();
        let own = segment.mapping().page(segment.seat());
        let presence = &own.presence.0;
        // A durable subscriber that comes back finds its place.
        let resumes = presence.stance.load(Ordering::Relaxed) == STANCE_DURABLE;
        if !resumes {
            let identity = subscription.durable.unwrap_or(0);
            presence.identity.store(identity, Ordering::Relaxed);
            // Whoever had this seat before holds nothing up any more. Before `attach` announces that it is taken.
            // Release: whoever sees that somebody joins sees by which name (`be_the_only_one`).
            presence.stance.store(STANCE_JOINING, Ordering::Release);
        }
        let endpoint = Endpoint::attach(segment, strategy, None)?;
        let shape = Shape::new(endpoint.mapping().geometry());
        let consumer = match resumes {
            true => Consumer::resume(endpoint.memory(), shape),
            false => Ok(Consumer::at(endpoint.memory(), shape, 0)),
        };
        let waker = endpoint.waker();
        let mut reader = Self {
            awaiting: Awaiting::default(),
            consumer: consumer.map_err(|error| endpoint.ring_error(error))?,
            waker,
            pace: crate::pace::Pace::new(0),
            tag: 0,
            leases: super::Leases::default(),
            afterwards: None,
            moving: false,
            subscription: Some(subscription),
            checked: is_checked.then(|| Checked::new(None, false)),
            strategy,
            access,
            endpoint,
        };
        if !resumes {
            reader.be_the_only_one()?;
            reader.join(subscription.start)?;
            if let Start::After(count) = subscription.start
                && let missed @ 1.. = reader.consumer.count().saturating_sub(count)
            {
                let channel = Arc::clone(reader.endpoint.name());
                reader.tell_later(Error::Lagged { channel, missed });
            }
        }
        reader.endpoint.announce_arrival();
        Ok(reader)
    }

    /// Of several that join at once by one name for the first time, one goes on: each has said its name before it looks, so
    /// of two at least one sees the other; the one with the higher seat gives way, and the other waits until it knows.
    fn be_the_only_one(&self) -> Result<()> {
        let Some(identity @ 1..) = self.subscription.and_then(|how| how.durable) else {
            return Ok(());
        };
        let mapping = &**self.endpoint.mapping();
        let own = self.endpoint.seat();
        // Pairs with itself on the other side: one of the two names is stored before the other side's look.
        fence(Ordering::SeqCst);
        let start = Instant::now();
        for seat in gates::seats(mapping).filter(|seat| *seat != own) {
            let presence = &mapping.page(seat).presence.0;
            loop {
                let stance = presence.stance.load(Ordering::Acquire);
                let is_rival = stance != STANCE_LOSSY
                    && presence.identity.load(Ordering::Relaxed) == identity
                    && self.endpoint.segment().is_held(seat);
                if !is_rival {
                    break;
                }
                if stance != STANCE_JOINING || seat < own || start.elapsed() > PATIENCE {
                    return Err(Error::ReaderExists {
                        channel: Arc::clone(self.endpoint.name()),
                        holder: presence.holder(),
                    });
                }
                std::thread::yield_now();
            }
        }
        Ok(())
    }

    /// Takes a place in the ring and, unless it is lossy, makes the writer respect it.
    pub(super) fn join(&mut self, start: Start) -> Result<()> {
        let endpoint = Arc::clone(&self.endpoint);
        let mapping = &**endpoint.mapping();
        let shape = Shape::new(mapping.geometry());
        let presence = &endpoint.own().presence.0;
        let stance = self.subscription.map_or(STANCE_GATING, |how| how.stance());
        let session = presence.session.load(Ordering::Relaxed);
        if gates::is_void(mapping, endpoint.seat(), session) {
            // What was passed over is that session (B5).
            let session = session.wrapping_add(1);
            presence.session.store(session, Ordering::Relaxed);
        }
        let memory = endpoint.memory();
        let mut from = 0;
        for _ in 0..ATTEMPTS {
            let place = find_place(&memory, &shape, start, from);
            let is_forsaken = self.watch_look();
            let seat = endpoint.seat();
            from = place.saturating_add(1);
            if !gates::take_place(mapping, seat, stance, place, &shape, is_forsaken)? {
                continue;
            }
            // Fails where it has been overwritten meanwhile, which can happen to a lossy one.
            match Consumer::resume(endpoint.memory(), shape) {
                Ok(consumer) if !consumer.is_overtaken() => self.consumer = consumer,
                _ => continue,
            }
            let count = match start {
                Start::After(count) => count,
                Start::Oldest | Start::Newest => 0,
            };
            if self.skip_until(count)? {
                self.give_back();
                return Ok(());
            }
        }
        Err(Error::Corrupt {
            channel: Arc::clone(endpoint.name()),
            what: "no place to start from could be found in its ring".into(),
        })
    }

    /// Asked while the writer looks at its gates: whether it died at that. Fails when it has stood still for too long.
    fn watch_look(&self) -> impl FnMut() -> Result<bool> + use<> {
        let endpoint = Arc::clone(&self.endpoint);
        let mut asked = 0;
        let mut since = None;
        move || {
            asked += 1;
            if asked % LOOKS != 0 {
                std::hint::spin_loop();
                return Ok(false);
            }
            if endpoint.peer_state()? != PeerState::Attached {
                return Ok(true);
            }
            if since.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
                return Err(Error::TimedOut {
                    channel: Arc::clone(endpoint.name()),
                    what: "publisher that stands still while it looks at its subscribers",
                    after: PATIENCE,
                });
            }
            std::thread::yield_now();
            Ok(false)
        }
    }

    /// Releases messages unread until `count` of all have come before the cursor; `false` if this side was overtaken at that.
    fn skip_until(&mut self, count: u64) -> Result<bool> {
        while self.consumer.count() < count {
            let found = self.consumer.peek();
            // Before anything found there is gone by (B7).
            if self.is_checked() && self.consumer.is_overtaken() {
                return Ok(false);
            }
            let found = found.map_err(|error| self.endpoint.ring_error(error))?;
            let Some(record) = found else { break };
            self.consumer.advance(&record);
        }
        Ok(true)
    }

    /// What `follow` attaches to: a new segment of the name, taken in the same way as this one.
    pub(super) fn reattach(&self) -> Result<Option<Self>> {
        let (name, access) = (self.endpoint.name(), self.access);
        let Some(subscription) = self.subscription else {
            let found = segment::find(name, Who::Reader, access)?;
            return found
                .map(|segment| Self::attach(segment, self.strategy, access))
                .transpose();
        };
        // Nothing of the new one has been missed yet.
        let subscription = Subscription {
            start: Start::Oldest,
            ..subscription
        };
        let who = Who::Subscriber {
            durable: subscription.durable,
        };
        let found = segment::find(name, who, access)?;
        found
            .map(|segment| Self::subscribe(segment, subscription, self.strategy, access))
            .transpose()
    }
}

/// The position to start from: no earlier than `from`, and of a record that is whole as far as can be seen now.
pub(crate) fn find_place<M: Memory>(memory: &M, shape: &Shape, start: Start, from: u64) -> u64 {
    // Acquire: pairs with the Release store in `Producer::commit`; what lies before it is committed (R6).
    let written = memory.position(Role::Writer).load(Ordering::Acquire);
    let reach = &memory.page(Role::Writer).reach.0;
    let limit = reach.limit.load(Ordering::Acquire);
    let frontier = reach.frontier.load(Ordering::Relaxed);
    let is_whole = |position: u64| {
        position >= from
            && position <= written
            && position.saturating_add(shape.capacity) >= limit
            && position.saturating_add(shape.data_len as u64) >= frontier
    };
    let marks = ring::marks(memory).filter(|(position, _)| is_whole(*position));
    let place = match start {
        Start::Newest => None,
        Start::Oldest => marks.map(|(position, _)| position).min(),
        // The last mark before it; else the oldest there is.
        Start::After(count) => marks
            .map(|(position, before)| match before <= count {
                true => (0, u64::MAX - position, position),
                false => (1, position, position),
            })
            .min()
            .map(|(_, _, position)| position),
    };
    place.unwrap_or(written)
}
