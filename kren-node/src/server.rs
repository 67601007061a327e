//! The answering side of a service, as `ts/server.ts` calls it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::Deref;
use std::rc::Rc;
use std::time::Duration;

use kren_core::{Error, KrenServer, Request, Result};

use crate::call::{Call, POOLED};
use crate::context::{Context, Live};
use crate::end::{End, set_ref};
use crate::inbox::{describe, list};
use crate::intake::halves;
use crate::registry::with_common;
use crate::value::{Outcome, Stop, Value};
use crate::waiting::{Interruptions, blocking};
use crate::watch::{Awaited, Watch};

pub(crate) struct Server {
    end: End<KrenServer>,
    /// What is not answered yet, by the numbers that JavaScript knows.
    open: RefCell<BTreeMap<u32, Request>>,
    last: Cell<u32>,
    /// What was found by a call that only waits.
    found: RefCell<Option<Request>>,
}

impl Server {
    fn close(&self) -> Result<()> {
        self.found.take();
        // Those that are dropped say so to their clients.
        drop(self.open.take());
        self.end.leave().map_or(Ok(()), KrenServer::close)
    }

    fn next(&self, core: &mut KrenServer) -> Result<Option<Request>> {
        match self.found.take() {
            Some(request) => Ok(Some(request)),
            None => core.try_next(),
        }
    }

    fn keep(&self, request: Request) -> u32 {
        let mut open = self.open.borrow_mut();
        let mut number = self.last.get();
        loop {
            number = number.wrapping_add(1);
            if !open.contains_key(&number) {
                break;
            }
        }
        self.last.set(number);
        open.insert(number, request);
        number
    }

    /// Ends the request of this number in the way of `end`.
    fn take(&self, number: u32) -> std::result::Result<Request, Stop> {
        let request = self.open.borrow_mut().remove(&number);
        request.ok_or_else(|| self.answered())
    }

    fn answered(&self) -> Stop {
        Stop::EndpointClosed {
            role: "request",
            channel: self.name.clone(),
        }
    }
}

impl Deref for Server {
    type Target = End<KrenServer>;
    fn deref(&self) -> &Self::Target {
        &self.end
    }
}

impl AsRef<Watch> for Server {
    fn as_ref(&self) -> &Watch {
        &self.watch
    }
}

impl Live for Server {
    fn close_at_exit(&self) {
        // Nobody is left to be told of a failure.
        let _ = self.close();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.close_at_exit();
    }
}

/// `openServer(name, mode, anyOwner, strategy, clients, capacity, standby)`
pub(crate) fn open(_: &Rc<Context>, call: &Call<'_, 7>) -> Outcome {
    let name = call.string(0)?;
    let mut options = with_common!(KrenServer::options(), call, 1);
    if let Some(clients) = call.optional(4, Call::size)? {
        options = options.clients(clients);
    }
    if let Some(capacity) = call.optional(5, Call::size)? {
        options = options.capacity(capacity);
    }
    if let Some(standby) = call.optional(6, Call::timeout)? {
        options = options.standby(standby);
    }
    let mut interruptions = Interruptions::new(call.context, &name);
    let mut stop = None;
    let made = options.create_checked(&name, &mut || {
        stop = interruptions.look();
        match stop {
            Some(_) => Err(Error::Interrupted {
                channel: name.as_str().into(),
            }),
            None => Ok(()),
        }
    });
    let core = match (made, stop) {
        (Err(_), Some(stop)) => return Err(stop),
        (made, _) => made?,
    };
    let object = call.object()?;
    object.set(c"name", call.js_str(&name)?)?;
    let server = Rc::new(Server {
        end: End::new("server", &name, core),
        open: RefCell::default(),
        last: Cell::new(0),
        found: RefCell::default(),
    });
    call.context.adopt(&server);
    object.method::<_, 3>(c"next", &server, next)?;
    object.method::<_, 1>(c"method", &server, method)?;
    object.method::<_, 3>(c"reply", &server, reply)?;
    object.method::<_, 3>(c"item", &server, item)?;
    object.method::<_, 1>(c"end", &server, end)?;
    object.method::<_, 3>(c"fail", &server, fail)?;
    object.method::<_, 1>(c"drop", &server, drop_request)?;
    object.method::<_, 1>(c"isCancelled", &server, is_cancelled)?;
    object.method::<_, 1>(c"wait", &server, wait)?;
    object.method::<_, 2>(c"arm", &server, arm)?;
    object.method::<_, 0>(c"clients", &server, clients)?;
    object.method::<_, 0>(c"isRemoved", &server, is_removed)?;
    object.method::<_, 1>(c"setRef", &server, set_ref)?;
    object.method::<_, 0>(c"close", &server, close)?;
    Ok(object.value)
}

/// What `next` says of a client that waits for ever.
const FOR_EVER: u32 = u32::MAX;

