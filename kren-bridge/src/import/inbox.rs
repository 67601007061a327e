//! An inbox of another machine, as far as it is here: the bridge stands for it, and sends what comes in each lane.

use super::Import;
use super::voice::Voice;
use crate::export::{Export, channel};
use crate::lane;
use crate::link::{Listener, Way};
use crate::mailbox::Mailbox;
use crate::receiver;
use crate::source::Source;
use crate::status::Direction;
use crate::wire::{self, Body, Frame, Machine, Offer};
use crate::{fresh, stop};
use kren_core::bridge::{Arrival, Stand};
use kren_core::inspect;
use kren_core::{Error, Selector};
use std::collections::HashMap;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use zenoh::bytes::ZBytes;

/// The longest sleep: so often it is looked whether to stop.
const NAP: Duration = Duration::from_millis(100);
/// How often one says that it would have the inbox.
const ASK: Duration = Duration::from_millis(500);
/// After a failure.
const RETRY: Duration = Duration::from_secs(2);
/// The registry's key in the selector.
const REGISTRY: u64 = 1;

/// Stands for the inbox as long as it is there, or senders are here, in a thread of its own.
pub(super) fn start(import: Import, name: String) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let outcome = Deputy::new(&import, &name).and_then(|mut deputy| deputy.run());
        if let Err(why) = outcome {
            tracing::error!("'{name}' is not imported: {why}; it is tried again");
            import.note(&name, |entry| entry.state = format!("failed: {why}"));
            std::thread::sleep(RETRY);
        }
    })
}

/// A bridge that stands for an inbox.
struct Deputy<'a> {
    import: &'a Import,
    name: &'a str,
    export: Export,
    id: u64,
    voice: Voice,
    mailbox: Mailbox,
    _listener: Listener,
    /// Who asks for lanes: the key, and the receiver's number.
    asked: mpsc::Receiver<(String, u64)>,
    _lanes_listener: Listener,
    next: Instant,
    stand: Option<Held>,
    /// The inbox is gone there.
    is_gone: bool,
}

/// The inbox's place, held.
struct Held {
    stand: Stand,
    selector: Selector,
    machine: Machine,
    lanes: HashMap<String, (kren_core::SenderId, JoinHandle<Result<(), String>>)>,
}

impl<'a> Deputy<'a> {
    fn new(import: &'a Import, name: &'a str) -> Result<Self, String> {
        let link = &import.link;
        let (mailbox, put) = Mailbox::new();
        let (ask, asked) = mpsc::channel();
        let keys = lane::keys(name, "$*", Some(link.machine().hash));
        let overheard = move |key: &str, bytes: ZBytes| {
            if let Ok(Frame {
                receiver,
                body: Body::Join(_),
                ..
            }) = wire::decode(&bytes.to_bytes())
            {
                // Nobody listens any more at the end.
                let _ = ask.send((key.to_owned(), receiver));
            }
        };
        Ok(Self {
            import,
            name,
            export: Export {
                link: Arc::clone(link),
                board: Arc::clone(&import.board),
                patterns: Arc::new([]),
                said: Arc::default(),
                on_gap: import.on_gap,
            },
            id: fresh::number_of(link.machine().hash),
            voice: Voice::new(import, name, link.speaker(name, Way::Up)?),
            mailbox,
            _listener: link.listen(name, Way::Down, put)?,
            asked,
            _lanes_listener: link.overhear(&keys, Way::Up, overheard)?,
            next: Instant::now(),
            stand: None,
            is_gone: false,
        })
    }

    fn run(&mut self) -> Result<(), String> {
        while !stop::is_asked() {
            if Instant::now() >= self.next {
                self.next = Instant::now() + ASK;
                self.voice
                    .speaker()
                    .say(receiver::join(self.id, self.import.link.machine()));
            }
            self.tend();
            self.answer()?;
            if self.is_gone && self.stand.as_ref().is_none_or(|held| held.lanes.is_empty()) {
                tracing::info!("'{}' is gone from the other side", self.name);
                self.import.board.forget(Direction::Import, self.name);
                return Ok(());
            }
            let found = match &mut self.stand {
                Some(held) => self.mailbox.sleep(|| {
                    // A failure shows in the next look.
                    let _ = held.selector.wait(Some(NAP));
                }),
                None => self.mailbox.frames().recv_timeout(NAP).ok(),
            };
            if let Some(frame) = found {
                self.hear(&frame);
            }
        }
        // They stop by themselves.
        for (_, thread) in self
            .stand
            .take()
            .into_iter()
            .flat_map(|held| held.lanes.into_values())
        {
            let _ = thread.join();
        }
        Ok(())
    }

