//! Channels that somebody should look after.

use super::{Finding, Severity};
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
    ] {
        let found = of(state);
        if !found.is_empty() {
            findings.push(Finding::warning(state.name(), names(&found), says));
        }
    }
    // Each with its own reason.
    for (state, severity, says) in [
        (
            State::OtherVersion,
            Severity::Warning,
            "let all programs that use it run one version of KREN, then `kren rm NAME`",
        ),
        (
            State::Unreadable,
            Severity::Warning,
            "its owner or root sees more; what is no channel has to be removed by hand (/dev/shm/kren-NAME)",
        ),
        (
            State::Damaged,
            Severity::Error,
            "something else has stored there, or made a file of that name; `kren rm NAME` removes it, and a new writer \
             makes it anew",
        ),
    ] {
        let found = of(state);
        let mut tell = |text: String| {
            findings.push(Finding {
                severity,
                ..Finding::warning(state.name(), text, says)
            });
        };
        for seen in found.iter().take(TOLD) {
            let text = format!("{}: {}", human::printable(&seen.name), reason(seen));
            tell(text);
        }
        if let Some(more) = found.len().checked_sub(TOLD).filter(|more| *more > 0) {
            let text = format!("{more} more; `kren ls` shows them");
            tell(text);
        }
    }
    findings
}

/// Why a channel cannot be looked into.
fn reason(seen: &Channel) -> String {
    match &seen.contents {
        Contents::Damaged(why) | Contents::Unreadable(why) => why.clone(),
        Contents::OtherVersion(version) => {
            let own = inspect::LAYOUT_VERSION;
            format!("its layout version is {version}, this program knows {own}")
        }
        Contents::Segment(segment) => {
            let damage = segment.ring.as_ref().and_then(|ring| ring.damage);
            damage.unwrap_or("its ring is broken").into()
        }
        _ => "its bytes are broken".into(),
    }
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
