//! One channel, on its way in.

use super::Import;
use super::voice::Voice;
use crate::link::Way;
use crate::mirror::{Mirror, Opened};
use crate::place::Place;
use crate::receiver::{self, Receiver};
use crate::status::{Direction, Entry};
use crate::wire::{self, Body, Frame, Offer};
use crate::{fresh, stop};
use kren_core::Result;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
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
        if let Err(why) = carry(&import, &place, is_there) {
            let name = &place.name;
            tracing::error!("'{name}' is not imported: {why}; it is tried again");
            import.note(name, |entry| entry.state = format!("failed: {why}"));
            std::thread::sleep(RETRY);
        }
    })
}

fn carry(
    import: &Import,
    place: &Place,
    is_there: Arc<AtomicBool>,
) -> std::result::Result<(), String> {
    let desk = Arc::new(Desk {
        incoming: Mutex::new(Incoming::new(import, place, is_there)?),
        due: Condvar::new(),
    });
    let heard = Arc::clone(&desk);
    let put = move |frame| heard.put(frame);
    let _listener = import.link.listen(&place.key, Way::Down, put)?;
    desk.run()
}

/// Where the channel's thread, and those of zenoh's in which frames come, meet. What carries messages is dealt with where it comes:
/// to hand it over would take a thread's wake-up for each, and hold what zenoh would read the next ones into.
struct Desk {
    incoming: Mutex<Incoming>,
    /// There is something for the channel's thread to do.
    due: Condvar,
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Incoming> {
        self.incoming.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A frame has come.
    fn put(&self, frame: ZBytes) {
        let mut incoming = self.lock();
        if incoming.deal_with(frame) {
            drop(incoming);
            self.due.notify_one();
        }
    }

    /// Until the stream has ended and nothing is left to do, or this bridge is to stop.
    fn run(&self) -> std::result::Result<(), String> {
        let mut incoming = self.lock();
        let outcome = loop {
            if stop::is_asked() {
                break Ok(());
            }
            match incoming.turn() {
                Ok(Some(until)) => {
                    let left = until.saturating_duration_since(Instant::now()).min(NAP);
                    incoming.sleeps_until = Instant::now() + left;
                    let woken = self.due.wait_timeout(incoming, left);
                    incoming = woken.unwrap_or_else(PoisonError::into_inner).0;
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error.to_string()),
            }
        };
        // Also where zenoh still holds a frame: the next thread finds the mirror free.
        incoming.stage = Stage::Over;
        outcome
    }
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
    /// Its thread has ended.
    Over,
}

/// A channel on its way in.
struct Incoming {
    import: Import,
    place: Place,
    is_there: Arc<AtomicBool>,
    voice: Voice,
    /// What its thread has to deal with.
    frames: VecDeque<ZBytes>,
    /// How far it got with what came elsewhere.
    outcome: Result<()>,
    /// How long its thread sleeps if nobody wakes it.
    sleeps_until: Instant,
    id: u64,
    stage: Stage,
    /// As whom it is asked whether what has fallen silent exists, and when next.
    asking: u64,
    ask_at: Instant,
    /// The mirror of this instance, which has ended, goes when it is empty.
    ended: Option<u64>,
    is_gone: bool,
    noted: Option<Instant>,
}

impl Incoming {
    fn new(
        import: &Import,
        place: &Place,
        is_there: Arc<AtomicBool>,
    ) -> std::result::Result<Self, String> {
        let now = Instant::now();
        Ok(Self {
            import: import.clone(),
            place: place.clone(),
            is_there,
            voice: Voice::new(
                import,
                &place.name,
                import.link.speaker(&place.key, Way::Up)?,
            ),
            frames: VecDeque::new(),
            outcome: Ok(()),
            sleeps_until: now,
            id: fresh::number_of(import.link.machine().hash),
            stage: Stage::Asking { next: now },
            asking: fresh::number_of(import.link.machine().hash),
            ask_at: now,
            ended: None,
            is_gone: false,
            noted: None,
        })
    }

