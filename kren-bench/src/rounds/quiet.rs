//! What is measured beside trips and streams: readers that sleep, and what one process does by itself.

use super::limits::{FUTEX, RAW};
use super::{Rounds, SMALL, positive};
use crate::Result;
use crate::figures::{Alone, Choice, Figure, Idle, Placement, median};
use crate::link::Test;
use crate::pair::{Known, numbers};

/// Rounds in which idle readers are looked at: little changes, and each takes long.
const IDLE_ROUNDS: usize = 3;

impl Rounds<'_> {
    /// Readers that sleep: how long they take to wake up, and what they cost meanwhile.
    pub(super) fn asleep(&mut self, known: &[Known]) -> Result<()> {
        let asked = |test| self.options.tests.contains(&test);
        let tests: Vec<Test> = [Test::Wake, Test::Idle]
            .into_iter()
            .filter(|test| asked(*test))
            .collect();
        if tests.is_empty() {
            return Ok(());
        }
        eprintln!("{}: asleep", self.name);
        // The limit has its turn whoever's pair this is.
        let mut turns = self.open(known, SMALL, &tests)?;
        let (wakes, idle_ns) = if self.options.quick {
            (50, 3e8)
        } else {
            (200, 1e9)
        };
        for round in 0..self.options.rounds {
            let raw = self.raw()?;
            if tests.contains(&Test::Wake) && cfg!(target_os = "linux") {
                let samples = self.hand_overs(wakes)?;
                self.woken(FUTEX, round, raw, &samples);
            }
            for transport in &turns {
                if self.failed.contains(&transport.name) {
                    continue;
                }
                let mut slept = Ok(());
                if tests.contains(&Test::Wake) && transport.tests.contains(&Test::Wake) {
                    slept = self.wake(&transport.name, round, raw, wakes);
                }
                if tests.contains(&Test::Idle) && round < IDLE_ROUNDS && slept.is_ok() {
                    slept = self.idle(&transport.name, idle_ns);
                }
                if let Err(error) = slept {
                    self.give_up(&transport.name, SMALL, error.to_string())?;
                }
            }
            let first = 1.min(turns.len());
            turns.rotate_left(first);
        }
        self.close(&turns)
    }

    fn wake(&mut self, transport: &str, round: usize, raw: f64, count: u64) -> Result<()> {
        let [sent, arrived] = self
            .pair
            .run(transport, Test::Wake, count)?
            .map(|side| numbers(&side["times"]));
        let times = sent.iter().zip(&arrived);
        let samples: Vec<f64> = times.map(|(sent, arrived)| arrived - sent).collect();
        self.woken(transport, round, raw, &samples);
        Ok(())
    }

    /// Notes the wake-ups of one turn.
    fn woken(&mut self, transport: &str, round: usize, raw: f64, samples: &[f64]) {
        let pair = self.name.clone();
        let choice = Choice {
            pair: &pair,
            transport,
            size: SMALL,
            test: Test::Wake,
            placement: Some(Placement::of(raw)),
        };
        self.figures.record(choice, samples);
        let Some(ns) = median(samples.iter().copied()) else {
            return;
        };
        self.figures.figures.push(Figure {
            pair,
            transport: transport.to_owned(),
            size: SMALL,
            test: Test::Wake,
            round,
            ns,
            cpu_ns: 0.0,
            raw,
            copy: 0.0,
        });
    }

    fn idle(&mut self, transport: &str, ns: f64) -> Result<()> {
        let [_, follow] = self.pair.run(transport, Test::Idle, ns as u64)?;
        self.figures.idle.push(Idle {
            pair: self.name.clone(),
            transport: transport.to_owned(),
            load: positive(&follow["cpu_ns"])? / ns,
            switches_per_second: positive(&follow["switches"])? / (ns / 1e9),
        });
        Ok(())
    }

    /// What needs one process only.
    pub(super) fn alone(&mut self) -> Result<()> {
        eprintln!("{}: one process", self.name);
        for _ in 0..self.options.rounds {
            for size in [64, 1 << 10, 64 << 10] {
                let count = 5_000_000 / (size as u64 + 100);
                for what in ["one-thread", "two-copies"] {
                    // Small, as the two copies' buffers are: one message is under way.
                    let capacity = (4 * size).max(64 << 10);
                    let ns = self.pair.alone(what, size, capacity, count)?[0] / count as f64;
                    self.figures.alone.push(Alone {
                        what: what.to_owned(),
                        size,
                        capacity,
                        ns,
                    });
                }
            }
            for capacity in [64 << 10, 1 << 20, 16 << 20] {
                for what in ["reserve", "first-message"] {
                    let times = self.pair.alone(what, SMALL, capacity, 10)?;
                    self.figures.alone.extend(times.into_iter().map(|ns| Alone {
                        what: what.to_owned(),
                        size: SMALL,
                        capacity,
                        ns,
                    }));
                }
            }
        }
        Ok(())
    }
}

/// What the rounds measure apart from the transports' own turns.
pub(super) fn is_limit(name: &str) -> bool {
    name == RAW || name == FUTEX
}
