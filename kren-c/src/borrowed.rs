//! What C passes and is given by pointer, as Rust has it.
#![allow(unsafe_code)]

use std::borrow::Cow;
use std::ffi::{CStr, CString, c_char, c_void};
use std::time::Duration;

use crate::failure::{Failure, Outcome};

/// `len` bytes at `data`, which may be null where there are none.
#[inline]
pub(crate) fn bytes<'a>(data: *const c_void, len: usize) -> Outcome<&'a [u8]> {
    if data.is_null() {
        return match len {
            0 => Ok(&[]),
            _ => Err(Failure::Misuse(&"data is null, and its length is not 0")),
        };
    }
    if len > isize::MAX as usize {
        return Err(Failure::Misuse(
            &"a length is more than memory can have: it may be a negative number",
        ));
    }
    // SAFETY: H1.
    Ok(unsafe { std::slice::from_raw_parts(data.cast(), len) })
}

/// A text that may be null. What is no UTF-8 is no valid name and is refused as that.
pub(crate) fn text<'a>(text: *const c_char) -> Option<Cow<'a, str>> {
    if text.is_null() {
        return None;
    }
    // SAFETY: H1.
    Some(unsafe { CStr::from_ptr(text) }.to_string_lossy())
}

/// A text that must be there.
pub(crate) fn named<'a>(name: *const c_char) -> Outcome<Cow<'a, str>> {
    text(name).ok_or(Failure::Misuse(&"the name is null"))
}

/// As C keeps it; of what the core has given, which holds no zero.
pub(crate) fn c_text(text: &str) -> CString {
    CString::new(text.replace('\0', " ")).unwrap_or_default()
}

/// A time-out of the interface: none for -1, which is for ever.
#[inline]
pub(crate) fn timeout(nanoseconds: i64) -> Option<Duration> {
    u64::try_from(nanoseconds).ok().map(Duration::from_nanos)
}

/// Where a result is to be stored.
#[inline]
pub(crate) fn out<'a, T>(place: *mut T) -> Outcome<&'a mut Out<T>> {
    if place.is_null() {
        return Err(Failure::Misuse(&"the place for the result is null"));
    }
    // SAFETY: H1; `Out` has the layout of what it holds.
    Ok(unsafe { &mut *place.cast() })
}

/// Memory of C's that may hold nothing of worth yet.
#[repr(transparent)]
pub(crate) struct Out<T>(std::mem::MaybeUninit<T>);

impl<T: Copy> Out<T> {
    #[inline]
    pub(crate) fn set(&mut self, value: T) {
        self.0.write(value);
    }

    #[inline]
    pub(crate) fn fill(&mut self, value: T) -> &mut T {
        self.0.write(value)
    }
}

/// Stores as many of `found` as there is room for at `places`, and how many there are at `count`.
pub(crate) fn list<T: Copy>(
    found: &[T],
    places: *mut T,
    room: usize,
    count: *mut usize,
) -> Outcome<()> {
    out(count)?.set(found.len());
    if room > 0 && places.is_null() {
        return Err(Failure::Misuse(
            &"the place for the results is null, and is said to have room",
        ));
    }
    for (at, one) in found.iter().take(room).enumerate() {
        // SAFETY: H1: there are `room` of them.
        unsafe { places.add(at).write(*one) };
    }
    Ok(())
}
