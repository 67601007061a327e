//! One channel, on its way in.

use super::Import;
use crate::link::{Speaker, Way};
use crate::mailbox::Mailbox;
use crate::mirror::{Mirror, Opened};
use crate::place::Place;
use crate::receiver::{self, Receiver};
use crate::status::{Direction, Entry};
use crate::wire::{self, Body, Frame, Malformed, Offer};
use crate::{fresh, stop};
use kren_core::Result;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use zenoh::bytes::ZBytes;

/// The longest sleep: so often it is looked whether to stop.
const NAP: Duration = Duration::from_millis(200);
/// How often one asks for what is not there yet.
const ASK: Duration = Duration::from_millis(500);
/// After a failure.
const RETRY: Duration = Duration::from_secs(2);
/// How often what is counted is written down.
const NOTE: Duration = Duration::from_millis(200);
/// After which a source that is asked for its existence has fallen silent.
const QUIET: Duration = Duration::from_secs(3);
/// Of a sender that has not been heard for so long another one may take the place.
const SILENCE: Duration = Duration::from_secs(10);

/// Carries the channel until it has ended and nothing is left to do, in a thread of its own.
pub(crate) fn start(import: Import, place: Place, is_there: Arc<AtomicBool>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let outcome =
            Incoming::new(&import, &place, &is_there).and_then(|mut incoming| incoming.run());
        if let Err(why) = outcome {
            let name = &place.name;
            tracing::error!("'{name}' is not imported: {why}; it is tried again");
            import.note(name, |entry| entry.state = format!("failed: {why}"));
            std::thread::sleep(RETRY);
        }
    })
}

impl Import {
    pub(super) fn note(&self, name: &str, change: impl FnOnce(&mut Entry)) {
        self.board.note(Direction::Import, name, change);
    }
}

/// How far it has come.
enum Stage {
    /// Nothing is offered yet.
    Asking { next: Instant },
    /// Something was offered, and cannot be taken yet.
    Waiting {
        offer: Offer,
        sender: u64,
        next: Instant,
    },
    /// It flows, or has ended and the other side may not know yet.
    Open {
        mirror: Box<Mirror>,
        receiver: Box<Receiver>,
        heard: Instant,
        from: u64,
    },
    /// It was not taken, and will not be before somebody has done something.
    Stopped { offer: Offer },
}

/// A channel on its way in.
struct Incoming<'a> {
    import: &'a Import,
    name: &'a str,
    place: &'a Place,
    is_there: &'a AtomicBool,
    speaker: Speaker,
    mailbox: Mailbox,
    _listener: crate::link::Listener,
    id: u64,
    stage: Stage,
    /// As whom it is asked whether what has fallen silent exists, and when next.
    asking: u64,
    ask_at: Instant,
    /// The mirror of this instance, which has ended, goes when it is empty.
    ended: Option<u64>,
    is_gone: bool,
    said: Option<String>,
    noted: Option<Instant>,
}

impl<'a> Incoming<'a> {
    fn new(
        import: &'a Import,
        place: &'a Place,
        is_there: &'a AtomicBool,
    ) -> std::result::Result<Self, String> {
        let (mailbox, put) = Mailbox::new();
        Ok(Self {
            import,
            name: &place.name,
            place,
            is_there,
            speaker: import.link.speaker(&place.key, Way::Up)?,
            mailbox,
            _listener: import.link.listen(&place.key, Way::Down, put)?,
            id: fresh::number_of(import.link.machine().hash),
            stage: Stage::Asking {
                next: Instant::now(),
            },
            asking: fresh::number_of(import.link.machine().hash),
            ask_at: Instant::now(),
            ended: None,
            is_gone: false,
            said: None,
            noted: None,
        })
    }

    fn run(&mut self) -> std::result::Result<(), String> {
        while !stop::is_asked() {
            let until = self.speak().map_err(|error| error.to_string())?;
            let left = until.saturating_duration_since(Instant::now()).min(NAP);
            if let Ok(frame) = self.mailbox.frames().recv_timeout(left) {
                self.hear(&frame).map_err(|error| error.to_string())?;
                while let Ok(frame) = self.mailbox.frames().try_recv() {
                    self.hear(&frame).map_err(|error| error.to_string())?;
                    self.answer();
                }
            }
            let is_over = self.note() && self.place.is_over();
            if is_over || self.is_done() {
                self.import.board.forget(Direction::Import, self.name);
                return Ok(());
            }
        }
        Ok(())
    }

