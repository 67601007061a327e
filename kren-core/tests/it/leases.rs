//! Messages that are held, and released in any order, by any thread, also after their reader.

use crate::support::{Limit, Name, PAGE, Parts, Process, Role, mix, pattern};
use kren_core::{Error, KrenReader, KrenWriter, Lease, PeerState, Strategy};

pub(crate) const PARTS: Parts = &[("lease holder", holder)];

/// What a message of `len` bytes takes in the ring.
fn taken(len: usize) -> usize {
    (len + 8).next_multiple_of(8)
}

fn lease(reader: &mut KrenReader) -> Lease {
    reader.try_read().unwrap().expect("a message").into_lease()
}

/// G2: held messages stay as they are, whatever is read and written meanwhile.
///
/// A random walk over many laps against a list of what should be held: lengths, order of release and
/// messages that are read in passing are all random.
#[test]
fn held_messages_stay_whole_until_they_are_released() {
    let name = Name::new("lease-walk");
    let mut writer = KrenWriter::create(&name, PAGE).unwrap();
    let mut reader = KrenReader::connect(&name).unwrap();
    let (mut written, mut read, mut random) = (0, 0, 0);
    let length = |at: u64| mix(at) as usize % 300;
    let mut held: Vec<(u64, Lease)> = vec![];
    while written < 20_000 {
        random += 1;
        match mix(random ^ 0x55) % 4 {
            0 | 1 => {
                match writer.try_write_tagged(written as u32, pattern(written, length(written))) {
                    Ok(()) => written += 1,
                    Err(Error::Full { .. }) => held.clear(),
                    Err(error) => panic!("{error}"),
                }
            }
            2 if read < written => {
                let message = reader.try_read().unwrap().expect("written");
                assert_eq!(message, pattern(read, length(read)));
                if !mix(random).is_multiple_of(3) {
                    held.push((read, message.into_lease()));
                }
                read += 1;
            }
            3 if !held.is_empty() => {
                let (at, lease) = held.swap_remove(mix(random) as usize % held.len());
                assert_eq!(&lease[..], pattern(at, length(at)));
                assert_eq!(lease.tag(), at as u32);
            }
            _ => {}
        }
        let oldest = held.iter().map(|(at, _)| *at).min().unwrap_or(read);
        let expected: usize = (oldest..read).map(|at| taken(length(at))).sum();
        assert_eq!(reader.held(), expected);
    }
    for (at, lease) in &held {
        assert_eq!(&lease[..], pattern(*at, length(*at)));
    }
}

/// G2: the writer gets bytes back up to the first message that is still held, and no further.
#[test]
fn the_released_prefix_is_given_back() {
    let name = Name::new("lease-prefix");
    let mut writer = KrenWriter::create(&name, PAGE).unwrap();
    let mut reader = KrenReader::connect(&name).unwrap();
    let room = writer.available();
    for at in 0..4 {
        writer.write(pattern(at, 100)).unwrap();
    }
    let [first, second, third] = std::array::from_fn(|_| lease(&mut reader));
    // Read in passing, behind the held ones.
    assert_eq!(reader.read().unwrap(), pattern(3, 100));
    assert_eq!(reader.held(), 4 * taken(100));
    drop(second);
    assert_eq!(writer.available(), room - 4 * taken(100));
    drop(first);
    assert_eq!(writer.available(), room - 2 * taken(100));
    assert_eq!(reader.held(), 2 * taken(100));
    drop(third);
    assert_eq!(writer.available(), room);
    assert_eq!(reader.held(), 0);
    writer.write(b"as before").unwrap();
    assert_eq!(reader.read().unwrap(), b"as before");
    assert_eq!(writer.available(), room);
}

