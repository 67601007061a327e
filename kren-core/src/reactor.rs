//! One thread that waits for all ends that are awaited in this process.
//!
//! Whoever begins to wait announces the end itself, so a wait that is short costs this thread nothing; the thread sleeps on the
//! bell, tells those who were rung for, and looks after the dead. It lives as long as somebody keeps the [`Reactor`]:
//! the ends that have been awaited do, and so it is gone, and its bell with it, when the last of them is closed.

use crate::interest::Point;
use crate::os::{self, fork};
use crate::segment::Bell;
use crate::selector::Table;
use crate::wait::{SLICE, bell};
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long the thread sleeps while it waits for nothing: it is roused when there is something.
const LONG: Duration = Duration::from_secs(3600);
/// Enough for a few calls; what is told runs on it as well, and is to be short.
const STACK: usize = 256 * 1024;

type Tell = Box<dyn FnOnce() + Send>;

/// See the module.
pub(crate) struct Reactor {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    generation: u32,
}

struct Shared {
    bell: Arc<Bell>,
    state: Mutex<State>,
    stop: AtomicBool,
}

struct State {
    ends: Table<Task>,
    /// The number keeps apart those of one moment.
    timers: BTreeMap<(Instant, u64), Tell>,
    /// Given to each task and each timer.
    number: u64,
}

/// Who waits for an end: once.
struct Task {
    number: u64,
    tell: Tell,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The reactor of a process: of one generation, since a child made by `fork` has none, and a lock that another thread of its
/// parent held stays locked in it.
struct Home {
    generation: u32,
    reactor: Mutex<Weak<Reactor>>,
}

static HOME: AtomicPtr<Home> = AtomicPtr::new(std::ptr::null_mut());

#[allow(unsafe_code)]
fn home() -> &'static Home {
    let generation = fork::generation();
    loop {
        // Acquire: pairs with the Release of the exchange below.
        let found = HOME.load(Ordering::Acquire);
        // SAFETY: null, or a box that was leaked below, and is never freed.
        if let Some(home) = unsafe { found.as_ref() }
            && home.generation == generation
        {
            return home;
        }
        // One for each generation, of which a process has few; never freed, since its parent's threads are gone.
        let fresh = Box::into_raw(Box::new(Home {
            generation,
            reactor: Mutex::default(),
        }));
        if HOME
            .compare_exchange(found, fresh, Ordering::AcqRel, Ordering::Acquire)
            .is_err()
        {
            // SAFETY: made above, and nobody has seen it.
            drop(unsafe { Box::from_raw(fresh) });
        }
    }
}

impl Reactor {
    /// That of this process, which is started if there is none.
    ///
    /// # Errors
    ///
    /// Those of a bell that is made; [`Error::Io`] when there can be no more threads. They are about `channel`, for whose sake the
    /// reactor is wanted.
    pub(crate) fn current(channel: &str) -> Result<Arc<Self>> {
        let mut current = home()
            .reactor
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(reactor) = current.upgrade() {
            return Ok(reactor);
        }
        let reactor = Arc::new(Self::start().map_err(|error| error.about(channel))?);
        *current = Arc::downgrade(&reactor);
        Ok(reactor)
    }

