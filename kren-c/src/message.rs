//! A message as C sees it.

use std::ffi::c_void;

use crate::borrowed::Out;

/// A message where it lies in shared memory. Each function that gives one says how long it stays there; copy what must live longer.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct kren_message {
    /// Its bytes; never null, also where there are none. Not to be written to: the page is read-only, and a store faults.
    pub data: *const c_void,
    /// How many.
    pub len: usize,
    /// The tag it was written with; 0 unless its writer chose one.
    pub tag: u32,
    /// Of a worker: 1 if another worker may have begun with it before, else 0.
    pub redelivered: u32,
    /// Of an inbox and a server: who it is from, as kren_peer.number says it. Else 0.
    pub sender: u64,
    /// Of a reader: tells it from all others that this one has lent, for kren_release(). Else 0.
    pub serial: u64,
}

impl kren_message {
    #[inline]
    pub(crate) fn new(data: &[u8], tag: u32) -> Self {
        Self {
            data: data.as_ptr().cast(),
            len: data.len(),
            tag,
            redelivered: 0,
            sender: 0,
            serial: 0,
        }
    }
}

impl Out<kren_message> {
    /// Stores it field by field: as a whole it would be loaded in longer words than it was just stored in, which stalls.
    #[inline]
    pub(crate) fn set_message(
        &mut self,
        data: *const u8,
        len: usize,
        tag: u32,
        serial: u64,
    ) -> &mut kren_message {
        let place = self.fill(kren_message::new(&[], 0));
        place.data = data.cast();
        place.len = len;
        place.tag = tag;
        place.serial = serial;
        place
    }
}
