//! What belongs to one JavaScript context (the main thread, or one worker): how it makes errors, and
//! the endpoints that must be closed when it ends.
#![allow(unsafe_code)]

use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::ptr::null_mut;
use std::rc::{Rc, Weak};
use std::sync::Once;

use kren_core::{Error, ErrorCode};
use napi::sys;

use crate::value::{Stop, Value};

/// Something to close when the context ends.
pub(crate) trait Live {
    fn close_at_exit(&self);
}

pub(crate) struct Context {
    env: sys::napi_env,
    /// `(number, message, channel, missed, remoteCode, remoteText) => KrenError`, of `ts/errors.ts`.
    make_error: sys::napi_ref,
    /// `() => {}`
    nothing: sys::napi_ref,
    live: RefCell<Vec<Weak<dyn Live>>>,
}

impl Context {
    /// Must be called within a call from JavaScript, with two functions.
    pub(crate) fn new(env: napi::Env, make_error: Value, nothing: Value) -> Option<Rc<Self>> {
        let raw = env.raw();
        let context = Rc::new(Self {
            env: raw,
            make_error: keep(raw, make_error)?,
            nothing: keep(raw, nothing)?,
            live: RefCell::new(Vec::new()),
        });
        // A context of a worker ends with its environment; so does the main one when the script
        // runs to its end. Finalizers would close most of it then, but in no order that Node
        // promises: threads must have ended before the functions they call are torn down.
        // `process.exit()` and an uncaught exception on the main thread end the process at once
        // instead, which only `atexit` sees.
        env.add_env_cleanup_hook(Rc::clone(&context), |context| context.close_all())
            .ok()?;
        close_at_process_exit(&context);
        Some(context)
    }

    pub(crate) fn env(&self) -> sys::napi_env {
        self.env
    }

