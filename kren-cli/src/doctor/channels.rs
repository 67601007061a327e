//! Channels that somebody should look after.

use super::{Finding, Severity};
use crate::human;
use kren_core::inspect::{self, Channel, Contents, Observer, State};

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
        let mut found: Vec<(&str, String)> = of(state)
            .into_iter()
            .map(|seen| (seen.name.as_str(), reason(seen)))
            .collect();
        if state == State::Damaged {
            found.extend(spoiled(&of(State::Undelivered)));
        }
        let mut tell = |text: String| {
            findings.push(Finding {
                severity,
                ..Finding::warning(state.name(), text, says)
            });
        };
        for (name, why) in found.iter().take(TOLD) {
            tell(format!("{}: {why}", human::printable(name)));
        }
        if let Some(more) = found.len().checked_sub(TOLD).filter(|more| *more > 0) {
            let text = format!("{more} more; `kren ls` shows them");
            tell(text);
        }
    }
    findings
}

/// Those of `kept`, which nobody holds, whose messages are broken, and how: nobody else would tell before a reader comes.
fn spoiled<'a>(kept: &[&'a Channel]) -> Vec<(&'a str, String)> {
    let broken = kept.iter().filter_map(|seen| {
        let observer = Observer::open(&seen.name).ok()?;
        // Somebody may have come meanwhile.
        let now = observer.look();
        let why = match now.state(None) {
            State::Undelivered => observer.damage(&now)?,
            _ => return None,
        };
        Some((seen.name.as_str(), why.to_string()))
    });
    broken.collect()
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
