//! What a selector can wait for on one end of a channel.

use crate::endpoint::{Endpoint, Spot};
use crate::ring::{Memory, Shape, stride};
use crate::{KrenReader, KrenWriter, Result, Role};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// What is to be waited for on one end of a channel: see [`Selector::add`](crate::Selector::add).
///
/// Made by [`KrenReader::readable`], [`KrenWriter::writable`] and [`KrenWriter::drained`]. The end itself stays with its
/// owner, who goes on using it; a call of its own that blocks has precedence as long as it lasts.
pub struct Interest(pub(crate) Box<dyn Point>);

impl Interest {
    /// The name of the channel.
    #[must_use]
    pub fn channel(&self) -> &str {
        self.0.name()
    }
}

/// One thing that is waited for.
pub(crate) trait Point: Send + Sync {
    /// The channel's name.
    fn name(&self) -> &Arc<str>;
    /// From now on `spot` is rung whenever there may be something to see; `Busy` if it is somebody else's already.
    fn begin(&self, spot: Spot) -> Result<()>;
    fn end(&self);
    /// Looks at the shared memory alone.
    fn look(&self) -> Look;
    /// Announces, anew if need be, that the bell's owner sleeps until `wanted`, which is what [`Point::look`] said.
    /// `false`: it cannot be done now, and the bell will be rung when it can.
    fn announce(&self, wanted: u64) -> bool;
    fn withdraw(&self);
    /// Whether the peer leaves the barrier behind an announcement to the sleeper.
    fn relies_on_barrier(&self) -> bool;
    /// Whether the peer has gone, which the system is asked for.
    fn is_deserted(&self) -> bool;
    /// The process on the other side, as far as is known: one of them stands for all its channels.
    fn peer(&self) -> (u32, u32);
    /// How often the peer was to ring a bell, and could not.
    fn unrung(&self) -> u32;
    /// Whether it must be looked at every 100 ms, as nobody tells of each change.
    fn is_silent(&self) -> bool {
        false
    }
}

/// What a look finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    Ready,
    /// Nothing more comes: the peer, or this side, has closed.
    Gone,
    /// Nothing before the peer has reached this position.
    Not(u64),
}

/// An endpoint, and what is waited for there.
pub(crate) struct Watchpoint<F> {
    pub(crate) endpoint: Arc<Endpoint>,
    /// `None`: it is there. Else the position of the peer that is waited for.
    pub(crate) wanted: F,
    /// A publisher's, where it does not wait for the slow: since when it has waited.
    pub(crate) since: Option<Mutex<Option<Instant>>>,
}

impl<F: Fn() -> Option<u64> + Send + Sync> Point for Watchpoint<F> {
    fn name(&self) -> &Arc<str> {
        self.endpoint.name()
    }

    fn begin(&self, spot: Spot) -> Result<()> {
        self.endpoint.begin_watch(spot)
    }

    fn end(&self) {
        self.endpoint.end_watch();
    }

    fn look(&self) -> Look {
        if self.endpoint.is_closing() {
            return Look::Gone;
        }
        // Looked up before what is waited for: what the peer committed before it went is not passed over.
        let gone = self.endpoint.peer_has_closed();
        let wanted = (self.wanted)();
        if let Some(since) = &self.since {
            let mut since = since.lock().unwrap_or_else(PoisonError::into_inner);
            *since = wanted.map(|_| since.unwrap_or_else(Instant::now));
        }
        match wanted {
            None => Look::Ready,
            Some(_) if gone => Look::Gone,
            Some(wanted) => Look::Not(wanted),
        }
    }

    fn announce(&self, wanted: u64) -> bool {
        self.endpoint.announce(wanted)
    }

    fn withdraw(&self) {
        self.endpoint.withdraw();
    }

    fn relies_on_barrier(&self) -> bool {
        self.endpoint.relies_on_barrier()
    }

    fn is_deserted(&self) -> bool {
        let since = self.since.as_ref();
        let since = since.and_then(|since| *since.lock().unwrap_or_else(PoisonError::into_inner));
        (self.wanted)().is_some_and(|wanted| self.endpoint.is_deserted(wanted, since))
    }

    fn peer(&self) -> (u32, u32) {
        self.endpoint.peer_process()
    }

