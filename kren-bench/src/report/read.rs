//! Records, read again: what was measured in slices is shown as one.

use std::path::Path;

use serde_json::Value;

use super::{Record, json::FORMAT};
use crate::Result;
use crate::figures::{
    Alone, Failure, Figure, Figures, Grown, Growth, Idle, Limits, Placement, Summary, Tail,
};
use crate::link::Test;
use crate::pair::Known;

/// Rounds of different records are not the same round.
const APART: usize = 100_000;

/// Reads records of one machine; the first one describes it.
pub(super) fn records(files: &[impl AsRef<Path>]) -> Result<Record> {
    let mut all: Option<Record> = None;
    for (number, file) in files.iter().enumerate() {
        let file = file.as_ref();
        let text = std::fs::read_to_string(file)
            .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
        let value: Value = serde_json::from_str(&text)
            .map_err(|error| format!("{} is no record: {error}", file.display()))?;
        if value["format"] != FORMAT {
            let (file, found) = (file.display(), &value["format"]);
            return Err(format!("{file} has format {found}; this program reads {FORMAT}").into());
        }
        let record = all.get_or_insert_with(|| Record {
            machine: value["machine"].clone(),
            settings: value["settings"].clone(),
            figures: Figures::default(),
        });
        add(&mut record.figures, &value, number * APART)
            .ok_or_else(|| format!("{} is not a whole record", file.display()))?;
    }
    all.ok_or_else(|| "no record was given".into())
}

/// Adds what one record holds; nothing comes back if something is missing.
fn add(figures: &mut Figures, record: &Value, offset: usize) -> Option<()> {
    let list = |key: &str| record[key].as_array();
    for entry in list("pairs")? {
        let pair = text(entry, "pair")?;
        let known = entry["transports"].as_array()?.iter().map(transport);
        let known = known.collect::<Option<Vec<_>>>()?;
        match figures.pairs.iter_mut().find(|(name, _)| *name == pair) {
            Some((_, ours)) => {
                for new in known {
                    if !ours.iter().any(|known| known.name == new.name) {
                        ours.push(new);
                    }
                }
            }
            None => figures.pairs.push((pair, known)),
        }
    }
    for entry in list("limits")? {
        figures.limits.push(Limits {
            pair: text(entry, "pair")?,
            size: whole(entry, "size")?,
            round: whole(entry, "round")? + offset,
            raw: number(entry, "raw_ns")?,
            copy: number(entry, "copy_ns")?,
            memory: number(entry, "memory_bytes_per_ns")?,
            futex: number(entry, "futex_ns"),
            slowdown: number(entry, "slowdown")?,
        });
    }
    for entry in list("turns")? {
        figures.figures.push(Figure {
            pair: text(entry, "pair")?,
            transport: text(entry, "transport")?,
            size: whole(entry, "size")?,
            test: Test::named(entry["test"].as_str()?)?,
            round: whole(entry, "round")? + offset,
            ns: number(entry, "ns")?,
            cpu_ns: number(entry, "cpu_ns")?,
            raw: number(entry, "raw_ns")?,
            copy: number(entry, "copy_ns")?,
        });
    }
    for entry in list("tails")? {
        tail(figures, entry)?;
    }
    for entry in list("idle")? {
        figures.idle.push(Idle {
            pair: text(entry, "pair")?,
            transport: text(entry, "transport")?,
            load: number(entry, "load")?,
            switches_per_second: number(entry, "switches_per_second")?,
        });
    }
    for entry in list("alone")? {
        figures.alone.push(Alone {
            what: text(entry, "what")?,
            size: whole(entry, "size")?,
            capacity: whole(entry, "capacity")?,
            ns: number(entry, "ns")?,
        });
    }
    for entry in list("grown")? {
        let what = text(entry, "what")?;
        figures.grown.push(Grown {
            pair: text(entry, "pair")?,
            what: Growth::ALL
                .into_iter()
                .find(|growth| growth.name() == what)?,
            at: whole(entry, "at")?,
            round: whole(entry, "round")? + offset,
            raw: number(entry, "raw_ns")?,
            trip: number(entry, "trip_ns")?,
            message: number(entry, "message_ns")?,
        });
    }
    for entry in list("failures")? {
        figures.failures.push(Failure {
            pair: text(entry, "pair")?,
            transport: text(entry, "transport")?,
            size: whole(entry, "size")?,
            reason: text(entry, "reason")?,
        });
    }
    Some(())
}

fn transport(entry: &Value) -> Option<Known> {
    Some(Known {
        name: text(entry, "name")?,
        how: text(entry, "how")?,
        tests: Test::ALL.to_vec(),
        smallest: whole(entry, "smallest")?,
        largest: whole(entry, "largest")?,
    })
}

/// Quantiles of two records cannot be added up: the one with more trips counts.
fn tail(figures: &mut Figures, entry: &Value) -> Option<()> {
    let count = |key: &str| entry[key].as_u64();
    let new = Tail {
        pair: text(entry, "pair")?,
        transport: text(entry, "transport")?,
        size: whole(entry, "size")?,
        test: Test::named(entry["test"].as_str()?)?,
        placement: match entry["placement"].as_str() {
            None => None,
            Some("Near") => Some(Placement::Near),
            Some("Far") => Some(Placement::Far),
            Some(_) => return None,
        },
        summary: Summary {
            count: count("count")?,
            min: count("min_ns")?,
            p50: count("p50_ns")?,
            p99: count("p99_ns")?,
            p999: count("p999_ns")?,
            max: count("max_ns")?,
        },
        histogram: None,
    };
    let same = figures.tails.iter_mut().find(|tail| {
        let (one, other) = (&**tail, &new);
        (&one.pair, &one.transport, one.size, one.test, one.placement)
            == (
                &other.pair,
                &other.transport,
                other.size,
                other.test,
                other.placement,
            )
    });
    match same {
        Some(old) if old.summary.count >= new.summary.count => {}
        Some(old) => *old = new,
        None => figures.tails.push(new),
    }
    Some(())
}

fn text(entry: &Value, key: &str) -> Option<String> {
    Some(entry[key].as_str()?.to_owned())
}

fn number(entry: &Value, key: &str) -> Option<f64> {
    entry[key].as_f64()
}

fn whole(entry: &Value, key: &str) -> Option<usize> {
    Some(entry[key].as_u64()? as usize)
}
