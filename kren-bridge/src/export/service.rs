//! A service here, whose clients may be on other machines: says that it is there, and is a client for each of them.

use super::Export;
use super::channel::absent;
use super::inbox::{look, offer};
use crate::link::{Kind, Speaker, Way};
use crate::mailbox::Mailbox;
use crate::status::Direction;
use crate::talk::{Heard, Talk};
use crate::wire::{self, Body, Frame, Malformed};
use crate::word::Word;
use crate::{fresh, stop};
use kren_core::inspect::Segment;
use kren_core::{Call, CallOptions, Error, KrenClient, Selector};
use std::collections::{HashMap, VecDeque};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use zenoh::bytes::ZBytes;

/// How often it is looked what is there.
const LOOK: Duration = Duration::from_millis(100);
/// The pause between two tries to hand over what the service has no room for.
const FULL: Duration = Duration::from_millis(2);
/// After a failure.
const RETRY: Duration = Duration::from_secs(2);
/// The code by which a client hears that its server has died (`docs/spec/registry.md`, S1).
const DIED: u32 = u32::MAX;

/// Passes calls to the service as long as it stands, in a thread of its own.
pub(super) fn start(export: Export, name: String) -> JoinHandle<()> {
    std::thread::spawn(move || {
        if let Err(why) = serve(&export, &name) {
            tracing::error!("'{name}' is not exported: {why}; it is tried again");
            export.board.note(Direction::Export, &name, |entry| {
                entry.state = format!("failed: {why}");
            });
            std::thread::sleep(RETRY);
        }
    })
}

fn serve(export: &Export, name: &str) -> std::result::Result<(), String> {
    let Some(segment) = look(name) else {
        return Ok(());
    };
    let (mailbox, put) = Mailbox::new();
    let mut selector = Selector::new().map_err(|error| error.to_string())?;
    mailbox.ring(selector.canceller());
    let mut host = Host {
        export,
        name,
        speaker: export.link.speaker(name, Way::Down)?,
        guests: HashMap::new(),
        keys: 0,
        calls: 0,
        complained: None,
        seen: segment.clone(),
    };
    let _listener = export.link.listen(name, Way::Calls, put)?;
    let _token = export.link.announce(name, Kind::Service)?;
    tracing::info!("'{name}' is exported: a service");
    let mut looked = Instant::now();
    while !stop::is_asked() {
        if looked.elapsed() >= LOOK {
            looked = Instant::now();
            match look(name).filter(|seen| seen.instance == segment.instance) {
                Some(seen) => host.seen = seen,
                None => {
                    tracing::info!("'{name}' is gone");
                    host.send_away();
                    break;
                }
            }
            // What it has answered before it went has been passed on.
            if !host.seen.writer.is_live() {
                host.send_away();
            }
            host.note();
        }
        host.look_after();
        let nap = host.wait_for(&mut selector);
        let mut next = mailbox.sleep(|| {
            // A failure shows in the next look.
            let _ = selector.wait(Some(nap));
        });
        while let Some(bytes) = next.or_else(|| mailbox.frames().try_recv().ok()) {
            host.hear(&bytes);
            next = None;
        }
    }
    if !stop::is_asked() {
        export.board.forget(Direction::Export, name);
    }
    host.send_away();
    Ok(())
}

/// One that has clients on other machines.
struct Host<'a> {
    export: &'a Export,
    name: &'a str,
    speaker: Speaker,
    /// By the importing side's number.
    guests: HashMap<u64, Guest>,
    /// The last key that was used in the selector.
    keys: u64,
    calls: u64,
    complained: Option<String>,
    seen: Segment,
}

/// A bridge that imports it, and its clients, by their numbers there.
struct Guest {
    talk: Talk,
    machine: String,
    clients: HashMap<u64, Caller>,
}

/// A client there.
struct Caller {
    client: KrenClient,
    /// What its calls are called here and there.
    there: HashMap<Call, u64>,
    here: HashMap<u64, Call>,
    /// Calls for which there was no room.
    waiting: VecDeque<Waiting>,
}

struct Waiting {
    call: u64,
    tag: u32,
    until: Option<Instant>,
    may_retry: bool,
    method: String,
    request: Vec<u8>,
}

