//! One publisher, many subscribers: what each of them gets, and what the death of any side does to the others (P1 to P6).

use crate::support::{Limit, Name, PAGE, PATIENCE, Parts, Process, Role, mix, pattern};
use kren_core::{Error, KrenPublisher, KrenReader, KrenSubscriber, KrenWriter, PeerState, Start};
use std::sync::Barrier;
use std::time::{Duration, Instant};

pub(crate) const PARTS: Parts = &[
    ("publisher of a count", publisher_of_a_count),
    ("subscriber to its end", subscriber_to_its_end),
    ("subscriber that stops", subscriber_that_stops),
    ("durable subscriber", durable_subscriber),
    ("come and go", come_and_go),
];

const CAPACITY: usize = 16 * PAGE;
const SOON: Duration = Duration::from_millis(20);

/// Message `at`, whose first bytes say which it is.
fn message(at: u64) -> Vec<u8> {
    let mut bytes = pattern(at, 8 + mix(at) as usize % 500).to_vec();
    bytes[..8].copy_from_slice(&at.to_le_bytes());
    bytes
}

/// Which message this is; it must be whole.
#[track_caller]
fn number(bytes: &[u8]) -> u64 {
    let at = u64::from_le_bytes(bytes[..8].try_into().unwrap());
    assert_eq!(bytes, message(at), "message {at}");
    at
}

fn publish(publisher: &mut KrenPublisher, at: u64) {
    match mix(at) % 3 {
        0 => {
            let bytes = message(at);
            let mut slot = publisher.reserve(bytes.len() + 40).unwrap();
            slot[..bytes.len()].copy_from_slice(&bytes);
            slot.commit_len(bytes.len()).unwrap();
        }
        _ => publisher.write(&message(at)).unwrap(),
    }
}

/// Publishes from `from` on to `to`; says now and then how many are committed for certain.
fn publisher_of_a_count(role: &Role) {
    let (name, from, to): (String, u64, u64) = (role.arg(0), role.arg(1), role.arg(2));
    let mut publisher = KrenPublisher::create(&name, CAPACITY).unwrap();
    role.say("ready", from);
    role.hear("go");
    for at in from..to {
        publish(&mut publisher, at);
        if at % 64 == 63 {
            role.say("committed", at + 1);
        }
    }
    publisher.drain(PATIENCE).unwrap();
    role.say("done", to);
    role.hear("end");
}

/// Reads from wherever it starts to the end; says where it started and how many it got.
fn subscriber_to_its_end(role: &Role) {
    let (name, lossy): (String, bool) = (role.arg(0), role.arg(1));
    let options = KrenSubscriber::options().timeout(PATIENCE).lossy(lossy);
    let mut subscriber = options.connect(&name).unwrap();
    role.say("joined", subscriber.position());
    let mut next = None;
    let (mut read, mut missed) = (0, 0);
    loop {
        match subscriber.read_timeout(PATIENCE) {
            Ok(message) => {
                let at = number(&message);
                assert_eq!(at, next.unwrap_or(at), "a message is missing");
                next = Some(at + 1);
                read += 1;
            }
            Err(Error::Lagged { missed: more, .. }) => {
                assert!(lossy && more > 0);
                missed += more;
                next = next.map(|next| next + more);
            }
            Err(Error::Closed { .. }) => break,
            Err(error) => panic!("{error}"),
        }
        if lossy && read % 1000 == 0 {
            std::thread::sleep(Duration::from_millis(3));
        }
    }
    role.say("end", format!("{} {read} {missed}", next.unwrap_or(0)));
}

/// Reads `count` messages and then no more.
fn subscriber_that_stops(role: &Role) {
    let (name, count): (String, u64) = (role.arg(0), role.arg(1));
    let options = KrenSubscriber::options().timeout(PATIENCE);
    let mut subscriber = options.connect(&name).unwrap();
    role.say("joined", subscriber.position());
    for _ in 0..count {
        number(&subscriber.read().unwrap());
    }
    let held = subscriber.read().unwrap().into_lease();
    role.say("stopped", held.len());
    role.linger()
}

