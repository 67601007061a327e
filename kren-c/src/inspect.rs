//! What channels there are, seen from outside.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::time::{SystemTime, UNIX_EPOCH};

use kren_core::inspect::{self, Channel, Contents, Kind, Segment, State};

use crate::borrowed::{named, out};
use crate::failure::{Failure, guard};
use crate::peers::kren_state;

/// Room for a channel's name and for other texts of kren_channel, and a zero.
pub const KREN_TEXT_SIZE: usize = 256;

/// What is known of what stands under a name. What cannot be known is 0.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct kren_channel {
    /// sizeof(kren_channel): set before kren_inspect(), and by kren_channels().
    pub size: usize,
    /// How it fares: "idle", "full", "waiting for a reader", "waiting for a writer", "writer died", "reader died", "undelivered", "stale",
    /// "open", "owner died", "damaged", "other version", "unreadable". A constant text.
    pub state: *const c_char,
    /// What it is for: "channel", "broadcast", "inbox", "work queue", "service", "bell"; null where that is not known. A constant text.
    pub kind: *const c_char,
    /// Bytes of shared memory that it takes.
    pub bytes: u64,
    /// Bytes of records that its ring holds.
    pub capacity: usize,
    /// Alignment of payloads.
    pub alignment: usize,
    /// Tells it from all others that had or will have its name.
    pub instance: u64,
    /// When it was made: nanoseconds since 1970.
    pub created_ns: u64,
    /// Messages written since it was made.
    pub written: u64,
    /// Messages that everybody has released for whom the writer waits.
    pub released: u64,
    /// Bytes of the ring that the others take.
    pub used: u64,
    /// Of the description of its messages: see kren_options.schema_text.
    pub schema_hash: u64,
    /// The user it belongs to; UINT32_MAX: it is not known.
    pub owner: u32,
    /// Permission bits.
    pub mode: u32,
    /// Who writes; of a registry, who owns it.
    pub writer: kren_state,
    /// Its process id; 0 also where that means nothing here.
    pub writer_pid: u32,
    /// Who reads: of several, the one that came last to the first seat.
    pub reader: kren_state,
    /// Its process id, as above.
    pub reader_pid: u32,
    /// Seats for readers, subscribers or members.
    pub seats: u32,
    /// How many of them have somebody who lives.
    pub taken: u32,
    /// Its name.
    pub name: [c_char; KREN_TEXT_SIZE],
    /// What its messages are: see kren_options.schema_name.
    pub schema_name: [c_char; KREN_TEXT_SIZE],
    /// Why it is damaged or cannot be read.
    pub reason: [c_char; KREN_TEXT_SIZE],
}

impl kren_channel {
    fn of(channel: &Channel) -> Self {
        let mut of = Self {
            size: size_of::<Self>(),
            state: state(channel.state(None)).as_ptr(),
            kind: std::ptr::null(),
            bytes: channel.bytes,
            capacity: 0,
            alignment: 0,
            instance: 0,
            created_ns: 0,
            written: 0,
            released: 0,
            used: 0,
            schema_hash: 0,
            owner: channel.owner.unwrap_or(u32::MAX),
            mode: channel.mode.unwrap_or(0),
            writer: kren_state::KREN_UNKNOWN,
            writer_pid: 0,
            reader: kren_state::KREN_UNKNOWN,
            reader_pid: 0,
            seats: 0,
            taken: 0,
            name: room(&channel.name),
            schema_name: room(""),
            reason: room(""),
        };
        match &channel.contents {
            Contents::Segment(segment) => of.add(segment),
            Contents::Damaged(reason) | Contents::Unreadable(reason) => of.reason = room(reason),
            Contents::OtherVersion(version) => of.reason = room(&format!("version {version}")),
            _ => {}
        }
        of
    }

