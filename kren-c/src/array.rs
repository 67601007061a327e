//! Arrays and tables in messages, by the format of `docs/spec/payloads.md`.
#![allow(unsafe_code)]

use std::ffi::{c_char, c_int, c_void};

use kren_core::Error;
use kren_core::Slot;
use kren_core::array::{
    ArrayLen, ArrayView, ArraysView, DType, HEADER, MAX_DIMS, MAX_NAME, Plan, Reason,
    put_array_header, put_table_header, table_stream,
};

use crate::borrowed::{bytes, list, out, timeout};
use crate::failure::{Failure, Outcome, guard};
use crate::handle::Handle;
use crate::message::kren_message;
use crate::writer::{Form, Writer, kren_writer};

/// The most dimensions an array can have.
pub const KREN_MAX_DIMS: usize = 13;
/// Room for the name of an array, which has 48 bytes at most, and a zero.
pub const KREN_NAME_SIZE: usize = 56;

const _: () = assert!(KREN_MAX_DIMS == MAX_DIMS && KREN_NAME_SIZE > MAX_NAME);

/// The types of elements: 256 x the code that DLPack has for it, and its bits.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum kren_dtype {
    /// Signed, 8 bits.
    KREN_INT8 = 0x0008,
    /// Signed, 16 bits.
    KREN_INT16 = 0x0010,
    /// Signed, 32 bits.
    KREN_INT32 = 0x0020,
    /// Signed, 64 bits.
    KREN_INT64 = 0x0040,
    /// Unsigned, 8 bits.
    KREN_UINT8 = 0x0108,
    /// Unsigned, 16 bits.
    KREN_UINT16 = 0x0110,
    /// Unsigned, 32 bits.
    KREN_UINT32 = 0x0120,
    /// Unsigned, 64 bits.
    KREN_UINT64 = 0x0140,
    /// IEEE 754, half precision.
    KREN_FLOAT16 = 0x0210,
    /// A float.
    KREN_FLOAT32 = 0x0220,
    /// A double.
    KREN_FLOAT64 = 0x0240,
    /// The upper half of a KREN_FLOAT32.
    KREN_BFLOAT16 = 0x0410,
    /// Two floats: real part, imaginary part.
    KREN_COMPLEX64 = 0x0540,
    /// Two doubles.
    KREN_COMPLEX128 = 0x0580,
    /// A byte, 0 or 1.
    KREN_BOOL = 0x0608,
    /// 3 bits of exponent, 4 of mantissa; the rest alike.
    KREN_FLOAT8_E3M4 = 0x0708,
    /// As its name says.
    KREN_FLOAT8_E4M3 = 0x0808,
    /// With a bias of 11.
    KREN_FLOAT8_E4M3B11FNUZ = 0x0908,
    /// Without infinities.
    KREN_FLOAT8_E4M3FN = 0x0A08,
    /// Without a negative zero either.
    KREN_FLOAT8_E4M3FNUZ = 0x0B08,
    /// As its name says.
    KREN_FLOAT8_E5M2 = 0x0C08,
    /// Without infinities and a negative zero.
    KREN_FLOAT8_E5M2FNUZ = 0x0D08,
    /// 8 bits of exponent, and nothing else: a scale.
    KREN_FLOAT8_E8M0FNU = 0x0E08,
}

fn number(dtype: DType) -> u32 {
    u32::from(dtype.code()) << 8 | u32::from(dtype.bits())
}

fn dtype(number: u32) -> Option<DType> {
    DType::from_code(u8::try_from(number >> 8).ok()?, number as u8)
}

/// An array in C order: its elements one behind the other, those of the last dimension fastest, with nothing between them.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct kren_array {
    /// Its elements. Of a message: where they lie in it, as long as that does, and not to be written to.
    pub data: *const c_void,
    /// Bytes of the elements. Set by the library; what is written is as long as its type and shape say.
    pub nbytes: usize,
    /// What they are: a kren_dtype.
    pub dtype: u32,
    /// How many dimensions; 0: a single element.
    pub ndim: u32,
    /// The dimensions, outermost first.
    pub shape: [usize; KREN_MAX_DIMS],
    /// Of one of several arrays in a message: how it is called, UTF-8 of 1 to 48 bytes with a zero behind. Else empty.
    pub name: [c_char; KREN_NAME_SIZE],
}

