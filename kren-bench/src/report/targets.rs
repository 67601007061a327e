//! The project's targets beside what was measured.

use super::digits;
use crate::figures::{Choice, Figures, Placement};
use crate::link::Test;

const RUST: &str = "Rust to Rust";
const PYTHON: &str = "Python to Python";
const NODE: &str = "Node to Node";
const MIXED: &str = "Python to Node";

/// What is called good.
#[derive(Clone, Copy)]
enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

pub(super) fn print(figures: &Figures) {
    let fast = |placement| {
        figures
            .figures
            .iter()
            .any(|figure| Placement::of(figure.raw) == placement)
    };
    for placement in [Placement::Near, Placement::Far]
        .into_iter()
        .filter(|placement| fast(*placement))
    {
        println!("\nTargets, {placement:?} rounds (medians of ratios within the round)");
        let goals = Goals { figures, placement };
        goals.rust_trips();
        goals.rust_streams();
        goals.languages();
    }
    if figures.pairs.iter().any(|(pair, _)| pair == RUST) {
        println!("\nTargets, all rounds");
        tails_and_calls(figures);
    }
}

struct Goals<'a> {
    figures: &'a Figures,
    placement: Placement,
}

impl Goals<'_> {
    fn choice<'a>(&self, pair: &'a str, transport: &'a str, size: usize, test: Test) -> Choice<'a> {
        Choice {
            pair,
            transport,
            size,
            test,
            placement: Some(self.placement),
        }
    }

    fn rust_trips(&self) {
        let raw = |transport: &str, size| {
            let choice = self.choice(RUST, transport, size, Test::Trips);
            self.figures.median(choice, |figure| figure.ns / figure.raw)
        };
        for (size, most) in [
            (8, 0.85),
            (32, 0.85),
            (64, 0.85),
            (256, 0.95),
            (1 << 10, 1.5),
        ] {
            let what = format!("round trip {}, spinning, x raw", super::size_name(size));
            line(&what, raw("kren", size), Bound::AtMost(most), "");
        }
        for size in [64 << 10, 1 << 20] {
            let ours = raw("kren-inplace", size);
            let (rival, best) = self.best_rival(size, Test::Trips);
            let what = format!(
                "round trip {}, in place, x best rival",
                super::size_name(size)
            );
            line(&what, ratio(ours, best), Bound::AtMost(1.0), &rival);
        }
        for size in [8, 64, 1 << 10] {
            let ours = self.choice(RUST, "kren-adaptive", size, Test::Trips);
            let theirs = self.choice(RUST, "kren", size, Test::Trips);
            let what = format!(
                "round trip {}, adaptive, x spinning",
                super::size_name(size)
            );
            line(
                &what,
                self.figures.against(ours, theirs),
                Bound::AtMost(1.05),
                "",
            );
        }
        let what = "round trip 1 MiB untouched, x 64 B in place";
        let value = ratio(raw("kren-untouched", 1 << 20), raw("kren-inplace", 64));
        line(what, value, Bound::AtMost(1.1), "");
    }

    fn rust_streams(&self) {
        let copy = |transport: &str, size| {
            let choice = self.choice(RUST, transport, size, Test::Stream);
            self.figures
                .median(choice, |figure| figure.copy / figure.ns)
        };
        let one = |what: &str, transport: &str, size, least| {
            let what = format!("one way {}{what}, x copy", super::size_name(size));
            line(&what, copy(transport, size), Bound::AtLeast(least), "");
        };
        one("", "kren", 8, 0.8);
        one(" in batches", "kren-batch", 8, 1.0);
        match self.placement {
            Placement::Near => {
                one("", "kren", 64, 1.2);
                one("", "kren", 256, 0.9);
            }
            Placement::Far => {
                let ours = self.choice(RUST, "aeron", 64, Test::Stream);
                let theirs = self.choice(RUST, "kren", 64, Test::Stream);
                let value = self.figures.against(ours, theirs);
                line("one way 64 B, x Aeron", value, Bound::AtLeast(1.5), "");
            }
        }
        one("", "kren", 1 << 10, 0.5);
        one(" in place", "kren-inplace", 64 << 10, 1.25);
        one(" in place", "kren-inplace", 1 << 20, 1.45);
    }

    fn languages(&self) {
        let trip = |pair, rival, most| {
            let ours = self.choice(pair, "kren", 64, Test::Trips);
            let theirs = self.choice(pair, rival, 64, Test::Trips);
            let what = format!("{pair}: round trip 64 B, x {rival}");
            line(
                &what,
                self.figures.against(ours, theirs),
                Bound::AtMost(most),
                "",
            );
        };
        let stream = |pair, kren: &str, rival, size, least| {
            let ours = self.choice(pair, kren, size, Test::Stream);
            let theirs = self.choice(pair, rival, size, Test::Stream);
            let what = format!(
                "{pair}: one way {}, {kren}, x {rival}",
                super::size_name(size)
            );
            line(
                &what,
                self.figures.against(theirs, ours),
                Bound::AtLeast(least),
                "",
            );
        };
        trip(PYTHON, "cloudtoid", 0.6);
        stream(PYTHON, "kren", "cloudtoid", 64, 2.0);
        stream(PYTHON, "kren-many", "cloudtoid", 64, 4.0);
        stream(PYTHON, "kren", "slots", 64 << 10, 1.0);
        stream(PYTHON, "kren", "slots", 1 << 20, 1.0);
        trip(NODE, "jsring", 0.6);
        stream(NODE, "kren", "jsring", 64, 2.0);
        stream(NODE, "kren-many", "jsring", 64, 4.0);
        stream(NODE, "kren", "jsring", 64 << 10, 2.0);
        stream(MIXED, "kren", "unix", 64 << 10, 2.0);
        stream(MIXED, "kren", "unix", 1 << 20, 2.0);
    }

    /// The best of those that are not KREN, as a share of the limit.
    fn best_rival(&self, size: usize, test: Test) -> (String, Option<f64>) {
        let known = self
            .figures
            .pairs
            .iter()
            .filter(|(pair, _)| pair == RUST)
            .flat_map(|(_, known)| known);
        let rivals = known.filter(|known| !["raw", "futex"].contains(&known.name.as_str()));
        let rivals = rivals.filter(|known| !known.name.starts_with("kren"));
        let measured = rivals.filter_map(|known| {
            let choice = self.choice(RUST, &known.name, size, test);
            let value = self
                .figures
                .median(choice, |figure| figure.ns / figure.raw)?;
            Some((known.name.clone(), value))
        });
        match measured.min_by(|one, other| one.1.total_cmp(&other.1)) {
            Some((name, value)) => (name, Some(value)),
            None => (String::new(), None),
        }
    }
}

