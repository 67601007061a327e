//! The one error type, and the table of stable codes that every language shares.
//!
//! `docs/spec/errors.md` is the published form of [`ErrorCode`]; a test holds the two together.

use crate::limit::Limit;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The result of every fallible KREN operation.
pub type Result<T> = std::result::Result<T, Error>;

/// The other end of a channel, as errors name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The side that writes messages.
    Writer,
    /// The side that reads messages.
    Reader,
}

impl Role {
    /// The other side.
    #[must_use]
    pub fn peer(self) -> Self {
        match self {
            Self::Writer => Self::Reader,
            Self::Reader => Self::Writer,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Writer => "writer",
            Self::Reader => "reader",
        })
    }
}

/// A process that an error names, with its id where there is one. `Display` gives it as the messages do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Holder {
    /// It cannot be told.
    Unknown,
    /// This very process.
    Own(u32),
    /// Another process.
    Other(u32),
    /// Another process that has been killed, or has ended, and is not gone yet: it dumps core, or the system takes its memory
    /// back. Until then the role stays taken.
    Dying(u32),
    /// A process whose id is that of another pid namespace, as that of another container is: it means nothing here.
    Elsewhere(u32),
}

impl Holder {
    /// The process id, 0 if it is not known or means nothing in this process's namespace.
    #[must_use]
    pub fn pid(self) -> u32 {
        match self {
            Self::Own(pid) | Self::Other(pid) | Self::Dying(pid) => pid,
            Self::Unknown | Self::Elsewhere(_) => 0,
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("process unknown"),
            Self::Own(pid) => write!(f, "this process, pid {pid}"),
            Self::Other(pid) => write!(f, "pid {pid}"),
            Self::Dying(pid) => write!(f, "pid {pid}, which is dying"),
            Self::Elsewhere(pid) => {
                write!(
                    f,
                    "pid {pid} of another pid namespace, say another container's"
                )
            }
        }
    }
}

