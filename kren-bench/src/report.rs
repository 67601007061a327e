//! What was measured, to be read: on the console, as JSON, as a picture, in a document.

mod chart;
mod growth;
pub(crate) mod page;
mod picture;
pub(crate) mod record;
pub(crate) mod table;
mod targets;

use std::fs;
use std::path::Path;

use serde_json::json;

use self::page::Page;
use self::record::Record;
use crate::figures::Figures;
use crate::machine::Work;
use crate::options::Options;
use crate::{Result, machine, pair, rounds};

/// Measures what the options ask for, or reads what was measured, and reports it.
pub(crate) fn report(options: &Options) -> Result<()> {
    let record = match &options.show[..] {
        [] => measure(options)?,
        files => record::read(files)?,
    };
    let mut console = Page::console();
    fill(&mut console, &record);
    print!("{}", console.text());
    if let Some(file) = &options.markdown {
        let mut document = Page::markdown();
        fill(&mut document, &record);
        write(file, "Document", document.text())?;
    }
    if let Some(file) = &options.json {
        record::write(file, &record)?;
    }
    if let Some(file) = &options.svg {
        write(file, "Picture", &picture::draw(&record)?)?;
    }
    Ok(())
}

fn measure(options: &Options) -> Result<Record> {
    let machine = machine::describe(options.programs.pinned);
    let before = Work::now();
    let mut figures = Figures::default();
    let measured = options
        .pairs
        .iter()
        .try_for_each(|&pair| match options.growth {
            true => rounds::growth::measure(options, pair, &mut figures),
            false => rounds::measure(options, pair, &mut figures),
        });
    pair::tidy();
    measured?;
    let work = before.zip(Work::now());
    let settings = json!({
        "quick": options.quick, "rounds": options.rounds, "run_ns": options.run_ns,
        "capacity": options.capacity, "load_at_the_end": machine::load(),
        "processors": work.map(|(before, after)| after.since(&before)),
    });
    Ok(Record::new(machine, settings, figures))
}

fn fill(page: &mut Page, record: &Record) {
    table::known(page, "Machine", &record.machine);
    table::known(page, "Run", &record.settings);
    table::cores(page, &record.figures);
    table::pairs(page, &record.figures);
    growth::fill(page, &record.figures);
    targets::fill(page, &record.figures);
}

pub(crate) fn write(file: &Path, what: &str, text: &str) -> Result<()> {
    fs::write(file, text).map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    println!("\n{what}: {}", file.display());
    Ok(())
}

/// As in `64 B`, `4 KiB`.
pub(crate) fn size_name(size: usize) -> String {
    let units = ["B", "KiB", "MiB", "GiB"];
    let unit = (size.max(1).ilog2() / 10).min(3);
    format!("{} {}", size >> (10 * unit), units[unit as usize])
}

/// Three digits, as much as these figures are good for.
pub(crate) fn digits(value: f64) -> String {
    match value.abs() {
        ..1.0 => format!("{value:.3}"),
        ..10.0 => format!("{value:.2}"),
        ..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// Nanoseconds with the unit that suits them.
pub(crate) fn time(ns: f64) -> String {
    match ns.abs() {
        ..1e4 => format!("{} ns", digits(ns)),
        ..1e7 => format!("{} us", digits(ns / 1e3)),
        _ => format!("{} ms", digits(ns / 1e6)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_written_with_their_units() {
        let sizes = [1, 1023, 1024, 65536, 1 << 20, 16 << 20, 1 << 30];
        let names = [
            "1 B", "1023 B", "1 KiB", "64 KiB", "1 MiB", "16 MiB", "1 GiB",
        ];
        assert_eq!(sizes.map(size_name), names);
        assert_eq!(
            [98.76, 12_345.0, 2.5e7].map(time),
            ["98.8 ns", "12.3 us", "25.0 ms"]
        );
    }
}