    /// Says what is to be said, and when to come again.
    fn speak(&mut self) -> Result<Instant> {
        let now = Instant::now();
        self.ask_if_silent(now);
        match &mut self.stage {
            Stage::Asking { next } => {
                if now >= *next {
                    *next = now + ASK;
                    // Relaxed: a hint.
                    if self.is_there.load(Ordering::Relaxed) {
                        self.speaker
                            .say(receiver::join(self.id, self.import.link.machine()));
                    }
                }
                Ok(*next)
            }
            Stage::Waiting {
                offer,
                sender,
                next,
            } => {
                if now < *next {
                    return Ok(*next);
                }
                let (offer, sender) = (offer.clone(), *sender);
                self.take_up(offer, sender);
                Ok(now)
            }
            Stage::Open {
                mirror, receiver, ..
            } => {
                receiver.drain(mirror.as_mut())?;
                self.end_if_due();
                self.answer();
                let Stage::Open {
                    mirror, receiver, ..
                } = &self.stage
                else {
                    return Ok(now);
                };
                Ok(receiver.deadline(mirror.as_ref(), now))
            }
            Stage::Stopped { .. } => Ok(now + NAP),
        }
    }

    /// Asks whether what is open, and has not been heard for a while, exists. Whoever has it need not hear of that; that it is gone may have
    /// been said in vain.
    fn ask_if_silent(&mut self, now: Instant) {
        if let Stage::Open { heard, .. } = &self.stage
            && self.place.is_asked_for()
            && heard.elapsed() >= QUIET
            && now >= self.ask_at
        {
            self.ask_at = now + ASK;
            self.speaker
                .say(receiver::join(self.asking, self.import.link.machine()));
        }
    }

    fn answer(&mut self) {
        if let Stage::Open {
            mirror, receiver, ..
        } = &mut self.stage
            && let Some(frame) = receiver.poll(mirror.as_ref(), Instant::now())
        {
            self.speaker.say(frame);
        }
    }

    /// Ends the stream here as it has ended there, once all of it is here.
    fn end_if_due(&mut self) {
        if let Stage::Open {
            mirror, receiver, ..
        } = &mut self.stage
            && let Some(end) = receiver.take_end()
        {
            mirror.end(end.has_died);
            self.ended = Some(mirror.instance);
            let how = if end.has_died {
                "its writer died"
            } else {
                "its writer has closed"
            };
            tracing::info!("'{}' has ended: {how}", self.name);
        }
    }

    fn hear(&mut self, bytes: &ZBytes) -> Result<()> {
        let bytes = bytes.to_bytes();
        let frame = match wire::decode(&bytes) {
            Ok(frame) => frame,
            Err(malformed) => {
                self.complain(malformed);
                return Ok(());
            }
        };
        let is_answer = frame.receiver == self.asking && frame.body == Body::Absent;
        if frame.receiver != 0 && frame.receiver != self.id && !is_answer {
            return Ok(());
        }
        match &frame.body {
            Body::Offer(offer) => {
                self.offered(offer, frame.sender);
                Ok(())
            }
            Body::Absent => {
                self.is_gone |= self.place.is_gone(frame.receiver != 0, self.ended);
                Ok(())
            }
            Body::Refusal(why) => {
                self.say_once(why.clone());
                Ok(())
            }
            _ => {
                let Stage::Open {
                    mirror,
                    receiver,
                    heard,
                    ..
                } = &mut self.stage
                else {
                    return Ok(());
                };
                if frame.sender == receiver.sender() {
                    *heard = Instant::now();
                    receiver.on_frame(&frame, &bytes, mirror.as_mut())?;
                    self.end_if_due();
                }
                Ok(())
            }
        }
    }

