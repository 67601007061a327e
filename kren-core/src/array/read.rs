//! Messages read as arrays.

use super::header::Reason;
use super::{ArrayView, ArraysView};
use crate::{Error, Lease, Letter, Message, Result, Work};
use std::sync::Arc;

impl Message<'_> {
    /// The array that the message holds, where it lies.
    ///
    /// # Errors
    ///
    /// [`Error::NotAnArray`] when it holds something else; it can still be used as bytes, or left for the next
    /// read ([`Message::keep`]).
    #[inline]
    pub fn array(&self) -> Result<ArrayView<'_>> {
        ArrayView::parse(self).map_err(|reason| refusal(self.channel(), reason))
    }

    /// The named arrays that the message holds, where they lie.
    ///
    /// # Errors
    ///
    /// As [`Message::array`].
    pub fn arrays(&self) -> Result<ArraysView<'_>> {
        ArraysView::parse(self).map_err(|reason| refusal(self.channel(), reason))
    }
}

impl Lease {
    /// The array that the message holds, where it lies.
    ///
    /// # Errors
    ///
    /// [`Error::NotAnArray`] when it holds something else; it can still be used as bytes.
    #[inline]
    pub fn array(&self) -> Result<ArrayView<'_>> {
        ArrayView::parse(self).map_err(|reason| refusal(self.channel(), reason))
    }

    /// The named arrays that the message holds, where they lie.
    ///
    /// # Errors
    ///
    /// As [`Lease::array`].
    pub fn arrays(&self) -> Result<ArraysView<'_>> {
        ArraysView::parse(self).map_err(|reason| refusal(self.channel(), reason))
    }
}

impl Letter<'_> {
    /// The array that the message holds, where it lies.
    ///
    /// # Errors
    ///
    /// As [`Message::array`].
    #[inline]
    pub fn array(&self) -> Result<ArrayView<'_>> {
        self.message().array()
    }

    /// The named arrays that the message holds, where they lie.
    ///
    /// # Errors
    ///
    /// As [`Message::array`].
    pub fn arrays(&self) -> Result<ArraysView<'_>> {
        self.message().arrays()
    }
}

impl Work<'_> {
    /// The array that the message holds, where it lies.
    ///
    /// # Errors
    ///
    /// As [`Message::array`].
    #[inline]
    pub fn array(&self) -> Result<ArrayView<'_>> {
        self.message().array()
    }

    /// The named arrays that the message holds, where they lie.
    ///
    /// # Errors
    ///
    /// As [`Message::array`].
    pub fn arrays(&self) -> Result<ArraysView<'_>> {
        self.message().arrays()
    }
}

#[cold]
pub(crate) fn refusal(channel: &Arc<str>, reason: Reason) -> Error {
    Error::NotAnArray {
        channel: Arc::clone(channel),
        reason: reason.into(),
    }
}
