//! The ends that write: of a channel, a broadcast, an inbox and a work queue.
#![allow(unsafe_code)]

use std::ffi::{CString, c_char, c_int, c_void};
use std::time::{Duration, Instant};

use kren_core::array::put_table_header;
use kren_core::{
    Error, KrenDealer, KrenPublisher, KrenSender, KrenWriter, Order, PublisherOptions, Slot,
    WriterOptions,
};

use crate::borrowed::{bytes, c_text, list, named, out, timeout};
use crate::code::kren_code;
use crate::descriptor::Watched;
use crate::failure::{Failure, Outcome, guard};
use crate::handle::{Handle, kind};
use crate::options::{
    Check, KREN_FRESH, KREN_LOSSY, KREN_MACHINE_WIDE, KREN_PREFAULT, Options, Use, kren_options,
    set,
};
use crate::peers::{check_size, kren_info, kren_peer};

/// An end that writes: a writer, a publisher, a sender or a dealer.
///
/// One thread at a time uses it, any thread; a call while another one is under way is KREN_BUSY wherever that can be seen. In a child
/// made by fork every call is KREN_FORKED, and closing it leaves the parent's end alone.
pub struct kren_writer {
    _handle: Handle<Writer>,
}

kind!(Writer, b"writ");

pub(crate) struct Writer {
    end: End,
    kind: Kind,
    name: CString,
    check: Check,
    reserved: Option<Reserved>,
    watched: Watched,
}

/// Bytes that are lent, to be committed.
#[derive(Clone, Copy)]
struct Reserved {
    /// Bytes in front, which are the library's own.
    front: usize,
    /// Bytes that the user fills.
    len: usize,
    form: Form,
}

/// What a message becomes that is built in place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Bytes,
    /// Its front is there already.
    Array,
    Table,
}

enum End {
    Ring(Box<KrenWriter>),
    Dealer(Box<KrenDealer>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Writer,
    Publisher,
    Sender,
    Dealer,
}

const NOT_OF_A_DEALER: Failure = Failure::Misuse(
    &"a dealer has no ring of its own: it can neither reserve nor write several at once",
);

impl Writer {
    fn open(end: End, kind: Kind, name: &str, options: &Options) -> *mut kren_writer {
        let writer = Self {
            end,
            kind,
            name: c_text(name),
            check: options.check(name),
            reserved: None,
            watched: Watched::default(),
        };
        Handle::open(writer).cast()
    }

    pub(crate) fn name(&self) -> &str {
        self.name.to_str().unwrap_or_default()
    }

    fn write(
        &mut self,
        key: Option<&[u8]>,
        data: &[u8],
        tag: u32,
        within: Option<Duration>,
    ) -> Outcome<()> {
        if self.reserved.is_some() {
            return Err(RESERVED);
        }
        match &mut self.end {
            End::Ring(writer) if within.is_none() && !self.check.is_set() && key.is_none() => {
                Ok(writer.write_tagged(tag, data)?)
            }
            _ => self.write_later(key, data, tag, within),
        }
    }

    #[inline(never)]
    fn write_later(
        &mut self,
        key: Option<&[u8]>,
        data: &[u8],
        tag: u32,
        within: Option<Duration>,
    ) -> Outcome<()> {
        let check = &mut || self.check.run();
        let (end, watched) = (&mut self.end, &mut self.watched);
        match end {
            End::Ring(_) if key.is_some() => Err(Failure::Misuse(
                &"a key is for a dealer, which chooses a worker by it",
            )),
            End::Ring(writer) => match writer.try_write_tagged(tag, data) {
                Err(Error::Full { .. }) if within != Some(Duration::ZERO) => {
                    writer.wait_writable(data.len(), within, check)?;
                    Ok(writer.try_write_tagged(tag, data)?)
                }
                Err(full @ Error::Full { .. }) => {
                    if !watched.arm(|| writer.writable(data.len()))? {
                        // The reader was faster; or it is gone, which a look tells.
                        writer.wait_writable(data.len(), Some(Duration::ZERO), check)?;
                        return Ok(writer.try_write_tagged(tag, data)?);
                    }
                    Err(full.into())
                }
                written => Ok(written?),
            },
            End::Dealer(dealer) => {
                let order = Order {
                    tag,
                    key,
                    ..Order::new(data)
                };
                if within != Some(Duration::ZERO) {
                    return Ok(dealer.write_checking(&order, within, check)?);
                }
                if dealer.try_order(&order)?
                    || !watched.arm(|| dealer.progress())? && dealer.try_order(&order)?
                {
                    return Ok(());
                }
                Err(full(dealer, data.len()))
            }
        }
    }

