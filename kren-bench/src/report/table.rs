//! The tables on the console.

use serde_json::Value;

use super::{digits, size_name, time};
use crate::figures::{Choice, Figures, Placement, median};
use crate::link::Test;
use crate::options::Options;
use crate::pair::Known;

/// Rounds of one placement that are worth a table of their own.
const ENOUGH: usize = 3;

pub(super) fn print(options: &Options, machine: &Value, figures: &Figures) {
    println!("\nMachine");
    for (key, value) in machine
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, value)| !value.is_null())
    {
        match value {
            Value::String(text) => println!("  {key:<12}{text}"),
            other => println!("  {key:<12}{other}"),
        }
    }
    for (pair, known) in &figures.pairs {
        let view = View {
            options,
            figures,
            pair,
            known,
        };
        view.print();
    }
    if !figures.failures.is_empty() {
        println!("\nLeft out from some size on, because it failed");
    }
    for failure in &figures.failures {
        let (pair, transport, size) = (&failure.pair, &failure.transport, size_name(failure.size));
        println!("  {pair}: {transport}, {size}: {}", failure.reason);
    }
}

/// One pair of languages.
struct View<'a> {
    options: &'a Options,
    figures: &'a Figures,
    pair: &'a str,
    known: &'a [Known],
}

impl View<'_> {
    fn print(&self) {
        println!("\n== {} ==\n", self.pair);
        for known in self.known {
            println!("  {:<23}{}", known.name, known.how);
        }
        let mut raws: Vec<(usize, usize, f64)> = Vec::new();
        for figure in self
            .figures
            .figures
            .iter()
            .filter(|figure| figure.pair == self.pair)
        {
            raws.push((figure.size, figure.round, figure.raw));
        }
        let count = |placement| {
            raws.iter()
                .filter(|raw| Placement::of(raw.2) == placement)
                .count()
        };
        let (near, far) = (count(Placement::Near), count(Placement::Far));
        if let Some(raw) = median(raws.iter().map(|raw| raw.2)) {
            println!(
                "\nBare round trip: {} in the middle; near in {near} turns, far in {far}.",
                time(raw)
            );
        }
        let both = near.min(far) >= ENOUGH * self.known.len();
        let placements: &[Option<Placement>] = match both {
            true => &[Some(Placement::Near), Some(Placement::Far)],
            false => &[None],
        };
        for &placement in placements {
            let suffix =
                placement.map_or(String::new(), |placement| format!(", {placement:?} rounds"));
            self.sizes(
                &format!("Round trip{suffix}: time (x raw)"),
                Test::Trips,
                |choice| {
                    self.round_trip(Choice {
                        placement,
                        ..choice
                    })
                },
            );
            self.sizes(
                &format!("One way{suffix}: messages/s or bytes/s (x copy)"),
                Test::Stream,
                |choice| {
                    self.one_way(Choice {
                        placement,
                        ..choice
                    })
                },
            );
        }
        self.sizes(
            "One way: processor time of both sides for each message",
            Test::Stream,
            |choice| {
                self.figures
                    .median(choice, |figure| figure.cpu_ns)
                    .map(time)
            },
        );
        self.tails("Single round trips of 64 B", Test::Timed);
        self.tails("Wake-up of a sleeping reader, 64 B", Test::Wake);
        self.idle();
        if self.pair == "Rust to Rust" {
            self.alone();
        }
    }

    fn choice<'a>(&'a self, transport: &'a str, size: usize, test: Test) -> Choice<'a> {
        Choice {
            pair: self.pair,
            transport,
            size,
            test,
            placement: None,
        }
    }

    /// A row for each transport, a column for each size.
    fn sizes(&self, title: &str, test: Test, cell: impl Fn(Choice<'_>) -> Option<String>) {
        let mut rows = Vec::new();
        for known in self
            .known
            .iter()
            .filter(|known| known.tests.contains(&test))
        {
            let cells = self.options.sizes.iter().map(|&size| {
                let cell = cell(self.choice(&known.name, size, test));
                cell.unwrap_or_else(|| "-".to_owned())
            });
            rows.push((known.name.clone(), cells.collect()));
        }
        let heads: Vec<String> = self
            .options
            .sizes
            .iter()
            .map(|&size| size_name(size))
            .collect();
        table(title, &heads, &rows);
    }

    fn round_trip(&self, choice: Choice<'_>) -> Option<String> {
        let ns = self.figures.median(choice, |figure| figure.ns)?;
        let ratio = self
            .figures
            .median(choice, |figure| figure.ns / figure.raw)?;
        Some(format!("{} ({})", time(ns), digits(ratio)))
    }

    fn one_way(&self, choice: Choice<'_>) -> Option<String> {
        let ns = self.figures.median(choice, |figure| figure.ns)?;
        let ratio = self
            .figures
            .median(choice, |figure| figure.copy / figure.ns)?;
        let rate = match choice.size {
            ..16384 => format!("{} M/s", digits(1e3 / ns)),
            size => format!("{} GB/s", digits(size as f64 / ns)),
        };
        Some(format!("{rate} ({})", digits(ratio)))
    }

    fn tails(&self, title: &str, test: Test) {
        let mut rows = Vec::new();
        for known in self.known {
            let Some(tail) = self.figures.tail(self.choice(&known.name, 64, test)) else {
                continue;
            };
            let at = |quantile| time(tail.histogram.value_at_quantile(quantile) as f64);
            let mut cells = vec![time(tail.histogram.min() as f64)];
            cells.extend([0.5, 0.99, 0.999].map(at));
            cells.push(tail.histogram.len().to_string());
            rows.push((known.name.clone(), cells));
        }
        table(
            title,
            &["min", "p50", "p99", "p99.9", "count"].map(str::to_owned),
            &rows,
        );
    }

    fn idle(&self) {
        let ours = self
            .figures
            .idle
            .iter()
            .filter(|idle| idle.pair == self.pair);
        let row = |idle: &crate::figures::Idle| {
            let cells = vec![
                format!("{:.3} %", idle.load * 100.0),
                format!("{:.0}/s", idle.switches_per_second),
            ];
            (idle.transport.clone(), cells)
        };
        let rows: Vec<_> = ours.map(row).collect();
        table(
            "A reader that waits while nothing comes",
            &["processor", "switches"].map(str::to_owned),
            &rows,
        );
    }

    fn alone(&self) {
        let figures = self.figures;
        let mut rows = Vec::new();
        for size in [64, 1 << 10, 64 << 10] {
            let of = |what| figures.alone(what, size, 0);
            if let (Some(kren), Some(copies)) = (of("one-thread"), of("two-copies")) {
                rows.push((
                    size_name(size),
                    vec![time(kren), time(copies), digits(kren / copies)],
                ));
            }
        }
        let heads = ["kren", "two copies", "ratio"].map(str::to_owned);
        table("write + read in one thread", &heads, &rows);
        let mut rows = Vec::new();
        for capacity in [64 << 10, 1 << 20, 16 << 20] {
            let of = |what| figures.alone(what, 64, capacity);
            if let (Some(first), Some(reserve)) = (of("first-message"), of("reserve")) {
                rows.push((
                    size_name(capacity),
                    vec![time(first), time(reserve), time(first - reserve)],
                ));
            }
        }
        let heads = ["kren", "memory alone", "difference"].map(str::to_owned);
        table(
            "create + connect + first message, by capacity",
            &heads,
            &rows,
        );
        if let Some(ns) = figures.alone("bandwidth", 64 << 20, 0) {
            println!(
                "\nCopying 64 MiB: {} GB/s",
                digits(f64::from(64 << 20) / ns)
            );
        }
    }
}

fn table(title: &str, heads: &[String], rows: &[(String, Vec<String>)]) {
    if rows.is_empty() {
        return;
    }
    println!("\n{title}");
    let wide = |at: usize| {
        let cells = rows.iter().filter_map(|(_, cells)| cells.get(at));
        cells
            .chain(heads.get(at))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heads.len()).map(wide).collect();
    let line = |name: &str, cells: &[String]| {
        let cells: Vec<String> = cells
            .iter()
            .zip(&widths)
            .map(|(cell, &width)| format!("{cell:>width$}"))
            .collect();
        println!("  {name:<22}{}", cells.join("  ").trim_end());
    };
    line("", heads);
    rows.iter().for_each(|(name, cells)| line(name, cells));
}
