//! Every figure, for programs.

use serde_json::{Value, json};

use crate::Result;
use crate::figures::{Figures, Tail};
use crate::machine;
use crate::options::Options;

pub(super) fn text(options: &Options, machine: &Value, figures: &Figures) -> Result<String> {
    let transports = figures.pairs.iter().map(|(pair, known)| {
        let known = known
            .iter()
            .map(|known| json!({ "name": known.name, "how": known.how }));
        json!({ "pair": pair, "transports": known.collect::<Vec<_>>() })
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
    let failures = figures.failures.iter().map(|failure| {
        json!({
            "pair": failure.pair, "transport": failure.transport, "size": failure.size,
            "reason": failure.reason,
        })
    });
    let all = json!({
        "machine": machine,
        "load_at_the_end": machine::load(),
        "quick": options.quick,
        "rounds": options.rounds,
        "run_ns": options.run_ns,
        "capacity": options.capacity,
        "pairs": transports.collect::<Vec<_>>(),
        "turns": turns.collect::<Vec<_>>(),
        "tails": figures.tails.iter().map(tail).collect::<Vec<_>>(),
        "idle": idle.collect::<Vec<_>>(),
        "alone": alone.collect::<Vec<_>>(),
        "failures": failures.collect::<Vec<_>>(),
    });
    Ok(lines(&all)?)
}

fn tail(tail: &Tail) -> Value {
    let at = |quantile| tail.histogram.value_at_quantile(quantile);
    json!({
        "pair": tail.pair, "transport": tail.transport, "size": tail.size, "test": tail.test.name(),
        "count": tail.histogram.len(), "min_ns": tail.histogram.min(), "p50_ns": at(0.5),
        "p90_ns": at(0.9), "p99_ns": at(0.99), "p999_ns": at(0.999), "max_ns": tail.histogram.max(),
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