/// G9: a release by another thread wakes a writer that sleeps for the room. A writer that were not woken would
/// look again after 100 ms, and 1000 of these take longer than the limit.
#[test]
fn a_release_elsewhere_wakes_the_writer() {
    let _limit = Limit::new();
    let name = Name::new("lease-wakes");
    let asleep = KrenWriter::options().strategy(Strategy::Sleep);
    let mut writer = asleep.create(&name, PAGE).unwrap();
    let mut reader = KrenReader::connect(&name).unwrap();
    for round in 0..1000 {
        writer.write(pattern(round, PAGE - 8)).unwrap();
        let lease = lease(&mut reader);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                assert_eq!(&lease[..], pattern(round, PAGE - 8));
                drop(lease);
            });
            writer.write(b"room").unwrap();
        });
        assert_eq!(reader.read().unwrap(), b"room");
    }
}

/// G1: leases released by several threads at once while the reader reads on.
#[test]
fn many_threads_release_what_one_reads() {
    let _limit = Limit::new();
    const MESSAGES: u64 = 30_000;
    let name = Name::new("lease-threads");
    let mut writer = KrenWriter::create(&name, 4 * PAGE).unwrap();
    let mut reader = KrenReader::connect(&name).unwrap();
    let length = |at: u64| mix(at) as usize % 400;
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for at in 0..MESSAGES {
                writer.write(pattern(at, length(at))).unwrap();
            }
        });
        let workers: [_; 3] = std::array::from_fn(|_| {
            let (give, get) = std::sync::mpsc::sync_channel::<(u64, Lease)>(4);
            scope.spawn(move || {
                for (at, lease) in get {
                    assert_eq!(&lease[..], pattern(at, length(at)));
                }
            });
            give
        });
        for at in 0..MESSAGES {
            let message = reader.read().unwrap();
            match mix(at) as usize % 4 {
                3 => assert_eq!(message, pattern(at, length(at))),
                worker => workers[worker].send((at, message.into_lease())).unwrap(),
            }
        }
        drop(workers);
    });
    assert_eq!(reader.held(), 0);
}

/// G4, G5: a reader that closes while messages are held is closed to its writer at once, and keeps the role until
/// the last of them is released.
#[test]
fn a_reader_that_closes_while_messages_are_held() {
    let _limit = Limit::new();
    let name = Name::new("lease-close");
    let mut writer = KrenWriter::create(&name, PAGE).unwrap();
    let mut reader = KrenReader::connect(&name).unwrap();
    writer.write(pattern(0, 1000)).unwrap();
    writer.write(pattern(1, PAGE - 1016)).unwrap();
    let [first, second] = std::array::from_fn(|_| lease(&mut reader));
    reader.close().unwrap();
    assert_eq!(writer.reader_state(), PeerState::Closed);
    let told = writer.write(b"x");
    assert!(matches!(told, Err(Error::Closed { .. })), "{told:?}");

    drop(second);
    let refused = KrenReader::connect(&name);
    assert!(
        matches!(refused, Err(Error::ReaderExists { .. })),
        "{refused:?}"
    );
    assert_eq!(&first[..], pattern(0, 1000));
    drop(first);
    // What was held and released has been delivered: once.
    let mut next = KrenReader::connect(&name).unwrap();
    assert!(next.try_read().unwrap().is_none());
    writer.write(b"for the next").unwrap();
    assert_eq!(next.read().unwrap(), b"for the next");
}

/// The last lease of a closed reader closes the channel: its name goes if nothing is left, and stays if
/// something is.
#[test]
fn the_last_lease_is_the_last_side() {
    let _limit = Limit::new();
    for (left, is_gone) in [(0, true), (1, false)] {
        let name = Name::new("lease-last");
        let mut writer = KrenWriter::create(&name, PAGE).unwrap();
        let mut reader = KrenReader::connect(&name).unwrap();
        for at in 0..=left {
            writer.write(pattern(at, 10)).unwrap();
        }
        let lease = lease(&mut reader);
        drop(reader);
        drop(writer);
        assert_eq!(&lease[..], pattern(0, 10));
        drop(lease);
        // On Windows nothing stays where nobody is.
        if is_gone || cfg!(windows) {
            name.assert_gone();
        } else {
            let mut reader = KrenReader::connect(&name).unwrap();
            assert_eq!(reader.read().unwrap(), pattern(1, 10));
            assert!(matches!(reader.read(), Err(Error::Closed { .. })));
        }
    }
}

