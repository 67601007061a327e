//! Every figure, for programs and for records.

use serde_json::{Value, json};

use super::{Record, targets};
use crate::Result;
use crate::figures::Tail;

/// Whoever reads an older or newer record is told so.
pub(super) const FORMAT: u64 = 2;

pub(super) fn text(record: &Record) -> Result<String> {
    let figures = &record.figures;
    let transports = figures.pairs.iter().map(|(pair, known)| {
        let known = known.iter().map(|known| {
            json!({
                "name": known.name, "how": known.how, "smallest": known.smallest,
                "largest": known.largest,
            })
        });
        json!({ "pair": pair, "transports": known.collect::<Vec<_>>() })
    });
    let limits = figures.limits.iter().map(|limits| {
        json!({
            "pair": limits.pair, "size": limits.size, "round": limits.round, "raw_ns": limits.raw,
            "copy_ns": limits.copy, "memory_bytes_per_ns": limits.memory, "futex_ns": limits.futex,
            "slowdown": limits.slowdown,
        })
    });
    let turns = figures.figures.iter().map(|figure| {
        json!({
            "pair": figure.pair, "transport": figure.transport, "size": figure.size,
            "test": figure.test.name(), "round": figure.round, "ns": figure.ns,
            "cpu_ns": figure.cpu_ns, "raw_ns": figure.raw, "copy_ns": figure.copy,
        })
    });
    let idle = figures.idle.iter().map(|idle| {
        json!({
            "pair": idle.pair, "transport": idle.transport, "load": idle.load,
            "switches_per_second": idle.switches_per_second,
        })
    });
    let alone = figures.alone.iter().map(|alone| {
        json!({ "what": alone.what, "size": alone.size, "capacity": alone.capacity, "ns": alone.ns })
    });
    let grown = figures.grown.iter().map(|grown| {
        json!({
            "pair": grown.pair, "what": grown.what.name(), "at": grown.at, "round": grown.round,
            "raw_ns": grown.raw, "trip_ns": grown.trip, "message_ns": grown.message,
        })
    });
    let failures = figures.failures.iter().map(|failure| {
        json!({
            "pair": failure.pair, "transport": failure.transport, "size": failure.size,
            "reason": failure.reason,
        })
    });
    let targets = targets::all(figures);
    let all = json!({
        "format": FORMAT,
        "machine": record.machine,
        "settings": record.settings,
        "pairs": transports.collect::<Vec<_>>(),
        "limits": limits.collect::<Vec<_>>(),
        "turns": turns.collect::<Vec<_>>(),
        "tails": figures.tails.iter().map(tail).collect::<Vec<_>>(),
        "idle": idle.collect::<Vec<_>>(),
        "alone": alone.collect::<Vec<_>>(),
        "grown": grown.collect::<Vec<_>>(),
        "failures": failures.collect::<Vec<_>>(),
        "targets": targets.iter().map(targets::Target::json).collect::<Vec<_>>(),
    });
    Ok(lines(&all)?)
}

fn tail(tail: &Tail) -> Value {
    let summary = tail.summary;
    json!({
        "pair": tail.pair, "transport": tail.transport, "size": tail.size, "test": tail.test.name(),
        "placement": tail.placement.map(|placement| format!("{placement:?}")),
        "count": summary.count, "min_ns": summary.min, "p50_ns": summary.p50,
        "p99_ns": summary.p99, "p999_ns": summary.p999, "max_ns": summary.max,
    })
}

/// One line for each element of the lists: small, and comparable line by line.
fn lines(all: &Value) -> serde_json::Result<String> {
    let mut text = String::from("{\n");
    let fields = all.as_object().into_iter().flatten();
    for (number, (key, value)) in fields.enumerate() {
        if number > 0 {
            text.push_str(",\n");
        }
        text.push_str(&format!("{}: ", serde_json::to_string(key)?));
        match value.as_array() {
            Some(list) if !list.is_empty() => {
                let list = list
                    .iter()
                    .map(serde_json::to_string)
                    .collect::<serde_json::Result<Vec<_>>>()?;
                text.push_str(&format!("[\n  {}\n]", list.join(",\n  ")));
            }
            _ => text.push_str(&serde_json::to_string(value)?),
        }
    }
    text.push_str("\n}\n");
    Ok(text)
}
