//! The Rust writer and reader of a soak. Those of the other languages, in `soak/`, do the same.

use super::journal::{Log, Words};
use super::plan::Plan;
use crate::rng::{Rng, fresh_seed};
use kren_core::{Error, KrenReader, KrenWriter, Result, Strategy};
use std::path::Path;
use std::time::Duration;

/// Values of the control words: 0 is "go on".
pub(super) const STOP: u64 = 1;
/// For a reader: stop once the writer has closed and everything is read.
pub(super) const LAST: u64 = 2;
/// Which control word is whose.
pub(super) const WRITER: usize = 0;
pub(super) const READER: usize = 1;

/// How long a blocking call may last before the control word is looked at.
pub(super) const LOOK: Duration = Duration::from_millis(200);
/// How long to leave a peer that is gone before asking again.
pub(super) const BREATHER: Duration = Duration::from_millis(2);

pub(super) fn shown(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// What every worker is told: `FOLDER CHANNEL CAPACITY LONGEST STRATEGY SESSION`.
pub(super) struct Task<'a> {
    folder: &'a Path,
    channel: &'a str,
    capacity: usize,
    plan: Plan,
    strategy: Strategy,
    session: u32,
}

impl<'a> Task<'a> {
    pub(super) fn parse(arguments: &'a [String]) -> std::result::Result<Self, String> {
        let [folder, channel, capacity, longest, strategy, session] = arguments else {
            return Err("a soak's worker takes six arguments".into());
        };
        let number = |text: &str| text.parse::<usize>().map_err(|error| error.to_string());
        Ok(Self {
            folder: Path::new(folder),
            channel,
            capacity: number(capacity)?,
            plan: Plan::new(number(longest)?),
            strategy: match strategy.as_str() {
                "spin" => Strategy::Spin,
                "sleep" => Strategy::Sleep,
                _ => Strategy::Adaptive,
            },
            session: number(session)? as u32,
        })
    }

    fn words(&self, name: &str, count: usize) -> std::result::Result<Words, String> {
        Words::open(&self.folder.join(name), count).map_err(|error| error.to_string())
    }
}

/// Writes messages from number 0 on, noting before each how far it may get, and after how far it
/// got, until it is told to stop.
pub(super) fn write(task: &Task<'_>) -> std::result::Result<(), String> {
    let control = task.words("control", 2)?;
    let [intent, done] = [0, 1];
    let journal = task.words(&format!("writer-{}", task.session), 2)?;
    let options = KrenWriter::options().strategy(task.strategy);
    let mut writer = options
        .create(task.channel, task.capacity)
        .map_err(|e| e.to_string())?;
    let mut rng = Rng::new(fresh_seed());
    let mut next = 0;
    while control.get(WRITER) == 0 {
        let count = if rng.once_in(8) {
            2 + rng.below(3) as u32
        } else {
            1
        };
        journal.set(intent, u64::from(next + count));
        loop {
            match publish(task, &mut writer, next, count) {
                Ok(()) => break,
                Err(Error::TimedOut { .. } | Error::Closed { .. } | Error::PeerDied { .. }) => {
                    if control.get(WRITER) != 0 {
                        return Ok(());
                    }
                    std::thread::sleep(BREATHER);
                }
                Err(error) => return Err(error.to_string()),
            }
        }
        next += count;
        journal.set(done, u64::from(next));
    }
    Ok(())
}

/// One message in either way, or several as one batch.
fn publish(task: &Task<'_>, writer: &mut KrenWriter, next: u32, count: u32) -> Result<()> {
    let message = |number| {
        let mut message = vec![0; task.plan.len(number)];
        task.plan.fill(task.session, number, &mut message);
        message
    };
    if count > 1 {
        // Room for all of them first: a batch waits for room without end, also for a reader that never comes.
        let strides =
            (next..next + count).map(|number| (task.plan.len(number) + 8).next_multiple_of(8));
        writer.wait_writable(strides.sum::<usize>() - 8, Some(LOOK), &mut || Ok(()))?;
        let mut batch = writer.batch();
        for number in next..next + count {
            batch.push(&message(number))?;
        }
        batch.commit();
        return Ok(());
    }
    if next.is_multiple_of(2) {
        return writer.write_timeout(&message(next), LOOK);
    }
    let mut slot = writer.reserve_timeout(task.plan.len(next), LOOK)?;
    task.plan.fill(task.session, next, &mut slot);
    slot.commit();
    Ok(())
}

