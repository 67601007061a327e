//! Calls and their answers, and what becomes of them when a side dies (P11 to P13).

use crate::support::{Limit, Name, PAGE, PATIENCE, Parts, Process, Role, mix};
use kren_core::{CallOptions, Error, KrenClient, KrenServer, PeerState, Request};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

pub(crate) const PARTS: Parts = &[
    ("echo server", echo_server),
    ("server that hangs", server_that_hangs),
    ("client of a count", client_of_a_count),
    ("client that hangs", client_that_hangs),
];

const SOON: Duration = Duration::from_millis(20);

fn body(at: u64) -> Vec<u8> {
    let len = 8 + mix(at) as usize % 2000;
    let mut bytes: Vec<u8> = (0..len).map(|i| (i as u64 ^ at) as u8).collect();
    bytes[..8].copy_from_slice(&at.to_le_bytes());
    bytes
}

/// Tag 0: the same again. Tag 1: so many items as the first byte says. Tag 2: fails.
fn answer(mut request: Request) {
    match request.tag() {
        1 => {
            for at in 0..request[0] {
                if request.item(&[at]).is_err() {
                    return;
                }
            }
            request.end().unwrap();
        }
        2 => request.fail(42, "no such thing").unwrap(),
        3 => drop(request),
        tag => {
            let bytes = request.to_vec();
            request.reply_tagged(tag, &bytes).unwrap();
        }
    }
}

fn echo_server(role: &Role) {
    let (name, standby): (String, bool) = (role.arg(0), role.arg(1));
    let options = KrenServer::options();
    let options = if standby {
        options.standby(Some(PATIENCE))
    } else {
        options
    };
    role.say("starting", 0);
    let mut server = options.create(&name).unwrap();
    role.say("serving", 0);
    loop {
        answer(server.next().unwrap());
    }
}

/// Takes requests and never answers.
fn server_that_hangs(role: &Role) {
    let name: String = role.arg(0);
    let mut server = KrenServer::create(&name).unwrap();
    role.say("serving", 0);
    let mut held = vec![];
    loop {
        held.push(server.next().unwrap());
        role.say("got", held.len());
    }
}

fn client_of_a_count(role: &Role) {
    let (name, count): (String, u64) = (role.arg(0), role.arg(1));
    let mut client = KrenClient::connect(&name).unwrap();
    for at in 0..count {
        let reply = client.call(&body(at), Some(PATIENCE)).unwrap();
        assert_eq!(&reply[..], body(at));
    }
    role.say("done", count);
}

/// Asks for much and reads nothing of it.
fn client_that_hangs(role: &Role) {
    let name: String = role.arg(0);
    let mut client = KrenClient::connect(&name).unwrap();
    for at in 0..2000 {
        if client.start(&body(at), CallOptions::default()).is_err() {
            break;
        }
    }
    role.say("asked", client.pending());
    role.linger()
}

/// P13: a client whose server died over its request leaves nothing behind.
#[test]
fn requests_that_nobody_answers_go_with_their_client() {
    let _limit = Limit::new();
    let name = Name::new("orphaned");
    let mut server = Process::start("server that hangs", &[&name]);
    server.expect("serving");
    let mut client = KrenClient::connect(&name).unwrap();
    let call = client.start(b"x", CallOptions::default()).unwrap();
    server.expect("got");
    server.kill();
    let died = client.next(call).unwrap_err();
    assert!(matches!(died, Error::ServerDied { .. }), "{died}");
    client.close().unwrap();
    name.assert_nothing_left();
}

