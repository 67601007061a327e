//! The tables of each pair of languages.

use serde_json::Value;

use super::page::Page;
use super::{digits, size_name, time};
use crate::figures::{Choice, Figures, Placement, Summary, median};
use crate::link::Test;
use crate::pair::Known;

/// Rounds of one placement that are worth a table of their own.
const ENOUGH: usize = 3;

pub(crate) fn known(page: &mut Page, title: &str, all: &Value) {
    let known = all.as_object().into_iter().flatten();
    let rows = known.filter(|(_, value)| !value.is_null());
    let rows = rows.map(|(key, value)| match value {
        Value::String(text) => (key.clone(), text.clone()),
        Value::Array(list) if list.iter().all(Value::is_string) => {
            let list: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
            (key.clone(), list.join("; "))
        }
        other => (key.clone(), other.to_string()),
    });
    page.list(title, &rows.collect::<Vec<_>>());
}

/// Whether the two processors are two cores, as far as that can be known.
pub(super) fn cores(page: &mut Page, figures: &Figures) {
    let slowdowns = figures.limits.iter().map(|limits| limits.slowdown);
    if let Some(slowdown) = median(slowdowns) {
        // Two hardware threads of one core share what it can do; two cores do not.
        let meaning = match slowdown {
            ..1.15 => "two physical cores",
            ..1.35 => "unclear whether they share a physical core",
            _ => "one physical core, which they share",
        };
        page.line(&format!(
            "Busy at the same time, a processor takes {} x as long as alone: {meaning}.",
            digits(slowdown)
        ));
    }
}

pub(super) fn pairs(page: &mut Page, figures: &Figures) {
    for (pair, known) in &figures.pairs {
        let sizes = figures.sizes(pair);
        View {
            page,
            sizes,
            figures,
            pair,
            known,
        }
        .fill();
    }
    let failures = figures.failures.iter().map(|failure| {
        let size = size_name(failure.size);
        let what = format!("{}, {size}: {}", failure.pair, failure.reason);
        (failure.transport.clone(), what)
    });
    page.list(
        "Left out from some size on, because it failed",
        &failures.collect::<Vec<_>>(),
    );
}

/// One pair of languages.
struct View<'a> {
    page: &'a mut Page,
    sizes: Vec<usize>,
    figures: &'a Figures,
    pair: &'a str,
    known: &'a [Known],
}

