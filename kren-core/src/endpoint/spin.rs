//! How long an adaptive wait spins: as long as spins have been worth it lately.
//!
//! A spin is worth it when the other side runs on another processor meanwhile. Whether it does cannot be
//! asked: two processes that are kept to one processor each may have been given the same one, or
//! two. But it shows: where they share one, no spin ever ends in success, and the sleep that follows
//! it is over at once. So spins that fail like that are left out for a while, then for longer.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

/// How long a spin is: about what a sleep and a wake-up cost.
const SHORT: Duration = Duration::from_micros(20);
/// How long when the last wait, with a shorter spin, was no longer than this: while large messages are filled, say, where a sleep
/// each time would cost more than the message.
const LONG: Duration = Duration::from_micros(200);
/// Where two sides sleep for each other, either waits for the other to wake up too, and no spin that would do for the rest of it can
/// succeed. So where sleeps are shorter than [`LATE`] one side stays awake for as long as this, now and then.
const TRIAL: Duration = Duration::from_micros(500);
const LATE: Duration = Duration::from_millis(1);
/// Sleeps like that between two such spins, at first and at last while nothing comes of them.
const TRIAL_MIN: u32 = 2;
const TRIAL_MAX: u32 = 1024;
/// Long spins in a row that may fail, each before a sleep up to [`AT_ONCE`]: so it is over where the other side had no processor before.
const MISSES: u32 = 2;
const AT_ONCE: Duration = Duration::from_micros(100);
/// Waits without a spin, at first and at last, before the next one is tried.
const REST_MIN: u32 = 16;
const REST_MAX: u32 = 1024;

/// What one side believes of its spins. One thread waits at a time, so all of it is relaxed.
pub(super) struct Spin {
    /// The next spin is a long one.
    patient: AtomicBool,
    misses: AtomicU32,
    /// Waits to go without a spin.
    rest: AtomicU32,
    /// How long the rest was from the start; 0 while spins are believed in.
    pause: AtomicU32,
    /// Late sleeps to go before a trial, which comes next at 0.
    trial: AtomicU32,
    /// How many they were from the start.
    gap: AtomicU32,
}

impl Spin {
    /// `doubtful`: nothing speaks for it that the other side runs meanwhile.
    pub(super) fn new(doubtful: bool) -> Self {
        let rest = if doubtful { REST_MIN } else { 0 };
        Self {
            patient: AtomicBool::new(false),
            misses: AtomicU32::new(0),
            rest: AtomicU32::new(rest),
            pause: AtomicU32::new(rest),
            trial: AtomicU32::new(TRIAL_MIN),
            gap: AtomicU32::new(TRIAL_MIN),
        }
    }

    /// Whether polling is worth it in general.
    #[inline]
    pub(super) fn is_believed(&self) -> bool {
        self.pause.load(Ordering::Relaxed) == 0
    }

    /// How long the wait that begins now spins; zero for not at all.
    pub(super) fn begin(&self) -> Duration {
        let rest = self.rest.load(Ordering::Relaxed);
        if rest > 0 {
            self.rest.store(rest - 1, Ordering::Relaxed);
            Duration::ZERO
        } else if self.is_trial() {
            TRIAL
        } else if self.patient.load(Ordering::Relaxed) {
            LONG
        } else {
            SHORT
        }
    }

    /// The wait was over while it spun.
    pub(super) fn hit(&self) {
        self.misses.store(0, Ordering::Relaxed);
        self.pause.store(0, Ordering::Relaxed);
        if self.is_trial() {
            self.end_trial();
            self.patient.store(true, Ordering::Relaxed);
        } else if self.patient.load(Ordering::Relaxed) {
            // Something has come of it.
            self.gap.store(TRIAL_MIN, Ordering::Relaxed);
            self.trial.store(TRIAL_MIN, Ordering::Relaxed);
        }
    }

    fn is_trial(&self) -> bool {
        self.trial.load(Ordering::Relaxed) == 0
    }

    fn end_trial(&self) {
        let gap = (self.gap.load(Ordering::Relaxed) * 2).min(TRIAL_MAX);
        self.gap.store(gap, Ordering::Relaxed);
        self.trial.store(gap, Ordering::Relaxed);
    }

