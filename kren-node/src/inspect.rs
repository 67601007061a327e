//! What channels there are, seen from outside.

use std::time::UNIX_EPOCH;

use kren_core::Error;
use kren_core::inspect::{self, Field};
use napi::Env;
use napi::bindgen_prelude::{Array, JsObjectValue, Null, Object, ToNapiValue, Unknown};
use napi_derive::napi;

/// What is known of every channel, or of the one of this name: `{ channels }`, or `{ number, message, channel }` of the
/// error that it came to.
#[napi(ts_return_type = "object")]
pub(crate) fn look(env: Env, name: Option<String>) -> napi::Result<Object<'static>> {
    let seen = match name {
        Some(name) => inspect::channel(&name).map(|seen| vec![seen]),
        None => inspect::channels(),
    };
    let mut object = Object::new(&env)?;
    match seen {
        Ok(seen) => {
            let list = seen.iter().map(|channel| channel.fields(None)).collect();
            object.set_named_property("channels", value(&env, Field::List(list))?)?;
        }
        Err(error) => failure(&mut object, &error)?,
    }
    Ok(object)
}

fn failure(object: &mut Object<'_>, error: &Error) -> napi::Result<()> {
    object.set_named_property("number", error.code().number())?;
    object.set_named_property("message", error.to_string())?;
    object.set_named_property("channel", error.channel())
}

fn value(env: &Env, field: Field) -> napi::Result<Unknown<'_>> {
    match field {
        Field::Flag(flag) => flag.into_unknown(env),
        Field::Number(number) => (number as f64).into_unknown(env),
        // Beyond what a number of JavaScript holds exactly.
        Field::Id(number) => format!("{number:016x}").into_unknown(env),
        Field::Time(time) => {
            // As `Date.now()` tells it.
            let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
            (since.as_secs_f64() * 1e3).into_unknown(env)
        }
        Field::Text(text) => text.into_unknown(env),
        Field::List(list) => {
            let values: napi::Result<Vec<_>> =
                list.into_iter().map(|field| value(env, field)).collect();
            Array::from_vec(env, values?)?.into_unknown(env)
        }
        Field::Parts(parts) => {
            let mut object = Object::new(env)?;
            for (name, part) in parts {
                object.set_named_property(&camel_case(name), value(env, part)?)?;
            }
            object.into_unknown(env)
        }
        _ => Null.into_unknown(env),
    }
}

/// `is_asleep` as JavaScript would call it.
fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let mut joined = words.next().unwrap_or_default().to_owned();
    for word in words {
        let (first, rest) = word.split_at(1);
        joined.push_str(&first.to_uppercase());
        joined.push_str(rest);
    }
    joined
}
