//! The calling side of a service.
#![allow(unsafe_code)]

use std::ffi::{c_char, c_int, c_void};
use std::time::Duration;

use kren_core::{Call, CallOptions, Error, KrenClient, Reply};

use crate::borrowed::{bytes, named, out, text, timeout};
use crate::descriptor::Watched;
use crate::failure::{Failure, Outcome, guard};
use crate::handle::{Handle, kind};
use crate::message::kren_message;
use crate::options::{Check, Options, Use, kren_options, set};
use crate::peers::kren_state;

/// One of the calling ends of a service.
///
/// One thread at a time uses it, any thread; a call while another one is under way is KREN_BUSY wherever that can be seen. In a child
/// made by fork every call is KREN_FORKED, and closing it leaves the parent's end alone.
pub struct kren_client {
    _handle: Handle<Client>,
}

kind!(Client, b"clnt");

pub(crate) struct Client {
    /// The answer that is lent.
    reply: Option<Reply>,
    core: KrenClient,
    check: Check,
    watched: Watched,
}

/// What a call takes besides its request; null stands for nothing of all this.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct kren_call_options {
    /// sizeof(kren_call_options).
    pub size: usize,
    /// What is called, for a server that tells several methods apart; null: no name.
    pub method: *const c_char,
    /// A number of the user's own, which the server finds on the request.
    pub tag: u32,
    /// 1: a server that succeeds one that died may do the request again. 0: the call ends with KREN_SERVER_DIED.
    pub retry: u32,
}

/// Copies what C has given, and has `work` use it.
fn with_options<R>(
    given: *const kren_call_options,
    within: Option<Duration>,
    work: impl FnOnce(CallOptions<'_>) -> Outcome<R>,
) -> Outcome<R> {
    let mut options = CallOptions::default();
    if let Some(within) = within {
        options = options.timeout(within);
    }
    if given.is_null() {
        return work(options);
    }
    // SAFETY: H1: the size is there at least.
    if unsafe { (*given).size } != size_of::<kren_call_options>() {
        return Err(Failure::Misuse(
            &"kren_call_options.size is not sizeof(kren_call_options)",
        ));
    }
    // SAFETY: H1: of this size.
    let given = unsafe { *given };
    let method = text(given.method).unwrap_or_default();
    work(
        options
            .tag(given.tag)
            .retry(given.retry != 0)
            .method(&method),
    )
}

impl Client {
    fn lend(&mut self, reply: Reply) -> kren_message {
        let reply = self.reply.insert(reply);
        kren_message::new(reply, reply.tag())
    }

    fn next(&mut self, call: Call, within: Option<Duration>) -> Outcome<kren_message> {
        if within == Some(Duration::ZERO) {
            return self.poll(call);
        }
        self.reply = None;
        let check = &mut || self.check.run();
        let reply = self.core.next_part_within(call, within, check)?;
        reply.map(|reply| self.lend(reply)).ok_or(Failure::End)
    }

    fn poll(&mut self, call: Call) -> Outcome<kren_message> {
        self.reply = None;
        for _ in 0..2 {
            match self.core.poll(call)? {
                Some(Some(reply)) => return Ok(self.lend(reply)),
                Some(None) => return Err(Failure::End),
                // If something has come meanwhile, it is worth another look.
                None if self.watched.arm(|| self.core.readable())? => break,
                None => {}
            }
        }
        Err(Failure::Empty)
    }

    /// For a selector.
    pub(crate) fn readable(&mut self) -> Outcome<kren_core::Interest> {
        Ok(self.core.readable()?)
    }
}

/// Joins the service `name`, whose server need not be there yet, as one of its clients. `options` may be null. Blocks only while it
/// reserves memory. The handle is to be closed by kren_client_close().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_client_connect(
    name: *const c_char,
    options: *const kren_options,
    client: *mut *mut kren_client,
) -> c_int {
    guard(|| {
        let (place, name) = (out(client)?, named(name)?);
        let options = Options::take(&name, options, &[Use::Mode, Use::Capacity, Use::Seats])?;
        let core = set!(KrenClient::options(), options, mode capacity clients).connect(&name)?;
        let client = Client {
            reply: None,
            core,
            check: options.check(&name),
            watched: Watched::default(),
        };
        place.set(Handle::open(client).cast());
        Ok(())
    })
}

