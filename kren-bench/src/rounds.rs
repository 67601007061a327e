//! The order of measuring: in each round every transport has its turn, beside the limits.

mod quiet;

use std::collections::HashMap;

use serde_json::Value;

use crate::Result;
use crate::figures::{Alone, Choice, Failure, Figure, Figures};
use crate::link::Test;
use crate::options::Options;
use crate::pair::{Known, Language, Pair, numbers};

/// Single round trips of one turn: enough for a tail over all rounds, and little to hand over.
const TIMED: u64 = 20_000;
/// The limit that every pair is seen beside.
const RAW: &str = "raw";
const RAW_TRIPS: u64 = 4_000;
/// How long measuring it may take.
const RAW_NS: f64 = 2e6;
/// The size of messages where the size does not matter.
const SMALL: usize = 64;

/// Measures one pair of languages.
pub(crate) fn measure(
    options: &Options,
    languages: [Language; 2],
    figures: &mut Figures,
) -> Result<()> {
    let pair = Pair::start(&options.programs, languages[0], languages[1])?;
    let limits = if pair.is_rust() {
        None
    } else {
        Some(Pair::start(
            &options.programs,
            Language::Rust,
            Language::Rust,
        )?)
    };
    let mut rounds = Rounds {
        options,
        name: pair.name(),
        pair,
        limits,
        figures,
        failed: vec![],
        raw_trips: RAW_TRIPS / 10,
    };
    rounds.all()?;
    rounds.pair.end();
    rounds.limits.into_iter().for_each(Pair::end);
    Ok(())
}

struct Rounds<'a> {
    options: &'a Options,
    name: String,
    pair: Pair,
    /// Who measures the limits if the pair itself, not being Rust, cannot.
    limits: Option<Pair>,
    figures: &'a mut Figures,
    failed: Vec<String>,
    raw_trips: u64,
}

/// One transport's turn in one round.
struct Turn<'a> {
    transport: &'a str,
    size: usize,
    test: Test,
    count: u64,
    round: usize,
    raw: f64,
    copy: f64,
}

