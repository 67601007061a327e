//! One of the calling sides of a service, as `ts/client.ts` calls it.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Deref;
use std::rc::Rc;

use kren_core::{Call as Asked, CallOptions, Error, KrenClient, PeerState, Reply};

use crate::call::{Call, POOLED};
use crate::context::{Context, Live};
use crate::end::{End, set_ref};
use crate::registry::with_common;
use crate::value::{Outcome, Stop, Value, peer_state};
use crate::watch::Watch;

pub(crate) struct Client {
    end: End<KrenClient>,
    /// For room for a request; the other one is for answers.
    room: Watch,
    /// The calls that are not over, and whether another server may do each again.
    open: RefCell<BTreeMap<u64, bool>>,
    /// Those to which there are answers that were not asked for yet.
    arrived: RefCell<VecDeque<Asked>>,
}

/// What an answer is, as `ts/client.ts` has it.
const ITEM: u32 = 0;
const LAST: u32 = 1;
const END: u32 = 2;
const FAILED: u32 = 3;

impl Client {
    fn close(&self) -> kren_core::Result<()> {
        self.room.stop();
        self.end.leave().map_or(Ok(()), KrenClient::close)
    }

    /// The next answer, to whichever call; or why there will be none to one.
    fn next(&self, core: &mut KrenClient) -> kren_core::Result<Option<(Asked, Part)>> {
        loop {
            if self.arrived.borrow().is_empty() {
                self.arrived.replace(core.arrived()?.into());
            }
            let asked = self.arrived.borrow_mut().pop_front();
            if let Some(asked) = asked {
                if let Some(part) = self.poll(core, asked) {
                    return Ok(Some((asked, part)));
                }
                continue;
            }
            // Where nothing has come, the oldest one is asked for: if that has its server, all have.
            let Some(oldest) = self.oldest() else {
                return Ok(None);
            };
            if let Some(part) = self.poll(core, oldest) {
                return Ok(Some((oldest, part)));
            }
            // What has come meanwhile for another one was taken in, and nobody rings for it any more.
            self.arrived.replace(core.arrived()?.into());
            if self.arrived.borrow().is_empty() {
                return Ok(None);
            }
        }
    }

    /// The oldest call that no other server may do again.
    fn oldest(&self) -> Option<Asked> {
        let open = self.open.borrow();
        let mut bound = open.iter().filter(|(_, may_retry)| !**may_retry);
        bound.next().map(|(number, _)| Asked::of(*number))
    }

    fn poll(&self, core: &mut KrenClient, asked: Asked) -> Option<Part> {
        let before = core.pending();
        let polled = core.poll(asked);
        let is_last = core.pending() < before;
        if is_last {
            self.open.borrow_mut().remove(&asked.number());
        }
        match polled {
            // Given up meanwhile.
            Err(Error::Cancelled { .. }) => None,
            Err(error) => {
                // Its time may be over, and the server still at it.
                core.cancel(asked);
                self.open.borrow_mut().remove(&asked.number());
                Some(Part::Failed(error))
            }
            Ok(None) => None,
            Ok(Some(None)) => Some(Part::End),
            Ok(Some(Some(reply))) => {
                if !is_last {
                    // There may be more.
                    self.arrived.borrow_mut().push_front(asked);
                }
                Some(Part::Reply(reply, is_last))
            }
        }
    }
}

enum Part {
    Reply(Reply, bool),
    End,
    Failed(Error),
}

impl Deref for Client {
    type Target = End<KrenClient>;
    fn deref(&self) -> &Self::Target {
        &self.end
    }
}

impl AsRef<Watch> for Client {
    fn as_ref(&self) -> &Watch {
        &self.watch
    }
}

impl Live for Client {
    fn close_at_exit(&self) {
        // Nobody is left to be told of a failure.
        let _ = self.close();
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.close_at_exit();
    }
}

/// `openClient(name, mode, anyOwner, strategy, clients, capacity)`
pub(crate) fn open(_: &Rc<Context>, call: &Call<'_, 6>) -> Outcome {
    let name = call.string(0)?;
    let mut options = with_common!(KrenClient::options(), call, 1);
    if let Some(clients) = call.optional(4, Call::size)? {
        options = options.clients(clients);
    }
    if let Some(capacity) = call.optional(5, Call::size)? {
        options = options.capacity(capacity);
    }
    let core = options.connect(&name)?;
    let object = call.object()?;
    object.set(c"name", call.js_str(&name)?)?;
    let client = Rc::new(Client {
        end: End::new("client", &name, core),
        room: Watch::new(),
        open: RefCell::default(),
        arrived: RefCell::default(),
    });
    call.context.adopt(&client);
    object.method::<_, 5>(c"start", &client, start)?;
    object.method::<_, 3>(c"next", &client, next)?;
    object.method::<_, 1>(c"cancel", &client, cancel)?;
    object.method::<_, 2>(c"arm", &client, arm)?;
    object.method::<_, 3>(c"armRoom", &client, arm_room)?;
    object.method::<_, 0>(c"serverState", &client, server_state)?;
    object.method::<_, 0>(c"late", &client, late)?;
    object.method::<_, 0>(c"maxRequestLength", &client, max_request_length)?;
    object.method::<_, 0>(c"isRemoved", &client, is_removed)?;
    object.method::<_, 1>(c"setRef", &client, set_ref)?;
    object.method::<_, 1>(c"setRoomRef", &client, set_room_ref)?;
    object.method::<_, 0>(c"close", &client, close)?;
    Ok(object.value)
}