/// Sends a request and waits for its answer, `timeout_ns` nanoseconds at most or for ever with -1. The answer at `*reply` stays until the next
/// call of any function on this client. `options` may be null.
///
/// KREN_NO_SERVER at once, and nothing was sent; KREN_SERVER_DIED within 200 ms, and part of it may be done; KREN_REMOTE where the server says
/// that it failed: kren_error_figure() is its code.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_call(
    client: *mut kren_client,
    data: *const c_void,
    len: usize,
    options: *const kren_call_options,
    reply: *mut kren_message,
    timeout_ns: i64,
) -> c_int {
    guard(|| {
        let (place, data) = (out(reply)?, bytes(data, len)?);
        with_options(options, timeout(timeout_ns), |options| {
            Handle::with(client.cast(), |client: &mut Client| {
                client.reply = None;
                let check = &mut || client.check.run();
                let reply = client.core.call_with(data, options, check)?;
                place.set(client.lend(reply));
                Ok(())
            })
        })
    })
}

/// Sends a request without waiting for its answer, which kren_call_next() gets by the number at `*call`. Any number may be under way. `timeout_ns` is how long the last answer may take from now on. Waits for room that long at most; with 0 it is sent if
/// there is room, else KREN_FULL, and the answer may take for ever.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_call_start(
    client: *mut kren_client,
    data: *const c_void,
    len: usize,
    options: *const kren_call_options,
    call: *mut u64,
    timeout_ns: i64,
) -> c_int {
    guard(|| {
        let (place, data) = (out(call)?, bytes(data, len)?);
        let within = timeout(timeout_ns).filter(|within| !within.is_zero());
        with_options(options, within, |options| {
            Handle::with(client.cast(), |client: &mut Client| {
                client.reply = None;
                let call = if timeout_ns == 0 {
                    client
                        .core
                        .try_start(data, options)?
                        .ok_or_else(|| Error::Full {
                            channel: client.core.name().into(),
                            needed: data.len(),
                            available: 0,
                        })?
                } else {
                    client
                        .core
                        .start_checking(data, options, &mut || client.check.run())?
                };
                place.set(call.number());
                Ok(())
            })
        })
    })
}

/// The next answer to a call, at `*reply`, where it stays until the next call of any function on this client. KREN_END: there are no more,
/// and the call is over.
///
/// Waits `timeout_ns` nanoseconds at most, or with -1 as long as the call was given time, and no longer in any case; not at all with 0, which
/// is KREN_EMPTY if no answer is there yet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_call_next(
    client: *mut kren_client,
    call: u64,
    reply: *mut kren_message,
    timeout_ns: i64,
) -> c_int {
    guard(|| {
        let place = out(reply)?;
        Handle::with(client.cast(), |client: &mut Client| {
            place.set(client.next(Call::of(call), timeout(timeout_ns))?);
            Ok(())
        })
    })
}

/// Gives a call up: its server is told, and what still comes is thrown away. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_call_cancel(client: *mut kren_client, call: u64) -> c_int {
    guard(|| {
        Handle::with(client.cast(), |client: &mut Client| {
            client.core.cancel(Call::of(call));
            Ok(())
        })
    })
}

/// Whether a server is there, at `*state`. Makes a system call; never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_client_state(
    client: *mut kren_client,
    state: *mut kren_state,
) -> c_int {
    guard(|| {
        let place = out(state)?;
        Handle::with(client.cast(), |client: &mut Client| {
            place.set(client.core.server_state().into());
            Ok(())
        })
    })
}

/// A file descriptor for epoll, poll, libuv or asio, at `*fd`: readable while there may be an answer to one of the calls. Try each by
/// kren_call_next() with a time-out of 0; the last KREN_EMPTY makes it unreadable. The rest is as in kren_reader_fd().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_client_fd(client: *mut kren_client, fd: *mut c_int) -> c_int {
    guard(|| {
        let place = out(fd)?;
        Handle::with(client.cast(), |client: &mut Client| {
            place.set(client.watched.fd(client.core.name())?);
            Ok(())
        })
    })
}

/// Closes the end; calls under way are given up. Null is left alone. Never blocks.
///
/// The handle is gone whatever this returns, but for KREN_BUSY: another call is under way.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kren_client_close(client: *mut kren_client) -> c_int {
    guard(|| {
        let Some(mut client) = Handle::<Client>::close(client.cast())? else {
            return Ok(());
        };
        client.watched.call_off();
        client.reply = None;
        Ok(client.core.close()?)
    })
}