    /// Something is to be had: for the first time, by a bridge that has begun anew, or since the sender has not what was asked for.
    fn offered(&mut self, offer: &Offer, sender: u64) {
        match &self.stage {
            Stage::Open {
                receiver,
                heard,
                from,
                ..
            } => {
                let is_other = *from != offer.machine.hash;
                if is_other && self.ended.is_none() && heard.elapsed() < SILENCE {
                    let why = format!(
                        "'{}' is imported from another machine already, and a channel has one writer; export it in another realm",
                        self.name
                    );
                    self.refuse(why);
                    return;
                }
                // A greeting of the sender that is known.
                if receiver.sender() == sender
                    && heard.elapsed() < Duration::from_millis(100)
                    && self.ended.is_none()
                {
                    return;
                }
            }
            Stage::Stopped { offer: refused } if refused == offer => return,
            _ => {}
        }
        self.take_up(offer.clone(), sender);
    }

    /// Opens the mirror of what is offered, as far as can be.
    fn take_up(&mut self, offer: Offer, sender: u64) {
        // What was open before is left for what follows to go on with.
        self.stage = Stage::Asking {
            next: Instant::now(),
        };
        let next = Instant::now() + ASK;
        let realm = self.import.link.realm();
        match self.place.open(realm, &offer, self.import.on_gap) {
            Ok(Opened::Mirror(mirror, want, lost)) => {
                if let Some(lost) = lost {
                    tracing::error!("{lost}; it goes on with message {want}");
                }
                tracing::info!(
                    "'{}' comes from {}, message {want} first",
                    self.name,
                    offer.machine.name
                );
                self.said = None;
                (self.ended, self.is_gone) = (None, false);
                // Another life: what is said to the one before is not meant for it.
                let answered = std::mem::replace(
                    &mut self.id,
                    fresh::number_of(self.import.link.machine().hash),
                );
                tracing::debug!("receiver {:x} follows {answered:x}", self.id);
                self.import.note(self.name, |entry| {
                    entry.kind = self.place.kind(&offer);
                    entry.machine = Some(offer.machine.name.clone());
                });
                self.stage = Stage::Open {
                    receiver: Box::new(Receiver::new(self.id, sender, want)),
                    mirror,
                    heard: Instant::now(),
                    from: offer.machine.hash,
                };
            }
            Ok(Opened::Wait(why)) => {
                self.say_once(why);
                self.stage = Stage::Waiting {
                    offer,
                    sender,
                    next,
                };
            }
            Ok(Opened::Stop(why)) => {
                self.say_once(why.clone());
                self.refuse(why);
                self.stage = Stage::Stopped { offer };
            }
            // Somebody holds it, or there is no memory: that passes.
            Err(error) => {
                self.say_once(error.to_string());
                self.stage = Stage::Waiting {
                    offer,
                    sender,
                    next,
                };
            }
        }
    }

    fn refuse(&self, why: String) {
        let frame = Frame {
            sender: 0,
            receiver: self.id,
            body: Body::Refusal(why),
        };
        self.speaker.say(frame.encode());
    }

    fn say_once(&mut self, why: String) {
        if self.said.as_ref() != Some(&why) {
            tracing::error!("'{}': {why}", self.name);
            self.import
                .note(self.name, |entry| entry.state.clone_from(&why));
            self.said = Some(why);
        }
    }

    fn complain(&mut self, malformed: Malformed) {
        self.say_once(malformed.to_string());
        if let Malformed::Version(_) = malformed {
            self.refuse(malformed.to_string());
        }
    }

    /// The stream has ended, its channel is gone, and so is the mirror.
    fn is_done(&mut self) -> bool {
        if !self.is_gone {
            return false;
        }
        if let Stage::Open { .. } = self.stage {
            self.stage = Stage::Asking {
                next: Instant::now(),
            };
        }
        self.place.clear_away(self.ended)
    }

    /// Tells whether it was time to.
    fn note(&mut self) -> bool {
        if self.noted.is_some_and(|noted| noted.elapsed() < NOTE) {
            return false;
        }
        self.noted = Some(Instant::now());
        if let Stage::Open {
            receiver, heard, ..
        } = &self.stage
        {
            let counters = receiver.counters();
            let silence = heard.elapsed();
            self.import.note(self.name, |entry| {
                (entry.messages, entry.bytes) = (counters.messages, counters.bytes);
                (entry.duplicates, entry.gaps) = (counters.duplicates, counters.gaps);
                entry.state = match (self.ended, silence >= SILENCE) {
                    (Some(_), _) => "ended".into(),
                    (None, true) => format!("nothing heard for {} s", silence.as_secs()),
                    (None, false) => "carried".into(),
                };
            });
        }
        true
    }
}
