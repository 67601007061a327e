//! Long streams between two processes, every byte checked (G1, G2).

use crate::support::{Limit, Name, Parts, Process, Role, mix, pattern};
use kren_core::{Error, KrenReader, KrenWriter, Strategy};

pub(crate) const PARTS: Parts = &[
    ("stream writer", stream_writer),
    ("stream reader", stream_reader),
];

const LARGEST: usize = 64 * 1024;

/// Most messages are small, some are as large as it gets, and some are empty.
fn length(at: u64) -> usize {
    let random = mix(at ^ 0x5eed) as usize;
    match random % 16 {
        0 => 0,
        1..=8 => random / 16 % 64,
        9..=12 => random / 16 % 1024,
        13 | 14 => random / 16 % 8192,
        _ => random / 16 % (LARGEST + 1),
    }
}

fn strategy(role: &Role, at: usize) -> Strategy {
    match role.arg::<String>(at).as_str() {
        "sleep" => Strategy::Sleep,
        _ => Strategy::Adaptive,
    }
}

/// Writes by every way there is: whole, reserved, in batches.
fn stream_writer(role: &Role) {
    let (name, capacity, messages): (String, usize, u64) = (role.arg(0), role.arg(1), role.arg(2));
    let mut writer = KrenWriter::options()
        .strategy(strategy(role, 3))
        .create(&name, capacity)
        .unwrap();
    role.say("created", "");
    let mut at = 0;
    while at < messages {
        match mix(at) % 4 {
            0 | 1 => writer
                .write_tagged(at as u32, pattern(at, length(at)))
                .unwrap(),
            2 => {
                let len = length(at);
                let mut slot = writer.reserve(len).unwrap();
                slot.copy_from_slice(pattern(at, len));
                slot.set_tag(at as u32);
                slot.commit();
            }
            _ => {
                let mut batch = writer.batch();
                batch
                    .push_tagged(at as u32, pattern(at, length(at)))
                    .unwrap();
                if at + 1 < messages && 8 * LARGEST < capacity {
                    at += 1;
                    batch
                        .push_tagged(at as u32, pattern(at, length(at)))
                        .unwrap();
                }
                batch.commit();
            }
        }
        at += 1;
    }
    writer.flush().unwrap();
}

fn stream_reader(role: &Role) {
    let (name, messages): (String, u64) = (role.arg(0), role.arg(1));
    let mut reader = KrenReader::options()
        .strategy(strategy(role, 2))
        .connect(&name)
        .unwrap();
    check(&mut reader, messages);
}

fn check(reader: &mut KrenReader, messages: u64) {
    for at in 0..messages {
        let message = reader.read().unwrap();
        assert_eq!(message.tag(), at as u32);
        // Not `assert_eq`: 64 KiB of numbers would help nobody.
        assert!(
            message == pattern(at, length(at)),
            "message {at} is damaged"
        );
    }
    assert!(matches!(reader.read(), Err(Error::Closed { .. })));
}

fn stream(what: &str, capacity: usize, messages: u64, how: &str) {
    let _limit = Limit::new();
    let name = Name::new(what);
    let mut writer = Process::start("stream writer", &[&name, &capacity, &messages, &how]);
    writer.expect("created");
    let reader = Process::start("stream reader", &[&name, &messages, &how]);
    writer.finish();
    reader.finish();
    name.assert_gone();
}

/// G1, G2: 100,000 messages of 0 bytes to 64 KiB.
#[test]
fn a_hundred_thousand_messages_of_every_length() {
    stream("stream", 1 << 20, 100_000, "adaptive");
}

/// G1: the same through a ring that holds one of the largest at a time, so that both sides wait in
/// turn.
#[test]
fn a_stream_through_a_ring_as_large_as_its_largest_message() {
    stream("narrow", LARGEST + 8, 20_000, "adaptive");
}

/// G1, G9: the same when each wait is a sleep: no wake-up is lost in thousands.
#[test]
fn a_stream_that_sleeps_at_every_turn() {
    stream("sleepy", LARGEST + 8, 5_000, "sleep");
}