    /// The ring, where there is one.
    fn ring(&mut self) -> Outcome<&mut KrenWriter> {
        match &mut self.end {
            End::Ring(writer) => Ok(writer),
            End::Dealer(_) => Err(NOT_OF_A_DEALER),
        }
    }

    /// Lends `front + len` bytes, of which the user is to get those behind the front.
    pub(crate) fn reserve(
        &mut self,
        form: Form,
        front: usize,
        len: usize,
        within: Option<Duration>,
    ) -> Outcome<*mut u8> {
        if self.reserved.is_some() {
            return Err(RESERVED);
        }
        let End::Ring(writer) = &mut self.end else {
            return Err(NOT_OF_A_DEALER);
        };
        let reserved = Reserved { front, len, form };
        let len = front.saturating_add(len);
        let slot = match writer.try_reserve(len) {
            Ok(mut slot) => slot.as_mut_ptr(),
            Err(Error::Full { .. }) if within != Some(Duration::ZERO) => {
                writer.wait_writable(len, within, &mut || self.check.run())?;
                writer.try_reserve(len)?.as_mut_ptr()
            }
            Err(error) => {
                if matches!(error, Error::Full { .. }) {
                    self.watched.arm(|| writer.writable(len))?;
                }
                return Err(error.into());
            }
        };
        self.reserved = Some(reserved);
        Ok(slot)
    }

    fn commit(&mut self, len: usize, tag: u32) -> Outcome<()> {
        let Some(reserved) = self.reserved else {
            return Err(Failure::Misuse(
                &"nothing is reserved: kren_reserve() comes first",
            ));
        };
        let Reserved { front, form, .. } = reserved;
        if form == Form::Array && len != reserved.len {
            return Err(Failure::Misuse(
                &"an array is committed whole: by its kren_array.nbytes",
            ));
        }
        // The same bytes again, with what was stored there: nothing was written in between.
        let mut slot = self.ring()?.try_reserve(front + reserved.len)?;
        if form == Form::Table {
            put_table_header(&mut slot, len);
        }
        slot.set_tag(tag);
        slot.commit_len(front.saturating_add(len))?;
        self.reserved = None;
        Ok(())
    }

