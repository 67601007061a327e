//! The inbox and the workers of a soak, in Rust.

use super::books::Ledgers;
use super::journal::Maker;
use super::worker::{BREATHER, Expected, LAST, LOOK, STOP, Task, shown};
use kren_core::{Error, KrenInbox, KrenWorker, PeerState};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// Holds each message against the one that must come of its sender, and notes it before releasing it.
pub(super) fn read_inbox(task: &Task<'_>) -> Result<(), String> {
    let control = task.control()?;
    let mut log = task.log("log")?;
    let mut senders: BTreeMap<u32, (Maker, Expected)> = BTreeMap::new();
    let options = KrenInbox::options().strategy(task.strategy);
    let mut inbox = options.create(task.channel, task.capacity).map_err(shown)?;
    while control.get() != STOP {
        let is_quiet = match inbox.read_timeout(LOOK) {
            Ok(message) => {
                let (session, number) = task.told(&message)?;
                let (journal, expected) = match senders.entry(session) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(new) => {
                        let journal = Maker::open(task.folder, session)?;
                        let expected = Expected::from_number(session, journal.read());
                        new.insert((journal, expected))
                    }
                };
                if let Some(note) = expected.meet(session, number)? {
                    log.line(&note).map_err(shown)?;
                }
                journal.set_read(expected.number());
                false
            }
            Err(Error::TimedOut { .. }) => true,
            Err(error) => return Err(error.to_string()),
        };
        // It waits for senders to come, so nobody else tells of the end.
        if is_quiet && control.get() == LAST && inbox.senders().is_empty() {
            return Ok(());
        }
    }
    Ok(())
}

/// Notes each message before releasing it. One that was noted before must be marked.
pub(super) fn work(task: &Task<'_>) -> Result<(), String> {
    let control = task.control()?;
    let mut ledgers = Ledgers::new(task.folder);
    // Of three workers one takes as much as there is room for, and the others one or two.
    let options = KrenWorker::options().strategy(task.strategy);
    let ahead = task.place as u32 - 1;
    let mut worker = options.ahead(ahead).connect(task.channel).map_err(shown)?;
    while control.get() != STOP {
        let is_over = match worker.read_timeout(LOOK) {
            Ok(work) => {
                let (session, number) = task.told(&work)?;
                let before = ledgers.note(session, number)?;
                if before > 0 && !work.redelivered() {
                    let what = format!("message {number} of dealer {session}");
                    return Err(format!("{what} came again, and was not marked"));
                }
                false
            }
            // The end of a dealer is told once; then it waits for the next one.
            Err(Error::TimedOut { .. }) => true,
            Err(Error::Closed { .. } | Error::PeerDied { .. }) => {
                std::thread::sleep(BREATHER);
                true
            }
            Err(error) => return Err(error.to_string()),
        };
        if is_over && control.get() == LAST && worker.dealer_state() != PeerState::Attached {
            return Ok(());
        }
    }
    Ok(())
}