/// Says each message that it has released.
fn durable_subscriber(role: &Role) {
    let (name, count): (String, u64) = (role.arg(0), role.arg(1));
    let options = KrenSubscriber::options().timeout(PATIENCE).durable("log");
    let mut subscriber = options.connect(&name).unwrap();
    role.say("joined", subscriber.position());
    for _ in 0..count {
        let at = number(&subscriber.read().unwrap());
        role.say("read", at);
    }
    role.say("idle", 0);
    role.linger()
}

/// Joins, reads some, and leaves, over and over, until the broadcast is closed.
fn come_and_go(role: &Role) {
    let (name, seed): (String, u64) = (role.arg(0), role.arg(1));
    role.say("ready", 0);
    let mut joins = 0u64;
    'lives: for life in 0.. {
        let chance = mix(seed ^ life);
        let start = match chance % 3 {
            0 => Start::Oldest,
            1 => Start::Newest,
            _ => Start::After(chance >> 50),
        };
        let options = KrenSubscriber::options().start(start);
        let mut subscriber = match options.lossy(chance.is_multiple_of(5)).connect(&name) {
            Ok(subscriber) => subscriber,
            Err(Error::NotFound { .. }) => break,
            Err(error) => panic!("{error}"),
        };
        joins += 1;
        for _ in 0..1 + chance % 40 {
            let expected = subscriber.position();
            match subscriber.read_timeout(PATIENCE) {
                // The number in the message and the count of the ring are the same.
                Ok(message) => assert_eq!(number(&message), expected),
                Err(Error::Lagged { .. }) => {}
                Err(Error::Closed { .. }) => break 'lives,
                Err(error) => panic!("{error}"),
            }
        }
    }
    role.say("joins", joins);
}

/// P1: each subscriber gets every message that is written after it has joined, whole, once and in order; the lossy ones know
/// exactly how many they miss.
#[test]
fn every_subscriber_gets_every_message() {
    let _limit = Limit::new();
    const COUNT: u64 = 40_000;
    let name = Name::new("broadcast");
    let mut publisher = Process::start("publisher of a count", &[&name, &0, &COUNT]);
    publisher.expect("ready");
    let mut subscribers: Vec<_> = [false, false, true]
        .iter()
        .map(|lossy| Process::start("subscriber to its end", &[&name, lossy]))
        .collect();
    for subscriber in &mut subscribers {
        assert_eq!(subscriber.expect("joined"), "0");
    }
    publisher.tell("go");
    while publisher.next().unwrap().0 != "done" {}
    publisher.tell_and_finish();
    for (at, mut subscriber) in subscribers.into_iter().enumerate() {
        let end = subscriber.expect("end");
        let figures: Vec<u64> = end.split(' ').map(|part| part.parse().unwrap()).collect();
        assert_eq!(figures[0], COUNT, "subscriber {at}");
        assert_eq!(figures[1] + figures[2], COUNT, "subscriber {at}: {end}");
        assert!(figures[2] == 0 || at == 2, "subscriber {at}: {end}");
        subscriber.finish();
    }
    name.assert_gone();
}

/// P2: a subscriber that stands still, with a message in its hands, holds the publisher up as long as it lives and no longer.
#[test]
fn a_subscriber_that_dies_is_passed_over() {
    let _limit = Limit::new();
    let name = Name::new("dead-subscriber");
    let mut publisher = KrenPublisher::create(&name, CAPACITY).unwrap();
    let mut still = Process::start("subscriber that stops", &[&name, &3]);
    still.expect("joined");
    let mut other = KrenSubscriber::connect(&name).unwrap();
    let mut at = 0;
    let full = loop {
        match publisher.try_write(&message(at)) {
            Ok(()) => at += 1,
            Err(error) => break error,
        }
        number(&other.read().unwrap());
        if at == 5 {
            still.expect("stopped");
        }
    };
    assert!(matches!(full, Error::Full { .. }), "{full}");
    let refused = publisher.write_timeout(&message(at), SOON).unwrap_err();
    assert!(matches!(refused, Error::TimedOut { .. }), "{refused}");
    let stuck = publisher.subscribers();
    let slowest = stuck.iter().max_by_key(|subscriber| subscriber.behind);
    assert_eq!(slowest.unwrap().holder.pid(), still.pid(), "{stuck:?}");
    assert_eq!(slowest.unwrap().behind, at - 3);
    still.kill();
    let start = Instant::now();
    publisher.write(&message(at)).unwrap();
    assert!(start.elapsed() < Duration::from_secs(2));
    for at in at + 1..at + 2000 {
        number(&other.read().unwrap());
        publisher.write(&message(at)).unwrap();
    }
    assert_eq!(publisher.subscribers().len(), 1);
    drop((publisher, other));
    name.assert_gone();
}

