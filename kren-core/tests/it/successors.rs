//! A reader that outlasts its writer, a name that is taken away, and yesterday's messages.

use crate::support::{Limit, Name, PAGE, PATIENCE, Parts, Process, Role};
use kren_core::{Error, KrenReader, KrenWriter, Start};
use std::time::Duration;

pub(crate) const PARTS: Parts = &[("writer of words", writer_of_words)];

/// Writes the words of its third argument, says so, and when it is told closes as the second says.
fn writer_of_words(role: &Role) {
    let name: String = role.arg(0);
    let mut writer = KrenWriter::create(&name, PAGE).unwrap();
    for word in role.arg::<String>(2).split_whitespace() {
        writer.write(word.as_bytes()).unwrap();
    }
    role.say("wrote", "");
    role.hear("end");
    match role.arg::<String>(1).as_str() {
        "close" => writer.close().unwrap(),
        "discard" => writer.close_discarding().unwrap(),
        other => panic!("{other}"),
    }
}

fn writer(name: &Name, words: &str) -> Process {
    let mut process = Process::start("writer of words", &[name, &"close", &words]);
    process.expect("wrote");
    process
}

/// The next message, as text.
fn next(reader: &mut KrenReader) -> kren_core::Result<String> {
    let message = reader.read_timeout(PATIENCE)?;
    Ok(String::from_utf8_lossy(&message).into_owned())
}

#[track_caller]
#[allow(
    clippy::needless_pass_by_value,
    reason = "what a call has just returned"
)]
fn timed_out(result: Result<(), Error>) {
    assert!(
        matches!(
            result,
            Err(Error::TimedOut {
                what: "live writer",
                ..
            })
        ),
        "{result:?}"
    );
}

/// The loop of a reader that outlasts deaths: each message of each life once, and a wait in between that ends when
/// the next one comes.
#[test]
fn a_reader_waits_for_the_successor_of_the_dead() {
    let _limit = Limit::new();
    let name = Name::new("successor");
    let mut first = writer(&name, "a b");
    let mut reader = KrenReader::connect(&name).unwrap();
    reader.wait_for_writer(Some(Duration::ZERO)).unwrap();
    first.kill();
    // What the dead one left does not count as a successor, and stays.
    timed_out(reader.wait_for_writer(Some(Duration::from_millis(20))));
    assert_eq!(next(&mut reader).unwrap(), "a");
    assert_eq!(next(&mut reader).unwrap(), "b");
    for life in 0..3 {
        let gone = next(&mut reader);
        if life == 0 {
            assert!(matches!(gone, Err(Error::PeerDied { .. })), "{gone:?}");
        } else {
            assert!(matches!(gone, Err(Error::Closed { .. })), "{gone:?}");
        }
        assert!(gone.unwrap_err().to_string().contains("wait_for_writer"));
        timed_out(reader.wait_for_writer(Some(Duration::ZERO)));
        let mut successor = None;
        reader
            .wait_attached(Some(PATIENCE), &mut || {
                successor.get_or_insert_with(|| writer(&name, "c"));
                Ok(())
            })
            .unwrap();
        successor.unwrap().tell_and_finish();
        assert_eq!(next(&mut reader).unwrap(), "c");
    }
    drop(reader);
    name.assert_gone();
}

/// A writer that came, wrote and went while nobody looked is not waited past.
#[test]
fn a_successor_that_has_come_and_gone_counts() {
    let _limit = Limit::new();
    let name = Name::new("came-and-went");
    let mut first = writer(&name, "a");
    let mut reader = KrenReader::connect(&name).unwrap();
    assert_eq!(next(&mut reader).unwrap(), "a");
    first.kill();
    let gone = next(&mut reader);
    assert!(matches!(gone, Err(Error::PeerDied { .. })), "{gone:?}");
    writer(&name, "b").tell_and_finish();
    reader.wait_for_writer(Some(Duration::ZERO)).unwrap();
    assert_eq!(next(&mut reader).unwrap(), "b");
    let gone = next(&mut reader);
    assert!(matches!(gone, Err(Error::Closed { .. })), "{gone:?}");
    timed_out(reader.wait_for_writer(Some(Duration::ZERO)));
}