    /// Takes a frame where it comes, or leaves it to the channel's thread. Tells whether that has something to do before it would wake.
    fn deal_with(&mut self, frame: ZBytes) -> bool {
        let is_open = matches!(self.stage, Stage::Open { .. }) && self.outcome.is_ok();
        let first = frame.slices().next().unwrap_or_default();
        if !is_open || !self.frames.is_empty() || !wire::is_of_stream(first) {
            // Nobody deals with it any more at the end.
            if !matches!(self.stage, Stage::Over) {
                self.frames.push_back(frame);
            }
            return true;
        }
        self.outcome = self.hear(&frame);
        self.answer();
        let Stage::Open {
            mirror, receiver, ..
        } = &self.stage
        else {
            return true;
        };
        self.outcome.is_err()
            || receiver.deadline(mirror.as_ref(), Instant::now()) < self.sleeps_until
    }

    /// What the channel's thread has to do, and when to come again; `None` when nothing is left.
    fn turn(&mut self) -> Result<Option<Instant>> {
        std::mem::replace(&mut self.outcome, Ok(()))?;
        while let Some(frame) = self.frames.pop_front() {
            self.hear(&frame)?;
            self.answer();
        }
        let until = self.speak()?;
        let is_over = self.note() && self.place.is_over();
        if is_over || self.is_done() {
            self.import
                .board
                .forget(Direction::Import, &self.place.name);
            return Ok(None);
        }
        Ok(Some(until))
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
                        self.voice
                            .speaker()
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
            Stage::Stopped { .. } | Stage::Over => Ok(now + NAP),
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
            self.voice
                .speaker()
                .say(receiver::join(self.asking, self.import.link.machine()));
        }
    }

    fn answer(&mut self) {
        if let Stage::Open {
            mirror, receiver, ..
        } = &mut self.stage
            && let Some(frame) = receiver.poll(mirror.as_ref(), Instant::now())
        {
            self.voice.speaker().say(frame);
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
            tracing::info!("'{}' has ended: {how}", self.place.name);
        }
    }

    fn hear(&mut self, bytes: &ZBytes) -> Result<()> {
        self.came(bytes.len());
        let mut slices = bytes.slices();
        let first = slices.next().unwrap_or_default();
        if let Ok(Frame {
            sender,
            receiver,
            body: Body::Piece(mut piece),
        }) = wire::decode(first)
        {
            // What zenoh carried in parts goes to its place part by part.
            loop {
                let rest = slices.next().map(|bytes| piece.followed_by(bytes));
                self.heard(&Frame {
                    sender,
                    receiver,
                    body: Body::Piece(piece),
                })?;
                match rest {
                    None => return Ok(()),
                    Some(Ok(next)) => piece = next,
                    Some(Err(malformed)) => {
                        self.voice.complain_of_frame(self.id, &malformed);
                        return Ok(());
                    }
                }
            }
        }
        match wire::decode(&bytes.to_bytes()) {
            Ok(frame) => self.heard(&frame),
            Err(malformed) => {
                self.voice.complain_of_frame(self.id, &malformed);
                Ok(())
            }
        }
    }

    fn came(&mut self, bytes: usize) {
        if let Stage::Open { receiver, .. } = &mut self.stage {
            receiver.count(bytes);
        }
    }

    fn heard(&mut self, frame: &Frame<'_>) -> Result<()> {
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
                self.voice.complain(why.clone());
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
                    receiver.on_frame(frame, mirror.as_mut())?;
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
                        self.place.name
                    );
                    self.voice.refuse(self.id, why);
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
                    self.place.name,
                    offer.machine.name
                );
                self.voice.is_well();
                (self.ended, self.is_gone) = (None, false);
                // Another life: what is said to the one before is not meant for it.
                let answered = std::mem::replace(
                    &mut self.id,
                    fresh::number_of(self.import.link.machine().hash),
                );
                tracing::debug!("receiver {:x} follows {answered:x}", self.id);
                self.import.note(&self.place.name, |entry| {
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
                self.voice.complain(why);
                self.stage = Stage::Waiting {
                    offer,
                    sender,
                    next,
                };
            }
            Ok(Opened::Stop(why)) => {
                self.voice.complain(why.clone());
                self.voice.refuse(self.id, why);
                self.stage = Stage::Stopped { offer };
            }
            // Somebody holds it, or there is no memory: that passes.
            Err(error) => {
                self.voice.complain(error.to_string());
                self.stage = Stage::Waiting {
                    offer,
                    sender,
                    next,
                };
            }
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
            self.import.note(&self.place.name, |entry| {
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