fn tails_and_calls(figures: &Figures) {
    let of = |pair, transport, test, quantile| {
        figures.quantile(
            Choice {
                pair,
                transport,
                size: 64,
                test,
                placement: None,
            },
            quantile,
        )
    };
    let spread = |transport| {
        ratio(
            of(RUST, transport, Test::Timed, 0.999),
            of(RUST, transport, Test::Timed, 0.5),
        )
    };
    let value = ratio(spread("kren"), spread("raw"));
    line(
        "round trip 64 B: p99.9 / p50, x that of raw",
        value,
        Bound::AtMost(1.5),
        "",
    );
    let value = ratio(
        of(RUST, "kren-adaptive", Test::Wake, 0.5),
        of(RUST, "futex", Test::Wake, 0.5),
    );
    line(
        "wake-up of a sleeping reader, x futex",
        value,
        Bound::AtMost(1.05),
        "",
    );
    let asleep = of(NODE, "kren-adaptive", Test::Wake, 0.99).map(|ns| ns / 1e3);
    line(
        "Node to Node: asleep, p99, us",
        asleep,
        Bound::AtMost(100.0),
        "",
    );
    for capacity in [64 << 10, 1 << 20] {
        let ns = |what| figures.alone(what, 64, capacity);
        let beyond = ns("first-message")
            .zip(ns("reserve"))
            .map(|(first, reserve)| (first - reserve) / 1e3);
        let what = format!(
            "create + connect + first, {}, us beyond memory",
            super::size_name(capacity)
        );
        line(&what, beyond, Bound::AtMost(20.0), "");
    }
    line(
        "write + read 64 B, one thread, ns",
        figures.alone("one-thread", 64, 0),
        Bound::AtMost(12.0),
        "",
    );
    let value = figures.alone("one-thread", 1 << 10, 0);
    line(
        "write + read 1 KiB, one thread, ns",
        value,
        Bound::AtMost(25.0),
        "",
    );
    let value = ratio(
        figures.alone("one-thread", 64 << 10, 0),
        figures.alone("two-copies", 64 << 10, 0),
    );
    line(
        "write + read 64 KiB, one thread, x two copies",
        value,
        Bound::AtMost(0.6),
        "",
    );
}

fn ratio(ours: Option<f64>, theirs: Option<f64>) -> Option<f64> {
    Some(ours? / theirs?)
}

/// Prints what was measured; nothing where nothing was.
fn line(what: &str, value: Option<f64>, bound: Bound, beside: &str) {
    let Some(value) = value else { return };
    let (met, bound) = match bound {
        Bound::AtMost(most) => (value <= most, format!("at most {}", digits(most))),
        Bound::AtLeast(least) => (value >= least, format!("at least {}", digits(least))),
    };
    let verdict = if met { "met" } else { "NOT MET" };
    println!(
        "  {what:<62}{:>9}   {bound:<14}  {verdict:<8}{beside}",
        digits(value)
    );
}