/// A waiter on another thread, and `follow` on the reader's own: what event loops do.
#[test]
fn a_waiter_waits_for_a_writer() {
    let _limit = Limit::new();
    let name = Name::new("writer-waiter");
    let mut first = KrenWriter::create(&name, PAGE).unwrap();
    let mut reader = KrenReader::connect(&name).unwrap();
    first.write(b"a").unwrap();
    drop(first);
    assert_eq!(next(&mut reader).unwrap(), "a");
    assert!(matches!(next(&mut reader), Err(Error::Closed { .. })));
    assert!(!reader.follow().unwrap());

    let waiter = reader.writer_waiter().unwrap();
    timed_out(waiter.wait(Some(Duration::from_millis(1))));
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| waiter.wait(None));
        waiter.cancel();
        let cancelled = waits.join().unwrap();
        assert!(
            matches!(cancelled, Err(Error::Interrupted { .. })),
            "{cancelled:?}"
        );
    });
    let waiter = reader.writer_waiter().unwrap();
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| waiter.wait(Some(PATIENCE)));
        let mut second = KrenWriter::create(&name, PAGE).unwrap();
        waits.join().unwrap().unwrap();
        assert!(reader.follow().unwrap());
        second.write(b"b").unwrap();
        assert_eq!(next(&mut reader).unwrap(), "b");
    });
}

/// The script that is run twice: the first run's writer left messages, and the second run's reader starts first.
///
/// Not on Windows, where a name lives as long as a handle to it.
#[cfg(not(windows))]
#[test]
fn a_script_that_is_run_twice() {
    let _limit = Limit::new();
    for (start, expected) in [
        (Start::Oldest, &["yesterday", "today", "tomorrow"][..]),
        (Start::Newest, &["today", "tomorrow"]),
    ] {
        for killed in [false, true] {
            let name = Name::new("twice");
            let mut first = writer(&name, "yesterday");
            if killed {
                first.kill();
            } else {
                first.tell_and_finish();
            }
            let options = KrenReader::options().live_writer(true).start(start);
            let late = options.connect(&name).map(|_| ());
            timed_out(late);
            let mut second = None;
            let mut reader = options
                .connect_within(&name, Some(PATIENCE), &mut || {
                    second.get_or_insert_with(|| writer(&name, "today tomorrow"));
                    Ok(())
                })
                .unwrap();
            assert_eq!(reader.writer_state(), kren_core::PeerState::Attached);
            for word in expected {
                assert_eq!(next(&mut reader).unwrap(), *word);
            }
            second.unwrap().tell_and_finish();
            let end = next(&mut reader);
            assert!(matches!(end, Err(Error::Closed { .. })), "{end:?}");
            drop(reader);
            name.assert_gone();
        }
    }
}

/// `Newest` skips what was there, wakes a writer that waits for the room, and nothing else.
#[test]
fn newest_skips_what_is_there() {
    let _limit = Limit::new();
    let name = Name::new("newest");
    let mut writer = KrenWriter::create(&name, PAGE).unwrap();
    while writer.try_write(&[7; 100]).is_ok() {}
    std::thread::scope(|scope| {
        let writes = scope.spawn(move || {
            writer.write(&[8; 100]).unwrap();
            writer
        });
        let mut reader = KrenReader::options()
            .start(Start::Newest)
            .connect(&name)
            .unwrap();
        // The one that was blocked may have been written before the reader came, or after.
        let mut writer = writes.join().unwrap();
        writer.write(b"last").unwrap();
        let mut got = reader.read().unwrap().to_vec();
        if got == [8; 100] {
            got = reader.read().unwrap().to_vec();
        }
        assert_eq!(got, b"last");
    });
    name.assert_gone();
}