/// P3: a lossy subscriber never holds the publisher up, and is told exactly how many messages it missed.
#[test]
fn a_lossy_subscriber_is_told_what_it_missed() {
    let _limit = Limit::new();
    let name = Name::new("lossy");
    let mut publisher = KrenPublisher::create(&name, CAPACITY).unwrap();
    let lossy = KrenSubscriber::options().lossy(true);
    let mut subscriber = lossy.connect(&name).unwrap();
    let mut next = 0;
    for round in 0..200 {
        for _ in 0..mix(round) % 1500 {
            publisher.write(&message(next)).unwrap();
            next += 1;
        }
        let mut expected = subscriber.position();
        loop {
            match subscriber.try_read() {
                Ok(Some(message)) => {
                    assert_eq!(number(&message), expected);
                    expected += 1;
                }
                Ok(None) => break,
                Err(Error::Lagged { missed, .. }) => {
                    assert!(missed > 0);
                    expected += missed;
                }
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(expected, next, "round {round}");
    }
}

/// P4: a slow subscriber is passed over after the time that the publisher grants, and told how many messages that cost it; what
/// it held is its own.
#[test]
fn a_slow_subscriber_is_evicted() {
    let _limit = Limit::new();
    let name = Name::new("evict");
    let options = KrenPublisher::options().evict_after(SOON);
    let mut publisher = options.create(&name, CAPACITY).unwrap();
    let mut slow = KrenSubscriber::connect(&name).unwrap();
    publisher.write(&message(0)).unwrap();
    let held = slow.read().unwrap().into_lease();
    // Several laps, whatever the size of a page. A record takes some 266 bytes.
    let count = 8 * CAPACITY as u64 / 266;
    for at in 1..count {
        publisher.write(&message(at)).unwrap();
    }
    assert_eq!(number(&held), 0, "what is held is a copy");
    let evicted = slow.read().unwrap_err();
    let Error::Evicted { missed, .. } = evicted else {
        panic!("{evicted}");
    };
    let mut expected = 1 + missed;
    while let Some(message) = slow.try_read().unwrap() {
        assert_eq!(number(&message), expected);
        expected += 1;
    }
    assert_eq!(expected, count);
    // It holds the publisher up again.
    let mut at = count;
    while publisher.try_write(&message(at)).is_ok() {
        at += 1;
    }
    while expected < at {
        assert_eq!(number(&slow.read().unwrap()), expected);
        expected += 1;
    }
}

/// B6: of several that join at once by one name, which nobody has had before, one has it.
#[test]
fn a_durable_name_is_one_subscriber() {
    let _limit = Limit::new();
    const AT_ONCE: usize = 3;
    for _ in 0..300 {
        let name = Name::new("one-name");
        let options = KrenPublisher::options().subscribers(AT_ONCE);
        let _publisher = options.create(&name, PAGE).unwrap();
        let start = Barrier::new(AT_ONCE);
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let join = || {
                start.wait();
                KrenSubscriber::options().durable("log").connect(&name)
            };
            let joining: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(join)).collect();
            joining.into_iter().map(|one| one.join().unwrap()).collect()
        });
        let have_it = outcomes.iter().filter(|outcome| outcome.is_ok());
        assert_eq!(have_it.count(), 1, "{outcomes:?}");
        let refused = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
        refused.for_each(|error| assert!(matches!(error, Error::ReaderExists { .. }), "{error}"));
    }
}

