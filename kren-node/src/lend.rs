//! Giving JavaScript a channel's memory.
//!
//! A mapping is given as one ArrayBuffer that `ts/` keeps to itself; parts of it, to be built or looked at in
//! place, as one each, which is detached when the user is done. V8 ends the process when two living
//! ArrayBuffers begin at one address: the mapping's begins at its header and a part at a payload, and no
//! payload is lent twice. Whatever JavaScript forgets, the memory stays mapped as long as V8 knows of it.
#![allow(unsafe_code)]

use std::rc::Rc;

use kren_core::{Mapped, Outline};

use crate::call::Call;
use crate::context::Context;
use crate::value::{Outcome, Stop, Value};

/// Larger mappings are left to the native layer: `ts/` counts bytes in numbers of 31 bits.
const LARGEST: usize = i32::MAX as usize;

/// The outline of a ring for `ts/`; `None` where JavaScript cannot have it.
pub(crate) fn outline<const N: usize>(
    call: &Call<'_, N>,
    outline: &Outline,
    mapped: Mapped,
) -> Result<Option<Value>, Stop> {
    if outline.len > LARGEST {
        return Ok(None);
    }
    // SAFETY: the whole mapping, which `mapped` keeps; each is given once.
    let buffer = unsafe { call.js_external(outline.base, outline.len, mapped) };
    let Some(buffer) = buffer else {
        return Ok(None);
    };
    #[allow(clippy::cast_possible_truncation, reason = "the halves")]
    let halves = |number: u64| (number as u32, (number >> 32) as u32);
    let (low, high) = halves(outline.position);
    let (count_low, count_high) = halves(outline.count);
    let object = call.object()?;
    object.set(c"buffer", buffer)?;
    object.set(c"ownPage", call.js_size(outline.own_page)?)?;
    object.set(c"peerPage", call.js_size(outline.peer_page)?)?;
    object.set(c"data", call.js_size(outline.data)?)?;
    object.set(c"dataLength", call.js_size(outline.data_len)?)?;
    object.set(c"low", call.js_u32(low)?)?;
    object.set(c"high", call.js_u32(high)?)?;
    object.set(c"countLow", call.js_u32(count_low)?)?;
    object.set(c"countHigh", call.js_u32(count_high)?)?;
    object.set(c"fences", call.js_bool(outline.fences)?)?;
    object.set(c"spins", call.js_bool(outline.spins)?)?;
    object.set(c"epoch", call.js_size(outline.epoch)?)?;
    Ok(Some(object.value))
}

/// An ArrayBuffer over `len` bytes from `offset` on.
pub(crate) fn lend<const N: usize>(
    call: &Call<'_, N>,
    outline: &Outline,
    mapped: Mapped,
    offset: usize,
    len: usize,
) -> Outcome {
    check(outline, offset, len)?;
    // SAFETY: inside the mapping, which `mapped` keeps; `ts/` lends a place anew only when what was lent there
    // is detached.
    unsafe { call.js_external(outline.base.add(offset), len, mapped) }.ok_or(Stop::Unwind)
}

/// The `len` bytes from `offset` on, for the time of a call.
pub(crate) fn part(outline: &Outline, offset: usize, len: usize) -> Result<&[u8], Stop> {
    check(outline, offset, len)?;
    // SAFETY: inside the mapping. `ts/` asks for committed payloads, which the peer leaves alone.
    Ok(unsafe { std::slice::from_raw_parts(outline.base.add(offset), len) })
}

/// Refuses what is not inside the data region and its mirror.
fn check(outline: &Outline, offset: usize, len: usize) -> Result<(), Stop> {
    let is_payload = offset > outline.data
        && len > 0
        && offset
            .checked_add(len)
            .is_some_and(|end| end <= outline.len);
    if is_payload {
        Ok(())
    } else {
        Err(Stop::Argument("a part of the ring"))
    }
}

/// `detach(buffer)`
pub(crate) fn detach(_: &Rc<Context>, call: &Call<'_, 1>) -> Outcome {
    call.detach(0)?;
    Ok(Value::UNDEFINED)
}
