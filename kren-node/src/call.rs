//! Functions that JavaScript can call, over the raw C interface of Node.
//!
//! The hot calls of an endpoint cost about 20 ns this way and 200 ns as methods of a `#[napi]` class
//! (Node 20, x86-64), which is more than everything KREN does for a small message. So the few calls
//! needed are wrapped here, once, and the rest of the crate stays safe.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::null_mut;
use std::rc::Rc;
use std::time::Duration;

use kren_core::{Schema, copy_slice};
use napi::sys;

use crate::context::Context;
use crate::heap::{LONG, expect_long};
use crate::value::{Outcome, Stop, Value};

/// Longer messages get a Buffer of their own, so that one that is kept does not hold a whole pool.
pub(crate) const POOLED: usize = 4096;

/// One call from JavaScript, with up to `N` arguments; missing ones are `undefined`.
pub(crate) struct Call<'a, const N: usize> {
    pub(crate) context: &'a Rc<Context>,
    env: sys::napi_env,
    args: [sys::napi_value; N],
}

impl<const N: usize> Call<'_, N> {
    /// The bytes under an `ArrayBufferView`.
    ///
    /// The slice must not outlive the call. Nothing that runs during a call moves or frees the bytes:
    /// JavaScript gets no turn, but for the empty function of [`Context::interrupted`].
    pub(crate) fn bytes(&self, index: usize) -> Result<&[u8], Stop> {
        let (data, len) = self.view(index)?;
        if len == 0 {
            return Ok(&[]);
        }
        // SAFETY: Node says that `data` has `len` bytes; they live as long as the argument does.
        Ok(unsafe { std::slice::from_raw_parts(data, len) })
    }

    /// The same, to be written to.
    #[allow(
        clippy::mut_from_ref,
        reason = "the bytes are JavaScript's, not this value's"
    )]
    pub(crate) fn bytes_mut(&self, index: usize) -> Result<&mut [u8], Stop> {
        let (data, len) = self.view(index)?;
        if len == 0 {
            return Ok(&mut []);
        }
        // SAFETY: as in `bytes`; no function of this crate has the bytes of two arguments at a time.
        Ok(unsafe { std::slice::from_raw_parts_mut(data, len) })
    }

    fn view(&self, index: usize) -> Result<(*mut u8, usize), Stop> {
        let (mut is_view, mut data, mut len) = (false, null_mut(), 0);
        // SAFETY: plain queries on an argument of this call; `napi_get_buffer_info` may only be
        // asked about a view, so the first guards the second.
        let ok = unsafe {
            sys::napi_is_buffer(self.env, self.args[index], &mut is_view) == sys::Status::napi_ok
                && is_view
                && sys::napi_get_buffer_info(self.env, self.args[index], &mut data, &mut len)
                    == sys::Status::napi_ok
        };
        if ok {
            Ok((data.cast(), len))
        } else {
            Err(Stop::Argument("an ArrayBufferView"))
        }
    }

    pub(crate) fn u32(&self, index: usize) -> Result<u32, Stop> {
        let mut value = 0;
        // SAFETY: a plain query on an argument of this call.
        match unsafe { sys::napi_get_value_uint32(self.env, self.args[index], &mut value) } {
            sys::Status::napi_ok => Ok(value),
            _ => Err(Stop::Argument("a number")),
        }
    }

    /// The halves of a number of 64 bits, the low one first.
    pub(crate) fn u64(&self, index: usize) -> Result<u64, Stop> {
        Ok(u64::from(self.u32(index)?) | u64::from(self.u32(index + 1)?) << 32)
    }

    fn f64(&self, index: usize) -> Result<f64, Stop> {
        let mut value = 0.0;
        // SAFETY: a plain query on an argument of this call.
        match unsafe { sys::napi_get_value_double(self.env, self.args[index], &mut value) } {
            sys::Status::napi_ok => Ok(value),
            _ => Err(Stop::Argument("a number")),
        }
    }

    /// A size in bytes.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "`as` saturates"
    )]
    pub(crate) fn size(&self, index: usize) -> Result<usize, Stop> {
        Ok(self.f64(index)? as usize)
    }

    /// Milliseconds; a negative number stands for "for ever".
    pub(crate) fn timeout(&self, index: usize) -> Result<Option<Duration>, Stop> {
        let ms = self.f64(index)?;
        if ms < 0.0 {
            return Ok(None);
        }
        // What a Duration cannot hold is longer than anyone waits.
        Ok(Duration::try_from_secs_f64(ms / 1000.0).ok())
    }

    pub(crate) fn bool(&self, index: usize) -> Result<bool, Stop> {
        let mut value = false;
        // SAFETY: a plain query on an argument of this call.
        match unsafe { sys::napi_get_value_bool(self.env, self.args[index], &mut value) } {
            sys::Status::napi_ok => Ok(value),
            _ => Err(Stop::Argument("a boolean")),
        }
    }

    pub(crate) fn string(&self, index: usize) -> Result<String, Stop> {
        let mut len = 0;
        let bad = Stop::Argument("a string");
        // SAFETY: the first call asks for the length alone; the second is given a buffer one larger
        // than that, for the terminator that Node appends.
        unsafe {
            let value = self.args[index];
            if sys::napi_get_value_string_utf8(self.env, value, null_mut(), 0, &mut len)
                != sys::Status::napi_ok
            {
                return Err(bad);
            }
            let mut text = vec![0u8; len + 1];
            if sys::napi_get_value_string_utf8(
                self.env,
                value,
                text.as_mut_ptr().cast(),
                text.len(),
                &mut len,
            ) != sys::Status::napi_ok
            {
                return Err(bad);
            }
            text.truncate(len);
            String::from_utf8(text).map_err(|_| bad)
        }
    }

    /// `None` where the argument is `undefined`, else what `get` makes of it.
    pub(crate) fn optional<T>(
        &self,
        index: usize,
        get: impl FnOnce(&Self, usize) -> Result<T, Stop>,
    ) -> Result<Option<T>, Stop> {
        let mut kind = sys::ValueType::napi_undefined;
        // SAFETY: a plain query on an argument of this call.
        unsafe { sys::napi_typeof(self.env, self.args[index], &mut kind) };
        if kind == sys::ValueType::napi_undefined {
            Ok(None)
        } else {
            get(self, index).map(Some)
        }
    }

    /// The schema whose name and text the arguments from `index` on are, if they are given.
    pub(crate) fn schema(&self, index: usize) -> Result<Option<Schema>, Stop> {
        let Some(name) = self.optional(index, Call::string)? else {
            return Ok(None);
        };
        let schema = Schema::new(&name, &self.string(index + 1)?);
        schema.map(Some).ok_or(Stop::Argument("a schema"))
    }

    /// The argument itself.
    pub(crate) fn value(&self, index: usize) -> Value {
        Value(self.args[index])
    }

    pub(crate) fn js_u32(&self, number: u32) -> Outcome {
        let mut value = null_mut();
        // SAFETY: makes a value in the scope of this call.
        self.made(
            unsafe { sys::napi_create_uint32(self.env, number, &mut value) },
            value,
        )
    }

    #[allow(clippy::cast_possible_wrap, reason = "no size comes near 2^63")]
    pub(crate) fn js_size(&self, number: usize) -> Outcome {
        let mut value = null_mut();
        // SAFETY: makes a value in the scope of this call.
        self.made(
            unsafe { sys::napi_create_int64(self.env, number as i64, &mut value) },
            value,
        )
    }

    /// An ArrayBuffer over memory that `keep` keeps valid; `None` where the runtime allows none.
    ///
    /// # Safety
    ///
    /// `data` is valid for `len` bytes as long as `keep` lives, and no other ArrayBuffer begins there.
    pub(crate) unsafe fn js_external<T: 'static>(
        &self,
        data: *mut u8,
        len: usize,
        keep: T,
    ) -> Option<Value> {
        let keep = Box::into_raw(Box::new(keep)).cast::<c_void>();
        let mut value = null_mut();
        // SAFETY: `drop_kept::<T>` gets the box when the memory is used no more. A refused call keeps nothing.
        unsafe {
            let status = sys::napi_create_external_arraybuffer(
                self.env,
                data.cast(),
                len,
                Some(drop_kept::<T>),
                keep,
                &mut value,
            );
            if status == sys::Status::napi_ok {
                return Some(Value(value));
            }
            drop(Box::from_raw(keep.cast::<T>()));
        }
        None
    }

    /// Takes an ArrayBuffer's memory away from it: its length and that of all views on it become 0.
    pub(crate) fn detach(&self, index: usize) -> Result<(), Stop> {
        // SAFETY: refuses what is no ArrayBuffer, or cannot be detached.
        match unsafe { sys::napi_detach_arraybuffer(self.env, self.args[index]) } {
            sys::Status::napi_ok => Ok(()),
            _ => Err(Stop::Argument("an ArrayBuffer")),
        }
    }

    pub(crate) fn js_bool(&self, yes: bool) -> Outcome {
        let mut value = null_mut();
        // SAFETY: makes a value in the scope of this call.
        self.made(
            unsafe { sys::napi_get_boolean(self.env, yes, &mut value) },
            value,
        )
    }

    pub(crate) fn js_str(&self, text: &str) -> Outcome {
        self.context.string(text).map(Value).ok_or(Stop::Unwind)
    }

    /// A new Buffer in memory that V8 owns, holding a copy of `bytes`.
    pub(crate) fn js_bytes(&self, bytes: &[u8]) -> Outcome {
        if bytes.len() >= LONG {
            expect_long();
        }
        let (mut data, mut value) = (null_mut(), null_mut());
        // SAFETY: Node makes the Buffer, then says where its `bytes.len()` bytes are; they are not
        // read before they are filled here.
        unsafe {
            let status = sys::napi_create_buffer(self.env, bytes.len(), &mut data, &mut value);
            if status == sys::Status::napi_ok && !bytes.is_empty() {
                let room = std::slice::from_raw_parts_mut(data.cast::<u8>(), bytes.len());
                copy_slice(bytes, room);
            }
            self.made(status, value)
        }
    }

    /// The length of `bytes`, having been copied into the view at `index`, from `offset` on, if they fit there and are no more than
    /// `most`; else a Buffer of their own.
    pub(crate) fn js_copy(
        &self,
        index: usize,
        offset: usize,
        bytes: &[u8],
        most: usize,
    ) -> Outcome {
        let room = self.bytes_mut(index)?.get_mut(offset..);
        match room.and_then(|room| room.get_mut(..bytes.len())) {
            Some(room) if bytes.len() <= most => {
                copy_slice(bytes, room);
                self.js_size(bytes.len())
            }
            _ => self.js_bytes(bytes),
        }
    }

    /// Stores `notes` in the Uint32Array at `index`, as far as there is room for them.
    pub(crate) fn store_notes(&self, index: usize, notes: &[u32]) -> Result<(), Stop> {
        let target = self.bytes_mut(index)?;
        for (place, note) in target.chunks_exact_mut(4).zip(notes) {
            place.copy_from_slice(&note.to_ne_bytes());
        }
        Ok(())
    }

    /// An object for `ts/` to call: an endpoint.
    pub(crate) fn object(&self) -> Result<Object<'_>, Stop> {
        let mut value = null_mut();
        // SAFETY: makes a value in the scope of this call.
        let status = unsafe { sys::napi_create_object(self.env, &mut value) };
        self.made(status, value).map(|value| Object {
            context: self.context,
            value,
        })
    }

    fn made(&self, status: sys::napi_status, value: sys::napi_value) -> Outcome {
        if status == sys::Status::napi_ok {
            Ok(Value(value))
        } else {
            Err(Stop::Unwind)
        }
    }
}