/// Connecting to what does not exist, or to what is deserted, says how long it was waited for.
#[test]
fn what_was_waited_for_is_said() {
    let name = Name::new("waited");
    let error = KrenReader::connect(&name).unwrap_err().to_string();
    assert!(error.contains("timeout"), "{error}");
    let patient = KrenReader::options().timeout(Duration::from_millis(30));
    let error = patient.connect(&name).unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
    let error = error.to_string();
    assert!(error.contains("30 ms"), "{error}");
    assert!(!error.contains("give the reader"), "{error}");
}

/// A stream that is worth nothing once its writer has ended.
#[test]
fn a_writer_may_discard_what_is_undelivered() {
    let _limit = Limit::new();
    let name = Name::new("discard");
    let mut process = Process::start("writer of words", &[&name, &"discard", &"a b"]);
    process.expect("wrote");
    process.tell_and_finish();
    name.assert_gone();

    // A reader that is there gets it all the same, and a reader that follows finds nothing.
    let mut process = Process::start("writer of words", &[&name, &"discard", &"a b"]);
    process.expect("wrote");
    let mut reader = KrenReader::connect(&name).unwrap();
    assert_eq!(next(&mut reader).unwrap(), "a");
    process.tell_and_finish();
    assert_eq!(next(&mut reader).unwrap(), "b");
    assert!(matches!(next(&mut reader), Err(Error::Closed { .. })));
    let late = KrenReader::connect(&name);
    assert!(matches!(late, Err(Error::NotFound { .. })), "{late:?}");
    // And goes on with the next writer, which starts anew.
    let third = writer(&name, "c");
    reader.wait_for_writer(Some(PATIENCE)).unwrap();
    assert_eq!(next(&mut reader).unwrap(), "c");
    third.tell_and_finish();
    drop(reader);
    name.assert_gone();

    // With nothing to discard it is a close like any other.
    let writer = KrenWriter::create(&name, PAGE).unwrap();
    let mut reader = KrenReader::connect(&name).unwrap();
    writer.close_discarding().unwrap();
    let mut writer = KrenWriter::create(&name, PAGE).unwrap();
    writer.write(b"same").unwrap();
    assert_eq!(next(&mut reader).unwrap(), "same");
    drop((writer, reader));
    name.assert_gone();
}

#[cfg(target_os = "linux")]
mod removed {
    use super::*;

    fn remove(name: &Name) {
        std::fs::remove_file(name.path()).unwrap();
    }

    #[track_caller]
    fn removed<T: std::fmt::Debug>(result: kren_core::Result<T>, fate: &str) {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::Removed { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains("no longer leads"), "{text}");
        assert!(text.contains(fate), "{text}");
    }

    /// The reader of a dead writer whose name is gone is told so, and finds the restarted writer; what it had not
    /// read comes first.
    #[test]
    fn a_reader_finds_the_new_channel_of_the_name() {
        let _limit = Limit::new();
        for unread in [false, true] {
            let name = Name::new("new-channel");
            let mut first = writer(&name, "a b");
            let mut reader = KrenReader::connect(&name).unwrap();
            assert_eq!(next(&mut reader).unwrap(), "a");
            if !unread {
                assert_eq!(next(&mut reader).unwrap(), "b");
            }
            first.kill();
            remove(&name);
            if !unread {
                removed(next(&mut reader), "died");
                removed(next(&mut reader), "died");
            }
            timed_out(reader.wait_for_writer(Some(Duration::from_millis(1))));
            let second = writer(&name, "c d");
            reader.wait_for_writer(Some(PATIENCE)).unwrap();
            for word in if unread {
                &["b", "c", "d"][..]
            } else {
                &["c", "d"]
            } {
                assert_eq!(next(&mut reader).unwrap(), *word);
            }
            second.tell_and_finish();
            assert!(matches!(next(&mut reader), Err(Error::Closed { .. })));
            drop(reader);
            name.assert_gone();
        }
    }