macro_rules! error_codes {
    ($($(#[$doc:meta])* $variant:ident = $number:literal, $name:literal;)*) => {
        /// A stable number and name for each kind of error, the same in every language.
        ///
        /// Numbers are never reused; new ones are appended.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        #[repr(u32)]
        pub enum ErrorCode {
            $($(#[$doc])* $variant = $number,)*
        }

        impl ErrorCode {
            /// Every code, in the order of the table.
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$variant,)*];

            /// The name as bindings show it, for example `TIMED_OUT`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(ErrorCode::$variant => $name,)* }
            }

            /// The number as the C face and the table show it.
            #[must_use]
            pub fn number(self) -> u32 {
                self as u32
            }
        }
    };
}

error_codes! {
    /// No channel of that name exists.
    NotFound = 1, "NOT_FOUND";
    /// A live writer already holds the channel.
    WriterExists = 2, "WRITER_EXISTS";
    /// A live reader already holds the channel.
    ReaderExists = 3, "READER_EXISTS";
    /// The ring has no room for the message now.
    Full = 4, "FULL";
    /// The ring holds no message now.
    Empty = 5, "EMPTY";
    /// The timeout passed first.
    TimedOut = 6, "TIMED_OUT";
    /// The other side closed the channel, and nothing is left to do on it.
    Closed = 7, "CLOSED";
    /// The other side's process died without closing.
    PeerDied = 8, "PEER_DIED";
    /// The message can never fit this channel.
    TooLarge = 9, "TOO_LARGE";
    /// The channel name breaks the naming rules.
    InvalidName = 10, "INVALID_NAME";
    /// The capacity is zero or larger than the platform can map.
    InvalidCapacity = 11, "INVALID_CAPACITY";
    /// The channel exists with another capacity or alignment and cannot be replaced.
    CapacityMismatch = 12, "CAPACITY_MISMATCH";
    /// The operating system, or an owner check, refused access.
    PermissionDenied = 13, "PERMISSION_DENIED";
    /// There is not enough shared memory for the channel.
    OutOfMemory = 14, "OUT_OF_MEMORY";
    /// The shared bytes break the rules of the format.
    Corrupt = 15, "CORRUPT";
    /// The segment was made by an incompatible version of KREN.
    VersionMismatch = 16, "VERSION_MISMATCH";
    /// The endpoint was inherited through `fork` and belongs to the parent process.
    Forked = 17, "FORKED";
    /// The wait was given up because the caller asked for it.
    Interrupted = 18, "INTERRUPTED";
    /// Any other failure of the operating system.
    Io = 19, "IO";
    /// Another thread is in the middle of a call on this endpoint.
    Busy = 20, "BUSY";
    /// An option other than name and capacity is out of range.
    InvalidOption = 21, "INVALID_OPTION";
    /// The channel's name no longer leads to this endpoint's segment, and its other side is gone.
    Removed = 22, "REMOVED";
    /// A lossy subscriber was overtaken, and messages were overwritten before it read them.
    Lagged = 23, "LAGGED";
    /// A slow subscriber was passed over by a publisher that would not wait any longer.
    Evicted = 24, "EVICTED";
    /// No server of that name is there; the request was not sent.
    NoServer = 25, "NO_SERVER";
    /// The server died before it had answered.
    ServerDied = 26, "SERVER_DIED";
    /// The call was cancelled, or is over.
    Cancelled = 27, "CANCELLED";
    /// The server says that the call failed.
    Remote = 28, "REMOTE";
    /// The sides say different things of the messages.
    SchemaMismatch = 29, "SCHEMA_MISMATCH";
    /// The message is not the array, the arrays or the table that it was read as.
    NotAnArray = 30, "NOT_AN_ARRAY";
    /// What stands under the name is of another kind, say a broadcast instead of a channel.
    WrongKind = 31, "WRONG_KIND";
    /// All seats for subscribers or members are taken.
    NoSeat = 32, "NO_SEAT";
}

/// Everything that can go wrong on a channel.
///
/// The message says what happened, on which channel, with the figures, and what to do about it.
/// [`Error::code`] gives the stable code that all languages share.
#[derive(Debug, Clone)]
#[non_exhaustive]
#[allow(
    missing_docs,
    reason = "the fields say what their names say; the variants are documented"
)]
pub enum Error {
    /// No channel of that name exists; `waited` says how long it was waited for.
    NotFound { channel: Arc<str>, waited: Duration },
    /// A live writer already holds the channel.
    WriterExists { channel: Arc<str>, holder: Holder },
    /// A live reader already holds the channel.
    ReaderExists { channel: Arc<str>, holder: Holder },
    /// No room now; `needed` and `available` are message lengths in bytes.
    Full {
        channel: Arc<str>,
        needed: usize,
        available: usize,
    },
    /// No message now.
    Empty { channel: Arc<str> },
    /// The timeout passed; `what` says what was waited for.
    TimedOut {
        channel: Arc<str>,
        what: &'static str,
        after: Duration,
    },
    /// `peer` closed the channel.
    Closed { channel: Arc<str>, peer: Role },
    /// The process of `peer` died without closing the channel.
    PeerDied {
        channel: Arc<str>,
        peer: Role,
        holder: Holder,
    },
    /// `len` is over `max`, the longest message this channel can carry, both in bytes.
    TooLarge {
        channel: Arc<str>,
        len: usize,
        max: usize,
    },
    /// The name breaks the rule in `reason`.
    InvalidName {
        name: Arc<str>,
        reason: &'static str,
    },
    /// The capacity cannot be had.
    InvalidCapacity {
        channel: Arc<str>,
        capacity: usize,
        reason: &'static str,
    },
    /// The channel exists with other dimensions; `undelivered` is in bytes of the ring.
    CapacityMismatch {
        channel: Arc<str>,
        asked: (usize, usize),
        existing: (usize, usize),
        undelivered: u64,
        messages: u64,
        reader: Option<Holder>,
    },
    /// Access was refused.
    PermissionDenied { channel: Arc<str>, reason: Arc<str> },
    /// `needed` bytes of memory could not be had because of `limit`, which leaves `available`, if known.
    OutOfMemory {
        channel: Arc<str>,
        needed: u64,
        available: Option<u64>,
        limit: Limit,
    },
    /// The shared bytes break the rule named by `what`.
    Corrupt { channel: Arc<str>, what: Arc<str> },
    /// The segment has layout version `found`; this build knows `supported`.
    VersionMismatch {
        channel: Arc<str>,
        found: u32,
        supported: u32,
    },
    /// The endpoint belongs to the parent process.
    Forked { channel: Arc<str> },
    /// The wait was given up on request.
    Interrupted { channel: Arc<str> },
    /// `call` failed with `os_error` (an errno, or a Windows error code).
    Io {
        channel: Arc<str>,
        call: &'static str,
        os_error: i32,
    },
    /// Another thread is in the middle of a call.
    Busy { channel: Arc<str> },
    /// The option `option` is out of range.
    InvalidOption {
        channel: Arc<str>,
        option: &'static str,
        reason: &'static str,
    },
    /// The name was taken away from this endpoint's segment, so that no other `peer` can come to it; the last
    /// one, if there was one, is gone, as `fate` says.
    Removed {
        channel: Arc<str>,
        peer: Role,
        fate: &'static str,
    },
    /// `missed` messages were overwritten before this subscriber read them; it goes on behind them.
    Lagged { channel: Arc<str>, missed: u64 },
    /// The publisher passed this subscriber over, and `missed` messages with it; it goes on behind them.
    Evicted { channel: Arc<str>, missed: u64 },
    /// No server of that name is there.
    NoServer { channel: Arc<str> },
    /// The server died before it had answered.
    ServerDied { channel: Arc<str> },
    /// The call was cancelled, or is over.
    Cancelled { channel: Arc<str> },
    /// The server says that the call failed: its own code and text.
    Remote {
        channel: Arc<str>,
        code: u32,
        text: Arc<str>,
    },
    /// What stands under the name is a `found`, and not a `wanted`.
    WrongKind {
        channel: Arc<str>,
        found: &'static str,
        wanted: &'static str,
    },
    /// All `seats` for subscribers or members are taken.
    NoSeat { channel: Arc<str>, seats: usize },
    /// `asked` is what this side says of the messages, `existing` what the channel does.
    SchemaMismatch {
        channel: Arc<str>,
        asked: Arc<str>,
        existing: Arc<str>,
    },
    /// The message is not what it was read as; `reason` says what it is instead.
    NotAnArray { channel: Arc<str>, reason: Arc<str> },
}

