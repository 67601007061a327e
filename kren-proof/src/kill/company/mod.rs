//! An inbox, a queue or a service: who is on it beside the victim, and what must hold after a death (P7 to P13).

pub(super) mod actor;

use super::actor::{capacity, path};
use super::aftermath::Aftermath;
use super::message::{LAST, message, number};
use super::scenario::{Change, Part, Scenario};
use kren_core::{
    Call, CallOptions, Error, KrenClient, KrenDealer, KrenInbox, KrenSender, KrenServer,
    KrenWorker, Request,
};
use std::time::{Duration, Instant};

/// Longer than anything takes that comes at all.
const PATIENCE: Duration = Duration::from_secs(60);
/// A wait that is repeated.
const SOON: Duration = Duration::from_millis(20);
/// As many as there may be at a time: the victim, one that lives, and one that comes afterwards.
const MEMBERS: usize = 3;

/// Those that live in the tracer's process.
pub(super) enum Company {
    Senders(Vec<KrenSender>),
    Inbox(KrenInbox, KrenSender),
    Workers(Vec<KrenWorker>),
    Dealer(KrenDealer),
    Server(KrenServer),
    Client(Option<(KrenClient, Option<Call>)>),
}

fn sender(channel: &str) -> Result<KrenSender, Error> {
    let options = KrenSender::options().senders(MEMBERS).capacity(capacity());
    options.connect(channel)
}

fn inbox(channel: &str) -> Result<KrenInbox, Error> {
    KrenInbox::options()
        .senders(MEMBERS)
        .create(channel, capacity())
}

fn worker(channel: &str) -> Result<KrenWorker, Error> {
    KrenWorker::options().workers(MEMBERS).connect(channel)
}

fn dealer(channel: &str) -> Result<KrenDealer, Error> {
    KrenDealer::options()
        .workers(MEMBERS)
        .create(channel, capacity())
}

fn server(channel: &str) -> Result<KrenServer, Error> {
    let options = KrenServer::options().clients(MEMBERS);
    options.capacity(capacity()).create(channel)
}

fn client(channel: &str) -> Result<KrenClient, Error> {
    let options = KrenClient::options().clients(MEMBERS);
    options.capacity(capacity()).connect(channel)
}

fn send(sender: &mut KrenSender, at: u32) -> Result<(), Error> {
    let (tag, data) = message(at);
    sender.write_tagged(tag, &data)
}

fn deal(dealer: &mut KrenDealer, at: u32) -> Result<(), Error> {
    let (tag, data) = message(at);
    dealer.write_tagged(tag, &data)
}

fn ask(client: &mut KrenClient, at: u32) -> Result<Call, Error> {
    let (tag, data) = message(at);
    let options = CallOptions::default().tag(tag).timeout(PATIENCE);
    client.start(&data, options)
}

/// The same again.
fn answer(request: Request) -> Result<(), Error> {
    let (tag, data) = (request.tag(), request.to_vec());
    request.reply_tagged(tag, &data)
}

impl Company {
    /// Those that must be there before the victim comes.
    pub(super) fn before(scenario: &Scenario, part: Part, channel: &str) -> Self {
        match part {
            Part::Inbox => {
                let mut senders: Vec<_> = (0..2).map(|_| sender(channel).unwrap()).collect();
                (0..scenario.prepared).for_each(|at| send(&mut senders[0], at).unwrap());
                Self::Senders(senders)
            }
            Part::Sender => {
                let inbox = inbox(channel).unwrap();
                let mut other = sender(channel).unwrap();
                send(&mut other, OTHERS).unwrap();
                Self::Inbox(inbox, other)
            }
            Part::Dealer => Self::Workers((0..2).map(|_| worker(channel).unwrap()).collect()),
            Part::Worker => Self::Dealer(dealer(channel).unwrap()),
            Part::Server => Self::Client(None),
            Part::Client => Self::Server(server(channel).unwrap()),
        }
    }

    /// The victim is about to begin.
    pub(super) fn at_begin(mut self, scenario: &Scenario, channel: &str) -> Self {
        match &mut self {
            Self::Dealer(dealer) => {
                (0..scenario.prepared).for_each(|at| deal(dealer, at).unwrap());
            }
            Self::Client(there) => {
                // Nobody to call yet where the victim is still to come.
                if let Ok(mut client) = client(channel) {
                    let call = match scenario.prepared {
                        0 => None,
                        _ => Some(ask(&mut client, 0).unwrap()),
                    };
                    *there = Some((client, call));
                }
            }
            _ => {}
        }
        self
    }
}

/// What the living sender writes, apart from what the victim does.
const OTHERS: u32 = 500_000;

