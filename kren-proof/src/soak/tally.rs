//! What became of every message: the writers' journals held against the reader's log.

use super::journal::Maker;
use super::plan::Plan;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The figures of one lane or company, or of all.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) messages: u64,
    pub(super) bytes: u64,
    /// Messages, and calls by their outcomes, of each pattern.
    pub(super) patterns: BTreeMap<&'static str, u64>,
    /// Lives of those that make messages, which are numbered from 0 in each.
    pub(super) sessions: u64,
    pub(super) restarts: u64,
    pub(super) pauses: u64,
    /// By role and language.
    pub(super) kills: BTreeMap<(&'static str, &'static str), u64>,
    /// Kills of readers that had a copy of a message, already released, and had not noted it.
    copying_kills: u64,
    /// Messages that were delivered to a reader that died, and to the next one again.
    pub(super) again: u64,
    /// Messages that a copying reader took into its grave.
    pub(super) in_hand: u64,
    /// Messages that subscribers of broadcasts got which are not durable, and that lossy ones were told they missed.
    pub(super) broadcast: u64,
    pub(super) missed: u64,
    /// How many of each session's messages there were, as the one that reads all has found.
    pub(super) ends: BTreeMap<u32, u64>,
}

impl Tally {
    pub(super) fn killed(&mut self, role: &'static str, language: &'static str, copies: bool) {
        *self.kills.entry((role, language)).or_default() += 1;
        self.copying_kills += u64::from(copies);
    }

    fn kills_of(&self, role: &str) -> u64 {
        self.kills
            .iter()
            .filter(|((of, _), _)| *of == role)
            .map(|(_, count)| count)
            .sum()
    }

    /// Checks that every committed message of a channel or a broadcast came to the one that reads all, and counts.
    pub(super) fn settle(
        &mut self,
        pattern: &'static str,
        folder: &Path,
        sessions: u32,
        longest: usize,
    ) -> Result<(), String> {
        let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
        let ends = self.read_log(&log)?;
        let plan = Plan::new(longest);
        for session in 1..=sessions {
            let words = Maker::open(folder, session)?;
            let (read, may_be_in_hand) = ends.get(&session).copied().unwrap_or((0, true));
            self.account(
                session,
                (words.intent(), words.done()),
                (read, may_be_in_hand),
            )?;
            self.ends.insert(session, read);
            self.count(pattern, read, &plan);
        }
        self.check_deaths(&["reader", "durable subscriber"])
    }

    /// Checks that what was read of a session is what its maker has committed.
    pub(super) fn account(
        &mut self,
        session: u32,
        (intent, done): (u64, u64),
        (read, may_be_in_hand): (u64, bool),
    ) -> Result<(), String> {
        self.sessions += 1;
        // What was being written at death is there whole or not at all, also if it was a batch.
        if read == done || read == intent {
            return Ok(());
        }
        // The very last one may have been in the hand of a reader that died.
        if may_be_in_hand && (read + 1 == done || read + 1 == intent) {
            self.in_hand += 1;
            return Ok(());
        }
        Err(format!(
            "session {session}: {done} to {intent} messages were committed, {read} read"
        ))
    }

    /// Counts the messages of a session, from the first one on.
    pub(super) fn count(&mut self, pattern: &'static str, messages: u64, plan: &Plan) {
        *self.patterns.entry(pattern).or_default() += messages;
        self.messages += messages;
        let lengths = (0..messages as u32).map(|number| plan.len(number) as u64);
        self.bytes += lengths.sum::<u64>();
    }

    /// No more came twice, or not at all, than there were deaths of those that had them.
    pub(super) fn check_deaths(&self, roles: &[&str]) -> Result<(), String> {
        if self.in_hand > self.copying_kills {
            return Err(format!(
                "{} messages are lost that no copying reader had in hand ({} of those were killed)",
                self.in_hand, self.copying_kills
            ));
        }
        let deaths: u64 = roles.iter().map(|role| self.kills_of(role)).sum();
        if self.again > deaths {
            return Err(format!(
                "{} messages came twice, and {deaths} of those that had them died",
                self.again
            ));
        }
        Ok(())
    }

    /// How far each session was read, and whether the reader that met its end was a new one.
    pub(super) fn read_log(&mut self, log: &str) -> Result<BTreeMap<u32, (u64, bool)>, String> {
        let mut ends = BTreeMap::new();
        let mut noted = std::collections::BTreeSet::new();
        for line in log.lines() {
            let mut words = line.split(' ');
            let kind = words.next().unwrap_or_default();
            let mut number = || words.next().and_then(|word| word.parse::<u64>().ok());
            let (Some(session), Some(count)) = (number(), number()) else {
                return Err(format!("the log has the line '{line}'"));
            };
            // A reader that dies after noting something leaves it to the next one to note again.
            match kind {
                "end" => {
                    let end = ends.entry(session as u32).or_insert((count, false));
                    end.1 |= line.ends_with(" first");
                    if end.0 != count {
                        return Err(format!("session {session} ended twice, differently"));
                    }
                }
                "again" => self.again += 1,
                "in-hand" => self.in_hand += u64::from(noted.insert((session, count))),
                _ => return Err(format!("the log has the line '{line}'")),
            }
        }
        Ok(ends)
    }

    pub(super) fn add(&mut self, other: Self) {
        self.messages += other.messages;
        self.bytes += other.bytes;
        for (pattern, count) in other.patterns {
            *self.patterns.entry(pattern).or_default() += count;
        }
        self.sessions += other.sessions;
        self.restarts += other.restarts;
        self.pauses += other.pauses;
        for (key, count) in other.kills {
            *self.kills.entry(key).or_default() += count;
        }
        self.copying_kills += other.copying_kills;
        self.again += other.again;
        self.in_hand += other.in_hand;
        self.broadcast += other.broadcast;
        self.missed += other.missed;
    }
}
