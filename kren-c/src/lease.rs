//! A message that is held for as long as one likes.
#![allow(unsafe_code)]

use std::ffi::c_int;

use kren_core::Lease;

use crate::failure::guard;
use crate::handle::{Handle, kind};

/// A message that kren_hold() has taken out of its reader's hands. It outlives the reader.
pub struct kren_lease {
    _handle: Handle<Lease>,
}

kind!(Lease, b"leas");

impl kren_lease {
    pub(crate) fn open(lease: Lease) -> *mut Self {
        Handle::open(lease).cast()
    }
}

/// Gives a held message back to its writer, in any order; null is left alone. Its bytes are not to be looked at any more.
///
/// Any thread, one at a time for each lease; never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_lease_release(lease: *mut kren_lease) -> c_int {
    guard(|| Handle::<Lease>::close(lease.cast()).map(drop))
}