    fn start() -> Result<Self> {
        let bell = Arc::new(Bell::create()?);
        let name = bell.name();
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                ends: Table::new(Arc::clone(&bell)),
                timers: BTreeMap::new(),
                number: 0,
            }),
            bell,
            stop: AtomicBool::new(false),
        });
        let its = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("kren-wait".to_owned())
            .stack_size(STACK)
            .spawn(move || its.serve())
            .map_err(|error| Error::Io {
                channel: name,
                call: "starting a thread",
                os_error: error.raw_os_error().unwrap_or(0),
            })?;
        Ok(Self {
            shared,
            thread: Some(thread),
            generation: fork::generation(),
        })
    }

    /// Calls `tell` once, on the reactor's thread, when there is something to see at `point`; `None`: there is already,
    /// and it is not called.
    ///
    /// # Errors
    ///
    /// Those of [`Table::insert`].
    pub(crate) fn watch(
        self: &Arc<Self>,
        point: Box<dyn Point>,
        tell: impl FnOnce() + Send + 'static,
    ) -> Result<Option<Watching>> {
        let mut state = self.shared.lock();
        state.number += 1;
        let number = state.number;
        let tell = Box::new(tell);
        let slot = match state.ends.insert(point, Task { number, tell }) {
            Ok(slot) => slot,
            Err(refused) => {
                // What is dropped with it may have to take the lock.
                drop(state);
                return Err(refused.error);
            }
        };
        let mut is_there = false;
        state.ends.look_at(slot, &mut |_, _, _| is_there = true);
        if is_there {
            let removed = state.ends.remove(slot);
            drop(state);
            drop(removed);
            return Ok(None);
        }
        // The thread knows nothing of the first one, nor of one that it has to look after more often.
        let is_news = state.ends.len() == 1 || state.ends.slice() < SLICE;
        drop(state);
        if is_news {
            self.shared.bell.rouse();
        }
        Ok(Some(Watching {
            reactor: Arc::clone(self),
            place: Place::End(slot, number),
        }))
    }

    /// Calls `tell` at this time.
    pub(crate) fn at(
        self: &Arc<Self>,
        time: Instant,
        tell: impl FnOnce() + Send + 'static,
    ) -> Watching {
        let mut state = self.shared.lock();
        state.number += 1;
        let key = (time, state.number);
        state.timers.insert(key, Box::new(tell));
        drop(state);
        self.shared.bell.rouse();
        Watching {
            reactor: Arc::clone(self),
            place: Place::Timer(key),
        }
    }
}

impl Drop for Reactor {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else {
            return;
        };
        if self.generation != fork::generation() {
            // It does not exist in a forked child, and must not be waited for.
            std::mem::forget(thread);
            return;
        }
        self.shared.stop.store(true, Ordering::SeqCst);
        self.shared.bell.rouse();
        // What it tells may have dropped the last end: then it ends by itself.
        if thread.thread().id() != thread::current().id() {
            // It has nothing to panic about, and what it tells is caught.
            let _ = thread.join();
        }
    }
}

/// Calls a wait off when dropped. What it would tell may then be on its way already, and still be told.
pub(crate) struct Watching {
    reactor: Arc<Reactor>,
    place: Place,
}

enum Place {
    End(u16, u64),
    Timer((Instant, u64)),
}

impl Drop for Watching {
    fn drop(&mut self) {
        if self.reactor.generation != fork::generation() {
            return;
        }
        let mut state = self.reactor.shared.lock();
        // Dropped after the lock is given back: the end may be the last one, and take the reactor with it.
        match self.place {
            Place::End(slot, number) => {
                let is_its = state
                    .ends
                    .tag(slot)
                    .is_some_and(|task| task.number == number);
                let removed = is_its.then(|| state.ends.remove(slot));
                drop(state);
                drop(removed);
            }
            Place::Timer(key) => {
                let removed = state.timers.remove(&key);
                drop(state);
                drop(removed);
            }
        }
    }
}

impl Shared {
    fn serve(&self) {
        os::leave_signals_to_others();
        loop {
            // W7, as in `Selector::wait_checking`: before all that it is roused for, the end as well.
            let heard = bell::heard(self.bell.commons());
            if self.stop.load(Ordering::SeqCst) {
                return;
            }
            let mut state = self.lock();
            state.ends.hear();
            let mut found = vec![];
            state.ends.round(true, &mut |slot, _, _| found.push(slot));
            let now = Instant::now();
            let is_more = state.ends.check(now);
            let mut told: Vec<_> = found
                .into_iter()
                .filter_map(|slot| state.ends.remove(slot))
                .map(|(point, task)| (Some(point), task.tell))
                .collect();
            while let Some(timer) = state
                .timers
                .first_entry()
                .filter(|next| next.key().0 <= now)
            {
                told.push((None, timer.remove()));
            }
            let next = state.timers.keys().next();
            let until_next = next.map_or(LONG, |(time, _)| time.duration_since(now));
            let slice = match state.ends.len() {
                0 => LONG,
                _ => state.ends.slice(),
            };
            drop(state);
            let is_idle = told.is_empty() && !is_more;
            for (point, tell) in told {
                // The panic hook has said what there was to say; the others are still to be told.
                let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(tell));
                drop(point);
            }
            if is_idle {
                self.bell.sleep(heard, slice.min(until_next));
            }
        }
    }
}
