//! What runs on a machine beside the bridge: writers and readers whose messages are known by their number.

use kren_bridge::config::Config;
use kren_bridge::link::{Link, Way};
use kren_bridge::wire::Machine;
use kren_core::{Error, KrenPublisher, KrenReader, KrenSubscriber, KrenWriter, Schema};
use std::io::BufRead;
use std::ops::Range;
use std::time::{Duration, Instant};

/// Lengths are below this, and the last of them is met too.
const LONGEST: usize = 64 * 1024;

/// Bytes out of which each message is a part, so that a million cost nothing to make.
pub(crate) struct Messages(Vec<u8>);

impl Messages {
    pub(crate) fn new() -> Self {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        };
        Self((0..3 * LONGEST).map(|_| next()).collect())
    }

    /// The message of this number, none longer than `longest`.
    pub(crate) fn get(&self, number: u64, longest: usize) -> &[u8] {
        let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
        let len = mixed as usize % (longest + 1);
        let start = (mixed >> 20) as usize % LONGEST;
        &self.0[start..start + len]
    }
}

pub(crate) fn say(text: impl std::fmt::Display) {
    println!("* {text}");
}

pub(crate) fn wait_for_go() {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).unwrap();
}

/// Not a test, but what the tests' processes run.
#[test]
fn worker() {
    let Ok(work) = std::env::var("KREN_BRIDGE_WORK") else {
        return;
    };
    let words: Vec<&str> = work.split(' ').collect();
    let number = |at: usize| words[at].parse::<u64>().unwrap();
    match words[0] {
        "write" => {
            let ring = words.get(5).map_or(1 << 20, |ring| ring.parse().unwrap());
            write(words[1], number(2)..number(3), number(4) as usize, ring);
        }
        "read" => read(words[1], number(2), number(3) as usize, number(4)),
        "publish" => publish(words[1], number(2), number(3) as usize),
        "subscribe" => subscribe(words[1], number(2), number(3) as usize),
        "schema" => schema(words[1]),
        "schema-read" => schema_read(words[1]),
        "count" => count(words[1], number(2)),
        "read-after" => read_after(words[1], number(2)),
        "relay" => super::relay::run(words[1], words[2]),
        "serve" => super::services::serve(words[1]),
        "ask" => super::services::ask(words[1]),
        "ask-on" => super::services::ask_on(words[1], number(2)),
        "hold" => super::services::hold(words[1], words[2] == "retry"),
        "remove" => kren_core::remove(words[1], true).unwrap(),
        "queue" => {
            let _dealer = kren_core::KrenDealer::create(words[1], 4096).unwrap();
            say("there");
            wait_for_go();
        }
        "send" => super::inboxes::send(words[1], number(2), number(3), number(4) as usize),
        "collect" => super::inboxes::collect(words[1], number(2), number(3), number(4) as usize),
        "speed" => super::speed::work(&words[1..]),
        "say" => speak(words[1], words[2], words[3]),
        other => panic!("{other}"),
    }
}

