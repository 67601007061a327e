//! Messages that may be overwritten while they are read: those of a subscriber that does not hold its publisher up, or
//! that may be passed over.
//!
//! Such a message is copied first and judged afterwards (R9): if the writer may have reached it meanwhile, the copy is
//! thrown away, and the subscriber goes on at the oldest message that is whole, knowing how many it missed.

use super::KrenReader;
use crate::gates;
use crate::layout::STANCE_LOSSY;
use crate::ring::{Record, Taken};
use crate::segment::Start;
use crate::sync::Ordering;
use crate::{Error, Result};
use std::sync::Arc;

/// What such a subscriber has copied.
pub(super) struct Checked {
    copy: Vec<u8>,
    /// What the next read says, once, in place of a message.
    untold: Option<Error>,
    /// Whether it is there for that alone: nothing is overwritten under this subscriber.
    is_passing: bool,
}

impl Checked {
    /// For a subscriber whose messages may be overwritten, or (`is_passing`) only has something to be told.
    pub(super) fn new(untold: Option<Error>, is_passing: bool) -> Box<Self> {
        Box::new(Self {
            copy: Vec::new(),
            untold,
            is_passing,
        })
    }
}

impl KrenReader {
    /// Whether messages are copied and then judged.
    #[doc(hidden)]
    #[inline]
    #[must_use]
    pub fn is_checked(&self) -> bool {
        self.checked.is_some()
    }

    /// The copy of the message that is handed out, where messages are copied.
    #[inline]
    pub(super) fn copied(&self) -> Option<&[u8]> {
        self.checked.as_ref().map(|checked| &checked.copy[..])
    }

    /// As `peek`, with a copy of the message that was whole when it was taken.
    #[cold]
    pub(super) fn peek_checked(&mut self) -> Result<Option<Record>> {
        if let Some(error) = self.take_untold() {
            return Err(error);
        }
        let Some(checked) = &mut self.checked else {
            // There was only something to tell.
            let found = self.consumer.peek();
            return found.map_err(|error| self.endpoint.ring_error(error));
        };
        match self.consumer.copy_next(&mut checked.copy) {
            Taken::Whole(record) => Ok(Some(record)),
            Taken::Nothing => Ok(None),
            Taken::Broken(error) => Err(self.endpoint.ring_error(error)),
            Taken::Overtaken => Err(self.fall_behind()),
        }
    }

    /// What the next read would say in place of a message, for a caller that reads by itself and says it then.
    #[doc(hidden)]
    pub fn take_untold(&mut self) -> Option<Error> {
        let checked = self.checked.as_mut()?;
        let untold = checked.untold.take();
        if checked.is_passing {
            self.checked = None;
        }
        untold
    }

    /// Has the next read say how many messages were missed, which a caller that has met `error` cannot say now. Other
    /// errors come again by themselves.
    #[doc(hidden)]
    pub fn tell_later(&mut self, error: Error) {
        if !matches!(error, Error::Lagged { .. } | Error::Evicted { .. }) {
            return;
        }
        match &mut self.checked {
            Some(checked) => checked.untold = Some(error),
            None => self.checked = Some(Checked::new(Some(error), true)),
        }
    }

    /// Goes on at the oldest message that is whole; says how many were missed, and why.
    fn fall_behind(&mut self) -> Error {
        let before = self.consumer.count();
        let channel = Arc::clone(self.endpoint.name());
        let was_evicted = self.is_passed_over();
        match self.join(Start::Oldest) {
            Ok(()) => {
                let missed = self.consumer.count().saturating_sub(before);
                match was_evicted {
                    true => Error::Evicted { channel, missed },
                    false => Error::Lagged { channel, missed },
                }
            }
            Err(error) => error,
        }
    }

    /// Whether the publisher has passed this subscriber over, which it was to wait for.
    fn is_passed_over(&self) -> bool {
        let presence = &self.endpoint.own().presence.0;
        // Relaxed: stored by this side.
        let session = presence.session.load(Ordering::Relaxed);
        presence.stance.load(Ordering::Relaxed) != STANCE_LOSSY
            && gates::is_void(&**self.endpoint.mapping(), self.endpoint.seat(), session)
    }
}
