//! Evidence for the ring, from the model checker down to single corrupted words.
//!
//! - `loom`: every interleaving of both halves over a tiny ring (G1, G3);
//! - `oracle`: random operations against a `VecDeque`, over a real segment (G1, G2);
//! - `recovery`: a side that dies before each of its stores in turn (G3);
//! - `race`: both halves on plain memory, where ThreadSanitizer sees them (G1);
//! - `hostile`, `meddled`: words that no honest side would store (G7).

pub(crate) mod fused;

#[cfg(loom)]
mod loom;

#[cfg(not(loom))]
mod hostile;
#[cfg(not(loom))]
mod meddled;
#[cfg(not(loom))]
mod oracle;
#[cfg(not(loom))]
mod race;
#[cfg(not(loom))]
mod recovery;
#[cfg(not(loom))]
mod rig;
