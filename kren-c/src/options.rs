//! How an end is opened.
#![allow(unsafe_code)]

use std::ffi::{c_char, c_int, c_void};
use std::time::Duration;

use kren_core::{Error, Result, Schema, Start, Strategy};

use crate::borrowed::{text, timeout};
use crate::failure::Outcome;

/// Discards what an earlier writer left under the name. kren_writer_create(), kren_publisher_create().
pub const KREN_FRESH: u32 = 1;
/// Accepts what belongs to another user. All.
pub const KREN_ANY_OWNER: u32 = 2;
/// Maps every page at once, so that the first lap of the ring takes no page faults. Writer, publisher, reader, subscriber.
pub const KREN_PREFAULT: u32 = 4;
/// On Windows, names of the whole machine instead of the session's own. Writer, publisher, reader, subscriber.
pub const KREN_MACHINE_WIDE: u32 = 8;
/// Connects to what has a live writer only. Reader, subscriber.
pub const KREN_LIVE: u32 = 16;
/// A subscriber that never holds its publisher up, and is told of what it missed. Subscriber.
pub const KREN_LOSSY: u32 = 32;

/// kren_options.strategy: spins for some microseconds, then sleeps.
pub const KREN_ADAPTIVE: u32 = 0;
/// kren_options.strategy: never sleeps.
pub const KREN_SPIN: u32 = 1;
/// kren_options.strategy: sleeps at once.
pub const KREN_SLEEP: u32 = 2;

/// kren_options.start: at the first message that was not released.
pub const KREN_OLDEST: u32 = 0;
/// kren_options.start: behind everything that was written before.
pub const KREN_NEWEST: u32 = 1;
/// kren_options.start: behind the first kren_options.start_after messages of a broadcast.
pub const KREN_AFTER: u32 = 2;

/// How an end is opened, for all that open one. Begin with kren_options_default(), which says the size and leaves everything else at
/// 0, the default, and set what is to be otherwise. What an end has no use for is KREN_INVALID_OPTION. The texts are copied.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct kren_options {
    /// sizeof(kren_options), by which the library knows the header that a program was compiled against.
    pub size: usize,
    /// KREN_FRESH, KREN_ANY_OWNER, KREN_PREFAULT, KREN_MACHINE_WIDE, KREN_LIVE, KREN_LOSSY, added up.
    pub flags: u32,
    /// Permission bits of what has to be made, whatever the umask; 0: 0600. Not for reader and subscriber.
    pub mode: u32,
    /// Alignment of payloads in bytes, a power of two from 8 to 4096; 0: 8. Writer, publisher, sender, dealer.
    pub alignment: usize,
    /// How blocking calls wait: KREN_ADAPTIVE, KREN_SPIN, KREN_SLEEP. All.
    pub strategy: u32,
    /// Where to begin: KREN_OLDEST, KREN_NEWEST, KREN_AFTER. Reader, subscriber.
    pub start: u32,
    /// See KREN_AFTER. Subscriber.
    pub start_after: u64,
    /// How long to wait for a channel that is not there yet, in nanoseconds; -1: for ever; 0: not. Reader, subscriber.
    pub timeout_ns: i64,
    /// Passes over a subscriber for which a message had to wait so many nanoseconds; 0: never. Publisher.
    pub evict_after_ns: i64,
    /// Stands by while another server lives, so many nanoseconds at most or -1 for ever, and succeeds it; 0: not. Server.
    pub standby_ns: i64,
    /// Bytes of records for each member. Sender (0: what the inbox says), client, server (0: 1 MiB).
    pub capacity: usize,
    /// How many there may be on the other side at a time; 0: 16 subscribers, 64 of all others. Publisher, sender, inbox, dealer, worker,
    /// client, server.
    pub seats: u32,
    /// Messages that a dealer gives to this worker before the first is released; 0: as many as fit. Worker.
    pub ahead: u32,
    /// The name by which a durable subscriber is known again; null: not durable. Subscriber.
    pub durable: *const c_char,
    /// What the messages are: a short name, and a description that is compared; both null: nothing is said. Writer, reader.
    pub schema_name: *const c_char,
    /// See schema_name.
    pub schema_text: *const c_char,
    /// Called with `context` at least every 100 ms while a call of the end waits, and after each signal that its thread has got: what
    /// is not 0 ends the wait with KREN_INTERRUPTED. It must return, without an exception, and may not use the end. All.
    pub check: Option<unsafe extern "C" fn(context: *mut c_void) -> c_int>,
    /// What `check` is called with; alive as long as the end is open.
    pub context: *mut c_void,
}

