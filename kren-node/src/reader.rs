//! The reading endpoint, as `ts/reader.ts` calls it.

use std::cell::{Cell, RefCell, RefMut};
use std::ops::Deref;
use std::rc::Rc;
use std::time::Duration;

use kren_core::{KrenReader, Mapped, Message, ReaderOptions, Start, copy_slice};

use crate::call::{Call, Object, POOLED};
use crate::context::{Context, Live};
use crate::end::{End, set_ref};
use crate::lend::{lend, outline, part};
use crate::value::{Outcome, Stop, Value, peer_state, schema_text, strategy};
use crate::waiting::{Find, Interruptions, blocking, connect_within};
use crate::watch::Watch;

pub(crate) struct Reader {
    end: End<KrenReader>,
    last_tag: Cell<u32>,
    /// JavaScript has been given the ring, or keeps account of what it holds: the core learns of it too late.
    in_javascript: Cell<bool>,
    /// The channel that it was last seen in, kept mapped so that no other can come to lie at its address; how
    /// often that has changed; and what of it JavaScript was told.
    seen: RefCell<(*mut u8, Mapped)>,
    moves: Cell<u32>,
    told: Cell<u32>,
}

/// `openReader(name, timeout, anyOwner, strategy, prefault, machineWide, live, newest, schemaName, schemaText)`
pub(crate) fn open(_: &Rc<Context>, call: &Call<'_, 10>) -> Outcome {
    let (name, options) = (call.string(0)?, options(call)?);
    let core = match call.optional(1, Call::timeout)? {
        None => options.connect(&name)?,
        Some(timeout) => wait_for(call, &name, find(name.clone(), options), timeout)?,
    };
    wrap(call, core)
}

/// What connects a reader.
pub(crate) fn find(name: String, options: ReaderOptions) -> Find {
    Box::new(move |timeout, check| options.connect_within(&name, timeout, check))
}

/// Connects, blocking the thread.
pub(crate) fn wait_for<const N: usize>(
    call: &Call<'_, N>,
    name: &str,
    find: Find,
    timeout: Option<Duration>,
) -> Result<KrenReader, Stop> {
    let mut interruptions = Interruptions::new(call.context, name);
    let mut stop = None;
    let connected = connect_within(name, find, timeout, || {
        stop = interruptions.look();
        stop.is_none()
    });
    Ok(connected.ok_or_else(|| stop.unwrap_or(Stop::Unwind))??)
}

/// The options at 2 to 9.
pub(crate) fn options<const N: usize>(call: &Call<'_, N>) -> Result<ReaderOptions, Stop> {
    let mut options = ReaderOptions::default();
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
        options = options.live_writer(live);
    }
    if call.optional(7, Call::bool)? == Some(true) {
        options = options.start(Start::Newest);
    }
    if let Some(schema) = call.schema(8)? {
        options = options.schema(&schema);
    }
    Ok(options)
}

/// The object that stands for `core` in JavaScript.
pub(crate) fn wrap<const N: usize>(call: &Call<'_, N>, core: KrenReader) -> Outcome {
    let object = call.object()?;
    object.set(c"name", call.js_str(core.name())?)?;
    object.set(c"capacity", call.js_size(core.capacity())?)?;
    object.set(c"alignment", call.js_size(core.alignment())?)?;
    object.set(c"schema", call.js_str(schema_text(core.schema()))?)?;
    let name = core.name().to_owned();
    let reader = Rc::new(Reader {
        seen: RefCell::new((core.outline().base, core.mapped())),
        moves: Cell::new(0),
        told: Cell::new(0),
        end: End::new("reader", &name, core),
        last_tag: Cell::new(0),
        in_javascript: Cell::new(false),
    });
    call.context.adopt(&reader);
    methods(&object, &reader)?;
    Ok(object.value)
}

