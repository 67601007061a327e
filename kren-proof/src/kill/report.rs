//! The table of what was covered and found.

use super::aftermath::Aftermath;
use super::scenario::Scenario;
use std::time::Duration;

/// Two runs of an operation that reads the clock differ by some instructions, up to one in so many.
const SLACK: usize = 100;
/// How many failures of one scenario are shown in full.
const SHOWN: usize = 5;

pub(super) struct Report {
    points: usize,
    failures: usize,
}

/// A state of the channel that deaths have left, and where.
struct Seen {
    channel: Option<(usize, Vec<u32>)>,
    first: usize,
    last: usize,
}

impl Report {
    pub(super) fn begin() -> Self {
        println!(
            "{:<26}{:>13}{:>8}{:>16}{:>13}{:>9}",
            "operation", "instructions", "deaths", "turns at", "released ms", "seconds"
        );
        Self {
            points: 0,
            failures: 0,
        }
    }

    /// Prints one scenario's row, and holds its outcomes against each other: an operation may turn
    /// from "not happened" to "happened" at one instruction, and never back.
    pub(super) fn scenario(
        &mut self,
        scenario: &Scenario,
        steps: usize,
        outcomes: Vec<(usize, Result<Aftermath, String>)>,
        took: Duration,
    ) {
        let mut seen: Vec<Seen> = Vec::new();
        let mut turns = Vec::new();
        let mut last = None;
        let mut slowest = None;
        let mut failures = Vec::new();
        let deaths = outcomes.len();
        self.points += deaths;
        for (point, outcome) in outcomes {
            match outcome {
                Ok(Aftermath {
                    channel,
                    released_after,
                }) => {
                    slowest = slowest.max(released_after);
                    let at = seen.iter().position(|state| state.channel == channel);
                    let at = at.unwrap_or_else(|| {
                        seen.push(Seen {
                            channel,
                            first: point,
                            last: point,
                        });
                        seen.len() - 1
                    });
                    seen[at].last = point;
                    if last.replace(at).is_some_and(|last| last != at) {
                        turns.push((point, at));
                    }
                }
                Err(what) => failures.push((point, what)),
            }
        }
        let slack = steps / SLACK;
        for (point, into) in turns.iter().filter(|_| !scenario.keeps_time) {
            let is_amid = |state: &Seen| state.first + slack < *point && point + slack < state.last;
            if seen
                .iter()
                .enumerate()
                .any(|(at, state)| at != *into && is_amid(state))
            {
                failures.push((*point, "what had happened was undone".to_owned()));
            }
        }
        let turns = seen.iter().skip(1).map(|state| state.first.to_string());
        let turns = turns.collect::<Vec<_>>().join(",");
        println!(
            "{:<26}{steps:>13}{deaths:>8} {:>15}{:>13}{:>9.1}",
            scenario.name,
            if turns.is_empty() { "-" } else { &turns },
            slowest.map_or("-".to_owned(), |slowest| slowest.as_millis().to_string()),
            took.as_secs_f64(),
        );
        for (point, what) in failures.iter().take(SHOWN) {
            println!("    FAILED after instruction {point}: {what}");
        }
        if failures.len() > SHOWN {
            println!("    and {} more failures", failures.len() - SHOWN);
        }
        self.failures += failures.len();
    }

    /// Prints the row of a scenario that goes wrong without any death.
    pub(super) fn not_carried_out(&mut self, scenario: &Scenario, what: &str) {
        println!("{:<26}\n    FAILED without a death: {what}", scenario.name);
        self.failures += 1;
    }

    /// Prints the sum, and what was left in `/dev/shm` by names with `prefix`.
    pub(super) fn end(self, prefix: &str) -> bool {
        let ours = format!("kren-{prefix}");
        let left: Vec<_> = std::fs::read_dir("/dev/shm")
            .map(|entries| {
                entries
                    .flatten()
                    .map(|entry| entry.path())
                    .collect::<Vec<_>>()
            })
            .unwrap_or_default()
            .into_iter()
            .filter(|path| path.to_string_lossy().contains(&ours))
            .collect();
        println!(
            "{} deaths, {} failures, {} files left",
            self.points,
            self.failures,
            left.len()
        );
        for path in &left {
            // A failed check leaves its channel; it has been reported, and goes.
            let _ = std::fs::remove_file(path);
        }
        self.failures == 0 && left.is_empty()
    }
}
