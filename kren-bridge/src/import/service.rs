//! A service of another machine, as far as it is here: the bridge is its server, and passes calls on as long as it talks with the other side.

use super::Import;
use super::voice::Voice;
use crate::link::{Listener, Speaker, Way};
use crate::mailbox::Mailbox;
use crate::receiver;
use crate::status::Direction;
use crate::talk::{Heard, Talk};
use crate::wire::{self, Body, Frame, Machine, Offer};
use crate::word::Word;
use crate::{fresh, stop};
use kren_core::{Error, KrenServer, Request, Selector};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use zenoh::bytes::ZBytes;

/// The longest sleep.
const NAP: Duration = Duration::from_millis(100);
/// How often one asks for the service.
const ASK: Duration = Duration::from_millis(500);
/// How often it is looked who has gone, and what was given up.
const LOOK: Duration = Duration::from_millis(50);
/// How long after its time is over there a call is kept here, so that its client says by itself that it has waited in vain.
const GRACE: Duration = Duration::from_secs(1);
/// After a failure.
const RETRY: Duration = Duration::from_secs(2);
/// The server's key in the selector.
const SERVER: u64 = 1;

/// Serves it as long as it can be reached, in a thread of its own.
pub(super) fn start(import: Import, name: String, is_there: Arc<AtomicBool>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let outcome = Proxy::new(&import, &name, &is_there).and_then(|mut proxy| proxy.run());
        if let Err(why) = outcome {
            tracing::error!("'{name}' is not imported: {why}; it is tried again");
            import.note(&name, |entry| entry.state = format!("failed: {why}"));
            std::thread::sleep(RETRY);
        }
    })
}

/// A bridge that serves for another machine.
struct Proxy<'a> {
    import: &'a Import,
    name: &'a str,
    is_there: &'a AtomicBool,
    /// Another one for each talk.
    id: u64,
    voice: Voice,
    mailbox: Mailbox,
    _listener: Listener,
    next: Instant,
    up: Option<Up>,
    answered: u64,
}

/// What there is while it talks with the other side.
struct Up {
    talk: Talk,
    machine: Machine,
    calls: HashMap<u64, Request>,
    last: u64,
    clients: HashSet<u64>,
    looked: Instant,
    /// Calls whose time is over there, until it is here as well.
    over: Vec<(Instant, Request)>,
    // Behind the requests: who is left with one would hold the place of its client.
    selector: Selector,
    server: KrenServer,
}

impl<'a> Proxy<'a> {
    fn new(import: &'a Import, name: &'a str, is_there: &'a AtomicBool) -> Result<Self, String> {
        let (mailbox, put) = Mailbox::new();
        Ok(Self {
            import,
            name,
            is_there,
            id: fresh::number_of(import.link.machine().hash),
            voice: Voice::new(import, name, import.link.speaker(name, Way::Calls)?),
            mailbox,
            _listener: import.link.listen(name, Way::Down, put)?,
            next: Instant::now(),
            up: None,
            answered: 0,
        })
    }

    fn run(&mut self) -> Result<(), String> {
        while !stop::is_asked() {
            // Relaxed: a hint.
            let is_there = self.is_there.load(Ordering::Relaxed);
            if !is_there && self.up.is_none() {
                // Started anew when somebody has it again.
                self.import.board.forget(Direction::Import, self.name);
                return Ok(());
            }
            let now = Instant::now();
            match &self.up {
                Some(_) if !is_there => self.break_off("the other side cannot be reached"),
                Some(up) if up.talk.is_silent(now) => {
                    self.break_off("nothing is heard of the other side");
                }
                Some(_) => {}
                None if now >= self.next => {
                    self.next = now + ASK;
                    self.voice
                        .speaker()
                        .say(receiver::join(self.id, self.import.link.machine()));
                }
                None => {}
            }
            if let Err(error) = self.serve() {
                self.break_off("it cannot be served here");
                return Err(error.to_string());
            }
            self.note();
            let found = match &mut self.up {
                Some(up) => {
                    let until = up.talk.due().saturating_duration_since(Instant::now());
                    let selector = &mut up.selector;
                    self.mailbox.sleep(|| {
                        // A failure shows in the next look.
                        let _ = selector.wait(Some(until.min(match up.calls.is_empty() {
                            true => NAP,
                            false => LOOK,
                        })));
                    })
                }
                None => self.mailbox.frames().recv_timeout(NAP).ok(),
            };
            let mut next = found;
            while let Some(bytes) = next.or_else(|| self.mailbox.frames().try_recv().ok()) {
                self.hear(&bytes);
                next = None;
            }
        }
        self.break_off("this bridge stops");
        Ok(())
    }

