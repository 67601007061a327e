//! Channels that somebody should look after.

use super::Finding;
use crate::human;
use kren_core::inspect::{self, Channel, Contents, State};

/// Names that are told before "and so many more".
const TOLD: usize = 5;

pub(super) fn look() -> Vec<Finding> {
    let all = match inspect::channels() {
        Ok(all) => all,
        Err(error) => {
            let advice = "make shared memory readable for this user, or run where it is";
            return vec![Finding::error("channels", error.to_string(), advice)];
        }
    };
    let memory: u64 = all.iter().map(|seen| seen.bytes).sum();
    let of = |wanted: State| -> Vec<&Channel> {
        all.iter()
            .filter(|seen| seen.state(None) == wanted)
            .collect()
    };
    let mut findings = vec![Finding::fine(
        "channels",
        format!("{} of {}", all.len(), human::bytes(memory)),
    )];
    for (state, says) in [
        (
            State::Full,
            "its reader does not keep up, or is stuck: look at it with `kren stat`, and at what its process does",
        ),
        (
            State::WriterDied,
            "start the writer again: it goes on where the dead one stopped",
        ),
        (
            State::ReaderDied,
            "start the reader again: it gets what was not released",
        ),
        (State::OwnerDied, "start the owner again"),
        (
            State::Undelivered,
            "start a reader (`kren recv NAME` is one), or discard them with `kren gc --all`",
        ),
        (State::Stale, "`kren gc` removes them"),
        (
            State::OtherVersion,
            "let all programs that use it run one version of KREN, then `kren rm NAME`",
        ),
        (
            State::Unreadable,
            "they belong to other users, or a sandbox is in the way; as their owner or root one sees more",
        ),
    ] {
        let found = of(state);
        if !found.is_empty() {
            findings.push(Finding::warning(state.name(), names(&found), says));
        }
    }
    for seen in of(State::Damaged) {
        let why = match &seen.contents {
            Contents::Damaged(why) => why.as_str(),
            Contents::Segment(segment) => {
                let ring = segment.ring.as_ref();
                ring.and_then(|ring| ring.damage)
                    .unwrap_or("its ring is broken")
            }
            _ => "its bytes are broken",
        };
        let found = format!("{}: {why}", human::printable(&seen.name));
        let advice = "something else has stored there, or made a file of that name; `kren rm NAME` removes it, and a new \
                      writer makes it anew";
        findings.push(Finding::error("damaged", found, advice));
    }
    findings
}

fn names(found: &[&Channel]) -> String {
    let told: Vec<String> = found
        .iter()
        .take(TOLD)
        .map(|seen| human::printable(&seen.name))
        .collect();
    match found.len().checked_sub(TOLD).filter(|more| *more > 0) {
        Some(more) => format!("{} and {more} more", told.join(", ")),
        None => told.join(", "),
    }
}