/// Checks everything that P7 to P13 promise, and uses the segments up.
pub(super) fn verify(
    scenario: &Scenario,
    channel: &str,
    company: Company,
) -> Result<Aftermath, String> {
    let left = match company {
        Company::Inbox(inbox, other) => after_sender(channel, inbox, other),
        Company::Senders(senders) => after_inbox(channel, senders),
        Company::Workers(workers) => after_dealer(channel, workers),
        Company::Dealer(dealer) => after_worker(channel, dealer),
        Company::Client(there) => after_server(channel, there),
        Company::Server(server) => after_client(channel, server),
    }?;
    let all = scenario.prepared;
    let whole: Vec<u32> = (0..all).collect();
    let is_right = left == whole
        || match scenario.change {
            Change::Commits(more) => left == (0..all + more).collect::<Vec<_>>(),
            Change::Releases(first) => left == (first..all).collect::<Vec<_>>(),
            Change::Nothing | Change::Discards => false,
        };
    if !is_right {
        return Err(format!("the messages are {left:?}, of {all}"));
    }
    let rest = files(channel);
    if !rest.is_empty() {
        return Err(format!("left behind: {rest:?}"));
    }
    Ok(Aftermath {
        channel: Some((capacity(), left)),
        released_after: None,
    })
}

/// The registry and its lanes.
pub(super) fn files(channel: &str) -> Vec<String> {
    let (file, lanes) = (path(channel), format!("{}@", path(channel)));
    let mut found: Vec<String> = std::fs::read_dir("/dev/shm")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().to_string_lossy().into_owned())
        .filter(|path| *path == file || path.starts_with(&lanes))
        .collect();
    found.sort_unstable();
    found
}

#[allow(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn said(error: Error) -> String {
    error.to_string()
}

/// Reads until the message `LAST` of each of so many senders is there; all others, sorted by nothing but their arrival.
fn read_to_last(inbox: &mut KrenInbox, mut lasts: u32) -> Result<Vec<u32>, String> {
    let mut got = vec![];
    while lasts > 0 {
        let letter = inbox.read_timeout(PATIENCE).map_err(said)?;
        match number(letter.tag(), &letter)? {
            LAST => lasts -= 1,
            other => got.push(other),
        }
    }
    Ok(got)
}

/// Until those that are gone have been noticed.
fn until(what: &str, mut is_so: impl FnMut() -> Result<bool, String>) -> Result<(), String> {
    let start = Instant::now();
    while !is_so()? {
        if start.elapsed() > PATIENCE {
            return Err(format!("it never came to this: {what}"));
        }
    }
    Ok(())
}

/// The inbox gets all that was committed; the dead one's seat can be had by another.
fn after_sender(
    channel: &str,
    mut inbox: KrenInbox,
    other: KrenSender,
) -> Result<Vec<u32>, String> {
    let (mut got, mut heirs) = (vec![], vec![]);
    // As many as there may be beside the one that lives: the dead one's seat is among them, once its lane has been read.
    until("a free seat", || {
        match sender(channel) {
            Ok(heir) => heirs.push(heir),
            Err(Error::NoSeat { .. }) => match inbox.read_timeout(SOON) {
                Ok(letter) => got.push(number(letter.tag(), &letter)?),
                Err(error) => is_time_out(error)?,
            },
            Err(error) => return Err(said(error)),
        }
        Ok(heirs.len() == MEMBERS - 1)
    })?;
    for heir in &mut heirs {
        send(heir, LAST).map_err(said)?;
    }
    got.extend(read_to_last(&mut inbox, heirs.len() as u32)?);
    let living = 1 + heirs.len();
    until("the dead one is gone", || {
        nothing(inbox.read_timeout(SOON))?;
        Ok(inbox.senders().len() == living)
    })?;
    let at = got.iter().position(|number| *number == OTHERS);
    got.remove(at.ok_or("the other sender's message is lost")?);
    if inbox
        .departures()
        .iter()
        .any(|gone| !gone.died && gone.sender.pid == std::process::id())
    {
        return Err("one that lives is said to be gone".into());
    }
    drop((heirs, other));
    drain(inbox)?;
    Ok(got)
}

/// There is no message; what is gone is noticed meanwhile.
fn nothing<T>(found: Result<T, Error>) -> Result<(), String> {
    match found {
        Ok(_) => Err("a message too many".into()),
        Err(error) => is_time_out(error),
    }
}

fn is_time_out(error: Error) -> Result<(), String> {
    match error {
        Error::TimedOut { .. } => Ok(()),
        error => Err(said(error)),
    }
}

/// Until all senders are known to be gone, so that their lanes go too.
fn drain(mut inbox: KrenInbox) -> Result<(), String> {
    until("all senders are gone", || {
        nothing(inbox.read_timeout(SOON))?;
        Ok(inbox.senders().is_empty())
    })?;
    inbox.close().map_err(said)
}

/// The next inbox gets all that was not released.
fn after_inbox(channel: &str, mut senders: Vec<KrenSender>) -> Result<Vec<u32>, String> {
    let mut inbox = inbox(channel).map_err(said)?;
    for sender in &mut senders {
        send(sender, LAST).map_err(said)?;
    }
    let got = read_to_last(&mut inbox, senders.len() as u32)?;
    drop(senders);
    drain(inbox)?;
    Ok(got)
}

/// Takes what a worker has, until `LAST` has come to it or it has nothing.
fn work_off(worker: &mut KrenWorker, got: &mut Vec<u32>) -> Result<(), String> {
    while let Some(work) = worker.try_read().map_err(said)? {
        got.push(number(work.tag(), &work)?);
    }
    Ok(())
}