/// The messages of these numbers, then a close, once it is allowed to.
fn write(name: &str, numbers: Range<u64>, longest: usize, ring: usize) {
    let messages = Messages::new();
    let mut writer = KrenWriter::create(name, ring).unwrap();
    for at in numbers {
        let message = messages.get(at, longest);
        loop {
            match writer.write_tagged(at as u32, message) {
                Ok(()) => break,
                // Its bridge was killed; the next goes on.
                Err(Error::PeerDied { .. } | Error::Closed { .. }) => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
    say("written");
    wait_for_go();
}

/// Messages 0 to `to`, however often its writer is another; pauses so many milliseconds in each hundred.
fn read(name: &str, to: u64, longest: usize, pause: u64) {
    let messages = Messages::new();
    let mut reader = KrenReader::options()
        .timeout(super::support::PATIENCE)
        .connect(name)
        .unwrap();
    let mut at = 0;
    loop {
        let gone = match reader.read_timeout(super::support::PATIENCE) {
            Ok(message) => {
                assert_eq!(message.tag(), at as u32, "another message than expected");
                assert!(
                    message == *messages.get(at, longest),
                    "message {at} is not what was written"
                );
                at += 1;
                if at == to / 4 {
                    say("quarter");
                }
                if at == to / 2 {
                    say("half");
                }
                if pause > 0 && at % 100 == 0 {
                    std::thread::sleep(Duration::from_millis(pause));
                }
                continue;
            }
            Err(error) => error,
        };
        match gone {
            Error::Closed { .. } => break,
            Error::PeerDied { .. } => reader
                .wait_for_writer(Some(super::support::PATIENCE))
                .unwrap(),
            error => panic!("after {at} messages: {error}"),
        }
    }
    assert_eq!(at, to, "the stream ended early");
    say("all");
    wait_for_go();
}

/// Says when so many messages have come to the mirror, as long as they come.
fn count(name: &str, wanted: u64) {
    let (mut before, mut since) = (0, Instant::now());
    loop {
        let seen = kren_core::inspect::channel(name).ok();
        let written = seen.and_then(|seen| Some(seen.segment()?.ring.as_ref()?.written));
        let written = written.unwrap_or(0);
        if written >= wanted {
            return say("so many");
        }
        if written > before {
            (before, since) = (written, Instant::now());
        }
        let waited = since.elapsed();
        assert!(waited < super::support::PATIENCE, "{written} of {wanted}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The end of a stream of which so many messages were lost.
fn read_after(name: &str, lost: u64) {
    let seen = kren_core::inspect::channel(name).unwrap();
    let segment = seen.segment().unwrap();
    assert_eq!(segment.origin.as_ref().unwrap().first, lost);
    let mut reader = KrenReader::connect(name).unwrap();
    say("there");
    let end = reader.read_timeout(super::support::PATIENCE).unwrap_err();
    assert!(matches!(end, Error::Closed { .. }), "{end}");
    say("all");
}

fn publish(name: &str, to: u64, longest: usize) {
    let messages = Messages::new();
    let mut publisher = KrenPublisher::create(name, 1 << 20).unwrap();
    publisher.wait_for_subscribers(1, None).unwrap();
    say("subscribed");
    wait_for_go();
    for at in 0..to {
        publisher
            .write_tagged(at as u32, messages.get(at, longest))
            .unwrap();
    }
    say("written");
    wait_for_go();
}

fn subscribe(name: &str, to: u64, longest: usize) {
    let messages = Messages::new();
    let mut subscriber = KrenSubscriber::options()
        .timeout(super::support::PATIENCE)
        .connect(name)
        .unwrap();
    say("subscribed");
    let mut at = 0;
    loop {
        let gone = match subscriber.read_timeout(super::support::PATIENCE) {
            Ok(message) => {
                assert_eq!(message.tag(), at as u32, "another message than expected");
                assert!(
                    message == *messages.get(at, longest),
                    "message {at} is not what was published"
                );
                at += 1;
                if at == to / 2 {
                    say("half");
                }
                continue;
            }
            Err(error) => error,
        };
        match gone {
            Error::Closed { .. } => break,
            Error::PeerDied { .. } => subscriber
                .wait_for_publisher(Some(super::support::PATIENCE))
                .unwrap(),
            error => panic!("after {at} messages: {error}"),
        }
    }
    assert_eq!(at, to, "the stream ended early");
    say("all");
}

fn orders() -> Schema {
    Schema::new("orders", &"id, price, quantity; ".repeat(60)).unwrap()
}

fn schema(name: &str) {
    let mut writer = KrenWriter::options()
        .schema(&orders())
        .alignment(64)
        .create(name, 8192)
        .unwrap();
    writer.write_tagged(7, b"").unwrap();
    // As long as the ring allows.
    let longest = vec![3; writer.max_message_len()];
    writer.write_tagged(u32::MAX, &longest).unwrap();
    say("written");
    wait_for_go();
    // And dies.
    std::process::abort();
}

fn schema_read(name: &str) {
    let mut reader = KrenReader::options()
        .schema(&orders())
        .timeout(super::support::PATIENCE)
        .connect(name)
        .unwrap();
    assert_eq!((reader.alignment(), reader.capacity()), (64, 8192));
    let first = reader.read_timeout(super::support::PATIENCE).unwrap();
    assert_eq!((first.tag(), first.len()), (7, 0));
    drop(first);
    let second = reader.read_timeout(super::support::PATIENCE).unwrap();
    assert_eq!((second.tag(), second.len()), (u32::MAX, 8192 - 8));
    assert!(second.iter().all(|byte| *byte == 3));
    drop(second);
    say("read");
    let end = reader.read_timeout(super::support::PATIENCE).unwrap_err();
    assert!(matches!(end, Error::PeerDied { .. }), "{end}");
    say("died");
}

/// Says what no bridge says.
fn speak(name: &str, endpoint: &str, what: &str) {
    let config = Config {
        export: vec!["x".into()],
        connect: vec![endpoint.into()],
        ..Config::default()
    };
    let machine = Machine {
        name: "stranger".into(),
        hash: 1,
    };
    let link = Link::open(config.for_zenoh().unwrap(), "default".into(), machine).unwrap();
    let speaker = link.speaker(name, Way::Up).unwrap();
    let bytes = match what {
        "version" => [b"KREN\x63\x10\0\0".as_slice(), &[0; 32]].concat(),
        _ => vec![0xa5; 1000],
    };
    // The other side is found in a moment.
    while link.peers() == 0 {
        std::thread::sleep(Duration::from_millis(20));
    }
    say("linked");
    for _ in 0..100 {
        speaker.say(bytes.clone());
        std::thread::sleep(Duration::from_millis(20));
    }
    link.close();
}
