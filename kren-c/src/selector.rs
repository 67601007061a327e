//! Waiting for many ends at once.
#![allow(unsafe_code)]

use std::collections::{HashMap, VecDeque};
use std::ffi::c_int;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kren_core::{Canceller, Event, EventKind, Interest, Selector};

use crate::borrowed::{list, out, timeout};
use crate::client::{Client, kren_client};
use crate::failure::{Failure, Outcome, guard};
use crate::handle::{Content, Handle, kind};
use crate::reader::{Reader, kren_reader};
use crate::server::{Server, kren_server};
use crate::writer::{Writer, kren_writer};

/// Waits for any number of ends of any kind, and for timers.
///
/// One thread at a time uses it, any thread, but for kren_selector_cancel(). The ends stay with their owners, also in other threads; each
/// can be in one selector at a time, and is to be taken out before it is closed.
pub struct kren_selector {
    _handle: Handle<Selecting>,
}

kind!(Selecting, b"slct");

pub(crate) struct Selecting {
    core: Selector,
    /// Found, and not told for want of room.
    left: VecDeque<kren_event>,
}

/// What has happened.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum kren_event_kind {
    /// What was asked for is there.
    KREN_READY = 1,
    /// It will not come: a call of the end itself says why, one that waits. Stays so until the end is taken out.
    KREN_GONE = 2,
    /// The timer's time has come.
    KREN_TIMER = 3,
}

/// What a wait has found.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct kren_event {
    /// The key that it was added with.
    pub key: u64,
    /// What has happened.
    pub kind: kren_event_kind,
}

impl From<Event> for kren_event {
    fn from(event: Event) -> Self {
        Self {
            key: event.key,
            kind: match event.kind {
                EventKind::Ready => kren_event_kind::KREN_READY,
                EventKind::Timer => kren_event_kind::KREN_TIMER,
                _ => kren_event_kind::KREN_GONE,
            },
        }
    }
}

/// How other threads end waits, by the selector's address: they may not reach into it.
static CANCELLERS: LazyLock<Mutex<HashMap<usize, Canceller>>> = LazyLock::new(Mutex::default);

fn cancellers() -> MutexGuard<'static, HashMap<usize, Canceller>> {
    CANCELLERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A selector with nothing in it. Never blocks. The handle is to be closed by kren_selector_close().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_selector_create(selector: *mut *mut kren_selector) -> c_int {
    guard(|| {
        let place = out(selector)?;
        let core = Selector::new()?;
        let canceller = core.canceller();
        let handle: *mut kren_selector = Handle::open(Selecting {
            core,
            left: VecDeque::new(),
        })
        .cast();
        cancellers().insert(handle as usize, canceller);
        place.set(handle);
        Ok(())
    })
}

fn add<T: Content>(
    selector: *mut kren_selector,
    key: u64,
    end: *const Handle<T>,
    interest: impl FnOnce(&mut T) -> Outcome<Interest>,
) -> c_int {
    guard(|| {
        let interest = Handle::with(end, interest)?;
        Handle::with(selector.cast(), |selecting: &mut Selecting| {
            Ok(selecting.core.add(key, interest)?)
        })
    })
}

/// Waits for messages of this reader, subscriber, inbox or worker from now on; `key` is what the events say. KREN_INVALID_OPTION: the key
/// is in use; KREN_BUSY: another selector, or a descriptor, waits for this end. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_selector_add_reader(
    selector: *mut kren_selector,
    key: u64,
    reader: *mut kren_reader,
) -> c_int {
    add(
        selector,
        key,
        reader.cast::<Handle<Reader>>(),
        Reader::readable,
    )
}

/// As kren_selector_add_reader(), for room for a message of `len` bytes; of a dealer, for anything that may let it write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_selector_add_writer(
    selector: *mut kren_selector,
    key: u64,
    writer: *mut kren_writer,
    len: usize,
) -> c_int {
    add(selector, key, writer.cast::<Handle<Writer>>(), |writer| {
        writer.writable(len)
    })
}

