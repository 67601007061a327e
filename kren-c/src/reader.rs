//! The ends that read: of a channel, a broadcast, an inbox and a work queue.
#![allow(unsafe_code)]

use std::collections::VecDeque;
use std::ffi::{CString, c_char, c_int};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kren_core::{
    Departure, Error, Interest, KrenInbox, KrenReader, KrenSubscriber, KrenWorker, Lease, Result,
};

use crate::borrowed::{Out, c_text, list, named, out, timeout};
use crate::code::kren_code;
use crate::descriptor::Watched;
use crate::failure::{Failure, Outcome, guard};
use crate::handle::{Handle, kind};
use crate::lease::kren_lease;
use crate::message::kren_message;
use crate::options::{
    Check, KREN_LIVE, KREN_LOSSY, KREN_MACHINE_WIDE, KREN_PREFAULT, Options, Use, kren_options, set,
};
use crate::peers::{check_size, kren_info, kren_peer, kren_state};

/// An end that reads: a reader, a subscriber, an inbox or a worker.
///
/// One thread at a time uses it, any thread; a call while another one is under way is KREN_BUSY wherever that can be seen. In a child
/// made by fork every call is KREN_FORKED, and closing it leaves the parent's end alone.
pub struct kren_reader {
    _handle: Handle<Reader>,
}

kind!(Reader, b"read");

pub(crate) struct Reader {
    /// Whether the ring's reader stands before a message that is lent.
    is_lent: bool,
    /// What is lent of an end with several rings. Before the end: released first.
    leased: Option<Lease>,
    /// Of the message that was lent last.
    serial: u64,
    end: End,
    is_subscriber: bool,
    name: CString,
    check: Check,
    /// Senders whose end was not told yet.
    departed: VecDeque<Departure>,
    watched: Watched,
}

enum End {
    Ring(Box<KrenReader>),
    Inbox(Box<KrenInbox>),
    Worker(Box<KrenWorker>),
}

/// Each reader has serial numbers of its own, so that a message of one that was closed is never taken for another one's.
static READERS: AtomicU64 = AtomicU64::new(1);

impl Reader {
    fn open(end: End, is_subscriber: bool, name: &str, options: &Options) -> *mut kren_reader {
        let reader = Self {
            is_lent: false,
            leased: None,
            serial: READERS.fetch_add(1, Ordering::Relaxed) << 40,
            end,
            is_subscriber,
            name: c_text(name),
            check: options.check(name),
            departed: VecDeque::new(),
            watched: Watched::default(),
        };
        Handle::open(reader).cast()
    }

    /// Lends the next message at `place`, if it is there.
    #[inline(always)]
    fn read_at_once(&mut self, place: &mut Out<kren_message>) -> Option<()> {
        let End::Ring(reader) = &mut self.end else {
            return None;
        };
        let (data, len, tag) = reader.next_at_once(&mut self.is_lent)?;
        self.serial += 1;
        place.set_message(data, len, tag, self.serial);
        Some(())
    }

    /// Lends the next message at `place`.
    fn read(&mut self, place: &mut Out<kren_message>, within: Option<Duration>) -> Outcome<()> {
        self.release();
        match &mut self.end {
            End::Ring(reader) if within.is_none() && !self.check.is_set() => {
                let message = reader.read()?;
                self.serial += 1;
                place.set_message(message.as_ptr(), message.len(), message.tag(), self.serial);
                message.keep();
                self.is_lent = true;
                Ok(())
            }
            _ => self.read_within(place, within),
        }
    }

    fn read_within(
        &mut self,
        place: &mut Out<kren_message>,
        within: Option<Duration>,
    ) -> Outcome<()> {
        loop {
            if self.try_read(place)? {
                return Ok(());
            }
            if within != Some(Duration::ZERO) {
                self.wait(within)?;
            } else if self.watched.arm(|| self.end.readable())? {
                return Err(Failure::Empty);
            } else {
                // There is something to see: a message, or that there will be none.
                match self.wait(within) {
                    Err(Error::TimedOut { .. }) => return Err(Failure::Empty),
                    waited => waited?,
                }
            }
        }
    }

