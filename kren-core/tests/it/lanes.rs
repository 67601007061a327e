//! Lanes of inboxes whose senders are on other machines, as a bridge makes them (I7). Where shared memory is listed, for what is left.

use crate::support::{Name, PAGE};
use kren_core::bridge::{Left, remove_lane};
use kren_core::{Error, KrenInbox, KrenSender, inspect};

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
