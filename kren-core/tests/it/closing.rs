//! The end of a channel: closing, draining, and what stays under the name (G4).

use crate::support::{Limit, Name, PAGE, Parts, Process, Role};
use kren_core::{Error, KrenReader, KrenWriter, PeerState};
use std::time::Duration;

pub(crate) const PARTS: Parts = &[
    ("writer that closes", writer_that_closes),
    ("reader that closes", reader_that_closes),
];

fn writer_that_closes(role: &Role) {
    let mut writer = KrenWriter::create(&role.arg::<String>(0), PAGE).unwrap();
    role.say("attached", "");
    role.hear("write");
    writer.write(b"last words").unwrap();
    role.say("written", "");
    role.hear("close");
    writer.close().unwrap();
}

fn reader_that_closes(role: &Role) {
    let mut reader = KrenReader::connect(&role.arg::<String>(0)).unwrap();
    role.say("attached", "");
    for _ in 0..role.arg(1) {
        drop(reader.read().unwrap());
    }
    role.say("read", "");
    role.hear("close");
    reader.close().unwrap();
}

/// G4: a writer whose work was broken off is no clean end, though its process lives, and its successor goes on.
#[test]
fn a_writer_that_breaks_off_is_taken_for_dead() {
    let _limit = Limit::new();
    let name = Name::new("break-off");
    let mut writer = KrenWriter::create(&name, PAGE).unwrap();
    let mut reader = KrenReader::connect(&name).unwrap();
    writer.write(b"last words").unwrap();
    let waiting = std::thread::spawn(move || {
        assert_eq!(reader.read().unwrap(), b"last words");
        let error = reader.read().unwrap_err();
        assert!(matches!(error, Error::PeerDied { .. }), "{error}");
        // Who leaves looks whether it is the last one, and has the role once more for an instant.
        while reader.writer_state() != PeerState::Died {
            std::thread::yield_now();
        }
        reader
    });
    writer.flush().unwrap();
    writer.break_off().unwrap();
    let mut reader = waiting.join().unwrap();
    let mut successor = KrenWriter::create(&name, PAGE).unwrap();
    successor.write(b"more").unwrap();
    assert_eq!(reader.read().unwrap(), b"more");
    drop(successor);
    reader.close().unwrap();
    name.assert_gone();
}

/// G4: after a clean close the reader gets what was committed, then `Closed`, and nothing is left.
#[test]
fn a_close_is_seen_after_the_last_message() {
    let _limit = Limit::new();
    let name = Name::new("close");
    let mut writer = Process::start("writer that closes", &[&name]);
    writer.expect("attached");
    let mut reader = KrenReader::connect(&name).unwrap();
    writer.tell("write");
    writer.expect("written");
    assert_eq!(reader.writer_state(), PeerState::Attached);
    writer.tell("close");
    writer.finish();
    assert_eq!(reader.writer_state(), PeerState::Closed);
    assert!(reader.is_writer_closed());
    assert_eq!(reader.read().unwrap(), b"last words");
    for _ in 0..3 {
        let error = reader.read().map(|_| ()).unwrap_err();
        assert!(
            matches!(
                error,
                Error::Closed {
                    peer: kren_core::Role::Writer,
                    ..
                }
            ),
            "{error}"
        );
    }
    assert!(reader.try_read().unwrap().is_none());
    drop(reader);
    name.assert_gone();
}

/// G4: a reader that sleeps is told of the close.
#[test]
fn a_close_wakes_a_blocked_reader() {
    let _limit = Limit::new();
    let name = Name::new("close-blocked");
    let mut writer = Process::start("writer that closes", &[&name]);
    writer.expect("attached");
    let mut reader = KrenReader::connect(&name).unwrap();
    writer.tell("write");
    assert_eq!(reader.read().unwrap(), b"last words");
    writer.expect("written");
    let mut told = false;
    let mut tell = || {
        if !std::mem::replace(&mut told, true) {
            writer.tell("close");
        }
        Ok(())
    };
    let ended = reader.wait_readable(None, &mut tell);
    assert!(matches!(ended, Err(Error::Closed { .. })), "{ended:?}");
}

/// G4: a writer that waits for room, or for the end of delivery, is told that its reader closed.
#[test]
fn a_close_wakes_a_blocked_writer() {
    let _limit = Limit::new();
    for drains in [false, true] {
        let name = Name::new("close-full");
        let mut writer = KrenWriter::create(&name, PAGE).unwrap();
        let mut reader = Process::start("reader that closes", &[&name, &0]);
        reader.expect("attached");
        reader.expect("read");
        writer.write(&[0; PAGE - 8]).unwrap();
        let mut told = false;
        let mut tell = || {
            if !std::mem::replace(&mut told, true) {
                reader.tell("close");
            }
            Ok(())
        };
        let ended = match drains {
            false => writer.wait_writable(1, None, &mut tell),
            true => writer.wait_drained(None, &mut tell),
        };
        assert!(
            matches!(
                ended,
                Err(Error::Closed {
                    peer: kren_core::Role::Reader,
                    ..
                })
            ),
            "{ended:?}"
        );
        assert!(matches!(writer.write(b"x"), Err(Error::Closed { .. })));
        assert_eq!(writer.reader_state(), PeerState::Closed);
        // The message is still there for another reader, and then writing goes on.
        let mut another = KrenReader::connect(&name).unwrap();
        assert_eq!(another.read().unwrap(), &[0; PAGE - 8]);
        writer.write(b"goes on").unwrap();
        assert_eq!(another.read().unwrap(), b"goes on");
    }
}

