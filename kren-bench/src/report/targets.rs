//! The project's targets beside what was measured.

use super::page::Page;
use super::{digits, size_name};
use crate::figures::{Choice, Figures, Placement};
use crate::link::Test;

const RUST: &str = "Rust to Rust";
const PYTHON: &str = "Python to Python";
const NODE: &str = "Node to Node";
const MIXED: &str = "Python to Node";
/// What is not KREN and yet no rival.
const LIMITS: [&str; 2] = ["raw", "futex"];

/// The share of all turns below which those of a placement are too few to judge by.
const ENOUGH: f64 = 0.1;

/// What is called good.
#[derive(Clone, Copy)]
enum Bound {
    AtMost(f64),
    AtLeast(f64),
}
use Bound::{AtLeast, AtMost};

struct Target {
    pair: &'static str,
    placement: Option<Placement>,
    what: String,
    /// What was measured, if it was.
    value: Option<f64>,
    bound: Bound,
    beside: String,
}

impl Target {
    fn is_met(&self) -> Option<bool> {
        let value = self.value?;
        Some(match self.bound {
            AtMost(most) => value <= most,
            AtLeast(least) => value >= least,
        })
    }

    fn bound(&self) -> String {
        match self.bound {
            AtMost(most) => format!("at most {}", digits(most)),
            AtLeast(least) => format!("at least {}", digits(least)),
        }
    }
}

/// All targets for the pairs that were measured, those that have no figure too.
fn all(figures: &Figures) -> Vec<Target> {
    let mut targets = Vec::new();
    for placement in [Placement::Near, Placement::Far] {
        let placed = figures.figures.iter();
        let placed = placed.filter(|figure| Placement::of(figure.raw) == placement);
        if placed.count() as f64 >= figures.figures.len() as f64 * ENOUGH {
            let mut goals = Goals {
                figures,
                placement: Some(placement),
                targets: vec![],
            };
            goals.rust_trips();
            goals.rust_streams();
            goals.languages();
            targets.append(&mut goals.targets);
        }
    }
    let mut goals = Goals {
        figures,
        placement: None,
        targets: vec![],
    };
    goals.calls();
    targets.append(&mut goals.targets);
    let measured = |target: &Target| figures.pairs.iter().any(|(pair, _)| pair == target.pair);
    targets.retain(measured);
    targets
}

pub(super) fn fill(page: &mut Page, figures: &Figures) {
    let targets = all(figures);
    for placement in [Some(Placement::Near), Some(Placement::Far), None] {
        let measured = targets
            .iter()
            .filter(|target| target.placement == placement);
        let rows = measured.filter_map(|target| {
            let verdict = if target.is_met()? { "met" } else { "NOT MET" };
            let mut cells = vec![digits(target.value?), target.bound(), verdict.to_owned()];
            cells.push(target.beside.clone());
            Some((format!("{}: {}", target.pair, target.what), cells))
        });
        let title = match placement {
            Some(placement) => format!(
                "Targets, {} (medians of ratios within the round)",
                format!("{placement:?} rounds").to_lowercase()
            ),
            None => "Targets, all rounds".to_owned(),
        };
        let heads = ["measured", "target", "", ""].map(str::to_owned);
        page.table(&title, &heads, &rows.collect::<Vec<_>>());
    }
    let count = |met| {
        targets
            .iter()
            .filter(|target| target.is_met() == met)
            .count()
    };
    let (met, not, unknown) = (count(Some(true)), count(Some(false)), count(None));
    if met + not > 0 {
        page.line(&format!(
            "{met} targets met, {not} not met, {unknown} not measured in this run."
        ));
    }
}

struct Goals<'a> {
    figures: &'a Figures,
    placement: Option<Placement>,
    targets: Vec<Target>,
}