    /// Writes a message of `len` bytes that `fill` stores where it will lie.
    pub(crate) fn build(
        &mut self,
        len: usize,
        tag: u32,
        within: Option<Duration>,
        fill: &mut dyn FnMut(&mut Slot<'_>),
    ) -> Outcome<()> {
        if let End::Ring(_) = &self.end {
            self.reserve(Form::Bytes, 0, len, within)?;
            self.reserved = None;
            let mut slot = self.ring()?.try_reserve(len)?;
            fill(&mut slot);
            slot.set_tag(tag);
            slot.commit();
            return Ok(());
        }
        let start = Instant::now();
        let check = &mut || self.check.run();
        let End::Dealer(dealer) = &mut self.end else {
            return Ok(());
        };
        let order = Order {
            tag,
            ..Order::new(&[])
        };
        loop {
            if dealer.try_build(&order, len, fill)? {
                return Ok(());
            }
            if within == Some(Duration::ZERO) {
                if self.watched.arm(|| dealer.progress())? {
                    return Err(full(dealer, len));
                }
                continue;
            }
            let left = within.map(|within| within.saturating_sub(start.elapsed()));
            dealer.wait_open(left, check)?;
        }
    }

    fn flush(&mut self, within: Option<Duration>) -> Outcome<()> {
        let check = &mut || self.check.run();
        Ok(match &mut self.end {
            End::Ring(writer) => writer.wait_drained(within, check),
            End::Dealer(dealer) => dealer.drain_checking(within, check),
        }?)
    }

    fn info(&mut self) -> kren_info {
        let mut info = kren_info::new();
        match &self.end {
            End::Ring(writer) => {
                info.capacity = writer.capacity();
                info.available = writer.available();
                info.max_message_len = writer.max_message_len();
                info.alignment = writer.alignment();
                info.removed = writer.is_removed().into();
                match self.kind {
                    Kind::Publisher => info.set_peers(writer.subscribers().len()),
                    Kind::Sender => {
                        info.number = writer.sender_number();
                        info.set_peer(writer.inbox_state());
                    }
                    _ => info.set_peer(writer.reader_state()),
                }
            }
            End::Dealer(dealer) => {
                info.available = dealer.available();
                info.max_message_len = dealer.max_message_len();
                info.removed = dealer.is_removed().into();
                info.set_peers(dealer.workers());
            }
        }
        info
    }

    fn peers(&mut self) -> Outcome<Vec<kren_peer>> {
        if self.kind != Kind::Publisher {
            return Err(Failure::Misuse(
                &"only a publisher has a list of those on the other side",
            ));
        }
        let describe = |subscriber: kren_core::Subscriber| kren_peer {
            number: subscriber.seat as u64,
            pid: subscriber.holder.pid(),
            state: subscriber.state.into(),
            behind: subscriber.behind,
            behind_bytes: subscriber.behind_bytes,
            flags: if subscriber.is_lossy { KREN_LOSSY } else { 0 },
            durable: subscriber.is_durable.into(),
        };
        Ok(self
            .ring()?
            .subscribers()
            .into_iter()
            .map(describe)
            .collect())
    }

    /// For a selector.
    pub(crate) fn writable(&mut self, len: usize) -> Outcome<kren_core::Interest> {
        Ok(match &mut self.end {
            End::Ring(writer) => writer.writable(len),
            End::Dealer(dealer) => dealer.progress(),
        }?)
    }

    /// For a selector.
    pub(crate) fn drained(&mut self) -> Outcome<kren_core::Interest> {
        Ok(match &mut self.end {
            End::Ring(writer) => writer.drained(),
            End::Dealer(dealer) => dealer.drained(),
        }?)
    }
}

#[cold]
fn full(dealer: &KrenDealer, needed: usize) -> Failure {
    Failure::from(Error::Full {
        channel: dealer.name().into(),
        needed,
        available: dealer.available(),
    })
}

const RESERVED: Failure = Failure::Misuse(
    &"bytes are reserved: kren_commit() or kren_abort() comes before anything else is written",
);

fn writer_options(options: &Options, channel: &str) -> Outcome<WriterOptions> {
    let mut core = set!(KrenWriter::options(), options, mode alignment fresh mapped);
    if let Some(schema) = options.schema(channel)? {
        core = core.schema(&schema);
    }
    Ok(core)
}

/// Creates the channel `name` with room for `capacity` bytes of records, or goes on with it, and gives its one writer.
///
/// `name` has 1 to 128 of the characters a-z A-Z 0-9 . _ -; `capacity` is rounded up to the page size, and each message takes 8 bytes
/// more than its length, rounded up to the alignment. All memory is reserved here. What an earlier writer committed stays, and the
/// reader gets it first. `options` may be null.
///
/// Blocks only while it reserves memory. The handle is to be closed by kren_writer_close().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_writer_create(
    name: *const c_char,
    capacity: usize,
    options: *const kren_options,
    writer: *mut *mut kren_writer,
) -> c_int {
    guard(|| {
        let (place, name) = (out(writer)?, named(name)?);
        let flags = Use::Flags(KREN_FRESH | KREN_PREFAULT | KREN_MACHINE_WIDE);
        let used = [flags, Use::Mode, Use::Alignment, Use::Schema];
        let options = Options::take(&name, options, &used)?;
        let check = options.check(&name);
        let core = writer_options(&options, &name)?;
        let end = core.create_checked(&name, capacity, &mut || check.run())?;
        place.set(Writer::open(
            End::Ring(end.into()),
            Kind::Writer,
            &name,
            &options,
        ));
        Ok(())
    })
}

/// Creates the broadcast `name`, or goes on with it, and gives its one publisher: what it writes is read by every subscriber
/// where it lies. It never waits for somebody to subscribe (see kren_wait_for_subscribers()), and then for the slowest, unless
/// kren_options.evict_after_ns says otherwise. Everything else is as in kren_writer_create().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_publisher_create(
    name: *const c_char,
    capacity: usize,
    options: *const kren_options,
    writer: *mut *mut kren_writer,
) -> c_int {
    guard(|| {
        let (place, name) = (out(writer)?, named(name)?);
        let flags = Use::Flags(KREN_FRESH | KREN_PREFAULT | KREN_MACHINE_WIDE);
        let used = [
            flags,
            Use::Mode,
            Use::Alignment,
            Use::EvictAfter,
            Use::Seats,
        ];
        let options = Options::take(&name, options, &used)?;
        let check = options.check(&name);
        let core: PublisherOptions =
            KrenPublisher::options().writer(&writer_options(&options, &name)?);
        let mut core = set!(core, options, subscribers);
        if let Some(patience) = options.evict_after() {
            core = core.evict_after(patience);
        }
        let end = core.create_checked(&name, capacity, &mut || check.run())?;
        let end = End::Ring(end.into_writer().into());
        place.set(Writer::open(end, Kind::Publisher, &name, &options));
        Ok(())
    })
}

