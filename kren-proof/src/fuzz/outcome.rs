//! What a run did, in few bits: the driver keeps inputs that did something new.

use kren_core::Error;
use std::hash::{DefaultHasher, Hash, Hasher};

/// A fingerprint of the decisions that were met.
#[derive(Default)]
pub struct Outcome(DefaultHasher);

impl Outcome {
    /// Something happened that is worth telling apart.
    pub(super) fn saw(&mut self, what: impl Hash) {
        what.hash(&mut self.0);
    }

    /// An error, told apart by its code, and a broken rule by its name.
    pub(super) fn failed(&mut self, error: &Error) {
        self.saw(error.code().number());
        if let Error::Corrupt { what, .. } = error {
            self.saw(what);
        }
    }

    /// Equal for runs that went the same way.
    #[must_use]
    pub fn signature(&self) -> u64 {
        self.0.finish()
    }
}
