//! One channel, on its way out.

use super::Export;
use crate::link::{Kind, Speaker, Way};
use crate::mailbox::Mailbox;
use crate::sender::{Sender, Source as _};
use crate::source::{Rest, Source};
use crate::status::Direction;
use crate::wire::{self, Ack, Body, Frame, Machine, Malformed, Offer};
use crate::{fresh, stop};
use kren_core::inspect::{self, Segment};
use kren_core::{EventKind, Result, Selector};
use std::sync::PoisonError;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use zenoh::bytes::ZBytes;

/// The longest sleep: so often it is looked whether to stop.
const NAP: Duration = Duration::from_millis(200);
/// Who has not been heard for so long may be succeeded by another machine.
const SILENCE: Duration = Duration::from_secs(10);
/// How often what is counted is written down.
const NOTE: Duration = Duration::from_millis(200);
/// How often one tries for a role that somebody else holds.
const RETRY: Duration = Duration::from_secs(1);
/// The ring's key in the selector.
const RING: u64 = 1;

/// Carries the channel as long as there is something to carry, in a thread of its own.
pub(super) fn start(export: Export, name: String) -> JoinHandle<()> {
    std::thread::spawn(move || {
        if let Err(why) = carry(&export, &name) {
            let mut said = export.said.lock().unwrap_or_else(PoisonError::into_inner);
            if said.insert(name.clone(), why.clone()).as_ref() != Some(&why) {
                tracing::error!("'{name}' is not exported: {why}; it is tried again");
            }
            drop(said);
            export.board.note(Direction::Export, &name, |entry| {
                entry.state = format!("failed: {why}");
            });
            std::thread::sleep(RETRY);
        }
    })
}

fn carry(export: &Export, name: &str) -> std::result::Result<(), String> {
    let seen = inspect::channel(name).map_err(|error| error.to_string())?;
    let Some(segment) = seen.segment() else {
        return Ok(());
    };
    let source = match Source::connect(name, segment, export.link.realm()) {
        Ok(source) => source,
        Err(kren_core::Error::NotFound { .. }) => return Ok(()),
        Err(error) => return Err(error.to_string()),
    };
    // What was looked at may have been replaced before it was taken.
    match inspect::channel(name)
        .ok()
        .and_then(|seen| Some(seen.segment()?.instance))
    {
        Some(instance) if instance == segment.instance => {}
        _ => return Ok(()),
    }
    let was_carried = export
        .board
        .was_carried(export.link.realm(), name, segment.instance);
    send(export, name, name, segment, source, was_carried, None)
}

/// Carries what comes from `source` under `key` until it has ended there, or this bridge is to stop. `name` is that of its segment.
pub(crate) fn send(
    export: &Export,
    key: &str,
    name: &str,
    segment: &Segment,
    source: Source,
    was_carried: bool,
    others: Option<Machine>,
) -> std::result::Result<(), String> {
    let (mailbox, put) = Mailbox::new();
    let speaker = export.link.speaker(key, Way::Down)?;
    let _listener = export.link.listen(key, Way::Up, put)?;
    let _token = export.link.announce(key, Kind::Stream)?;
    let mut outgoing = Outgoing {
        export,
        name,
        segment,
        speaker,
        mailbox,
        was_carried,
        source,
        sender: Sender::new(fresh::number()),
        others: others.map(|machine| (machine.name, machine.hash)),
        is_over: None,
        noted: None,
        said: None,
    };
    tracing::info!(
        "'{name}' is exported: a {} of {} bytes",
        kind_of(segment),
        segment.capacity
    );
    let outcome = outgoing.run();
    let receiver = outgoing.sender.receiver().unwrap_or(0);
    let Outgoing {
        source, speaker, ..
    } = outgoing;
    drop(source);
    outcome.map_err(|error| error.to_string())?;
    if !is_there(name, segment.instance) {
        tracing::info!("'{name}' has ended, and all of it is on the other side");
        speaker.say(absent(receiver));
        export.board.forget(Direction::Export, name);
    }
    Ok(())
}

