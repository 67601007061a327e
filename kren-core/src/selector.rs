//! Waiting for many ends of channels, and for timers, in one call.

mod table;
mod timers;

pub(crate) use self::table::{Found, Table};

use self::timers::Timers;
use crate::segment::Bell;
use crate::wait::bell;
use crate::{Error, Interest, Result};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// Waits for any number of ends of channels, of any kind, and for timers.
///
/// What is ready is told again at each call until it is no longer so (level-triggered), and in another order each time,
/// so that who serves one end at a time serves all. The ends stay with their owners, also in other threads: a selector
/// consumes nothing. It uses no processor time while nothing happens, a wake-up costs the same with one end as with a
/// thousand, and the death of a process on the other side is noticed within 200 ms.
///
/// An end can be in one selector at a time. A call of its own that has to wait has precedence, and the selector looks at it
/// again afterwards.
///
/// ```
/// # use kren_core::{EventKind, KrenReader, KrenWriter, Selector};
/// # use std::time::Duration;
/// # let names: Vec<_> = (0..2).map(|at| format!("doc-selector-{at}-{}", std::process::id())).collect();
/// let mut writers = vec![];
/// let mut readers = vec![];
/// let mut selector = Selector::new()?;
/// for (key, name) in names.iter().enumerate() {
///     writers.push(KrenWriter::create(name, 4096)?);
///     readers.push(KrenReader::connect(name)?);
///     selector.add(key as u64, readers[key].readable()?)?;
/// }
/// writers[1].write(b"to the second")?;
///
/// for event in selector.wait(Some(Duration::from_secs(10)))? {
///     assert_eq!((event.key, event.kind), (1, EventKind::Ready));
///     while let Some(message) = readers[event.key as usize].try_read()? {
///         assert_eq!(message, b"to the second");
///     }
/// }
/// # Ok::<(), kren_core::Error>(())
/// ```
pub struct Selector {
    table: Table<u64>,
    keys: HashMap<u64, Place>,
    timers: Timers,
    cancelled: Arc<AtomicBool>,
    bell: Arc<Bell>,
    /// The bell's word when it was last heard.
    heard: u32,
}

/// Where a key is found.
#[derive(Clone, Copy)]
enum Place {
    End(u16),
    Timer,
}

/// What a wait has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Event {
    /// The key that it was added with.
    pub key: u64,
    /// What has happened.
    pub kind: EventKind,
}

/// See [`Event::kind`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventKind {
    /// What was asked for is there.
    Ready,
    /// It will not come: the other side has closed or died and everything is delivered, or the end itself was closed, or
    /// has moved to another channel. A call of the end itself says which, as `read_timeout(Duration::ZERO)` does.
    ///
    /// It stays so until a successor comes: take the end out, or add [`KrenReader::wait_for_writer`](crate::KrenReader::wait_for_writer).
    Gone,
    /// The timer's time has come.
    Timer,
}

impl Selector {
    /// A selector with nothing in it. It takes a small segment of shared memory, two descriptors where there are such,
    /// and no thread.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfMemory`]; [`Error::PermissionDenied`]; [`Error::Io`].
    pub fn new() -> Result<Self> {
        let bell = Arc::new(Bell::create()?);
        Ok(Self {
            table: Table::new(Arc::clone(&bell)),
            keys: HashMap::new(),
            timers: Timers::default(),
            cancelled: Arc::default(),
            bell,
            heard: 0,
        })
    }

    /// Waits for this as well from now on; `key` is what the events say.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`]: the key is in use, or there are 30,720 ends already; [`Error::Busy`]: another selector, or a
    /// future, waits for this end; [`Error::Forked`].
    // A value, since what is waited for may be made for this alone.
    pub fn add(&mut self, key: u64, interest: Interest) -> Result<()> {
        self.bell.check_process()?;
        if self.keys.contains_key(&key) {
            return Err(self.taken(Arc::clone(interest.0.name())));
        }
        let slot = self.table.insert(interest.0, key);
        let slot = slot.map_err(|refused| refused.error)?;
        self.keys.insert(key, Place::End(slot));
        Ok(())
    }

    /// An event of the kind [`EventKind::Timer`] in `first`, once; or, with a `period`, then again and again. Periods that pass
    /// while nobody waits are told of once.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`]: the key is in use, or the period is zero; [`Error::Forked`].
    pub fn add_timer(&mut self, key: u64, first: Duration, period: Option<Duration>) -> Result<()> {
        self.bell.check_process()?;
        if self.keys.contains_key(&key) {
            return Err(self.taken(self.bell.name()));
        }
        if period.is_some_and(|period| period.is_zero()) {
            return Err(Error::InvalidOption {
                channel: self.bell.name(),
                option: "period",
                reason: "it must be longer than no time",
            });
        }
        self.timers.add(key, Instant::now(), first, period);
        self.keys.insert(key, Place::Timer);
        Ok(())
    }