/// Reads, holds each message against the one that must come, and notes it before releasing it.
pub(super) fn read(task: &Task<'_>) -> std::result::Result<(), String> {
    let control = task.words("control", 2)?;
    let journal = task.words("reader", 1)?;
    let mut log = Log::open(&task.folder.join("log")).map_err(|error| error.to_string())?;
    let mut expected = Expected::from_word(journal.get(0));
    let options = KrenReader::options().strategy(task.strategy).timeout(LOOK);
    let mut reader = loop {
        match options.connect(task.channel) {
            // Both sides have left it drained, and no writer has come since.
            Err(Error::NotFound { .. }) => match control.get(READER) {
                0 => {}
                LAST => {
                    let note = expected.end(expected.is_first);
                    return log.line(&note).map_err(|error| error.to_string());
                }
                _ => return Ok(()),
            },
            connected => break connected.map_err(|error| error.to_string())?,
        }
    };
    while control.get(READER) != STOP {
        match reader.read_timeout(LOOK) {
            Ok(message) => {
                let (session, number) = task
                    .plan
                    .check(&message)
                    .ok_or_else(|| format!("damaged message {message:?}"))?;
                if let Some(note) = expected.meet(session, number)? {
                    log.line(&note).map_err(|error| error.to_string())?;
                }
                journal.set(0, expected.word());
            }
            Err(Error::TimedOut { .. }) => {}
            Err(Error::Closed { .. } | Error::PeerDied { .. }) => {
                if control.get(READER) == LAST {
                    let note = expected.end(expected.is_first);
                    return log.line(&note).map_err(|error| error.to_string());
                }
                std::thread::sleep(BREATHER);
            }
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(())
}

/// Which message must come next.
pub(super) struct Expected {
    session: u32,
    next: u32,
    /// Nothing has come yet since this reader started: its predecessor may have died between
    /// getting a message and noting it, or between noting and releasing it.
    is_first: bool,
}

impl Expected {
    pub(super) fn from_word(word: u64) -> Self {
        Self {
            session: (word >> 32) as u32,
            next: word as u32,
            is_first: true,
        }
    }

    pub(super) fn word(&self) -> u64 {
        u64::from(self.session) << 32 | u64::from(self.next)
    }

    /// Takes the next message; a line for the log if it is out of the ordinary.
    pub(super) fn meet(
        &mut self,
        session: u32,
        number: u32,
    ) -> std::result::Result<Option<String>, String> {
        let is_first = std::mem::take(&mut self.is_first);
        if session == self.session && number == self.next {
            self.next += 1;
            return Ok(None);
        }
        let (known, ended) = ((self.session, self.next), self.end(is_first));
        let note = match number {
            number if session == self.session && is_first && number + 1 == self.next => {
                format!("again {session} {number}")
            }
            number if session == self.session && is_first && number == self.next + 1 => {
                format!("in-hand {session} {}", self.next)
            }
            0 if session > self.session => ended,
            1 if session > self.session && is_first => {
                format!("{ended}\nin-hand {session} 0")
            }
            _ => {
                return Err(format!(
                    "(session, number) {:?} followed {known:?}",
                    (session, number)
                ));
            }
        };
        (self.session, self.next) = (session, number + 1);
        Ok(Some(note))
    }

    /// A line for the log at the end of all.
    pub(super) fn last(&self) -> String {
        self.end(self.is_first)
    }

    fn end(&self, is_first: bool) -> String {
        let mark = if is_first { " first" } else { "" };
        format!("end {} {}{mark}", self.session, self.next)
    }
}