/// Undelivered messages outlive the writer; the last one out of a drained channel removes the name.
///
/// Not on Windows, where a name lives as long as a handle to it.
#[cfg(not(windows))]
#[test]
fn undelivered_messages_keep_the_name() {
    let name = Name::new("undelivered");
    let mut writer = KrenWriter::create(&name, PAGE).unwrap();
    writer.write(b"one").unwrap();
    writer.write(b"two").unwrap();
    writer.close().unwrap();

    let mut reader = KrenReader::connect(&name).unwrap();
    assert_eq!(reader.writer_state(), PeerState::Closed);
    assert_eq!(reader.read().unwrap(), b"one");
    reader.close().unwrap();

    let mut reader = KrenReader::connect(&name).unwrap();
    assert_eq!(reader.read().unwrap(), b"two");
    reader.close().unwrap();
    name.assert_gone();
}

/// Whichever side goes last, and if a message is in use while it goes.
#[test]
fn the_last_side_out_removes_the_name() {
    for writer_first in [true, false] {
        for read_first in [true, false] {
            let name = Name::new("last-out");
            let mut writer = KrenWriter::create(&name, PAGE).unwrap();
            let mut reader = KrenReader::connect(&name).unwrap();
            writer.write(b"x").unwrap();
            if read_first {
                assert_eq!(reader.read().unwrap(), b"x");
            }
            if writer_first {
                drop(writer);
                drop(reader);
            } else {
                drop(reader);
                drop(writer);
            }
            // On Windows the name goes with the last side whether or not all was delivered.
            if read_first || cfg!(windows) {
                name.assert_gone();
            } else {
                assert_eq!(KrenReader::connect(&name).unwrap().read().unwrap(), b"x");
                name.assert_gone();
            }
        }
    }
}

/// Two sides that close at the same moment: the name goes, every time.
#[test]
fn two_sides_that_close_together_leave_nothing() {
    let _limit = Limit::new();
    let start = std::sync::Barrier::new(2);
    for _ in 0..500 {
        let name = Name::new("together");
        let writer = KrenWriter::create(&name, PAGE).unwrap();
        let reader = KrenReader::connect(&name).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                start.wait();
                drop(writer);
            });
            start.wait();
            drop(reader);
        });
        name.assert_gone();
    }
}

/// A closed channel is taken up by a new writer, and its reader, told once, goes on.
#[test]
fn a_reader_goes_on_with_a_new_writer() {
    let _limit = Limit::new();
    let name = Name::new("new-writer");
    let mut writer = KrenWriter::create(&name, PAGE).unwrap();
    let mut reader = KrenReader::connect(&name).unwrap();
    for round in 0..50u32 {
        writer.write(&round.to_le_bytes()).unwrap();
        drop(writer);
        assert_eq!(reader.read().unwrap(), &round.to_le_bytes());
        assert!(matches!(reader.read(), Err(Error::Closed { .. })));
        writer = KrenWriter::create(&name, PAGE).unwrap();
        let nothing = reader.read_timeout(Duration::from_millis(1)).map(|_| ());
        assert!(
            matches!(nothing, Err(Error::TimedOut { .. })),
            "{nothing:?}"
        );
    }
}

/// `flush` and `drain` return when everything was released, and not before.
#[test]
fn a_flush_waits_for_the_last_release() {
    let _limit = Limit::new();
    let name = Name::new("flush");
    let mut writer = KrenWriter::create(&name, PAGE).unwrap();
    writer.flush().unwrap();
    let mut reader = KrenReader::connect(&name).unwrap();
    writer.write(b"1").unwrap();
    writer.write(b"2").unwrap();
    let late = writer.drain(Duration::from_millis(5));
    assert!(
        matches!(
            late,
            Err(Error::TimedOut {
                what: "end of delivery",
                ..
            })
        ),
        "{late:?}"
    );
    drop(reader.read().unwrap());
    let message = reader.read().unwrap();
    let late = writer.drain(Duration::ZERO);
    assert!(
        matches!(late, Err(Error::TimedOut { .. })),
        "a message in use is not delivered"
    );
    drop(message);
    writer.drain(Duration::ZERO).unwrap();

    drop((writer, reader));

    let mut flushed = KrenWriter::create(&name, PAGE).unwrap();
    flushed.write(b"3").unwrap();
    let mut other = Process::start("reader that closes", &[&name, &1]);
    flushed.flush().unwrap();
    other.expect("attached");
    other.expect("read");
    other.tell("close");
    other.finish();
}

/// A channel whose name was taken away works on, and its name is free.
#[cfg(target_os = "linux")]
#[test]
fn a_channel_removed_while_in_use_works_on() {
    let name = Name::new("removed");
    let mut writer = KrenWriter::create(&name, PAGE).unwrap();
    let mut reader = KrenReader::connect(&name).unwrap();
    std::fs::remove_file(name.path()).unwrap();
    let mut second = KrenWriter::create(&name, PAGE).unwrap();
    writer.write(b"first").unwrap();
    second.write(b"second").unwrap();
    assert_eq!(reader.read().unwrap(), b"first");
    drop((writer, reader));
    // The old one has not taken the new one's name with it.
    assert_eq!(
        KrenReader::connect(&name).unwrap().read().unwrap(),
        b"second"
    );
}
