//! The order of measuring: in each round every transport has its turn, beside the limits.

pub(crate) mod growth;
mod limits;
mod quiet;

use std::collections::HashMap;

use serde_json::Value;

use self::limits::RAW_TRIPS;
use self::quiet::is_limit;
use crate::Result;
use crate::figures::{Choice, Failure, Figure, Figures, Placement};
use crate::link::Test;
use crate::options::Options;
use crate::pair::{Known, Language, Opening, Pair, numbers};

/// How often a run's length is corrected by what it took.
const REFINED: u32 = 4;
/// Single round trips of one turn: enough for a tail over all rounds, and little to hand over.
const TIMED: u64 = 20_000;
/// Threads of their own run also while others have their turn, so they have all rounds to themselves.
const RESTLESS: [&str; 2] = ["aeron", "aeron-own"];
/// The size of messages where the size does not matter.
const SMALL: usize = 64;

/// Measures one pair of languages.
pub(crate) fn measure(
    options: &Options,
    languages: [Language; 2],
    figures: &mut Figures,
) -> Result<()> {
    let mut rounds = Rounds::start(options, languages, figures)?;
    rounds.all()?;
    rounds.end();
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
    /// The bare round trip just before.
    before: f64,
    copy: f64,
}

impl<'a> Rounds<'a> {
    fn start(
        options: &'a Options,
        languages: [Language; 2],
        figures: &'a mut Figures,
    ) -> Result<Self> {
        let pair = Pair::start(&options.programs, languages[0], languages[1])?;
        let rust = || Pair::start(&options.programs, Language::Rust, Language::Rust);
        Ok(Self {
            options,
            name: pair.name(),
            limits: if pair.is_rust() { None } else { Some(rust()?) },
            pair,
            figures,
            failed: vec![],
            raw_trips: RAW_TRIPS / 10,
        })
    }

    fn end(self) {
        self.pair.end();
        self.limits.into_iter().for_each(Pair::end);
    }

    fn limits(&mut self) -> &mut Pair {
        self.limits.as_mut().unwrap_or(&mut self.pair)
    }

