//! Waiting on behalf of an event loop.
//!
//! The core's one thread for all that is awaited ends the wait, and then rings a bell (a file descriptor the loop watches).
//! It never touches a Python object or the interpreter, so it can neither block one nor be blocked.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use kren_core::{Background, Error, Interest, Waiter, Watching};
#[cfg(not(unix))]
use pyo3::exceptions::PyNotImplementedError;
use pyo3::prelude::*;

#[cfg(unix)]
use crate::bell::Bell;
use crate::errors::exception;
#[cfg(unix)]
use crate::errors::system_error;

/// What is done when a wait is over.
type Tell = Box<dyn FnOnce(kren_core::Result<()>) + Send>;

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
    /// From the first wait on, so that the thread is not started anew for each.
    background: Option<Background>,
    /// The wait under way; none where that was over before it began.
    watching: Option<Watching>,
    /// Whether a wait is under way, of this number: what is told of an earlier one comes too late.
    is_busy: bool,
    number: u64,
    /// Why the last wait ended, when that was no readiness.
    failure: Option<Error>,
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

    /// Calls the wait off.
    fn disarm(&self) {
        if self.is_forked() {
            return;
        }
        let mut state = self.shared.lock();
        state.failure = None;
        state.is_busy = false;
        let watching = state.watching.take();
        drop(state);
        drop(watching);
        self.shared.changed.notify_all();
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
        self.begin(py, |background, tell| background.watch(waiter, tell))
    }

    /// The same for what a selector would wait for.
    pub(crate) fn arm_for(&self, py: Python<'_>, interest: Interest) -> PyResult<()> {
        self.begin(py, |background, tell| {
            background.watch_for(interest, move || tell(Ok(())))
        })
    }

    fn begin(
        &self,
        py: Python<'_>,
        watch: impl FnOnce(&Background, Tell) -> kren_core::Result<Option<Watching>>,
    ) -> PyResult<()> {
        if self.is_forked() {
            let error = Error::Forked {
                channel: self.channel.as_str().into(),
            };
            return Err(exception(py, &error));
        }
        let mut state = self.shared.lock();
        if state.is_busy {
            return Ok(());
        }
        let background = match &state.background {
            Some(background) => background.clone(),
            None => Background::new(&self.channel).map_err(|error| exception(py, &error))?,
        };
        state.background = Some(background.clone());
        state.number += 1;
        state.is_busy = true;
        state.failure = None;
        let number = state.number;
        drop(state);
        let shared = Arc::clone(&self.shared);
        let tell: Tell = Box::new(move |outcome| shared.end(number, outcome));
        match watch(&background, tell) {
            Ok(Some(watching)) => {
                let mut state = self.shared.lock();
                // It may be over already.
                if state.is_busy && state.number == number {
                    state.watching = Some(watching);
                }
            }
            Ok(None) => self.shared.end(number, Ok(())),
            Err(error) => self.shared.end(number, Err(error)),
        }
        Ok(())
    }

    /// After fork the thread does not exist and the lock may be held for ever: touch neither.
    fn is_forked(&self) -> bool {
        std::process::id() != self.pid
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn until_idle<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        while state.is_busy {
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state
    }

    /// The wait of this number is over.
    fn end(&self, number: u64, outcome: kren_core::Result<()>) {
        let mut state = self.lock();
        if !state.is_busy || state.number != number {
            return;
        }
        state.is_busy = false;
        state.failure = outcome.err();
        let watching = state.watching.take();
        drop(state);
        drop(watching);
        #[cfg(unix)]
        self.bell.ring();
        self.changed.notify_all();
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        if self.is_forked() {
            return;
        }
        // What would be told holds the state, and the state the wait.
        let mut state = self.shared.lock();
        state.is_busy = false;
        let watching = state.watching.take();
        drop(state);
        drop(watching);
    }
}
