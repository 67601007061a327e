//! What became of every message of a pattern: what those that made it have noted, held against what those that got it have.

use super::journal::{Ledger, Maker, Words};
use super::plan::Plan;
use super::tally::Tally;
use super::worker::shown;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// How a call ended, as its client notes it.
pub(super) struct Outcome;

impl Outcome {
    /// Not at all: the client died.
    const NONE: u8 = 0;
    /// Answered, by one server.
    pub(super) const ONCE: u8 = 1;
    /// Answered, and a successor was allowed to do it again.
    pub(super) const AGAIN: u8 = 2;
    /// The server died over it.
    pub(super) const DIED: u8 = 3;
    /// There was no server, and nothing was sent.
    pub(super) const NOBODY: u8 = 4;
}

/// Whether a call may be done twice: two of three.
pub(super) fn may_retry(number: u32) -> bool {
    !number.is_multiple_of(3)
}

/// How many items the answer to a call has; `None` where it is one reply. Of those that may not be done twice, every other one.
pub(super) fn items(number: u32) -> Option<u32> {
    number.is_multiple_of(6).then_some(number % 5)
}

pub(super) struct Books<'a> {
    pub(super) folder: &'a Path,
    pub(super) sessions: u32,
    pub(super) longest: usize,
}

impl Books<'_> {
    fn words(&self, name: &str, count: usize) -> Result<Words, String> {
        Words::open(&self.folder.join(name), count).map_err(shown)
    }

    fn ledger(&self, name: &str, session: u32) -> Result<Vec<u8>, String> {
        fs::read(self.folder.join(format!("{name}-{session}"))).map_err(shown)
    }

    /// How far a session may have got, and how far it got.
    fn made(&self, session: u32) -> Result<(u64, u64), String> {
        let words = Maker::open(self.folder, session)?;
        Ok((words.intent(), words.done()))
    }

    /// The durable subscriber has all, as a channel's reader has; the others know what they missed.
    pub(super) fn broadcast(&self, tally: &mut Tally) -> Result<(), String> {
        tally.settle("broadcast", self.folder, self.sessions, self.longest)?;
        self.check_turns(&tally.ends)?;
        for entry in fs::read_dir(self.folder).map_err(shown)?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with("subscriber-") {
                let words = self.words(&name, 2)?;
                tally.broadcast += words.get(0);
                tally.missed += words.get(1);
            }
        }
        Ok(())
    }

    /// Where one publisher's messages are followed by another's, each subscriber has missed what its count says, by the ends that
    /// the durable one has seen.
    fn check_turns(&self, ends: &BTreeMap<u32, u64>) -> Result<(), String> {
        let turns = fs::read_to_string(self.folder.join("turns")).unwrap_or_default();
        let end = |session: u64| ends.get(&(session as u32)).copied().unwrap_or(0);
        for line in turns.lines() {
            let figures: Vec<u64> = line
                .split(' ')
                .filter_map(|word| word.parse().ok())
                .collect();
            let [from, next, gap, to, number] = figures[..] else {
                return Err(format!("the turns have the line '{line}'"));
            };
            let between: u64 = (from + 1..to).map(end).sum();
            if from >= to || end(from) + between + number != next + gap {
                return Err(format!(
                    "{gap} missed from ({from}, {next}) to ({to}, {number})"
                ));
            }
        }
        Ok(())
    }

    /// Each sender's messages have come in their order, without a gap, up to one of the two figures that it noted.
    pub(super) fn inbox(&self, tally: &mut Tally) -> Result<(), String> {
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        tally.read_log(&log)?;
        let plan = Plan::new(self.longest);
        for session in 1..=self.sessions {
            let came = Maker::open(self.folder, session)?.read();
            tally.account(session, self.made(session)?, (came, true))?;
            tally.count("inbox", came, &plan);
        }
        tally.check_deaths(&["inbox"])
    }

    /// Each message was done, and twice only where a worker died over it.
    pub(super) fn queue(&self, tally: &mut Tally) -> Result<(), String> {
        let plan = Plan::new(self.longest);
        for session in 1..=self.sessions {
            let (intent, done) = self.made(session)?;
            let times = self.ledger("ledger", session)?;
            let lost = (0..done as usize).find(|at| times.get(*at).is_none_or(|times| *times == 0));
            if let Some(number) = lost {
                return Err(format!(
                    "message {number} of dealer {session} was never done"
                ));
            }
            if times.len() as u64 > intent {
                return Err(format!(
                    "dealer {session} wrote {intent}, not {}",
                    times.len()
                ));
            }
            tally.sessions += 1;
            tally.count("queue", times.len() as u64, &plan);
            tally.again += repeated(&times);
        }
        tally.check_deaths(&["worker"])
    }

    /// Each call was answered or said why not; it was done once, or, where that is allowed, again after a server's death.
    pub(super) fn service(&self, tally: &mut Tally) -> Result<(), String> {
        for session in 1..=self.sessions {
            let (intent, done) = self.made(session)?;
            let times = self.ledger("ledger", session)?;
            let outcomes = self.ledger("outcome", session)?;
            for number in 0..intent as usize {
                let times = times.get(number).copied().unwrap_or(0);
                let outcome = outcomes.get(number).copied().unwrap_or(Outcome::NONE);
                let is_right = match outcome {
                    Outcome::ONCE => times == 1,
                    Outcome::AGAIN => times >= 1,
                    Outcome::DIED => times <= 1,
                    Outcome::NOBODY => times == 0,
                    // The client died meanwhile.
                    _ => number as u64 >= done && (times <= 1 || may_retry(number as u32)),
                };
                if !is_right {
                    return Err(format!(
                        "call {number} of client {session} was done {times} times, and ended as {outcome}"
                    ));
                }
                let kind = match outcome {
                    Outcome::ONCE | Outcome::AGAIN => "calls answered",
                    Outcome::DIED => "calls that a server died over",
                    Outcome::NOBODY => "calls without a server",
                    _ => continue,
                };
                *tally.patterns.entry(kind).or_default() += 1;
            }
            tally.sessions += 1;
            tally.again += repeated(&times);
        }
        tally.check_deaths(&["server"])
    }
}

fn repeated(times: &[u8]) -> u64 {
    let more = |times: &u8| u64::from(times.saturating_sub(1));
    times.iter().map(more).sum()
}

/// The ledgers of one name, opened as their sessions are met.
pub(super) struct Ledgers<'a> {
    folder: &'a Path,
    open: BTreeMap<u32, Ledger>,
}

impl<'a> Ledgers<'a> {
    pub(super) fn new(folder: &'a Path) -> Self {
        Self {
            folder,
            open: BTreeMap::new(),
        }
    }

    /// How often `number` of `session` was noted before, and notes it once more.
    pub(super) fn note(&mut self, session: u32, number: u32) -> Result<u8, String> {
        let ledger = match self.open.entry(session) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => {
                let path = self.folder.join(format!("ledger-{session}"));
                entry.insert(Ledger::open(&path).map_err(shown)?)
            }
        };
        let before = ledger.get(number).map_err(shown)?;
        ledger.set(number, before + 1).map_err(shown)?;
        Ok(before)
    }
}
