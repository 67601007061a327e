//! The reading endpoint of a broadcast: a reader that was found in another way. `ts/subscriber.ts` calls it.

use std::rc::Rc;

use kren_core::{KrenSubscriber, Start, SubscriberOptions};

use crate::call::Call;
use crate::connect::later;
use crate::context::Context;
use crate::reader::{wait_for, wrap};
use crate::value::{Outcome, Stop, strategy};
use crate::waiting::Find;

/// `openSubscriber(name, timeout, anyOwner, strategy, prefault, machineWide, live, start, number, lossy, durable)`
pub(crate) fn open(_: &Rc<Context>, call: &Call<'_, 11>) -> Outcome {
    let (name, options) = (call.string(0)?, options(call)?);
    let core = match call.optional(1, Call::timeout)? {
        None => options.connect(&name)?.into_reader(),
        Some(timeout) => wait_for(call, &name, find(name.clone(), options), timeout)?,
    };
    wrap(call, core)
}

/// `connectSubscriber`: as `openSubscriber`, then `onDone`; gives what `connect` gives.
pub(crate) fn connect(_: &Rc<Context>, call: &Call<'_, 12>) -> Outcome {
    let (name, options) = (call.string(0)?, options(call)?);
    later(
        call,
        &name,
        find(name.clone(), options),
        call.timeout(1)?,
        call.value(11),
    )
}

fn find(name: String, options: SubscriberOptions) -> Find {
    Box::new(move |timeout, check| {
        let found = options.connect_within(&name, timeout, check)?;
        Ok(found.into_reader())
    })
}

/// The options at 2 to 10.
fn options<const N: usize>(call: &Call<'_, N>) -> Result<SubscriberOptions, Stop> {
    let mut options = KrenSubscriber::options();
    if let Some(any) = call.optional(2, Call::bool)? {
        options = options.any_owner(any);
    }
    if let Some(name) = call.optional(3, Call::string)? {
        options = options.strategy(strategy(&name)?);
    }
    if let Some(prefault) = call.optional(4, Call::bool)? {
        options = options.prefault(prefault);
    }
    if let Some(wide) = call.optional(5, Call::bool)? {
        options = options.machine_wide(wide);
    }
    if let Some(live) = call.optional(6, Call::bool)? {
        options = options.live_publisher(live);
    }
    options = options.start(match call.u32(7)? {
        0 => Start::Newest,
        1 => Start::Oldest,
        _ => Start::After(call.size(8)? as u64),
    });
    if let Some(lossy) = call.optional(9, Call::bool)? {
        options = options.lossy(lossy);
    }
    if let Some(name) = call.optional(10, Call::string)? {
        options = options.durable(&name);
    }
    Ok(options)
}
