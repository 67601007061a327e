//! Numbers that nobody else has.

use std::hash::{BuildHasher, RandomState};

/// One for a life of a sender.
#[must_use]
pub fn number() -> u64 {
    RandomState::new().hash_one(std::process::id()).max(1)
}

/// One for a life of a receiver, or of a side of a talk, on the machine of this hash.
#[must_use]
pub fn number_of(machine: u64) -> u64 {
    machine << 32 | number() >> 32
}

/// Whether two receivers are of one machine.
#[must_use]
pub fn are_of_one_machine(one: u64, other: u64) -> bool {
    one >> 32 == other >> 32
}
