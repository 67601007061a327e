//! The library itself, and channels by name.
#![allow(unsafe_code)]

use std::ffi::{c_char, c_int};

use crate::borrowed::named;
use crate::failure::guard;

/// The version of the binary interface: a program that was compiled against a header with the same KREN_ABI_VERSION fits.
pub const KREN_ABI_VERSION: u32 = 0;

/// A time-out, in nanoseconds, that never passes.
pub const KREN_FOREVER: i64 = -1;

/// The KREN_ABI_VERSION of the library that is loaded. Any thread; never blocks.
#[unsafe(no_mangle)]
pub extern "C" fn kren_abi_version() -> u32 {
    KREN_ABI_VERSION
}

/// The version of the library that is loaded, for people: "0.1.0". The text is constant. Any thread; never blocks.
#[unsafe(no_mangle)]
pub extern "C" fn kren_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// Removes what stands under a name, with all messages that were not read, if no process is on it; with `force` not 0 also under
/// processes that are: they go on with each other, and nobody else can come.
///
/// Any thread; never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_remove(name: *const c_char, force: c_int) -> c_int {
    guard(|| Ok(kren_core::remove(&named(name)?, force != 0)?))
}
