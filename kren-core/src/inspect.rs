//! What channels there are, who holds them, how far they have come and what they hold: seen from outside.
//!
//! Who looks takes no seat and no lock, maps read-only and stores nothing, so a channel does not notice (see
//! `docs/spec/segment.md`). What is seen is a moment's: figures that belong together may be some messages apart
//! while the channel flows.
//!
//! ```
//! use kren_core::{KrenWriter, inspect};
//!
//! # let name = format!("doc-inspect-{}", std::process::id());
//! # let name = name.as_str();
//! let mut writer = KrenWriter::create(name, 4096)?;
//! writer.write(b"a message")?;
//!
//! let seen = inspect::channel(name)?;
//! assert_eq!(seen.state(None), inspect::State::WaitingForReader);
//! let segment = seen.segment().unwrap();
//! assert_eq!(segment.writer.pid, std::process::id());
//! assert_eq!(segment.ring.as_ref().unwrap().undelivered(), 1);
//! # writer.close_discarding()?;
//! # Ok::<(), kren_core::Error>(())
//! ```

mod channel;
mod fields;
mod look;
mod state;
mod tail;

pub use self::channel::{Channel, Contents, Origin, Ring, Schema, Segment, Side, Stance};
#[doc(hidden)]
pub use self::fields::Field;
pub use self::look::Observer;
pub use self::state::State;
pub use self::tail::{Seen, Tail, TailFrom};
pub use crate::layout::{Kind, LAYOUT_VERSION};

use crate::os;
use crate::{Error, Result};

/// Every channel that this user can see, by name, whoever made it.
///
/// What stands under a channel's name and is none, is of another version, is damaged, or may not be read, is in the list as
/// what it is ([`Contents`]). What goes while one looks is left out.
///
/// Makes system calls: some ten for each channel.
///
/// # Errors
///
/// [`Error::Io`] where shared memory cannot be listed: the folder is missing or may not be read, or the system is not Linux.
pub fn channels() -> Result<Vec<Channel>> {
    Ok(observers()?.map(|observer| observer.look()).collect())
}

/// An observer of each of them, opened when its turn comes: who looks at all twice keeps those that matter.
///
/// # Errors
///
/// As [`channels`].
pub fn observers() -> Result<impl Iterator<Item = Observer>> {
    let mut names = names()?;
    names.sort_unstable();
    let space = os::pid_space();
    let found = names
        .into_iter()
        .map(move |name| Observer::within(&name, space));
    Ok(found.flatten())
}

/// The names of all channels that this user can see, in no order.
///
/// # Errors
///
/// As [`channels`].
pub fn names() -> Result<Vec<String>> {
    os::names("").map_err(|failure| failure.into_error(&"*".into()))
}

/// What stands under `name` now.
///
/// # Errors
///
/// [`Error::NotFound`]; [`Error::InvalidName`].
pub fn channel(name: &str) -> Result<Channel> {
    Ok(Observer::open(name)?.look())
}

/// Names that could not be made may stand there all the same; but a path is none.
fn check_name(name: &str) -> Result<()> {
    let reason = match name {
        "" => "it is empty",
        _ if name.len() > 250 => "it is longer than a file's name can be",
        _ if name.contains(['/', '\0']) => "it holds a character that is not allowed",
        _ => return Ok(()),
    };
    Err(Error::InvalidName {
        name: name.into(),
        reason,
    })
}