    /// Tells whether there was one.
    fn try_read(&mut self, place: &mut Out<kren_message>) -> Outcome<bool> {
        let lease = match &mut self.end {
            End::Ring(reader) => {
                let Some(message) = reader.try_read()? else {
                    return Ok(false);
                };
                self.serial += 1;
                place.set_message(message.as_ptr(), message.len(), message.tag(), self.serial);
                message.keep();
                self.is_lent = true;
                return Ok(true);
            }
            End::Inbox(inbox) => {
                let Some(letter) = inbox.try_read()? else {
                    return Ok(false);
                };
                let sender = letter.sender().number;
                let lease = letter.into_lease();
                self.serial += 1;
                place
                    .set_message(lease.as_ptr(), lease.len(), lease.tag(), self.serial)
                    .sender = sender;
                lease
            }
            End::Worker(worker) => {
                let Some(work) = worker.try_read()? else {
                    return Ok(false);
                };
                let redelivered = work.redelivered().into();
                let lease = work.into_lease();
                self.serial += 1;
                place
                    .set_message(lease.as_ptr(), lease.len(), lease.tag(), self.serial)
                    .redelivered = redelivered;
                lease
            }
        };
        self.leased = Some(lease);
        Ok(true)
    }

    fn wait(&mut self, within: Option<Duration>) -> Result<()> {
        let check = &mut || self.check.run();
        match &mut self.end {
            End::Ring(reader) => reader.wait_readable(within, check),
            End::Inbox(inbox) => inbox.wait_readable(within, check),
            End::Worker(worker) => worker.wait_readable(within, check),
        }
    }

    /// Gives back what is lent.
    fn release(&mut self) {
        match &mut self.end {
            End::Ring(reader) if self.is_lent => {
                self.is_lent = false;
                reader.release_kept();
            }
            // What was released at once has not woken the writer.
            End::Ring(reader) => reader.answer(),
            _ => self.leased = None,
        }
    }

    fn hold(&mut self) -> Outcome<Lease> {
        match &mut self.end {
            End::Ring(reader) if self.is_lent => {
                self.is_lent = false;
                Ok(reader.lease_kept())
            }
            _ => self.leased.take().ok_or(NOTHING),
        }
    }

    fn leave(&mut self) -> Outcome<()> {
        // In a ring it is the next one for whoever reads.
        if !std::mem::take(&mut self.is_lent) {
            self.leased.take().ok_or(NOTHING)?.keep();
        }
        Ok(())
    }

    fn wait_for_writer(&mut self, within: Option<Duration>) -> Outcome<()> {
        self.release();
        let End::Ring(reader) = &mut self.end else {
            return Err(Failure::Misuse(
                &"an inbox and a worker wait for the other side as they read",
            ));
        };
        reader.wait_attached(within, &mut || self.check.run())?;
        // It may read another channel of the name by now.
        self.watched.call_off();
        Ok(())
    }

    fn info(&mut self) -> kren_info {
        let mut info = kren_info::new();
        match &mut self.end {
            End::Ring(reader) => {
                info.capacity = reader.capacity();
                info.available = reader.available();
                info.alignment = reader.alignment();
                info.held = reader.held();
                info.number = reader.next_number();
                info.removed = reader.is_removed().into();
                info.set_peer(reader.writer_state());
            }
            End::Inbox(inbox) => {
                info.available = inbox.available();
                info.removed = inbox.is_removed().into();
                info.set_peers(inbox.senders().len());
            }
            End::Worker(worker) => {
                info.removed = worker.is_removed().into();
                info.set_peer(worker.dealer_state());
            }
        }
        info
    }

    fn inbox(&mut self) -> Outcome<&mut KrenInbox> {
        match &mut self.end {
            End::Inbox(inbox) => Ok(inbox),
            _ => Err(Failure::Misuse(&"only an inbox has senders")),
        }
    }

    fn departure(&mut self) -> Outcome<kren_peer> {
        if self.departed.is_empty() {
            let departures = self.inbox()?.departures();
            self.departed.extend(departures);
        }
        let gone = self.departed.pop_front().ok_or(Failure::Empty)?;
        let state = match gone.died {
            true => kren_state::KREN_HAS_DIED,
            false => kren_state::KREN_HAS_CLOSED,
        };
        Ok(kren_peer::new(gone.sender, state))
    }

    /// For a selector.
    pub(crate) fn readable(&mut self) -> Outcome<Interest> {
        Ok(self.end.readable()?)
    }
}

impl End {
    fn readable(&mut self) -> Result<Interest> {
        match self {
            Self::Ring(reader) => reader.readable(),
            Self::Inbox(inbox) => inbox.readable(),
            Self::Worker(worker) => worker.readable(),
        }
    }

    fn close(self) -> Result<()> {
        match self {
            Self::Ring(reader) => reader.close(),
            Self::Inbox(inbox) => inbox.close(),
            Self::Worker(worker) => worker.close(),
        }
    }
}

