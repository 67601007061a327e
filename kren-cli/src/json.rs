//! What is seen, as JSON.

use kren_core::inspect::{Channel, Field};
use serde_json::{Map, Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// Grows when a field changes its meaning or goes.
pub(crate) const VERSION: u32 = 1;

/// All that is known of a channel.
pub(crate) fn channel(seen: &Channel, earlier: Option<&Channel>) -> Map<String, Value> {
    match value(seen.fields(earlier)) {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// Seconds since 1970.
pub(crate) fn seconds(time: SystemTime) -> Value {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    json!(since.as_secs_f64())
}

fn value(field: Field) -> Value {
    match field {
        Field::Flag(flag) => json!(flag),
        Field::Number(number) => json!(number),
        // Beyond what a double holds exactly.
        Field::Id(number) => json!(format!("{number:016x}")),
        Field::Time(time) => seconds(time),
        Field::Text(text) => json!(text),
        Field::List(list) => list.into_iter().map(value).collect(),
        Field::Parts(parts) => {
            let parts = parts.into_iter();
            Value::Object(
                parts
                    .map(|(name, part)| (name.into(), value(part)))
                    .collect(),
            )
        }
        _ => Value::Null,
    }
}
