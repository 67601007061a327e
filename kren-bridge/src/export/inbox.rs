//! An inbox here, whose senders may be on other machines: says that it is there, and takes what their lanes bring.

use super::Export;
use super::channel::absent;
use crate::crew::Crew;
use crate::import::{Import, channel};
use crate::lane::{self, Lane};
use crate::link::{Kind, Way};
use crate::mailbox::Mailbox;
use crate::place::Place;
use crate::status::Direction;
use crate::stop;
use crate::wire::{self, Body, Frame, Malformed, Offer};
use kren_core::inspect::{self, Segment};
use std::collections::BTreeSet;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often it is looked what is there.
const LOOK: Duration = Duration::from_millis(200);
/// How often it is looked for lanes that nobody may come for.
const SWEEP: Duration = Duration::from_secs(2);

/// Carries to the inbox as long as it stands, in a thread of its own.
pub(super) fn start(export: Export, name: String) -> JoinHandle<()> {
    std::thread::spawn(move || {
        if let Err(why) = serve(&export, &name) {
            tracing::error!("'{name}' is not exported: {why}; it is tried again");
            export.board.note(Direction::Export, &name, |entry| {
                entry.state = format!("failed: {why}");
            });
            std::thread::sleep(SWEEP);
        }
    })
}

fn serve(export: &Export, name: &str) -> Result<(), String> {
    let Some(segment) = look(name) else {
        return Ok(());
    };
    let link = &export.link;
    let own = link.machine().hash;
    let (mailbox, put) = Mailbox::new();
    let speaker = link.speaker(name, Way::Down)?;
    let _listener = link.listen(name, Way::Up, put)?;
    let (tell, told) = mpsc::channel();
    let keys = lane::keys(name, &format!("{own:016x}"), None);
    let _watch = link.watch(&keys, Kind::Stream, move |key, is_there| {
        // Nobody listens any more at the end.
        let _ = tell.send((key.to_owned(), is_there));
    })?;
    let _token = link.announce(name, Kind::Inbox)?;
    tracing::info!(
        "'{name}' is exported: an inbox with lanes of {} bytes",
        segment.writer.lane
    );
    let import = Import {
        link: link.clone(),
        board: export.board.clone(),
        patterns: std::sync::Arc::new([]),
        on_gap: export.on_gap,
    };
    let start = |key: &str, is_there| {
        let (machine, instance) = lane::of_key(name, key).unwrap_or_default();
        let lane = Lane {
            inbox: name.to_owned(),
            registry: segment.instance,
            machine,
            instance,
        };
        channel::start(import.clone(), Place::of_lane(key, lane), is_there)
    };
    let mut crew = Crew::default();
    let mut machines = BTreeSet::new();
    let mut complained = None;
    let mut swept: Option<Instant> = None;
    while !stop::is_asked() {
        let Some(seen) = look(name).filter(|seen| seen.instance == segment.instance) else {
            tracing::info!("'{name}' is gone");
            speaker.say(absent(0));
            break;
        };
        for (key, is_there) in told.try_iter() {
            if lane::of_key(name, &key).is_some() {
                crew.told(&key, is_there);
            }
        }
        crew.tend(start);
        if swept.is_none_or(|swept| swept.elapsed() >= SWEEP) {
            swept = Some(Instant::now());
            // Left by a bridge before this one: whether somebody goes on with it is asked on the other side.
            for (_, left) in lane::standing(name) {
                if let Some(origin) = left.origin.filter(|_| !left.writer.is_live()) {
                    let key = lane::key(name, own, origin.hash, origin.instance);
                    crew.ensure(&key, start);
                }
            }
        }
        export.board.note(Direction::Export, name, |entry| {
            entry.kind = "inbox";
            entry.machine = machines.first().cloned();
            entry.state = match (&complained, machines.is_empty()) {
                (Some(why), _) => format!("refused there: {why}"),
                (None, true) => "waiting for the other side".into(),
                (None, false) => format!("open to {} senders there", crew.len()),
            };
        });
        let Ok(bytes) = mailbox.frames().recv_timeout(LOOK) else {
            continue;
        };
        let bytes = bytes.to_bytes();
        let say = |receiver, body| {
            speaker.say(
                Frame {
                    sender: own,
                    receiver,
                    body,
                }
                .encode(),
            );
        };
        match wire::decode(&bytes) {
            Ok(frame) => match frame.body {
                Body::Join(machine) => {
                    machines.insert(machine.name);
                    say(frame.receiver, Body::Offer(offer(export, &seen)));
                }
                Body::Refusal(why) if complained.as_ref() != Some(&why) => {
                    tracing::error!("'{name}' is not taken on the other side: {why}");
                    complained = Some(why);
                }
                _ => {}
            },
            Err(malformed) => {
                if complained.is_none() {
                    tracing::error!("'{name}': {malformed}");
                    complained = Some(malformed.to_string());
                }
                if let Malformed::Version(_) = malformed {
                    say(0, Body::Refusal(malformed.to_string()));
                }
            }
        }
    }
    crew.join();
    if !stop::is_asked() {
        export.board.forget(Direction::Export, name);
    }
    Ok(())
}

/// What stands under the name now.
pub(super) fn look(name: &str) -> Option<Segment> {
    inspect::channel(name).ok()?.segment().cloned()
}

/// A registry, as it is offered.
pub(super) fn offer(export: &Export, segment: &Segment) -> Offer {
    Offer {
        kind: segment.kind as u8,
        was_carried: false,
        alignment: segment.alignment as u32,
        capacity: segment.writer.lane,
        seats: segment.seats as u32,
        instance: segment.instance,
        oldest: 0,
        machine: export.link.machine().clone(),
        schema: None,
    }
}
