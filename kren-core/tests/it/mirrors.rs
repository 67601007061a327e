//! Mirrors of channels on other machines, as a bridge makes them (L13).
// Where nothing stays that nobody holds, there are none.
#![cfg(not(windows))]

use crate::support::{Name, PAGE};
use kren_core::bridge::{Left, Stand, remove_lane};
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

/// A bridge's lane in `inbox`, and what a predecessor of it had left.
fn lane(inbox: &str, instance: u64) -> kren_core::Result<(KrenSender, Option<(u64, u64)>)> {
    let mut found = None;
    let origin = ("realm/machine", 7, instance);
    let sender = KrenSender::options().capacity(PAGE).connect_mirror(
        inbox,
        origin,
        &mut |left: Option<Left>| {
            found = left.map(|left| (left.next, left.undelivered));
            Ok(left.map_or(40, |left| left.next))
        },
    )?;
    Ok((sender, found))
}

/// I7: the lane of a bridge that died says what came, also once the inbox has read it to its end; the next bridge goes on at that seat, which
/// nobody else gets, and in which nobody is hindered by a session that was never announced.
#[test]
fn a_lane_goes_on_where_its_predecessor_left_off() {
    let name = Name::new("lane-goes-on");
    let mut inbox = KrenInbox::options().senders(1).create(&name, PAGE).unwrap();
    let mut wanted = 40;
    let mut seats = vec![];
    for life in 0..4 {
        let (mut sender, found) = lane(&name, 1).unwrap();
        let before = (life > 0).then_some((wanted, 0));
        assert_eq!(found, before, "life {life}");
        seats.push(sender.number() >> 32);
        for _ in 0..=life {
            sender.write(b"x").unwrap();
            wanted += 1;
        }
        let refused = lane(&name, 1).map(drop).unwrap_err();
        assert!(matches!(refused, Error::WriterExists { .. }), "{refused}");
        sender.into_writer().break_off().unwrap();
        // Not read yet: who asks is told.
        let mut left = None;
        let options = KrenSender::options();
        let refused = options.connect_mirror(&name, ("realm/machine", 7, 1), &mut |found| {
            left = found;
            Err(Error::Interrupted { channel: "".into() })
        });
        assert!(matches!(refused, Err(Error::Interrupted { .. })));
        let left = left.unwrap();
        assert_eq!((left.next, left.undelivered), (wanted, life + 1));
        for _ in 0..=life {
            assert_eq!(
                &inbox.read_timeout(crate::support::PATIENCE).unwrap()[..],
                b"x"
            );
        }
        while inbox.departures().is_empty() {
            let nothing = inbox.read_timeout(std::time::Duration::from_millis(5));
            assert!(matches!(nothing, Err(Error::TimedOut { .. })));
        }
        let refused = KrenSender::connect(&name).unwrap_err();
        assert!(matches!(refused, Error::NoSeat { .. }), "{refused}");
        let refused = lane(&name, 2).map(drop).unwrap_err();
        assert!(matches!(refused, Error::NoSeat { .. }), "{refused}");
        if life == 2 {
            // The next inbox finds the empty lane, and leaves it too.
            drop(inbox);
            inbox = KrenInbox::create(&name, PAGE).unwrap();
            while inbox.departures().is_empty() {
                let nothing = inbox.read_timeout(std::time::Duration::from_millis(5));
                assert!(matches!(nothing, Err(Error::TimedOut { .. })));
            }
        }
    }
    assert!(seats.iter().all(|seat| *seat == seats[0]), "{seats:?}");
    let lanes: Vec<String> = inspect::names()
        .unwrap()
        .into_iter()
        .filter(|lane| lane.starts_with(&format!("{}@", &*name)))
        .collect();
    assert_eq!(lanes.len(), 1, "{lanes:?}");
    drop(inbox);
    assert!(inspect::channel(&name).is_ok(), "the lane keeps it");
    assert!(remove_lane(&name, &lanes[0]));
    name.assert_nothing_left();
}

/// I7: an inbox that still has the lane of the one before finds the next one's as soon as it is off that.
#[test]
fn a_lane_that_comes_while_its_predecessor_is_read() {
    let name = Name::new("lane-comes-early");
    let mut inbox = KrenInbox::create(&name, PAGE).unwrap();
    let (mut sender, _) = lane(&name, 1).unwrap();
    sender.write(b"one").unwrap();
    assert_eq!(
        &inbox.read_timeout(crate::support::PATIENCE).unwrap()[..],
        b"one"
    );
    sender.into_writer().break_off().unwrap();
    let (mut sender, found) = lane(&name, 1).unwrap();
    assert_eq!(found, Some((41, 0)));
    sender.write(b"two").unwrap();
    assert_eq!(
        &inbox.read_timeout(crate::support::PATIENCE).unwrap()[..],
        b"two"
    );
    drop((sender, inbox));
    for lane in inspect::names().unwrap() {
        if lane.starts_with(&format!("{}@", &*name)) {
            assert!(remove_lane(&name, &lane));
        }
    }
    name.assert_nothing_left();
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
