//! Places in a ring that several read: what the dead leave of them, and what a publisher that is stopped, slow or hostile does to
//! those who take one (P1 to P6).

use crate::attacker::{Attacker, WRITER_PAGE};
use crate::support::{Limit, Name, PAGE, PATIENCE, Parts, Process, Role, mix, pattern};
use kren_core::{Error, KrenPublisher, KrenSubscriber, Start};
use std::time::{Duration, Instant};

pub(crate) const PARTS: Parts = &[
    (
        "publisher in the middle of a message",
        publisher_in_a_message,
    ),
    ("publisher that waits", publisher_that_waits),
    ("publisher without end", publisher_without_end),
];

const CAPACITY: usize = 16 * PAGE;
const LIMIT: usize = WRITER_PAGE + 520;
const SCAN: usize = WRITER_PAGE + 528;

/// Message `at`, whose first bytes say which it is.
fn message(at: u64) -> Vec<u8> {
    let mut bytes = pattern(at, 8 + mix(at) as usize % 90).to_vec();
    bytes[..8].copy_from_slice(&at.to_le_bytes());
    bytes
}

/// Which message this is; it must be whole.
#[track_caller]
fn number(bytes: &[u8]) -> u64 {
    let at = bytes.first_chunk().map(|head| u64::from_le_bytes(*head));
    let at = at.unwrap_or_else(|| panic!("{} bytes that nobody wrote", bytes.len()));
    assert_eq!(bytes, message(at), "message {at}");
    at
}

/// Fills half of the ring with what it never commits, and stays so.
fn publisher_in_a_message(role: &Role) {
    let (name, count): (String, u64) = (role.arg(0), role.arg(1));
    let mut publisher = KrenPublisher::create(&name, CAPACITY).unwrap();
    role.say("ready", 0);
    role.hear("go");
    (0..count).for_each(|at| publisher.write(&message(at)).unwrap());
    let mut slot = publisher.reserve(CAPACITY / 2).unwrap();
    // Such bytes could pass for headers of empty messages.
    slot.chunks_exact_mut(8)
        .for_each(|word| word.copy_from_slice(&[1, 0, 0, 0, 7, 0, 0, 0]));
    role.say("filled", 0);
    role.linger()
}

/// P3, P6: what a publisher had stored to when it died is not taken for messages, by those that were overtaken by it or that come
/// later, also when its successor has written less (R9).
#[test]
fn what_a_dead_publisher_has_touched_is_not_believed() {
    let _limit = Limit::new();
    // From hardly a lap behind to more than one.
    for count in (650..1100).step_by(75) {
        let name = Name::new("touched");
        let mut publisher =
            Process::start("publisher in the middle of a message", &[&name, &count]);
        publisher.expect("ready");
        let lossy = KrenSubscriber::options().lossy(true);
        let mut subscriber = lossy.connect(&name).unwrap();
        publisher.tell("go");
        publisher.expect("filled");
        publisher.kill();
        let mut heir = KrenPublisher::create(&name, CAPACITY).unwrap();
        heir.write(&message(count)).unwrap();
        let oldest = KrenSubscriber::options()
            .start(Start::Oldest)
            .connect(&name);
        for subscriber in [&mut subscriber, &mut oldest.unwrap()] {
            let mut expected = subscriber.position();
            loop {
                match subscriber.try_read() {
                    Ok(Some(message)) => {
                        assert_eq!(number(&message), expected, "after {count} messages");
                        expected += 1;
                    }
                    Ok(None) => break,
                    Err(Error::Lagged { missed, .. }) => expected += missed,
                    Err(error) => panic!("after {count} messages: {error}"),
                }
            }
            assert_eq!(expected, count + 1);
        }
    }
}

