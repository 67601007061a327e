//! What Writer and Reader share: one core endpoint that any thread may name and one may use.

#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use kren_core::{Error, Result};
use pyo3::prelude::*;

use crate::detached::checked;
use crate::errors::{Caller, Failure};
use crate::exit::{self, Closing};
use crate::turn::Turn;

/// How long `close` lets another thread leave its call. That thread looks at `closing` every
/// 100 ms, so only a signal handler that itself runs for long can use this up.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);

/// A core endpoint that one call at a time has; a second one gets `Busy`, and never waits.
pub(crate) struct Endpoint<T> {
    name: Arc<str>,
    pid: u32,
    /// Set by `close`; whoever holds the core then closes it on leaving.
    closing: AtomicBool,
    /// How, if `close` said so.
    finish: OnceLock<fn(T) -> Result<()>>,
    /// `thread_mark` of the thread that uses the core detached from the interpreter (it waits in a call), 0 for none.
    waiter: AtomicUsize,
    turn: Turn,
    /// The turn is a slot's, between two calls. Who clears this has the turn.
    lent: AtomicBool,
    /// Closed for good, as the process ends.
    lasted: AtomicBool,
    /// Reached only by who has the turn, or by [`Closing::close_last`].
    core: UnsafeCell<Option<T>>,
}

// SAFETY: `core` is reached by one thread at a time, which has the turn; `T` may move between threads.
unsafe impl<T: Send> Sync for Endpoint<T> {}

impl<T: Send + 'static> Endpoint<T> {
    /// Needs no interpreter: a thread that opens an endpoint while Python ends finds none to come back to, and what it
    /// opened is closed all the same.
    pub(crate) fn open(name: &str, core: T) -> Arc<Self> {
        let endpoint = Arc::new(Self {
            name: name.into(),
            pid: std::process::id(),
            closing: AtomicBool::new(false),
            finish: OnceLock::new(),
            waiter: AtomicUsize::new(0),
            turn: Turn::new(),
            lent: AtomicBool::new(false),
            lasted: AtomicBool::new(false),
            core: UnsafeCell::new(Some(core)),
        });
        exit::register(&endpoint);
        endpoint
    }
}

impl<T: Send> Endpoint<T> {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// Takes the core for one call, if nothing speaks against it; [`Endpoint::hold`] says what does.
    #[inline]
    pub(crate) fn try_hold<'a>(&'a self, py: Python<'a>) -> Option<Held<'a, T>> {
        if !self.turn.take(py) {
            return None;
        }
        // SAFETY: this thread has the turn, until the result is dropped.
        match unsafe { &mut *self.core.get() } {
            Some(core) if !self.closing.load(Ordering::Relaxed) => Some(Held {
                endpoint: self,
                core,
                _attached: py,
            }),
            _ => {
                self.turn.give();
                None
            }
        }
    }

    /// Takes the core for one call.
    pub(crate) fn hold<'a>(&'a self, py: Python<'a>) -> std::result::Result<Held<'a, T>, Failure> {
        self.try_hold(py).ok_or_else(|| self.refusal())
    }

    /// Takes the core back that was lent; None when it was closed meanwhile.
    pub(crate) fn take_back<'a>(&'a self, py: Python<'a>) -> Option<Held<'a, T>> {
        // Acquire: pairs with the Release store in `Held::lend`.
        if !self.lent.swap(false, Ordering::AcqRel) {
            return None;
        }
        // SAFETY: this thread has the turn now, until the result is dropped.
        let core = unsafe { &mut *self.core.get() }.as_mut()?;
        Some(Held {
            endpoint: self,
            core,
            _attached: py,
        })
    }

    /// Looks at the core, also while it is lent; not at a parent's, whose state says nothing here (G10).
    pub(crate) fn look<R>(
        &self,
        py: Python<'_>,
        look: impl FnOnce(&T) -> R,
    ) -> std::result::Result<R, Failure> {
        if self.is_forked() {
            return Err(self.refusal());
        }
        match self.take_back(py) {
            Some(held) => {
                let seen = look(&held);
                held.lend();
                Ok(seen)
            }
            None => self.hold(py).map(|held| look(&held)),
        }
    }

    /// Closes the core, or has the thread that is in a call on it do so.
    pub(crate) fn close(&self, py: Python<'_>, finish: fn(T) -> Result<()>) -> Result<()> {
        // The first one decides.
        let _ = self.finish.set(finish);
        self.closing.store(true, Ordering::Release);
        // A signal handler that runs inside this thread's own wait must not wait for that wait.
        if self.waiter.load(Ordering::Relaxed) == thread_mark() {
            return Ok(());
        }
        let Some(core) = self.take_patiently(py) else {
            return Ok(());
        };
        // In a forked child only the child's own handle goes; there is nothing to report.
        if self.is_forked() {
            drop(core);
            return Ok(());
        }
        py.detach(|| finish(core))
    }

    /// As `look`, for a getter.
    pub(crate) fn figure<R>(&self, py: Python<'_>, look: impl FnOnce(&T) -> R) -> PyResult<R> {
        self.look(py, look)
            .map_err(|failure| failure.into_exception(py))
    }

    /// Asks the core for what it may refuse.
    pub(crate) fn ask<R>(
        &self,
        py: Python<'_>,
        ask: impl FnOnce(&mut T) -> Result<R>,
    ) -> PyResult<R> {
        self.hold(py)
            .and_then(|mut core| Ok(ask(&mut core)?))
            .map_err(|failure| failure.into_exception(py))
    }

    /// As text, by the name that the class has in Python.
    pub(crate) fn describe(&self, class: &str) -> String {
        let state = if self.is_closed() { "closed" } else { "open" };
        format!("<kren.{class} '{}' {state}>", self.name)
    }

