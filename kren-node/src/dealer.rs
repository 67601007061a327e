//! The writing side of a work queue, as `ts/dealer.ts` calls it.

use std::ops::Deref;
use std::rc::Rc;

use kren_core::{KrenDealer, Order};

use crate::call::Call;
use crate::context::{Context, Live};
use crate::end::{End, set_ref};
use crate::registry::with_common;
use crate::value::{Outcome, Value};
use crate::waiting::blocking;
use crate::watch::Watch;

pub(crate) struct Dealer {
    end: End<KrenDealer>,
}

impl Dealer {
    fn close(&self) -> kren_core::Result<()> {
        self.end.leave().map_or(Ok(()), KrenDealer::close)
    }
}

impl Deref for Dealer {
    type Target = End<KrenDealer>;
    fn deref(&self) -> &Self::Target {
        &self.end
    }
}

impl AsRef<Watch> for Dealer {
    fn as_ref(&self) -> &Watch {
        &self.watch
    }
}

impl Live for Dealer {
    fn close_at_exit(&self) {
        // Nobody is left to be told of a failure.
        let _ = self.close();
    }
}

impl Drop for Dealer {
    fn drop(&mut self) {
        self.close_at_exit();
    }
}

/// `openDealer(name, capacity, mode, anyOwner, strategy, workers, alignment)`
pub(crate) fn open(_: &Rc<Context>, call: &Call<'_, 7>) -> Outcome {
    let name = call.string(0)?;
    let mut options = with_common!(KrenDealer::options(), call, 2);
    if let Some(workers) = call.optional(5, Call::size)? {
        options = options.workers(workers);
    }
    if let Some(alignment) = call.optional(6, Call::size)? {
        options = options.alignment(alignment);
    }
    let core = options.create(&name, call.size(1)?)?;
    let object = call.object()?;
    object.set(c"name", call.js_str(&name)?)?;
    let dealer = Rc::new(Dealer {
        end: End::new("dealer", &name, core),
    });
    call.context.adopt(&dealer);
    object.method::<_, 3>(c"tryWrite", &dealer, try_write)?;
    object.method::<_, 1>(c"wait", &dealer, wait)?;
    object.method::<_, 1>(c"flush", &dealer, flush)?;
    object.method::<_, 0>(c"drained", &dealer, drained)?;
    object.method::<_, 2>(c"arm", &dealer, arm)?;
    object.method::<_, 0>(c"workers", &dealer, workers)?;
    object.method::<_, 0>(c"available", &dealer, available)?;
    object.method::<_, 0>(c"maxMessageLength", &dealer, max_message_length)?;
    object.method::<_, 0>(c"isRemoved", &dealer, is_removed)?;
    object.method::<_, 1>(c"setRef", &dealer, set_ref)?;
    object.method::<_, 0>(c"close", &dealer, close)?;
    Ok(object.value)
}

/// `tryWrite(data, tag, key)`: false when no worker has room now.
fn try_write(dealer: &Rc<Dealer>, call: &Call<'_, 3>) -> Outcome {
    let mut core = dealer.core()?;
    let key = call.optional(2, Call::string)?;
    let order = Order {
        tag: call.u32(1)?,
        key: key.as_deref().map(str::as_bytes),
        ..Order::new(call.bytes(0)?)
    };
    let is_dealt = core.try_order(&order)?;
    call.js_bool(is_dealt)
}

/// `wait(timeout)`: until something has changed for the workers.
fn wait(dealer: &Rc<Dealer>, call: &Call<'_, 1>) -> Outcome {
    let timeout = call.timeout(0)?;
    dealer.watch.disarm();
    let mut core = dealer.core()?;
    blocking(call.context, &dealer.name, |check| {
        core.wait_open(timeout, check)
    })?;
    Ok(Value::UNDEFINED)
}

/// `flush(timeout)`: until the workers have released everything.
fn flush(dealer: &Rc<Dealer>, call: &Call<'_, 1>) -> Outcome {
    let timeout = call.timeout(0)?;
    dealer.watch.disarm();
    let mut core = dealer.core()?;
    blocking(call.context, &dealer.name, |check| {
        core.drain_checking(timeout, check)
    })?;
    Ok(Value::UNDEFINED)
}

/// `drained()`: whether the workers have released everything.
fn drained(dealer: &Rc<Dealer>, call: &Call<'_, 0>) -> Outcome {
    let is_drained = dealer.core()?.is_drained()?;
    call.js_bool(is_drained)
}

/// `arm(what, onReady)`: see [`Watch::arm`]; 0 waits for a change, 1 for the end of delivery.
fn arm(dealer: &Rc<Dealer>, call: &Call<'_, 2>) -> Outcome {
    let core = dealer.core()?;
    let what = call.size(0)?;
    dealer
        .watch
        .arm(call.context, what, call.value(1), || match what {
            0 => core.progress(),
            _ => core.drained(),
        })?;
    Ok(Value::UNDEFINED)
}

/// `workers()`: how many there are.
fn workers(dealer: &Rc<Dealer>, call: &Call<'_, 0>) -> Outcome {
    call.js_size(dealer.core()?.workers())
}

fn available(dealer: &Rc<Dealer>, call: &Call<'_, 0>) -> Outcome {
    call.js_size(dealer.core()?.available())
}

fn max_message_length(dealer: &Rc<Dealer>, call: &Call<'_, 0>) -> Outcome {
    call.js_size(dealer.core()?.max_message_len())
}

fn is_removed(dealer: &Rc<Dealer>, call: &Call<'_, 0>) -> Outcome {
    call.js_bool(dealer.core()?.is_removed())
}

fn close(dealer: &Rc<Dealer>, _: &Call<'_, 0>) -> Outcome {
    dealer.close()?;
    Ok(Value::UNDEFINED)
}
