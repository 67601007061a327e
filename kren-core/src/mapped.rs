//! The memory of a channel, kept mapped for its own sake.

use crate::endpoint::Endpoint;
use crate::os::Mapping;
use crate::{KrenReader, KrenWriter};
use std::sync::Arc;

/// Keeps a channel's memory mapped, also after its endpoint is closed.
///
/// For bindings that have given an address in it to a program that may forget to let go: what such a
/// program finds there later is whatever the channel holds by then, but never a segmentation fault. It
/// keeps no role and no message.
#[derive(Clone)]
pub struct Mapped(#[allow(dead_code, reason = "dropping it unmaps")] Arc<Mapping>);

impl Mapped {
    pub(crate) fn of(endpoint: &Endpoint) -> Self {
        Self(Arc::clone(endpoint.mapping()))
    }
}

impl KrenReader {
    /// Keeps the channel's memory mapped as long as the result lives.
    #[must_use]
    pub fn mapped(&self) -> Mapped {
        Mapped::of(&self.endpoint)
    }
}

impl KrenWriter {
    /// Keeps the channel's memory mapped as long as the result lives.
    #[must_use]
    pub fn mapped(&self) -> Mapped {
        Mapped::of(&self.endpoint)
    }
}

impl std::fmt::Debug for Mapped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Mapped").finish()
    }
}
