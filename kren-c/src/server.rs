//! The answering side of a service.
#![allow(unsafe_code)]

use std::ffi::{CString, c_char, c_int, c_void};
use std::time::Duration;

use kren_core::{KrenServer, Request};

use crate::borrowed::{self, bytes, c_text, list, named, out, timeout};
use crate::descriptor::Watched;
use crate::failure::{Failure, Outcome, guard};
use crate::handle::{Handle, kind};
use crate::message::kren_message;
use crate::options::{Check, Options, Use, kren_options, set};
use crate::peers::{kren_peer, kren_state};

/// The answering end of a service.
///
/// One thread at a time uses it, any thread; a call while another one is under way is KREN_BUSY wherever that can be seen. In a child
/// made by fork every call is KREN_FORKED, and closing it leaves the parent's end alone.
pub struct kren_server {
    _handle: Handle<Server>,
}

kind!(Server, b"serv");

pub(crate) struct Server {
    core: KrenServer,
    check: Check,
    watched: Watched,
}

/// A request that is to be answered, by any thread, one at a time for each request. It outlives its server.
pub struct kren_request {
    _handle: Handle<Asked>,
}

kind!(Asked, b"rqst");

pub(crate) struct Asked {
    core: Request,
    method: CString,
}

/// What is known of a request: kren_request_info().
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct kren_request_details {
    /// Who asks, as kren_peer.number says it.
    pub client: u64,
    /// What is left of the time that the client waits, in nanoseconds; -1: it waits for ever.
    pub time_left_ns: i64,
    /// Its process id, for people; 0 where it means nothing here.
    pub pid: u32,
    /// 1 if the client has given the call up, as far as the server has heard.
    pub cancelled: u32,
}

impl Server {
    fn next(&mut self, within: Option<Duration>) -> Outcome<Request> {
        if within != Some(Duration::ZERO) {
            return Ok(self.core.next_checking(within, &mut || self.check.run())?);
        }
        for _ in 0..2 {
            if let Some(request) = self.core.try_next()? {
                return Ok(request);
            }
            // If something has come meanwhile, it is worth another look.
            if self.watched.arm(|| self.core.readable())? {
                break;
            }
        }
        Err(Failure::Empty)
    }

    /// For a selector.
    pub(crate) fn readable(&mut self) -> Outcome<kren_core::Interest> {
        Ok(self.core.readable()?)
    }
}

/// Serves `name` from now on. `options` may be null. Blocks only where kren_options.standby_ns says so. The handle is to be closed by
/// kren_server_close().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_server_create(
    name: *const c_char,
    options: *const kren_options,
    server: *mut *mut kren_server,
) -> c_int {
    guard(|| {
        let (place, name) = (out(server)?, named(name)?);
        let used = [Use::Mode, Use::Capacity, Use::Seats, Use::Standby];
        let options = Options::take(&name, options, &used)?;
        let check = options.check(&name);
        let mut core = set!(KrenServer::options(), options, mode capacity clients);
        if let Some(within) = options.standby() {
            core = core.standby(within);
        }
        let server = Server {
            core: core.create_checked(&name, &mut || check.run())?,
            check,
            watched: Watched::default(),
        };
        place.set(Handle::open(server).cast());
        Ok(())
    })
}

/// Takes the next request: its handle at `*request`, its bytes, which lie there until it is answered or dropped, at `*message`. Any number
/// may be open.
///
/// Waits `timeout_ns` nanoseconds at most, for ever with -1, not at all with 0, which is KREN_EMPTY if there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_server_next(
    server: *mut kren_server,
    request: *mut *mut kren_request,
    message: *mut kren_message,
    timeout_ns: i64,
) -> c_int {
    guard(|| {
        let (place, seen) = (out(request)?, out(message)?);
        let core = Handle::with(server.cast(), |server: &mut Server| {
            server.next(timeout(timeout_ns))
        })?;
        seen.set(kren_message {
            sender: core.client().number,
            ..kren_message::new(&core, core.tag())
        });
        let method = c_text(&core.method());
        place.set(Handle::open(Asked { core, method }).cast());
        Ok(())
    })
}

/// What is called, as long as the request is open; empty where the client named no method, null if `request` is no open handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_request_method(request: *mut kren_request) -> *const c_char {
    let mut method = std::ptr::null();
    guard(|| {
        method = Handle::with(request.cast(), |asked: &mut Asked| {
            Ok(asked.method.as_ptr())
        })?;
        Ok(())
    });
    method
}

