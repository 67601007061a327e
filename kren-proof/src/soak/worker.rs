//! What all Rust workers of a soak are told; the one that makes messages, and the reader of a channel. Those of the other languages,
//! in `soak/`, do the same.

use super::journal::{Log, Maker, Words};
use super::plan::Plan;
use kren_core::{
    Error, KrenDealer, KrenPublisher, KrenReader, KrenSender, KrenWriter, Result, Strategy,
};
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

/// What every worker is told: `FOLDER CHANNEL CAPACITY LONGEST STRATEGY SESSION PLACE KIND`.
pub(super) struct Task<'a> {
    pub(super) folder: &'a Path,
    pub(super) channel: &'a str,
    pub(super) capacity: usize,
    pub(super) plan: Plan,
    pub(super) strategy: Strategy,
    pub(super) session: u32,
    /// Which control word is its own.
    pub(super) place: usize,
    pub(super) kind: &'a str,
}

impl<'a> Task<'a> {
    pub(super) fn parse(arguments: &'a [String]) -> std::result::Result<Self, String> {
        let [
            folder,
            channel,
            capacity,
            longest,
            strategy,
            session,
            place,
            kind,
        ] = arguments
        else {
            return Err("a soak's worker takes eight arguments".into());
        };
        let number = |text: &str| text.parse::<usize>().map_err(shown);
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
            place: number(place)?,
            kind,
        })
    }

    pub(super) fn words(&self, name: &str, count: usize) -> std::result::Result<Words, String> {
        Words::open(&self.folder.join(name), count).map_err(shown)
    }

    pub(super) fn control(&self) -> std::result::Result<Control, String> {
        let words = self.words("control", self.place + 1)?;
        Ok(Control(words, self.place))
    }

    pub(super) fn log(&self, name: &str) -> std::result::Result<Log, String> {
        Log::open(&self.folder.join(name)).map_err(shown)
    }

    /// Session and number of a message that is as it was written.
    pub(super) fn told(&self, message: &[u8]) -> std::result::Result<(u32, u32), String> {
        let found = self.plan.check(message);
        found.ok_or_else(|| format!("damaged message {message:?}"))
    }
}

/// What this worker is told meanwhile.
pub(super) struct Control(Words, usize);

impl Control {
    pub(super) fn get(&self) -> u64 {
        self.0.get(self.1)
    }
}

/// What messages are written with, by the worker's kind.
enum Output {
    Channel(KrenWriter),
    Broadcast(KrenPublisher),
    Inbox(KrenSender),
    Queue(KrenDealer),
}

impl Output {
    fn open(task: &Task<'_>) -> Result<Self> {
        let (name, capacity, strategy) = (task.channel, task.capacity, task.strategy);
        Ok(match task.kind {
            "publisher" => {
                let options = KrenPublisher::options().strategy(strategy);
                Self::Broadcast(options.create(name, capacity)?)
            }
            "sender" => {
                let options = KrenSender::options().capacity(capacity);
                Self::Inbox(options.strategy(strategy).connect(name)?)
            }
            "dealer" => {
                let options = KrenDealer::options().strategy(strategy);
                Self::Queue(options.create(name, capacity)?)
            }
            _ => {
                let options = KrenWriter::options().strategy(strategy);
                Self::Channel(options.create(name, capacity)?)
            }
        })
    }

    fn publish(&mut self, task: &Task<'_>, next: u32, count: u32) -> Result<()> {
        let message = || message(task, next);
        match self {
            Self::Channel(writer) => publish(task, writer, next, count),
            Self::Broadcast(publisher) => publisher.write_timeout(&message(), LOOK),
            Self::Inbox(sender) => sender.write_timeout(&message(), LOOK),
            Self::Queue(dealer) => dealer.write_timeout(&message(), LOOK),
        }
    }
}

fn message(task: &Task<'_>, number: u32) -> Vec<u8> {
    let mut message = vec![0; task.plan.len(number)];
    task.plan.fill(task.session, number, &mut message);
    message
}

/// Writes messages from number 0 on, noting before each how far it may get, and after how far it
/// got, until it is told to stop.
pub(super) fn write(task: &Task<'_>) -> std::result::Result<(), String> {
    let control = task.control()?;
    let journal = Maker::open(task.folder, task.session)?;
    let mut output = Output::open(task).map_err(shown)?;
    let mut rng = fastrand::Rng::new();
    let mut next = 0;
    while control.get() == 0 {
        let count = match output {
            Output::Channel(_) if rng.usize(..8) == 0 => 2 + rng.usize(..3) as u32,
            _ => 1,
        };
        journal.set_intent(u64::from(next + count));
        loop {
            match output.publish(task, next, count) {
                Ok(()) => break,
                Err(Error::TimedOut { .. } | Error::Closed { .. } | Error::PeerDied { .. }) => {
                    if control.get() != 0 {
                        return Ok(());
                    }
                    std::thread::sleep(BREATHER);
                }
                Err(error) => return Err(error.to_string()),
            }
        }
        next += count;
        journal.set_done(u64::from(next));
        // So that who is lossy keeps up now and then.
        if matches!(output, Output::Broadcast(_)) && rng.usize(..2000) == 0 {
            std::thread::sleep(BREATHER);
        }
    }
    Ok(())
}

/// One message in either way, or several as one batch.
fn publish(task: &Task<'_>, writer: &mut KrenWriter, next: u32, count: u32) -> Result<()> {
    if count > 1 {
        // Room for all of them first: a batch waits for room without end, also for a reader that never comes.
        let strides =
            (next..next + count).map(|number| (task.plan.len(number) + 8).next_multiple_of(8));
        writer.wait_writable(strides.sum::<usize>() - 8, Some(LOOK), &mut || Ok(()))?;
        let mut batch = writer.batch();
        for number in next..next + count {
            batch.push(&message(task, number))?;
        }
        batch.commit();
        return Ok(());
    }
    if next.is_multiple_of(2) {
        return writer.write_timeout(&message(task, next), LOOK);
    }
    let mut slot = writer.reserve_timeout(task.plan.len(next), LOOK)?;
    task.plan.fill(task.session, next, &mut slot);
    slot.commit();
    Ok(())
}

/// Reads, holds each message against the one that must come, and notes it before releasing it.
pub(super) fn read(task: &Task<'_>) -> std::result::Result<(), String> {
    let control = task.control()?;
    let journal = task.words("reader", 2)?;
    let mut log = task.log("log")?;
    let mut expected = Expected::from_word(journal.get(0));
    let options = KrenReader::options().strategy(task.strategy).timeout(LOOK);
    let mut reader = loop {
        match options.connect(task.channel) {
            // Both sides have left it drained, and no writer has come since.
            Err(Error::NotFound { .. }) => match control.get() {
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
    while control.get() != STOP {
        match reader.read_timeout(LOOK) {
            Ok(message) => {
                let (session, number) = task.told(&message)?;
                if let Some(note) = expected.meet(session, number)? {
                    log.line(&note).map_err(|error| error.to_string())?;
                }
                journal.set(0, expected.word());
            }
            Err(Error::TimedOut { .. }) => {}
            Err(Error::Closed { .. } | Error::PeerDied { .. }) => {
                if control.get() == LAST {
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
    /// The first message of `session` that has not been read, for a reader of many.
    pub(super) fn from_number(session: u32, next: u64) -> Self {
        Self::from_word(u64::from(session) << 32 | next)
    }

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

    pub(super) fn number(&self) -> u64 {
        self.next.into()
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
