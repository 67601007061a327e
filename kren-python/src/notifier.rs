//! One native thread per endpoint that waits on behalf of an event loop.
//!
//! The thread runs a core `Waiter` and then rings a bell (a file descriptor the loop watches). It
//! never touches a Python object or the interpreter, so it can neither block one nor be blocked.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use kren_core::{Error, Waiter};
#[cfg(not(unix))]
use pyo3::exceptions::PyNotImplementedError;
use pyo3::prelude::*;

#[cfg(unix)]
use crate::bell::Bell;
use crate::errors::{exception, system_error};

/// Waits for an endpoint on another thread and makes a file descriptor readable then.
///
/// Internal to kren: it is what asyncio support stands on.
#[pyclass(frozen, module = "kren._kren")]
pub(crate) struct Notifier {
    shared: Arc<Shared>,
    channel: String,
    pid: u32,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    #[cfg(unix)]
    bell: Bell,
}

#[derive(Default)]
struct State {
    /// What the thread waits for now.
    job: Option<Arc<Waiter>>,
    /// The job was called off: nobody wants to hear of its end.
    cancelled: bool,
    /// Why the last job ended, when that was no readiness.
    failure: Option<Error>,
    running: bool,
    stop: bool,
}

#[pymethods]
impl Notifier {
    #[new]
    #[cfg_attr(not(unix), allow(unused_variables, clippy::unnecessary_wraps))]
    fn new(py: Python<'_>, channel: String) -> PyResult<Self> {
        #[cfg(unix)]
        let bell = Bell::new().map_err(|error| {
            let what = "awaiting takes a file descriptor, and there is none (ulimit -n)";
            system_error(py, &error, what, &channel)
        })?;
        Ok(Self {
            shared: Arc::new(Shared {
                state: Mutex::default(),
                changed: Condvar::new(),
                #[cfg(unix)]
                bell,
            }),
            channel,
            pid: std::process::id(),
        })
    }

    /// Returns the file descriptor to watch for reading (not on Windows: see wait()).
    #[cfg_attr(not(unix), allow(clippy::unused_self))]
    fn fileno(&self) -> PyResult<i32> {
        #[cfg(unix)]
        return Ok(self.shared.bell.watched()?);
        #[cfg(not(unix))]
        return Err(PyNotImplementedError::new_err(
            "no file descriptor to watch on this system",
        ));
    }

    /// Whether the file descriptor is still what it was: not where this process has closed it by its number.
    #[cfg_attr(not(unix), allow(clippy::unused_self))]
    fn is_open(&self) -> bool {
        #[cfg(unix)]
        return self.shared.bell.watched().is_ok();
        #[cfg(not(unix))]
        true
    }

    /// Makes the file descriptor unreadable again.
    #[cfg_attr(not(unix), allow(clippy::unused_self))]
    fn silence(&self) {
        #[cfg(unix)]
        self.shared.bell.silence();
    }

    /// Calls the wait off and returns once its thread has left it (well under a millisecond).
    fn disarm(&self, py: Python<'_>) {
        if self.is_forked() {
            return;
        }
        let mut state = self.shared.lock();
        state.failure = None;
        if state.job.is_none() {
            drop(state);
            self.silence();
            return;
        }
        drop(state);
        py.detach(|| {
            let mut state = self.shared.lock();
            while let Some(job) = &state.job {
                job.cancel();
                state.cancelled = true;
                state = self.shared.sleep_briefly(state);
            }
        });
        self.silence();
    }

    /// Waits, without holding the GIL, until the wait has ended or was called off.
    ///
    /// For event loops that cannot watch a file descriptor.
    fn wait(&self, py: Python<'_>) {
        if !self.is_forked() {
            py.detach(|| drop(self.shared.until_idle(self.shared.lock())));
        }
    }

    /// Raises what ended the last wait, if that was no readiness; once.
    fn raise_failure(&self, py: Python<'_>) -> PyResult<()> {
        if self.is_forked() {
            return Ok(());
        }
        match self.shared.lock().failure.take() {
            Some(error) => Err(exception(py, &error)),
            None => Ok(()),
        }
    }
}

impl Notifier {
    /// Starts to wait; does nothing while a wait is under way.
    pub(crate) fn arm(&self, py: Python<'_>, waiter: Waiter) -> PyResult<()> {
        if self.is_forked() {
            let error = Error::Forked {
                channel: self.channel.as_str().into(),
            };
            return Err(exception(py, &error));
        }
        let mut state = self.shared.lock();
        if state.job.is_some() {
            return Ok(());
        }
        if !state.running {
            let shared = Arc::clone(&self.shared);
            thread::Builder::new()
                .name("kren-wait".to_owned())
                .stack_size(256 * 1024)
                .spawn(move || shared.serve())
                .map_err(|error| {
                    let what = "awaiting takes a thread, and there can be none more (ulimit -u)";
                    system_error(py, &error, what, &self.channel)
                })?;
            state.running = true;
        }
        state.job = Some(Arc::new(waiter));
        state.failure = None;
        drop(state);
        self.shared.changed.notify_all();
        Ok(())
    }

    /// After fork the thread does not exist and the lock may be held for ever: touch neither.
    fn is_forked(&self) -> bool {
        std::process::id() != self.pid
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        if self.is_forked() {
            return;
        }
        let mut state = self.shared.lock();
        state.stop = true;
        state.cancelled = true;
        if let Some(job) = &state.job {
            job.cancel();
        }
        drop(state);
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sleep<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// For a job that was cancelled as its thread was falling asleep: it may have to be told again.
    fn sleep_briefly<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let brief = Duration::from_millis(1);
        self.changed
            .wait_timeout(state, brief)
            .unwrap_or_else(PoisonError::into_inner)
            .0
    }

    fn until_idle<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        while state.job.is_some() {
            state = self.sleep(state);
        }
        state
    }

    /// The thread: one job after another until the notifier goes.
    fn serve(&self) {
        leave_signals_to_others();
        let mut state = self.lock();
        while !state.stop {
            let Some(job) = state.job.clone() else {
                state = self.sleep(state);
                continue;
            };
            drop(state);
            let outcome = job.wait(None);
            state = self.lock();
            state.job = None;
            drop(job);
            if !std::mem::take(&mut state.cancelled) {
                state.failure = outcome.err();
                #[cfg(unix)]
                self.bell.ring();
            }
            self.changed.notify_all();
        }
    }
}

/// A signal that the kernel gives to this thread would not interrupt a wait of the main thread.
#[cfg(unix)]
#[allow(unsafe_code)]
fn leave_signals_to_others() {
    // SAFETY: `all` is initialised by sigfillset before it is read, and the mask is this thread's own.
    unsafe {
        let mut all = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, std::ptr::null_mut());
    }
}

#[cfg(not(unix))]
fn leave_signals_to_others() {}
