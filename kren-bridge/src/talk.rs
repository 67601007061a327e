//! Two sides that say words to each other, each once and in order, or know that something was lost: nothing is said again. As pure as
//! [`crate::sender`].
//!
//! - **T1** Words are numbered from 1 on, each way. Who hears the next one takes it; one that came before is let go; where one is missing the talk is over.
//! - **T2** Who has nothing to say says so now and then, so that also the last word is missed. Who hears nothing for [`SILENCE`] takes the talk for over.

use std::time::{Duration, Instant};

/// The longest that nothing is said.
const BEAT: Duration = Duration::from_millis(250);
/// After which the other side is taken for gone.
pub const SILENCE: Duration = Duration::from_secs(3);

/// One side of a talk.
#[derive(Debug)]
pub struct Talk {
    /// Its own number, and the other's.
    own: u64,
    other: u64,
    said: u64,
    heard: u64,
    said_at: Instant,
    heard_at: Instant,
}

/// What a word is to who hears it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// The next.
    Next,
    /// One that was heard before.
    Again,
    /// One before which another is missing.
    Missing,
}

impl Talk {
    /// A new one.
    #[must_use]
    pub fn new(own: u64, other: u64, now: Instant) -> Self {
        Self {
            own,
            other,
            said: 0,
            heard: 0,
            said_at: now,
            heard_at: now,
        }
    }

    /// This side's number.
    #[must_use]
    pub fn own(&self) -> u64 {
        self.own
    }

    /// The other side's.
    #[must_use]
    pub fn other(&self) -> u64 {
        self.other
    }

    /// The number of the word that is said now.
    pub fn say(&mut self, now: Instant) -> u64 {
        self.said += 1;
        self.said_at = now;
        self.said
    }

    /// What the word of this number is.
    pub fn hear(&mut self, number: u64, now: Instant) -> Heard {
        if number <= self.heard {
            return Heard::Again;
        }
        if number > self.heard + 1 {
            return Heard::Missing;
        }
        self.heard = number;
        self.heard_at = now;
        Heard::Next
    }

    /// Whether something is to be said, if only that there is nothing.
    #[must_use]
    pub fn is_due(&self, now: Instant) -> bool {
        now >= self.said_at + BEAT
    }

    /// When it is.
    #[must_use]
    pub fn due(&self) -> Instant {
        self.said_at + BEAT
    }

    /// Whether the other side is to be taken for gone.
    #[must_use]
    pub fn is_silent(&self, now: Instant) -> bool {
        now >= self.heard_at + SILENCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// T1: whatever is lost, comes twice or in another order, what is taken is the beginning of what was said, each once; and who has lost
        /// something knows it from the next word.
        #[test]
        fn nothing_is_taken_twice_or_passed_over(order in proptest::collection::vec(1_u64..12, 0..60)) {
            let now = Instant::now();
            let mut talk = Talk::new(1, 2, now);
            let mut taken = vec![];
            for number in order {
                match talk.hear(number, now) {
                    Heard::Next => taken.push(number),
                    Heard::Again => prop_assert!(taken.contains(&number)),
                    Heard::Missing => {
                        prop_assert!(!taken.contains(&(number - 1)));
                        break;
                    }
                }
            }
            let all: Vec<u64> = (1..=taken.len() as u64).collect();
            prop_assert_eq!(taken, all);
        }
    }

    /// T2.
    #[test]
    fn silence_is_noticed_and_broken() {
        let start = Instant::now();
        let mut talk = Talk::new(1, 2, start);
        assert!(!talk.is_due(start) && talk.is_due(talk.due()));
        assert_eq!(talk.say(talk.due()), 1);
        assert!(talk.due() > start + BEAT);
        assert!(!talk.is_silent(start + SILENCE / 2) && talk.is_silent(start + SILENCE));
        assert_eq!(talk.hear(1, start + SILENCE / 2), Heard::Next);
        assert_eq!(talk.hear(1, start + SILENCE), Heard::Again);
        assert!(!talk.is_silent(start + SILENCE) && talk.is_silent(start + SILENCE * 2));
    }
}