/// Joins the inbox `name`, which need not be there yet, as one of its senders. `options` may be null.
///
/// Blocks only while it reserves memory. The handle is to be closed by kren_writer_close().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_sender_connect(
    name: *const c_char,
    options: *const kren_options,
    writer: *mut *mut kren_writer,
) -> c_int {
    guard(|| {
        let (place, name) = (out(writer)?, named(name)?);
        let used = [Use::Mode, Use::Alignment, Use::Capacity, Use::Seats];
        let options = Options::take(&name, options, &used)?;
        let core = set!(KrenSender::options(), options, mode alignment capacity senders);
        let end = core.connect(&name)?.into_writer();
        place.set(Writer::open(
            End::Ring(end.into()),
            Kind::Sender,
            &name,
            &options,
        ));
        Ok(())
    })
}

/// Creates the work queue `name`, or goes on with it, and gives its one dealer: each message goes to one of the workers, the one with
/// the fewest waiting, or by a key (kren_write_keyed()). Each worker gets `capacity` bytes of records. `options` may be null.
///
/// Blocks only while it reserves memory. The handle is to be closed by kren_writer_close().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_dealer_create(
    name: *const c_char,
    capacity: usize,
    options: *const kren_options,
    writer: *mut *mut kren_writer,
) -> c_int {
    guard(|| {
        let (place, name) = (out(writer)?, named(name)?);
        let options = Options::take(&name, options, &[Use::Mode, Use::Alignment, Use::Seats])?;
        let core = set!(KrenDealer::options(), options, mode alignment workers);
        let end = core.create(&name, capacity)?;
        place.set(Writer::open(
            End::Dealer(end.into()),
            Kind::Dealer,
            &name,
            &options,
        ));
        Ok(())
    })
}

/// Writes one message of `len` bytes with a `tag`, which its reader finds on it; 0 where none is wanted.
///
/// Waits for room `timeout_ns` nanoseconds at most, for ever with -1, not at all with 0, which is KREN_FULL instead of KREN_TIMED_OUT.
/// A dealer waits for a worker as well. Makes no system call unless it waits or somebody sleeps.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_write(
    writer: *mut kren_writer,
    data: *const c_void,
    len: usize,
    tag: u32,
    timeout_ns: i64,
) -> c_int {
    if !KrenWriter::is_short(len) {
        return write_long(writer, data, len, tag, timeout_ns);
    }
    // Without a guard: there is nothing in it that could panic.
    match write_at_once::<false>(writer, data, len, tag) {
        Some(true) => kren_code::KREN_OK as c_int,
        Some(false) => answer(writer),
        None => write_any(writer, data, len, tag, timeout_ns),
    }
}

/// Writes by the ring alone, if that can be done; with `false` the other side is to be woken.
#[inline(always)]
fn write_at_once<const LONG: bool>(
    writer: *mut kren_writer,
    data: *const c_void,
    len: usize,
    tag: u32,
) -> Option<bool> {
    let data = bytes(data, len).ok()?;
    let mut turn = Handle::<Writer>::turn(writer.cast())?;
    let Writer {
        end: End::Ring(ring),
        reserved: None,
        ..
    } = turn.content()?
    else {
        return None;
    };
    if LONG {
        ring.write_long_at_once(tag, data)
    } else {
        ring.write_at_once(tag, data)
    }
}

/// Out of line, as all that follows, so that the frame of each does not weigh on those before.
#[inline(never)]
fn write_long(
    writer: *mut kren_writer,
    data: *const c_void,
    len: usize,
    tag: u32,
    timeout_ns: i64,
) -> c_int {
    match write_at_once::<true>(writer, data, len, tag) {
        Some(true) => kren_code::KREN_OK as c_int,
        Some(false) => answer(writer),
        None => write_any(writer, data, len, tag, timeout_ns),
    }
}

