//! Contenders that do the same work in turns, in the same processes.

use serde_json::{Value, json};

use crate::figures::median;
use crate::link::Test;
use crate::options::Options;
use crate::pair::{Language, Opening, Pair, numbers};
use crate::{Result, clock};

/// From an order to the moment at which all begin.
const NOTICE: u64 = 3_000_000;
/// How often a run's length is corrected by what it took.
const REFINED: u32 = 3;
const WAKES: u64 = 200;
const BURSTS: usize = 9;
const IDLE: u64 = 2_000_000_000;
/// Bytes that a record takes at most beside its message.
const FRAME: usize = 64;

/// What the contenders do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// There and back: nanoseconds of each.
    Trips,
    /// To a reader that sleeps: nanoseconds until it has the message.
    Wake,
    /// Nothing comes: the share of a processor that the reader takes.
    Idle,
    /// From one to all others: nanoseconds of a message until the last one has them all.
    Spread,
    /// The same, as many as fit: nanoseconds of a write, while the others read, or while they sleep.
    Writes { asleep: bool },
    /// From all others to one: nanoseconds of a message.
    Gather,
    /// Each to one of the others: nanoseconds of a message.
    Deal,
}

pub(super) struct Contender {
    /// What the report calls it.
    pub(super) name: String,
    pub(super) transport: &'static str,
    pub(super) channels: usize,
    /// How many of the processes that follow take part.
    pub(super) followers: usize,
}

/// What a figure is to be, beside another one.
#[derive(Clone, Copy)]
pub(super) enum Bound {
    /// So many times the other one at most.
    AtMost(f64),
    /// So many times as fast as the other one, at least.
    AtLeast(f64),
    /// So much at most, whatever the others do.
    Below(f64),
}

pub(super) struct Verdict {
    pub(super) ours: String,
    pub(super) theirs: String,
    pub(super) bound: Bound,
}

pub(super) struct Contest {
    pub(super) row: usize,
    pub(super) case: String,
    pub(super) language: Language,
    pub(super) act: Act,
    pub(super) size: usize,
    pub(super) capacity: usize,
    pub(super) contenders: Vec<Contender>,
    pub(super) verdicts: Vec<Verdict>,
}

/// What a contender came to in each round; nothing in those that it was not in.
pub(super) struct Outcome {
    pub(super) contest: Contest,
    /// Of each contender.
    pub(super) turns: Vec<Vec<Option<f64>>>,
    /// All single figures of each contender, where there is more than one in a turn.
    pub(super) samples: Vec<Vec<f64>>,
    pub(super) left_out: Vec<(String, String)>,
    /// Whether processes had to share a processor, for each contender.
    pub(super) shared: Vec<bool>,
}

impl Contest {
    pub(super) fn name(&self) -> String {
        format!("{}. {:?}, {}", self.row, self.language, self.case)
    }

    fn followers(&self) -> usize {
        let followers = self.contenders.iter().map(|contender| contender.followers);
        followers.max().unwrap_or(1)
    }

    /// Opens all contenders, and gives each its turn in every round.
    pub(super) fn run(self, options: &Options) -> Result<Outcome> {
        let languages = [self.language; 2];
        let mut pair = Pair::start_many(&options.programs, languages, self.followers())?;
        let known = pair.transports(true)?;
        let all = self.contenders.len();
        let shared = self.contenders.iter();
        let mut outcome = Outcome {
            shared: shared
                .map(|contender| options.programs.share(contender.followers))
                .collect(),
            turns: vec![vec![]; all],
            samples: vec![vec![]; all],
            left_out: vec![],
            contest: self,
        };
        let mut counts = vec![None; all];
        for (at, count) in counts.iter_mut().enumerate() {
            let contender = &outcome.contest.contenders[at];
            if !known.iter().any(|known| known.name == contender.transport) {
                let absent = (contender.name.clone(), "it is not here".to_owned());
                outcome.left_out.push(absent);
                continue;
            }
            let opened = outcome.contest.open(&mut pair, contender);
            let found =
                opened.and_then(|()| outcome.contest.calibrate(&mut pair, contender, options));
            match found {
                Ok(found) => *count = Some(found),
                Err(error) => outcome.leave_out(&mut pair, at, &error.to_string())?,
            }
        }
        let mut order: Vec<usize> = (0..all).collect();
        for _ in 0..options.rounds {
            for &at in &order {
                let turn = match counts[at] {
                    Some(count) => outcome.contest.turn(&mut pair, at, count),
                    None => Ok(vec![]),
                };
                let turn = match turn {
                    Ok(turn) => turn,
                    Err(error) => {
                        counts[at] = None;
                        outcome.leave_out(&mut pair, at, &error.to_string())?;
                        vec![]
                    }
                };
                outcome.turns[at].push(median(turn.iter().copied()));
                if turn.len() > 1 {
                    outcome.samples[at].extend(turn);
                }
            }
            // Nobody always comes first, or after the same one.
            order.rotate_left(1);
        }
        pair.end();
        Ok(outcome)
    }