    /// Takes out what was added with this key; tells whether there was such.
    pub fn remove(&mut self, key: u64) -> bool {
        match self.keys.remove(&key) {
            Some(Place::End(slot)) => self.table.remove(slot).is_some(),
            Some(Place::Timer) => self.timers.remove(key),
            None => false,
        }
    }

    /// How many ends and timers it waits for.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether it waits for nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Waits until something is ready, `timeout` at most, and returns all that is; nothing when the time was over first.
    /// `None` waits for ever.
    ///
    /// # Errors
    ///
    /// [`Error::Interrupted`] after [`Canceller::cancel`]; [`Error::Forked`].
    pub fn wait(&mut self, timeout: Option<Duration>) -> Result<Vec<Event>> {
        self.wait_checking(timeout, &mut || Ok(()))
    }

    /// Whether something has been rung for since it was last heard. One load.
    #[inline]
    pub(crate) fn is_rung(&self) -> bool {
        bell::heard(self.bell.commons()) != self.heard
    }

    /// Has all that was found empty ring from now on, without a wait; what is found ready meanwhile is left for the next one.
    pub(crate) fn announce(&mut self) {
        self.heard = bell::heard(self.bell.commons());
        self.table.hear();
        let mut is_ready = false;
        self.table.round(true, &mut |_, _, _| is_ready = true);
        if is_ready {
            // So that it is looked for.
            self.heard = self.heard.wrapping_sub(1);
        }
    }

    /// Looks for what nobody rings for, as a wait does every 100 ms; [`Selector::is_rung`] then says whether something is to be
    /// looked at.
    pub(crate) fn ask(&mut self, now: Instant) {
        if self.table.check(now) {
            self.heard = self.heard.wrapping_sub(1);
        }
    }

    /// As [`Selector::wait`], for callers that have to look after something else meanwhile: `check` runs at least every 100 ms
    /// and after each signal, and an error of its ends the wait.
    ///
    /// # Errors
    ///
    /// As [`Selector::wait`]; whatever `check` returns.
    pub fn wait_checking(
        &mut self,
        timeout: Option<Duration>,
        check: &mut dyn FnMut() -> Result<()>,
    ) -> Result<Vec<Event>> {
        self.bell.check_process()?;
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut events = vec![];
        loop {
            // W7: the word first, then the bits, then the ends.
            let heard = bell::heard(self.bell.commons());
            self.heard = heard;
            self.table.hear();
            let sleeps = timeout != Some(Duration::ZERO);
            self.table.round(sleeps, &mut |_, key, found| {
                events.push(Event {
                    key: *key,
                    kind: match found {
                        Found::Ready => EventKind::Ready,
                        Found::Gone => EventKind::Gone,
                    },
                });
            });
            let now = Instant::now();
            self.take_timers(now, &mut events);
            if self.cancelled.swap(false, Ordering::SeqCst) {
                return Err(Error::Interrupted {
                    channel: self.bell.name(),
                });
            }
            if !events.is_empty() || deadline.is_some_and(|deadline| deadline <= now) {
                return Ok(events);
            }
            check()?;
            if self.table.check(now) {
                continue;
            }
            let ends = deadline.into_iter().chain(self.timers.next());
            let left = ends
                .map(|end| end.saturating_duration_since(now))
                .fold(self.table.slice(), Duration::min);
            self.bell.sleep(heard, left);
        }
    }

    fn take_timers(&mut self, now: Instant, events: &mut Vec<Event>) {
        while let Some((key, is_over)) = self.timers.due(now) {
            if is_over {
                self.keys.remove(&key);
            }
            events.push(Event {
                key,
                kind: EventKind::Timer,
            });
        }
    }

    /// With which another thread can end a wait.
    #[must_use]
    pub fn canceller(&self) -> Canceller {
        Canceller {
            cancelled: Arc::clone(&self.cancelled),
            bell: Arc::downgrade(&self.bell),
        }
    }

    fn taken(&self, channel: Arc<str>) -> Error {
        Error::InvalidOption {
            channel,
            option: "key",
            reason: "something was added with it already; remove that, or use another key",
        }
    }
}

impl Drop for Selector {
    fn drop(&mut self) {
        for place in std::mem::take(&mut self.keys).into_values() {
            if let Place::End(slot) = place {
                self.table.remove(slot);
            }
        }
    }
}

impl std::fmt::Debug for Selector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Selector")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

/// Ends the waits of a [`Selector`] from another thread.
#[derive(Clone)]
pub struct Canceller {
    cancelled: Arc<AtomicBool>,
    bell: Weak<Bell>,
}

impl Canceller {
    /// Makes the wait under way, or else the next one, end with [`Error::Interrupted`]. Does not block.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::SeqCst);
        if let Some(bell) = self.bell.upgrade() {
            bell.rouse();
        }
    }
}

impl std::fmt::Debug for Canceller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Canceller").finish_non_exhaustive()
    }
}