#[inline(never)]
fn write_any(
    writer: *mut kren_writer,
    data: *const c_void,
    len: usize,
    tag: u32,
    timeout_ns: i64,
) -> c_int {
    guard(|| {
        let data = bytes(data, len)?;
        Handle::with(writer.cast(), |writer: &mut Writer| {
            writer.write(None, data, tag, timeout(timeout_ns))
        })
    })
}

/// Wakes the other side after a message.
#[inline(never)]
fn answer(writer: *mut kren_writer) -> c_int {
    guard(|| {
        Handle::with(writer.cast(), |writer: &mut Writer| {
            writer.ring()?.answer();
            Ok(())
        })
    })
}

/// As kren_write(), of a dealer: the message goes to the worker that gets all messages of this key, as long as no worker comes or goes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_write_keyed(
    writer: *mut kren_writer,
    key: *const c_void,
    key_len: usize,
    data: *const c_void,
    len: usize,
    tag: u32,
    timeout_ns: i64,
) -> c_int {
    guard(|| {
        let (key, data) = (bytes(key, key_len)?, bytes(data, len)?);
        Handle::with(writer.cast(), |writer: &mut Writer| {
            writer.write(Some(key), data, tag, timeout(timeout_ns))
        })
    })
}

/// A message that is to be written.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct kren_slice {
    /// Its bytes; may be null where there are none.
    pub data: *const c_void,
    /// How many.
    pub len: usize,
    /// Its tag.
    pub tag: u32,
}

/// Writes `count` messages that become visible together, or none of them. Waits for room as long as it takes. Not of a dealer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_write_batch(
    writer: *mut kren_writer,
    messages: *const kren_slice,
    count: usize,
) -> c_int {
    guard(|| {
        if messages.is_null() && count > 0 {
            return Err(Failure::Misuse(
                &"the messages are null, and their number is not 0",
            ));
        }
        Handle::with(writer.cast(), |writer: &mut Writer| {
            if writer.reserved.is_some() {
                return Err(RESERVED);
            }
            let mut batch = writer.ring()?.batch();
            for at in 0..count {
                // SAFETY: H1: there are `count` of them.
                let message = unsafe { *messages.add(at) };
                batch.push_tagged(message.tag, bytes(message.data, message.len)?)?;
            }
            batch.commit();
            Ok(())
        })
    })
}

/// Lends `len` bytes in shared memory at `*data`, to build a message in place; waits for room as kren_write() does. They hold what
/// the ring held before. Until kren_commit() or kren_abort() nothing else can be written; the bytes are the library's again after either, and
/// after kren_writer_close(). Not of a dealer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_reserve(
    writer: *mut kren_writer,
    len: usize,
    data: *mut *mut c_void,
    timeout_ns: i64,
) -> c_int {
    match reserve_at_once(writer, len, data) {
        Some(()) => kren_code::KREN_OK as c_int,
        None => reserve_any(writer, len, timeout_ns, data),
    }
}

#[inline(always)]
fn reserve_at_once(writer: *mut kren_writer, len: usize, data: *mut *mut c_void) -> Option<()> {
    let place = out(data).ok()?;
    let mut turn = Handle::<Writer>::turn(writer.cast())?;
    let Writer {
        end: End::Ring(ring),
        reserved: reserved @ None,
        ..
    } = turn.content()?
    else {
        return None;
    };
    place.set(ring.reserve_at_once(len)?.cast());
    *reserved = Some(Reserved {
        front: 0,
        len,
        form: Form::Bytes,
    });
    Some(())
}

#[inline(never)]
fn reserve_any(
    writer: *mut kren_writer,
    len: usize,
    timeout_ns: i64,
    data: *mut *mut c_void,
) -> c_int {
    guard(|| {
        let place = out(data)?;
        Handle::with(writer.cast(), |writer: &mut Writer| {
            let room = writer.reserve(Form::Bytes, 0, len, timeout(timeout_ns))?;
            place.set(room.cast());
            Ok(())
        })
    })
}

/// Publishes the first `len` of the reserved bytes as one message. More than were reserved is KREN_TOO_LARGE, and they stay reserved.
/// Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_commit(writer: *mut kren_writer, len: usize, tag: u32) -> c_int {
    match commit_at_once(writer, len, tag) {
        Some(true) => kren_code::KREN_OK as c_int,
        Some(false) => answer(writer),
        None => commit_any(writer, len, tag),
    }
}

