//! The writing endpoint, as `ts/writer.ts` calls it.

use std::cell::Cell;
use std::ops::Deref;
use std::rc::Rc;

use kren_core::{Error, KrenWriter, WriterOptions};

use crate::call::{Call, Object};
use crate::context::{Context, Live};
use crate::end::{End, set_ref};
use crate::lend::{lend, outline};
use crate::value::{Outcome, Stop, Value, peer_state, schema_text, strategy};
use crate::waiting::blocking;
use crate::watch::Watch;

pub(crate) struct Writer {
    end: End<KrenWriter>,
    /// JavaScript has been given the ring, and moves the messages itself.
    in_javascript: Cell<bool>,
}

/// `openWriter(name, capacity, mode, alignment, fresh, anyOwner, strategy, prefault, machineWide, schemaName, schemaText)`
pub(crate) fn open(_: &Rc<Context>, call: &Call<'_, 11>) -> Outcome {
    let name = call.string(0)?;
    let core = options(call)?.create(&name, call.size(1)?)?;
    Ok(wrap(call, &name, core)?.0.value)
}

/// The options at 2 to 10.
pub(crate) fn options<const N: usize>(call: &Call<'_, N>) -> Result<WriterOptions, Stop> {
    let mut options = WriterOptions::default();
    if let Some(mode) = call.optional(2, Call::u32)? {
        options = options.mode(mode);
    }
    if let Some(alignment) = call.optional(3, Call::size)? {
        options = options.alignment(alignment);
    }
    if let Some(fresh) = call.optional(4, Call::bool)? {
        options = options.fresh(fresh);
    }
    if let Some(any) = call.optional(5, Call::bool)? {
        options = options.any_owner(any);
    }
    if let Some(name) = call.optional(6, Call::string)? {
        options = options.strategy(strategy(&name)?);
    }
    if let Some(prefault) = call.optional(7, Call::bool)? {
        options = options.prefault(prefault);
    }
    if let Some(wide) = call.optional(8, Call::bool)? {
        options = options.machine_wide(wide);
    }
    if let Some(schema) = call.schema(9)? {
        options = options.schema(&schema);
    }
    Ok(options)
}

/// The object that stands for `core` in JavaScript, and what is behind it.
pub(crate) fn wrap<'a, const N: usize>(
    call: &'a Call<'_, N>,
    name: &str,
    core: KrenWriter,
) -> Result<(Object<'a>, Rc<Writer>), Stop> {
    let object = call.object()?;
    object.set(c"name", call.js_str(name)?)?;
    object.set(c"capacity", call.js_size(core.capacity())?)?;
    object.set(c"alignment", call.js_size(core.alignment())?)?;
    object.set(c"maxMessageLength", call.js_size(core.max_message_len())?)?;
    object.set(c"schema", call.js_str(schema_text(core.schema()))?)?;
    let writer = Rc::new(Writer {
        end: End::new("writer", name, core),
        in_javascript: Cell::new(false),
    });
    call.context.adopt(&writer);
    methods(&object, &writer)?;
    Ok((object, writer))
}

fn methods(object: &Object<'_>, writer: &Rc<Writer>) -> Result<(), Stop> {
    object.method::<_, 2>(c"tryWrite", writer, try_write)?;
    object.method::<_, 1>(c"flush", writer, flush)?;
    object.method::<_, 0>(c"drained", writer, drained)?;
    object.method::<_, 0>(c"available", writer, available)?;
    object.method::<_, 0>(c"peerState", writer, state)?;
    object.method::<_, 0>(c"isRemoved", writer, is_removed)?;
    object.method::<_, 0>(c"ring", writer, ring)?;
    object.method::<_, 4>(c"standAt", writer, stand_at)?;
    object.method::<_, 2>(c"wait", writer, wait)?;
    object.method::<_, 1>(c"free", writer, free)?;
    object.method::<_, 2>(c"store", writer, store)?;
    object.method::<_, 0>(c"answer", writer, answer)?;
    object.method::<_, 2>(c"lend", writer, lend_part)?;
    object.method::<_, 2>(c"arm", writer, arm)?;
    object.method::<_, 1>(c"setRef", writer, set_ref)?;
    object.method::<_, 0>(c"breakOff", writer, break_off)?;
    object.method::<_, 0>(c"closeDiscarding", writer, close_discarding)?;
    object.method::<_, 0>(c"close", writer, close)
}

impl Writer {
    /// Ends it as `end` says.
    fn end(&self, end: impl FnOnce(KrenWriter) -> kren_core::Result<()>) -> kren_core::Result<()> {
        let Some(mut core) = self.leave() else {
            return Ok(());
        };
        // JavaScript may have moved it and been ended before it could say so. Damage is for the reader to find.
        if self.in_javascript.get() {
            let _ = core.catch_up();
        }
        end(core)
    }
}

impl Deref for Writer {
    type Target = End<KrenWriter>;
    fn deref(&self) -> &Self::Target {
        &self.end
    }
}

impl AsRef<Watch> for Writer {
    fn as_ref(&self) -> &Watch {
        &self.watch
    }
}

impl Live for Writer {
    fn close_at_exit(&self) {
        // Nobody is left to be told of a failure.
        let _ = self.end(KrenWriter::close);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close_at_exit();
    }
}

