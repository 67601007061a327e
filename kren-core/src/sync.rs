//! The one place that chooses between real atomics and loom's.
//!
//! `ring` and `wait` take their atomics from here, so that the model checker runs the very code
//! that ships. Build with `RUSTFLAGS="--cfg loom"` for the model.

#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, compiler_fence, fence};

#[cfg(loom)]
pub(crate) mod watched;

#[cfg(loom)]
pub(crate) use self::watched::{AtomicU32, AtomicU64, fence};
#[cfg(loom)]
pub(crate) use loom::sync::atomic::Ordering;

/// Orders nothing between processors, so the model, which reorders nothing else, has nothing to do.
#[cfg(loom)]
pub(crate) fn compiler_fence(_order: Ordering) {}
