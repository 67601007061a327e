//! Keeping a stream of small messages out of lock-step.
//!
//! A reader that is faster than its writer finds each message the moment it is published: every one
//! then costs a cache miss on both sides, and each poll takes a line away that the writer is about
//! to fill. One that lags a little reads whole lines, many times as fast. So when messages come in
//! bursts, the reader gives the writer a moment's lead before it polls, and tells it to fetch lines
//! ahead. A lone message, or a request and its reply, sees nothing of this.

use crate::layout::RolePage;
use std::sync::atomic::Ordering;

/// Records between two empty moments from which on this is a stream.
const STREAM_FROM: u64 = 4;
/// Fewer than this, and the stream is over.
const STREAM_WHILE: u64 = 2;
/// Polls' worth of lead: about a microsecond.
const LEAD: u32 = 32;

/// What a reader remembers of how messages come.
#[derive(Default)]
pub(crate) struct Pace {
    /// The cursor when the ring was last found empty.
    empty_at: u64,
    streaming: bool,
}

impl Pace {
    /// At `cursor` the reader, whose page is `own`, has found the ring empty and is going to wait;
    /// `stride` is that of the last record. In a stream this takes about a microsecond.
    pub(crate) fn found_empty(&mut self, own: &RolePage, cursor: u64, stride: usize) {
        if cursor == self.empty_at {
            // The same empty moment, looked at again.
            return;
        }
        let records = (cursor - self.empty_at) / stride as u64;
        self.empty_at = cursor;
        let enough = if self.streaming {
            STREAM_WHILE
        } else {
            STREAM_FROM
        };
        let streaming = records >= enough;
        if streaming != self.streaming {
            self.streaming = streaming;
            // Relaxed: a hint to the writer.
            own.sleep
                .0
                .streaming
                .store(u32::from(streaming), Ordering::Relaxed);
        }
        if streaming {
            lead();
        }
    }
}

/// Lets the other side get ahead, without a look at what it stores.
pub(crate) fn lead() {
    for _ in 0..LEAD {
        std::hint::spin_loop();
    }
}
