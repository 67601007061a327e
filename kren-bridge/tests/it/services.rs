//! Clients on one machine, their server on another.

use crate::support::{PATIENCE, Worker, machines, until};
use crate::worker::{say, wait_for_go};
use kren_core::{CallOptions, Error, KrenClient, KrenServer, Request};
use std::collections::HashSet;
use std::time::Duration;

/// Answers by the method that is called: `echo`, `count` (so many items as the request has bytes), `fail`, `once` (each request, which is a number,
/// comes once), `slow` (when `release` is called), `drop`.
pub(crate) fn serve(name: &str) {
    let mut server = KrenServer::create(name).unwrap();
    say("serving");
    let mut seen = HashSet::new();
    let mut slow: Vec<Request> = vec![];
    loop {
        // Who has given up is let go.
        slow.retain(|request| {
            let is_wanted = !request.is_cancelled();
            if !is_wanted {
                say("cancelled");
            }
            is_wanted
        });
        let mut request = match server.next_timeout(Duration::from_millis(50)) {
            Ok(request) => request,
            Err(Error::TimedOut { .. }) => continue,
            Err(error) => panic!("{error}"),
        };
        let method = request.method().into_owned();
        match method.as_str() {
            "echo" => {
                let (tag, bytes) = (request.tag(), request.to_vec());
                request.reply_tagged(tag, &bytes).unwrap();
            }
            "count" => {
                for at in 0..request.len() {
                    request.item_tagged(at as u32, &[at as u8]).unwrap();
                }
                request.end().unwrap();
            }
            "fail" => request.fail(42, "no such thing").unwrap(),
            "once" => {
                assert!(seen.insert(request.to_vec()), "a call was done twice");
                request.reply(b"").unwrap();
            }
            "slow" => {
                say("slow");
                slow.push(request);
            }
            "release" => {
                for held in slow.drain(..) {
                    held.reply(b"at last").unwrap();
                }
                request.reply(b"").unwrap();
            }
            _ => drop(request),
        }
    }
}

fn method(name: &str) -> CallOptions<'_> {
    CallOptions::default().method(name).timeout(PATIENCE)
}

fn call(client: &mut KrenClient, name: &str, request: &[u8]) -> kren_core::Result<Vec<u8>> {
    let reply = client.call_with(request, method(name), &mut || Ok(()))?;
    Ok(reply.to_vec())
}

/// Connects where a server may be on its way.
fn connect(name: &str) -> KrenClient {
    let client = KrenClient::connect(name).unwrap();
    until("a server is there", || {
        client.server_state() == kren_core::PeerState::Attached
    });
    client
}

/// All that a call can come to.
pub(crate) fn ask(name: &str) {
    let mut client = connect(name);
    for len in [0, 1, 100, 70_000, client.max_request_len() - 8] {
        let request: Vec<u8> = (0..len).map(|at| at as u8).collect();
        let options = method("echo").tag(len as u32);
        let reply = client.call_with(&request, options, &mut || Ok(())).unwrap();
        assert_eq!((reply.tag(), reply[..] == request), (len as u32, true));
    }

    let items = client.start(&[0; 200], method("count")).unwrap();
    let mut at = 0;
    while let Some(item) = client.next(items).unwrap() {
        assert_eq!((item.tag(), &item[..]), (at, &[at as u8][..]));
        at += 1;
    }
    assert_eq!(at, 200);

    match call(&mut client, "fail", b"").unwrap_err() {
        Error::Remote { code: 42, text, .. } => assert_eq!(&*text, "no such thing"),
        error => panic!("{error}"),
    }
    match call(&mut client, "drop", b"").unwrap_err() {
        Error::Remote { code: 0, .. } => {}
        error => panic!("{error}"),
    }

    // Nobody waits for a slow one but who has asked for it: neither this client nor another.
    let slow = client.start(b"", method("slow")).unwrap();
    let mut other = connect(name);
    for client in [&mut client, &mut other] {
        assert_eq!(call(client, "echo", b"quick").unwrap(), b"quick");
    }
    call(&mut other, "release", b"").unwrap();
    assert_eq!(&client.next(slow).unwrap().unwrap()[..], b"at last");

    // Whose time is over, and who has changed his mind.
    let short = method("slow").timeout(Duration::from_millis(100));
    let error = client.call_with(b"", short, &mut || Ok(())).unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "{error}");
    let slow = client.start(b"", method("slow")).unwrap();
    client.cancel(slow);
    assert_eq!(call(&mut client, "echo", b"after").unwrap(), b"after");
    say("all");
    wait_for_go();
}