/// The channel's name in any error, borrowed as the error is.
macro_rules! channel_of {
    ($error:expr) => {
        match $error {
            Error::NotFound { channel, .. }
            | Error::WriterExists { channel, .. }
            | Error::ReaderExists { channel, .. }
            | Error::Full { channel, .. }
            | Error::Empty { channel }
            | Error::TimedOut { channel, .. }
            | Error::Closed { channel, .. }
            | Error::PeerDied { channel, .. }
            | Error::TooLarge { channel, .. }
            | Error::InvalidName { name: channel, .. }
            | Error::InvalidCapacity { channel, .. }
            | Error::CapacityMismatch { channel, .. }
            | Error::PermissionDenied { channel, .. }
            | Error::OutOfMemory { channel, .. }
            | Error::Corrupt { channel, .. }
            | Error::VersionMismatch { channel, .. }
            | Error::Forked { channel }
            | Error::Interrupted { channel }
            | Error::Io { channel, .. }
            | Error::Busy { channel }
            | Error::InvalidOption { channel, .. }
            | Error::Removed { channel, .. }
            | Error::SchemaMismatch { channel, .. }
            | Error::NotAnArray { channel, .. }
            | Error::NoServer { channel }
            | Error::ServerDied { channel }
            | Error::Cancelled { channel }
            | Error::Remote { channel, .. }
            | Error::Lagged { channel, .. }
            | Error::Evicted { channel, .. }
            | Error::WrongKind { channel, .. }
            | Error::NoSeat { channel, .. } => channel,
        }
    };
}