/// P5: a durable subscriber misses nothing by its death or its closing, until it gives its place up.
#[test]
fn a_durable_subscriber_goes_on_where_it_was() {
    let _limit = Limit::new();
    let name = Name::new("durable");
    let mut publisher = KrenPublisher::create(&name, CAPACITY).unwrap();
    let mut durable = Process::start("durable subscriber", &[&name, &10]);
    durable.expect("joined");
    for at in 0..30 {
        publisher.write(&message(at)).unwrap();
    }
    for at in 0..10 {
        assert_eq!(durable.expect("read"), at.to_string());
    }
    durable.expect("idle");
    let taken = KrenSubscriber::options().durable("log").connect(&name);
    assert!(
        matches!(taken, Err(Error::ReaderExists { .. })),
        "{taken:?}"
    );
    durable.kill();
    // It holds the publisher up though it is dead.
    let mut at = 30;
    while publisher.try_write(&message(at)).is_ok() {
        at += 1;
    }
    let refused = publisher
        .write_timeout(&message(at), 10 * SOON)
        .unwrap_err();
    assert!(matches!(refused, Error::TimedOut { .. }), "{refused}");
    assert_eq!(publisher.subscribers()[0].state, PeerState::Died);
    let mut next = 10;
    let half = u64::midpoint(next, at);
    for end in [half, at] {
        let mut heir = KrenSubscriber::options()
            .durable("log")
            .connect(&name)
            .unwrap();
        assert_eq!(heir.position(), next);
        while next < end {
            assert_eq!(number(&heir.read().unwrap()), next);
            next += 1;
        }
        match end == half {
            true => heir.close().unwrap(),
            false => heir.unsubscribe().unwrap(),
        }
    }
    // Nobody is waited for any more.
    for at in at..2 * at {
        publisher.write(&message(at)).unwrap();
    }
    publisher.close().unwrap();
    name.assert_gone();
}

/// P5: a durable place keeps the name, and what its subscriber has not released, also when everybody is gone.
#[cfg(not(windows))]
#[test]
fn a_durable_place_outlives_everybody() {
    let _limit = Limit::new();
    let name = Name::new("outlives");
    let mut publisher = KrenPublisher::create(&name, CAPACITY).unwrap();
    let durable = || KrenSubscriber::options().durable("log").connect(&name);
    durable().unwrap().close().unwrap();
    for at in 0..30 {
        publisher.write(&message(at)).unwrap();
    }
    publisher.close().unwrap();
    let mut heir = durable().unwrap();
    for at in 0..10 {
        assert_eq!(number(&heir.read().unwrap()), at);
    }
    heir.close().unwrap();
    let mut heir = durable().unwrap();
    for at in 10..30 {
        assert_eq!(number(&heir.read().unwrap()), at);
    }
    heir.unsubscribe().unwrap();
    name.assert_gone();
}