impl Goals<'_> {
    fn add(&mut self, pair: &'static str, what: String, value: Option<f64>, bound: Bound) {
        self.beside(pair, what, value, bound, String::new());
    }

    fn beside(
        &mut self,
        pair: &'static str,
        what: String,
        value: Option<f64>,
        bound: Bound,
        beside: String,
    ) {
        self.targets.push(Target {
            pair,
            placement: self.placement,
            what,
            value,
            bound,
            beside,
        });
    }

    fn choice<'a>(&self, pair: &'a str, transport: &'a str, size: usize, test: Test) -> Choice<'a> {
        Choice {
            pair,
            transport,
            size,
            test,
            placement: self.placement,
        }
    }

    /// One of ours in relation to one of theirs, the median over the rounds.
    fn against(
        &self,
        pair: &str,
        ours: &str,
        theirs: &str,
        size: usize,
        test: Test,
    ) -> Option<f64> {
        self.figures.against(
            self.choice(pair, ours, size, test),
            self.choice(pair, theirs, size, test),
        )
    }

    fn raw(&self, transport: &str, size: usize) -> Option<f64> {
        let choice = self.choice(RUST, transport, size, Test::Trips);
        self.figures.median(choice, |figure| figure.ns / figure.raw)
    }

    fn rust_trips(&mut self) {
        let small = [
            (8, 0.85),
            (32, 0.85),
            (64, 0.85),
            (256, 0.95),
            (1 << 10, 1.5),
        ];
        for (size, most) in small {
            let what = format!("round trip {}, spinning, x raw", size_name(size));
            self.add(RUST, what, self.raw("kren", size), AtMost(most));
        }
        let mut ratios = Vec::new();
        for size in [64 << 10, 1 << 20] {
            let (rival, value) = self.best_rival("kren-inplace", size, Test::Trips);
            let what = format!("round trip {}, in place, x best rival", size_name(size));
            self.beside(RUST, what, value, AtMost(1.0), rival);
            ratios.extend(value);
        }
        let better = ratios.iter().copied().reduce(f64::min);
        let what = "the better of these two".to_owned();
        self.add(RUST, what, better, AtMost(1.0 / 1.1));
        for (size, _) in small {
            let value = self.against(RUST, "kren-adaptive", "kren", size, Test::Trips);
            let what = format!("round trip {}, adaptive, x spinning", size_name(size));
            self.add(RUST, what, value, AtMost(1.05));
        }
        for size in [64 << 10, 1 << 20] {
            let (ours, theirs) = ("kren-inplace-adaptive", "kren-inplace");
            let value = self.against(RUST, ours, theirs, size, Test::Trips);
            let what = format!(
                "round trip {}, in place, adaptive, x spinning",
                size_name(size)
            );
            self.add(RUST, what, value, AtMost(1.05));
        }
        self.tail();
        let large = self.raw("kren-untouched", 1 << 20);
        let value = ratio(large, self.raw("kren-inplace", 64));
        let what = "round trip 1 MiB untouched, x 64 B in place".to_owned();
        self.add(RUST, what, value, AtMost(1.1));
    }

    /// The slowest thousandth, without what the machine does to bare atomics: taken off, and as a ratio. Where
    /// interrupts of many microseconds make it up, the difference of two of them says little.
    fn tail(&mut self) {
        let of = |transport| {
            let tail = self
                .figures
                .tail(self.choice(RUST, transport, 64, Test::Timed))?;
            Some((tail.p50 as f64, tail.p999 as f64))
        };
        let both = of("kren").zip(of("raw"));
        let beyond = both.map(|((p50, p999), (raw_p50, raw_p999))| {
            (p999 - (raw_p999 - raw_p50).max(0.0)).max(p50) / p50
        });
        let spread =
            both.map(|((p50, p999), (raw_p50, raw_p999))| p999 / p50 / (raw_p999 / raw_p50));
        let what = "round trip 64 B, p99.9 less raw's excess, x p50".to_owned();
        self.add(RUST, what, beyond, AtMost(1.5));
        let what = "round trip 64 B, p99.9 / p50, x that of raw".to_owned();
        self.add(RUST, what, spread, AtMost(1.5));
    }

    fn rust_streams(&mut self) {
        self.copy("", "kren", 8, 0.8);
        self.copy(" in batches", "kren-batch", 8, 1.0);
        if self.placement == Some(Placement::Near) {
            self.copy("", "kren", 64, 1.2);
            self.copy("", "kren", 256, 0.9);
        } else {
            let value = self.against(RUST, "aeron", "kren", 64, Test::Stream);
            self.add(
                RUST,
                "one way 64 B, x Aeron".to_owned(),
                value,
                AtLeast(1.5),
            );
        }
        self.copy("", "kren", 1 << 10, 0.5);
        for (size, least) in [(64 << 10, 1.25), (1 << 20, 1.45)] {
            self.copy("", "kren", size, least);
            self.copy(" in place", "kren-inplace", size, least);
        }
    }

    fn copy(&mut self, way: &str, transport: &str, size: usize, least: f64) {
        let choice = self.choice(RUST, transport, size, Test::Stream);
        let value = self
            .figures
            .median(choice, |figure| figure.copy / figure.ns);
        let what = format!("one way {}{way}, x copy", size_name(size));
        self.add(RUST, what, value, AtLeast(least));
    }

    fn languages(&mut self) {
        self.trip(PYTHON, "cloudtoid");
        self.stream(PYTHON, "kren", "cloudtoid", 64, 2.0);
        self.stream(PYTHON, "kren-many", "cloudtoid", 64, 4.0);
        self.stream(PYTHON, "kren", "slots", 64 << 10, 1.0);
        self.stream(PYTHON, "kren", "slots", 1 << 20, 1.0);
        self.trip(NODE, "jsring");
        self.stream(NODE, "kren", "jsring", 64, 2.0);
        self.stream(NODE, "kren-many", "jsring", 64, 4.0);
        self.stream(NODE, "kren", "jsring", 64 << 10, 2.0);
        self.stream(MIXED, "kren", "unix", 64 << 10, 2.0);
        self.stream(MIXED, "kren", "unix", 1 << 20, 2.0);
    }

    fn trip(&mut self, pair: &'static str, rival: &str) {
        let value = self.against(pair, "kren", rival, 64, Test::Trips);
        let what = format!("round trip 64 B, x {rival}");
        self.add(pair, what, value, AtMost(0.6));
    }

    fn stream(&mut self, pair: &'static str, kren: &str, rival: &str, size: usize, least: f64) {
        let value = self.against(pair, rival, kren, size, Test::Stream);
        let what = format!("one way {}, {kren}, x {rival}", size_name(size));
        self.add(pair, what, value, AtLeast(least));
    }

    /// The rival that comes best off beside ours, and ours in relation to it.
    fn best_rival(&self, ours: &str, size: usize, test: Test) -> (String, Option<f64>) {
        let known = self.figures.pairs.iter();
        let known = known
            .filter(|(pair, _)| pair == RUST)
            .flat_map(|(_, known)| known);
        let names = known.map(|known| known.name.as_str());
        let rivals = names.filter(|name| !LIMITS.contains(name) && !name.starts_with("kren"));
        let ratios = rivals.filter_map(|rival| {
            let value = self.against(RUST, ours, rival, size, test)?;
            Some((rival.to_owned(), value))
        });
        match ratios.max_by(|one, other| one.1.total_cmp(&other.1)) {
            Some((name, value)) => (name, Some(value)),
            None => (String::new(), None),
        }
    }

    /// What does not hang on where the processors lie, or has too few figures to tell.
    fn calls(&mut self) {
        let figures = self.figures;
        let value = self.against(RUST, "kren-adaptive", "futex", 64, Test::Wake);
        let what = "wake-up of a sleeping reader, x futex".to_owned();
        self.add(RUST, what, value, AtMost(1.05));
        for capacity in [64 << 10, 1 << 20] {
            let ns = |what| figures.alone(what, 64, capacity);
            let both = ns("first-message").zip(ns("reserve"));
            let beyond = both.map(|(first, reserve)| (first - reserve) / 1e3);
            let size = size_name(capacity);
            let what = format!("create + connect + first, {size}, us beyond memory");
            self.add(RUST, what, beyond, AtMost(20.0));
        }
        for (size, most) in [(64, 12.0), (1 << 10, 25.0)] {
            let value = figures.alone("one-thread", size, 0);
            let what = format!("write + read {}, one thread, ns", size_name(size));
            self.add(RUST, what, value, AtMost(most));
        }
        let large = |what| figures.alone(what, 64 << 10, 0);
        let value = ratio(large("one-thread"), large("two-copies"));
        let what = "write + read 64 KiB, one thread, x two copies".to_owned();
        self.add(RUST, what, value, AtMost(0.6));
        for (transport, way) in [("kren-adaptive", "read"), ("kren-async", "readAsync")] {
            let asleep = figures.tail(self.choice(NODE, transport, 64, Test::Wake));
            let value = asleep.map(|tail| tail.p99 as f64 / 1e3);
            let what = format!("asleep in {way}, 64 B, p99, us");
            self.add(NODE, what, value, AtMost(100.0));
        }
    }
}

fn ratio(ours: Option<f64>, theirs: Option<f64>) -> Option<f64> {
    Some(ours? / theirs?)
}
