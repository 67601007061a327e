//! What the addon exports.
#![allow(unsafe_code)]

use std::rc::Rc;

use kren_core::ErrorCode;
use napi::bindgen_prelude::Unknown;
use napi::{Env, JsValue};
use napi_derive::napi;

use crate::call::{Call, Object};
use crate::context::Context;
use crate::value::{Outcome, Stop, Value};
use crate::{
    client, connect, dealer, heap, inbox, lend, publisher, reader, sender, server, subscriber,
    worker, writer,
};

/// One line of the error table that all languages share.
#[napi(object)]
pub(crate) struct ErrorCodeEntry {
    /// For example `TIMED_OUT`.
    pub name: String,
    /// The stable number.
    pub number: u32,
}

/// The error table that all languages share.
#[napi]
pub(crate) fn error_codes() -> Vec<ErrorCodeEntry> {
    ErrorCode::ALL
        .iter()
        .map(|code| ErrorCodeEntry {
            name: code.name().into(),
            number: code.number(),
        })
        .collect()
}

/// The version of the native layer, which must be that of the package.
#[napi]
pub(crate) fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// Prepares this JavaScript context and gives the functions that open endpoints.
///
/// `make_error` is `(number, message, channel, missed, remoteCode, remoteText) => Error`; `nothing` is an empty function.
#[napi(ts_return_type = "object")]
pub(crate) fn load<'a>(
    env: Env,
    make_error: Unknown<'a>,
    nothing: Unknown<'a>,
) -> napi::Result<Unknown<'a>> {
    let failed = || napi::Error::from_reason("kren: the native layer could not be prepared");
    let context =
        Context::new(env, Value(make_error.raw()), Value(nothing.raw())).ok_or_else(failed)?;
    let object = Object::for_context(&context).ok_or_else(failed)?;
    functions(&object, &context).map_err(|_| failed())?;
    // SAFETY: a value of the call in progress.
    Ok(unsafe { Unknown::from_raw_unchecked(env.raw(), object.value.0) })
}

fn functions(object: &Object<'_>, context: &Rc<Context>) -> Result<(), Stop> {
    object.method::<_, 11>(c"openWriter", context, writer::open)?;
    object.method::<_, 10>(c"openReader", context, reader::open)?;
    object.method::<_, 13>(c"openPublisher", context, publisher::open)?;
    object.method::<_, 11>(c"openSubscriber", context, subscriber::open)?;
    object.method::<_, 7>(c"openSender", context, sender::open)?;
    object.method::<_, 6>(c"openInbox", context, inbox::open)?;
    object.method::<_, 7>(c"openDealer", context, dealer::open)?;
    object.method::<_, 6>(c"openWorker", context, worker::open)?;
    object.method::<_, 6>(c"openClient", context, client::open)?;
    object.method::<_, 7>(c"openServer", context, server::open)?;
    object.method::<_, 11>(c"connect", context, connect::connect)?;
    object.method::<_, 12>(c"connectSubscriber", context, subscriber::connect)?;
    object.method::<_, 0>(c"expectLong", context, expect_long)?;
    object.method::<_, 1>(c"detach", context, lend::detach)?;
    object.method::<_, 0>(c"closeAll", context, close_all)
}

/// `closeAll()`: for runtimes that end without running what native code has asked for.
fn close_all(context: &Rc<Context>, _: &Call<'_, 0>) -> Outcome {
    context.close_all();
    Ok(Value::UNDEFINED)
}

/// `expectLong()`: see [`heap::expect_long`].
fn expect_long(_: &Rc<Context>, _: &Call<'_, 0>) -> Outcome {
    heap::expect_long();
    Ok(Value::UNDEFINED)
}
