//! The ring: a lock-free single-producer single-consumer queue of variable-length records.
//!
//! It knows neither where its memory comes from (see [`Memory`]) nor how anyone sleeps, so the
//! same code runs over shared memory and under the model checker.
//!
//! Data flow: [`Producer`] writes a payload in place, then the commit word in front of it;
//! [`Consumer`] polls that word, uses the payload in place, then stores how far it has released.
//! `docs/spec/ring.md` numbers the invariants that comments cite as R1 to R8.

mod consumer;
mod copy;
mod copyway;
mod distance;
mod mark;
mod memory;
mod prefetch;
mod producer;
mod record;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use consumer::{Consumer, Taken, release};
pub(crate) use copy::copy;
pub use copy::copy_slice;
pub(crate) use copyway::CopyWay;
pub(crate) use mark::{marks, messages_before};
pub(crate) use memory::{Memory, Shape};
pub(crate) use producer::{Producer, SHORT, Stage};
pub(crate) use record::{Record, stride};

/// Why a ring operation did not happen. The caller adds the channel's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RingError {
    /// No room now for a payload of `needed` bytes; one of `available` bytes would fit.
    Full { needed: usize, available: usize },
    /// A payload of `len` bytes can never fit; `max` is the limit.
    TooLarge { len: usize, max: usize },
    /// What was found in memory breaks an invariant.
    Corrupt(&'static str),
}