/// All that was dealt is with the workers, once, and the next dealer goes on with them.
fn after_dealer(channel: &str, mut workers: Vec<KrenWorker>) -> Result<Vec<u32>, String> {
    let mut dealer = dealer(channel).map_err(said)?;
    deal(&mut dealer, LAST).map_err(said)?;
    let mut got = vec![];
    until("the last message is there", || {
        for worker in &mut workers {
            work_off(worker, &mut got)?;
        }
        Ok(got.contains(&LAST))
    })?;
    dealer.drain(PATIENCE).map_err(said)?;
    finish_queue(dealer, workers)?;
    without_last(got)
}

fn without_last(mut got: Vec<u32>) -> Result<Vec<u32>, String> {
    got.sort_unstable();
    match got.pop() {
        Some(LAST) if !got.contains(&LAST) => Ok(got),
        _ => Err(format!("the last message came twice, or never: {got:?}")),
    }
}

fn finish_queue(dealer: KrenDealer, workers: Vec<KrenWorker>) -> Result<(), String> {
    dealer.close().map_err(said)?;
    for mut worker in workers {
        match worker.read_timeout(PATIENCE) {
            Err(Error::Closed { .. }) => {}
            told => return Err(format!("after a close a worker is told {told:?}")),
        }
        worker.close().map_err(said)?;
    }
    Ok(())
}

/// What the dead worker had not released comes to another one, marked where it may have been begun.
fn after_worker(channel: &str, mut dealer: KrenDealer) -> Result<Vec<u32>, String> {
    let mut heir = worker(channel).map_err(said)?;
    deal(&mut dealer, LAST).map_err(said)?;
    let mut got = vec![];
    // Whatever lies in a lane counts as waiting until it has been released.
    until("all is done", || {
        let work = heir.read_timeout(SOON);
        match work {
            Ok(work) => got.push(number(work.tag(), &work)?),
            Err(error) => is_time_out(error)?,
        }
        Ok(got.contains(&LAST) && dealer.drain(Duration::ZERO).is_ok())
    })?;
    finish_queue(dealer, vec![heir])?;
    without_last(got)
}

fn reply_of(client: &mut KrenClient, call: Call, at: u32) -> Result<(), Error> {
    let reply = client.next(call)?;
    let reply = reply.map(|reply| (reply.tag(), reply.to_vec()));
    assert_eq!(reply, Some(message(at)), "another reply");
    Ok(())
}

/// One call and its answer, by these two.
fn talk(client: &mut KrenClient, server: &mut KrenServer) -> Result<(), String> {
    let call = ask(client, LAST).map_err(said)?;
    let request = server.next_timeout(PATIENCE).map_err(said)?;
    answer(request).map_err(said)?;
    reply_of(client, call, LAST).map_err(said)
}

/// The call is answered or fails; the next server serves the same client.
fn after_server(
    channel: &str,
    there: Option<(KrenClient, Option<Call>)>,
) -> Result<Vec<u32>, String> {
    let (mut one, call) = match there {
        Some((client, call)) => (Some(client), call),
        None => (None, None),
    };
    let mut left = vec![];
    if let (Some(client), Some(call)) = (&mut one, call) {
        match reply_of(client, call, 0) {
            Ok(()) => {}
            Err(Error::ServerDied { .. }) => left.push(0),
            Err(error) => return Err(format!("the call in flight: {error}")),
        }
    }
    let mut server = server(channel).map_err(said)?;
    let mut one = one.map_or_else(|| client(channel), Ok).map_err(said)?;
    talk(&mut one, &mut server)?;
    let mut two = client(channel).map_err(said)?;
    talk(&mut two, &mut server)?;
    finish_service(server, [one, two])?;
    Ok(left)
}

fn finish_service(
    mut server: KrenServer,
    clients: impl IntoIterator<Item = KrenClient>,
) -> Result<(), String> {
    clients
        .into_iter()
        .try_for_each(|client| client.close().map_err(said))?;
    until("all clients are gone", || {
        nothing(server.next_timeout(SOON))?;
        Ok(server.clients().is_empty())
    })?;
    server.close().map_err(said)
}

/// A request of the dead client's is whole, and its answer harms nobody; others are served.
fn after_client(channel: &str, mut server: KrenServer) -> Result<Vec<u32>, String> {
    let mut left = vec![];
    let mut one = client(channel).map_err(said)?;
    let call = ask(&mut one, LAST).map_err(said)?;
    loop {
        let request = server.next_timeout(PATIENCE).map_err(said)?;
        let found = number(request.tag(), &request)?;
        // Nobody is there any more to hear the answer, which may be told.
        match answer(request) {
            Err(error) if found == LAST => return Err(said(error)),
            _ => {}
        }
        match found {
            LAST => break,
            _ => left.push(found),
        }
    }
    reply_of(&mut one, call, LAST).map_err(said)?;
    let mut two = client(channel).map_err(said)?;
    talk(&mut two, &mut server)?;
    finish_service(server, [one, two])?;
    Ok(left)
}