/// `next(pool, offset, notes)`: the next request, if there is one now: its length, having been copied into the pool, or a Buffer of
/// its own. `notes` gets the tag, the client's number in halves, its process, the milliseconds that it still waits, whether it
/// names a method, and the request's number.
fn next(server: &Rc<Server>, call: &Call<'_, 3>) -> Outcome {
    let mut core = server.core()?;
    let Some(request) = server.next(&mut core)? else {
        return Ok(Value::UNDEFINED);
    };
    let value = match call.js_copy(0, call.u32(1)? as usize, &request, POOLED) {
        Ok(value) => value,
        Err(stop) => {
            // V8 has no memory for the copy.
            server.found.replace(Some(request));
            return Err(stop);
        }
    };
    let client = request.client();
    let (low, high) = halves(client.number);
    let left = request.time_left().map_or(FOR_EVER, |left| {
        u32::try_from(left.as_millis())
            .unwrap_or(FOR_EVER)
            .min(FOR_EVER - 1)
    });
    let has_method = u32::from(!request.method().is_empty());
    let tag = request.tag();
    let number = server.keep(request);
    call.store_notes(2, &[tag, low, high, client.pid, left, has_method, number])?;
    Ok(value)
}

/// `method(number)`: what the request names.
fn method(server: &Rc<Server>, call: &Call<'_, 1>) -> Outcome {
    let open = server.open.borrow();
    let request = open.get(&call.u32(0)?).ok_or_else(|| server.answered())?;
    call.js_str(&request.method())
}

/// `reply(number, data, tag)`
fn reply(server: &Rc<Server>, call: &Call<'_, 3>) -> Outcome {
    let (tag, data) = (call.u32(2)?, call.bytes(1)?);
    server.take(call.u32(0)?)?.reply_tagged(tag, data)?;
    Ok(Value::UNDEFINED)
}

/// `item(number, data, tag)`
fn item(server: &Rc<Server>, call: &Call<'_, 3>) -> Outcome {
    let mut open = server.open.borrow_mut();
    let request = open.get_mut(&call.u32(0)?);
    let request = request.ok_or_else(|| server.answered())?;
    request.item_tagged(call.u32(2)?, call.bytes(1)?)?;
    Ok(Value::UNDEFINED)
}

/// `end(number)`
fn end(server: &Rc<Server>, call: &Call<'_, 1>) -> Outcome {
    server.take(call.u32(0)?)?.end()?;
    Ok(Value::UNDEFINED)
}

/// `fail(number, code, text)`
fn fail(server: &Rc<Server>, call: &Call<'_, 3>) -> Outcome {
    let text = call.string(2)?;
    server.take(call.u32(0)?)?.fail(call.u32(1)?, &text)?;
    Ok(Value::UNDEFINED)
}

/// `drop(number)`: of a request that nobody will answer; its client is told, if it was not answered.
fn drop_request(server: &Rc<Server>, call: &Call<'_, 1>) -> Outcome {
    let request = server.open.borrow_mut().remove(&call.u32(0)?);
    drop(request);
    Ok(Value::UNDEFINED)
}

/// `isCancelled(number)`: whether the client has given the call up, or it was answered.
fn is_cancelled(server: &Rc<Server>, call: &Call<'_, 1>) -> Outcome {
    let open = server.open.borrow();
    let request = open.get(&call.u32(0)?);
    call.js_bool(request.is_some_and(Request::is_cancelled))
}

/// `wait(timeout)`: until there is a request.
fn wait(server: &Rc<Server>, call: &Call<'_, 1>) -> Outcome {
    let timeout: Option<Duration> = call.timeout(0)?;
    server.watch.disarm();
    let mut core = server.core()?;
    blocking(call.context, &server.name, |check| {
        let request = core.next_checking(timeout, check)?;
        server.found.replace(Some(request));
        Ok(())
    })?;
    Ok(Value::UNDEFINED)
}

/// Between two tries to hand over what is kept for clients that had no room for it.
const RETRY: Duration = Duration::from_millis(1);

/// `arm(what, onReady)`: see [`Watch::arm`]; for a request.
fn arm(server: &Rc<Server>, call: &Call<'_, 2>) -> Outcome {
    let mut core = server.core()?;
    server.watch.arm(call.context, 0, call.value(1), || {
        let interest = core.readable()?;
        Ok(match core.is_behind() {
            true => Awaited::Within(interest, RETRY),
            false => Awaited::Interest(interest),
        })
    })?;
    Ok(Value::UNDEFINED)
}

/// `clients()`: who is there.
fn clients(server: &Rc<Server>, call: &Call<'_, 0>) -> Outcome {
    let there = server.core()?.clients();
    list(call, there.len(), |at| describe(call, there[at]))
}

fn is_removed(server: &Rc<Server>, call: &Call<'_, 0>) -> Outcome {
    call.js_bool(server.core()?.is_removed())
}

fn close(server: &Rc<Server>, _: &Call<'_, 0>) -> Outcome {
    server.close()?;
    Ok(Value::UNDEFINED)
}
