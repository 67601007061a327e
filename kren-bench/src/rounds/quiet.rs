//! What is measured beside trips and streams: readers that sleep, and what one process does by itself.

use super::{Rounds, SMALL, positive};
use crate::Result;
use crate::figures::{Alone, Choice, Idle};
use crate::link::Test;
use crate::pair::{Known, numbers};

impl Rounds<'_> {
    /// Readers that sleep: how long they take to wake up, and what they cost meanwhile.
    pub(super) fn asleep(&mut self, known: &[Known]) -> Result<()> {
        let turns = self.open(known, SMALL, &[Test::Wake])?;
        let (wakes, idle_ns) = if self.options.quick {
            (50, 3e8)
        } else {
            (200, 1e9)
        };
        for round in 0..self.options.rounds {
            for transport in &turns {
                if self.failed.contains(&transport.name) {
                    continue;
                }
                let slept = self.wake(&transport.name, wakes);
                let slept = match round {
                    0 => slept.and_then(|()| self.idle(&transport.name, idle_ns)),
                    _ => slept,
                };
                if let Err(error) = slept {
                    self.give_up(&transport.name, SMALL, error.to_string())?;
                }
            }
        }
        self.close(&turns)
    }

    fn wake(&mut self, transport: &str, count: u64) -> Result<()> {
        let times = self
            .pair
            .run(transport, Test::Wake, count)?
            .map(|side| numbers(&side["times"]));
        let [sent, arrived] = times;
        let samples: Vec<f64> = sent
            .iter()
            .zip(&arrived)
            .map(|(sent, arrived)| arrived - sent)
            .collect();
        let pair = self.name.clone();
        let choice = Choice {
            pair: &pair,
            transport,
            size: SMALL,
            test: Test::Wake,
            placement: None,
        };
        self.figures.record(choice, &samples);
        Ok(())
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
        for round in 0..self.options.rounds {
            for size in [64, 1 << 10, 64 << 10] {
                let count = 5_000_000 / (size as u64 + 100);
                for what in ["one-thread", "two-copies"] {
                    let ns = self.pair.alone(what, size, 1 << 20, count)?[0] / count as f64;
                    self.figures.alone.push(Alone {
                        what: what.to_owned(),
                        size,
                        capacity: 1 << 20,
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
            if round < 3 {
                let ns = self.pair.alone("bandwidth", 64 << 20, 0, 4)?[0] / 4.0;
                self.figures.alone.push(Alone {
                    what: "bandwidth".to_owned(),
                    size: 64 << 20,
                    capacity: 0,
                    ns,
                });
            }
        }
        Ok(())
    }
}
