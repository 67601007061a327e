//! What the examples share: the command line, and contents that every language makes alike.
//!
//! `examples/python/pattern.py` and `examples/node/pattern.js` are this file in those languages.

#[cfg(doctest)]
mod guide;

use std::error::Error;
use std::fmt::Write as _;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

/// How long a reader waits for its writer to create the channel.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// The bytes of one image of the `frames` example.
pub const FRAME: usize = 1024 * 1024;

/// What the examples' `main` returns.
pub type Outcome = Result<(), Box<dyn Error>>;

/// Argument `index` of the command line as a number, or `default` where it is absent.
pub fn number(index: usize, default: usize) -> Result<usize, Box<dyn Error>> {
    match std::env::args().nth(index) {
        Some(text) => text
            .parse()
            .map_err(|_| format!("{text:?} is not a number").into()),
        None => Ok(default),
    }
}

/// The channel's name: the first argument of every example, or `default`.
#[must_use]
pub fn channel(default: &str) -> String {
    std::env::args()
        .nth(1)
        .unwrap_or_else(|| default.to_owned())
}

/// `length` bytes that look random and are the same everywhere: xorshift32, four bytes a step.
#[must_use]
pub fn block(length: usize) -> Vec<u8> {
    let mut state: u32 = 0x4B52_454E;
    let mut bytes = Vec::with_capacity(length + 4);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// The messages of the `stream` example: slices of one block; place and length follow from their number.
pub struct Messages {
    block: Vec<u8>,
    lengths: usize,
}

impl Messages {
    /// Messages of 0 to `max_size` bytes.
    #[must_use]
    pub fn new(max_size: usize) -> Self {
        Self {
            block: block(65536 + max_size),
            lengths: max_size + 1,
        }
    }

    /// Message number `number`.
    #[must_use]
    pub fn get(&self, number: u32) -> &[u8] {
        let start = number as usize % 65536;
        let length = number.wrapping_mul(2_654_435_761) as usize % self.lengths;
        &self.block[start..start + length]
    }
}

/// The digest as the other languages print it.
#[must_use]
pub fn hex(hash: Sha256) -> String {
    hash.finalize()
        .iter()
        .fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}
