//! Waiting for an endpoint while the event loop goes on.
//!
//! The JavaScript side arms the watch, the core's one thread for all that is awaited waits once, reports through a thread-safe
//! function, and rests until the watch is armed again. Reports carry nothing that can be lost: the JavaScript side looks
//! at the ring itself, so that one report may stand for any number of messages.
#![allow(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use kren_core::{Background, Error, Interest, Waiter, Watching};
use napi::bindgen_prelude::{FromNapiValue, Function};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Status, sys};

use crate::context::Context;
use crate::value::{Stop, Value};

/// Calls a JavaScript function from another thread. A weak one does not keep the process alive.
pub(crate) type Report<const WEAK: bool> =
    ThreadsafeFunction<Option<Error>, (), sys::napi_value, Status, false, WEAK, 0>;

/// What the JavaScript side and the core's thread share.
#[derive(Default)]
struct State {
    /// The wait under way; none where that was over before it began.
    watching: Option<Watching>,
    /// What else would end it.
    timer: Option<Watching>,
    /// Whether a wait is under way, of this number: what is told of an earlier one comes too late.
    is_busy: bool,
    number: u64,
}

struct Shared {
    state: Mutex<State>,
    report: Report<true>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the current wait up, if there is one: nothing is reported of it any more.
    fn give_up(&self) {
        let mut state = self.lock();
        state.is_busy = false;
        let watching = (state.watching.take(), state.timer.take());
        drop(state);
        drop(watching);
    }

    /// The wait of this number is over.
    fn end(&self, number: u64, outcome: kren_core::Result<()>) {
        let mut state = self.lock();
        if !state.is_busy || state.number != number {
            return;
        }
        // At rest before it is reported: the report may be acted upon, and the watch armed again, at once.
        state.is_busy = false;
        let watching = (state.watching.take(), state.timer.take());
        drop(state);
        drop(watching);
        if !matches!(outcome, Err(Error::Interrupted { .. })) {
            let mode = ThreadsafeFunctionCallMode::NonBlocking;
            self.report.call(outcome.err(), mode);
        }
    }
}

struct Running {
    shared: Arc<Shared>,
    background: Background,
}

/// What is waited for.
pub(crate) enum Awaited {
    Waiter(Waiter),
    Interest(Interest),
    /// Or this time has passed.
    Within(Interest, Duration),
}

impl Awaited {
    fn channel(&self) -> &str {
        match self {
            Self::Waiter(waiter) => waiter.channel(),
            Self::Interest(interest) | Self::Within(interest, _) => interest.channel(),
        }
    }
}

impl From<Waiter> for Awaited {
    fn from(waiter: Waiter) -> Self {
        Self::Waiter(waiter)
    }
}

impl From<Interest> for Awaited {
    fn from(interest: Interest) -> Self {
        Self::Interest(interest)
    }
}

/// The watch of one endpoint; it takes part in the core's thread from when it is first armed.
pub(crate) struct Watch {
    running: RefCell<Option<Running>>,
    /// The length that the last wait was armed for.
    length: Cell<usize>,
    keeps_alive: Cell<bool>,
}

impl Watch {
    pub(crate) fn new() -> Self {
        Self {
            running: RefCell::new(None),
            length: Cell::new(0),
            keeps_alive: Cell::new(false),
        }
    }

