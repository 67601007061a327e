//! Why a command ends early: what it says, and the exit code that scripts go by.

use kren_core::{Error, Role};
use std::io;
use std::process::ExitCode;

/// The end of a command.
#[derive(Debug)]
pub(crate) enum Stop {
    /// What the library says.
    Kren(Error),
    /// What the system says about what the command was doing.
    Io(String, io::Error),
    /// The command was called wrongly.
    Usage(String),
    /// Ctrl-C, or a signal that asks to end.
    Interrupted,
    /// All is said already.
    Silent(u8),
    /// Anything else.
    Other(String),
}

pub(crate) type Outcome<T = ()> = Result<T, Stop>;

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        match error {
            Error::Interrupted { .. } => Self::Interrupted,
            error => Self::Kren(error),
        }
    }
}

/// Of the input, the only thing that is read through the traits of the standard library.
impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io("input".into(), error)
    }
}

impl Stop {
    /// `what` was to be done when the system refused.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        |error| Self::Io(what.into(), error)
    }

    /// The documented exit code.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Kren(error) => match error {
                Error::NotFound { .. } | Error::NoServer { .. } => 3,
                Error::TimedOut { .. } => 4,
                Error::Closed { .. } | Error::Removed { .. } => 5,
                Error::PeerDied { .. } | Error::ServerDied { .. } => 6,
                Error::WriterExists { .. }
                | Error::ReaderExists { .. }
                | Error::NoSeat { .. }
                | Error::Busy { .. } => 7,
                Error::PermissionDenied { .. } => 8,
                Error::Corrupt { .. } | Error::VersionMismatch { .. } => 9,
                Error::OutOfMemory { .. } => 10,
                Error::InvalidName { .. }
                | Error::InvalidOption { .. }
                | Error::InvalidCapacity { .. }
                | Error::WrongKind { .. } => 2,
                _ => 1,
            },
            Self::Io(_, error) if error.kind() == io::ErrorKind::PermissionDenied => 8,
            Self::Io(..) | Self::Other(_) => 1,
            Self::Usage(_) => 2,
            Self::Interrupted => crate::signals::exit_code(),
            Self::Silent(code) => *code,
        }
    }

    /// What could be done about it.
    fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Kren(error) => match error {
                Error::NotFound { .. } => "`kren ls` shows what exists",
                Error::WrongKind { .. } => {
                    "`kren stat NAME` tells the kind: `send` and `recv` are for channels, `pub` and `sub` for broadcasts, `send` for inboxes and queues too"
                }
                Error::WriterExists { .. } | Error::ReaderExists { .. } => {
                    "`kren stat NAME` shows the process; `kren tail NAME` looks without taking part"
                }
                Error::NoSeat { .. } => "`kren sub --lossy` needs one too; `kren tail` needs none",
                Error::PermissionDenied { reason, .. } if reason.contains("any owner") => {
                    "`--any-owner` opens other users' channels, if their mode lets you"
                }
                Error::CapacityMismatch { .. } => {
                    "leave `--capacity` out to take the channel as it is"
                }
                Error::Corrupt { .. } | Error::VersionMismatch { .. } => {
                    "`kren doctor` explains, and says what to do"
                }
                Error::PeerDied {
                    peer: Role::Writer, ..
                } => "`--follow` waits for the next writer",
                Error::OutOfMemory { .. } => "`kren doctor` shows the limits",
                _ => return None,
            },
            // Only `record` minds.
            Self::Io(_, error) if error.kind() == io::ErrorKind::AlreadyExists => {
                "`--overwrite` replaces it"
            }
            _ => return None,
        })
    }

    /// Says it on the error stream.
    pub(crate) fn report(&self) -> ExitCode {
        let text = match self {
            Self::Kren(error) => error.to_string(),
            Self::Io(what, error) => format!("{what}: {error}"),
            Self::Usage(text) | Self::Other(text) => text.clone(),
            // A shell shows this itself.
            Self::Interrupted | Self::Silent(_) => return ExitCode::from(self.code()),
        };
        eprintln!("kren: {}", crate::human::printable_text(&text));
        if let Some(hint) = self.hint() {
            eprintln!("  hint: {hint}");
        }
        ExitCode::from(self.code())
    }
}
