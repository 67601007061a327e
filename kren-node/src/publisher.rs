//! The writing endpoint of a broadcast: a writer, and what it is beside that. `ts/publisher.ts` calls it.

use std::ffi::CString;
use std::rc::Rc;

use kren_core::{KrenPublisher, Subscriber};

use crate::call::{Call, Object};
use crate::context::Context;
use crate::value::{Outcome, Stop, Value, peer_state};
use crate::writer::{Writer, options, wrap};

/// `openPublisher`: as `openWriter`, then seats and patience.
pub(crate) fn open(_: &Rc<Context>, call: &Call<'_, 13>) -> Outcome {
    let mut broadcast = KrenPublisher::options().writer(&options(call)?);
    if let Some(seats) = call.optional(11, Call::size)? {
        broadcast = broadcast.subscribers(seats);
    }
    if let Some(patience) = call.optional(12, Call::timeout)?.flatten() {
        broadcast = broadcast.evict_after(patience);
    }
    let name = call.string(0)?;
    let core = broadcast.create(&name, call.size(1)?)?;
    let (object, writer) = wrap(call, &name, core.into_writer())?;
    object.method::<_, 1>(c"subscribed", &writer, subscribed)?;
    object.method::<_, 2>(c"armSubscribers", &writer, arm)?;
    object.method::<_, 0>(c"subscribers", &writer, subscribers)?;
    Ok(object.value)
}

/// `subscribed(count)`: whether so many are there.
fn subscribed(writer: &Rc<Writer>, call: &Call<'_, 1>) -> Outcome {
    call.js_bool(writer.core()?.is_subscribed(call.size(0)?)?)
}

/// `armSubscribers(count, onReady)`: see [`Watch::arm`](crate::watch::Watch::arm).
fn arm(writer: &Rc<Writer>, call: &Call<'_, 2>) -> Outcome {
    let core = writer.core()?;
    let count = call.size(0)?;
    // No length of a message.
    let what = usize::MAX - count;
    writer.watch.arm(call.context, what, call.value(1), || {
        core.subscribers_waiter(count)
    })?;
    Ok(Value::UNDEFINED)
}

/// `subscribers()`: what is known of each, by their order.
fn subscribers(writer: &Rc<Writer>, call: &Call<'_, 0>) -> Outcome {
    let core = writer.core()?;
    core.check_usable()?;
    let list = call.object()?;
    for (place, known) in core.subscribers().iter().enumerate() {
        let place = CString::new(place.to_string()).unwrap_or_default();
        list.set(&place, describe(call, known)?.value)?;
    }
    Ok(list.value)
}

fn describe<'a>(call: &'a Call<'_, 0>, known: &Subscriber) -> Result<Object<'a>, Stop> {
    let size = |figure: u64| call.js_size(usize::try_from(figure).unwrap_or(usize::MAX));
    let object = call.object()?;
    object.set(c"seat", call.js_size(known.seat)?)?;
    object.set(c"pid", call.js_u32(known.holder.pid())?)?;
    object.set(c"state", call.js_str(peer_state(known.state))?)?;
    object.set(c"lossy", call.js_bool(known.is_lossy)?)?;
    object.set(c"durable", call.js_bool(known.is_durable)?)?;
    object.set(c"behind", size(known.behind)?)?;
    object.set(c"behindBytes", size(known.behind_bytes)?)?;
    Ok(object)
}