/// An object in the making.
pub(crate) struct Object<'a> {
    context: &'a Rc<Context>,
    pub(crate) value: Value,
}

impl Object<'_> {
    pub(crate) fn for_context(context: &Rc<Context>) -> Option<Object<'_>> {
        let mut value = null_mut();
        // SAFETY: called on the thread of `env`, within a call from JavaScript.
        let status = unsafe { sys::napi_create_object(context.env(), &mut value) };
        (status == sys::Status::napi_ok).then_some(Object {
            context,
            value: Value(value),
        })
    }

    pub(crate) fn set(&self, name: &CStr, value: Value) -> Result<(), Stop> {
        // SAFETY: both values belong to the scope of the call in progress.
        let status = unsafe {
            sys::napi_set_named_property(self.context.env(), self.value.0, name.as_ptr(), value.0)
        };
        if status == sys::Status::napi_ok {
            Ok(())
        } else {
            Err(Stop::Unwind)
        }
    }

    /// Adds a function that calls `handler` on `target`, and keeps `target` alive as long as the
    /// function lives.
    pub(crate) fn method<T: 'static, const N: usize>(
        &self,
        name: &CStr,
        target: &Rc<T>,
        handler: Handler<T, N>,
    ) -> Result<(), Stop> {
        let bound = Box::into_raw(Box::new(Bound {
            context: Rc::clone(self.context),
            target: Rc::clone(target),
            handler,
        }));
        let env = self.context.env();
        let mut function = null_mut();
        // SAFETY: `bound` is what `trampoline::<T, N>` expects, and lives until `drop_bound::<T, N>`,
        // which Node runs once, after the function can be called no more. If the function or the
        // finalizer could not be made, nothing refers to `bound` from outside but a function that is
        // dropped here unreached.
        unsafe {
            let len = name.count_bytes() as isize;
            let created = sys::napi_create_function(
                env,
                name.as_ptr(),
                len,
                Some(trampoline::<T, N>),
                bound.cast(),
                &mut function,
            ) == sys::Status::napi_ok
                && sys::napi_add_finalizer(
                    env,
                    function,
                    bound.cast(),
                    Some(drop_bound::<T, N>),
                    null_mut(),
                    null_mut(),
                ) == sys::Status::napi_ok;
            if !created {
                drop(Box::from_raw(bound));
                return Err(Stop::Unwind);
            }
        }
        self.set(name, Value(function))
    }
}

