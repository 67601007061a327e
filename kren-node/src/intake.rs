//! What reads the messages of many: an inbox, a worker of a queue. `ts/many.ts` calls it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::Deref;
use std::rc::Rc;
use std::time::Duration;

use kren_core::{Interest, Lease};

use crate::call::{Call, Object, POOLED};
use crate::context::Live;
use crate::end::{End, set_ref};
use crate::value::{Outcome, Stop, Value};
use crate::waiting::blocking;
use crate::watch::Watch;

/// What is known of a message beside its bytes, as `ts/many.ts` reads it: the tag, the halves of a number, and two more.
pub(crate) type Notes = [u32; 5];

/// A message where it lies, which is released when it is dropped.
pub(crate) trait Piece: Deref<Target = [u8]> {
    fn notes(&self) -> Notes;
    fn into_lease(self) -> Lease;
}

/// What such an endpoint is in the core.
pub(crate) trait Source: Sized + 'static {
    type Piece<'a>: Piece;
    /// What it is called in errors.
    const ROLE: &'static str;
    fn name(&self) -> &str;
    fn take(&mut self) -> kren_core::Result<Option<Self::Piece<'_>>>;
    fn wait(
        &mut self,
        timeout: Option<Duration>,
        check: &mut dyn FnMut() -> kren_core::Result<()>,
    ) -> kren_core::Result<()>;
    /// That there is something to take; or why nothing will come.
    fn interest(&mut self) -> kren_core::Result<Interest>;
    fn is_removed(&self) -> bool;
    fn close(self) -> kren_core::Result<()>;
}

pub(crate) struct Intake<S: Source> {
    end: End<S>,
    /// What is not to be released yet, by the numbers that JavaScript knows.
    held: RefCell<BTreeMap<u32, Lease>>,
    last: Cell<u32>,
}

impl<S: Source> Intake<S> {
    fn hold(&self, lease: Lease) -> u32 {
        let mut held = self.held.borrow_mut();
        let mut number = self.last.get();
        loop {
            // 0 is none.
            number = number.wrapping_add(1).max(1);
            if !held.contains_key(&number) {
                break;
            }
        }
        self.last.set(number);
        held.insert(number, lease);
        number
    }

    fn close(&self) -> kren_core::Result<()> {
        // What was not released is for whoever comes next.
        self.held.take().into_values().for_each(Lease::keep);
        self.end.leave().map_or(Ok(()), S::close)
    }
}

impl<S: Source> Deref for Intake<S> {
    type Target = End<S>;
    fn deref(&self) -> &Self::Target {
        &self.end
    }
}

impl<S: Source> AsRef<Watch> for Intake<S> {
    fn as_ref(&self) -> &Watch {
        &self.watch
    }
}

impl<S: Source> Live for Intake<S> {
    fn close_at_exit(&self) {
        // Nobody is left to be told of a failure.
        let _ = self.close();
    }
}

impl<S: Source> Drop for Intake<S> {
    fn drop(&mut self) {
        self.close_at_exit();
    }
}

/// The object that stands for `core` in JavaScript, and what is behind it.
pub(crate) fn wrap<'a, S: Source, const N: usize>(
    call: &'a Call<'_, N>,
    core: S,
) -> Result<(Object<'a>, Rc<Intake<S>>), Stop> {
    let object = call.object()?;
    object.set(c"name", call.js_str(core.name())?)?;
    let name = core.name().to_owned();
    let intake = Rc::new(Intake {
        end: End::new(S::ROLE, &name, core),
        held: RefCell::default(),
        last: Cell::new(0),
    });
    call.context.adopt(&intake);
    object.method::<_, 4>(c"take", &intake, take)?;
    object.method::<_, 1>(c"release", &intake, release)?;
    object.method::<_, 1>(c"wait", &intake, wait)?;
    object.method::<_, 2>(c"arm", &intake, arm)?;
    object.method::<_, 0>(c"isRemoved", &intake, is_removed)?;
    object.method::<_, 1>(c"setRef", &intake, set_ref)?;
    object.method::<_, 0>(c"close", &intake, close)?;
    Ok((object, intake))
}

/// What `take` is asked for.
const HOLDS: u32 = 1;
/// The message is to go where it is told if it fits there, however long it is.
const WHOLE: u32 = 2;

/// `take(room, offset, flags, notes)`: the next message, if there is one now: its length, having been copied into `room` at
/// `offset`, or else a Buffer of its own. `notes` gets what is known of it, and the number under which it is held, if it is.
fn take<S: Source>(intake: &Rc<Intake<S>>, call: &Call<'_, 4>) -> Outcome {
    let (offset, flags) = (call.u32(1)? as usize, call.u32(2)?);
    let mut core = intake.core()?;
    let Some(piece) = core.take()? else {
        return Ok(Value::UNDEFINED);
    };
    let most = if flags & WHOLE != 0 {
        usize::MAX
    } else {
        POOLED
    };
    let value = call.js_copy(0, offset, &piece, most);
    let notes = piece.notes();
    let value = match value {
        Ok(value) => value,
        Err(stop) => {
            // V8 has no memory for the copy: it is for whoever comes next.
            piece.into_lease().keep();
            return Err(stop);
        }
    };
    let held = if flags & HOLDS != 0 {
        intake.hold(piece.into_lease())
    } else {
        drop(piece);
        0
    };
    let [tag, low, high, pid, mark] = notes;
    call.store_notes(3, &[tag, low, high, pid, mark, held])?;
    Ok(value)
}

/// `release(number)`: of one that was held.
fn release<S: Source>(intake: &Rc<Intake<S>>, call: &Call<'_, 1>) -> Outcome {
    let lease = intake.held.borrow_mut().remove(&call.u32(0)?);
    drop(lease);
    Ok(Value::UNDEFINED)
}

/// `wait(timeout)`: until there is something to take.
fn wait<S: Source>(intake: &Rc<Intake<S>>, call: &Call<'_, 1>) -> Outcome {
    let mut core = intake.core()?;
    let timeout = call.timeout(0)?;
    intake.watch.disarm();
    blocking(call.context, &intake.name, |check| {
        core.wait(timeout, check)
    })?;
    Ok(Value::UNDEFINED)
}

/// `arm(what, onReady)`: see [`Watch::arm`].
fn arm<S: Source>(intake: &Rc<Intake<S>>, call: &Call<'_, 2>) -> Outcome {
    let mut core = intake.core()?;
    intake
        .watch
        .arm(call.context, 0, call.value(1), || core.interest())?;
    Ok(Value::UNDEFINED)
}

fn is_removed<S: Source>(intake: &Rc<Intake<S>>, call: &Call<'_, 0>) -> Outcome {
    call.js_bool(intake.core()?.is_removed())
}

fn close<S: Source>(intake: &Rc<Intake<S>>, _: &Call<'_, 0>) -> Outcome {
    intake.close()?;
    Ok(Value::UNDEFINED)
}

/// The two halves of a number.
#[allow(clippy::cast_possible_truncation, reason = "the halves")]
pub(crate) fn halves(number: u64) -> (u32, u32) {
    (number as u32, (number >> 32) as u32)
}