fn methods(object: &Object<'_>, reader: &Rc<Reader>) -> Result<(), Stop> {
    object.method::<_, 1>(c"waitReadable", reader, wait_readable)?;
    object.method::<_, 2>(c"readInto", reader, read_into)?;
    object.method::<_, 1>(c"look", reader, look)?;
    object.method::<_, 3>(c"tryRead", reader, try_read)?;
    object.method::<_, 0>(c"here", reader, here)?;
    object.method::<_, 5>(c"releaseTo", reader, release_to)?;
    object.method::<_, 0>(c"follow", reader, follow)?;
    object.method::<_, 0>(c"figures", reader, figures)?;
    object.method::<_, 0>(c"lastTag", reader, last_tag)?;
    object.method::<_, 0>(c"available", reader, available)?;
    object.method::<_, 0>(c"held", reader, held)?;
    object.method::<_, 0>(c"peerState", reader, state)?;
    object.method::<_, 0>(c"isRemoved", reader, is_removed)?;
    object.method::<_, 0>(c"peerClosed", reader, peer_closed)?;
    object.method::<_, 0>(c"ring", reader, ring)?;
    object.method::<_, 4>(c"standAt", reader, stand_at)?;
    object.method::<_, 1>(c"wait", reader, wait)?;
    object.method::<_, 0>(c"check", reader, check)?;
    object.method::<_, 0>(c"answer", reader, answer)?;
    object.method::<_, 0>(c"isChecked", reader, is_checked)?;
    object.method::<_, 0>(c"giveUpPlace", reader, give_up_place)?;
    object.method::<_, 2>(c"lend", reader, lend_part)?;
    object.method::<_, 3>(c"copyOut", reader, copy_out)?;
    object.method::<_, 2>(c"arm", reader, arm)?;
    object.method::<_, 1>(c"setRef", reader, set_ref)?;
    object.method::<_, 0>(c"close", reader, close)
}

impl Reader {
    /// The core, unless this process may not use it.
    fn usable(&self) -> Result<RefMut<'_, KrenReader>, Stop> {
        let core = self.core()?;
        core.check_usable()?;
        Ok(core)
    }

    /// Takes the next message, if there is one: copied into the pool (argument 0) at the offset
    /// (argument 1) where it fits there, giving its length; else as a Buffer of its own. Argument 2: whether
    /// JavaScript holds it, and gives it back itself.
    fn take<const N: usize>(
        &self,
        core: &mut KrenReader,
        call: &Call<'_, N>,
    ) -> Result<Option<Value>, Stop> {
        let pool = call.bytes_mut(0)?;
        let (offset, holds) = (call.u32(1)? as usize, call.bool(2)?);
        let Some(message) = core.try_read()? else {
            return Ok(None);
        };
        let len = message.len();
        let value = match pool.get_mut(offset..).and_then(|room| room.get_mut(..len)) {
            Some(room) if len <= POOLED => {
                message.copy_to(room);
                #[allow(clippy::cast_possible_truncation, reason = "at most POOLED")]
                call.js_u32(len as u32)
            }
            _ => call.js_bytes(&message),
        };
        match value {
            Ok(value) => {
                self.last_tag.set(message.tag());
                self.leave(message, holds);
                Ok(Some(value))
            }
            Err(stop) => {
                // V8 has no memory for the copy. Not released, the message is still the first one
                // for the reader that comes after this one.
                std::mem::forget(message);
                Err(stop)
            }
        }
    }

    /// How often the reader has moved over to a new channel of the name.
    fn moves(&self, core: &KrenReader) -> u32 {
        let base = core.outline().base;
        let mut seen = self.seen.borrow_mut();
        if seen.0 != base {
            *seen = (base, core.mapped());
            self.moves.set(self.moves.get().wrapping_add(1));
        }
        self.moves.get()
    }

    /// Gives a message back, or leaves that to JavaScript.
    fn leave(&self, message: Message<'_>, holds: bool) {
        if holds {
            self.in_javascript.set(true);
            message.step_over();
        }
    }

    fn close(&self) -> kren_core::Result<()> {
        match self.end.leave() {
            Some(mut core) => {
                // JavaScript may have moved it and been ended before it could say so.
                if self.in_javascript.get() {
                    core.catch_up();
                }
                core.close()
            }
            None => Ok(()),
        }
    }
}

impl Deref for Reader {
    type Target = End<KrenReader>;
    fn deref(&self) -> &Self::Target {
        &self.end
    }
}

impl AsRef<Watch> for Reader {
    fn as_ref(&self) -> &Watch {
        &self.watch
    }
}

impl Live for Reader {
    fn close_at_exit(&self) {
        // Nobody is left to be told of a failure.
        let _ = self.close();
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.close_at_exit();
    }
}

/// `waitReadable(timeout)`: until there is a message.
fn wait_readable(reader: &Rc<Reader>, call: &Call<'_, 1>) -> Outcome {
    let mut core = reader.core()?;
    let timeout = call.timeout(0)?;
    reader.watch.disarm();
    blocking(call.context, &reader.name, |check| {
        core.wait_readable(timeout, check)
    })?;
    Ok(Value::UNDEFINED)
}