/// Options with nothing but their size.
const NONE: kren_options = kren_options {
    size: size_of::<kren_options>(),
    flags: 0,
    mode: 0,
    alignment: 0,
    strategy: KREN_ADAPTIVE,
    start: KREN_OLDEST,
    start_after: 0,
    timeout_ns: 0,
    evict_after_ns: 0,
    standby_ns: 0,
    capacity: 0,
    seats: 0,
    ahead: 0,
    durable: std::ptr::null(),
    schema_name: std::ptr::null(),
    schema_text: std::ptr::null(),
    check: None,
    context: std::ptr::null_mut(),
};

/// What an end has no use for is refused: each is named as the header names it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    Flags(u32),
    Mode,
    Alignment,
    Start,
    StartAfter,
    Timeout,
    EvictAfter,
    Standby,
    Capacity,
    Seats,
    Ahead,
    Durable,
    Schema,
}

/// Options as the core takes them.
pub(crate) struct Options {
    given: kren_options,
    pub(crate) strategy: Strategy,
}

impl Options {
    /// Takes what C has given for the end `channel`, or null, and refuses what is not among `used`.
    pub(crate) fn take(channel: &str, given: *const kren_options, used: &[Use]) -> Outcome<Self> {
        let refuse = |option, reason| Error::InvalidOption {
            channel: channel.into(),
            option,
            reason,
        };
        let mut taken = NONE;
        if !given.is_null() {
            // SAFETY: H1: the size is there at least.
            let size = unsafe { (*given).size };
            if size < size_of::<usize>() || size > size_of::<kren_options>() {
                let reason = "it is not the sizeof(kren_options) of this library or of an older one; use kren_options_default()";
                return Err(refuse("size", reason).into());
            }
            // SAFETY: H1: so many bytes are there, and no more than `taken` has. What a program's header does not know stays at 0.
            unsafe {
                std::ptr::copy_nonoverlapping(given.cast::<u8>(), (&raw mut taken).cast(), size);
            }
        }
        let flags = used.iter().find_map(|used| match used {
            Use::Flags(flags) => Some(*flags | KREN_ANY_OWNER),
            _ => None,
        });
        let strange = taken.flags & !flags.unwrap_or(KREN_ANY_OWNER) != 0;
        let set = [
            ("mode", taken.mode != 0, Use::Mode),
            ("alignment", taken.alignment != 0, Use::Alignment),
            ("start", taken.start != KREN_OLDEST, Use::Start),
            ("start_after", taken.start_after != 0, Use::StartAfter),
            ("timeout_ns", taken.timeout_ns != 0, Use::Timeout),
            ("evict_after_ns", taken.evict_after_ns != 0, Use::EvictAfter),
            ("standby_ns", taken.standby_ns != 0, Use::Standby),
            ("capacity", taken.capacity != 0, Use::Capacity),
            ("seats", taken.seats != 0, Use::Seats),
            ("ahead", taken.ahead != 0, Use::Ahead),
            ("durable", !taken.durable.is_null(), Use::Durable),
            ("schema_name", !taken.schema_name.is_null(), Use::Schema),
            ("schema_text", !taken.schema_text.is_null(), Use::Schema),
        ];
        let unused = set
            .iter()
            .find(|(_, is_set, what)| *is_set && !used.contains(what));
        let unused = unused
            .map(|(name, ..)| *name)
            .or(strange.then_some("flags"));
        if let Some(option) = unused {
            return Err(refuse(option, "an end of this kind has no use for it").into());
        }
        let strategy = match taken.strategy {
            KREN_ADAPTIVE => Strategy::Adaptive,
            KREN_SPIN => Strategy::Spin,
            KREN_SLEEP => Strategy::Sleep,
            _ => {
                return Err(
                    refuse("strategy", "it is KREN_ADAPTIVE, KREN_SPIN or KREN_SLEEP").into(),
                );
            }
        };
        if taken.start > KREN_AFTER {
            return Err(refuse("start", "it is KREN_OLDEST, KREN_NEWEST or KREN_AFTER").into());
        }
        Ok(Self {
            given: taken,
            strategy,
        })
    }