/// P11: each call gets its own answer, whoever else calls; several calls of one client are answered in any order.
#[test]
fn each_call_gets_its_answer() {
    let _limit = Limit::new();
    let name = Name::new("service");
    let mut server = Process::start("echo server", &[&name, &false]);
    server.expect("starting");
    server.expect("serving");
    let others: Vec<Process> = (0..2)
        .map(|_| Process::start("client of a count", &[&name, &500]))
        .collect();
    let mut client = KrenClient::connect(&name).unwrap();
    assert_eq!(client.server_state(), PeerState::Attached);
    for at in 0..200 {
        let options = CallOptions::default().tag(9).timeout(PATIENCE);
        let reply = client
            .call_with(&body(at), options, &mut || Ok(()))
            .unwrap();
        assert_eq!((&reply[..], reply.tag()), (&body(at)[..], 9));
    }
    let calls: HashMap<u64, _> = (0..100)
        .map(|at| (at, client.start(&body(at), CallOptions::default()).unwrap()))
        .collect();
    assert_eq!(client.pending(), 100);
    // In another order than they were sent.
    for (at, call) in calls {
        let reply = client.next(call).unwrap().unwrap();
        assert_eq!(&reply[..], body(at));
        let over = client.next(call).unwrap_err();
        assert!(matches!(over, Error::Cancelled { .. }), "{over}");
    }
    assert_eq!((client.pending(), client.late()), (0, 0));
    others.into_iter().for_each(Process::finish);
    server.kill();
}

/// P11: the method that is called arrives with the request, whatever its length, and leaves the payload where it was.
#[test]
fn a_call_names_its_method() {
    let _limit = Limit::new();
    let name = Name::new("methods");
    let mut server = KrenServer::create(&name).unwrap();
    let mut client = KrenClient::connect(&name).unwrap();
    let longest = "n".repeat(65_535);
    for method in ["", "x", "add.many", "Übersetzen", &longest] {
        let options = CallOptions::default().method(method).tag(7);
        client.start(b"payload", options).unwrap();
        let request = server.next_timeout(PATIENCE).unwrap();
        assert_eq!(request.method(), method);
        assert_eq!((&request[..], request.tag()), (&b"payload"[..], 7));
        assert!(request.as_ptr().addr().is_multiple_of(8));
    }
    let too_long = "n".repeat(65_536);
    let refused = client.start(b"", CallOptions::default().method(&too_long));
    let refused = refused.unwrap_err();
    assert!(
        matches!(
            refused,
            Error::InvalidOption {
                option: "method",
                ..
            }
        ),
        "{refused}"
    );
    // What the method takes is no longer the request's.
    let most = client.max_request_len();
    client
        .start(&vec![0; most + 1], CallOptions::default())
        .unwrap_err();
    let refused = client.start(&vec![0; most], CallOptions::default().method("x"));
    let refused = refused.unwrap_err();
    assert!(
        matches!(refused, Error::TooLarge { len, max, .. } if len == most && max == most - 8),
        "{refused}"
    );
}

/// P11: several answers, failures, and requests that the server drops.
#[test]
fn items_failures_and_dropped_requests() {
    let _limit = Limit::new();
    let name = Name::new("items");
    let mut server = Process::start("echo server", &[&name, &false]);
    server.expect("starting");
    server.expect("serving");
    let mut client = KrenClient::connect(&name).unwrap();
    let with = |tag| CallOptions::default().tag(tag).timeout(PATIENCE);
    let call = client.start(&[5], with(1)).unwrap();
    for at in 0..5 {
        assert_eq!(&client.next(call).unwrap().unwrap()[..], [at]);
    }
    assert!(client.next(call).unwrap().is_none());

    let failed = client.call_with(b"x", with(2), &mut || Ok(())).unwrap_err();
    let Error::Remote { code: 42, text, .. } = &failed else {
        panic!("{failed}");
    };
    assert_eq!(&**text, "no such thing");
    let dropped = client.call_with(b"x", with(3), &mut || Ok(())).unwrap_err();
    assert!(
        matches!(dropped, Error::Remote { code: 0, .. }),
        "{dropped}"
    );

    // A stream that is given up ends at the server; what it sent is not taken for another's.
    let call = client.start(&[200], with(1)).unwrap();
    assert_eq!(&client.next(call).unwrap().unwrap()[..], [0]);
    client.cancel(call);
    let reply = client.call(b"after", Some(PATIENCE)).unwrap();
    assert_eq!(&reply[..], b"after");
    server.kill();
}