    fn all(&mut self) -> Result<()> {
        let mut known = self.pair.transports(false)?;
        let unknown = self.options.transports.iter().find(|word| {
            let names = known.iter().map(|known| &known.name);
            !is_limit(word) && !names.clone().any(|name| is_named(name, word))
        });
        if let Some(word) = unknown {
            let names: Vec<&str> = known.iter().map(|known| &*known.name).collect();
            let (pair, names) = (&self.name, names.join(", "));
            return Err(format!("{pair}: no transport is called {word}; there are {names}").into());
        }
        let asked = &self.options.transports;
        known.retain(|known| {
            is_limit(&known.name)
                || asked.is_empty()
                || asked.iter().any(|word| is_named(&known.name, word))
        });
        self.figures.pairs.push((self.name.clone(), known.clone()));
        self.open_limits()?;
        known.retain(|known| !is_limit(&known.name));
        for &size in &self.options.sizes {
            self.size(&known, size)?;
        }
        self.asleep(&known)?;
        if self.options.alone && self.limits.is_none() {
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
            if !suits || self.failed.contains(&transport.name) {
                continue;
            }
            let opening = Opening::once(&transport.name, size, self.options.ring(size));
            match self.pair.open(opening) {
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
        let mut tests = vec![Test::Trips, Test::Timed, Test::Stream];
        tests.retain(|test| self.options.tests.contains(test));
        if tests.is_empty() {
            return Ok(());
        }
        eprintln!("{}: messages of {size} bytes", self.name);
        let is_restless = |known: &&Known| RESTLESS.contains(&&*known.name);
        let quiet: Vec<Known> = known.iter().filter(|k| !is_restless(k)).cloned().collect();
        self.together(&quiet, size, &tests, true)?;
        for restless in known.iter().filter(is_restless) {
            self.together(std::slice::from_ref(restless), size, &tests, false)?;
        }
        Ok(())
    }

    /// All rounds of these, with messages of one size.
    fn together(
        &mut self,
        known: &[Known],
        size: usize,
        tests: &[Test],
        is_quiet: bool,
    ) -> Result<()> {
        let mut turns = self.open(known, size, tests)?;
        let mut counts = HashMap::new();
        for transport in &turns {
            for test in [Test::Trips, Test::Stream] {
                let wanted = transport
                    .tests
                    .iter()
                    .any(|own| tests.contains(own) && counted(*own) == test);
                if !wanted {
                    continue;
                }
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
            let (mut before, copy) = self.measure_limits(size, round, is_quiet)?;
            for transport in &turns {
                if self.failed.contains(&transport.name) {
                    continue;
                }
                for &test in transport.tests.iter().filter(|test| tests.contains(test)) {
                    let turn = Turn {
                        transport: &transport.name,
                        size,
                        test,
                        count: counts[&(transport.name.clone(), counted(test))],
                        round,
                        before,
                        copy,
                    };
                    match self.turn(&turn) {
                        Ok(after) => before = after,
                        Err(error) => {
                            self.give_up(&transport.name, size, error.to_string())?;
                            break;
                        }
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
    fn calibrate(&mut self, key: &str, test: Test) -> Result<u64> {
        let mut count = 16;
        let mut left = REFINED;
        loop {
            let ns = self.elapsed(key, test, count)?;
            if ns <= self.options.run_ns / 4.0 && count <= 1 << 24 {
                count *= 4;
            } else if left == 0 {
                return Ok(count);
            } else {
                // Again, with as many as that says: whatever else ran on this machine, or a JavaScript engine
                // that had not compiled the loop yet, would leave its mark on every round.
                let fitting = count as f64 * self.options.run_ns / ns;
                count = (fitting as u64).max(count).max(16);
                left -= 1;
            }
        }
    }

    fn elapsed(&mut self, key: &str, test: Test, count: u64) -> Result<f64> {
        let [lead, _] = self.pair.run(key, test, count)?;
        positive(&lead["ns"])
    }

    /// One turn, between two bare round trips; gives the second of these.
    fn turn(&mut self, turn: &Turn<'_>) -> Result<f64> {
        let &Turn {
            transport,
            size,
            test,
            count,
            round,
            before,
            copy,
        } = turn;
        let single = test == Test::Timed;
        let most = if single { TIMED } else { u64::MAX };
        let [lead, follow] = self.pair.run(transport, test, count.min(most))?;
        let after = self.raw()?;
        // Else nobody knows what was measured.
        let Some(placement) = Placement::between(before, after) else {
            return Ok(after);
        };
        let pair = self.name.clone();
        if single {
            let choice = Choice {
                pair: &pair,
                transport,
                size,
                test,
                placement: Some(placement),
            };
            self.figures.record(choice, &numbers(&lead["samples"]));
            return Ok(after);
        }
        let cpu_ns = positive(&lead["cpu_ns"])? + positive(&follow["cpu_ns"])?;
        self.figures.figures.push(Figure {
            pair,
            transport: transport.to_owned(),
            size,
            test,
            round,
            ns: positive(&lead["ns"])? / count as f64,
            cpu_ns: cpu_ns / count as f64,
            raw: f64::midpoint(before, after),
            copy,
        });
        Ok(after)
    }
}

/// Whether the word, as the user gave it, means this name.
fn is_named(name: &str, word: &str) -> bool {
    match word.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == word,
    }
}

/// The test whose count a test uses.
fn counted(test: Test) -> Test {
    match test {
        Test::Timed => Test::Trips,
        test => test,
    }
}

fn positive(value: &Value) -> Result<f64> {
    value
        .as_f64()
        .filter(|number| *number >= 0.0)
        .ok_or_else(|| format!("{value} is no figure").into())
}