    /// Passes on what is asked here.
    fn serve(&mut self) -> kren_core::Result<()> {
        let Some(up) = &mut self.up else {
            return Ok(());
        };
        let speaker = self.voice.speaker();
        while let Some(request) = up.server.try_next()? {
            up.last += 1;
            let call = up.last;
            let client = request.client().number;
            up.clients.insert(client);
            let left = request.time_left().map_or(0, |left| {
                u32::try_from(left.as_millis()).unwrap_or(u32::MAX).max(1)
            });
            let word = Word::Call {
                call,
                client,
                tag: request.tag(),
                left,
                may_retry: request.may_retry(),
                method: &request.method(),
                request: &request,
            };
            say(speaker, &mut up.talk, &word);
            up.calls.insert(call, request);
        }
        let now = Instant::now();
        if up.looked.elapsed() >= LOOK {
            up.looked = now;
            let talk = &mut up.talk;
            up.calls.retain(|call, request| {
                let is_wanted = !request.is_cancelled();
                if !is_wanted {
                    say(speaker, talk, &Word::Cancel(*call));
                }
                is_wanted
            });
            let here: HashSet<u64> = up
                .server
                .clients()
                .iter()
                .map(|client| client.number)
                .collect();
            let at_work: HashSet<u64> = up
                .calls
                .values()
                .map(|request| request.client().number)
                .collect();
            up.clients.retain(|client| {
                let stays = here.contains(client) || at_work.contains(client);
                if !stays {
                    say(speaker, talk, &Word::Gone(*client));
                }
                stays
            });
            up.over.retain(|(until, _)| now < *until);
        }
        if up.talk.is_due(now) {
            say(speaker, &mut up.talk, &Word::Beat);
        }
        Ok(())
    }

    fn hear(&mut self, bytes: &ZBytes) {
        let bytes = bytes.to_bytes();
        match wire::decode(&bytes) {
            Ok(frame) if frame.receiver != 0 && frame.receiver != self.id => {}
            Ok(frame) => match frame.body {
                Body::Offer(offer) if frame.receiver == self.id => {
                    self.offered(&offer, frame.sender);
                }
                Body::Absent if frame.receiver == self.id => self.break_off("no server is there"),
                Body::Refusal(why) => self.voice.complain(why),
                Body::Word(number, word) => self.heard(frame.sender, number, word),
                _ => {}
            },
            Err(malformed) => {
                self.voice.complain_of_frame(self.id, &malformed);
            }
        }
    }

    fn heard(&mut self, sender: u64, number: u64, word: &[u8]) {
        let Some(up) = self.up.as_mut().filter(|up| up.talk.other() == sender) else {
            return;
        };
        match up.talk.hear(number, Instant::now()) {
            Heard::Next => {}
            Heard::Again => return,
            Heard::Missing => return self.break_off("something that was said on the way is lost"),
        }
        let Ok(word) = Word::decode(word) else {
            return self.break_off("what is said on the other side is not understood");
        };
        let finished = match word {
            Word::Reply(call, tag, bytes) => up
                .calls
                .remove(&call)
                .map(|request| request.reply_tagged(tag, bytes)),
            Word::End(call) => up.calls.remove(&call).map(Request::end),
            Word::Error(call, code, text) => up
                .calls
                .remove(&call)
                .map(|request| request.fail(code, text)),
            Word::Over(call) => {
                let until = Instant::now() + GRACE;
                up.over
                    .extend(up.calls.remove(&call).map(|request| (until, request)));
                None
            }
            Word::Item(call, tag, bytes) => {
                let item = up
                    .calls
                    .get_mut(&call)
                    .map(|request| request.item_tagged(tag, bytes));
                match item {
                    // It is noticed with others that are given up.
                    None | Some(Ok(()) | Err(Error::Cancelled { .. })) => {}
                    Some(Err(error)) => {
                        say(self.voice.speaker(), &mut up.talk, &Word::Cancel(call));
                        let failed = up.calls.remove(&call);
                        // If there is no room for that either, the client hears of it as it does of a request that is dropped.
                        let _ = failed.map(|request| request.fail(0, &error.to_string()));
                    }
                }
                None
            }
            Word::Beat | Word::Call { .. } | Word::Cancel(_) | Word::Gone(_) => None,
        };
        if let Some(sent) = finished {
            self.answered += 1;
            if let Err(error) = sent {
                tracing::warn!("an answer of '{}' is not handed over: {error}", self.name);
            }
        }
    }

