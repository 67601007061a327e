//! The codes that calls return.

#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_int};

/// What every call returns: KREN_OK, or why it did not do what it was to do. The numbers up to 999 are those of
/// docs/spec/errors.md, the same in every language, and are never reused; those from 1000 on are of C alone.
/// kren_error_message() says more.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum kren_code {
    /// It is done.
    KREN_OK = 0,
    /// No channel of that name exists.
    KREN_NOT_FOUND = 1,
    /// A live writer already holds the channel.
    KREN_WRITER_EXISTS = 2,
    /// A live reader already holds the channel.
    KREN_READER_EXISTS = 3,
    /// The ring has no room for the message now.
    KREN_FULL = 4,
    /// The ring holds no message now.
    KREN_EMPTY = 5,
    /// The timeout passed first.
    KREN_TIMED_OUT = 6,
    /// The other side closed the channel, and nothing is left to do on it.
    KREN_CLOSED = 7,
    /// The other side's process died without closing.
    KREN_PEER_DIED = 8,
    /// The message can never fit this channel.
    KREN_TOO_LARGE = 9,
    /// The channel name breaks the naming rules.
    KREN_INVALID_NAME = 10,
    /// The capacity is zero or larger than the platform can map.
    KREN_INVALID_CAPACITY = 11,
    /// The channel exists with another capacity or alignment and cannot be replaced.
    KREN_CAPACITY_MISMATCH = 12,
    /// The operating system, or an owner check, refused access.
    KREN_PERMISSION_DENIED = 13,
    /// There is not enough shared memory for the channel.
    KREN_OUT_OF_MEMORY = 14,
    /// The shared bytes break the rules of the format.
    KREN_CORRUPT = 15,
    /// The segment was made by an incompatible version of KREN.
    KREN_VERSION_MISMATCH = 16,
    /// The endpoint was inherited through fork and belongs to the parent process.
    KREN_FORKED = 17,
    /// The wait was given up because the caller asked for it.
    KREN_INTERRUPTED = 18,
    /// Any other failure of the operating system.
    KREN_IO = 19,
    /// Another thread is in the middle of a call on this handle.
    KREN_BUSY = 20,
    /// An option other than name and capacity is out of range, or is none of this kind of end.
    KREN_INVALID_OPTION = 21,
    /// The channel's name no longer leads to this endpoint's segment, and its other side is gone.
    KREN_REMOVED = 22,
    /// A lossy subscriber was overtaken, and messages were overwritten before it read them.
    KREN_LAGGED = 23,
    /// A slow subscriber was passed over by a publisher that would not wait any longer.
    KREN_EVICTED = 24,
    /// No server of that name is there; the request was not sent.
    KREN_NO_SERVER = 25,
    /// The server died before it had answered.
    KREN_SERVER_DIED = 26,
    /// The call was cancelled, or is over.
    KREN_CANCELLED = 27,
    /// The server says that the call failed.
    KREN_REMOTE = 28,
    /// The sides say different things of the messages.
    KREN_SCHEMA_MISMATCH = 29,
    /// The message is not the array, the arrays or the table that it was read as.
    KREN_NOT_AN_ARRAY = 30,
    /// What stands under the name is of another kind, say a broadcast instead of a channel.
    KREN_WRONG_KIND = 31,
    /// All seats for subscribers or members are taken.
    KREN_NO_SEAT = 32,
    /// An argument is null that must not be, a handle was closed, or the call does not fit the handle's kind or state.
    KREN_MISUSE = 1000,
    /// A defect of KREN's own was met and caught; the handle can only be closed.
    KREN_PANIC = 1001,
    /// A call to a service has no more answers.
    KREN_END = 1002,
}

const NAMES: &[(kren_code, &CStr)] = &[
    (kren_code::KREN_OK, c"OK"),
    (kren_code::KREN_NOT_FOUND, c"NOT_FOUND"),
    (kren_code::KREN_WRITER_EXISTS, c"WRITER_EXISTS"),
    (kren_code::KREN_READER_EXISTS, c"READER_EXISTS"),
    (kren_code::KREN_FULL, c"FULL"),
    (kren_code::KREN_EMPTY, c"EMPTY"),
    (kren_code::KREN_TIMED_OUT, c"TIMED_OUT"),
    (kren_code::KREN_CLOSED, c"CLOSED"),
    (kren_code::KREN_PEER_DIED, c"PEER_DIED"),
    (kren_code::KREN_TOO_LARGE, c"TOO_LARGE"),
    (kren_code::KREN_INVALID_NAME, c"INVALID_NAME"),
    (kren_code::KREN_INVALID_CAPACITY, c"INVALID_CAPACITY"),
    (kren_code::KREN_CAPACITY_MISMATCH, c"CAPACITY_MISMATCH"),
    (kren_code::KREN_PERMISSION_DENIED, c"PERMISSION_DENIED"),
    (kren_code::KREN_OUT_OF_MEMORY, c"OUT_OF_MEMORY"),
    (kren_code::KREN_CORRUPT, c"CORRUPT"),
    (kren_code::KREN_VERSION_MISMATCH, c"VERSION_MISMATCH"),
    (kren_code::KREN_FORKED, c"FORKED"),
    (kren_code::KREN_INTERRUPTED, c"INTERRUPTED"),
    (kren_code::KREN_IO, c"IO"),
    (kren_code::KREN_BUSY, c"BUSY"),
    (kren_code::KREN_INVALID_OPTION, c"INVALID_OPTION"),
    (kren_code::KREN_REMOVED, c"REMOVED"),
    (kren_code::KREN_LAGGED, c"LAGGED"),
    (kren_code::KREN_EVICTED, c"EVICTED"),
    (kren_code::KREN_NO_SERVER, c"NO_SERVER"),
    (kren_code::KREN_SERVER_DIED, c"SERVER_DIED"),
    (kren_code::KREN_CANCELLED, c"CANCELLED"),
    (kren_code::KREN_REMOTE, c"REMOTE"),
    (kren_code::KREN_SCHEMA_MISMATCH, c"SCHEMA_MISMATCH"),
    (kren_code::KREN_NOT_AN_ARRAY, c"NOT_AN_ARRAY"),
    (kren_code::KREN_WRONG_KIND, c"WRONG_KIND"),
    (kren_code::KREN_NO_SEAT, c"NO_SEAT"),
    (kren_code::KREN_MISUSE, c"MISUSE"),
    (kren_code::KREN_PANIC, c"PANIC"),
    (kren_code::KREN_END, c"END"),
];

/// The name of a code as the table has it, for example "TIMED_OUT"; "UNKNOWN" for a number that is none. The text is constant.
///
/// Any thread; never blocks.
#[unsafe(no_mangle)]
pub extern "C" fn kren_code_name(code: c_int) -> *const c_char {
    let known = NAMES.iter().find(|(known, _)| *known as c_int == code);
    known.map_or(c"UNKNOWN", |(_, name)| *name).as_ptr()
}

#[cfg(test)]
mod tests {
    use super::*;
    use kren_core::ErrorCode;

    /// The codes are those of the table that all languages share.
    #[test]
    fn codes_are_those_of_the_table() {
        let table = ErrorCode::ALL
            .iter()
            .map(|code| (code.number(), code.name()));
        let here = NAMES
            .iter()
            .map(|(code, name)| (*code as u32, name.to_str().unwrap()));
        let shared = here.filter(|(number, _)| (1..1000).contains(number));
        assert!(shared.eq(table));
    }
}