/// P12: without a server a call fails at once; when it dies, within 200 ms; when it hangs, after the time-out. And the next
/// server serves the same client.
#[test]
fn calls_that_cannot_be_answered() {
    let _limit = Limit::new();
    let name = Name::new("no-server");
    let mut client = KrenClient::connect(&name).unwrap();
    let none = client.call(b"x", None).unwrap_err();
    assert!(matches!(none, Error::NoServer { .. }), "{none}");

    let mut server = Process::start("server that hangs", &[&name]);
    server.expect("serving");
    let late = client.call(b"x", Some(SOON)).unwrap_err();
    assert!(matches!(late, Error::TimedOut { .. }), "{late}");
    let call = client.start(b"y", CallOptions::default()).unwrap();
    server.expect("got");
    server.expect("got");
    server.kill();
    let start = Instant::now();
    let died = client.next(call).unwrap_err();
    assert!(matches!(died, Error::ServerDied { .. }), "{died}");
    assert!(start.elapsed() < Duration::from_secs(2));
    let none = client.call(b"x", None).unwrap_err();
    assert!(matches!(none, Error::NoServer { .. }), "{none}");

    let mut server = Process::start("echo server", &[&name, &false]);
    server.expect("starting");
    server.expect("serving");
    for at in 0..50 {
        let reply = client.call(&body(at), Some(PATIENCE)).unwrap();
        assert_eq!(&reply[..], body(at));
    }
    server.kill();
}

/// P13: a server that stands by takes over; what may be done again is done by it, and the rest fails as it should.
#[test]
fn a_server_that_stands_by_takes_over() {
    let _limit = Limit::new();
    let name = Name::new("standby");
    let mut first = Process::start("server that hangs", &[&name]);
    first.expect("serving");
    let mut second = Process::start("echo server", &[&name, &true]);
    second.expect("starting");
    let mut client = KrenClient::connect(&name).unwrap();
    let again = CallOptions::default().retry(true).timeout(PATIENCE);
    let once = CallOptions::default().timeout(PATIENCE);
    let calls = [
        client.start(&body(1), again).unwrap(),
        client.start(&body(2), once).unwrap(),
        client.start(&body(3), again).unwrap(),
    ];
    for _ in 0..3 {
        first.expect("got");
    }
    first.kill();
    second.expect("serving");
    assert_eq!(&client.next(calls[0]).unwrap().unwrap()[..], body(1));
    let died = client.next(calls[1]).unwrap_err();
    assert!(matches!(died, Error::ServerDied { .. }), "{died}");
    assert_eq!(&client.next(calls[2]).unwrap().unwrap()[..], body(3));
    let reply = client.call(b"and on", Some(PATIENCE)).unwrap();
    assert_eq!(&reply[..], b"and on");
    second.kill();
}

/// P12: a client that does not read its answers, or dies, holds up nobody else.
#[test]
fn a_client_that_hangs_or_dies_disturbs_nobody() {
    let _limit = Limit::new();
    let name = Name::new("hung-client");
    let mut server = Process::start("echo server", &[&name, &false]);
    server.expect("starting");
    server.expect("serving");
    let mut hung = Process::start("client that hangs", &[&name]);
    hung.expect("asked");
    let mut client = KrenClient::connect(&name).unwrap();
    for at in 0..200 {
        let reply = client.call(&body(at), Some(PATIENCE)).unwrap();
        assert_eq!(&reply[..], body(at));
    }
    hung.kill();
    for at in 0..200 {
        let reply = client.call(&body(at), Some(PATIENCE)).unwrap();
        assert_eq!(&reply[..], body(at));
    }
    server.kill();
}

