//! Keeping a stream of small messages out of lock-step.
//!
//! A reader that is faster than its writer finds each message the moment it is published: every one
//! then costs a cache miss on both sides, and each poll takes a line away that the writer is about
//! to fill. One that lags a little reads whole lines, many times as fast. So when messages come in
//! a stream, the reader gives the writer a lead before it polls, and tells it to fetch lines ahead.
//!
//! In lock-step a stream looks like a request and its reply: one message, then nothing for a moment.
//! So now and then, more and more seldom, the reader looks away for a moment to see whether
//! messages pile up meanwhile. A reply that was asked for does not.

use crate::layout::RolePage;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Records between two empty moments from which on this is a stream.
const STREAM: u64 = 4;
/// The first lead of a stream; while it goes on, each is twice the one before.
const LEAD_MIN: Duration = Duration::from_micros(1);
/// The last: long enough that catching up, when both sides want the same lines, is a small part of it.
const LEAD_MAX: Duration = Duration::from_micros(10);
/// Empty moments between two looks for a stream, at first and at last, while no look finds one. A request and its reply, with a
/// look on either side, are held up by [`LEAD_MIN`] less than once in 100,000 times. Most streams give themselves away before: by
/// any hiccup in which [`STREAM`] messages gather.
const PROBE_MIN: u32 = 32;
const PROBE_MAX: u32 = 1 << 18;
/// What a writer that waits for room gives its reader.
pub(crate) const ROOM_LEAD: Duration = Duration::from_micros(1);

/// What a reader remembers of how messages come.
pub(crate) struct Pace {
    /// The cursor when the ring was last found empty.
    empty_at: u64,
    streaming: bool,
    lead: Duration,
    /// Empty moments until the next probe, and from there to the one after it.
    countdown: u32,
    interval: u32,
}

impl Pace {
    /// For a reader that starts at `cursor`.
    pub(crate) fn new(cursor: u64) -> Self {
        Self {
            empty_at: cursor,
            streaming: false,
            lead: LEAD_MIN,
            countdown: PROBE_MIN,
            interval: PROBE_MIN,
        }
    }

    /// At `cursor` the reader, whose page is `own`, has found the ring empty and is going to wait;
    /// `stride` is that of the last record. In a stream this takes some microseconds.
    #[inline]
    pub(crate) fn found_empty(&mut self, own: &RolePage, cursor: u64, stride: usize) {
        if cursor == self.empty_at {
            // The same empty moment, looked at again.
            return;
        }
        let many = cursor - self.empty_at >= STREAM * stride as u64;
        self.empty_at = cursor;
        self.countdown -= 1;
        if many || self.streaming || self.countdown == 0 {
            self.give_lead(own, many);
        }
    }

    #[cold]
    #[inline(never)]
    fn give_lead(&mut self, own: &RolePage, many: bool) {
        if many != self.streaming {
            self.streaming = many;
            // Relaxed: a hint to the writer.
            own.sleep
                .0
                .streaming
                .store(u32::from(many), Ordering::Relaxed);
            self.lead = LEAD_MIN;
            self.interval = PROBE_MIN;
        } else if many {
            self.lead = (self.lead * 2).min(LEAD_MAX);
        }
        if self.countdown == 0 && !many {
            self.interval = (self.interval * 2).min(PROBE_MAX);
            lead(LEAD_MIN);
        } else if many {
            lead(self.lead);
        }
        self.countdown = self.interval;
    }
}

/// Lets the other side get ahead for `time`, without a look at what it stores.
pub(crate) fn lead(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        for _ in 0..8 {
            std::hint::spin_loop();
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const STRIDE: u64 = 16;

    /// A page as the reader stores it, in memory of its own.
    fn page() -> Box<RolePage> {
        // SAFETY: atomics and integers, for which zero is a value.
        #[allow(unsafe_code)]
        unsafe {
            Box::new(std::mem::zeroed())
        }
    }

    fn streaming(page: &RolePage) -> bool {
        page.sleep.0.streaming.load(Ordering::Relaxed) == 1
    }

    #[test]
    fn a_burst_is_a_stream_until_messages_come_one_by_one() {
        let page = page();
        let mut pace = Pace::new(0);
        pace.found_empty(&page, STREAM * STRIDE, STRIDE as usize);
        assert!(streaming(&page));
        pace.found_empty(&page, 2 * STREAM * STRIDE, STRIDE as usize);
        assert!(streaming(&page), "it goes on");
        pace.found_empty(&page, (2 * STREAM + 1) * STRIDE, STRIDE as usize);
        assert!(!streaming(&page), "it is over");
    }

    #[test]
    fn the_lead_grows_while_a_stream_lasts_and_starts_small_again() {
        let page = page();
        let mut pace = Pace::new(0);
        let mut cursor = 0;
        let mut leads = vec![];
        for _ in 0..6 {
            cursor += STREAM * STRIDE;
            pace.found_empty(&page, cursor, STRIDE as usize);
            leads.push(pace.lead);
        }
        assert!(leads.is_sorted() && leads[0] == LEAD_MIN && leads[5] == LEAD_MAX);
        pace.found_empty(&page, cursor + STRIDE, STRIDE as usize);
        pace.found_empty(&page, cursor + (STREAM + 1) * STRIDE, STRIDE as usize);
        assert_eq!(pace.lead, LEAD_MIN);
    }

    /// A steady request and reply, of which both sides look away now and then, must not show it before p99.999.
    #[test]
    fn lone_messages_are_probed_more_and_more_seldom() {
        let page = page();
        let mut pace = Pace::new(0);
        let mut probes = vec![];
        for message in 1..=4 * u64::from(PROBE_MAX) {
            let due = pace.countdown == 1;
            pace.found_empty(&page, message * STRIDE, STRIDE as usize);
            assert!(!streaming(&page));
            if due {
                probes.push(message);
            }
        }
        assert!((8..=20).contains(&probes.len()), "{probes:?}");
        let last = &probes[probes.len() - 2..];
        assert!(last[1] - last[0] > 2 * 100_000, "{probes:?}");
    }

    /// A stream that begins behind lone messages is looked for closely again once it was found and has ended.
    #[test]
    fn the_end_of_a_stream_brings_the_probes_back() {
        let page = page();
        let mut pace = Pace::new(0);
        for message in 1..=10_000 {
            pace.found_empty(&page, message * STRIDE, STRIDE as usize);
        }
        assert!(pace.interval > 1_000);
        pace.found_empty(&page, (10_000 + STREAM) * STRIDE, STRIDE as usize);
        pace.found_empty(&page, (10_001 + STREAM) * STRIDE, STRIDE as usize);
        assert!(!streaming(&page));
        assert_eq!(pace.interval, PROBE_MIN);
    }

    #[test]
    fn the_same_empty_moment_counts_once() {
        let page = page();
        let mut pace = Pace::new(0);
        pace.found_empty(&page, STRIDE, STRIDE as usize);
        let countdown = pace.countdown;
        pace.found_empty(&page, STRIDE, STRIDE as usize);
        assert_eq!(pace.countdown, countdown);
    }
}
