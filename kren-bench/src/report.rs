//! What was measured, to be read: on the console, as JSON, as a picture.

mod json;
mod svg;
mod table;
mod targets;

use std::fs;

use crate::Result;
use crate::figures::Figures;
use crate::options::Options;
use crate::{machine, pair, rounds};

/// Measures what the options ask for, and reports it.
pub(crate) fn measure(options: &Options) -> Result<()> {
    let machine = machine::describe(options.programs.pinned);
    let mut figures = Figures::default();
    let measured = options
        .pairs
        .iter()
        .try_for_each(|&pair| rounds::measure(options, pair, &mut figures));
    pair::tidy();
    measured?;
    table::print(options, &machine, &figures);
    targets::print(&figures);
    if let Some(file) = &options.json {
        fs::write(file, json::text(options, &machine, &figures)?)?;
        println!("\nAll figures: {}", file.display());
    }
    if let Some(file) = &options.svg {
        fs::write(file, svg::draw(options, &machine, &figures))?;
        println!("Picture: {}", file.display());
    }
    Ok(())
}

/// As in `64 B`, `4 KiB`.
fn size_name(size: usize) -> String {
    if size < 1 << 10 {
        format!("{size} B")
    } else if size < 1 << 20 {
        format!("{} KiB", size >> 10)
    } else {
        format!("{} MiB", size >> 20)
    }
}

/// Three digits, as much as these figures are good for.
fn digits(value: f64) -> String {
    match value.abs() {
        ..1.0 => format!("{value:.3}"),
        ..10.0 => format!("{value:.2}"),
        ..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// Nanoseconds with the unit that suits them.
fn time(ns: f64) -> String {
    match ns.abs() {
        ..1e4 => format!("{} ns", digits(ns)),
        ..1e7 => format!("{} us", digits(ns / 1e3)),
        _ => format!("{} ms", digits(ns / 1e6)),
    }
}