/// What is known of the request, at `*details`. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_request_info(
    request: *mut kren_request,
    details: *mut kren_request_details,
) -> c_int {
    guard(|| {
        let place = out(details)?;
        Handle::with(request.cast(), |asked: &mut Asked| {
            let client = asked.core.client();
            let left = asked.core.time_left();
            place.set(kren_request_details {
                client: client.number,
                pid: client.pid,
                time_left_ns: left.map_or(-1, |left| {
                    i64::try_from(left.as_nanos()).unwrap_or(i64::MAX)
                }),
                cancelled: asked.core.is_cancelled().into(),
            });
            Ok(())
        })
    })
}

/// Answers, which closes the request if it succeeds. Where it does not (KREN_TOO_LARGE; KREN_FULL: the client has not read some 16 MiB
/// of answers), the request stays open. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_reply(
    request: *mut kren_request,
    data: *const c_void,
    len: usize,
    tag: u32,
) -> c_int {
    answer(request, |core| {
        Ok(core.reply_holding(tag, bytes(data, len)?)?)
    })
}

/// One of several answers; kren_reply_end() comes after the last one. KREN_CANCELLED once the client has given the call up. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_reply_item(
    request: *mut kren_request,
    data: *const c_void,
    len: usize,
    tag: u32,
) -> c_int {
    guard(|| {
        let data = bytes(data, len)?;
        Handle::with(request.cast(), |asked: &mut Asked| {
            Ok(asked.core.item_tagged(tag, data)?)
        })
    })
}

/// Ends several answers, which closes the request if it succeeds. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_reply_end(request: *mut kren_request) -> c_int {
    answer(request, |core| Ok(core.end_holding()?))
}

/// Says that the call has failed, which closes the request if it succeeds: the client gets KREN_REMOTE with this code and text. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_reply_fail(
    request: *mut kren_request,
    code: u32,
    text: *const c_char,
) -> c_int {
    answer(request, |core| {
        Ok(core.fail_holding(code, &borrowed::text(text).unwrap_or_default())?)
    })
}

/// Closes a request unanswered: its client gets KREN_REMOTE. Null is left alone. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_request_drop(request: *mut kren_request) -> c_int {
    guard(|| Handle::<Asked>::close(request.cast()).map(drop))
}

/// Gives the last answer, and closes the request if it was given.
fn answer(request: *mut kren_request, work: impl FnOnce(&mut Request) -> Outcome<()>) -> c_int {
    guard(|| {
        Handle::with(request.cast(), |asked: &mut Asked| work(&mut asked.core))?;
        Handle::<Asked>::close(request.cast()).map(drop)
    })
}

/// The clients that are there: stores the first `room` at `peers`, and how many there are at `count`. `peers` may be null with a room of 0.
/// Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_server_peers(
    server: *mut kren_server,
    peers: *mut kren_peer,
    room: usize,
    count: *mut usize,
) -> c_int {
    guard(|| {
        let clients = Handle::with(server.cast(), |server: &mut Server| {
            Ok(server.core.clients())
        })?;
        let describe = |client| kren_peer::new(client, kren_state::KREN_ATTACHED);
        let found: Vec<_> = clients.into_iter().map(describe).collect();
        list(&found, peers, room, count)
    })
}

/// A file descriptor for epoll, poll, libuv or asio, at `*fd`: readable while there may be a request. Take them with a time-out of 0
/// until that says KREN_EMPTY, which makes it unreadable. The rest is as in kren_reader_fd().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_server_fd(server: *mut kren_server, fd: *mut c_int) -> c_int {
    guard(|| {
        let place = out(fd)?;
        Handle::with(server.cast(), |server: &mut Server| {
            place.set(server.watched.fd(server.core.name())?);
            Ok(())
        })
    })
}

/// Closes the end. Requests that nobody has taken fail at their clients, or go to a server that stands by; those that are open can still be
/// answered. Null is left alone. Never blocks.
///
/// The handle is gone whatever this returns, but for KREN_BUSY: another call is under way.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_server_close(server: *mut kren_server) -> c_int {
    guard(|| {
        let Some(mut server) = Handle::<Server>::close(server.cast())? else {
            return Ok(());
        };
        server.watched.call_off();
        Ok(server.core.close()?)
    })
}
