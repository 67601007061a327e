//! Records: all figures of a run as JSON, in gzip where the file's name ends so; read again, what was measured in slices is
//! shown as one.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Result;
use crate::figures::{Figures, Tail};

/// Whoever reads an older or newer record is told so.
const FORMAT: u64 = 3;
/// Rounds of different records are not the same round.
const APART: usize = 100_000;

/// All of a run, or of several that were kept.
#[derive(Serialize, Deserialize)]
pub(super) struct Record {
    format: u64,
    pub(super) machine: Value,
    /// How it was measured.
    pub(super) settings: Value,
    #[serde(flatten)]
    pub(super) figures: Figures,
}

impl Record {
    pub(super) fn new(machine: Value, settings: Value, figures: Figures) -> Self {
        Self {
            format: FORMAT,
            machine,
            settings,
            figures,
        }
    }
}

/// Reads records of one machine; the first one describes it. A file may hold several, one after the other.
pub(super) fn read(files: &[impl AsRef<Path>]) -> Result<Record> {
    let mut all: Option<Record> = None;
    let mut offset = 0;
    for file in files {
        let file = file.as_ref();
        let shown = file.display();
        let opened = File::open(file).map_err(|error| format!("cannot read {shown}: {error}"))?;
        let bytes: Box<dyn Read> = match is_compressed(file) {
            true => Box::new(MultiGzDecoder::new(BufReader::new(opened))),
            false => Box::new(BufReader::new(opened)),
        };
        for value in serde_json::Deserializer::from_reader(bytes).into_iter() {
            let value: Value = value.map_err(|error| format!("{shown} is no record: {error}"))?;
            if value["format"] != FORMAT {
                let found = &value["format"];
                return Err(
                    format!("{shown} has format {found}; this program reads {FORMAT}").into(),
                );
            }
            let mut record: Record = serde_json::from_value(value)
                .map_err(|error| format!("{shown} is not a whole record: {error}"))?;
            record.figures.move_rounds(offset);
            offset += APART;
            match &mut all {
                None => all = Some(record),
                Some(all) => add(&mut all.figures, record.figures),
            }
        }
    }
    all.ok_or_else(|| "no record was given".into())
}

fn add(figures: &mut Figures, more: Figures) {
    for (pair, known) in more.pairs {
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
    more.tails.into_iter().for_each(|new| tail(figures, new));
    figures.figures.extend(more.figures);
    figures.limits.extend(more.limits);
    figures.idle.extend(more.idle);
    figures.alone.extend(more.alone);
    figures.grown.extend(more.grown);
    figures.failures.extend(more.failures);
}

/// Quantiles of two records cannot be added up: the one with more trips counts.
fn tail(figures: &mut Figures, new: Tail) {
    match figures.tails.iter_mut().find(|tail| tail.is(new.choice())) {
        Some(old) if old.summary.count >= new.summary.count => {}
        Some(old) => *old = new,
        None => figures.tails.push(new),
    }
}

/// Writes one line of JSON.
pub(crate) fn write(file: &Path, record: &impl Serialize) -> Result<()> {
    let mut value = serde_json::to_value(record)?;
    shorten(&mut value);
    let failed = |error: std::io::Error| format!("cannot write {}: {error}", file.display());
    let mut to = BufWriter::new(File::create(file).map_err(failed)?);
    if is_compressed(file) {
        let mut to = GzEncoder::new(&mut to, Compression::best());
        writeln!(to, "{value}")
            .and_then(|()| to.try_finish())
            .map_err(failed)?;
    } else {
        writeln!(to, "{value}").map_err(failed)?;
    }
    to.flush().map_err(failed)?;
    println!("\nAll figures: {}", file.display());
    Ok(())
}

/// Five digits are more than any figure is good for.
fn shorten(value: &mut Value) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(shorten),
        Value::Object(fields) => fields.values_mut().for_each(shorten),
        Value::Number(number) if number.is_f64() => {
            let digits = number.as_f64().map(|number| format!("{number:.4e}"));
            if let Some(Ok(short)) = digits.map(|digits| digits.parse::<f64>()) {
                *value = short.into();
            }
        }
        _ => {}
    }
}

fn is_compressed(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "gz")
}