#[inline(always)]
fn commit_at_once(writer: *mut kren_writer, len: usize, tag: u32) -> Option<bool> {
    let mut turn = Handle::<Writer>::turn(writer.cast())?;
    let Writer {
        end: End::Ring(ring),
        reserved,
        ..
    } = turn.content()?
    else {
        return None;
    };
    let room = (*reserved)?;
    if room.form != Form::Bytes || room.len < len {
        return None;
    }
    let committed = ring.commit_at_once(len, tag)?;
    *reserved = None;
    Some(committed)
}

#[inline(never)]
fn commit_any(writer: *mut kren_writer, len: usize, tag: u32) -> c_int {
    guard(|| Handle::with(writer.cast(), |writer: &mut Writer| writer.commit(len, tag)))
}

/// Gives reserved bytes up: no reader ever sees them. Does nothing where none are. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_abort(writer: *mut kren_writer) -> c_int {
    guard(|| {
        Handle::with(writer.cast(), |writer: &mut Writer| {
            writer.reserved = None;
            Ok(())
        })
    })
}

/// Waits until everything that was written has been released on the other side, `timeout_ns` nanoseconds at most or for ever with -1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_flush(writer: *mut kren_writer, timeout_ns: i64) -> c_int {
    guard(|| {
        Handle::with(writer.cast(), |writer: &mut Writer| {
            writer.flush(timeout(timeout_ns))
        })
    })
}

/// Waits until at least `count` subscribers are there, `timeout_ns` nanoseconds at most or for ever with -1. Of a publisher.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_wait_for_subscribers(
    writer: *mut kren_writer,
    count: usize,
    timeout_ns: i64,
) -> c_int {
    guard(|| {
        Handle::with(writer.cast(), |writer: &mut Writer| match &mut writer.end {
            End::Ring(publisher) if writer.kind == Kind::Publisher => {
                let check = &mut || writer.check.run();
                Ok(publisher.wait_subscribed(count, timeout(timeout_ns), check)?)
            }
            _ => Err(Failure::Misuse(&"only a publisher has subscribers")),
        })
    })
}

/// What is known of the end. Makes some system calls; never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_writer_info(writer: *mut kren_writer, info: *mut kren_info) -> c_int {
    guard(|| {
        check_size(info)?;
        Handle::with(writer.cast(), |writer: &mut Writer| {
            out(info)?.set(writer.info());
            Ok(())
        })
    })
}

/// Who is on the other side of a publisher, and durable subscribers that are not: stores the first `room` at `peers`, and how many there
/// are at `count`. `peers` may be null with a room of 0. Makes a system call for each; never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_writer_peers(
    writer: *mut kren_writer,
    peers: *mut kren_peer,
    room: usize,
    count: *mut usize,
) -> c_int {
    guard(|| {
        let found = Handle::with(writer.cast(), |writer: &mut Writer| writer.peers())?;
        list(&found, peers, room, count)
    })
}

/// The name it was opened by, as long as it is open; null if `writer` is no open handle. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_writer_name(writer: *mut kren_writer) -> *const c_char {
    let mut name = std::ptr::null();
    guard(|| {
        name = Handle::with(writer.cast(), |writer: &mut Writer| {
            Ok(writer.name.as_ptr())
        })?;
        Ok(())
    });
    name
}

/// A file descriptor for epoll, poll, libuv or asio, at `*fd`: readable while a write with a time-out of 0 may succeed that was
/// KREN_FULL before; that call, when it says KREN_FULL again, makes it unreadable. It stays the library's, and is gone with the handle. Not
/// to be read, written or closed. Not on Windows (KREN_MISUSE). Takes the library's one waiting thread; never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_writer_fd(writer: *mut kren_writer, fd: *mut c_int) -> c_int {
    guard(|| {
        let place = out(fd)?;
        Handle::with(writer.cast(), |writer: &mut Writer| {
            let name = writer.name().to_owned();
            place.set(writer.watched.fd(&name)?);
            Ok(())
        })
    })
}

/// Closes the end: the other side gets what was written, then KREN_CLOSED. Null is left alone. Never blocks.
///
/// The handle is gone whatever this returns, but for KREN_BUSY: another call is under way.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_writer_close(writer: *mut kren_writer) -> c_int {
    guard(|| {
        let Some(mut writer) = Handle::<Writer>::close(writer.cast())? else {
            return Ok(());
        };
        // Before the end: nobody waits for it any more.
        writer.watched.call_off();
        Ok(match writer.end {
            End::Ring(writer) => writer.close(),
            End::Dealer(dealer) => dealer.close(),
        }?)
    })
}