impl Error {
    /// The stable code of this error.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::NotFound { .. } => ErrorCode::NotFound,
            Self::WriterExists { .. } => ErrorCode::WriterExists,
            Self::ReaderExists { .. } => ErrorCode::ReaderExists,
            Self::Full { .. } => ErrorCode::Full,
            Self::Empty { .. } => ErrorCode::Empty,
            Self::TimedOut { .. } => ErrorCode::TimedOut,
            Self::Closed { .. } => ErrorCode::Closed,
            Self::PeerDied { .. } => ErrorCode::PeerDied,
            Self::TooLarge { .. } => ErrorCode::TooLarge,
            Self::InvalidName { .. } => ErrorCode::InvalidName,
            Self::InvalidCapacity { .. } => ErrorCode::InvalidCapacity,
            Self::CapacityMismatch { .. } => ErrorCode::CapacityMismatch,
            Self::PermissionDenied { .. } => ErrorCode::PermissionDenied,
            Self::OutOfMemory { .. } => ErrorCode::OutOfMemory,
            Self::Corrupt { .. } => ErrorCode::Corrupt,
            Self::VersionMismatch { .. } => ErrorCode::VersionMismatch,
            Self::Forked { .. } => ErrorCode::Forked,
            Self::Interrupted { .. } => ErrorCode::Interrupted,
            Self::Io { .. } => ErrorCode::Io,
            Self::Busy { .. } => ErrorCode::Busy,
            Self::InvalidOption { .. } => ErrorCode::InvalidOption,
            Self::Removed { .. } => ErrorCode::Removed,
            Self::SchemaMismatch { .. } => ErrorCode::SchemaMismatch,
            Self::NotAnArray { .. } => ErrorCode::NotAnArray,
            Self::NoServer { .. } => ErrorCode::NoServer,
            Self::ServerDied { .. } => ErrorCode::ServerDied,
            Self::Cancelled { .. } => ErrorCode::Cancelled,
            Self::Remote { .. } => ErrorCode::Remote,
            Self::Lagged { .. } => ErrorCode::Lagged,
            Self::Evicted { .. } => ErrorCode::Evicted,
            Self::WrongKind { .. } => ErrorCode::WrongKind,
            Self::NoSeat { .. } => ErrorCode::NoSeat,
        }
    }

    /// The channel the error is about.
    #[must_use]
    pub fn channel(&self) -> &str {
        channel_of!(self)
    }

    /// The same, said of another channel: of one that the user knows.
    pub(crate) fn about(mut self, name: &str) -> Self {
        *channel_of!(&mut self) = name.into();
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound { channel, waited } if waited.is_zero() => write!(
                f,
                "channel '{channel}' does not exist; start its writer first, or give the reader a \
                 timeout to wait for it"
            ),
            Self::NotFound { channel, waited } => write!(
                f,
                "channel '{channel}' has not been made within {} ms; check that its writer runs, in \
                 this container or login session too, and uses the same name",
                millis(*waited)
            ),
            Self::WriterExists { channel, holder } => taken(f, channel, "writer", *holder),
            Self::ReaderExists { channel, holder } => taken(f, channel, "reader", *holder),
            Self::Full {
                channel,
                needed,
                available,
            } => write!(
                f,
                "channel '{channel}' is full: the message has {needed} bytes and {available} fit \
                 now; wait for the reader, or create the channel with more capacity"
            ),
            Self::Empty { channel } => {
                write!(
                    f,
                    "channel '{channel}' is empty; wait for the writer, or try again later"
                )
            }
            Self::TimedOut {
                channel,
                what,
                after,
            } => write!(
                f,
                "channel '{channel}': no {what} within {} ms; wait longer, or check that the \
                 other side runs",
                millis(*after)
            ),
            Self::Closed { channel, peer } => {
                write!(f, "channel '{channel}' was closed by its {peer}; ")?;
                go_on(f, *peer)
            }
            Self::PeerDied {
                channel,
                peer,
                holder,
            } => {
                write!(
                    f,
                    "the {peer} of channel '{channel}' ({holder}) died without closing it; every message \
                     it committed is safe; "
                )?;
                go_on(f, *peer)
            }
            Self::TooLarge { channel, len, max } => write!(
                f,
                "a message of {len} bytes can never fit channel '{channel}', whose longest \
                 message is {max} bytes; create the channel with more capacity, or split the \
                 message"
            ),
            Self::InvalidName { name, reason } => write!(
                f,
                "channel name {name:?} is not valid: {reason}; use 1 to 128 of the characters \
                 a-z A-Z 0-9 . _ -"
            ),
            Self::InvalidCapacity {
                channel,
                capacity,
                reason,
            } => write!(
                f,
                "channel '{channel}' cannot have a capacity of {capacity} bytes: {reason}"
            ),
            Self::CapacityMismatch {
                channel,
                asked,
                existing,
                undelivered,
                messages,
                reader,
            } => {
                write!(
                    f,
                    "channel '{channel}' exists with capacity {} and alignment {}, not {} and {}",
                    existing.0, existing.1, asked.0, asked.1
                )?;
                if *undelivered > 0 {
                    write!(
                        f,
                        ", and holds {messages} undelivered messages ({undelivered} bytes)"
                    )?;
                }
                if let Some(reader) = reader {
                    write!(f, ", and a live reader is attached ({reader})")?;
                }
                f.write_str("; read them first, ask for the same figures, or create it 'fresh'")
            }
            Self::PermissionDenied { channel, reason } => {
                write!(f, "no permission to use channel '{channel}': {reason}")
            }
            Self::OutOfMemory {
                channel,
                needed,
                available,
                limit,
            } => {
                write!(
                    f,
                    "not enough memory for channel '{channel}': {needed} bytes needed"
                )?;
                match available {
                    Some(available) => write!(f, ", {available} available within {limit}")?,
                    None => write!(f, ", which is beyond {limit}")?,
                }
                write!(f, "; {}", limit.advice())
            }
            Self::Corrupt { channel, what } => write!(
                f,
                "the shared memory of channel '{channel}' is corrupt: {what}; it was altered by \
                 something other than KREN: create the channel again with the option 'fresh'"
            ),
            Self::VersionMismatch {
                channel,
                found,
                supported,
            } => write!(
                f,
                "channel '{channel}' has layout version {found}, and this build of KREN knows \
                 version {supported}; use one version of KREN on both sides"
            ),
            Self::Forked { channel } => write!(
                f,
                "this endpoint of channel '{channel}' was inherited through fork and belongs to \
                 the parent process; open the channel in the child instead"
            ),
            Self::Interrupted { channel } => {
                write!(
                    f,
                    "waiting on channel '{channel}' was interrupted; nothing was lost"
                )
            }
            Self::Io {
                channel,
                call,
                os_error,
            } => write!(
                f,
                "channel '{channel}': {call} failed: {}{}",
                std::io::Error::from_raw_os_error(*os_error),
                advice(call, *os_error)
            ),
            Self::Busy { channel } => write!(
                f,
                "another call is under way on this endpoint of channel '{channel}': another thread's, or one \
                 that a signal handler has interrupted; use one endpoint \
                 from one thread at a time"
            ),
            Self::InvalidOption {
                channel,
                option,
                reason,
            } => {
                write!(
                    f,
                    "channel '{channel}': option {option} is not valid: {reason}"
                )
            }
            Self::Removed {
                channel,
                peer,
                fate,
            } => {
                write!(
                    f,
                    "the name of channel '{channel}' no longer leads to this {}'s segment: it was \
                     removed (by hand, by a cleaner, or by the system at a logout); its {peer} {fate}, \
                     and no other can come; ",
                    peer.peer()
                )?;
                f.write_str(match peer {
                    Role::Writer => {
                        "wait for a new channel of this name with wait_for_writer (Node.js: waitForWriter), or connect again"
                    }
                    Role::Reader => {
                        "close this writer and create the channel again: what was not read is lost"
                    }
                })
            }
            Self::NoServer { channel } => write!(
                f,
                "service '{channel}' has no server; the request was not sent: start one, or try again when it is there"
            ),
            Self::ServerDied { channel } => write!(
                f,
                "the server of '{channel}' died before it had answered, and may have done part of the request; call \
                 again if that does no harm, or allow a retry"
            ),
            Self::Cancelled { channel } => write!(
                f,
                "the call to '{channel}' was cancelled, or is over; nothing more comes for it"
            ),
            Self::Remote {
                channel,
                code,
                text,
            } => write!(
                f,
                "the server of '{channel}' says that the call failed: {text} (code {code})"
            ),
            Self::Lagged { channel, missed } => write!(
                f,
                "this lossy subscriber of '{channel}' was overtaken: {missed} messages were overwritten before it \
                 read them; it goes on behind them: read faster, or create the broadcast with more capacity"
            ),
            Self::Evicted { channel, missed } => write!(
                f,
                "this subscriber of '{channel}' was too slow for its publisher, which passed it over, and {missed} \
                 messages with it; it goes on behind them: read faster, or have the publisher wait longer"
            ),
            Self::WrongKind {
                channel,
                found,
                wanted,
            } => write!(
                f,
                "'{channel}' is a {found}, not a {wanted}; open it as what it is, or use another name"
            ),
            Self::NoSeat { channel, seats } => write!(
                f,
                "all {seats} seats of '{channel}' are taken; close a subscriber or member, or create it with more seats"
            ),
            Self::SchemaMismatch {
                channel,
                asked,
                existing,
            } => write!(
                f,
                "channel '{channel}' carries {existing}, and this side was given {asked}; give both \
                 sides the same schema, or create the channel anew once it has been read"
            ),
            Self::NotAnArray { channel, reason } => write!(
                f,
                "a message of channel '{channel}' cannot be read as asked: it {reason}; read it as \
                 what it is: an array, several arrays, a table, or bytes"
            ),
        }
    }
}

