//! The one thread per endpoint that sleeps for it while the event loop goes on.
//!
//! The JavaScript side arms it, the thread waits once, reports through a thread-safe function and
//! rests until it is armed again. Reports carry nothing that can be lost: the JavaScript side looks
//! at the ring itself, so that one report may stand for any number of messages.
#![allow(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use kren_core::{Error, Waiter};
use napi::bindgen_prelude::{FromNapiValue, Function};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Status, sys};

use crate::context::Context;
use crate::value::{Stop, Value};

/// Calls a JavaScript function from another thread. A weak one does not keep the process alive.
pub(crate) type Report<const WEAK: bool> =
    ThreadsafeFunction<Option<Error>, (), sys::napi_value, Status, false, WEAK, 0>;

enum Phase {
    Resting,
    Armed(Arc<Waiter>),
    Waiting(Arc<Waiter>),
    Stopping,
}

impl Phase {
    fn is_busy(&self) -> bool {
        matches!(self, Self::Armed(_) | Self::Waiting(_))
    }
}

struct Shared {
    phase: Mutex<Phase>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, mut phase: MutexGuard<'_, Phase>, next: Phase) {
        *phase = next;
        drop(phase);
        self.changed.notify_all();
    }

    /// Gives the current wait up, if there is one, and returns once the thread has left it.
    fn give_up(&self, then: Phase) {
        let mut phase = self.lock();
        while let Phase::Waiting(waiter) = &*phase {
            // Again and again: a thread that is just falling asleep misses a single call.
            waiter.cancel();
            let left = self.changed.wait_timeout(phase, Duration::from_micros(200));
            phase = left.unwrap_or_else(PoisonError::into_inner).0;
        }
        self.change(phase, then);
    }
}

struct Running {
    shared: Arc<Shared>,
    report: Arc<Report<true>>,
    thread: JoinHandle<()>,
}

/// The watch of one endpoint; its thread starts when it is first armed.
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

    /// Calls `on_ready` once, from the event loop, when the waiter that `make` gives has done with
    /// waiting: with `undefined`, or with the error that ended the wait. `length` is what that
    /// waiter waits for; a wait for the same that is under way goes on instead. `on_ready` is that of
    /// the first call for good.
    pub(crate) fn arm(
        &self,
        context: &Rc<Context>,
        channel: &str,
        length: usize,
        on_ready: Value,
        make: impl FnOnce() -> kren_core::Result<Waiter>,
    ) -> Result<(), Stop> {
        if self.length.replace(length) != length {
            self.disarm();
        }
        let mut running = self.running.borrow_mut();
        if running.is_none() {
            let started = start(context, channel, on_ready)?;
            started.set_ref(context, self.keeps_alive.get());
            *running = Some(started);
        }
        let Some(running) = &*running else {
            return Ok(());
        };
        let phase = running.shared.lock();
        if !phase.is_busy() {
            let waiter = make()?;
            running.shared.change(phase, Phase::Armed(Arc::new(waiter)));
        }
        Ok(())
    }

    /// Ends the wait under way, if any, so that the endpoint itself can wait.
    pub(crate) fn disarm(&self) {
        if let Some(running) = &*self.running.borrow() {
            running.shared.give_up(Phase::Resting);
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

    /// Ends the thread. After this nothing is reported any more.
    pub(crate) fn stop(&self) {
        if let Some(running) = self.running.take() {
            running.shared.give_up(Phase::Stopping);
            // The thread only waits and reports; it has nothing to panic about.
            let _ = running.thread.join();
        }
    }
}

impl Running {
    fn set_ref(&self, context: &Context, on: bool) {
        self.report.handle.with_read_aborted(|aborted| {
            if aborted {
                return;
            }
            let (env, raw) = (context.env(), self.report.raw());
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
    let report = Arc::new(report_to::<true>(context, on_ready)?);
    let shared = Arc::new(Shared {
        phase: Mutex::new(Phase::Resting),
        changed: Condvar::new(),
    });
    let thread = {
        let (shared, report) = (Arc::clone(&shared), Arc::clone(&report));
        spawn(channel, move || run(&shared, &report))?
    };
    Ok(Running {
        shared,
        report,
        thread,
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

fn run(shared: &Shared, report: &Report<true>) {
    loop {
        let waiter = {
            let mut phase = shared.lock();
            loop {
                match &*phase {
                    Phase::Armed(waiter) => {
                        let waiter = Arc::clone(waiter);
                        *phase = Phase::Waiting(Arc::clone(&waiter));
                        break waiter;
                    }
                    Phase::Stopping => return,
                    Phase::Resting | Phase::Waiting(_) => {
                        phase = shared
                            .changed
                            .wait(phase)
                            .unwrap_or_else(PoisonError::into_inner);
                    }
                }
            }
        };
        let outcome = waiter.wait(None);
        // Rest before reporting: the report may be acted upon, and the watch armed again, at once.
        shared.change(shared.lock(), Phase::Resting);
        if !matches!(outcome, Err(Error::Interrupted { .. })) {
            report.call(outcome.err(), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }
}
