//! When a selector's timers come due.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

#[derive(Default)]
pub(super) struct Timers {
    /// The number keeps apart those of the same moment, in the order in which they were set.
    queue: BTreeMap<(Instant, u64), Timer>,
    number: u64,
}

struct Timer {
    key: u64,
    period: Option<Duration>,
}

impl Timers {
    /// One that is further away than the clock can say never comes.
    pub(super) fn add(
        &mut self,
        key: u64,
        now: Instant,
        first: Duration,
        period: Option<Duration>,
    ) {
        let Some(at) = now.checked_add(first) else {
            return;
        };
        self.number += 1;
        self.queue.insert((at, self.number), Timer { key, period });
    }

    pub(super) fn remove(&mut self, key: u64) -> bool {
        self.queue.retain(|_, timer| timer.key != key);
        true
    }

    /// When the next one comes due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.queue.keys().next().map(|(at, _)| *at)
    }

    /// Takes one that is due; tells its key, and whether that was its last time.
    pub(super) fn due(&mut self, now: Instant) -> Option<(u64, bool)> {
        if self.next()? > now {
            return None;
        }
        let ((at, _), timer) = self.queue.pop_first()?;
        let key = timer.key;
        let Some(period) = timer.period else {
            return Some((key, true));
        };
        // The next moment of its beat that is still to come, however many have passed.
        let missed = now.duration_since(at).as_nanos() / period.as_nanos();
        let beats = u32::try_from(missed + 1).unwrap_or(u32::MAX);
        self.add(key, at, period.saturating_mul(beats), Some(period));
        Some((key, false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Duration = Duration::from_millis(10);

    #[test]
    fn timers_come_in_the_order_of_their_times() {
        let (mut timers, now) = (Timers::default(), Instant::now());
        timers.add(3, now, 3 * MOMENT, None);
        timers.add(1, now, MOMENT, None);
        timers.add(2, now, MOMENT, None);
        assert_eq!(timers.due(now), None);
        let later = now + 3 * MOMENT;
        let order = std::iter::from_fn(|| timers.due(later)).collect::<Vec<_>>();
        assert_eq!(order, [(1, true), (2, true), (3, true)]);
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn periods_that_were_missed_are_told_of_once() {
        let (mut timers, now) = (Timers::default(), Instant::now());
        timers.add(1, now, MOMENT, Some(MOMENT));
        let late = now + 5 * MOMENT + MOMENT / 2;
        assert_eq!(timers.due(late), Some((1, false)));
        assert_eq!(timers.due(late), None);
        assert_eq!(timers.next(), Some(now + 6 * MOMENT));
        assert!(timers.remove(1) && timers.next().is_none());
    }

    #[test]
    fn a_time_beyond_the_clock_never_comes() {
        let (mut timers, now) = (Timers::default(), Instant::now());
        timers.add(1, now, Duration::MAX, None);
        assert_eq!(timers.next(), None);
    }
}