    /// Has `endpoint` closed when the context ends, if it still exists then.
    pub(crate) fn adopt<T: Live + 'static>(&self, endpoint: &Rc<T>) {
        let mut live = self.live.borrow_mut();
        live.retain(|known| known.strong_count() > 0);
        let weak: Weak<T> = Rc::downgrade(endpoint);
        live.push(weak);
    }

    pub(crate) fn close_all(&self) {
        let live = self.live.take();
        for endpoint in live.iter().filter_map(Weak::upgrade) {
            endpoint.close_at_exit();
        }
    }

    pub(crate) fn string(&self, text: &str) -> Option<sys::napi_value> {
        let mut value = null_mut();
        // SAFETY: called on the thread of `env`; the text is copied.
        let status = unsafe {
            let len = text.len() as isize;
            sys::napi_create_string_utf8(self.env, text.as_ptr().cast(), len, &mut value)
        };
        (status == sys::Status::napi_ok).then_some(value)
    }

    pub(crate) fn undefined(&self) -> sys::napi_value {
        let mut value = null_mut();
        // SAFETY: called on the thread of `env`.
        unsafe { sys::napi_get_undefined(self.env, &mut value) };
        value
    }

    /// The `KrenError` for `error`.
    pub(crate) fn error(&self, error: &Error) -> Option<sys::napi_value> {
        let missed = match error {
            Error::Lagged { missed, .. } | Error::Evicted { missed, .. } => Some(*missed),
            _ => None,
        };
        let remote = match error {
            Error::Remote { code, text, .. } => Some((*code, &**text)),
            _ => None,
        };
        let text = error.to_string();
        self.make_of(error.code(), &text, error.channel(), missed, remote)
    }

    fn make(&self, code: ErrorCode, message: &str, channel: &str) -> Option<sys::napi_value> {
        self.make_of(code, message, channel, None, None)
    }

    fn make_of(
        &self,
        code: ErrorCode,
        message: &str,
        channel: &str,
        missed: Option<u64>,
        remote: Option<(u32, &str)>,
    ) -> Option<sys::napi_value> {
        let mut number = null_mut();
        let (mut count, mut remote_code) = (self.undefined(), self.undefined());
        #[allow(
            clippy::cast_precision_loss,
            reason = "JavaScript's numbers; nobody misses that many"
        )]
        // SAFETY: called on the thread of `env`.
        unsafe {
            sys::napi_create_uint32(self.env, code.number(), &mut number);
            if let Some(missed) = missed {
                sys::napi_create_double(self.env, missed as f64, &mut count);
            }
            if let Some((code, _)) = remote {
                sys::napi_create_uint32(self.env, code, &mut remote_code);
            }
        }
        let remote_text = match remote {
            Some((_, text)) => self.string(text)?,
            None => self.undefined(),
        };
        self.call(
            self.make_error,
            &[
                number,
                self.string(message)?,
                self.string(channel)?,
                count,
                remote_code,
                remote_text,
            ],
        )
    }

    /// True when JavaScript can run no further on this thread: a worker that is being terminated
    /// would otherwise hang for as long as a blocking call waits.
    pub(crate) fn interrupted(&self) -> bool {
        self.call(self.nothing, &[]).is_none()
    }

    fn call(&self, function: sys::napi_ref, args: &[sys::napi_value]) -> Option<sys::napi_value> {
        let (mut target, mut result) = (null_mut(), null_mut());
        // SAFETY: called on the thread of `env`, whose scope the caller's call from JavaScript
        // opened; the reference is strong, so that it has a value as long as `env` lives.
        let status = unsafe {
            sys::napi_get_reference_value(self.env, function, &mut target);
            sys::napi_call_function(
                self.env,
                self.undefined(),
                target,
                args.len(),
                args.as_ptr(),
                &mut result,
            )
        };
        (status == sys::Status::napi_ok).then_some(result)
    }

    /// Throws what `stop` says; the function that called must return without a value.
    pub(crate) fn throw(&self, stop: &Stop) {
        let error = match stop {
            Stop::Kren(error) => self.error(error),
            Stop::EndpointClosed { role, channel } => self.make(
                ErrorCode::Closed,
                &format!("this {role} of channel '{channel}' is closed; open a new one"),
                channel,
            ),
            Stop::Signal { signal, channel } => self.make(
                ErrorCode::Interrupted,
                &format!(
                    "channel '{channel}': {signal} came while this call blocked the event loop, and its handler can run only \
                     when the loop turns; let it, or wait with the asynchronous call (readAsync, writeAsync, flushAsync, \
                     connect), which blocks nothing"
                ),
                channel,
            ),
            Stop::Argument(expected) => {
                let message = format!("kren: the native layer expected {expected}\0");
                // SAFETY: the message ends with a NUL, and is copied.
                unsafe {
                    sys::napi_throw_type_error(self.env, null_mut(), message.as_ptr().cast());
                }
                return;
            }
            Stop::Unwind => None,
        };
        if let Some(error) = error {
            // SAFETY: called on the thread of `env`, with a value of the call in progress.
            unsafe { sys::napi_throw(self.env, error) };
        }
    }
}

/// A reference that lives as long as the environment, which drops what is left of them at its end.
fn keep(env: sys::napi_env, value: Value) -> Option<sys::napi_ref> {
    let mut reference = null_mut();
    // SAFETY: called on the thread of `env`, with a value of the call in progress.
    let status = unsafe { sys::napi_create_reference(env, value.0, 1, &mut reference) };
    (status == sys::Status::napi_ok).then_some(reference)
}

thread_local! {
    /// The contexts of this thread. `ManuallyDrop`: a value with a destructor would be gone before
    /// `atexit` handlers run.
    static CONTEXTS: ManuallyDrop<RefCell<Vec<Weak<Context>>>> =
        const { ManuallyDrop::new(RefCell::new(Vec::new())) };
}

fn close_at_process_exit(context: &Rc<Context>) {
    static REGISTER: Once = Once::new();
    REGISTER.call_once(|| {
        // SAFETY: the handler is part of this library, which is never unloaded (the `napi` crate
        // pins it), and touches nothing that ends before it runs.
        unsafe { libc::atexit(close_this_thread) };
    });
    CONTEXTS.with(|contexts| {
        let mut contexts = contexts.borrow_mut();
        contexts.retain(|known| known.strong_count() > 0);
        contexts.push(Rc::downgrade(context));
    });
}

/// Closes what the calling thread has open. Node ends its workers before it exits the process, so
/// that this is all there is; endpoints of another thread could not be touched from here anyway.
extern "C" fn close_this_thread() {
    let _ = std::panic::catch_unwind(|| {
        CONTEXTS.with(|contexts| {
            let Ok(contexts) = contexts.try_borrow() else {
                return;
            };
            for context in contexts.iter().filter_map(Weak::upgrade) {
                context.close_all();
            }
        });
    });
}