    fn offered(&mut self, offer: &Offer, sender: u64) {
        if self.up.is_some() {
            return;
        }
        match self.open(offer, sender) {
            Ok(up) => {
                tracing::info!("'{}' is served by {}", self.name, offer.machine.name);
                self.voice.is_well();
                self.up = Some(up);
            }
            Err(error) => {
                let why = format!(
                    "'{}' cannot be served for {}: {}",
                    self.name,
                    offer.machine.name,
                    match error {
                        Error::WriterExists { holder, .. } => format!(
                            "it is a service of this machine itself, with its server in {holder}; close that, or import in another realm"
                        ),
                        error => error.to_string(),
                    }
                );
                self.voice.complain(why.clone());
                self.voice.refuse(self.id, why);
                self.begin_anew();
            }
        }
    }

    fn open(&self, offer: &Offer, sender: u64) -> kren_core::Result<Up> {
        let now = Instant::now();
        let mut server = KrenServer::options()
            .capacity(usize::try_from(offer.capacity).unwrap_or(usize::MAX))
            .clients(offer.seats as usize)
            .stands_for(offer.machine.hash.max(1))
            .create(self.name)?;
        let mut selector = Selector::new()?;
        selector.add(SERVER, server.readable()?)?;
        self.mailbox.ring(selector.canceller());
        Ok(Up {
            talk: Talk::new(self.id, sender, now),
            machine: offer.machine.clone(),
            calls: HashMap::new(),
            last: 0,
            clients: HashSet::new(),
            looked: now,
            over: vec![],
            selector,
            server,
        })
    }

    /// The talk is over: the service here ends as one does whose server dies.
    fn break_off(&mut self, why: &str) {
        let Some(up) = self.up.take() else {
            return;
        };
        let Up {
            machine,
            calls,
            server,
            selector,
            over,
            ..
        } = up;
        tracing::warn!(
            "'{}' has no server on {} any more: {why}; {} calls are broken off",
            self.name,
            machine.name,
            calls.len()
        );
        for request in calls.into_values() {
            request.keep();
        }
        drop((over, selector, server));
        self.begin_anew();
        self.import.note(self.name, |entry| {
            entry.state = format!("no server: {why}");
        });
    }

    /// What is said in the talk before is not meant for the next one.
    fn begin_anew(&mut self) {
        self.id = fresh::number_of(self.import.link.machine().hash);
        self.next = Instant::now() + NAP;
    }

    fn note(&self) {
        if let Some(up) = &self.up {
            let (calls, clients) = (up.calls.len(), up.clients.len());
            self.import.note(self.name, |entry| {
                entry.kind = "service";
                entry.machine = Some(up.machine.name.clone());
                entry.messages = self.answered;
                entry.state = format!("serves {clients} clients here, {calls} calls under way");
            });
        }
    }
}

/// Says a word of the talk, from the importing side.
fn say(speaker: &Speaker, talk: &mut Talk, word: &Word<'_>) {
    let number = talk.say(Instant::now());
    let frame = Frame {
        sender: talk.other(),
        receiver: talk.own(),
        body: Body::Word(number, &word.encode()),
    };
    speaker.say(frame.encode());
}