/// What a function does; it gets the target that it was bound to.
pub(crate) type Handler<T, const N: usize> = fn(&Rc<T>, &Call<'_, N>) -> Outcome;

struct Bound<T, const N: usize> {
    context: Rc<Context>,
    target: Rc<T>,
    handler: Handler<T, N>,
}

unsafe extern "C" fn trampoline<T: 'static, const N: usize>(
    env: sys::napi_env,
    info: sys::napi_callback_info,
) -> sys::napi_value {
    let mut args = [null_mut(); N];
    let mut count = N;
    let mut data = null_mut();
    // SAFETY: `args` has room for the `count` values asked for; `data` is the `Bound` that
    // `Object::method` gave to this very instance of the function, which lives as long as it does.
    let bound = unsafe {
        sys::napi_get_cb_info(
            env,
            info,
            &mut count,
            args.as_mut_ptr(),
            null_mut(),
            &mut data,
        );
        &*data.cast::<Bound<T, N>>()
    };
    let call = Call {
        context: &bound.context,
        env,
        args,
    };
    // A panic must not unwind into C; it becomes an exception, as any other failure.
    match catch_unwind(AssertUnwindSafe(|| (bound.handler)(&bound.target, &call))) {
        Ok(Ok(value)) => value.0,
        Ok(Err(stop)) => {
            bound.context.throw(&stop);
            null_mut()
        }
        Err(_) => {
            bound.context.throw(&Stop::Argument(
                "a call that does not panic (a bug in KREN)",
            ));
            null_mut()
        }
    }
}

unsafe extern "C" fn drop_bound<T, const N: usize>(
    _env: sys::napi_env,
    data: *mut c_void,
    _hint: *mut c_void,
) {
    // SAFETY: `data` came from `Box::into_raw` in `Object::method`, and Node finalizes it once.
    let bound = unsafe { Box::from_raw(data.cast::<Bound<T, N>>()) };
    let _ = catch_unwind(AssertUnwindSafe(|| drop(bound)));
}

unsafe extern "C" fn drop_kept<T>(_env: sys::napi_env, _data: *mut c_void, hint: *mut c_void) {
    // SAFETY: `hint` came from `Box::into_raw` in `js_external`, and Node finalizes it once.
    let kept = unsafe { Box::from_raw(hint.cast::<T>()) };
    let _ = catch_unwind(AssertUnwindSafe(|| drop(kept)));
}