const NOTHING: Failure = Failure::Misuse(&"no message is borrowed: kren_read() comes first");

/// Connects to the channel `name` as its one reader, and starts at its first message that was not released. Its writer need not live any
/// more. `options` may be null.
///
/// Waits for a channel that is not there as long as kren_options.timeout_ns says. The handle is to be closed by kren_reader_close().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_reader_connect(
    name: *const c_char,
    options: *const kren_options,
    reader: *mut *mut kren_reader,
) -> c_int {
    guard(|| {
        let (place, name) = (out(reader)?, named(name)?);
        let flags = Use::Flags(KREN_PREFAULT | KREN_MACHINE_WIDE | KREN_LIVE);
        let used = [flags, Use::Start, Use::Timeout, Use::Schema];
        let options = Options::take(&name, options, &used)?;
        let check = options.check(&name);
        let core = set!(KrenReader::options(), options, mapped);
        let mut core = core
            .live_writer(options.has(KREN_LIVE))
            .start(options.start());
        if let Some(schema) = options.schema(&name)? {
            core = core.schema(&schema);
        }
        let end = core.connect_within(&name, options.timeout(), &mut || check.run())?;
        place.set(Reader::open(End::Ring(end.into()), false, &name, &options));
        Ok(())
    })
}

/// Subscribes to the broadcast `name`: by default lossless, so that the publisher waits for it; KREN_LOSSY and kren_options.durable say
/// otherwise. `options` may be null.
///
/// Waits for a broadcast that is not there as long as kren_options.timeout_ns says. The handle is to be closed by kren_reader_close().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_subscriber_connect(
    name: *const c_char,
    options: *const kren_options,
    reader: *mut *mut kren_reader,
) -> c_int {
    guard(|| {
        let (place, name) = (out(reader)?, named(name)?);
        let flags = Use::Flags(KREN_PREFAULT | KREN_MACHINE_WIDE | KREN_LIVE | KREN_LOSSY);
        let used = [
            flags,
            Use::Start,
            Use::StartAfter,
            Use::Timeout,
            Use::Durable,
        ];
        let options = Options::take(&name, options, &used)?;
        let check = options.check(&name);
        let core = set!(KrenSubscriber::options(), options, mapped);
        let mut core = core
            .live_publisher(options.has(KREN_LIVE))
            .lossy(options.has(KREN_LOSSY))
            .start(options.start());
        if let Some(durable) = options.durable() {
            core = core.durable(&durable);
        }
        let end = core.connect_within(&name, options.timeout(), &mut || check.run())?;
        let end = End::Ring(end.into_reader().into());
        place.set(Reader::open(end, true, &name, &options));
        Ok(())
    })
}

/// Creates the inbox `name`, or goes on with it, and gives its one reading end; each sender that joins from now on gets `capacity` bytes
/// of records. `options` may be null. Never blocks. The handle is to be closed by kren_reader_close().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_inbox_create(
    name: *const c_char,
    capacity: usize,
    options: *const kren_options,
    reader: *mut *mut kren_reader,
) -> c_int {
    guard(|| {
        let (place, name) = (out(reader)?, named(name)?);
        let options = Options::take(&name, options, &[Use::Mode, Use::Seats])?;
        let core = set!(KrenInbox::options(), options, mode senders);
        let end = End::Inbox(core.create(&name, capacity)?.into());
        place.set(Reader::open(end, false, &name, &options));
        Ok(())
    })
}

/// Joins the work queue `name`, whose dealer need not be there yet, as one of its workers. A message is done when it is released; what a
/// worker that closes or dies has not released goes to another one. `options` may be null. Never blocks. The handle is to be closed by
/// kren_reader_close().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_worker_connect(
    name: *const c_char,
    options: *const kren_options,
    reader: *mut *mut kren_reader,
) -> c_int {
    guard(|| {
        let (place, name) = (out(reader)?, named(name)?);
        let options = Options::take(&name, options, &[Use::Mode, Use::Seats, Use::Ahead])?;
        let core = set!(KrenWorker::options(), options, mode workers).ahead(options.ahead());
        let end = End::Worker(core.connect(&name)?.into());
        place.set(Reader::open(end, false, &name, &options));
        Ok(())
    })
}