/// `readInto(target, holds)`: the length of the next message, put into `target` if it fits there; if not it stays.
fn read_into(reader: &Rc<Reader>, call: &Call<'_, 2>) -> Outcome {
    let mut core = reader.core()?;
    let (target, holds) = (call.bytes_mut(0)?, call.bool(1)?);
    let Some(message) = core.try_read()? else {
        return Ok(Value::UNDEFINED);
    };
    let len = message.len();
    match target.get_mut(..len) {
        Some(room) => {
            message.copy_to(room);
            reader.last_tag.set(message.tag());
            reader.leave(message, holds);
        }
        None => message.keep(),
    }
    call.js_size(len)
}

/// `look(target)`: the length of the next message, of which `target` is given as much as it takes; it stays.
fn look(reader: &Rc<Reader>, call: &Call<'_, 1>) -> Outcome {
    let mut core = reader.core()?;
    let target = call.bytes_mut(0)?;
    let Some(message) = core.try_read()? else {
        return Ok(Value::UNDEFINED);
    };
    let len = message.len();
    let seen = len.min(target.len());
    copy_slice(&message[..seen], target);
    message.keep();
    call.js_size(len)
}

/// `tryRead(pool, offset, holds)`: `undefined` when there is no message now.
fn try_read(reader: &Rc<Reader>, call: &Call<'_, 3>) -> Outcome {
    let mut core = reader.core()?;
    Ok(reader.take(&mut core, call)?.unwrap_or(Value::UNDEFINED))
}

/// `here()`: the halves of the position, and of the number of messages, up to which has been read.
#[allow(clippy::cast_possible_truncation, reason = "the halves")]
fn here(reader: &Rc<Reader>, call: &Call<'_, 0>) -> Outcome {
    let core = reader.core()?;
    let (position, count) = core.place();
    let object = call.object()?;
    object.set(c"moves", call.js_u32(reader.moves(&core))?)?;
    object.set(c"low", call.js_u32(position as u32)?)?;
    object.set(c"high", call.js_u32((position >> 32) as u32)?)?;
    object.set(c"countLow", call.js_u32(count as u32)?)?;
    object.set(c"countHigh", call.js_u32((count >> 32) as u32)?)?;
    Ok(object.value)
}

/// `releaseTo(low, high, countLow, countHigh, moves)`: gives everything before that place back to the writer, unless it
/// is one of a channel that was left.
fn release_to(reader: &Rc<Reader>, call: &Call<'_, 5>) -> Outcome {
    let (position, count) = (call.u64(0)?, call.u64(2)?);
    let mut core = reader.core()?;
    if reader.moves(&core) == call.u32(4)? {
        core.release_to(position, count)?;
    }
    Ok(Value::UNDEFINED)
}

/// `follow()`: looks for a writer that has come; gives the sum of 1 when one has, 2 when the reader stands in a new
/// channel since the last time, whose ring and figures JavaScript must ask for, and 4 when it will once all is read here.
fn follow(reader: &Rc<Reader>, call: &Call<'_, 0>) -> Outcome {
    let mut core = reader.core()?;
    // A thread that waits in a channel that is left would be waited for.
    reader.watch.disarm();
    let has_come = core.follow()?;
    let moves = reader.moves(&core);
    let has_moved = reader.told.replace(moves) != moves;
    call.js_u32(u32::from(has_come) | u32::from(has_moved) << 1 | u32::from(core.is_moving()) << 2)
}

/// `figures()`: the capacity, the alignment and the schema of the channel where the reader stands.
fn figures(reader: &Rc<Reader>, call: &Call<'_, 0>) -> Outcome {
    let core = reader.core()?;
    let object = call.object()?;
    object.set(c"capacity", call.js_size(core.capacity())?)?;
    object.set(c"alignment", call.js_size(core.alignment())?)?;
    object.set(c"schema", call.js_str(schema_text(core.schema()))?)?;
    Ok(object.value)
}

fn last_tag(reader: &Rc<Reader>, call: &Call<'_, 0>) -> Outcome {
    call.js_u32(reader.last_tag.get())
}

fn available(reader: &Rc<Reader>, call: &Call<'_, 0>) -> Outcome {
    call.js_size(reader.usable()?.available())
}