/// P1, P4: a subscriber that is nearly a lap behind, and is waited for, has missed nothing, whatever room the publisher has for marks.
#[test]
fn nearly_a_lap_behind_is_not_overtaken() {
    let _limit = Limit::new();
    let name = Name::new("nearly");
    let options = KrenPublisher::options().evict_after(PATIENCE);
    let mut publisher = options.create(&name, 1 << 20).unwrap();
    let mut slow = KrenSubscriber::connect(&name).unwrap();
    let (mut written, mut read) = (0, 0);
    for round in 0..40 {
        while publisher.try_write(&message(written)).is_ok() {
            written += 1;
        }
        for _ in 0..mix(round) % 3000 {
            let Some(message) = slow.try_read().unwrap() else {
                break;
            };
            assert_eq!(number(&message), read);
            read += 1;
        }
    }
    assert!(written > 10_000, "{written}");
}

/// P6: a publisher that died while it looked at its subscribers keeps nobody from joining its successor (B3).
#[test]
fn a_look_that_death_has_ended_is_over_with_the_next_publisher() {
    let _limit = Limit::new();
    let name = Name::new("half-a-look");
    let mut publisher = KrenPublisher::create(&name, CAPACITY).unwrap();
    let stays = KrenSubscriber::connect(&name).unwrap();
    publisher.write(&message(0)).unwrap();
    drop(publisher);
    let segment = Attacker::new(&name);
    segment.set(SCAN, 4, segment.get(SCAN, 4) | 1);
    // Nobody is there who could be looking.
    let mut before = KrenSubscriber::connect(&name).unwrap();
    let mut publisher = KrenPublisher::create(&name, CAPACITY).unwrap();
    let mut after = KrenSubscriber::connect(&name).unwrap();
    publisher.write(&message(1)).unwrap();
    for subscriber in [&mut before, &mut after] {
        assert_eq!(number(&subscriber.read().unwrap()), 1);
    }
    drop((publisher, stays, before, after));
    name.assert_gone();
}

/// G7: a publisher that says for ever that it is looking is not waited for for ever.
#[test]
fn a_look_without_end_is_given_up() {
    let _limit = Limit::new();
    let name = Name::new("endless-look");
    let _publisher = KrenPublisher::create(&name, CAPACITY).unwrap();
    let segment = Attacker::new(&name);
    segment.set(SCAN, 4, 1);
    let refused = KrenSubscriber::connect(&name).unwrap_err();
    assert!(matches!(refused, Error::TimedOut { .. }), "{refused}");
    // One that needs no answer joins all the same.
    let lossy = KrenSubscriber::options().lossy(true).connect(&name);
    lossy.unwrap();
    segment.set(SCAN, 4, 2);
    KrenSubscriber::connect(&name).unwrap();
    // Nor is a limit that leaves no place.
    segment.set(LIMIT, 8, u64::MAX);
    let refused = KrenSubscriber::connect(&name).unwrap_err();
    assert!(matches!(refused, Error::Corrupt { .. }), "{refused}");
}

fn publisher_that_waits(role: &Role) {
    let mut publisher = KrenPublisher::create(&role.arg::<String>(0), PAGE).unwrap();
    while publisher.try_write(&[7; 100]).is_ok() {}
    role.say("waits", 0);
    publisher.write(&[7; 100]).unwrap();
    role.say("written", 0);
}

/// P5, G9: a publisher sleeps that waits for a durable subscriber which has closed.
#[cfg(target_os = "linux")]
#[test]
fn a_publisher_that_waits_for_the_absent_uses_no_processor() {
    let _limit = Limit::new();
    let name = Name::new("absent");
    let first = KrenPublisher::create(&name, PAGE).unwrap();
    let durable = KrenSubscriber::options().durable("absent");
    durable.connect(&name).unwrap().close().unwrap();
    let stays = KrenSubscriber::options().lossy(true).connect(&name);
    drop(first);
    let mut publisher = Process::start("publisher that waits", &[&name]);
    publisher.expect("waits");
    let waiting = crate::idle::idle_second(publisher.pid());
    assert!(waiting < Duration::from_millis(100), "{waiting:?}");
    durable.connect(&name).unwrap().unsubscribe().unwrap();
    publisher.expect("written");
    publisher.finish();
    drop(stays);
}