/// `start(data, tag, timeout, method, retry)`: the number of the call; `undefined` while there is no room for the request.
fn start(client: &Rc<Client>, call: &Call<'_, 5>) -> Outcome {
    let method = call.string(3)?;
    let may_retry = call.bool(4)?;
    let mut options = CallOptions::default()
        .tag(call.u32(1)?)
        .method(&method)
        .retry(may_retry);
    if let Some(timeout) = call.timeout(2)? {
        options = options.timeout(timeout);
    }
    let mut core = client.core()?;
    let Some(asked) = core.try_start(call.bytes(0)?, options)? else {
        return Ok(Value::UNDEFINED);
    };
    client.open.borrow_mut().insert(asked.number(), may_retry);
    call.js_size(usize::try_from(asked.number()).unwrap_or(usize::MAX))
}

/// `next(pool, offset, notes)`: the next answer to whichever call, `undefined` if there is none now: its length, having been copied
/// into the pool, or a Buffer of its own, or the error that the call has come to. `notes` gets the tag, the call's number in
/// halves, and what it is.
fn next(client: &Rc<Client>, call: &Call<'_, 3>) -> Outcome {
    let mut core = client.core()?;
    let Some((asked, part)) = client.next(&mut core)? else {
        return Ok(Value::UNDEFINED);
    };
    let (low, high) = crate::intake::halves(asked.number());
    let (tag, kind) = match &part {
        Part::Reply(reply, false) => (reply.tag(), ITEM),
        Part::Reply(reply, true) => (reply.tag(), LAST),
        Part::End => (0, END),
        Part::Failed(_) => (0, FAILED),
    };
    call.store_notes(2, &[tag, low, high, kind])?;
    match part {
        Part::Reply(reply, _) => call.js_copy(0, call.u32(1)? as usize, &reply, POOLED),
        Part::End => call.js_u32(0),
        Part::Failed(error) => call.context.error(&error).map(Value).ok_or(Stop::Unwind),
    }
}

/// `cancel(number)`: that of a call whose answer is not waited for any more.
fn cancel(client: &Rc<Client>, call: &Call<'_, 1>) -> Outcome {
    let asked = Asked::of(call.size(0)? as u64);
    if client.open.borrow_mut().remove(&asked.number()).is_some() {
        client.core()?.cancel(asked);
    }
    Ok(Value::UNDEFINED)
}

/// `arm(what, onReady)`: see [`Watch::arm`]; for an answer.
fn arm(client: &Rc<Client>, call: &Call<'_, 2>) -> Outcome {
    let core = client.core()?;
    client
        .watch
        .arm(call.context, 0, call.value(1), || core.readable())?;
    Ok(Value::UNDEFINED)
}

/// `armRoom(length, onReady, method)`: for room for a request.
fn arm_room(client: &Rc<Client>, call: &Call<'_, 3>) -> Outcome {
    let core = client.core()?;
    let (len, method) = (call.size(0)?, call.string(2)?);
    client.room.arm(call.context, len, call.value(1), || {
        core.writable(len, CallOptions::default().method(&method))
    })?;
    Ok(Value::UNDEFINED)
}

/// `serverState()`: how the other side stands.
fn server_state(client: &Rc<Client>, call: &Call<'_, 0>) -> Outcome {
    let state: PeerState = client.core()?.server_state();
    call.js_str(peer_state(state))
}

/// `late()`: answers that came when nobody waited for them any more.
fn late(client: &Rc<Client>, call: &Call<'_, 0>) -> Outcome {
    let late = client.core()?.late();
    call.js_size(usize::try_from(late).unwrap_or(usize::MAX))
}

fn max_request_length(client: &Rc<Client>, call: &Call<'_, 0>) -> Outcome {
    call.js_size(client.core()?.max_request_len())
}

fn is_removed(client: &Rc<Client>, call: &Call<'_, 0>) -> Outcome {
    call.js_bool(client.core()?.is_removed())
}

fn set_room_ref(client: &Rc<Client>, call: &Call<'_, 1>) -> Outcome {
    client.room.set_ref(call.context, call.bool(0)?);
    Ok(Value::UNDEFINED)
}

fn close(client: &Rc<Client>, _: &Call<'_, 0>) -> Outcome {
    client.close()?;
    Ok(Value::UNDEFINED)
}