/// Calls `once` with one number after the other, from `first` on, and says what becomes of it whenever that changes.
pub(crate) fn ask_on(name: &str, first: u64) {
    let mut client = connect(name);
    let mut last = String::new();
    for at in first.. {
        let now = match call(&mut client, "once", &at.to_le_bytes()) {
            Ok(_) => "answered".to_owned(),
            Err(error) => error.code().name().to_owned(),
        };
        if now != last {
            say(&now);
            last = now;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Calls `slow`, and says what becomes of it.
pub(crate) fn hold(name: &str, may_retry: bool) {
    let mut client = connect(name);
    let options = CallOptions::default().method("slow").retry(may_retry);
    match client.call_with(b"", options, &mut || Ok(())) {
        Ok(reply) => say(String::from_utf8_lossy(&reply)),
        Err(error) => say(error.code().name()),
    }
    wait_for_go();
}

/// Calls of every kind come to what they come to at home.
#[test]
fn what_a_call_comes_to() {
    let Some((here, there)) = machines("1g") else {
        return;
    };
    let export = here.bridge(&["export", "*", "--listen", &here.endpoint()]);
    let import = there.bridge(&["import", "calc", "--connect", &here.endpoint()]);
    let mut own = there.worker("serve calc");
    own.says("serving");
    let mut server = here.worker("serve calc");
    server.says("serving");
    import.says("it is a service of this machine itself");
    export.says("'calc' is not taken on the other side");
    own.kill();
    import.says("'calc' is served by here");
    let back = there.bridge(&["export", "*", "--listen", "tcp/127.0.0.1:7448"]);
    back.says("'calc' is not exported: it stands for the service on another machine");
    let mut client = there.worker("ask calc");
    client.says("all");
    for _ in 0..2 {
        server.says("cancelled");
    }
    until("the status of the service", || {
        [&here, &there].iter().all(|machine| {
            let status = machine.status();
            let channels = status["bridges"][0]["channels"].as_array().cloned();
            channels.into_iter().flatten().any(|seen| {
                seen["name"] == "calc" && seen["kind"] == "service" && seen["messages"] != 0
            })
        })
    });
    client.go();
    client.ends();
}

/// Whatever ends, a call that was under way says so, as at home, none is done twice, and it goes on as soon as it can.
#[test]
fn calls_over_everything() {
    let Some((here, there)) = machines("1g") else {
        return;
    };
    let mut export = here.bridge(&["export", "calc", "--listen", &here.endpoint()]);
    let mut import = there.bridge(&["import", "calc", "--connect", &here.endpoint()]);
    let mut server = here.worker("serve calc");
    server.says("serving");
    let mut client = there.worker("ask-on calc 0");
    client.says("answered");
    let hold = |server: &mut Worker| {
        let held = there.worker("hold calc once");
        server.says("slow");
        held
    };

    let mut held = hold(&mut server);
    there.plug(false);
    assert_eq!(held.hears(), "SERVER_DIED");
    client.says("NO_SERVER");
    there.plug(true);
    client.says("answered");
    server.says("cancelled");

    let mut held = hold(&mut server);
    export.kill();
    assert_eq!(held.hears(), "SERVER_DIED");
    client.says("NO_SERVER");
    export.start(&here);
    client.says("answered");

    let mut held = hold(&mut server);
    import.kill();
    assert_eq!(held.hears(), "SERVER_DIED");
    client.says("NO_SERVER");
    import.start(&there);
    client.says("answered");

    let mut held = hold(&mut server);
    let mut patient = there.worker("hold calc retry");
    server.says("slow");
    server.kill();
    assert_eq!(held.hears(), "SERVER_DIED");
    client.says("NO_SERVER");
    let mut server = here.worker("serve calc");
    // What may be done again is.
    server.says("slow");
    client.says("answered");
    let mut other = there.worker("ask calc");
    other.says("all");
    assert_eq!(patient.hears(), "at last");
    export.stop();
    import.stop();
}