impl kren_array {
    fn of(name: &str, array: ArrayView<'_>) -> Self {
        let mut of = Self {
            data: array.bytes().as_ptr().cast(),
            nbytes: array.bytes().len(),
            dtype: number(array.dtype()),
            ndim: array.shape().len() as u32,
            shape: [0; KREN_MAX_DIMS],
            name: [0; KREN_NAME_SIZE],
        };
        of.shape[..array.shape().len()].copy_from_slice(array.shape());
        // The format allows for no more than there is room.
        for (place, byte) in of.name.iter_mut().zip(name.bytes().take(MAX_NAME)) {
            *place = byte as c_char;
        }
        of
    }

    /// Its type, its shape, and the length of a message of it.
    fn plan(&self, channel: &str) -> Outcome<(DType, &[usize], ArrayLen)> {
        let refuse = |option, reason| Error::InvalidOption {
            channel: channel.into(),
            option,
            reason,
        };
        let dtype = dtype(self.dtype).ok_or_else(|| refuse("dtype", "it is none of kren_dtype"))?;
        let shape = self
            .shape
            .get(..self.ndim as usize)
            .ok_or_else(|| refuse("ndim", "an array has 13 dimensions at most"))?;
        let len = ArrayLen::of(dtype, shape).map_err(|reason| refuse("shape", reason))?;
        Ok((dtype, shape, len))
    }

    fn name(&self, channel: &str) -> Outcome<&str> {
        // SAFETY: a byte is a byte, whether it has a sign or not.
        let name: &[u8; KREN_NAME_SIZE] = unsafe { &*(&raw const self.name).cast() };
        let len = name.iter().position(|byte| *byte == 0);
        let name = len.and_then(|len| std::str::from_utf8(&name[..len]).ok());
        Ok(name.ok_or_else(|| Error::InvalidOption {
            channel: channel.into(),
            option: "name",
            reason: "it is UTF-8, with a zero behind",
        })?)
    }
}

/// What C has given as an array.
fn given<'a>(array: *const kren_array) -> Outcome<&'a kren_array> {
    // SAFETY: H1.
    unsafe { array.as_ref() }.ok_or(Failure::Misuse(&"the array is null"))
}

/// The bytes of a message that C has been given.
fn held<'a>(message: *const kren_message) -> Outcome<&'a [u8]> {
    // SAFETY: H1.
    let message = unsafe { message.as_ref() }.ok_or(Failure::Misuse(&"the message is null"))?;
    bytes(message.data, message.len)
}

#[cold]
fn refusal(reason: Reason) -> Failure {
    Failure::from(Error::NotAnArray {
        channel: "(this message's)".into(),
        reason: reason.into(),
    })
}

/// Writes an array as one message, which every language reads as one; its elements are copied once. On a channel that was created with
/// kren_options.alignment 64 they are aligned for everything.
///
/// Waits as kren_write() does. KREN_INVALID_OPTION: a type or shape that cannot be sent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_write_array(
    writer: *mut kren_writer,
    array: *const kren_array,
    tag: u32,
    timeout_ns: i64,
) -> c_int {
    guard(|| {
        let array = given(array)?;
        Handle::with(writer.cast(), |writer: &mut Writer| {
            let (dtype, shape, len) = array.plan(writer.name())?;
            let data = bytes(array.data, len.data)?;
            let mut fill = |slot: &mut Slot<'_>| {
                put_array_header(slot, dtype, shape, len);
                slot.write_at(len.header, data);
            };
            writer.build(len.total(), tag, timeout(timeout_ns), &mut fill)
        })
    })
}

/// Writes `count` arrays, 1024 at most, as one message; their names differ. The rest is as in kren_write_array().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_write_arrays(
    writer: *mut kren_writer,
    arrays: *const kren_array,
    count: usize,
    tag: u32,
    timeout_ns: i64,
) -> c_int {
    guard(|| {
        if arrays.is_null() && count > 0 {
            return Err(Failure::Misuse(
                &"the arrays are null, and their number is not 0",
            ));
        }
        Handle::with(writer.cast(), |writer: &mut Writer| {
            let channel = writer.name().to_owned();
            let refuse = |reason| Error::InvalidOption {
                channel: channel.as_str().into(),
                option: "arrays",
                reason,
            };
            let mut views = Vec::new();
            for at in 0..count {
                // SAFETY: H1: there are `count` of them.
                let array = unsafe { &*arrays.add(at) };
                let (dtype, shape, len) = array.plan(&channel)?;
                let view = ArrayView::from_bytes(dtype, shape, bytes(array.data, len.data)?);
                let view =
                    view.ok_or_else(|| refuse("its data are not as long as its shape says"))?;
                views.push((array.name(&channel)?, view));
            }
            let plan = Plan::of(&views).map_err(refuse)?;
            let mut fill = |slot: &mut Slot<'_>| plan.put(slot);
            writer.build(plan.len, tag, timeout(timeout_ns), &mut fill)
        })
    })
}