    fn unrung(&self) -> u32 {
        self.endpoint.unrung_by_peer()
    }

    fn is_silent(&self) -> bool {
        self.endpoint.is_publisher()
    }
}

fn interest(
    endpoint: &Arc<Endpoint>,
    evicts: bool,
    wanted: impl Fn() -> Option<u64> + Send + Sync + 'static,
) -> Interest {
    Interest(Box::new(Watchpoint {
        endpoint: Arc::clone(endpoint),
        wanted,
        since: evicts.then(Mutex::default),
    }))
}

impl KrenReader {
    /// A message, wherever the reader stands by then; or that none will come: see
    /// [`Selector::add`](crate::Selector::add).
    ///
    /// # Errors
    ///
    /// [`Error::Forked`](crate::Error::Forked).
    pub fn readable(&self) -> Result<Interest> {
        self.endpoint.check_process()?;
        let memory = self.endpoint.memory();
        let shape = Shape::new(self.endpoint.mapping().geometry());
        let endpoint = Arc::clone(&self.endpoint);
        Ok(interest(&self.endpoint, false, move || {
            // Acquire: pairs with the Release stores of whoever reads; a look that is late finds too much, not too little.
            let released = memory.position(Role::Reader).load(Ordering::Acquire);
            let ahead = endpoint.read_ahead();
            // Whatever the number: the offset stays in the ring, and on the alignment.
            let cursor = released.max(ahead);
            let at = shape.offset(cursor - cursor % shape.alignment as u64);
            let header = memory.header(shape.header_at(at));
            let is_there = header.load(Ordering::Acquire) as u32 != 0
                || memory.position(Role::Writer).load(Ordering::Acquire) > cursor;
            (!is_there).then(|| cursor.wrapping_add(1))
        }))
    }
}

impl KrenWriter {
    /// Room for a message of `len` bytes, wherever the writer stands by then; or that its reader is gone: see
    /// [`Selector::add`](crate::Selector::add).
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`](crate::Error::TooLarge); [`Error::Forked`](crate::Error::Forked).
    pub fn writable(&self, len: usize) -> Result<Interest> {
        self.endpoint.check_process()?;
        self.check_len(len)?;
        let geometry = *self.endpoint.mapping().geometry();
        let needed = stride(len, geometry.alignment) as u64;
        Ok(self.released_to(true, move |written| {
            (written + needed).saturating_sub(geometry.capacity as u64)
        }))
    }

    /// That the reader has released everything; or that it is gone: see [`Selector::add`](crate::Selector::add).
    ///
    /// # Errors
    ///
    /// [`Error::Forked`](crate::Error::Forked).
    pub fn drained(&self) -> Result<Interest> {
        self.endpoint.check_process()?;
        Ok(self.released_to(false, |written| written))
    }

    /// How far the reader has released.
    pub(crate) fn released(&self) -> u64 {
        // Acquire: as in `Memory::slowest`.
        let memory = self.endpoint.memory();
        memory.position(Role::Reader).load(Ordering::Acquire)
    }

    /// That the reader has released more than it had `before`.
    pub(crate) fn progress(&self, before: u64) -> Result<Interest> {
        self.endpoint.check_process()?;
        let memory = self.endpoint.memory();
        // Acquire: as in `Memory::slowest`.
        let released = move || memory.position(Role::Reader).load(Ordering::Acquire);
        Ok(interest(&self.endpoint, false, move || {
            (released() == before).then(|| before + 1)
        }))
    }

    /// That the reader has released up to what `wanted` makes of the position of the writer.
    fn released_to(
        &self,
        evicts: bool,
        wanted: impl Fn(u64) -> u64 + Send + Sync + 'static,
    ) -> Interest {
        let memory = self.endpoint.memory();
        let capacity = self.capacity() as u64;
        interest(&self.endpoint, evicts, move || {
            // Relaxed: stored by this side; one that is late makes the bell ring early.
            let written = memory.position(Role::Writer).load(Ordering::Relaxed);
            let wanted = wanted(written);
            (memory.slowest(written, capacity) < wanted).then_some(wanted)
        })
    }
}

impl std::fmt::Debug for Interest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Interest").field(self.0.name()).finish()
    }
}
