//! A message where it lies.

use super::{KrenReader, Lease};
use crate::ring::copy_slice;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::sync::Arc;

/// One message, where it lies in the ring: a `&[u8]`, and the tag it was written with.
///
/// Dropping it releases its bytes to the writer. Copy with [`<[u8]>::to_vec`] what must live longer, or
/// hold it with [`Message::into_lease`].
/// A message that is not dropped ([`Message::keep`], [`std::mem::forget`]) stays the next one.
pub struct Message<'a> {
    /// Holds the record, in `current`. The message itself is one pointer: a larger one would travel
    /// from `read` to its user through memory, stored in words and loaded in vectors, which costs
    /// more than all the rest of a short message.
    pub(crate) reader: &'a mut KrenReader,
}

impl Message<'_> {
    #[inline]
    fn bytes(&self) -> &[u8] {
        if let Some(copy) = self.reader.copied() {
            return copy;
        }
        let record = &self.reader.current();
        let payload = self.reader.consumer.payload(record);
        // SAFETY: the record was committed and validated: `len` mapped bytes, which the writer
        // leaves alone until they are released, in `drop`, while the message borrows the reader.
        #[allow(unsafe_code)]
        unsafe {
            std::slice::from_raw_parts(payload, record.len)
        }
    }

    /// The channel it came through.
    pub(crate) fn channel(&self) -> &Arc<str> {
        self.reader.endpoint.name()
    }

    /// The tag the message was written with; 0 unless the writer chose one.
    #[must_use]
    pub fn tag(&self) -> u32 {
        self.reader.tag
    }

    /// Holds the message beyond this borrow of its reader, which may read on meanwhile: see [`Lease`].
    #[must_use = "dropping the lease releases the message"]
    pub fn into_lease(self) -> Lease {
        ManuallyDrop::new(self).reader.lease()
    }

    /// Copies the message to the start of `target`, which is at least as long.
    ///
    /// As `target.copy_from_slice(&message)`, and several times as fast for long messages on some processors.
    ///
    /// # Panics
    ///
    /// When `target` is shorter than the message.
    #[inline]
    pub fn copy_to(&self, target: &mut [u8]) {
        copy_slice(self.bytes(), target);
    }

    /// Leaves the message in the ring: the next read gets it again.
    ///
    /// For a caller that could not take it, say because there was no memory for a copy.
    pub fn keep(self) {
        std::mem::forget(self);
    }
}

/// For a face that keeps a message over several calls, and cannot keep the borrow.
#[doc(hidden)]
impl KrenReader {
    /// As dropping the [`Message`] would have that was [kept](Message::keep), if nothing was read since.
    #[inline]
    pub fn release_kept(&mut self) {
        self.release();
    }

    /// The same for [`Message::into_lease`].
    #[must_use = "dropping the lease releases the message"]
    pub fn lease_kept(&mut self) -> Lease {
        self.lease()
    }
}

impl Drop for Message<'_> {
    #[inline]
    fn drop(&mut self) {
        self.reader.release();
    }
}

impl Deref for Message<'_> {
    type Target = [u8];
    #[inline]
    fn deref(&self) -> &[u8] {
        self.bytes()
    }
}

impl AsRef<[u8]> for Message<'_> {
    fn as_ref(&self) -> &[u8] {
        self.bytes()
    }
}

impl std::fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Message")
            .field("tag", &self.tag())
            .field("bytes", &self.bytes())
            .finish()
    }
}

impl Eq for Message<'_> {}

impl PartialEq for Message<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes() && self.tag() == other.tag()
    }
}

impl PartialEq<[u8]> for Message<'_> {
    fn eq(&self, other: &[u8]) -> bool {
        self.bytes() == other
    }
}

impl PartialEq<&[u8]> for Message<'_> {
    fn eq(&self, other: &&[u8]) -> bool {
        self.bytes() == *other
    }
}

impl<const N: usize> PartialEq<[u8; N]> for Message<'_> {
    fn eq(&self, other: &[u8; N]) -> bool {
        self.bytes() == other
    }
}

impl<const N: usize> PartialEq<&[u8; N]> for Message<'_> {
    fn eq(&self, other: &&[u8; N]) -> bool {
        self.bytes() == *other
    }
}

impl PartialEq<Vec<u8>> for Message<'_> {
    fn eq(&self, other: &Vec<u8>) -> bool {
        self.bytes() == other.as_slice()
    }
}
