//! Waits that must be able to end early: because a worker is being terminated, a signal's handler waits for the thread, or
//! a promise was given up.

use std::cell::Cell;
use std::time::{Duration, Instant};

use kren_core::{Error, KrenReader, Result};

use crate::context::Context;
use crate::signals::{self, Pending};
use crate::value::Stop;

/// How long a signal may wait for a thread that blocks again and again.
const LOOK: Duration = Duration::from_millis(100);

thread_local! {
    static LOOKED: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// What may end a call that blocks before what it waits for has come.
pub(crate) struct Interruptions<'a> {
    context: &'a Context,
    channel: &'a str,
    signals: Pending,
}

impl<'a> Interruptions<'a> {
    pub(crate) fn new(context: &'a Context, channel: &'a str) -> Self {
        Self {
            context,
            channel,
            signals: Pending::new(),
        }
    }

    /// Why the call must end, if it must.
    pub(crate) fn look(&mut self) -> Option<Stop> {
        if self.context.interrupted() {
            return Some(Stop::Unwind);
        }
        LOOKED.set(Some(Instant::now()));
        self.signals.look().map(|signal| Stop::Signal {
            signal: signals::name(signal),
            channel: self.channel.into(),
        })
    }

    /// The same for a call that begins: short waits, each of which ends before it looks, must not keep a signal waiting.
    fn look_if_due(&mut self) -> Option<Stop> {
        let now = Instant::now();
        let looked = LOOKED.get().unwrap_or_else(|| {
            LOOKED.set(Some(now));
            now
        });
        if now.duration_since(looked) < LOOK {
            return None;
        }
        self.look()
    }
}

/// Runs `wait`, which gets the check that the core calls while it waits, and tells an interruption from an end of the
/// wait.
pub(crate) fn blocking(
    context: &Context,
    channel: &str,
    wait: impl FnOnce(&mut dyn FnMut() -> Result<()>) -> Result<()>,
) -> std::result::Result<(), Stop> {
    let mut interruptions = Interruptions::new(context, channel);
    if let Some(stop) = interruptions.look_if_due() {
        return Err(stop);
    }
    let mut stop = None;
    let outcome = wait(&mut || {
        stop = interruptions.look();
        if stop.is_some() {
            Err(Error::Interrupted {
                channel: channel.into(),
            })
        } else {
            Ok(())
        }
    });
    match (outcome, stop) {
        (Err(_), Some(stop)) => Err(stop),
        (outcome, _) => outcome.map_err(Stop::Kren),
    }
}

/// Finds a channel within a time, `None` being for ever; calls its second argument meanwhile, and ends if that fails.
pub(crate) type Find =
    Box<dyn FnOnce(Option<Duration>, &mut dyn FnMut() -> Result<()>) -> Result<KrenReader> + Send>;

/// Connects, waiting for the channel if need be; `None` when `go_on` said no. `timeout` of `None`
/// waits for ever.
pub(crate) fn connect_within(
    name: &str,
    find: Find,
    timeout: Option<Duration>,
    mut go_on: impl FnMut() -> bool,
) -> Option<Result<KrenReader>> {
    let mut is_over = false;
    let connected = find(timeout, &mut || {
        is_over = !go_on();
        if is_over {
            Err(Error::Interrupted {
                channel: name.into(),
            })
        } else {
            Ok(())
        }
    });
    (!is_over || connected.is_ok()).then_some(connected)
}