    pub(crate) fn has(&self, flag: u32) -> bool {
        self.given.flags & flag != 0
    }

    pub(crate) fn mode(&self) -> Option<u32> {
        (self.given.mode != 0).then_some(self.given.mode)
    }

    pub(crate) fn alignment(&self) -> usize {
        match self.given.alignment {
            0 => 8,
            alignment => alignment,
        }
    }

    pub(crate) fn start(&self) -> Start {
        match self.given.start {
            KREN_NEWEST => Start::Newest,
            KREN_AFTER => Start::After(self.given.start_after),
            _ => Start::Oldest,
        }
    }

    pub(crate) fn timeout(&self) -> Option<Duration> {
        timeout(self.given.timeout_ns)
    }

    pub(crate) fn evict_after(&self) -> Option<Duration> {
        timeout(self.given.evict_after_ns).filter(|after| !after.is_zero())
    }

    /// `None`: it does not stand by.
    pub(crate) fn standby(&self) -> Option<Option<Duration>> {
        (self.given.standby_ns != 0).then(|| timeout(self.given.standby_ns))
    }

    pub(crate) fn capacity(&self) -> Option<usize> {
        (self.given.capacity != 0).then_some(self.given.capacity)
    }

    pub(crate) fn seats(&self) -> Option<usize> {
        (self.given.seats != 0).then_some(self.given.seats as usize)
    }

    pub(crate) fn ahead(&self) -> u32 {
        self.given.ahead
    }

    pub(crate) fn durable(&self) -> Option<String> {
        text(self.given.durable).map(Into::into)
    }

    pub(crate) fn schema(&self, channel: &str) -> Result<Option<Schema>> {
        let (name, description) = (text(self.given.schema_name), text(self.given.schema_text));
        if name.is_none() && description.is_none() {
            return Ok(None);
        }
        let schema = Schema::new(&name.unwrap_or_default(), &description.unwrap_or_default());
        schema.map(Some).ok_or_else(|| Error::InvalidOption {
            channel: channel.into(),
            option: "schema_name",
            reason: "it has 1 to 64 bytes",
        })
    }

    pub(crate) fn check(&self, channel: &str) -> Check {
        Check {
            channel: channel.into(),
            call: self.given.check,
            context: self.given.context,
        }
    }
}

/// What is asked while an end waits.
pub(crate) struct Check {
    channel: std::sync::Arc<str>,
    call: Option<unsafe extern "C" fn(*mut c_void) -> c_int>,
    context: *mut c_void,
}

impl Check {
    #[inline]
    pub(crate) fn is_set(&self) -> bool {
        self.call.is_some()
    }

    pub(crate) fn run(&self) -> Result<()> {
        let Some(call) = self.call else { return Ok(()) };
        // SAFETY: what C has given to be called with this (H1).
        match unsafe { call(self.context) } {
            0 => Ok(()),
            _ => Err(Error::Interrupted {
                channel: self.channel.clone(),
            }),
        }
    }
}

/// Calls the setters of a core's options that several kinds have.
macro_rules! set {
    ($options:expr, $given:expr, $($setter:ident)*) => {{
        let mut options = $options.strategy($given.strategy).any_owner($given.has($crate::options::KREN_ANY_OWNER));
        $($crate::options::set!(@ $setter options, $given);)*
        options
    }};
    (@ mode $options:ident, $given:expr) => {
        if let Some(mode) = $given.mode() {
            $options = $options.mode(mode);
        }
    };
    (@ alignment $options:ident, $given:expr) => {
        $options = $options.alignment($given.alignment());
    };
    (@ capacity $options:ident, $given:expr) => {
        if let Some(capacity) = $given.capacity() {
            $options = $options.capacity(capacity);
        }
    };
    (@ fresh $options:ident, $given:expr) => {
        $options = $options.fresh($given.has($crate::options::KREN_FRESH));
    };
    (@ mapped $options:ident, $given:expr) => {
        $options = $options
            .prefault($given.has($crate::options::KREN_PREFAULT))
            .machine_wide($given.has($crate::options::KREN_MACHINE_WIDE));
    };
    (@ $seats:ident $options:ident, $given:expr) => {
        if let Some(seats) = $given.seats() {
            $options = $options.$seats(seats);
        }
    };
}
pub(crate) use set;
