//! Mirrors of channels on other machines, as a bridge makes them (L13).
// Where nothing stays that nobody holds, there are none.
#![cfg(not(windows))]

use crate::support::{Name, PAGE};
use kren_core::bridge::Stand;
use kren_core::{Error, KrenInbox, KrenReader, KrenSender, KrenWriter, WriterOptions, inspect};

fn mirror(instance: u64, first: u64) -> WriterOptions {
    KrenWriter::options().mirror_of("realm/machine", 7, instance, first)
}

/// L13: what has come is known by the count, so it outlasts both sides, also of an empty one.
#[test]
fn a_mirror_keeps_its_name_and_its_count() {
    let name = Name::new("mirror-stays");
    let mut writer = mirror(1, 40).create(&name, PAGE).unwrap();
    let mut reader = KrenReader::connect(&name).unwrap();
    writer.write(b"one").unwrap();
    writer.write(b"two").unwrap();
    assert_eq!(reader.read().unwrap(), b"one");
    assert_eq!(reader.read().unwrap(), b"two");
    drop(writer);
    assert!(matches!(reader.read(), Err(Error::Closed { .. })));
    drop(reader);

    let seen = inspect::channel(&name).unwrap();
    let segment = seen.segment().unwrap();
    let origin = segment.origin.as_ref().unwrap();
    assert_eq!((origin.name.as_str(), origin.hash), ("realm/machine", 7));
    assert_eq!((origin.instance, origin.first), (1, 40));
    assert_eq!(segment.ring.as_ref().unwrap().written, 2);

    let again = mirror(1, 40).create(&name, PAGE).unwrap();
    assert_eq!(again.outline().count, 2);
    drop(again);
    kren_core::remove(&name, false).unwrap();
}

/// L13: messages of two origins are never in one segment.
#[test]
fn a_mirror_of_something_else_waits_until_all_is_delivered() {
    let name = Name::new("mirror-other");
    let mut writer = mirror(1, 0).create(&name, PAGE).unwrap();
    writer.write(b"one").unwrap();
    drop(writer);
    for refused in [mirror(2, 0), mirror(1, 1), KrenWriter::options()] {
        let error = refused.create(&name, PAGE).unwrap_err();
        assert!(matches!(error, Error::InvalidOption { .. }), "{error}");
    }

    let mut reader = KrenReader::connect(&name).unwrap();
    assert_eq!(reader.read().unwrap(), b"one");
    let mut next = mirror(2, 9).create(&name, PAGE).unwrap();
    next.write(b"another").unwrap();
    // It was told of the end, and moves over.
    assert!(matches!(reader.read(), Err(Error::Closed { .. })));
    reader.wait_for_writer(None).unwrap();
    assert_eq!(reader.read().unwrap(), b"another");
    drop((next, reader));

    // An ordinary channel takes the place of an empty mirror, and goes as such do.
    let ordinary = KrenWriter::create(&name, PAGE).unwrap();
    assert!(
        inspect::channel(&name)
            .unwrap()
            .segment()
            .unwrap()
            .origin
            .is_none()
    );
    drop(ordinary);
    assert!(matches!(
        inspect::channel(&name),
        Err(Error::NotFound { .. })
    ));
}

/// I8: who stands for an inbox gets its lanes one by one, each once, and again what was given up; and is known as one who stands for another.
#[test]
fn lanes_one_by_one() {
    let name = Name::new("stand");
    let mut early = KrenSender::connect(&name).unwrap();
    early.write(b"early").unwrap();
    let mut stand = Stand::create(&name, PAGE, 8, 64, 9).unwrap();
    let mut first = stand.arrivals();
    assert_eq!(first.len(), 1);
    let late = KrenSender::connect(&name).unwrap();
    let mut second = stand.arrivals();
    assert_eq!(second.len(), 1);
    let second = second.pop().unwrap().unwrap();
    assert_eq!(second.sender.number, late.number());
    assert!(stand.arrivals().is_empty());
    let mut arrival = first.pop().unwrap().unwrap();
    assert_eq!(arrival.reader.read().unwrap(), b"early");
    drop(arrival.reader);
    stand.give_up(arrival.sender);
    assert_eq!(stand.arrivals().len(), 1);
    let seen = inspect::channel(&name).unwrap();
    assert!(seen.segment().unwrap().stands_for_another());
    drop((stand, second));
    let inbox = KrenInbox::create(&name, PAGE).unwrap();
    let seen = inspect::channel(&name).unwrap();
    assert!(!seen.segment().unwrap().stands_for_another());
    drop((early, late, inbox));
    name.assert_nothing_left();
}
