//! Waiting, on a thread of its own, for a channel that does not exist yet.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use kren_core::{KrenReader, Result};
use napi::threadsafe_function::ThreadsafeFunctionCallMode;

use crate::call::Call;
use crate::context::{Context, Live};
use crate::reader::{find, options, wrap};
use crate::value::{Outcome, Value};
use crate::waiting::{Find, connect_within};
use crate::watch::{report_to, spawn};

enum State {
    Waiting,
    Done(Box<Result<KrenReader>>),
    /// Given up, or taken.
    Over,
}

struct Shared(Mutex<State>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Connecting {
    shared: Arc<Shared>,
    thread: RefCell<Option<JoinHandle<()>>>,
}

/// `connect(name, timeout, anyOwner, strategy, prefault, machineWide, live, newest, schemaName, schemaText, onDone)`: gives an object with `take()`,
/// to be called once `onDone` was, and `cancel()`.
pub(crate) fn connect(_: &Rc<Context>, call: &Call<'_, 11>) -> Outcome {
    let (name, options) = (call.string(0)?, options(call)?);
    later(
        call,
        &name,
        find(name.clone(), options),
        call.timeout(1)?,
        call.value(10),
    )
}

/// Has a thread connect, which calls `on_done` at the end; the object with `take()` and `cancel()`.
pub(crate) fn later<const N: usize>(
    call: &Call<'_, N>,
    name: &str,
    find: Find,
    timeout: Option<Duration>,
    on_done: Value,
) -> Outcome {
    let done = report_to::<false>(call.context, on_done)?;
    let shared = Arc::new(Shared(Mutex::new(State::Waiting)));
    let thread = {
        let (shared, channel) = (Arc::clone(&shared), name.to_owned());
        spawn(name, move || {
            let go_on = || matches!(*shared.lock(), State::Waiting);
            let Some(result) = connect_within(&channel, find, timeout, go_on) else {
                return;
            };
            let mut state = shared.lock();
            if matches!(*state, State::Waiting) {
                *state = State::Done(Box::new(result));
                drop(state);
                done.call(None, ThreadsafeFunctionCallMode::NonBlocking);
            }
        })?
    };
    let connecting = Rc::new(Connecting {
        shared,
        thread: RefCell::new(Some(thread)),
    });
    call.context.adopt(&connecting);
    let object = call.object()?;
    object.method::<_, 0>(c"take", &connecting, take)?;
    object.method::<_, 0>(c"cancel", &connecting, cancel)?;
    Ok(object.value)
}

impl Connecting {
    fn end(&self) -> State {
        std::mem::replace(&mut self.shared.lock(), State::Over)
    }
}

impl Live for Connecting {
    fn close_at_exit(&self) {
        drop(self.end());
        // It may be connecting at this moment, and must close again before the process goes.
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Connecting {
    fn drop(&mut self) {
        // The thread notices by itself; there is no need to wait for it.
        drop(self.end());
    }
}

/// `take()`: the reader that was waited for.
fn take(connecting: &Rc<Connecting>, call: &Call<'_, 0>) -> Outcome {
    match connecting.end() {
        State::Done(result) => wrap(call, (*result)?),
        State::Waiting | State::Over => Ok(Value::UNDEFINED),
    }
}

fn cancel(connecting: &Rc<Connecting>, _: &Call<'_, 0>) -> Outcome {
    drop(connecting.end());
    Ok(Value::UNDEFINED)
}
