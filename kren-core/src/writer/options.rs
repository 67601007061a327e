//! How a channel is created.

use super::{KrenWriter, Reserved};
use crate::Result;
use crate::awaiting::Awaiting;
use crate::endpoint::{Endpoint, Strategy};
use crate::layout::{Origin, Schema, Seat};
use crate::ring::{Producer, Shape};
use crate::ring_memory::RingMemory;
use crate::schema;
use crate::segment::{self, Access, Purpose, Wish};
use crate::wait::Herald;
use std::sync::Arc;
use std::time::Duration;

/// How to create a channel; see [`KrenWriter::options`].
#[derive(Debug, Clone)]
pub struct WriterOptions {
    pub(crate) wish: Wish,
    /// How long a publisher waits for a slow subscriber.
    pub(crate) patience: Option<Duration>,
    pub(crate) access: Access,
    strategy: Strategy,
}

impl Default for WriterOptions {
    fn default() -> Self {
        Self {
            wish: Wish {
                capacity: 0,
                alignment: 8,
                mode: None,
                fresh: false,
                purpose: Purpose::Channel,
                schema: None,
                origin: None,
            },
            patience: None,
            access: Access::default(),
            strategy: Strategy::default(),
        }
    }
}

impl WriterOptions {
    /// Permission bits of the segment, whatever the umask. Default: `0o600`, the owner alone, for one that has to be made, and
    /// what it has for one that is there.
    ///
    /// On Linux an existing segment gets this mode as well, which only its owner can give it; on macOS it must
    /// have it already; either is [`Error::PermissionDenied`](crate::Error::PermissionDenied) otherwise. On Windows the mode of an
    /// existing one is not looked at.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.wish.mode = Some(mode);
        self
    }

    /// Alignment of every payload in bytes: a power of two from 8 (default) to 4096.
    ///
    /// Each record's size is rounded up to it, so ask for more than 8 only where arrays need it.
    #[must_use]
    pub fn alignment(mut self, alignment: usize) -> Self {
        self.wish.alignment = alignment;
        self
    }

    /// Discards what an earlier writer left under the name: undelivered messages, another
    /// capacity, broken bytes. A reader still attached to the old ring gets what was committed
    /// there, then [`Error::Closed`](crate::Error::Closed).
    #[must_use]
    pub fn fresh(mut self, fresh: bool) -> Self {
        self.wish.fresh = fresh;
        self
    }

    /// Says what the messages are, to readers that say so too, and to tools. Default: nothing.
    ///
    /// An existing channel with another schema is replaced where it holds nothing and has no reader; else it is
    /// [`Error::SchemaMismatch`](crate::Error::SchemaMismatch). One without a schema is gone on with as it is.
    #[must_use]
    pub fn schema(mut self, schema: &Schema) -> Self {
        self.wish.schema = Some(schema.clone());
        self
    }

    /// For a bridge: that the channel is the mirror of one on another machine, whose message `first` is the first here. `name`
    /// (at most 64 bytes) and `hash` are those of the realm and the machine, `instance` that of the segment there.
    ///
    /// A mirror is gone on with by who gives the same, alone; a channel of this name that is something else is replaced where nothing is
    /// undelivered in it, and else refused. A mirror's name stays when its last side closes.
    #[doc(hidden)]
    #[must_use]
    pub fn mirror_of(mut self, name: &str, hash: u64, instance: u64, first: u64) -> Self {
        self.wish.origin = Some(Origin {
            instance,
            hash,
            name: name.to_owned(),
            first,
        });
        self
    }

    /// Accepts an existing segment that belongs to another user. Default: refused.
    ///
    /// Where another user's side is the last to close, the empty channel stays in memory, as only its owner may remove its
    /// name (and a mode, `fresh` or other figures are [`Error::PermissionDenied`](crate::Error::PermissionDenied) for the same reason):
    /// let the owner's side close last.
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

    /// Makes the channel, on Windows in the namespace of the whole machine (`Global\`) instead of the session's own
    /// (`Local\`), so that services and users of other sessions find it too. Both sides must say so,
    /// and making such a channel takes a privilege that services and administrators have. No effect
    /// on other systems, whose names are machine-wide anyway.
    #[must_use]
    pub fn machine_wide(mut self, machine_wide: bool) -> Self {
        self.access.machine_wide = machine_wide;
        self
    }

    /// Creates the channel `name`, or goes on with it; see [`KrenWriter::create`].
    ///
    /// # Errors
    ///
    /// As [`KrenWriter::create`], and [`Error::InvalidOption`](crate::Error::InvalidOption).
    pub fn create(&self, name: &str, capacity: usize) -> Result<KrenWriter> {
        self.create_checked(name, capacity, &mut || Ok(()))
    }

    /// As [`WriterOptions::create`], for callers that have to look after something else meanwhile: reserving
    /// gigabytes takes seconds. `check` runs some fifty times a second while that lasts, and an error of its ends
    /// the call, with nothing left behind.
    ///
    /// ```
    /// # use kren_core::{Error, KrenWriter};
    /// # use std::sync::atomic::{AtomicBool, Ordering};
    /// # let name = format!("doc-checked-{}", std::process::id());
    /// static STOP: AtomicBool = AtomicBool::new(false); // set by a signal handler, say
    /// let writer = KrenWriter::options().create_checked(&name, 1 << 20, &mut || {
    ///     if STOP.load(Ordering::Relaxed) {
    ///         return Err(Error::Interrupted { channel: name.as_str().into() });
    ///     }
    ///     Ok(())
    /// })?;
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`WriterOptions::create`], and whatever `check` returns.
    pub fn create_checked(
        &self,
        name: &str,
        capacity: usize,
        check: &mut dyn FnMut() -> Result<()>,
    ) -> Result<KrenWriter> {
        let wish = Wish {
            capacity,
            ..self.wish.clone()
        };
        let found = segment::open_writer(name, &wish, self.access, check);
        let segment = schema::worded(found, wish.schema.as_ref())?;
        let mapping = Arc::clone(segment.mapping());
        let shape = Shape::new(mapping.geometry());
        let producer = Producer::resume(RingMemory::new(mapping, Seat::WRITER), shape)
            .map_err(|error| segment::broken_ring(segment.name(), error))?;
        let endpoint = Endpoint::attach(segment, self.strategy, self.patience)?;
        let waker = endpoint.waker();
        let readers = endpoint.mapping().geometry().readers;
        let herald = endpoint
            .commons()
            .map(|commons| Herald::new(&waker, readers, commons));
        let mut writer = KrenWriter {
            producer,
            waker,
            herald,
            reserved: Reserved::default(),
            awaiting: Awaiting::default(),
            endpoint,
            seat: None,
        };
        // A reader that waits for a writer: one has come.
        writer.wake_reader();
        Ok(writer)
    }
}
