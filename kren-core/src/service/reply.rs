//! An answer, as its client gets it.

use super::envelope::{Envelope, Part};
use crate::ring::copy_slice;
use crate::{Lease, Message};
use std::ops::Deref;

/// An answer: a `&[u8]`, and the tag that the server gave it.
///
/// Where it lies in the ring, it is released when it is dropped.
#[derive(Debug)]
pub struct Reply {
    bytes: Bytes,
    /// Where it begins in a lease.
    front: usize,
    tag: u32,
    pub(super) part: Part,
}

/// The longest answer that is copied at once: that takes less than holding it in the ring.
const SHORT: usize = 64;

/// Aligned, since it is moved in words as long.
#[derive(Debug)]
#[repr(align(16))]
struct Short([u8; SHORT]);

#[derive(Debug)]
enum Bytes {
    Short(Short, usize),
    InPlace(Lease),
    /// Kept for later: what lies in the ring would hold up the answers behind it.
    Copy(Box<[u8]>),
}

impl Bytes {
    /// Of an answer, without what stands in front of it.
    #[inline]
    fn of(message: Message<'_>, front: usize) -> Self {
        let body = &message[front..];
        if body.len() > SHORT {
            return Self::InPlace(message.into_lease());
        }
        let mut short = Short([0; SHORT]);
        copy_slice(body, &mut short.0);
        Self::Short(short, body.len())
    }
}

impl Reply {
    /// The tag that the server gave it; 0 unless it chose one.
    #[must_use]
    pub fn tag(&self) -> u32 {
        self.tag
    }

    /// Whether no more comes for its call.
    #[doc(hidden)]
    #[must_use]
    pub fn is_last(&self) -> bool {
        self.part.is_last()
    }

    #[inline]
    pub(super) fn of(message: Message<'_>, envelope: &Envelope) -> Self {
        let front = Envelope::len(message.reader.alignment());
        Self {
            tag: message.tag(),
            front,
            part: envelope.part,
            bytes: Bytes::of(message, front),
        }
    }

    pub(super) fn into_copy(self) -> Self {
        let bytes = match self.bytes {
            Bytes::InPlace(lease) => Bytes::Copy(lease[self.front..].into()),
            copy => copy,
        };
        Self { bytes, ..self }
    }
}

impl Deref for Reply {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Short(short, len) => &short.0[..*len],
            Bytes::InPlace(lease) => &lease[self.front..],
            Bytes::Copy(copy) => copy,
        }
    }
}

impl AsRef<[u8]> for Reply {
    fn as_ref(&self) -> &[u8] {
        self
    }
}
