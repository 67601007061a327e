//! Removing a channel's name from outside.

use crate::inspect::{self, Channel, State};
use crate::layout::MEMBERS_MAX;
use crate::os::Place;
use crate::{Error, PeerState, Result};
use std::sync::Arc;

/// Removes the name `name`, so that the channel goes with the last side that holds it.
///
/// A channel that a process holds is refused, unless `force` says so: its sides then go on with each other, nobody else
/// comes to them, and each finds out with [`Error::Removed`]. Messages that are left in it are lost. Makes system calls.
///
/// ```
/// # use kren_core::{Error, KrenWriter};
/// # let name = format!("doc-remove-{}", std::process::id());
/// let mut writer = KrenWriter::create(&name, 4096)?;
/// assert!(matches!(kren_core::remove(&name, false), Err(Error::WriterExists { .. })));
/// writer.write(b"for nobody")?;
/// writer.close()?;
/// # #[cfg(not(windows))] // where nothing stays that nobody holds
/// kren_core::remove(&name, false)?;
/// assert!(matches!(kren_core::remove(&name, false), Err(Error::NotFound { .. })));
/// # Ok::<(), Error>(())
/// ```
///
/// # Errors
///
/// [`Error::NotFound`]; [`Error::WriterExists`] or [`Error::ReaderExists`] while a process holds it;
/// [`Error::PermissionDenied`] where this user may not remove it; [`Error::Corrupt`] where what stands there is not a file
/// that KREN could have made, and [`Error::InvalidName`].
pub fn remove(name: &str, force: bool) -> Result<()> {
    let seen = inspect::channel(name)?;
    let channel: Arc<str> = name.into();
    let place = Place::new(name, false);
    let fail = |failure: crate::os::Failure| failure.into_error(&channel);
    let Some(object) = place.open(true).map_err(fail)? else {
        return gone(channel);
    };
    if force {
        return place.remove(&object).map_err(fail);
    }
    refuse_if_held(&seen, &channel)?;
    // Where it cannot be known how many there are, all that there may be.
    let seats = seen.segment().map_or(MEMBERS_MAX, |segment| segment.seats);
    let mut was_free = false;
    object.remove_if_alone(&place, 1 + seats, || {
        was_free = true;
        true
    });
    if object.is_named(&place).map_err(fail)? {
        if was_free {
            // Says why it could not be removed.
            return place.remove(&object).map_err(fail);
        }
        refuse_if_held(&inspect::channel(name)?, &channel)?;
        return Err(Error::WriterExists {
            channel,
            holder: crate::Holder::Unknown,
        });
    }
    Ok(())
}

fn gone(channel: Arc<str>) -> Result<()> {
    Err(Error::NotFound {
        channel,
        waited: std::time::Duration::ZERO,
    })
}

fn refuse_if_held(seen: &Channel, channel: &Arc<str>) -> Result<()> {
    let Some(segment) = seen.segment() else {
        return Ok(());
    };
    let holder = |side: &inspect::Side| match (side.pid, side.is_elsewhere) {
        (0, _) => crate::Holder::Unknown,
        (pid, true) => crate::Holder::Elsewhere(pid),
        (pid, false) if pid == std::process::id() => crate::Holder::Own(pid),
        (pid, false) => crate::Holder::Other(pid),
    };
    let channel = || Arc::clone(channel);
    if segment.writer.state == PeerState::Attached {
        return Err(Error::WriterExists {
            channel: channel(),
            holder: holder(&segment.writer),
        });
    }
    match segment.readers.iter().find(|side| side.is_live()) {
        Some(reader) => Err(Error::ReaderExists {
            channel: channel(),
            holder: holder(reader),
        }),
        None => Ok(()),
    }
}

impl State {
    /// Whether nothing would be lost with a channel in this state, and nobody disturbed.
    #[must_use]
    pub fn is_litter(self) -> bool {
        self == Self::Stale
    }
}