/// As kren_selector_add_reader(), for everything that this writer has written to be released.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_selector_add_drained(
    selector: *mut kren_selector,
    key: u64,
    writer: *mut kren_writer,
) -> c_int {
    add(
        selector,
        key,
        writer.cast::<Handle<Writer>>(),
        Writer::drained,
    )
}

/// As kren_selector_add_reader(), for answers: kren_call_next() with a time-out of 0 then says more of each call. To be added anew when a call was started after a
/// server had gone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_selector_add_client(
    selector: *mut kren_selector,
    key: u64,
    client: *mut kren_client,
) -> c_int {
    add(
        selector,
        key,
        client.cast::<Handle<Client>>(),
        Client::readable,
    )
}

/// As kren_selector_add_reader(), for requests.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_selector_add_server(
    selector: *mut kren_selector,
    key: u64,
    server: *mut kren_server,
) -> c_int {
    add(
        selector,
        key,
        server.cast::<Handle<Server>>(),
        Server::readable,
    )
}

/// An event of the kind KREN_TIMER in `first_ns` nanoseconds, once; or, with a period that is not 0, then again and again. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_selector_add_timer(
    selector: *mut kren_selector,
    key: u64,
    first_ns: u64,
    period_ns: u64,
) -> c_int {
    guard(|| {
        let period = (period_ns != 0).then_some(Duration::from_nanos(period_ns));
        Handle::with(selector.cast(), |selecting: &mut Selecting| {
            Ok(selecting
                .core
                .add_timer(key, Duration::from_nanos(first_ns), period)?)
        })
    })
}

/// Takes out what was added with this key; KREN_MISUSE if nothing was. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_selector_remove(selector: *mut kren_selector, key: u64) -> c_int {
    guard(|| {
        Handle::with(selector.cast(), |selecting: &mut Selecting| {
            selecting.left.retain(|event| event.key != key);
            match selecting.core.remove(key) {
                true => Ok(()),
                // A timer that has fired once for all is gone.
                false => Err(Failure::Misuse(&"nothing is in the selector with this key")),
            }
        })
    })
}

/// Waits until something is ready, `timeout_ns` nanoseconds at most or for ever with -1: stores the first `room` events at `events`, and how
/// many these are at `count`, 0 when the time was over first. What had no room is told by the next call. What is ready is told again
/// until it is no longer so, in another order each time. KREN_INTERRUPTED after kren_selector_cancel().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_selector_wait(
    selector: *mut kren_selector,
    events: *mut kren_event,
    room: usize,
    count: *mut usize,
    timeout_ns: i64,
) -> c_int {
    guard(|| {
        if room == 0 {
            return Err(Failure::Misuse(&"there is no room for an event"));
        }
        Handle::with(selector.cast(), |selecting: &mut Selecting| {
            if selecting.left.is_empty() {
                let found = selecting.core.wait(timeout(timeout_ns))?;
                selecting
                    .left
                    .extend(found.into_iter().map(kren_event::from));
            }
            let told = selecting.left.len().min(room);
            let told: Vec<_> = selecting.left.drain(..told).collect();
            list(&told, events, room, count)
        })
    })
}

/// Ends the wait that is under way in another thread, or else the next one, with KREN_INTERRUPTED. Any thread, at any time until the
/// selector is closed; never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_selector_cancel(selector: *mut kren_selector) -> c_int {
    guard(|| {
        let canceller = cancellers().get(&(selector as usize)).cloned();
        let canceller = canceller.ok_or(Failure::Misuse(&"this is no open selector"))?;
        canceller.cancel();
        Ok(())
    })
}

/// Closes the selector; what was in it stays open. Null is left alone. Never blocks.
///
/// The handle is gone whatever this returns, but for KREN_BUSY: another call is under way.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_selector_close(selector: *mut kren_selector) -> c_int {
    guard(|| {
        // Under the lock: a new selector may have the same place.
        let mut cancellers = cancellers();
        if Handle::<Selecting>::close(selector.cast())?.is_some() {
            cancellers.remove(&(selector as usize));
        }
        Ok(())
    })
}
