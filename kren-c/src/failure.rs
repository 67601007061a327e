//! Why a call failed: told as a code, and kept for the thread that asks for more.
#![allow(unsafe_code)]

use std::any::Any;
use std::cell::RefCell;
use std::ffi::{c_char, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};

use kren_core::Error;

use crate::code::kren_code;

/// What a function comes to.
pub(crate) type Outcome<T> = Result<T, Failure>;

/// Each holds one pointer at most, so that an outcome travels in registers: through memory it would cost more than a message.
#[allow(clippy::box_collection, reason = "a text is three words wide")]
#[derive(Debug)]
pub(crate) enum Failure {
    /// The core says so.
    Core(Box<Error>),
    /// The caller has made a mistake.
    Misuse(&'static &'static str),
    /// A message that is not there, which is told often and cheaply.
    Empty,
    /// There are no more answers.
    End,
    Panic(Box<String>),
}

impl From<Error> for Failure {
    #[cold]
    fn from(error: Error) -> Self {
        Self::Core(error.into())
    }
}

impl Failure {
    fn code(&self) -> c_int {
        match self {
            // The numbers of the table are small.
            Self::Core(error) => error.code().number() as c_int,
            Self::Empty => kren_code::KREN_EMPTY as c_int,
            Self::Misuse(_) => kren_code::KREN_MISUSE as c_int,
            Self::End => kren_code::KREN_END as c_int,
            Self::Panic(_) => kren_code::KREN_PANIC as c_int,
        }
    }

    fn message(&self) -> String {
        match self {
            Self::Core(error) => in_terms_of_c(&error.to_string()),
            Self::Empty => "there is no message now; wait for one, or try again later".to_owned(),
            Self::Misuse(what) => (**what).to_owned(),
            Self::End => "the call has no more answers".to_owned(),
            Self::Panic(what) => {
                format!(
                    "a defect in KREN was caught ({what}); close this handle, and please report it"
                )
            }
        }
    }

    fn figure(&self) -> u64 {
        let Self::Core(error) = self else { return 0 };
        match &**error {
            Error::Lagged { missed, .. } | Error::Evicted { missed, .. } => *missed,
            Error::Remote { code, .. } => (*code).into(),
            Error::TooLarge { max, .. } => *max as u64,
            Error::Full { available, .. } => *available as u64,
            Error::OutOfMemory { needed, .. } => *needed,
            Error::WriterExists { holder, .. }
            | Error::ReaderExists { holder, .. }
            | Error::PeerDied { holder, .. } => holder.pid().into(),
            Error::Io { os_error, .. } => u64::from(os_error.unsigned_abs()),
            _ => 0,
        }
    }
}

/// What other languages call otherwise.
const TERMS: [(&str, &str); 3] = [
    (
        "wait_for_writer (Node.js: waitForWriter)",
        "kren_wait_for_writer()",
    ),
    ("with the option 'fresh'", "with the flag KREN_FRESH"),
    ("create it 'fresh'", "create it with the flag KREN_FRESH"),
];

fn in_terms_of_c(text: &str) -> String {
    TERMS.iter().fold(text.to_owned(), |text, (other, own)| {
        text.replace(other, own)
    })
}

thread_local! {
    static LAST: RefCell<Option<Failure>> = const { RefCell::new(None) };
}

/// Runs a function of the interface: its outcome as a code, with the rest kept; no panic leaves (H3).
#[inline]
pub(crate) fn guard(work: impl FnOnce() -> Outcome<()>) -> c_int {
    // The outcome is dealt with inside: what leaves is one word.
    let code = catch_unwind(AssertUnwindSafe(|| match work() {
        Ok(()) => kren_code::KREN_OK as c_int,
        Err(failure) => keep(failure),
    }));
    code.unwrap_or_else(|panic| keep(Failure::Panic(said(&*panic).into())))
}

#[cold]
fn keep(failure: Failure) -> c_int {
    let code = failure.code();
    // A thread that is just ending has no place for it any more.
    let _ = LAST.try_with(|last| last.replace(Some(failure)));
    code
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("it says nothing").to_owned()
}

/// Copies the message of this thread's last failure into `buffer`, which has `size` bytes: what happened, to which channel, with
/// the figures, and what to do. UTF-8, cut off where it must be, and ended by a zero if `size` is not 0.
///
/// Returns the length of the whole message without the zero, 0 when nothing has failed yet; so a null `buffer` with `size` 0 asks how
/// long it is.
///
/// Each thread has its own; what succeeds leaves it as it is. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_error_message(buffer: *mut c_char, size: usize) -> usize {
    let text = last(Failure::message).unwrap_or_default();
    if !buffer.is_null() && size > 0 {
        let mut len = text.len().min(size - 1);
        while !text.is_char_boundary(len) {
            len -= 1;
        }
        // SAFETY: the caller says that there are `size` bytes (H1), of which `len` and one more are stored.
        unsafe {
            std::ptr::copy_nonoverlapping(text.as_ptr(), buffer.cast(), len);
            buffer.add(len).write(0);
        }
    }
    text.len()
}