    fn open(&self, pair: &mut Pair, contender: &Contender) -> Result<()> {
        pair.open(Opening {
            key: contender.name.clone(),
            channels: contender.channels,
            followers: contender.followers,
            ..Opening::once(contender.transport, self.size, self.capacity)
        })
    }

    /// How many messages make a turn.
    fn calibrate(&self, pair: &mut Pair, contender: &Contender, options: &Options) -> Result<u64> {
        match self.act {
            Act::Wake => return Ok(if options.quick { WAKES / 10 } else { WAKES }),
            Act::Idle => return Ok(if options.quick { IDLE / 10 } else { IDLE }),
            // In half of the ring, so that nobody waits for room.
            Act::Writes { .. } => {
                return Ok((self.capacity / (self.size + FRAME) / 2).min(2048) as u64);
            }
            Act::Trips | Act::Spread | Act::Gather | Act::Deal => {}
        }
        let (mut count, mut left) = (16, REFINED);
        loop {
            let ns = self.act(pair, contender, count)?[0] * count as f64;
            if ns <= options.run_ns / 4.0 && count <= 1 << 24 {
                count *= 4;
            } else if left == 0 {
                return Ok(count);
            } else {
                let fitting = count as f64 * options.run_ns / ns;
                count = (fitting as u64).clamp(16, count.max(16) * 4);
                left -= 1;
            }
        }
    }

    fn turn(&self, pair: &mut Pair, at: usize, count: u64) -> Result<Vec<f64>> {
        self.act(pair, &self.contenders[at], count)
    }

    /// One figure, or many.
    fn act(&self, pair: &mut Pair, contender: &Contender, count: u64) -> Result<Vec<f64>> {
        let key = &contender.name;
        let everyone = 0..contender.followers + 1;
        let order = |what: &str, count: u64| {
            let begin = clock::monotonic() + NOTICE;
            json!({ "do": what, "as": key, "count": count, "begin": begin })
        };
        // From the moment at which the first one began to that at which the last one had finished.
        let lasted = |answers: &[Value]| {
            let all = |what: &'static str| {
                answers
                    .iter()
                    .filter_map(move |answer| answer[what].as_f64())
            };
            let (start, end) = (
                all("start").fold(f64::MAX, f64::min),
                all("end").fold(0.0, f64::max),
            );
            vec![(end - start) / count as f64]
        };
        Ok(match self.act {
            Act::Trips => {
                let [lead, _] = pair.run(key, Test::Trips, count)?;
                vec![number(&lead["ns"])? / count as f64]
            }
            Act::Wake => {
                let [lead, follow] = pair.run(key, Test::Wake, count)?;
                let (sent, arrived) = (numbers(&lead["times"]), numbers(&follow["times"]));
                sent.iter()
                    .zip(arrived)
                    .map(|(sent, arrived)| arrived - sent)
                    .collect()
            }
            Act::Idle => {
                let [_, follow] = pair.run(key, Test::Idle, count)?;
                vec![number(&follow["cpu_ns"])? / count as f64]
            }
            Act::Spread => lasted(&pair.tell(everyone, &order("spread", count))?),
            Act::Writes { asleep } => {
                let mut bursts = vec![];
                for _ in 0..BURSTS {
                    // Those who sleep hear of it when all is written.
                    let first = if asleep { 0..1 } else { everyone.clone() };
                    let lead = pair.tell(first.clone(), &order("spread", count))?;
                    pair.tell(first.end..everyone.end, &order("spread", count))?;
                    bursts.extend(lasted(&lead[..1]));
                }
                bursts
            }
            Act::Gather => {
                let each = count.div_ceil(contender.followers as u64);
                lasted(&pair.tell(everyone, &order("gather", each))?)
            }
            Act::Deal => {
                let answers = pair.tell(everyone, &order("deal", count))?;
                let came: u64 = answers
                    .iter()
                    .filter_map(|answer| answer["count"].as_u64())
                    .sum();
                if came != count {
                    return Err(format!("of {count} messages {came} came").into());
                }
                lasted(&answers)
            }
        })
    }
}

impl Outcome {
    /// Goes on without a contender, with new processes.
    fn leave_out(&mut self, pair: &mut Pair, at: usize, reason: &str) -> Result<()> {
        let name = &self.contest.contenders[at].name;
        eprintln!("{}: without {name}: {reason}", self.contest.name());
        self.left_out.push((name.clone(), reason.to_owned()));
        pair.give_up(name)
    }
}

fn number(value: &Value) -> Result<f64> {
    value
        .as_f64()
        .ok_or_else(|| format!("{value} is no figure").into())
}