    fn add(&mut self, segment: &Segment) {
        self.kind = kind(segment.kind).as_ptr();
        self.capacity = segment.capacity;
        self.alignment = segment.alignment;
        self.instance = segment.instance;
        self.created_ns = segment.created.map_or(0, nanoseconds);
        self.seats = segment.seats as u32;
        self.taken = segment.readers.iter().filter(|side| side.is_live()).count() as u32;
        let pid = |side: &inspect::Side| if side.is_elsewhere { 0 } else { side.pid };
        self.writer = segment.writer.state.into();
        self.writer_pid = pid(&segment.writer);
        self.reader = match segment.readers.first() {
            Some(reader) => reader.state.into(),
            None => kren_state::KREN_NEVER_ATTACHED,
        };
        self.reader_pid = segment.readers.first().map_or(0, pid);
        if let Some(schema) = &segment.schema {
            self.schema_hash = schema.hash;
            self.schema_name = room(&schema.name);
        }
        if let Some(ring) = &segment.ring {
            self.written = ring.written;
            self.released = ring.released;
            self.used = ring.used();
            self.reason = room(ring.damage.unwrap_or_default());
        }
    }
}

fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// As much of a text as there is room for, and a zero.
fn room(text: &str) -> [c_char; KREN_TEXT_SIZE] {
    let mut room = [0; KREN_TEXT_SIZE];
    let mut len = text.len().min(KREN_TEXT_SIZE - 1);
    while !text.is_char_boundary(len) {
        len -= 1;
    }
    for (place, byte) in room.iter_mut().zip(text[..len].bytes()) {
        *place = byte as c_char;
    }
    room
}

/// The core's word for it, with the zero that C wants.
fn state(state: State) -> &'static CStr {
    constant(
        &[
            c"flowing",
            c"idle",
            c"full",
            c"waiting for a reader",
            c"waiting for a writer",
            c"writer died",
            c"reader died",
            c"undelivered",
            c"stale",
            c"open",
            c"owner died",
            c"damaged",
            c"other version",
            c"unreadable",
        ],
        state.name(),
    )
}

fn kind(kind: Kind) -> &'static CStr {
    constant(
        &[
            c"channel",
            c"broadcast",
            c"inbox",
            c"work queue",
            c"service",
            c"bell",
        ],
        kind.name(),
    )
}

fn constant(known: &[&'static CStr], name: &str) -> &'static CStr {
    let found = known.iter().find(|text| text.to_bytes() == name.as_bytes());
    found.copied().unwrap_or(c"unknown")
}

/// What is known of the channel `name`, or of what else stands there, at `*channel`, whose size is to be set before. Nobody notices:
/// nothing is stored, no place taken. Makes some system calls; never blocks. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_inspect(name: *const c_char, channel: *mut kren_channel) -> c_int {
    guard(|| {
        let (place, name) = (out(channel)?, named(name)?);
        // SAFETY: H1: the size is there at least.
        if unsafe { (*channel).size } != size_of::<kren_channel>() {
            return Err(Failure::Misuse(
                &"kren_channel.size is not sizeof(kren_channel)",
            ));
        }
        place.set(kren_channel::of(&inspect::channel(&name)?));
        Ok(())
    })
}

/// Calls `each` with what kren_inspect() says of every channel that this user can see, by name, and with `context`, until it returns
/// something else than 0. What it is given is the library's, and gone when it returns. Only Linux lists channels (else KREN_IO). Any thread;
/// never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_channels(
    each: Option<unsafe extern "C" fn(channel: *const kren_channel, context: *mut c_void) -> c_int>,
    context: *mut c_void,
) -> c_int {
    guard(|| {
        let each = each.ok_or(Failure::Misuse(&"the function to be called is null"))?;
        for observer in inspect::observers()? {
            let seen = kren_channel::of(&observer.look());
            // SAFETY: what C has given to be called with this (H1).
            if unsafe { each(&raw const seen, context) } != 0 {
                break;
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words are the core's.
    #[test]
    fn words_are_those_of_other_languages() {
        use State as S;
        for known in [
            S::Flowing,
            S::Idle,
            S::Full,
            S::WaitingForReader,
            S::WaitingForWriter,
            S::WriterDied,
            S::ReaderDied,
            S::Undelivered,
            S::Stale,
            S::Open,
            S::OwnerDied,
            S::Damaged,
            S::OtherVersion,
            S::Unreadable,
        ] {
            assert_eq!(state(known).to_str(), Ok(known.name()));
        }
        for known in [
            Kind::Channel,
            Kind::Broadcast,
            Kind::Inbox,
            Kind::Queue,
            Kind::Service,
            Kind::Bell,
        ] {
            assert_eq!(kind(known).to_str(), Ok(known.name()));
        }
    }
}
