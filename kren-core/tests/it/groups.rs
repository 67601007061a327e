//! Inboxes, queues and services among the ends that a selector waits for (G3, G4, P7 to P12).

use crate::support::{Limit, Name, PAGE, PATIENCE, Process, mix};
use kren_core::{
    Call, CallOptions, Error, KrenClient, KrenDealer, KrenInbox, KrenSender, KrenServer,
    KrenWorker, Selector,
};
use std::collections::HashSet;
use std::time::{Duration, Instant};

const CAPACITY: usize = 16 * PAGE;
/// A death is noticed within 200 ms; a busy machine is given more.
const NOTICED: Duration = Duration::from_secs(2);
const KEY: u64 = 7;

/// Something has happened at the one end that is in there.
#[track_caller]
fn expect_event(selector: &mut Selector) {
    let events = selector.wait(Some(PATIENCE)).unwrap();
    assert_eq!(events.len(), 1, "nothing has come");
    assert_eq!(events[0].key, KEY);
}

#[track_caller]
fn nothing(selector: &mut Selector) {
    assert_eq!(selector.wait(Some(Duration::ZERO)).unwrap(), []);
    assert_eq!(selector.wait(Some(Duration::from_millis(1))).unwrap(), []);
}

/// P7, P8: those who join, what they write and that they die is told to whoever waits for the inbox, which is never read
/// meanwhile by a call that waits.
#[test]
fn an_inbox_among_others() {
    let _limit = Limit::new();
    const COUNT: u64 = 500;
    let name = Name::new("group-inbox");
    let mut inbox = KrenInbox::create(&name, CAPACITY).unwrap();
    let mut selector = Selector::new().unwrap();
    selector.add(KEY, inbox.readable().unwrap()).unwrap();
    nothing(&mut selector);
    let busy = inbox.read().unwrap_err();
    assert!(matches!(busy, Error::Busy { .. }), "{busy}");

    let senders: Vec<Process> = (0..3u64)
        .map(|who| Process::start("sender of a count", &[&name, &who, &COUNT]))
        .collect();
    let mut read = 0;
    let mut gone = vec![];
    while read < 3 * COUNT || gone.len() < 3 {
        expect_event(&mut selector);
        while inbox.try_read().unwrap().is_some() {
            read += 1;
        }
        gone.extend(inbox.departures());
    }
    assert!(gone.iter().all(|departure| !departure.died), "{gone:?}");
    senders.into_iter().for_each(Process::finish);

    let mut victim = Process::start("sender without end", &[&name, &9]);
    let number: u64 = victim.expect("number").parse().unwrap();
    for _ in 0..100 {
        expect_event(&mut selector);
        while inbox.try_read().unwrap().is_some() {}
    }
    victim.kill();
    let start = Instant::now();
    let gone = loop {
        while inbox.try_read().unwrap().is_some() {}
        let gone = inbox.departures();
        if !gone.is_empty() {
            break gone;
        }
        expect_event(&mut selector);
    };
    assert!(start.elapsed() < NOTICED, "{:?}", start.elapsed());
    assert_eq!((gone[0].sender.number, gone[0].died), (number, true));

    // Taken out, it waits by itself again, and back again.
    selector.remove(KEY);
    let mut sender = KrenSender::connect(&name).unwrap();
    for at in 0..200u8 {
        if at % 50 == 49 {
            selector.add(KEY, inbox.readable().unwrap()).unwrap();
            nothing(&mut selector);
            sender.write(&[at]).unwrap();
            expect_event(&mut selector);
            selector.remove(KEY);
        } else {
            sender.write(&[at]).unwrap();
        }
        assert_eq!(&inbox.read_timeout(PATIENCE).unwrap()[..], [at]);
        let late = inbox.read_timeout(Duration::from_millis(1)).unwrap_err();
        assert!(matches!(late, Error::TimedOut { .. }), "{late}");
    }
}