/// Lends the room for an array of this type and shape at `*data`, kren_array.nbytes of it, which is set; its elements are to be stored
/// there, and kren_commit() is to be called with this length. The rest is as in kren_reserve().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_reserve_array(
    writer: *mut kren_writer,
    array: *mut kren_array,
    data: *mut *mut c_void,
    timeout_ns: i64,
) -> c_int {
    guard(|| {
        let (wanted, place) = (*given(array)?, out(data)?);
        Handle::with(writer.cast(), |writer: &mut Writer| {
            let (dtype, shape, len) = wanted.plan(writer.name())?;
            let room = writer.reserve(Form::Array, len.header, len.data, timeout(timeout_ns))?;
            // SAFETY: the room has so many bytes, and they are nobody else's until they are committed.
            let front = unsafe { std::slice::from_raw_parts_mut(room, len.header) };
            put_array_header(front, dtype, shape, len);
            // SAFETY: H1; and the end of the room at most.
            unsafe {
                (*array).nbytes = len.data;
                place.set(room.add(len.header).cast());
            }
            Ok(())
        })
    })
}

/// The array that a message holds, at `*array`, where it lies: of any message that is still there, of a reader, a request or a reply.
/// KREN_NOT_AN_ARRAY: it holds something else; it can still be used as bytes. Any thread; never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_message_array(
    message: *const kren_message,
    array: *mut kren_array,
) -> c_int {
    guard(|| {
        let place = out(array)?;
        let array = ArrayView::parse(held(message)?).map_err(refusal)?;
        place.set(kren_array::of("", array));
        Ok(())
    })
}

/// The named arrays that a message holds: stores the first `room` at `arrays`, and how many there are at `count`. `arrays` may be null with
/// a room of 0. The rest is as in kren_message_array().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_message_arrays(
    message: *const kren_message,
    arrays: *mut kren_array,
    room: usize,
    count: *mut usize,
) -> c_int {
    guard(|| {
        let parts = ArraysView::parse(held(message)?).map_err(refusal)?;
        let found: Vec<_> = parts
            .iter()
            .map(|(name, array)| kren_array::of(name, array))
            .collect();
        list(&found, arrays, room, count)
    })
}

/// Writes a table as one message: an Arrow IPC stream of `len` bytes, as Arrow's own libraries and nanoarrow make it. It is not looked at.
/// Waits as kren_write() does.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_write_table(
    writer: *mut kren_writer,
    stream: *const c_void,
    len: usize,
    tag: u32,
    timeout_ns: i64,
) -> c_int {
    guard(|| {
        let stream = bytes(stream, len)?;
        Handle::with(writer.cast(), |writer: &mut Writer| {
            let mut fill = |slot: &mut Slot<'_>| {
                put_table_header(slot, stream.len());
                slot.write_at(HEADER, stream);
            };
            writer.build(HEADER + len, tag, timeout(timeout_ns), &mut fill)
        })
    })
}

/// Lends `len` bytes at `*stream` for a table's Arrow IPC stream; kren_commit() says how long that became. The rest is as in kren_reserve().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_reserve_table(
    writer: *mut kren_writer,
    len: usize,
    stream: *mut *mut c_void,
    timeout_ns: i64,
) -> c_int {
    guard(|| {
        let place = out(stream)?;
        Handle::with(writer.cast(), |writer: &mut Writer| {
            let room = writer.reserve(Form::Table, HEADER, len, timeout(timeout_ns))?;
            // SAFETY: the room has as many bytes before the user's.
            place.set(unsafe { room.add(HEADER) }.cast());
            Ok(())
        })
    })
}

/// The Arrow IPC stream of the table that a message holds, at `*stream` and `*len`, where it lies. It is not looked at. The rest is as in
/// kren_message_array().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_message_table(
    message: *const kren_message,
    stream: *mut *const c_void,
    len: *mut usize,
) -> c_int {
    guard(|| {
        let (place, length) = (out(stream)?, out(len)?);
        let found = table_stream(held(message)?).map_err(refusal)?;
        place.set(found.as_ptr().cast());
        length.set(found.len());
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each type of the format has its number here.
    #[test]
    fn types_are_those_of_the_format() {
        for known in DType::ALL {
            assert_eq!(dtype(number(*known)), Some(*known));
        }
        let last = DType::Float8E8m0fnu;
        assert_eq!(number(last), kren_dtype::KREN_FLOAT8_E8M0FNU as u32);
        assert_eq!(
            number(DType::Complex128),
            kren_dtype::KREN_COMPLEX128 as u32
        );
        assert_eq!(dtype(0x1_0008), None);
    }
}