/// The figure of this thread's last failure: the messages missed (KREN_LAGGED, KREN_EVICTED), the server's own code (KREN_REMOTE), the
/// longest message in bytes (KREN_TOO_LARGE) or what would fit now (KREN_FULL), the bytes needed (KREN_OUT_OF_MEMORY), the process id
/// of who holds or held the other place (KREN_WRITER_EXISTS, KREN_READER_EXISTS, KREN_PEER_DIED; 0 if it is not known), the
/// system's error number (KREN_IO); 0 for all others.
///
/// Each thread has its own. Never blocks.
#[unsafe(no_mangle)]
pub extern "C" fn kren_error_figure() -> u64 {
    last(Failure::figure).unwrap_or_default()
}

fn last<T>(look: impl FnOnce(&Failure) -> T) -> Option<T> {
    let found = LAST.try_with(|last| last.borrow().as_ref().map(look));
    found.ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the core says, of each code, in words that C has a meaning for.
    #[test]
    fn advice_is_in_terms_of_c() {
        let mut said = std::collections::BTreeSet::new();
        for error in every_error() {
            said.insert(error.code().number());
            let text = Failure::from(error).message();
            for (other, _) in TERMS {
                assert!(!text.contains(other), "{text}");
            }
            // Names of other languages' functions and options: snake_case, camelCase, quoted words.
            let foreign = text
                .split(|c: char| !c.is_alphanumeric() && !"_'.".contains(c))
                .filter(|word| !word.starts_with("kren_") && !word.starts_with("KREN_"))
                .find(|word| {
                    let snake = word.contains('_') && word.chars().any(char::is_lowercase);
                    let camel =
                        word.starts_with(char::is_lowercase) && word.contains(char::is_uppercase);
                    snake || camel || word.contains("fresh") || *word == "Node.js"
                });
            assert!(foreign.is_none(), "{foreign:?} in: {text}");
        }
        let all = kren_core::ErrorCode::ALL.iter().map(|code| code.number());
        assert!(said.into_iter().eq(all));
    }

    /// At least one of each code.
    fn every_error() -> Vec<Error> {
        use kren_core::{Holder, Limit, Role};
        let channel: std::sync::Arc<str> = "name".into();
        let c = || channel.clone();
        let why = || "it is so".into();
        let holder = Holder::Other(1);
        let after = std::time::Duration::from_secs(1);
        let mut all = vec![
            Error::NotFound {
                channel: c(),
                waited: after,
            },
            Error::NotFound {
                channel: c(),
                waited: std::time::Duration::ZERO,
            },
            Error::WriterExists {
                channel: c(),
                holder,
            },
            Error::ReaderExists {
                channel: c(),
                holder: Holder::Own(1),
            },
            Error::Full {
                channel: c(),
                needed: 2,
                available: 1,
            },
            Error::Empty { channel: c() },
            Error::TimedOut {
                channel: c(),
                what: "message",
                after,
            },
            Error::TooLarge {
                channel: c(),
                len: 2,
                max: 1,
            },
            Error::InvalidName {
                name: c(),
                reason: "it is so",
            },
            Error::InvalidCapacity {
                channel: c(),
                capacity: 0,
                reason: "it is so",
            },
            Error::CapacityMismatch {
                channel: c(),
                asked: (1, 2),
                existing: (3, 4),
                undelivered: 5,
                messages: 6,
                reader: Some(holder),
            },
            Error::PermissionDenied {
                channel: c(),
                reason: why(),
            },
            Error::OutOfMemory {
                channel: c(),
                needed: 2,
                available: Some(1),
                limit: Limit::Machine,
            },
            Error::Corrupt {
                channel: c(),
                what: why(),
            },
            Error::VersionMismatch {
                channel: c(),
                found: 1,
                supported: 2,
            },
            Error::Forked { channel: c() },
            Error::Interrupted { channel: c() },
            Error::Io {
                channel: c(),
                call: "open",
                os_error: 24,
            },
            Error::Busy { channel: c() },
            Error::InvalidOption {
                channel: c(),
                option: "start",
                reason: "it is so",
            },
            Error::Lagged {
                channel: c(),
                missed: 1,
            },
            Error::Evicted {
                channel: c(),
                missed: 1,
            },
            Error::NoServer { channel: c() },
            Error::ServerDied { channel: c() },
            Error::Cancelled { channel: c() },
            Error::Remote {
                channel: c(),
                code: 1,
                text: why(),
            },
            Error::SchemaMismatch {
                channel: c(),
                asked: why(),
                existing: why(),
            },
            Error::NotAnArray {
                channel: c(),
                reason: why(),
            },
            Error::WrongKind {
                channel: c(),
                found: "broadcast",
                wanted: "channel",
            },
            Error::NoSeat {
                channel: c(),
                seats: 1,
            },
        ];
        for peer in [Role::Writer, Role::Reader] {
            all.push(Error::Closed { channel: c(), peer });
            all.push(Error::PeerDied {
                channel: c(),
                peer,
                holder,
            });
            all.push(Error::Removed {
                channel: c(),
                peer,
                fate: "has closed",
            });
        }
        all
    }

    /// H3: a panic ends as a code, and says what it was.
    #[test]
    fn a_panic_is_a_code() {
        let code = guard(|| panic!("on purpose {}", 1));
        assert_eq!(code, kren_code::KREN_PANIC as c_int);
        assert!(last(Failure::message).unwrap().contains("on purpose 1"));
    }
}