/// Whether the name leads to this segment.
fn is_there(name: &str, instance: u64) -> bool {
    let seen = inspect::channel(name);
    seen.is_ok_and(|seen| {
        seen.segment()
            .is_some_and(|segment| segment.instance == instance)
    })
}

fn kind_of(segment: &Segment) -> &'static str {
    match segment.group {
        Some(_) => "lane",
        None => segment.kind.name(),
    }
}

/// That nothing of the name is here.
pub(crate) fn absent(receiver: u64) -> Vec<u8> {
    let frame = Frame {
        sender: 0,
        receiver,
        body: Body::Absent,
    };
    frame.encode()
}

/// A channel on its way out.
struct Outgoing<'a> {
    export: &'a Export,
    name: &'a str,
    segment: &'a Segment,
    speaker: Speaker,
    mailbox: Mailbox,
    was_carried: bool,
    source: Source,
    sender: Sender,
    /// The machine on the other side, and its hash.
    others: Option<(String, u64)>,
    /// How the stream has ended, if it has.
    is_over: Option<Rest>,
    noted: Option<Instant>,
    /// Why nothing goes on, as it was said last.
    said: Option<String>,
}

impl Outgoing<'_> {
    /// Until the stream has ended and the other side knows, or this bridge is to stop.
    fn run(&mut self) -> Result<()> {
        let mut selector = Selector::new()?;
        selector.add(RING, self.source.reader().readable()?)?;
        self.mailbox.ring(selector.canceller());
        // So that one who waits need not wait for his own turn.
        self.offer(0);
        while !stop::is_asked() && !self.sender.is_end_confirmed() {
            while let Ok(frame) = self.mailbox.frames().try_recv() {
                self.hear(&frame)?;
            }
            let mut has_spoken = false;
            while let Some(frame) = self.sender.poll(&mut self.source, Instant::now())? {
                self.speaker.say(frame);
                has_spoken = true;
                if let Ok(frame) = self.mailbox.frames().try_recv() {
                    self.hear(&frame)?;
                }
            }
            self.note();
            if let Some(rest) = self.is_over {
                self.sender.end(rest == Rest::Died);
            }
            if !has_spoken {
                self.sleep(&mut selector)?;
            }
        }
        self.noted = None;
        self.note();
        Ok(())
    }

    fn sleep(&mut self, selector: &mut Selector) -> Result<()> {
        let left = self.sender.deadline();
        let left = left.map_or(NAP, |at| {
            at.saturating_duration_since(Instant::now()).min(NAP)
        });
        if !self.sender.wants_messages() || self.is_over.is_some() {
            // No room there, nobody there, or nothing more to come: only an answer changes that.
            match self.mailbox.frames().recv_timeout(left) {
                Ok(frame) => self.hear(&frame)?,
                Err(_) if self.sender.receiver().is_none() && self.is_over.is_none() => {
                    self.look_for_the_end()?;
                }
                Err(_) => {}
            }
            return Ok(());
        }
        self.source.reader().wait_behind_cursor();
        let mut events = vec![];
        let found = self
            .mailbox
            .sleep(|| events = selector.wait(Some(left)).unwrap_or_default());
        if let Some(frame) = found {
            self.hear(&frame)?;
        }
        if events.iter().any(|event| event.kind == EventKind::Gone) {
            self.look_for_the_end()?;
        }
        Ok(())
    }

    fn look_for_the_end(&mut self) -> Result<()> {
        let rest = self.source.rest()?;
        if rest != Rest::More {
            self.is_over = Some(rest);
        }
        Ok(())
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
        match frame.body {
            Body::Join(machine) => {
                if self.may_come(frame.receiver) {
                    self.others = Some((machine.name, machine.hash));
                    self.offer(frame.receiver);
                } else {
                    let why = format!(
                        "'{}' is carried to {} already, and a channel has one reader",
                        self.name,
                        self.others
                            .as_ref()
                            .map_or("another machine", |(name, _)| name)
                    );
                    self.refuse(frame.receiver, why);
                }
            }
            Body::Ack(ack) if frame.sender == self.sender.id() && self.may_come(frame.receiver) => {
                self.acknowledged(frame.receiver, ack)?;
            }
            // Meant for a sender before this one.
            Body::Ack(_) if self.sender.receiver().is_none() => self.offer(frame.receiver),
            Body::Refusal(why) => {
                let is_new = self.say_once(format!("not taken on the other side: {why}"));
                if is_new {
                    self.export
                        .board
                        .note(Direction::Export, self.name, |entry| {
                            entry.state = format!("refused there: {why}");
                        });
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn acknowledged(&mut self, receiver: u64, ack: Ack) -> Result<()> {
        let is_new = self.sender.receiver() != Some(receiver);
        let before = self.sender.counters().messages;
        if !self
            .sender
            .on_ack(receiver, ack, &mut self.source, Instant::now())?
        {
            self.offer(receiver);
            return Ok(());
        }
        if is_new {
            self.said = None;
            tracing::info!(
                "'{}' goes to {} from message {} on",
                self.name,
                self.others
                    .as_ref()
                    .map_or("the other side", |(name, _)| name),
                ack.want
            );
        }
        if !self.was_carried && self.sender.counters().messages > before {
            self.was_carried = true;
            self.export.board.note_carried(
                self.export.link.realm(),
                self.name,
                self.segment.instance,
            );
        }
        Ok(())
    }

    /// One who is known, or nobody is, or the same machine's next, or the known one has been silent.
    fn may_come(&self, receiver: u64) -> bool {
        let known = self.sender.receiver();
        known.is_none_or(|known| fresh::are_of_one_machine(known, receiver))
            || self
                .sender
                .heard()
                .is_none_or(|heard| heard.elapsed() >= SILENCE)
    }

    fn offer(&self, receiver: u64) {
        let segment = self.segment;
        let offer = Offer {
            kind: segment.kind as u8,
            was_carried: self.was_carried,
            alignment: segment.alignment as u32,
            capacity: segment.capacity as u64,
            seats: segment.seats as u32,
            instance: segment.instance,
            oldest: self.source.oldest(),
            machine: self.export.link.machine().clone(),
            schema: segment
                .schema
                .as_ref()
                .map(|schema| (schema.name.clone(), schema.text.clone(), schema.hash)),
        };
        self.say(receiver, Body::Offer(offer));
    }

    fn refuse(&self, receiver: u64, why: String) {
        self.say(receiver, Body::Refusal(why));
    }

    fn say(&self, receiver: u64, body: Body<'_>) {
        let frame = Frame {
            sender: self.sender.id(),
            receiver,
            body,
        };
        self.speaker.say(frame.encode());
    }

    /// Says it unless it was said last; tells whether it did.
    fn say_once(&mut self, why: String) -> bool {
        let is_new = self.said.as_ref() != Some(&why);
        if is_new {
            tracing::error!("'{}': {why}", self.name);
            self.said = Some(why);
        }
        is_new
    }

    fn complain(&mut self, malformed: Malformed) {
        self.say_once(malformed.to_string());
        if let Malformed::Version(_) = malformed {
            self.refuse(0, malformed.to_string());
        }
    }

    fn note(&mut self) {
        if self.noted.is_some_and(|noted| noted.elapsed() < NOTE) {
            return;
        }
        self.noted = Some(Instant::now());
        let counters = self.sender.counters();
        let silence = self.sender.heard().map(|heard| heard.elapsed());
        self.export
            .board
            .note(Direction::Export, self.name, |entry| {
                entry.kind = kind_of(self.segment);
                entry.machine = self.others.as_ref().map(|(name, _)| name.clone());
                (entry.messages, entry.bytes) = (counters.messages, counters.bytes);
                entry.resends = counters.resends;
                entry.round_trip = counters.round_trip;
                match (silence, self.is_over) {
                    (None, _) if self.said.is_some() => {}
                    (None, _) => entry.state = "waiting for the other side".into(),
                    (Some(silence), _) if silence >= SILENCE => {
                        entry.state = format!("no answer for {} s", silence.as_secs());
                    }
                    (_, Some(_)) => entry.state = "ending".into(),
                    _ => entry.state = "carried".into(),
                }
            });
    }
}
