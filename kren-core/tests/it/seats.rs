//! Every word of a broadcast's pages, one after the other, for whoever publishes to it or subscribes (G7).
//!
//! What is asked is what `sweeps` asks of a channel: an answer that the spec knows, no hang, and no access outside the mapping.

use crate::attacker::{WORDS, WRITER_PAGE};
use crate::support::{Limit, Name, PAGE};
use kren_core::{Error, KrenPublisher, KrenSubscriber, Start};
use std::time::Duration;

const SEATS: usize = 2;
const SEAT: usize = WRITER_PAGE + PAGE;
const COMMONS: usize = WRITER_PAGE + (1 + SEATS) * PAGE;
/// Messages that nobody has read yet.
const UNREAD: u64 = 3;

fn create(name: &str, fresh: bool) -> Result<KrenPublisher, Error> {
    let options = KrenPublisher::options().subscribers(SEATS).fresh(fresh);
    options.create(name, PAGE)
}

/// The bytes of a broadcast whose publisher has closed, and whose durable subscriber, at the first seat, has messages to come.
fn left_behind() -> Vec<u8> {
    let name = Name::new("left-behind");
    let mut publisher = create(&name, false).unwrap();
    let durable = KrenSubscriber::options().durable("log");
    drop(durable.connect(&name).unwrap());
    (0..UNREAD).for_each(|at| publisher.write(&[at as u8; 100]).unwrap());
    drop(publisher);
    std::fs::read(name.path()).unwrap()
}

fn get(bytes: &[u8], at: usize, len: usize) -> u64 {
    let mut word = [0; 8];
    word[..len].copy_from_slice(&bytes[at..at + len]);
    u64::from_le_bytes(word)
}

/// 0, 1, the largest, off by one, some that are off by one bit, and a lap further.
fn values(honest: u64, len: usize) -> Vec<u64> {
    let max = u64::MAX >> (64 - 8 * len);
    let mut all = vec![0, 1, 2, max, max - 7, 1 << 62];
    all.extend([honest.wrapping_add(1), honest.wrapping_sub(1)]);
    all.extend([8, PAGE as u64, 2 * PAGE as u64].map(|more| honest.wrapping_add(more)));
    all.extend((0..8 * len).step_by(17).map(|bit| honest ^ (1 << bit)));
    all.iter_mut().for_each(|value| *value &= max);
    all.sort_unstable();
    all.dedup();
    all.retain(|value| *value != honest);
    all
}

#[track_caller]
fn assert_known(error: &Error, what: &str) {
    let is_known = matches!(
        error,
        Error::Corrupt { .. }
            | Error::Full { .. }
            | Error::TimedOut { .. }
            | Error::Closed { .. }
            | Error::PeerDied { .. }
            | Error::Lagged { .. }
            | Error::Evicted { .. }
            | Error::NoSeat { .. }
            // Where no durable place is left, the last one to close has taken the name with him.
            | Error::NotFound { .. }
    );
    assert!(is_known, "{what}: {error}");
}

/// Reads what there is, to the last byte; how many messages came.
fn read_all(subscriber: Result<KrenSubscriber, Error>, what: &str) -> usize {
    let mut subscriber = match subscriber {
        Ok(subscriber) => subscriber,
        Err(error) => {
            assert_known(&error, what);
            return 0;
        }
    };
    let _ = (
        subscriber.available(),
        subscriber.position(),
        subscriber.publisher_state(),
    );
    let (mut messages, mut losses) = (0, 0);
    loop {
        match subscriber.read_timeout(Duration::ZERO) {
            Ok(message) => {
                std::hint::black_box(message.iter().fold(0u8, |sum, byte| sum ^ byte));
                messages += 1;
                assert!(messages <= 2 * PAGE / 8, "{what}: messages without end");
            }
            Err(Error::Lagged { .. } | Error::Evicted { .. }) if losses < 9 => losses += 1,
            Err(error) => {
                assert_known(&error, what);
                return messages;
            }
        }
    }
}

/// Takes it over, writes as much as goes, and looks who is there.
fn write_all(name: &str, what: &str) -> bool {
    let mut publisher = match create(name, false) {
        Ok(publisher) => publisher,
        Err(error) => {
            assert_known(&error, what);
            return false;
        }
    };
    for len in [PAGE - 8, 900, 0, 900] {
        if let Err(error) = publisher.try_write(&vec![2; len]) {
            assert_known(&error, what);
        }
    }
    let _ = (publisher.available(), publisher.subscribers());
    let drained = publisher.drain(Duration::ZERO);
    drained.unwrap_or_else(|error| assert_known(&error, what));
    true
}

/// G7, B1 to B10: each word of the publisher's page, of a subscriber's and of the page that all share, before anybody opens it.
#[test]
fn every_word_of_a_broadcast_at_opening() {
    let _limit = Limit::new();
    let honest = left_behind();
    let shared = [("epoch", COMMONS, 4), ("bell", COMMONS + 128, 4)];
    let of = |page: usize| WORDS.map(|(word, at, len)| (word, page + at, len));
    let words = of(WRITER_PAGE).into_iter().chain(of(SEAT)).chain(shared);
    let mut tried = 0;
    for (word, at, len) in words {
        for value in values(get(&honest, at, len), len) {
            let name = Name::new("seat-words");
            let what = format!("{word} at {at} = {value:#x}");
            let mut bytes = honest.clone();
            bytes[at..at + len].copy_from_slice(&value.to_le_bytes()[..len]);
            let store = || std::fs::write(name.path(), &bytes).unwrap();
            let durable = || KrenSubscriber::options().durable("log").connect(&name);
            let oldest = KrenSubscriber::options().start(Start::Oldest);

            store();
            let got = read_all(durable(), &what);
            let is_place = at < SEAT && !["position", "frontier", "limit"].contains(&word)
                || at >= SEAT && !["position", "stance", "identity"].contains(&word);
            assert!(
                !is_place || got == UNREAD as usize,
                "{what}: {got} messages"
            );
            store();
            read_all(oldest.connect(&name), &what);
            store();
            read_all(oldest.clone().lossy(true).connect(&name), &what);
            store();
            if write_all(&name, &what) {
                read_all(durable(), &what);
            }
            let fresh = create(&name, true);
            fresh.unwrap_or_else(|error| panic!("{what}: fresh was refused: {error}"));
            tried += 1;
        }
    }
    println!("{tried} values of a broadcast's words");
    assert!(tried > 400);
}