/// Borrows the next message, where it lies, at `*message`. It stays there until kren_release(), the next kren_read() or
/// kren_reader_close(), each of which gives it back to its writer; kren_hold() keeps it for longer.
///
/// Waits for a message `timeout_ns` nanoseconds at most, for ever with -1. With 0 it looks once, without a system call, and says KREN_EMPTY if there
/// is none, also where none can come any more: that a writer has closed (KREN_CLOSED) or died (KREN_PEER_DIED) is told once all it
/// committed has been read, by calls that wait, and by ends with a descriptor (kren_reader_fd()).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_read(
    reader: *mut kren_reader,
    message: *mut kren_message,
    timeout_ns: i64,
) -> c_int {
    // Without a guard: there is nothing in it that could panic.
    if read_at_once(reader, message).is_some() {
        return kren_code::KREN_OK as c_int;
    }
    // What comes soon is taken the short way too, which is most of a round trip.
    if timeout_ns != 0 && read_soon(reader, message).is_some() {
        return kren_code::KREN_OK as c_int;
    }
    read_any(reader, message, timeout_ns)
}

/// Polls for some microseconds, and takes what has come in the same turn: whatever is done between is on the message's way.
#[inline(never)]
fn read_soon(reader: *mut kren_reader, message: *mut kren_message) -> Option<()> {
    let place = out(message).ok()?;
    let mut turn = Handle::<Reader>::turn(reader.cast())?;
    let reader = turn.content()?;
    let End::Ring(ring) = &mut reader.end else {
        return None;
    };
    if reader.is_lent {
        return None;
    }
    // What was released at once has not woken the writer.
    ring.answer();
    if !ring.poll_readable() {
        return None;
    }
    let (data, len, tag) = ring.first_at_once(&mut reader.is_lent)?;
    reader.serial += 1;
    place.set_message(data, len, tag, reader.serial);
    Some(())
}

#[inline(always)]
fn read_at_once(reader: *mut kren_reader, message: *mut kren_message) -> Option<()> {
    let place = out(message).ok()?;
    Handle::<Reader>::turn(reader.cast())?
        .content()?
        .read_at_once(place)
}

/// Out of line, so that its frame does not weigh on a message that is there.
#[inline(never)]
fn read_any(reader: *mut kren_reader, message: *mut kren_message, timeout_ns: i64) -> c_int {
    guard(|| {
        let place = out(message)?;
        Handle::with(reader.cast(), |reader: &mut Reader| {
            reader.read(place, timeout(timeout_ns))
        })
    })
}

/// Gives the borrowed message back to its writer: the one at `message`, if it still is the one that is borrowed, or with null whichever
/// is. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_release(
    reader: *mut kren_reader,
    message: *const kren_message,
) -> c_int {
    match release_at_once(reader, message) {
        Some(()) => kren_code::KREN_OK as c_int,
        None => release_any(reader, message),
    }
}

#[inline(always)]
fn release_at_once(reader: *mut kren_reader, message: *const kren_message) -> Option<()> {
    let mut turn = Handle::<Reader>::turn(reader.cast())?;
    match turn.content()? {
        Reader {
            end: End::Ring(ring),
            serial,
            is_lent,
            ..
        } if means(message, *serial) => ring.release_at_once(is_lent),
        _ => None,
    }
}

/// As `read_any`.
#[inline(never)]
fn release_any(reader: *mut kren_reader, message: *const kren_message) -> c_int {
    guard(|| {
        Handle::with(reader.cast(), |reader: &mut Reader| {
            if means(message, reader.serial) {
                reader.release();
            }
            Ok(())
        })
    })
}

/// Whether it is the message that was lent last, or whichever is meant.
#[inline]
fn means(message: *const kren_message, serial: u64) -> bool {
    // SAFETY: H1: as `kren_read` has stored it.
    message.is_null() || unsafe { (*message).serial } == serial
}

/// Takes the borrowed message out of the reader's hands: it stays until kren_lease_release(), also when the reader has read on or was
/// closed, and a ring that is full of held messages blocks its writer. `message`, if it is not null, gets the bytes' place anew, which for
/// a subscriber that may be overtaken is another one. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_hold(
    reader: *mut kren_reader,
    message: *mut kren_message,
    lease: *mut *mut kren_lease,
) -> c_int {
    guard(|| {
        let place = out(lease)?;
        Handle::with(reader.cast(), |reader: &mut Reader| {
            let lease = reader.hold()?;
            if !message.is_null() {
                // SAFETY: H1: as `kren_read` has stored it.
                unsafe {
                    (*message).data = lease.as_ptr().cast();
                    (*message).len = lease.len();
                }
            }
            place.set(kren_lease::open(lease));
            Ok(())
        })
    })
}

