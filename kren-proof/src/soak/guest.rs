//! The subscribers of a soaked broadcast.

use super::worker::{BREATHER, Expected, LAST, LOOK, STOP, Task, shown};
use kren_core::{Error, KrenSubscriber, Start};

/// A durable one holds each message against the one that must come, and notes it before releasing it. At the end it gives its place up.
pub(super) fn read_all(task: &Task<'_>) -> Result<(), String> {
    let control = task.control()?;
    let journal = task.words("reader", 2)?;
    let mut log = task.log("log")?;
    let mut expected = Expected::from_word(journal.get(0));
    let options = KrenSubscriber::options()
        .strategy(task.strategy)
        .start(Start::Oldest)
        .durable("soak");
    let mut subscriber = options.connect(task.channel).map_err(shown)?;
    // It is there: nothing is missed from here on.
    journal.set(1, 1);
    while control.get() != STOP {
        match subscriber.read_timeout(LOOK) {
            Ok(message) => {
                let (session, number) = task.told(&message)?;
                if let Some(note) = expected.meet(session, number)? {
                    log.line(&note).map_err(shown)?;
                }
                journal.set(0, expected.word());
            }
            Err(Error::TimedOut { .. }) => {}
            Err(Error::Closed { .. } | Error::PeerDied { .. }) => {
                if control.get() == LAST {
                    log.line(&expected.last()).map_err(shown)?;
                    break;
                }
                std::thread::sleep(BREATHER);
            }
            Err(error) => return Err(error.to_string()),
        }
    }
    match control.get() {
        LAST => subscriber.unsubscribe().map_err(shown),
        _ => Ok(()),
    }
}

/// The others start with what is new, and must be told exactly what they miss, which for lossless ones is nothing.
pub(super) fn read_some(task: &Task<'_>) -> Result<(), String> {
    let control = task.control()?;
    let counts = task.words(&format!("subscriber-{}", task.place), 2)?;
    let mut log = task.log("turns")?;
    let lossy = task.kind == "lossy";
    let options = KrenSubscriber::options().strategy(task.strategy);
    let mut subscriber = options.lossy(lossy).connect(task.channel).map_err(shown)?;
    let mut rng = fastrand::Rng::new();
    // Session and number of the last message, and which of all it was.
    let mut last: Option<(u32, u32, u64)> = None;
    while control.get() != STOP {
        let at = subscriber.position();
        match subscriber.read_timeout(LOOK) {
            Ok(message) => {
                let (session, number) = task.told(&message)?;
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
                if control.get() == LAST {
                    return Ok(());
                }
                std::thread::sleep(BREATHER);
            }
            Err(error) => return Err(error.to_string()),
        }
        if lossy && rng.usize(..3000) == 0 {
            std::thread::sleep(LOOK / 10);
        }
    }
    Ok(())
}