impl Host<'_> {
    fn hear(&mut self, bytes: &ZBytes) {
        let bytes = bytes.to_bytes();
        match wire::decode(&bytes) {
            Ok(frame) => match frame.body {
                Body::Join(machine) => self.asked(frame.receiver, machine.name),
                Body::Word(number, word) => self.heard(frame.sender, frame.receiver, number, word),
                Body::Refusal(why) => self.complain(format!(
                    "'{}' is not taken on the other side: {why}",
                    self.name
                )),
                _ => {}
            },
            Err(malformed) => {
                self.complain(format!("'{}': {malformed}", self.name));
                if let Malformed::Version(_) = malformed {
                    self.say(0, 0, Body::Refusal(malformed.to_string()));
                }
            }
        }
    }

    fn complain(&mut self, why: String) {
        if self.complained.as_ref() != Some(&why) {
            tracing::error!("{why}");
            self.complained = Some(why);
        }
    }

    fn say(&self, sender: u64, receiver: u64, body: Body<'_>) {
        let frame = Frame {
            sender,
            receiver,
            body,
        };
        self.speaker.say(frame.encode());
    }

    /// Somebody would have the service.
    fn asked(&mut self, receiver: u64, machine: String) {
        if !self.seen.writer.is_live() {
            return;
        }
        // The one of that machine before is over, as it says that way.
        self.guests
            .retain(|other, _| *other == receiver || !fresh::are_of_one_machine(*other, receiver));
        let own = fresh::number_of(self.export.link.machine().hash);
        let guest = self.guests.entry(receiver).or_insert_with(|| Guest {
            talk: Talk::new(own, receiver, Instant::now()),
            machine,
            clients: HashMap::new(),
        });
        let own = guest.talk.own();
        self.say(own, receiver, Body::Offer(offer(self.export, &self.seen)));
    }

    fn heard(&mut self, sender: u64, receiver: u64, number: u64, word: &[u8]) {
        // Who else exports a service of this name hears this as well.
        if !fresh::are_of_one_machine(sender, fresh::number_of(self.export.link.machine().hash)) {
            return;
        }
        let known = self.guests.get_mut(&receiver);
        let Some(guest) = known.filter(|guest| guest.talk.own() == sender) else {
            self.speaker.say(absent(receiver));
            return;
        };
        let heard = guest.talk.hear(number, Instant::now());
        if heard == Heard::Again {
            return;
        }
        let Some(word) = Word::decode(word).ok().filter(|_| heard == Heard::Next) else {
            tracing::warn!(
                "'{}': something of what {} asks is lost",
                self.name,
                guest.machine
            );
            self.guests.remove(&receiver);
            self.speaker.say(absent(receiver));
            return;
        };
        match word {
            Word::Call {
                call,
                client,
                tag,
                left,
                may_retry,
                method,
                request,
            } => {
                self.calls += 1;
                let waiting = Waiting {
                    call,
                    tag,
                    until: (left > 0).then(|| Instant::now() + Duration::from_millis(left.into())),
                    may_retry,
                    method: method.to_owned(),
                    request: request.to_vec(),
                };
                if !guest.clients.contains_key(&client) {
                    if guest.clients.is_empty() {
                        tracing::info!("'{}' has clients on {}", self.name, guest.machine);
                    }
                    match KrenClient::connect(self.name) {
                        Ok(new) => drop(guest.clients.insert(client, Caller::new(new))),
                        Err(error) => {
                            let text = format!(
                                "the bridge cannot ask '{}' for this client: {error}",
                                self.name
                            );
                            say(&self.speaker, &mut guest.talk, &Word::Error(call, 0, &text));
                            return;
                        }
                    }
                }
                if let Some(caller) = guest.clients.get_mut(&client) {
                    caller.waiting.push_back(waiting);
                    caller.begin(&self.speaker, &mut guest.talk);
                }
            }
            Word::Cancel(call) => {
                for caller in guest.clients.values_mut() {
                    caller.cancel(call);
                }
            }
            Word::Gone(client) => drop(guest.clients.remove(&client)),
            _ => {}
        }
    }

    /// Passes answers on, and what had no room before.
    fn look_after(&mut self) {
        let now = Instant::now();
        let (name, speaker) = (self.name, &self.speaker);
        self.guests.retain(|_, guest| {
            if guest.talk.is_silent(now) {
                if !guest.clients.is_empty() {
                    tracing::warn!("'{name}': nothing is heard of {}", guest.machine);
                }
                return false;
            }
            for caller in guest.clients.values_mut() {
                caller.pass_on(speaker, &mut guest.talk);
                caller.begin(speaker, &mut guest.talk);
            }
            if guest.talk.is_due(now) {
                say(speaker, &mut guest.talk, &Word::Beat);
            }
            true
        });
    }

    /// Has the selector wait for the answers that are to come, and says for how long at most.
    fn wait_for(&mut self, selector: &mut Selector) -> Duration {
        let mut nap = LOOK;
        // Whoever is gone is not waited for any more.
        for key in 1..=std::mem::take(&mut self.keys) {
            selector.remove(key);
        }
        for guest in self.guests.values_mut() {
            for caller in guest.clients.values_mut() {
                if !caller.waiting.is_empty() {
                    nap = FULL;
                }
                if caller.client.pending() == 0 {
                    continue;
                }
                self.keys += 1;
                let added = caller
                    .client
                    .readable()
                    .and_then(|readable| selector.add(self.keys, readable));
                if added.is_err() {
                    nap = FULL;
                }
            }
        }
        nap
    }

    /// There is no server: everybody is told, and every call is over.
    fn send_away(&mut self) {
        for (receiver, _) in self.guests.drain() {
            self.speaker.say(absent(receiver));
        }
    }

    fn note(&self) {
        let machine = self
            .guests
            .values()
            .next()
            .map(|guest| guest.machine.clone());
        let clients: usize = self.guests.values().map(|guest| guest.clients.len()).sum();
        let is_live = self.seen.writer.is_live();
        self.export
            .board
            .note(Direction::Export, self.name, |entry| {
                entry.kind = "service";
                entry.messages = self.calls;
                entry.state = match (&self.complained, &machine, is_live) {
                    (Some(why), None, _) => why.clone(),
                    (_, _, false) => "no server".into(),
                    (None, None, true) => "waiting for the other side".into(),
                    (_, Some(_), true) => format!("open to {clients} clients there"),
                };
                entry.machine = machine;
            });
    }
}