impl View<'_> {
    fn fill(&mut self) {
        self.page.heading(self.pair);
        let known = self.known.iter();
        let how = known.map(|known| (known.name.clone(), known.how.clone()));
        self.page.list("Transports", &how.collect::<Vec<_>>());
        self.limits();
        for placement in self.placements() {
            let suffix =
                placement.map_or(String::new(), |placement| format!(", {placement:?} rounds"));
            let figures = self.figures;
            self.by_size(
                &format!("Round trip{suffix}: time (x raw)"),
                Test::Trips,
                |choice| round_trip(figures, choice.placed(placement)),
            );
            self.by_size(
                &format!("One way{suffix}: messages/s or bytes/s (x copy)"),
                Test::Stream,
                |choice| one_way(figures, choice.placed(placement)),
            );
        }
        for (title, test) in [
            ("Round trip: processor time of both sides", Test::Trips),
            (
                "One way: processor time of both sides for each message",
                Test::Stream,
            ),
        ] {
            let figures = self.figures;
            self.by_size(title, test, |choice| {
                figures.median(choice, |figure| figure.cpu_ns).map(time)
            });
        }
        self.tails("Single round trips of 64 B", Test::Timed);
        self.tails("Wake-up of a sleeping reader, 64 B", Test::Wake);
        self.idle();
        if self.pair == "Rust to Rust" {
            self.alone();
        }
    }

    fn limits(&mut self) {
        let figures = self.figures;
        let rounds = || {
            figures
                .limits
                .iter()
                .filter(|limits| limits.pair == self.pair)
        };
        let (Some(raw), Some(memory)) = (
            median(rounds().map(|limits| limits.raw)),
            median(rounds().map(|limits| limits.memory)),
        ) else {
            return;
        };
        let futex = median(rounds().filter_map(|limits| limits.futex));
        let reading = median(rounds().filter_map(|limits| limits.reading));
        let far = rounds().filter(|limits| Placement::of(limits.raw) == Placement::Far);
        let (all, far) = (rounds().count(), far.count());
        self.page.line(&format!(
            "Limits, medians of {all} rounds: raw {} (near in {}, far in {far}); copying 64 MiB {} GB/s; reading them {}; futex hand-over {}.",
            time(raw),
            all - far,
            digits(memory),
            reading.map_or("-".to_owned(), |reading| format!("{} GB/s", digits(reading))),
            futex.map_or("-".to_owned(), time),
        ));
    }

    /// Each by itself if there is enough of both, else all together.
    fn placements(&self) -> Vec<Option<Placement>> {
        let count = |placement| {
            let ours = self
                .figures
                .figures
                .iter()
                .filter(|figure| figure.pair == self.pair);
            ours.filter(|figure| Placement::of(figure.raw) == placement)
                .count()
        };
        let all = [Placement::Near, Placement::Far];
        match all.map(count).iter().min() {
            Some(least) if *least >= ENOUGH * self.known.len() => all.map(Some).to_vec(),
            _ => vec![None],
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

    /// A row for each transport that was measured, a column for each size; many sizes the other way round.
    fn by_size(&mut self, title: &str, test: Test, cell: impl Fn(Choice<'_>) -> Option<String>) {
        let mut rows = Vec::new();
        for known in self.known {
            let cells = self
                .sizes
                .iter()
                .map(|&size| cell(self.choice(&known.name, size, test)));
            let cells: Vec<Option<String>> = cells.collect();
            if cells.iter().any(Option::is_some) {
                let cells = cells
                    .into_iter()
                    .map(|cell| cell.unwrap_or_else(|| "-".to_owned()));
                rows.push((known.name.clone(), cells.collect::<Vec<_>>()));
            }
        }
        let heads: Vec<String> = self.sizes.iter().map(|&size| size_name(size)).collect();
        if heads.len() <= crate::options::STANDARD_SIZES.len() || rows.is_empty() {
            return self.page.table(title, &heads, &rows);
        }
        let names: Vec<String> = rows.iter().map(|(name, _)| name.clone()).collect();
        let turned = heads.iter().enumerate().map(|(at, head)| {
            let cells = rows.iter().map(|(_, cells)| cells[at].clone());
            (head.clone(), cells.collect())
        });
        let turned: Vec<(String, Vec<String>)> = turned.collect();
        self.page.table(title, &names, &turned);
    }

    fn tails(&mut self, title: &str, test: Test) {
        let row = |name: &str, tail: Summary| {
            let mut cells: Vec<String> = [tail.min, tail.p50, tail.p99, tail.p999]
                .map(|ns| time(ns as f64))
                .to_vec();
            cells.push(tail.p9999.map_or("-".to_owned(), |ns| time(ns as f64)));
            cells.push(tail.count.to_string());
            (name.to_owned(), cells)
        };
        let rows: Vec<_> = self
            .known
            .iter()
            .filter_map(|known| {
                let tail = self.figures.tail(self.choice(&known.name, 64, test))?;
                Some(row(&known.name, tail))
            })
            .collect();
        let heads = ["min", "p50", "p99", "p99.9", "p99.99", "count"].map(str::to_owned);
        self.page.table(title, &heads, &rows);
    }

    fn idle(&mut self) {
        let mut rows = Vec::new();
        for known in self.known {
            let ours = || {
                let all = self.figures.idle.iter();
                all.filter(|idle| idle.pair == self.pair && idle.transport == known.name)
            };
            let load = median(ours().map(|idle| idle.load));
            let switches = median(ours().map(|idle| idle.switches_per_second));
            if let Some((load, switches)) = load.zip(switches) {
                let cells = vec![format!("{:.3} %", load * 100.0), format!("{switches:.0}/s")];
                rows.push((known.name.clone(), cells));
            }
        }
        self.page.table(
            "A reader that waits while nothing comes",
            &["processor", "switches"].map(str::to_owned),
            &rows,
        );
    }

    fn alone(&mut self) {
        let figures = self.figures;
        let mut rows = Vec::new();
        for size in [64, 1 << 10, 64 << 10] {
            let of = |what| figures.alone(what, size, 0);
            if let (Some(kren), Some(copies)) = (of("one-thread"), of("two-copies")) {
                let cells = vec![time(kren), time(copies), digits(kren / copies)];
                rows.push((size_name(size), cells));
            }
        }
        let heads = ["kren", "two copies", "ratio"].map(str::to_owned);
        self.page.table("write + read in one thread", &heads, &rows);
        let mut rows = Vec::new();
        for capacity in [64 << 10, 1 << 20, 16 << 20] {
            let of = |what| figures.alone(what, 64, capacity);
            if let (Some(first), Some(reserve)) = (of("first-message"), of("reserve")) {
                let cells = vec![time(first), time(reserve), time(first - reserve)];
                rows.push((size_name(capacity), cells));
            }
        }
        let heads = ["kren", "memory alone", "difference"].map(str::to_owned);
        self.page.table(
            "create + connect + first message, by capacity",
            &heads,
            &rows,
        );
    }
}

fn round_trip(figures: &Figures, choice: Choice<'_>) -> Option<String> {
    let ns = figures.median(choice, |figure| figure.ns)?;
    let ratio = figures.median(choice, |figure| figure.ns / figure.raw)?;
    Some(format!("{} ({})", time(ns), digits(ratio)))
}

fn one_way(figures: &Figures, choice: Choice<'_>) -> Option<String> {
    let ns = figures.median(choice, |figure| figure.ns)?;
    let ratio = figures.median(choice, |figure| figure.copy / figure.ns)?;
    let rate = match choice.size {
        ..16384 => format!("{} M/s", digits(1e3 / ns)),
        size => format!("{} GB/s", digits(size as f64 / ns)),
    };
    Some(format!("{rate} ({})", digits(ratio)))
}