/// P9, P10: a worker is told of a dealer that comes, of work, of what another has left, and of the dealer's death.
#[test]
fn a_worker_among_others() {
    let _limit = Limit::new();
    const COUNT: u64 = 300;
    let name = Name::new("group-queue");
    let mut still = Process::start("worker that stops", &[&name]);
    still.expect("ready");
    let mut worker = KrenWorker::connect(&name).unwrap();
    let mut selector = Selector::new().unwrap();
    selector.add(KEY, worker.readable().unwrap()).unwrap();
    let mut dealer = Process::start("dealer of a count", &[&name, &0, &COUNT]);
    still.expect("began");
    let mut done = HashSet::new();
    let mut killed = false;
    let mut again = 0;
    while done.len() < COUNT as usize {
        expect_event(&mut selector);
        while let Some(work) = worker.try_read().unwrap() {
            done.insert(u64::from_le_bytes(work[..].try_into().unwrap()));
            again += u64::from(work.redelivered());
        }
        if done.len() > 20 && !killed {
            killed = true;
            still.kill();
        }
    }
    assert!(again > 0);
    while dealer.expect("dealt").parse() != Ok(COUNT) {}
    nothing_but_dues(&mut selector, &mut worker);
    dealer.kill();
    let start = Instant::now();
    loop {
        expect_event(&mut selector);
        match worker.read_timeout(Duration::ZERO) {
            Err(Error::PeerDied { .. }) => break,
            Err(Error::TimedOut { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(start.elapsed() < NOTICED, "{:?}", start.elapsed());
    // The next dealer.
    let mut dealer = Process::start("dealer of a count", &[&name, &COUNT, &(COUNT + 1)]);
    loop {
        expect_event(&mut selector);
        if let Some(work) = worker.try_read().unwrap() {
            assert_eq!(u64::from_le_bytes(work[..].try_into().unwrap()), COUNT);
            break;
        }
    }
    dealer.kill();
}

/// Nothing is there, though a look may be due.
fn nothing_but_dues(selector: &mut Selector, worker: &mut KrenWorker) {
    let mut quiet = 0;
    while quiet < 3 {
        assert!(worker.try_read().unwrap().is_none());
        let events = selector.wait(Some(Duration::from_millis(1))).unwrap();
        quiet += u32::from(events.is_empty());
    }
}

/// P11: a server among others answers clients that come and go.
#[test]
fn a_server_among_others() {
    let _limit = Limit::new();
    let name = Name::new("group-server");
    let mut server = KrenServer::create(&name).unwrap();
    let mut selector = Selector::new().unwrap();
    selector.add(KEY, server.readable().unwrap()).unwrap();
    let clients: Vec<Process> = (0..3)
        .map(|_| Process::start("client of a count", &[&name, &200]))
        .collect();
    let mut answered = 0;
    while answered < 600 {
        expect_event(&mut selector);
        while let Some(request) = server.try_next().unwrap() {
            let bytes = request.to_vec();
            request.reply(&bytes).unwrap();
            answered += 1;
        }
    }
    clients.into_iter().for_each(Process::finish);
}

/// P11, P12: calls among others: each answer is told, and that the server has died.
#[test]
fn calls_among_others() {
    let _limit = Limit::new();
    let name = Name::new("group-calls");
    let mut server = Process::start("echo server", &[&name, &false]);
    server.expect("starting");
    server.expect("serving");
    let mut client = KrenClient::connect(&name).unwrap();
    let mut selector = Selector::new().unwrap();
    let mut open: HashSet<Call> = HashSet::new();
    let start = |client: &mut KrenClient, at: u64| {
        let body = vec![at as u8; 1 + mix(at) as usize % 500];
        client.start(&body, CallOptions::default()).unwrap()
    };
    for at in 0..50 {
        open.insert(start(&mut client, at));
    }
    while !open.is_empty() {
        selector.add(KEY, client.readable().unwrap()).unwrap();
        expect_event(&mut selector);
        selector.remove(KEY);
        for call in client.arrived().unwrap() {
            assert!(client.poll(call).unwrap().is_some());
            assert!(open.remove(&call));
        }
    }
    // The server has nothing to do with what comes now: it is dead.
    selector.add(KEY, client.readable().unwrap()).unwrap();
    server.kill();
    let begun = Instant::now();
    match client.start(b"x", CallOptions::default()) {
        Err(Error::NoServer { .. }) => return,
        Err(error) => panic!("{error}"),
        // It was trusted, since it has just answered.
        Ok(call) => loop {
            expect_event(&mut selector);
            match client.poll(call) {
                Err(Error::ServerDied { .. }) => break,
                Ok(None) => {}
                other => panic!("{other:?}"),
            }
        },
    }
    assert!(begun.elapsed() < NOTICED, "{:?}", begun.elapsed());
}

/// P11: to take one answer is not to take in another that has come meanwhile: whoever waits is told of that.
#[test]
fn an_answer_to_another_call_is_told_of() {
    let _limit = Limit::new();
    let name = Name::new("group-other-call");
    let mut server = KrenServer::create(&name).unwrap();
    let mut client = KrenClient::connect(&name).unwrap();
    let calls = [b"a", b"b"].map(|body| client.start(body, CallOptions::default()).unwrap());
    let [first, second] = [(); 2].map(|()| server.next_timeout(PATIENCE).unwrap());
    first.reply(b"a").unwrap();
    while client.arrived().unwrap().is_empty() {}
    second.reply(b"b").unwrap();
    assert_eq!(
        client.poll(calls[0]).unwrap().unwrap().as_deref(),
        Some(&b"a"[..])
    );
    let mut selector = Selector::new().unwrap();
    selector.add(KEY, client.readable().unwrap()).unwrap();
    expect_event(&mut selector);
    assert_eq!(client.arrived().unwrap(), [calls[1]]);
}

/// P12: whoever waits for a server is told of answers that had no room meanwhile, which are to be tried again.
#[test]
fn a_server_is_told_that_it_is_behind() {
    let _limit = Limit::new();
    const ITEMS: u8 = 20;
    let name = Name::new("group-behind");
    let mut server = KrenServer::options().capacity(PAGE).create(&name).unwrap();
    let mut client = KrenClient::connect(&name).unwrap();
    let call = client.start(b"much", CallOptions::default()).unwrap();
    let mut request = server.next_timeout(PATIENCE).unwrap();
    assert!(server.try_next().unwrap().is_none());
    let mut selector = Selector::new().unwrap();
    selector.add(KEY, server.readable().unwrap()).unwrap();
    nothing(&mut selector);
    for at in 0..ITEMS {
        request.item(&[at; PAGE / 4]).unwrap();
    }
    request.end().unwrap();
    assert!(server.is_behind());
    expect_event(&mut selector);
    let mut count = 0;
    loop {
        match client.poll(call).unwrap() {
            None => assert!(server.try_next().unwrap().is_none()),
            Some(Some(item)) => {
                assert_eq!(item[0], count);
                count += 1;
            }
            Some(None) => break,
        }
    }
    assert_eq!((count, server.is_behind()), (ITEMS, false));
    nothing(&mut selector);
}

/// Errors say the words that the user has said: the name of the inbox, queue or service, never that of a lane, and the
/// option that the end has.
#[test]
fn errors_say_the_words_of_the_user() {
    let _limit = Limit::new();
    let name = Name::new("words");
    let text: &str = &name;
    let mut sender = KrenSender::connect(&name).unwrap();
    let long = sender.write(&vec![0; 2 << 20]).unwrap_err();
    assert!(matches!(long, Error::TooLarge { .. }), "{long}");
    assert_eq!(long.channel(), text);
    let full = std::iter::repeat_with(|| sender.try_write(&[0; PAGE]))
        .find_map(Result::err)
        .unwrap();
    assert!(matches!(full, Error::Full { .. }), "{full}");
    assert_eq!(full.channel(), text);
    drop(KrenInbox::create(&name, PAGE).unwrap());
    drop(sender);
    let mut rest = KrenInbox::create(&name, PAGE).unwrap();
    while rest.try_read().unwrap().is_some() {}
    drop(rest);

    let mut worker = KrenWorker::connect(&name).unwrap();
    let mut dealer = KrenDealer::create(&name, PAGE).unwrap();
    // Who was given nothing need not hear of its dealer.
    dealer.write(b"work").unwrap();
    if cfg!(windows) {
        // There a lane goes with its last side: the worker is to have come to it.
        worker
            .wait_readable(Some(PATIENCE), &mut || Ok(()))
            .unwrap();
    }
    drop(dealer);
    drop(worker.read().unwrap());
    let closed = worker.read().unwrap_err();
    assert!(matches!(closed, Error::Closed { .. }), "{closed}");
    assert_eq!(closed.channel(), text);
    drop(worker);

    let refused = [
        KrenInbox::options()
            .senders(0)
            .create(&name, PAGE)
            .map(drop),
        KrenSender::options().senders(0).connect(&name).map(drop),
        KrenDealer::options()
            .workers(0)
            .create(&name, PAGE)
            .map(drop),
        KrenWorker::options().workers(0).connect(&name).map(drop),
        KrenServer::options().clients(0).create(&name).map(drop),
        KrenClient::options().clients(0).connect(&name).map(drop),
    ];
    let words = refused.map(|refused| match refused {
        Err(Error::InvalidOption { option, .. }) => option,
        other => panic!("{other:?}"),
    });
    assert_eq!(
        words,
        [
            "senders", "senders", "workers", "workers", "clients", "clients"
        ]
    );
}