impl Rounds<'_> {
    fn limits(&mut self) -> &mut Pair {
        self.limits.as_mut().unwrap_or(&mut self.pair)
    }

    fn all(&mut self) -> Result<()> {
        let known = self.pair.transports()?;
        let asked = &self.options.transports;
        let wanted = |known: &Known| {
            known.name == RAW
                || asked.is_empty()
                || asked.iter().any(|name| known.name.starts_with(name))
        };
        let known: Vec<Known> = known.into_iter().filter(wanted).collect();
        self.figures.pairs.push((self.name.clone(), known.clone()));
        self.limits().open(RAW, SMALL, 4096)?;
        for &size in &self.options.sizes {
            eprintln!("{}: messages of {size} bytes", self.name);
            self.size(&known, size)?;
        }
        eprintln!("{}: asleep", self.name);
        self.asleep(&known)?;
        if self.limits.is_none() {
            eprintln!("{}: one process", self.name);
            self.alone()?;
        }
        Ok(())
    }

    /// Opens what can be measured with messages of `size` bytes.
    fn open(&mut self, known: &[Known], size: usize, tests: &[Test]) -> Result<Vec<Known>> {
        let mut open = Vec::new();
        for transport in known {
            let suits =
                transport.carries(size) && transport.tests.iter().any(|test| tests.contains(test));
            if transport.name == RAW || !suits || self.failed.contains(&transport.name) {
                continue;
            }
            match self.pair.open(&transport.name, size, self.capacity(size)) {
                Ok(()) => open.push(transport.clone()),
                Err(error) => self.give_up(&transport.name, size, error.to_string())?,
            }
        }
        Ok(open)
    }

    fn close(&mut self, open: &[Known]) -> Result<()> {
        for transport in open {
            if !self.failed.contains(&transport.name) {
                self.pair.close(&transport.name)?;
            }
        }
        Ok(())
    }

    /// Bytes of each ring: four messages at least, with what a transport adds to them.
    fn capacity(&self, size: usize) -> usize {
        self.options
            .capacity
            .max(4 * (size + 64))
            .next_multiple_of(4096)
    }

    /// Goes on without a transport; for this pair it does not come back.
    fn give_up(&mut self, transport: &str, size: usize, reason: String) -> Result<()> {
        eprintln!("{}: {transport} with {size} bytes: {reason}", self.name);
        self.failed.push(transport.to_owned());
        self.figures.failures.push(Failure {
            pair: self.name.clone(),
            transport: transport.to_owned(),
            size,
            reason,
        });
        self.pair.give_up(transport)
    }

    /// All rounds with messages of one size.
    fn size(&mut self, known: &[Known], size: usize) -> Result<()> {
        let tests = [Test::Trips, Test::Timed, Test::Stream];
        let mut turns = self.open(known, size, &tests)?;
        let mut counts = HashMap::new();
        for transport in &turns {
            for &test in transport
                .tests
                .iter()
                .filter(|test| **test != Test::Timed && tests.contains(test))
            {
                match self.calibrate(&transport.name, test) {
                    Ok(count) => drop(counts.insert((transport.name.clone(), test), count)),
                    Err(error) => {
                        self.give_up(&transport.name, size, error.to_string())?;
                        break;
                    }
                }
            }
        }
        for round in 0..self.options.rounds {
            let copies = (3e6 / (2.0 + size as f64 / 20.0)) as u64 + 1;
            let capacity = self.capacity(size);
            let copy = self.limits().alone("copy", size, capacity, copies)?[0] / copies as f64;
            self.figures.alone.push(Alone {
                what: "copy".to_owned(),
                size,
                capacity,
                ns: copy,
            });
            self.raw_tail(size, round, copy)?;
            for transport in &turns {
                if self.failed.contains(&transport.name) {
                    continue;
                }
                for &test in transport.tests.iter().filter(|test| tests.contains(test)) {
                    let counted = if test == Test::Timed {
                        Test::Trips
                    } else {
                        test
                    };
                    let count = counts[&(transport.name.clone(), counted)];
                    let raw = self.raw()?;
                    let turn = Turn {
                        transport: &transport.name,
                        size,
                        test,
                        count,
                        round,
                        raw,
                        copy,
                    };
                    if let Err(error) = self.turn(&turn) {
                        self.give_up(&transport.name, size, error.to_string())?;
                        break;
                    }
                }
            }
            // Nobody always comes first, or after the same one.
            let first = 1.min(turns.len());
            turns.rotate_left(first);
        }
        self.close(&turns)
    }

    /// How many trips or messages take as long as a run is to take.
    fn calibrate(&mut self, transport: &str, test: Test) -> Result<u64> {
        let mut count = 16;
        loop {
            let ns = self.elapsed(transport, test, count)?;
            if ns > self.options.run_ns / 4.0 || count > 1 << 24 {
                // Once more: whatever else ran on this machine would leave its mark on every round.
                let ns = self.elapsed(transport, test, count)?.min(ns);
                let fitting = count as f64 * self.options.run_ns / ns;
                return Ok((fitting as u64).max(16));
            }
            count *= 4;
        }
    }

    fn elapsed(&mut self, transport: &str, test: Test, count: u64) -> Result<f64> {
        let [lead, _] = self.pair.run(transport, test, count)?;
        positive(&lead["ns"])
    }

    /// Nanoseconds of a bare round trip, now.
    fn raw(&mut self) -> Result<f64> {
        let trips = self.raw_trips;
        let [lead, _] = self.limits().run(RAW, Test::Trips, trips)?;
        let ns = positive(&lead["ns"])? / trips as f64;
        // Where others want the processors, each trip may wait for its turn on them.
        self.raw_trips = ((RAW_NS / ns) as u64).clamp(50, RAW_TRIPS);
        Ok(ns)
    }

    /// The limit as a transport of its own, with its tail.
    fn raw_tail(&mut self, size: usize, round: usize, copy: f64) -> Result<()> {
        let raw = self.raw()?;
        self.figures.figures.push(Figure {
            pair: self.name.clone(),
            transport: RAW.to_owned(),
            size,
            test: Test::Trips,
            round,
            ns: raw,
            cpu_ns: 2.0 * raw,
            raw,
            copy,
        });
        let trips = TIMED.min(5 * self.raw_trips);
        let [lead, _] = self.limits().run(RAW, Test::Timed, trips)?;
        let name = self.name.clone();
        let choice = Choice {
            pair: &name,
            transport: RAW,
            size,
            test: Test::Timed,
            placement: None,
        };
        self.figures.record(choice, &numbers(&lead["samples"]));
        Ok(())
    }

    fn turn(&mut self, turn: &Turn<'_>) -> Result<()> {
        let &Turn {
            transport,
            size,
            test,
            count,
            round,
            raw,
            copy,
        } = turn;
        let pair = self.name.clone();
        if test == Test::Timed {
            let [lead, _] = self.pair.run(transport, test, count.min(TIMED))?;
            let choice = Choice {
                pair: &pair,
                transport,
                size,
                test,
                placement: None,
            };
            self.figures.record(choice, &numbers(&lead["samples"]));
            return Ok(());
        }
        let [lead, follow] = self.pair.run(transport, test, count)?;
        let cpu_ns = positive(&lead["cpu_ns"])? + positive(&follow["cpu_ns"])?;
        self.figures.figures.push(Figure {
            pair,
            transport: transport.to_owned(),
            size,
            test,
            round,
            ns: positive(&lead["ns"])? / count as f64,
            cpu_ns: cpu_ns / count as f64,
            raw,
            copy,
        });
        Ok(())
    }
}

fn positive(value: &Value) -> Result<f64> {
    value
        .as_f64()
        .filter(|number| *number >= 0.0)
        .ok_or_else(|| format!("{value} is no figure").into())
}