    /// Calls `on_ready` once, from the event loop, when what `make` gives is there, or will not come: with `undefined`, or with the error that ended the wait. `length` is what that
    /// waiter waits for; a wait for the same that is under way goes on instead. `on_ready` is that of
    /// the first call for good.
    pub(crate) fn arm<A: Into<Awaited>>(
        &self,
        context: &Rc<Context>,
        length: usize,
        on_ready: Value,
        make: impl FnOnce() -> kren_core::Result<A>,
    ) -> Result<(), Stop> {
        if self.length.replace(length) != length {
            self.disarm();
        }
        let mut running = self.running.borrow_mut();
        if running
            .as_ref()
            .is_some_and(|its| its.shared.lock().is_busy)
        {
            return Ok(());
        }
        let awaited: Awaited = make()?.into();
        if running.is_none() {
            let started = start(context, awaited.channel(), on_ready)?;
            started.set_ref(context, self.keeps_alive.get());
            *running = Some(started);
        }
        let Some(running) = &*running else {
            return Ok(());
        };
        let mut state = running.shared.lock();
        state.number += 1;
        state.is_busy = true;
        let number = state.number;
        drop(state);
        let shared = Arc::clone(&running.shared);
        let tell = move |outcome| shared.end(number, outcome);
        if let Awaited::Within(_, time) = &awaited {
            let shared = Arc::clone(&running.shared);
            let at = Instant::now() + *time;
            let timer = running
                .background
                .at(at, move || shared.end(number, Ok(())));
            running.shared.lock().timer = Some(timer);
        }
        let begun = match awaited {
            Awaited::Waiter(waiter) => running.background.watch(waiter, tell),
            Awaited::Interest(interest) | Awaited::Within(interest, _) => {
                running.background.watch_for(interest, move || tell(Ok(())))
            }
        };
        match begun {
            Ok(Some(watching)) => {
                let mut state = running.shared.lock();
                // It may be over already.
                if state.is_busy && state.number == number {
                    state.watching = Some(watching);
                }
            }
            Ok(None) => running.shared.end(number, Ok(())),
            Err(error) => running.shared.end(number, Err(error)),
        }
        Ok(())
    }

    /// Ends the wait under way, if any, so that the endpoint itself can wait.
    pub(crate) fn disarm(&self) {
        if let Some(running) = &*self.running.borrow() {
            running.shared.give_up();
        }
    }

    /// Says whether the watch keeps the process alive.
    pub(crate) fn set_ref(&self, context: &Context, on: bool) {
        if self.keeps_alive.replace(on) == on {
            return;
        }
        if let Some(running) = &*self.running.borrow() {
            running.set_ref(context, on);
        }
    }

    /// Ends the watch. After this nothing is reported any more.
    pub(crate) fn stop(&self) {
        if let Some(running) = self.running.take() {
            running.shared.give_up();
        }
    }
}

impl Running {
    fn set_ref(&self, context: &Context, on: bool) {
        self.shared.report.handle.with_read_aborted(|aborted| {
            if aborted {
                return;
            }
            let (env, raw) = (context.env(), self.shared.report.raw());
            // SAFETY: on the thread of `env`; the function is not finalized while the guard is held.
            unsafe {
                if on {
                    sys::napi_ref_threadsafe_function(env, raw);
                } else {
                    sys::napi_unref_threadsafe_function(env, raw);
                }
            }
        });
    }
}

fn start(context: &Rc<Context>, channel: &str, on_ready: Value) -> Result<Running, Stop> {
    let background = Background::new(channel).map_err(Stop::Kren)?;
    let report = report_to::<true>(context, on_ready)?;
    let state = Mutex::default();
    Ok(Running {
        shared: Arc::new(Shared { state, report }),
        background,
    })
}

/// A small thread; `channel` is for the error if there cannot be one.
pub(crate) fn spawn(
    channel: &str,
    body: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, Stop> {
    std::thread::Builder::new()
        .name("kren-wait".into())
        .stack_size(256 * 1024)
        .spawn(body)
        .map_err(|error| {
            Stop::Kren(Error::Io {
                channel: channel.into(),
                call: "starting a thread",
                os_error: error.raw_os_error().unwrap_or(0),
            })
        })
}

/// Makes `function` one that other threads can call: with an error, or with `undefined`.
pub(crate) fn report_to<const WEAK: bool>(
    context: &Rc<Context>,
    function: Value,
) -> Result<Report<WEAK>, Stop> {
    let context = Rc::clone(context);
    // SAFETY: a value of the call in progress, in whose scope the borrowed function stays.
    let function = unsafe {
        Function::<sys::napi_value, ()>::from_napi_value(context.env(), function.0)
            .map_err(|_| Stop::Argument("a function"))?
    };
    function
        .build_threadsafe_function::<Option<Error>>()
        .weak::<WEAK>()
        .build_callback(move |report| {
            let failure = report.value.as_ref().and_then(|error| context.error(error));
            Ok(failure.unwrap_or_else(|| context.undefined()))
        })
        .map_err(|_| Stop::Unwind)
}
