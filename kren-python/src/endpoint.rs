//! What Writer and Reader share: one core endpoint that any thread may name and one may use.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};
use std::time::Duration;

use kren_core::{Error, Result};
use pyo3::prelude::*;

use crate::errors::Failure;

/// How long `close` lets another thread leave its call. That thread looks at `closing` every
/// 100 ms, so only a signal handler that itself runs for long can use this up.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);

/// A core endpoint behind a lock that is tried and never waited for: a second thread gets `Busy`.
pub(crate) struct Endpoint<T> {
    name: Arc<str>,
    pid: u32,
    /// Set by `close`; whoever holds the core then drops it on leaving.
    closing: AtomicBool,
    /// `thread_mark` of the thread that holds the core, 0 for none.
    holder: AtomicUsize,
    core: Mutex<Option<T>>,
}

impl<T: Send> Endpoint<T> {
    pub(crate) fn new(name: &str, core: T) -> Self {
        Self {
            name: name.into(),
            pid: std::process::id(),
            closing: AtomicBool::new(false),
            holder: AtomicUsize::new(0),
            core: Mutex::new(Some(core)),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// Takes the core for one call.
    pub(crate) fn hold(&self) -> std::result::Result<Held<'_, T>, Failure> {
        let Some(guard) = self.try_lock() else {
            return Err(self.refusal());
        };
        if self.is_closed() || guard.is_none() {
            return Err(Failure::EndpointClosed(self.name.clone()));
        }
        self.holder.store(thread_mark(), Ordering::Relaxed);
        Ok(Held {
            endpoint: self,
            guard,
        })
    }

    /// Closes the core, or has the thread that is in a call on it do so.
    pub(crate) fn close(
        &self,
        py: Python<'_>,
        finish: impl FnOnce(T) -> Result<()> + Send,
    ) -> Result<()> {
        self.closing.store(true, Ordering::Release);
        // A signal handler that runs inside this thread's own wait must not wait for that wait.
        if self.holder.load(Ordering::Relaxed) == thread_mark() {
            return Ok(());
        }
        py.detach(|| {
            let Some(core) = self.take_patiently() else {
                return Ok(());
            };
            // In a forked child only the child's own handle goes; there is nothing to report.
            if self.is_forked() {
                drop(core);
                return Ok(());
            }
            finish(core)
        })
    }

    fn take_patiently(&self) -> Option<T> {
        const STEP: Duration = Duration::from_millis(1);
        let mut left = CLOSE_PATIENCE;
        loop {
            if let Some(mut guard) = self.try_lock() {
                return guard.take();
            }
            // The thread that held the lock at fork does not exist in the child.
            if left.is_zero() || self.is_forked() {
                return None;
            }
            std::thread::sleep(STEP);
            left = left.saturating_sub(STEP);
        }
    }

    fn try_lock(&self) -> Option<MutexGuard<'_, Option<T>>> {
        match self.core.try_lock() {
            Ok(guard) => Some(guard),
            // A panic in a call leaves the core as sound as any other failure does.
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn refusal(&self) -> Failure {
        let channel = self.name.clone();
        if self.is_closed() {
            Failure::EndpointClosed(channel)
        } else if self.is_forked() {
            Failure::Channel(Error::Forked { channel })
        } else {
            Failure::Channel(Error::Busy { channel })
        }
    }

    fn is_forked(&self) -> bool {
        std::process::id() != self.pid
    }
}

/// The core of an endpoint, held for one call.
pub(crate) struct Held<'a, T> {
    endpoint: &'a Endpoint<T>,
    guard: MutexGuard<'a, Option<T>>,
}

impl<T: Send> Held<'_, T> {
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
        let mut raised = None;
        let mut just_called = true;
        let core: &mut T = self;
        let outcome = py.detach(|| {
            wait(core, &mut || {
                let stop = || Error::Interrupted {
                    channel: endpoint.name.clone(),
                };
                if endpoint.closing.load(Ordering::Acquire) {
                    return Err(stop());
                }
                // Python has looked for signals as it called us, and reattaching can mean a wait for
                // the GIL: not before the first sleep.
                if std::mem::take(&mut just_called) {
                    return Ok(());
                }
                // Only the main thread runs handlers here; in others this finds nothing to do.
                // None: the interpreter is shutting down, and this wait with it.
                match Python::try_attach(|py| py.check_signals()) {
                    Some(Ok(())) => Ok(()),
                    Some(Err(error)) => {
                        raised = Some(error);
                        Err(stop())
                    }
                    None => Err(stop()),
                }
            })
        });
        if let Some(error) = raised {
            return Err(Failure::Raised(error));
        }
        if self.endpoint.is_closed() {
            return Err(Failure::EndpointClosed(self.endpoint.name.clone()));
        }
        Ok(outcome?)
    }
}

impl<T> Deref for Held<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.guard
            .as_ref()
            .expect("hold() saw a core, and only Drop takes it")
    }
}

impl<T> DerefMut for Held<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.guard
            .as_mut()
            .expect("hold() saw a core, and only Drop takes it")
    }
}

impl<T> Drop for Held<'_, T> {
    fn drop(&mut self) {
        self.endpoint.holder.store(0, Ordering::Relaxed);
        if self.endpoint.closing.load(Ordering::Acquire) {
            drop(self.guard.take());
        }
    }
}

/// A number that differs between threads alive at the same time, and is never 0.
fn thread_mark() -> usize {
    thread_local!(static MARK: u8 = const { 0 });
    MARK.with(|mark| std::ptr::from_ref(mark).addr())
}