/// Leaves the borrowed message in the channel, for a worker or a reader that is about to close: whoever comes next gets it. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_leave(reader: *mut kren_reader) -> c_int {
    guard(|| Handle::with(reader.cast(), |reader: &mut Reader| reader.leave()))
}

/// Waits until a live writer, or publisher, is there, `timeout_ns` nanoseconds at most or for ever with -1: after KREN_CLOSED,
/// KREN_PEER_DIED or KREN_REMOVED, to go on with a successor. Gives a borrowed message back.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_wait_for_writer(reader: *mut kren_reader, timeout_ns: i64) -> c_int {
    guard(|| {
        Handle::with(reader.cast(), |reader: &mut Reader| {
            reader.wait_for_writer(timeout(timeout_ns))
        })
    })
}

/// A sender that is gone, and from which nothing more comes, at `*peer`, each once: kren_peer.state is KREN_HAS_CLOSED or
/// KREN_HAS_DIED. KREN_EMPTY: there is none to be told of. Of an inbox. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_departure(reader: *mut kren_reader, peer: *mut kren_peer) -> c_int {
    guard(|| {
        let place = out(peer)?;
        Handle::with(reader.cast(), |reader: &mut Reader| {
            place.set(reader.departure()?);
            Ok(())
        })
    })
}

/// What is known of the end. Makes some system calls; never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_reader_info(reader: *mut kren_reader, info: *mut kren_info) -> c_int {
    guard(|| {
        check_size(info)?;
        Handle::with(reader.cast(), |reader: &mut Reader| {
            out(info)?.set(reader.info());
            Ok(())
        })
    })
}

/// The senders that an inbox has: stores the first `room` at `peers`, and how many there are at `count`. `peers` may be null with a room
/// of 0. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_reader_peers(
    reader: *mut kren_reader,
    peers: *mut kren_peer,
    room: usize,
    count: *mut usize,
) -> c_int {
    guard(|| {
        let senders = Handle::with(reader.cast(), |reader: &mut Reader| {
            Ok(reader.inbox()?.senders())
        })?;
        let describe = |sender| kren_peer::new(sender, kren_state::KREN_ATTACHED);
        let found: Vec<_> = senders.into_iter().map(describe).collect();
        list(&found, peers, room, count)
    })
}

/// The name it was opened by, as long as it is open; null if `reader` is no open handle. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_reader_name(reader: *mut kren_reader) -> *const c_char {
    let mut name = std::ptr::null();
    guard(|| {
        name = Handle::with(reader.cast(), |reader: &mut Reader| {
            Ok(reader.name.as_ptr())
        })?;
        Ok(())
    });
    name
}

/// A file descriptor for epoll, poll, libuv or asio, at `*fd`: readable while there may be a message, or the end of them. Read with a
/// time-out of 0 until that says KREN_EMPTY, which makes it unreadable. Such an end tells KREN_CLOSED and the like also with a time-out of 0.
/// The descriptor stays the library's, and is gone with the handle. Not to be read, written or closed. Not on Windows (KREN_MISUSE).
/// Takes the library's one waiting thread; never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_reader_fd(reader: *mut kren_reader, fd: *mut c_int) -> c_int {
    guard(|| {
        let place = out(fd)?;
        Handle::with(reader.cast(), |reader: &mut Reader| {
            let name = reader.name.to_string_lossy().into_owned();
            place.set(reader.watched.fd(&name)?);
            Ok(())
        })
    })
}

/// Closes the end; a borrowed message is given back before, and messages that were not read stay for the next reader. Null is left
/// alone. Never blocks.
///
/// The handle is gone whatever this returns, but for KREN_BUSY: another call is under way.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_reader_close(reader: *mut kren_reader) -> c_int {
    guard(|| {
        let Some(mut reader) = Handle::<Reader>::close(reader.cast())? else {
            return Ok(());
        };
        reader.release();
        // Before the end: nobody waits for it any more.
        reader.watched.call_off();
        Ok(reader.end.close()?)
    })
}

/// As kren_reader_close(), and gives the place of a durable subscriber up: nothing is kept for it any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_unsubscribe(reader: *mut kren_reader) -> c_int {
    guard(|| {
        Handle::with(reader.cast(), |reader: &mut Reader| match &mut reader.end {
            End::Ring(end) if reader.is_subscriber => Ok(end.give_up_place()?),
            _ => Err(Failure::Misuse(&"only a subscriber has a place to give up")),
        })?;
        match Handle::<Reader>::close(reader.cast())? {
            Some(mut reader) => {
                reader.release();
                Ok(reader.end.close()?)
            }
            None => Ok(()),
        }
    })
}
