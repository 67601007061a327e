//! The exporting side: finds channels, reads them, and sends what is in them.

pub(crate) mod channel;
mod inbox;
mod service;

use crate::link::Link;
use crate::mirror::OnGap;
use crate::status::{Board, Direction};
use crate::{pattern, stop};
use kren_core::inspect::{self, Kind, Segment};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often it is looked for new channels.
const PAUSE: Duration = Duration::from_millis(200);

/// What the exporting side works with.
#[derive(Clone)]
pub struct Export {
    /// By which frames travel.
    pub link: Arc<Link>,
    /// Where it is noted how it goes.
    pub board: Arc<Board>,
    /// Names, and patterns.
    pub patterns: Arc<[String]>,
    /// Why a channel was not carried, as it was said last.
    pub said: Arc<Mutex<HashMap<String, String>>>,
    /// What to do where messages are missing that come back: to an inbox here.
    pub on_gap: OnGap,
}

impl Export {
    /// Carries what there is, and what comes, until it is told to stop.
    pub fn run(&self) {
        let mut threads: HashMap<String, JoinHandle<()>> = HashMap::new();
        let mut refused = HashSet::new();
        while !stop::is_asked() {
            threads.retain(|_, thread| !thread.is_finished());
            for name in inspect::names().unwrap_or_default() {
                let is_wanted = pattern::is_name(&name) && self.wants(&name);
                if !is_wanted || threads.contains_key(&name) {
                    continue;
                }
                match self.judge(&name) {
                    Verdict::Carry(kind) => {
                        let start = match kind {
                            Kind::Inbox => inbox::start,
                            Kind::Service => service::start,
                            _ => channel::start,
                        };
                        let thread = start(self.clone(), name.clone());
                        threads.insert(name, thread);
                    }
                    Verdict::Nothing => {}
                    Verdict::Refuse(why) => {
                        if refused.insert(name.clone()) {
                            tracing::warn!("'{name}' is not exported: {why}");
                        }
                        self.board.note(Direction::Export, &name, |entry| {
                            entry.state = format!("refused: {why}");
                        });
                    }
                }
            }
            std::thread::sleep(PAUSE);
        }
        for thread in threads.into_values() {
            // One that has panicked has said so.
            let _ = thread.join();
        }
    }

    fn wants(&self, name: &str) -> bool {
        self.patterns
            .iter()
            .any(|pattern| pattern::matches(pattern, name))
    }

    fn judge(&self, name: &str) -> Verdict {
        let Ok(seen) = inspect::channel(name) else {
            return Verdict::Nothing;
        };
        let Some(segment) = seen.segment() else {
            return Verdict::Nothing;
        };
        if let Some(origin) = &segment.origin {
            return Verdict::Refuse(format!("it is a mirror itself, of {}", origin.name));
        }
        match segment.kind {
            kind @ (Kind::Channel | Kind::Broadcast) if is_alive(segment) => Verdict::Carry(kind),
            Kind::Channel | Kind::Broadcast => Verdict::Nothing,
            kind @ (Kind::Inbox | Kind::Service) if segment.stands_for_another() => {
                Verdict::Refuse(format!(
                    "it stands for the {} on another machine, or did until its bridge ended",
                    kind.name()
                ))
            }
            // Who came before there was one does not know on which machine it will be.
            Kind::Inbox | Kind::Service if segment.writer.session == 0 => Verdict::Nothing,
            kind @ (Kind::Inbox | Kind::Service) => Verdict::Carry(kind),
            Kind::Bell => Verdict::Nothing,
            kind => Verdict::Refuse(format!(
                "it is of the kind '{}', which this version of the bridge does not carry (work queues stay on their machine; all else is carried)",
                kind.name()
            )),
        }
    }
}

/// What is to be done with a channel.
enum Verdict {
    Carry(Kind),
    /// Nothing, now.
    Nothing,
    Refuse(String),
}

/// Whether there is something to carry, or will be.
fn is_alive(segment: &Segment) -> bool {
    segment.writer.is_live() || segment.ring.as_ref().is_some_and(|ring| ring.kept > 0)
}