/// P1, B8: what a subscriber has lent out when it closes is not overwritten before it is given back.
#[test]
fn what_is_lent_holds_the_publisher_up_after_a_close() {
    let _limit = Limit::new();
    let name = Name::new("lent");
    let mut publisher = KrenPublisher::create(&name, PAGE).unwrap();
    let mut subscriber = KrenSubscriber::connect(&name).unwrap();
    publisher.write(&message(0)).unwrap();
    let lent = subscriber.read().unwrap().into_lease();
    subscriber.close().unwrap();
    let mut at = 1;
    while publisher.try_write(&message(at)).is_ok() {
        assert!(at < PAGE as u64, "nothing holds it up");
        at += 1;
    }
    assert_eq!(number(&lent), 0);
    drop(lent);
    publisher.write(&message(at)).unwrap();
}

/// G7, B1: a subscriber whose page says what cannot be holds nobody up, and does no harm to the publisher or to another one.
#[test]
fn a_place_that_cannot_be_holds_nobody_up() {
    let _limit = Limit::new();
    let page = WRITER_PAGE + PAGE;
    for position in [
        3 * CAPACITY as u64,
        1 << 40,
        1 << 62,
        u64::MAX - 7,
        u64::MAX,
    ] {
        let name = Name::new("impossible");
        let mut publisher = KrenPublisher::create(&name, CAPACITY).unwrap();
        let broken = KrenSubscriber::connect(&name).unwrap();
        let mut sound = KrenSubscriber::connect(&name).unwrap();
        Attacker::new(&name).set(page, 8, position);
        for at in 0..5000 {
            publisher.write_timeout(&message(at), PATIENCE).unwrap();
            assert_eq!(
                number(&sound.read().unwrap()),
                at,
                "beside one at {position}"
            );
            // Near the writer it would be a place again.
            if publisher.subscribers()[0].behind_bytes > 0 {
                Attacker::new(&name).set(page, 8, position.wrapping_add(1 << 41));
            }
        }
        drop(broken);
    }
}

/// G7, B1: the same of one that says it is where the ring was overwritten long ago.
#[test]
fn a_place_more_than_a_lap_behind_holds_nobody_up() {
    let _limit = Limit::new();
    let name = Name::new("a-lap-behind");
    let mut publisher = KrenPublisher::create(&name, CAPACITY).unwrap();
    let mut broken = KrenSubscriber::connect(&name).unwrap();
    let mut sound = KrenSubscriber::connect(&name).unwrap();
    for at in 0..5000 {
        publisher.write_timeout(&message(at), PATIENCE).unwrap();
        assert_eq!(number(&sound.read().unwrap()), at);
        assert_eq!(number(&broken.read().unwrap()), at);
    }
    Attacker::new(&name).set(WRITER_PAGE + PAGE, 8, 0);
    for at in 5000..10_000 {
        publisher.write_timeout(&message(at), PATIENCE).unwrap();
        assert_eq!(number(&sound.read().unwrap()), at);
    }
}

fn publisher_without_end(role: &Role) {
    let mut publisher = KrenPublisher::create(&role.arg::<String>(0), CAPACITY).unwrap();
    role.say("ready", 0);
    for at in 0.. {
        publisher.write(&message(at)).unwrap();
    }
}

/// P1, P3: a lossy subscriber that starts behind a number, and is overtaken on the way there, gets whole messages with the right numbers (B7).
#[test]
fn who_is_overtaken_on_the_way_to_its_start_starts_later() {
    let _limit = Limit::new();
    let name = Name::new("on-the-way");
    let mut publisher = Process::start("publisher without end", &[&name]);
    publisher.expect("ready");
    let mut after = 0;
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(2) {
        let options = KrenSubscriber::options().lossy(true);
        let mut subscriber = options.start(Start::After(after)).connect(&name).unwrap();
        let mut expected = subscriber.position();
        for _ in 0..3 {
            let found = subscriber
                .try_read()
                .map(|found| found.as_deref().map(number));
            match found {
                Ok(Some(at)) => assert_eq!(at, expected),
                Ok(None) => break,
                Err(Error::Lagged { .. }) => {}
                Err(error) => panic!("{error}"),
            }
            expected = subscriber.position();
        }
        // What will be all but overwritten when the next one comes.
        after = subscriber.position();
    }
}