fn held(reader: &Rc<Reader>, call: &Call<'_, 0>) -> Outcome {
    call.js_size(reader.usable()?.held())
}

/// `ring()`: what JavaScript needs to read the ring by itself; `undefined` where it cannot.
fn ring(reader: &Rc<Reader>, call: &Call<'_, 0>) -> Outcome {
    let core = reader.core()?;
    let value = outline(call, &core.outline(), core.mapped())?;
    reader.in_javascript.set(value.is_some());
    Ok(value.unwrap_or(Value::UNDEFINED))
}

/// `standAt(low, high, countLow, countHigh)`: the halves of the position, and of the number of messages, up to which JavaScript has read.
fn stand_at(reader: &Rc<Reader>, call: &Call<'_, 4>) -> Outcome {
    let (position, count) = (call.u64(0)?, call.u64(2)?);
    reader.core()?.stand_at(position, count);
    Ok(Value::UNDEFINED)
}

/// `wait(timeout)`: until there is a message, whose place JavaScript has polled already.
fn wait(reader: &Rc<Reader>, call: &Call<'_, 1>) -> Outcome {
    let mut core = reader.core()?;
    let timeout = call.timeout(0)?;
    reader.watch.disarm();
    blocking(call.context, &reader.name, |check| {
        core.wait_polled(timeout, check)
    })?;
    Ok(Value::UNDEFINED)
}

/// `check()`: throws if the ring is damaged.
fn check(reader: &Rc<Reader>, _: &Call<'_, 0>) -> Outcome {
    reader.core()?.check()?;
    Ok(Value::UNDEFINED)
}

/// `answer()`: wakes the writer if it sleeps for what was released.
fn answer(reader: &Rc<Reader>, _: &Call<'_, 0>) -> Outcome {
    reader.core()?.answer();
    Ok(Value::UNDEFINED)
}

/// `isChecked()`: whether messages may be overwritten while they are read, which the core judges.
fn is_checked(reader: &Rc<Reader>, call: &Call<'_, 0>) -> Outcome {
    call.js_bool(reader.core()?.is_checked())
}

/// `giveUpPlace()`: of a subscriber, whose place is kept no more.
fn give_up_place(reader: &Rc<Reader>, _: &Call<'_, 0>) -> Outcome {
    reader.core()?.give_up_place()?;
    Ok(Value::UNDEFINED)
}

/// `copyOut(target, offset, length)`: copies a part of the ring to the start of `target`.
fn copy_out(reader: &Rc<Reader>, call: &Call<'_, 3>) -> Outcome {
    let core = reader.core()?;
    let outline = core.outline();
    let (target, len) = (call.bytes_mut(0)?, call.size(2)?);
    let Some(target) = target.get_mut(..len) else {
        return Err(Stop::Argument("room for all"));
    };
    copy_slice(part(&outline, call.size(1)?, len)?, target);
    Ok(Value::UNDEFINED)
}

/// `lend(offset, length)`: an ArrayBuffer over a part of the mapping.
fn lend_part(reader: &Rc<Reader>, call: &Call<'_, 2>) -> Outcome {
    let core = reader.core()?;
    let outline = core.outline();
    lend(call, &outline, core.mapped(), call.size(0)?, call.size(1)?)
}

fn state(reader: &Rc<Reader>, call: &Call<'_, 0>) -> Outcome {
    call.js_str(peer_state(reader.usable()?.writer_state()))
}

/// `isRemoved()`: whether the name was taken away.
fn is_removed(reader: &Rc<Reader>, call: &Call<'_, 0>) -> Outcome {
    call.js_bool(reader.usable()?.is_removed())
}

fn peer_closed(reader: &Rc<Reader>, call: &Call<'_, 0>) -> Outcome {
    call.js_bool(reader.usable()?.is_writer_closed())
}

/// `arm(what, onReady)`: see [`Watch::arm`]; 0 waits for a message, 1 for a writer.
fn arm(reader: &Rc<Reader>, call: &Call<'_, 2>) -> Outcome {
    let core = reader.core()?;
    let what = call.size(0)?;
    reader.watch.arm(call.context, what, call.value(1), || {
        if what == 0 {
            core.message_waiter()
        } else {
            core.writer_waiter()
        }
    })?;
    Ok(Value::UNDEFINED)
}

fn close(reader: &Rc<Reader>, _: &Call<'_, 0>) -> Outcome {
    reader.close()?;
    Ok(Value::UNDEFINED)
}
