//! The publisher and the subscribers of a soaked broadcast.

use super::journal::{Log, Words};
use super::plan::Plan;
use super::worker::{BREATHER, Expected, LAST, LOOK, STOP, shown};
use crate::rng::{Rng, fresh_seed};
use kren_core::{Error, KrenPublisher, KrenSubscriber, Start};
use std::path::Path;

/// What kinds of subscribers a broadcast has, in the order of their control words, which come behind the publisher's.
pub(super) const KINDS: [&str; 4] = ["durable", "lossless", "lossless", "lossy"];
/// As many control words as there are processes.
pub(super) const CONTROLS: usize = 1 + KINDS.len();

/// What each is told: `FOLDER BROADCAST CAPACITY LONGEST NUMBER`. The number is the publisher's session, or which subscriber it is.
pub(super) struct Task<'a> {
    folder: &'a Path,
    broadcast: &'a str,
    capacity: usize,
    plan: Plan,
    number: usize,
}

impl<'a> Task<'a> {
    pub(super) fn parse(arguments: &'a [String]) -> Result<Self, String> {
        let [folder, broadcast, capacity, longest, number] = arguments else {
            return Err("a broadcast's worker takes five arguments".into());
        };
        let figure = |text: &str| text.parse::<usize>().map_err(shown);
        Ok(Self {
            folder: Path::new(folder),
            broadcast,
            capacity: figure(capacity)?,
            plan: Plan::new(figure(longest)?),
            number: figure(number)?,
        })
    }

    fn words(&self, name: &str, count: usize) -> Result<Words, String> {
        Words::open(&self.folder.join(name), count).map_err(shown)
    }

    fn log(&self, name: &str) -> Result<Log, String> {
        Log::open(&self.folder.join(name)).map_err(shown)
    }
}

/// Publishes from number 0 on, noting before each how far it may get, and after how far it got.
pub(super) fn publish(task: &Task<'_>) -> Result<(), String> {
    let control = task.words("control", CONTROLS)?;
    let [intent, done] = [0, 1];
    let journal = task.words(&format!("writer-{}", task.number), 2)?;
    let mut publisher = KrenPublisher::create(task.broadcast, task.capacity).map_err(shown)?;
    let mut rng = Rng::new(fresh_seed());
    let mut message = vec![];
    for next in 0.. {
        journal.set(intent, u64::from(next) + 1);
        message.resize(task.plan.len(next), 0);
        task.plan.fill(task.number as u32, next, &mut message);
        loop {
            if control.get(0) != 0 {
                return Ok(());
            }
            match publisher.write_timeout(&message, LOOK) {
                Ok(()) => break,
                Err(Error::TimedOut { .. }) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        journal.set(done, u64::from(next) + 1);
        if rng.once_in(2000) {
            std::thread::sleep(BREATHER);
        }
    }
    Ok(())
}

/// Reads as subscriber `task.number`.
pub(super) fn subscribe(task: &Task<'_>) -> Result<(), String> {
    match KINDS[task.number] {
        "durable" => read_all(task),
        kind => read_some(task, kind == "lossy"),
    }
}

/// A durable one holds each message against the one that must come, and notes it before releasing it. At the end it gives its place up.
fn read_all(task: &Task<'_>) -> Result<(), String> {
    let control = task.words("control", CONTROLS)?;
    let journal = task.words("reader", 2)?;
    let mut log = task.log("log")?;
    let mut expected = Expected::from_word(journal.get(0));
    let options = KrenSubscriber::options()
        .start(Start::Oldest)
        .durable("soak");
    let mut subscriber = options.connect(task.broadcast).map_err(shown)?;
    // It is there: nothing is missed from here on.
    journal.set(1, 1);
    while control.get(1 + task.number) != STOP {
        match subscriber.read_timeout(LOOK) {
            Ok(message) => {
                let found = task.plan.check(&message);
                let (session, number) = found.ok_or_else(|| format!("damaged {message:?}"))?;
                if let Some(note) = expected.meet(session, number)? {
                    log.line(&note).map_err(shown)?;
                }
                journal.set(0, expected.word());
            }
            Err(Error::TimedOut { .. }) => {}
            Err(Error::Closed { .. } | Error::PeerDied { .. }) => {
                if control.get(1 + task.number) == LAST {
                    log.line(&expected.last()).map_err(shown)?;
                    break;
                }
                std::thread::sleep(BREATHER);
            }
            Err(error) => return Err(error.to_string()),
        }
    }
    match control.get(1 + task.number) {
        LAST => subscriber.unsubscribe().map_err(shown),
        _ => Ok(()),
    }
}

/// The others start with what is new, and must be told exactly what they miss, which for lossless ones is nothing.
fn read_some(task: &Task<'_>, lossy: bool) -> Result<(), String> {
    let control = task.words("control", CONTROLS)?;
    let counts = task.words(&format!("subscriber-{}", task.number), 2)?;
    let mut log = task.log("turns")?;
    let options = KrenSubscriber::options().lossy(lossy);
    let mut subscriber = options.connect(task.broadcast).map_err(shown)?;
    let mut rng = Rng::new(fresh_seed());
    // Session and number of the last message, and which of all it was.
    let mut last: Option<(u32, u32, u64)> = None;
    while control.get(1 + task.number) != STOP {
        let at = subscriber.position();
        match subscriber.read_timeout(LOOK) {
            Ok(message) => {
                let found = task.plan.check(&message);
                let (session, number) = found.ok_or_else(|| format!("damaged {message:?}"))?;
                if let Some((s, n, before)) = last {
                    let gap = at - before - 1;
                    if session == s && u64::from(number) != u64::from(n) + 1 + gap {
                        let what = format!("({s}, {n}) to ({session}, {number})");
                        return Err(format!("after {what}, {gap} were missed by the count"));
                    }
                    if session != s {
                        // Held against what the durable one says of the sessions' ends.
                        let note = format!("{s} {} {gap} {session} {number}", n + 1);
                        log.line(&note).map_err(shown)?;
                    }
                }
                last = Some((session, number, at));
                counts.set(0, counts.get(0) + 1);
            }
            Err(Error::Lagged { missed, .. }) if lossy && missed > 0 => {
                counts.set(1, counts.get(1) + missed);
            }
            Err(Error::TimedOut { .. }) => {}
            Err(Error::Closed { .. } | Error::PeerDied { .. }) => {
                if control.get(1 + task.number) == LAST {
                    return Ok(());
                }
                std::thread::sleep(BREATHER);
            }
            Err(error) => return Err(error.to_string()),
        }
        if lossy && rng.once_in(3000) {
            std::thread::sleep(LOOK / 10);
        }
    }
    Ok(())
}