    fn take_patiently(&self, py: Python<'_>) -> Option<T> {
        const STEP: Duration = Duration::from_millis(1);
        let mut left = CLOSE_PATIENCE;
        loop {
            if self.turn.take(py) || self.lent.swap(false, Ordering::AcqRel) {
                // SAFETY: this thread has the turn.
                let core = unsafe { &mut *self.core.get() }.take();
                self.turn.give();
                return core;
            }
            // The thread that had the turn at fork does not exist in the child.
            if left.is_zero() || self.is_forked() {
                return None;
            }
            py.detach(|| std::thread::sleep(STEP));
            left = left.saturating_sub(STEP);
        }
    }

    fn refusal(&self) -> Failure {
        let channel = self.name.clone();
        if self.is_closed() {
            Failure::EndpointClosed(channel)
        } else if self.is_forked() {
            Failure::Channel(Error::Forked { channel })
        } else if self.lent.load(Ordering::Relaxed) {
            Failure::SlotOpen(channel)
        } else {
            match self.waiter.load(Ordering::Relaxed) {
                // A call that does not wait runs Python code too: that of finalizers and of other objects' buffers.
                0 => Failure::Busy(channel, Caller::Unknown),
                waiter if waiter == thread_mark() => Failure::Busy(channel, Caller::ThisThread),
                _ => Failure::Channel(Error::Busy { channel }),
            }
        }
    }

    fn is_forked(&self) -> bool {
        std::process::id() != self.pid
    }
}

impl<T: Send> Closing for Endpoint<T> {
    fn close_quietly(&self, py: Python<'_>) {
        // Nobody is left to be told of a failure.
        let _ = self.close(py, |core| {
            drop(core);
            Ok(())
        });
    }

    fn stop_waiting(&self) {
        self.closing.store(true, Ordering::Release);
    }

    fn close_last(&self) {
        const STEP: Duration = Duration::from_millis(1);
        if self.is_forked() {
            return;
        }
        self.stop_waiting();
        let mut left = CLOSE_PATIENCE;
        // Acquire: pairs with the Release store of a waiter that has done with the core.
        while self.waiter.load(Ordering::Acquire) != 0 {
            if left.is_zero() {
                return;
            }
            std::thread::sleep(STEP);
            left = left.saturating_sub(STEP);
        }
        // Release and Acquire: of two that come here, the second finds nothing.
        if self.lasted.swap(true, Ordering::AcqRel) {
            return;
        }
        // SAFETY: the core is used by threads that are attached, or marked as its waiter. There are none of
        // either: the caller's promise, and the loop above.
        drop(unsafe { &mut *self.core.get() }.take());
    }
}

impl<T> Drop for Endpoint<T> {
    fn drop(&mut self) {
        exit::forget(std::ptr::from_ref(self).addr());
    }
}

/// The core of an endpoint, held for one call.
pub(crate) struct Held<'a, T> {
    endpoint: &'a Endpoint<T>,
    core: &'a mut T,
    /// It is dropped on a thread that is attached, as the turn asks.
    _attached: Python<'a>,
}

impl<T: Send> Held<'_, T> {
    /// Keeps the turn beyond the call, until it is taken back or the endpoint closed.
    pub(crate) fn lend(self) {
        // Release: pairs with the exchange in `take_back`.
        self.endpoint.lent.store(true, Ordering::Release);
        std::mem::forget(self);
    }

    /// Runs `wait` detached from the interpreter, with a check that lets Python's signal handlers run
    /// and ends the wait when one of them raises or the endpoint is closed by another thread.
    #[allow(
        clippy::redundant_closure_for_method_calls,
        reason = "the method's lifetime is too narrow"
    )]
    pub(crate) fn wait(
        &mut self,
        py: Python<'_>,
        wait: impl FnOnce(&mut T, &mut dyn FnMut() -> Result<()>) -> Result<()> + Send,
    ) -> std::result::Result<(), Failure> {
        let endpoint = self.endpoint;
        let mut just_called = true;
        let core: &mut T = self.core;
        endpoint.waiter.store(thread_mark(), Ordering::Relaxed);
        let stop = || endpoint.closing.load(Ordering::Acquire);
        let outcome = checked(py, &endpoint.name, stop, |check| {
            let outcome = wait(core, &mut || {
                // Python has looked for signals as it called us, and reattaching can mean a wait for
                // the GIL: not before the first sleep.
                if std::mem::take(&mut just_called) {
                    return Ok(());
                }
                check()
            });
            // Release: pairs with the Acquire load in `close_last`. Before the thread is attached again, which at the
            // end of Python it never is.
            endpoint.waiter.store(0, Ordering::Release);
            outcome
        });
        match outcome {
            Err(Failure::Raised(error)) => Err(Failure::Raised(error)),
            _ if endpoint.is_closed() => Err(Failure::EndpointClosed(endpoint.name.clone())),
            outcome => outcome,
        }
    }
}

impl<T> Deref for Held<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.core
    }
}

impl<T> DerefMut for Held<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        self.core
    }
}

impl<T> Drop for Held<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if self.endpoint.closing.load(Ordering::Relaxed) {
            // SAFETY: this thread has the turn, and the borrow in `self` is not used any more.
            let core = unsafe { &mut *self.endpoint.core.get() }.take();
            if let (Some(core), Some(finish)) = (core, self.endpoint.finish.get()) {
                // Who closed it has been told that it would be, and is not there any more.
                let _ = finish(core);
            }
        }
        self.endpoint.turn.give();
    }
}

/// A number that differs between threads alive at the same time, and is never 0.
fn thread_mark() -> usize {
    thread_local!(static MARK: u8 = const { 0 });
    MARK.with(|mark| std::ptr::from_ref(mark).addr())
}