    /// The wait was over, `in_time`, after a sleep of `slept`, and before it a spin unless `spun` is zero.
    pub(super) fn missed(&self, spun: Duration, slept: Duration, in_time: bool) {
        let soon = in_time && spun + slept < LONG;
        self.patient.store(soon, Ordering::Relaxed);
        if spun.is_zero() {
            return;
        }
        if spun == TRIAL {
            self.end_trial();
        } else if in_time && !soon && (AT_ONCE..LATE).contains(&slept) {
            let left = self.trial.load(Ordering::Relaxed);
            self.trial.store(left.saturating_sub(1), Ordering::Relaxed);
        }
        let pause = self.pause.load(Ordering::Relaxed);
        if pause > 0 {
            self.lay_off((pause * 2).min(REST_MAX));
        } else if in_time && slept < AT_ONCE && spun == LONG {
            let misses = self.misses.load(Ordering::Relaxed) + 1;
            self.misses.store(misses, Ordering::Relaxed);
            if misses >= MISSES {
                self.lay_off(REST_MIN);
            }
        } else if !soon {
            self.misses.store(0, Ordering::Relaxed);
        }
    }

    fn lay_off(&self, waits: u32) {
        self.misses.store(0, Ordering::Relaxed);
        self.pause.store(waits, Ordering::Relaxed);
        self.rest.store(waits, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Duration = Duration::from_micros(10);
    const LONG_TIME: Duration = Duration::from_millis(5);

    /// Waits of which no spin succeeds, each followed by a sleep; gives how many spun.
    fn vain(spin: &Spin, waits: u32, slept: Duration) -> u32 {
        let mut spins = 0;
        for _ in 0..waits {
            let spun = spin.begin();
            spins += u32::from(!spun.is_zero());
            spin.missed(spun, slept, true);
        }
        spins
    }

    #[test]
    fn spins_that_only_keep_the_other_side_waiting_are_left_out() {
        for doubtful in [false, true] {
            let spin = Spin::new(doubtful);
            let spins = vain(&spin, 10_000, MOMENT);
            assert!((1..=20).contains(&spins), "{spins}");
            assert!(!spin.is_believed());
        }
    }

    #[test]
    fn one_spin_that_succeeds_is_enough_to_spin_again() {
        let spin = Spin::new(true);
        assert_eq!(vain(&spin, REST_MIN, MOMENT), 0);
        assert_eq!(spin.begin(), LONG, "sleeps were short");
        spin.hit();
        assert!(spin.is_believed());
        for _ in 0..100 {
            assert!(!spin.begin().is_zero());
            spin.hit();
        }
    }

    /// Two sides that answer each other in 70 us, and take 300 to wake up.
    #[test]
    fn two_sides_that_sleep_for_each_other_come_out_of_it() {
        const ANSWER: Duration = Duration::from_micros(70);
        const WAKE: Duration = Duration::from_micros(300);
        let sides = [Spin::new(false), Spin::new(false)];
        let mut slept = [true; 2];
        let mut sleeps = vec![];
        for trip in 0..400 {
            for side in 0..2 {
                let other = slept[1 - side];
                let wait = ANSWER + if other { WAKE } else { Duration::ZERO };
                let spun = sides[side].begin();
                slept[side] = spun < wait;
                if slept[side] {
                    sides[side].missed(spun, wait - spun + WAKE, true);
                    sleeps.push(trip);
                } else {
                    sides[side].hit();
                }
            }
        }
        assert!(sleeps.iter().all(|trip| *trip < 100), "{sleeps:?}");
    }

    /// Messages that come at some distance, whoever is awake, are not waited for by spinning.
    #[test]
    fn what_comes_seldom_is_slept_for() {
        for apart in [300, 450, 600, 900, 2_000].map(Duration::from_micros) {
            let spin = Spin::new(false);
            let mut spent = Duration::ZERO;
            for _ in 0..10_000 {
                let spun = spin.begin();
                spent += spun.min(apart);
                if spun < apart {
                    spin.missed(spun, apart - spun + MOMENT, true);
                } else {
                    spin.hit();
                }
            }
            let share = spent.as_secs_f64() / (10_000.0 * apart.as_secs_f64());
            assert!(share < 0.08, "{apart:?}: {share}");
        }
    }

    /// A message now and then: a short spin each time is what it always was.
    #[test]
    fn long_waits_say_nothing_about_spins() {
        let spin = Spin::new(false);
        assert_eq!(vain(&spin, 1000, LONG_TIME), 1000);
        assert_eq!(spin.begin(), SHORT);
    }

    #[test]
    fn a_wait_that_was_hardly_too_long_makes_the_next_spin_longer() {
        let spin = Spin::new(false);
        spin.missed(spin.begin(), MOMENT, true);
        assert_eq!(spin.begin(), LONG);
        spin.hit();
        assert_eq!(spin.begin(), LONG);
        spin.missed(LONG, MOMENT, false);
        assert_eq!(spin.begin(), SHORT, "it was the timeout that ended it");
    }
}
