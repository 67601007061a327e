//! How a reader connects.

use super::KrenReader;
use super::lease::Leases;
use crate::endpoint::{Endpoint, Strategy};
use crate::pace::Pace;
use crate::ring::{Consumer, Shape};
use crate::ring_memory::RingMemory;
use crate::segment::{self, Access};
use crate::{Result, Role};
use std::sync::Arc;
use std::time::Duration;

/// How to connect to a channel; see [`KrenReader::options`].
#[derive(Debug, Clone, Default)]
pub struct ReaderOptions {
    timeout: Duration,
    access: Access,
    strategy: Strategy,
}

impl ReaderOptions {
    /// How long to wait for a channel that does not exist yet. Default: not at all.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Accepts a segment that belongs to another user. Default: refused.
    #[must_use]
    pub fn any_owner(mut self, any_owner: bool) -> Self {
        self.access.any_owner = any_owner;
        self
    }

    /// How blocking calls wait.
    #[must_use]
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// Maps every page now, so that the first lap of the ring takes no page faults.
    #[must_use]
    pub fn prefault(mut self, prefault: bool) -> Self {
        self.access.prefault = prefault;
        self
    }

    /// Looks for the channel, on Windows in the namespace of the whole machine (`Global\`) instead of the session's own
    /// (`Local\`), so that services and users of other sessions find it too. Both sides must say so,
    /// and making such a channel takes a privilege that services and administrators have. No effect
    /// on other systems, whose names are machine-wide anyway.
    #[must_use]
    pub fn machine_wide(mut self, machine_wide: bool) -> Self {
        self.access.machine_wide = machine_wide;
        self
    }

    /// Connects to the channel `name`; see [`KrenReader::connect`].
    ///
    /// # Errors
    ///
    /// As [`KrenReader::connect`].
    pub fn connect(&self, name: &str) -> Result<KrenReader> {
        let segment = segment::open_reader(name, self.timeout, self.access)?;
        let mapping = Arc::clone(segment.mapping());
        let shape = Shape::new(mapping.geometry());
        let consumer = Consumer::resume(RingMemory::new(mapping), shape)
            .map_err(|error| segment::broken_ring(segment.name(), error))?;
        let endpoint = Endpoint::attach(segment, Role::Reader, self.strategy)?;
        let waker = endpoint.waker();
        let pace = Pace::new(consumer.cursor());
        Ok(KrenReader {
            consumer,
            waker,
            pace,
            tag: 0,
            leases: Leases::default(),
            endpoint,
        })
    }
}