/// P1: a subscriber may start at the oldest message there is, or behind a number; what is gone is told.
#[test]
fn where_a_subscriber_starts() {
    let _limit = Limit::new();
    let name = Name::new("start");
    let mut publisher = KrenPublisher::create(&name, CAPACITY).unwrap();
    for at in 0..50 {
        publisher.write(&message(at)).unwrap();
    }
    let join = |start: Start| {
        KrenSubscriber::options()
            .start(start)
            .connect(&name)
            .unwrap()
    };
    let first = |subscriber: &mut KrenSubscriber| number(&subscriber.read().unwrap());
    assert_eq!(first(&mut join(Start::Oldest)), 0);
    assert_eq!(first(&mut join(Start::After(37))), 37);
    let mut newest = join(Start::Newest);
    let mut future = join(Start::After(60));
    assert!(newest.try_read().unwrap().is_none());
    for at in 50..70 {
        publisher.write(&message(at)).unwrap();
    }
    assert_eq!(first(&mut newest), 50);
    // Behind what there was not yet: from the end on.
    assert_eq!(first(&mut future), 50);
    drop((newest, future));
    // Several laps, whatever the size of a page. A record takes some 266 bytes.
    let end = 12 * CAPACITY as u64 / 266;
    for at in 70..end {
        publisher.write(&message(at)).unwrap();
    }
    let mut late = join(Start::After(37));
    let error = late.read().unwrap_err();
    let Error::Lagged { missed, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(first(&mut late), 37 + missed);
    drop(late);
    let mut oldest = join(Start::Oldest);
    let behind = (end - first(&mut oldest)) as usize * 266;
    assert!(
        (CAPACITY / 8..CAPACITY * 3 / 2).contains(&behind),
        "{behind} bytes"
    );
}

/// P1, P6: subscribers that come and go at any moment get whole messages with the right numbers, also when some are killed
/// in the middle of it, and the publisher is never held up by one that is gone.
#[test]
fn subscribers_come_and_go_in_mid_stream() {
    let _limit = Limit::new();
    let name = Name::new("come-and-go");
    let mut publisher = KrenPublisher::create(&name, 4 * PAGE).unwrap();
    let start = |seed: u64| {
        let mut process = Process::start("come and go", &[&name, &seed]);
        process.expect("ready");
        process
    };
    let mut guests: Vec<Process> = (0..3).map(start).collect();
    let begin = Instant::now();
    let mut at = 0;
    let mut kills = 0;
    while begin.elapsed() < Duration::from_secs(4) {
        publish(&mut publisher, at);
        at += 1;
        if at % 20_000 == 0 {
            let victim = kills as usize % guests.len();
            guests[victim].kill();
            kills += 1;
            guests[victim] = start(100 + kills);
        }
    }
    let mut joins = 0;
    drop(publisher);
    for mut guest in guests {
        joins += guest.expect("joins").parse::<u64>().unwrap();
        guest.finish();
    }
    println!("{at} messages, {joins} joins, {kills} kills");
    assert!(joins > 0);
    name.assert_gone();
}

/// P6: a publisher that is killed in mid-stream loses nothing that it committed, and its successor goes on behind it, for
/// every subscriber.
#[test]
fn a_publisher_that_is_killed_has_a_successor() {
    let _limit = Limit::new();
    let name = Name::new("dead-publisher");
    let mut subscribers: Vec<Option<KrenSubscriber>> = vec![None, None, None];
    let mut next = [0u64; 3];
    for life in 0..12 {
        let mut publisher = Process::start(
            "publisher of a count",
            &[&name, &next[0], &(next[0] + 1_000_000)],
        );
        publisher.expect("ready");
        for subscriber in &mut subscribers {
            if subscriber.is_none() {
                *subscriber = Some(KrenSubscriber::connect(&name).unwrap());
            }
        }
        publisher.tell("go");
        let mut committed = 0;
        let target = next[0] + 100 + mix(life) % 3000;
        let mut killed = false;
        let mut done = [false; 3];
        while done != [true; 3] {
            for (at, subscriber) in subscribers.iter_mut().flatten().enumerate() {
                if done[at] {
                    continue;
                }
                match subscriber.read_timeout(Duration::from_secs(20)) {
                    Ok(message) => {
                        assert_eq!(number(&message), next[at]);
                        assert_eq!(message.tag(), 0);
                        next[at] += 1;
                    }
                    Err(Error::PeerDied { .. }) => done[at] = true,
                    Err(error) => panic!("{error}"),
                }
            }
            if !killed && next[0] > target {
                killed = true;
                publisher.kill();
                while let Some((word, what)) = publisher.next() {
                    if word == "committed" {
                        committed = what.parse().unwrap();
                    }
                }
            }
        }
        assert_eq!(next, [next[0]; 3], "all got the same");
        assert!(next[0] >= committed, "{committed} were committed");
    }
    drop(subscribers);
    let publisher = KrenPublisher::create(&name, CAPACITY).unwrap();
    drop(publisher);
    name.assert_gone();
}

/// A broadcast and a channel are not taken for each other, and there are as many seats as were asked for.
#[test]
fn kinds_and_seats() {
    let _limit = Limit::new();
    let name = Name::new("kinds");
    let options = KrenPublisher::options().subscribers(2);
    let publisher = options.create(&name, PAGE).unwrap();
    let wrong = [
        KrenReader::connect(&name).unwrap_err(),
        KrenWriter::create(&name, PAGE).unwrap_err(),
    ];
    for error in wrong {
        assert!(matches!(error, Error::WrongKind { .. }), "{error}");
    }
    let one = KrenSubscriber::connect(&name).unwrap();
    let two = KrenSubscriber::connect(&name).unwrap();
    let third = KrenSubscriber::connect(&name);
    assert!(
        matches!(third, Err(Error::NoSeat { seats: 2, .. })),
        "{third:?}"
    );
    drop(one);
    let third = KrenSubscriber::connect(&name).unwrap();
    let second = KrenPublisher::create(&name, PAGE).unwrap_err();
    assert!(matches!(second, Error::WriterExists { .. }), "{second}");
    drop((publisher, two, third));
    name.assert_gone();

    for seats in [0, 65] {
        let error = KrenPublisher::options()
            .subscribers(seats)
            .create(&name, PAGE);
        assert!(
            matches!(error, Err(Error::InvalidOption { .. })),
            "{error:?}"
        );
    }
    let _writer = KrenWriter::create(&name, PAGE).unwrap();
    let error = KrenSubscriber::connect(&name).unwrap_err();
    assert!(matches!(error, Error::WrongKind { .. }), "{error}");
}

/// The publisher knows who is there, and waits for them.
#[test]
fn a_publisher_waits_for_its_subscribers() {
    let _limit = Limit::new();
    let name = Name::new("wait-for");
    let mut publisher = KrenPublisher::create(&name, CAPACITY).unwrap();
    let nobody = publisher.wait_for_subscribers(1, Some(SOON)).unwrap_err();
    assert!(matches!(nobody, Error::TimedOut { .. }), "{nobody}");
    let mut others: Vec<Process> = (0..2)
        .map(|_| Process::start("subscriber to its end", &[&name, &false]))
        .collect();
    publisher.wait_for_subscribers(2, Some(PATIENCE)).unwrap();
    let pids = |publisher: &KrenPublisher| {
        let subscribers = publisher.subscribers();
        let mut pids: Vec<u32> = subscribers.iter().map(|one| one.holder.pid()).collect();
        pids.sort_unstable();
        pids
    };
    let mut expected: Vec<u32> = others.iter().map(Process::pid).collect();
    expected.sort_unstable();
    assert_eq!(pids(&publisher), expected);
    others[0].kill();
    assert_eq!(pids(&publisher), [others[1].pid()]);
    publisher.close().unwrap();
    others[1].expect("joined");
    others[1].expect("end");
}

/// P1: whoever has been waited for has joined, and gets the very next message.
#[test]
fn who_was_waited_for_gets_the_next_message() {
    let _limit = Limit::new();
    for round in 0..300 {
        let name = Name::new("waited-for");
        let mut publisher = KrenPublisher::create(&name, PAGE).unwrap();
        std::thread::scope(|scope| {
            for is_lossy in [false, true] {
                let name = &*name;
                scope.spawn(move || {
                    let options = KrenSubscriber::options().timeout(PATIENCE);
                    let mut subscriber = options.lossy(is_lossy).connect(name).unwrap();
                    let first = number(&subscriber.read_timeout(PATIENCE).unwrap());
                    assert_eq!(first, 0, "round {round}, lossy: {is_lossy}");
                });
            }
            // Asked over and over, so that it is asked at every stage of a join.
            let now = Some(Duration::ZERO);
            while publisher.wait_for_subscribers(2, now).is_err() {}
            publisher.write(&message(0)).unwrap();
            publisher.write(&message(1)).unwrap();
        });
    }
}