/// Holds the first two of what it is sent, releases the second, and reads on.
fn holder(role: &Role) {
    let mut reader = KrenReader::connect(&role.arg::<String>(0)).unwrap();
    let first = reader.read().unwrap().into_lease();
    drop(reader.read().unwrap().into_lease());
    assert_eq!(reader.read().unwrap(), pattern(2, 10));
    role.say("holds", first.len());
    role.linger();
}

/// G3: a reader that dies has released what came before the first message it held. The others come again.
#[test]
fn what_a_dead_reader_held_comes_again() {
    let _limit = Limit::new();
    let name = Name::new("lease-death");
    let mut writer = KrenWriter::create(&name, PAGE).unwrap();
    for at in 0..4 {
        writer.write(pattern(at, 10)).unwrap();
    }
    let mut holder = Process::start("lease holder", &[&name]);
    holder.expect("holds");
    holder.kill();
    assert_eq!(writer.reader_state(), PeerState::Died);
    let mut reader = KrenReader::connect(&name).unwrap();
    for at in 0..4 {
        assert_eq!(reader.read().unwrap(), pattern(at, 10));
    }
}

/// The memory stays mapped for who asked for it, and keeps neither role nor name.
#[test]
fn memory_outlives_its_endpoints() {
    let name = Name::new("lease-mapped");
    let mut writer = KrenWriter::create(&name, PAGE).unwrap();
    let mut reader = KrenReader::connect(&name).unwrap();
    writer.write(b"still there").unwrap();
    let lease = lease(&mut reader);
    let (address, len) = (lease.as_ptr(), lease.len());
    let mapped = (reader.mapped(), writer.mapped());
    drop((lease, reader, writer));
    name.assert_gone();
    drop(mapped.1);
    // SAFETY: mapped for as long as `mapped` lives; nobody is left to store there.
    #[allow(unsafe_code)]
    let bytes = unsafe { std::slice::from_raw_parts(address, len) };
    assert_eq!(bytes, b"still there");
}

/// A slot that is given up and asked for again is the same place, with what was stored there.
#[test]
fn a_slot_given_up_is_found_again() {
    let name = Name::new("slot-again");
    let mut writer = KrenWriter::create(&name, PAGE).unwrap();
    let mut reader = KrenReader::connect(&name).unwrap();
    let mut slot = writer.try_reserve(100).unwrap();
    slot.copy_from_slice(pattern(1, 100));
    let place = slot.as_ptr();
    drop(slot);
    let slot = writer.try_reserve(100).unwrap();
    assert_eq!(slot.as_ptr(), place);
    slot.commit_len(60).unwrap();
    assert_eq!(reader.read().unwrap(), pattern(1, 60));
}

/// G3: what is left to the next reader goes to it, and all that was read after it; the role goes with the reader that has
/// nothing else in its hands.
#[test]
fn a_held_message_may_be_left_to_the_next_reader() {
    let _limit = Limit::new();
    let name = Name::new("kept");
    let mut writer = KrenWriter::create(&name, PAGE).unwrap();
    for text in ["zero", "one", "two", "three"] {
        writer.write(text.as_bytes()).unwrap();
    }
    let mut reader = KrenReader::connect(&name).unwrap();
    let zero = reader.read().unwrap().into_lease();
    let one = reader.read().unwrap().into_lease();
    let two = reader.read().unwrap().into_lease();
    drop(reader.read().unwrap());
    drop(zero);
    one.keep();
    drop(reader);
    // One is still in somebody's hands.
    let held = KrenReader::connect(&name).unwrap_err();
    assert!(matches!(held, Error::ReaderExists { .. }), "{held}");
    drop(two);
    let mut next = KrenReader::connect(&name).unwrap();
    for text in ["one", "two", "three"] {
        assert_eq!(next.read().unwrap(), text.as_bytes());
    }
    assert!(next.try_read().unwrap().is_none());
}