/// That a role is taken, and what to do.
fn taken(f: &mut fmt::Formatter<'_>, channel: &str, role: &str, holder: Holder) -> fmt::Result {
    write!(
        f,
        "channel '{channel}' already has a live {role} ({holder}); "
    )?;
    match holder {
        Holder::Own(_) => write!(
            f,
            "a channel has one {role}: close the one that this process opened earlier (a variable or a cell \
             of a notebook may still hold it), or use another name"
        ),
        Holder::Dying(_) => write!(
            f,
            "its role is free when the system has taken its memory back or written its core dump: try again \
             in a moment"
        ),
        Holder::Unknown | Holder::Other(_) | Holder::Elsewhere(_) => write!(
            f,
            "a channel has one {role}: close that one, or use another name"
        ),
    }
}

/// What to do when `peer` has gone.
fn go_on(f: &mut fmt::Formatter<'_>, peer: Role) -> fmt::Result {
    f.write_str(match peer {
        Role::Writer => {
            "this reader goes on when a new writer has started: wait for one with wait_for_writer (Node.js: \
             waitForWriter)"
        }
        Role::Reader => "this writer goes on when a new reader has started",
    })
}

/// A time as messages show it.
fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e3).round()
}

impl std::error::Error for Error {}

impl From<Error> for std::io::Error {
    /// Keeps the error as the source, under the [`std::io::ErrorKind`] a caller would match.
    fn from(error: Error) -> Self {
        use std::io::ErrorKind;
        let kind = match error.code() {
            ErrorCode::NotFound => ErrorKind::NotFound,
            ErrorCode::WriterExists | ErrorCode::ReaderExists | ErrorCode::NoSeat => {
                ErrorKind::AddrInUse
            }
            ErrorCode::Full | ErrorCode::Empty | ErrorCode::Busy => ErrorKind::WouldBlock,
            ErrorCode::TimedOut => ErrorKind::TimedOut,
            ErrorCode::Closed | ErrorCode::PeerDied | ErrorCode::Removed => ErrorKind::BrokenPipe,
            ErrorCode::TooLarge
            | ErrorCode::InvalidName
            | ErrorCode::InvalidCapacity
            | ErrorCode::InvalidOption
            | ErrorCode::CapacityMismatch
            | ErrorCode::WrongKind => ErrorKind::InvalidInput,
            ErrorCode::PermissionDenied => ErrorKind::PermissionDenied,
            ErrorCode::OutOfMemory => ErrorKind::OutOfMemory,
            ErrorCode::Corrupt
            | ErrorCode::VersionMismatch
            | ErrorCode::SchemaMismatch
            | ErrorCode::NotAnArray => ErrorKind::InvalidData,
            ErrorCode::Interrupted => ErrorKind::Interrupted,
            ErrorCode::NoServer => ErrorKind::ConnectionRefused,
            ErrorCode::ServerDied => ErrorKind::ConnectionReset,
            ErrorCode::Forked
            | ErrorCode::Io
            | ErrorCode::Lagged
            | ErrorCode::Evicted
            | ErrorCode::Cancelled
            | ErrorCode::Remote => ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

/// What to do about a failed call of the system, where that is known.
#[cfg_attr(
    windows,
    allow(unused_variables, reason = "all that is known is about Unix")
)]
fn advice(call: &str, os_error: i32) -> &'static str {
    match os_error {
        #[cfg(unix)]
        libc::EMFILE | libc::ENFILE => {
            "; an endpoint takes one descriptor, and to open it three for a moment: close some, or \
             raise the limit"
        }
        #[cfg(unix)]
        libc::EBADF => {
            "; its lock was closed by this process, which closed a descriptor that is not its own, as \
             os.closerange and libraries that make daemons do: open channels after that, and close this one"
        }
        #[cfg(unix)]
        libc::ENOENT | libc::ENOTDIR if call.contains("/dev/shm") => {
            "; there is no /dev/shm here, where channels live: mount a tmpfs there (containers: --ipc, or a volume \
             of medium Memory)"
        }
        #[cfg(target_os = "linux")]
        _ if call == "fcntl(F_OFD_SETLK)" => {
            "; this system, or a sandbox, has no open-file-description locks (Linux 3.15), which say who is on a \
             channel: run the program where they are allowed"
        }
        _ => "",
    }
}