/// P12: a request that is at work when its client goes keeps nobody else from being served.
#[test]
fn a_request_may_outlive_its_client() {
    let _limit = Limit::new();
    let name = Name::new("outlived");
    let mut server = KrenServer::create(&name).unwrap();
    let mut gone = KrenClient::connect(&name).unwrap();
    gone.start(b"x", CallOptions::default()).unwrap();
    let request = server.next_timeout(PATIENCE).unwrap();
    gone.close().unwrap();
    while !server.clients().is_empty() {
        let none = server.next_timeout(SOON).unwrap_err();
        assert!(matches!(none, Error::TimedOut { .. }), "{none}");
    }
    // Who joins makes the server look for lanes.
    let mut client = KrenClient::connect(&name).unwrap();
    let call = client.start(b"y", CallOptions::default()).unwrap();
    let other = server.next_timeout(PATIENCE).unwrap();
    other.reply(b"answer").unwrap();
    assert_eq!(&client.next(call).unwrap().unwrap()[..], b"answer");
    request.reply(b"nobody hears").unwrap();
}

/// P12: what another thread answers while the server only waits, and the client has no room for, comes as the client reads.
#[test]
fn answers_that_are_kept_while_the_server_waits() {
    let _limit = Limit::new();
    const ITEMS: u8 = 20;
    let name = Name::new("kept-answers");
    let mut server = KrenServer::options().capacity(PAGE).create(&name).unwrap();
    let mut client = KrenClient::connect(&name).unwrap();
    let options = CallOptions::default().timeout(PATIENCE);
    let call = client.start(b"much", options).unwrap();
    let mut request = server.next_timeout(PATIENCE).unwrap();
    let is_over = Arc::new(AtomicBool::new(false));
    let (looks, looked) = mpsc::channel();
    let until = Arc::clone(&is_over);
    let serving = std::thread::spawn(move || {
        let next = server.next_checking(None, &mut || {
            let _ = looks.send(());
            match until.load(Ordering::Relaxed) {
                true => Err(Error::Interrupted { channel: "".into() }),
                false => Ok(()),
            }
        });
        assert!(matches!(next, Err(Error::Interrupted { .. })), "{next:?}");
    });
    looked.recv().unwrap();
    for at in 0..ITEMS {
        request.item(&[at; PAGE / 4]).unwrap();
    }
    request.end().unwrap();
    for at in 0..ITEMS {
        assert_eq!(client.next(call).unwrap().unwrap()[0], at);
    }
    assert!(client.next(call).unwrap().is_none());
    is_over.store(true, Ordering::Relaxed);
    serving.join().unwrap();
}

/// The server in this process: what a request tells, and what is left behind.
#[test]
fn what_a_request_tells() {
    let _limit = Limit::new();
    let name = Name::new("request");
    let mut server = KrenServer::create(&name).unwrap();
    assert!(server.try_next().unwrap().is_none());
    let mut client = KrenClient::connect(&name).unwrap();
    let options = CallOptions::default().tag(5).timeout(PATIENCE);
    let call = client.start(b"question", options).unwrap();
    let request = server.next_timeout(PATIENCE).unwrap();
    assert_eq!((&request[..], request.tag()), (&b"question"[..], 5));
    assert_eq!(request.client().pid, std::process::id());
    assert!(request.time_left().unwrap() <= PATIENCE);
    assert!(!request.is_cancelled());
    client.cancel(call);
    assert!(server.try_next().unwrap().is_none());
    assert!(request.is_cancelled());
    request.reply(b"nobody hears").unwrap();
    let endless = client.start(b"second", CallOptions::default()).unwrap();
    let request = server.next_timeout(PATIENCE).unwrap();
    assert!(request.time_left().is_none());
    // Answered by another thread.
    std::thread::spawn(move || request.reply(b"answer").unwrap())
        .join()
        .unwrap();
    assert_eq!(&client.next(endless).unwrap().unwrap()[..], b"answer");
    let long = vec![0; client.max_request_len() + 1];
    let error = client.call(&long, None).unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    let second = KrenServer::create(&name).unwrap_err();
    assert!(matches!(second, Error::WriterExists { .. }), "{second}");
    drop((server, client));
    let left: Vec<_> = std::fs::read_dir("/dev/shm")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|file| file.contains(&*name))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}