    /// Looks at the lanes that there are.
    fn tend(&mut self) {
        let Some(held) = &mut self.stand else {
            return;
        };
        let (over, going): (HashMap<_, _>, HashMap<_, _>) = std::mem::take(&mut held.lanes)
            .into_iter()
            .partition(|(_, (_, thread))| thread.is_finished());
        held.lanes = going;
        for (key, (sender, thread)) in over {
            // A panic has been told of.
            if let Err(why) = thread
                .join()
                .unwrap_or_else(|_| Err("its thread has ended".into()))
            {
                tracing::error!("lane {key} is not carried: {why}; it is tried again");
                held.stand.give_up(sender);
            }
        }
        for arrival in held.stand.arrivals() {
            let Arrival {
                sender,
                lane,
                reader,
            } = match arrival {
                Ok(arrival) => arrival,
                Err(error) => {
                    tracing::error!("a sender of '{}' is not heard: {error}", self.name);
                    continue;
                }
            };
            let Some(segment) = inspect::channel(&lane)
                .ok()
                .and_then(|seen| seen.segment().cloned())
            else {
                continue;
            };
            let own = self.import.link.machine().hash;
            let key = lane::key(self.name, held.machine.hash, own, segment.instance);
            let (export, at, to) = (self.export.clone(), key.clone(), held.machine.clone());
            let thread = std::thread::spawn(move || {
                let source = Source::new(reader);
                let outcome = channel::send(&export, &at, &lane, &segment, source, true, Some(to));
                export.board.forget(Direction::Export, &lane);
                outcome
            });
            held.lanes.insert(key, (sender, thread));
        }
        let (machine, senders) = (held.machine.name.clone(), held.lanes.len());
        self.import.note(self.name, |entry| {
            entry.kind = "inbox";
            entry.machine = Some(machine);
            entry.state = format!("open to {senders} senders here");
        });
    }

    /// Says of lanes that are asked for and do not exist that they do not. Of those that do, their threads say what there is.
    fn answer(&mut self) -> Result<(), String> {
        let asked: HashMap<String, u64> = self.asked.try_iter().collect();
        let Some(held) = &self.stand else {
            return Ok(());
        };
        for (key, receiver) in asked {
            let Some((_, instance)) = lane::of_key(self.name, &key) else {
                continue;
            };
            // Whatever is known of it here: as long as it stands, something may come out of it.
            let stands = || {
                lane::standing(self.name)
                    .iter()
                    .any(|(_, lane)| lane.instance == instance)
            };
            if !held.lanes.contains_key(&key) && !stands() {
                let speaker = self.import.link.speaker(&key, Way::Down)?;
                speaker.say(channel::absent(receiver));
            }
        }
        Ok(())
    }

    fn hear(&mut self, bytes: &ZBytes) {
        let bytes = bytes.to_bytes();
        match wire::decode(&bytes) {
            Ok(frame) if frame.receiver != 0 && frame.receiver != self.id => {}
            Ok(frame) => match frame.body {
                Body::Offer(offer) => self.offered(&offer),
                Body::Absent => self.is_gone = true,
                Body::Refusal(why) => self.voice.complain(why),
                _ => {}
            },
            Err(malformed) => {
                self.voice.complain_of_frame(self.id, &malformed);
            }
        }
    }

    fn offered(&mut self, offer: &Offer) {
        self.is_gone = false;
        if let Some(held) = &self.stand {
            if held.machine.hash != offer.machine.hash {
                self.voice.refuse(self.id, format!(
                    "'{}' is an inbox on {} already, and a message goes to one; export it in another realm",
                    self.name, held.machine.name
                ));
            }
            return;
        }
        match self.take(offer) {
            Ok(held) => {
                tracing::info!(
                    "'{}' stands for the inbox on {}",
                    self.name,
                    held.machine.name
                );
                self.voice.is_well();
                self.stand = Some(held);
            }
            Err(error) => {
                let why = format!(
                    "'{}' cannot stand for the inbox on {}: {}",
                    self.name,
                    offer.machine.name,
                    match error {
                        Error::WriterExists { holder, .. } => format!(
                            "it is an inbox of this machine itself, open in {holder}; close that, or import in another realm"
                        ),
                        error => error.to_string(),
                    }
                );
                self.voice.complain(why.clone());
                self.voice.refuse(self.id, why);
            }
        }
    }

    fn take(&self, offer: &Offer) -> kren_core::Result<Held> {
        let capacity = usize::try_from(offer.capacity).unwrap_or(usize::MAX);
        let stand = Stand::create(
            self.name,
            capacity,
            offer.alignment as usize,
            offer.seats as usize,
            offer.machine.hash.max(1),
        )?;
        let mut selector = Selector::new()?;
        selector.add(REGISTRY, stand.changes()?)?;
        self.mailbox.ring(selector.canceller());
        Ok(Held {
            stand,
            selector,
            machine: offer.machine.clone(),
            lanes: HashMap::new(),
        })
    }
}