impl Caller {
    fn new(client: KrenClient) -> Self {
        Self {
            client,
            there: HashMap::new(),
            here: HashMap::new(),
            waiting: VecDeque::new(),
        }
    }

    /// Starts the calls that wait, in their order, as far as there is room.
    fn begin(&mut self, speaker: &Speaker, talk: &mut Talk) {
        while let Some(waiting) = self.waiting.front() {
            let mut options = CallOptions::default()
                .tag(waiting.tag)
                .retry(waiting.may_retry)
                .method(&waiting.method);
            if let Some(until) = waiting.until {
                let left = until.saturating_duration_since(Instant::now());
                options = options.timeout(left.max(Duration::from_millis(1)));
            }
            match self.client.try_start(&waiting.request, options) {
                Ok(None) => return,
                Ok(Some(call)) => {
                    self.there.insert(call, waiting.call);
                    self.here.insert(waiting.call, call);
                }
                Err(error) => fail(speaker, talk, waiting.call, &error),
            }
            self.waiting.pop_front();
        }
    }

    fn cancel(&mut self, call: u64) {
        self.waiting.retain(|waiting| waiting.call != call);
        if let Some(here) = self.here.remove(&call) {
            self.there.remove(&here);
            self.client.cancel(here);
        }
    }

    /// Passes on what has come, and what will not come any more.
    fn pass_on(&mut self, speaker: &Speaker, talk: &mut Talk) {
        let calls: Vec<(Call, u64)> = self
            .there
            .iter()
            .map(|(here, there)| (*here, *there))
            .collect();
        for (here, there) in calls {
            loop {
                let is_over = match self.client.poll(here) {
                    Ok(None) => break,
                    Ok(Some(None)) => {
                        say(speaker, talk, &Word::End(there));
                        true
                    }
                    Ok(Some(Some(reply))) => {
                        let is_last = reply.is_last();
                        let word = match is_last {
                            true => Word::Reply(there, reply.tag(), &reply),
                            false => Word::Item(there, reply.tag(), &reply),
                        };
                        say(speaker, talk, &word);
                        is_last
                    }
                    Err(error) => {
                        fail(speaker, talk, there, &error);
                        self.client.cancel(here);
                        true
                    }
                };
                if is_over {
                    self.there.remove(&here);
                    self.here.remove(&there);
                    break;
                }
            }
        }
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        for call in self.there.keys() {
            self.client.cancel(*call);
        }
    }
}

/// Says why there is no answer, so that the client there fails as one here would.
fn fail(speaker: &Speaker, talk: &mut Talk, call: u64, error: &Error) {
    let text = error.to_string();
    let word = match error {
        Error::Remote { code, text, .. } => Word::Error(call, *code, text),
        Error::TimedOut { .. } => Word::Over(call),
        Error::ServerDied { .. } | Error::NoServer { .. } => Word::Error(call, DIED, &text),
        _ => Word::Error(call, 0, &text),
    };
    say(speaker, talk, &word);
}

/// Says a word of the talk, from the exporting side.
fn say(speaker: &Speaker, talk: &mut Talk, word: &Word<'_>) {
    let number = talk.say(Instant::now());
    let frame = Frame {
        sender: talk.own(),
        receiver: talk.other(),
        body: Body::Word(number, &word.encode()),
    };
    speaker.say(frame.encode());
}