/// `tryWrite(data, tag)`: false when the ring has no room now.
fn try_write(writer: &Rc<Writer>, call: &Call<'_, 2>) -> Outcome {
    match writer
        .core()?
        .try_write_tagged(call.u32(1)?, call.bytes(0)?)
    {
        Ok(()) => call.js_bool(true),
        Err(Error::Full { .. }) => call.js_bool(false),
        Err(error) => Err(error.into()),
    }
}

/// `flush(timeout)`
fn flush(writer: &Rc<Writer>, call: &Call<'_, 1>) -> Outcome {
    let mut core = writer.core()?;
    let timeout = call.timeout(0)?;
    writer.watch.disarm();
    blocking(call.context, &writer.name, |check| {
        core.wait_drained(timeout, check)
    })?;
    Ok(Value::UNDEFINED)
}

/// `drained()`: whether the reader has released everything that was written.
fn drained(writer: &Rc<Writer>, call: &Call<'_, 0>) -> Outcome {
    let core = writer.core()?;
    call.js_bool(core.is_drained())
}

fn available(writer: &Rc<Writer>, call: &Call<'_, 0>) -> Outcome {
    call.js_size(writer.core()?.available())
}

/// `ring()`: what JavaScript needs to write to the ring by itself; `undefined` where it cannot.
fn ring(writer: &Rc<Writer>, call: &Call<'_, 0>) -> Outcome {
    let core = writer.core()?;
    let value = outline(call, &core.outline(), core.mapped())?;
    writer.in_javascript.set(value.is_some());
    Ok(value.unwrap_or(Value::UNDEFINED))
}

/// `standAt(low, high, countLow, countHigh)`: the halves of the position, and of the number of messages, up to which JavaScript has written.
fn stand_at(writer: &Rc<Writer>, call: &Call<'_, 4>) -> Outcome {
    let (position, count) = (call.u64(0)?, call.u64(2)?);
    writer.core()?.stand_at(position, count);
    Ok(Value::UNDEFINED)
}

/// `wait(length, timeout)`: until a message of `length` bytes fits.
fn wait(writer: &Rc<Writer>, call: &Call<'_, 2>) -> Outcome {
    let mut core = writer.core()?;
    let (len, timeout) = (call.size(0)?, call.timeout(1)?);
    writer.watch.disarm();
    blocking(call.context, &writer.name, |check| {
        core.wait_writable(len, timeout, check)
    })?;
    Ok(Value::UNDEFINED)
}

/// `free(stride)`: bytes of records that may be stored now, if one of `stride` may; throws if the ring is damaged.
fn free(writer: &Rc<Writer>, call: &Call<'_, 1>) -> Outcome {
    let stride = call.size(0)?;
    call.js_size(writer.core()?.free(stride)?)
}

/// `store(offset, data)`: copies a payload into the ring.
fn store(writer: &Rc<Writer>, call: &Call<'_, 2>) -> Outcome {
    let (at, data) = (call.size(0)?, call.bytes(1)?);
    match writer.core()?.store(at, data) {
        true => Ok(Value::UNDEFINED),
        false => Err(Stop::Argument("an offset inside the ring")),
    }
}

/// `answer()`: wakes the reader, or the subscribers, if they sleep; whether no sleep is left to be answered.
fn answer(writer: &Rc<Writer>, call: &Call<'_, 0>) -> Outcome {
    let is_done = writer.core()?.answer();
    call.js_bool(is_done)
}

/// `lend(offset, length)`: an ArrayBuffer over a part of the mapping.
fn lend_part(writer: &Rc<Writer>, call: &Call<'_, 2>) -> Outcome {
    let core = writer.core()?;
    let outline = core.outline();
    lend(call, &outline, core.mapped(), call.size(0)?, call.size(1)?)
}

fn state(writer: &Rc<Writer>, call: &Call<'_, 0>) -> Outcome {
    let core = writer.core()?;
    core.check_usable()?;
    call.js_str(peer_state(core.reader_state()))
}

/// `isRemoved()`: whether the name was taken away.
fn is_removed(writer: &Rc<Writer>, call: &Call<'_, 0>) -> Outcome {
    let core = writer.core()?;
    core.check_usable()?;
    call.js_bool(core.is_removed())
}

/// `arm(length, onReady)`: see [`Watch::arm`].
fn arm(writer: &Rc<Writer>, call: &Call<'_, 2>) -> Outcome {
    let core = writer.core()?;
    let len = call.size(0)?;
    writer
        .watch
        .arm(call.context, len, call.value(1), || core.room_waiter(len))?;
    Ok(Value::UNDEFINED)
}

fn close(writer: &Rc<Writer>, _: &Call<'_, 0>) -> Outcome {
    writer.end(KrenWriter::close)?;
    Ok(Value::UNDEFINED)
}

/// `breakOff()`: as `close()`, but to the reader it is a death.
fn break_off(writer: &Rc<Writer>, _: &Call<'_, 0>) -> Outcome {
    writer.end(KrenWriter::break_off)?;
    Ok(Value::UNDEFINED)
}

/// `closeDiscarding()`: as `close()`, and what is undelivered may go.
fn close_discarding(writer: &Rc<Writer>, _: &Call<'_, 0>) -> Outcome {
    writer.end(KrenWriter::close_discarding)?;
    Ok(Value::UNDEFINED)
}