    /// The move also comes with `try_read`, for a channel of another capacity, past a held message.
    #[test]
    fn the_move_waits_for_what_is_unread() {
        let name = Name::new("move");
        let mut first = KrenWriter::create(&name, PAGE).unwrap();
        let mut reader = KrenReader::connect(&name).unwrap();
        first.write(b"held").unwrap();
        first.write(b"unread").unwrap();
        drop(first);
        let held = reader.read().unwrap().into_lease();
        remove(&name);
        let mut second = KrenWriter::create(&name, 4 * PAGE).unwrap();
        second.write(b"new").unwrap();
        reader.wait_for_writer(Some(Duration::ZERO)).unwrap();
        assert_eq!(reader.try_read().unwrap().unwrap(), b"unread");
        assert_eq!(reader.try_read().unwrap().unwrap(), b"new");
        assert_eq!(reader.capacity(), 4 * PAGE);
        assert_eq!(&held[..], b"held");
        assert!(reader.try_read().unwrap().is_none());
        drop((second, held, reader));
        name.assert_gone();
    }

    /// A blocked reader notices, also when it was asleep already.
    #[test]
    fn a_blocked_reader_is_told() {
        let _limit = Limit::new();
        let name = Name::new("blocked-removed");
        let mut first = writer(&name, "a");
        let mut reader = KrenReader::connect(&name).unwrap();
        assert_eq!(next(&mut reader).unwrap(), "a");
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| next(&mut reader));
            remove(&name);
            first.kill();
            removed(waits.join().unwrap(), "died");
        });
    }

    /// A writer that nobody can come to any more does not wait for ever, whoever was there before.
    #[test]
    fn a_writer_is_told_that_nobody_can_come() {
        let _limit = Limit::new();
        for before in ["nobody", "closed", "here"] {
            let name = Name::new("written-into-nothing");
            let mut writer = KrenWriter::create(&name, PAGE).unwrap();
            let reader = (before != "nobody").then(|| KrenReader::connect(&name).unwrap());
            let mut reader = reader.filter(|_| before == "here");
            while writer.try_write(&[1; 100]).is_ok() {}
            let fate = match before {
                "nobody" => "has not come",
                _ => "has closed",
            };
            // Whoever waits while the name is there is told of the close.
            if before == "closed" {
                remove(&name);
            }
            std::thread::scope(|scope| {
                let waits = scope.spawn(move || {
                    let result = writer.write_timeout(&[2; 100], PATIENCE);
                    (writer, result)
                });
                if before != "closed" {
                    remove(&name);
                }
                if let Some(reader) = &mut reader {
                    assert!(reader.is_removed());
                    // Side by side both go on.
                    assert_eq!(reader.read().unwrap(), &[1; 100]);
                }
                let (mut writer, result) = waits.join().unwrap();
                if before == "here" {
                    result.unwrap();
                    drop(reader);
                    while writer.try_write(&[1; 100]).is_ok() {}
                    removed(writer.write_timeout(&[2; 100], PATIENCE), fate);
                } else {
                    removed(result, fate);
                }
                removed(writer.flush(), fate);
                assert!(writer.is_removed());
            });
        }
    }

    /// A second pair under the name does not disturb the first, which lives on, and hears of it when one side goes.
    #[test]
    fn two_pairs_of_one_name() {
        let _limit = Limit::new();
        let name = Name::new("two-pairs");
        let mut first = writer(&name, "a");
        let mut reader = KrenReader::connect(&name).unwrap();
        remove(&name);
        let second = writer(&name, "b");
        let mut other = KrenReader::connect(&name).unwrap();
        assert_eq!(next(&mut other).unwrap(), "b");
        assert_eq!(next(&mut reader).unwrap(), "a");
        assert!(matches!(
            reader.read_timeout(Duration::from_millis(250)),
            Err(Error::TimedOut { .. })
        ));
        first.kill();
        removed(next(&mut reader), "died");
        // Somebody else reads the new channel.
        let taken = reader.wait_for_writer(Some(Duration::ZERO));
        assert!(
            matches!(taken, Err(Error::ReaderExists { .. })),
            "{taken:?}"
        );
        second.tell_and_finish();
        drop((reader, other));
        name.assert_gone();
    }
}
