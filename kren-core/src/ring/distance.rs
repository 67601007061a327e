//! How far away the other side is: how long a line takes to come that it has just stored.
//!
//! Virtual machines say what they like of their processors, and threads move; the time of one load tells. Between
//! processors that share a cache a line is there in 25 to 60 ns, between others in 100 to 300.

use crate::sync::{AtomicU64, Ordering};
use std::sync::LazyLock;
use std::time::Instant;

/// Nanoseconds within which no other processor answers: the line was in this one's own cache, and says nothing.
const OWN: u64 = 25;
/// Nanoseconds from which on a line has come from outside the shared cache.
const FAR: u64 = 100;
/// So many in a row that say the same are believed: an interruption makes a near side look far.
const AGREED: u32 = 3;

/// Where the other side is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Nothing has told yet.
    Unknown,
    Near,
    Far,
}

/// What one side has seen of how far away the other one is.
pub(super) struct Distance {
    place: Place,
    /// The value that the last load brought.
    last: u64,
    /// Loads in a row that speak against `place`.
    against: u32,
}

impl Distance {
    pub(super) fn new() -> Self {
        Self {
            place: Place::Unknown,
            last: 0,
            against: 0,
        }
    }

    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// Times a load of `word`, which only the other side stores.
    #[cold]
    pub(super) fn look(&mut self, word: &AtomicU64) {
        let start = Instant::now();
        // Relaxed: for the time it takes.
        let value = word.load(Ordering::Relaxed);
        let time = start.elapsed().as_nanos() as u64;
        self.took(value, time.saturating_sub(*CLOCK));
    }

    /// A load took `time` ns, and brought `value`.
    fn took(&mut self, value: u64, time: u64) {
        // What has not been stored since is in this side's own cache.
        if std::mem::replace(&mut self.last, value) == value || time < OWN {
            return;
        }
        let place = match time {
            FAR.. => Place::Far,
            _ => Place::Near,
        };
        self.against = match place == self.place {
            true => 0,
            false => self.against + 1,
        };
        if self.against >= AGREED {
            self.place = place;
            self.against = 0;
        }
    }
}

/// Nanoseconds between two looks at the clock with nothing between them.
static CLOCK: LazyLock<u64> = LazyLock::new(|| {
    let pairs = std::iter::repeat_with(|| Instant::now().elapsed().as_nanos() as u64);
    pairs.take(32).min().unwrap_or(0)
});

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    impl Distance {
        pub(in crate::ring) fn at(place: Place) -> Self {
            Self {
                place,
                ..Self::new()
            }
        }

        pub(in crate::ring) fn last(&self) -> u64 {
            self.last
        }
    }

    /// Loads that took these times, each of a word that was stored since.
    fn after(distance: &mut Distance, times: &[u64]) -> Place {
        for time in times {
            distance.took(distance.last + 1, *time);
        }
        distance.place()
    }

    #[test]
    fn a_few_loads_tell_near_from_far() {
        let mut distance = Distance::new();
        assert_eq!(after(&mut distance, &[50, 45]), Place::Unknown);
        assert_eq!(after(&mut distance, &[30]), Place::Near);
        assert_eq!(after(&mut distance, &[220, 160, 400]), Place::Far);
        assert_eq!(after(&mut distance, &[50, 45, 30]), Place::Near);
    }

    #[test]
    fn interruptions_move_nobody() {
        let mut distance = Distance::at(Place::Near);
        let times = [9_000, 45, 300, 140, 50].repeat(100);
        assert_eq!(after(&mut distance, &times), Place::Near);
    }

    /// What this side has loaded just before, and what the other side has not stored since, is in this side's own cache.
    #[test]
    fn own_lines_say_nothing() {
        let mut distance = Distance::at(Place::Far);
        assert_eq!(after(&mut distance, &[4; 100]), Place::Far);
        for _ in 0..100 {
            distance.took(distance.last, 50);
        }
        assert_eq!(distance.place(), Place::Far);
    }

    #[test]
    fn a_look_is_taken() {
        let mut distance = Distance::new();
        let word = AtomicU64::new(7);
        distance.look(&word);
        assert_eq!(distance.last, 7);
    }
}
