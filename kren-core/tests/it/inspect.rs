//! Looking at channels from outside: what is seen is right, whatever stands there, and nobody is disturbed.

use crate::support::{Limit, Name, PAGE, PATIENCE, Parts, Process, Role, pattern};
use kren_core::inspect::{self, Contents, Kind, Seen, Stance, State, Tail, TailFrom};
use kren_core::{Error, KrenPublisher, KrenReader, KrenSubscriber, KrenWriter, PeerState};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime};

pub(crate) const PARTS: Parts = &[
    ("writer that lingers", writer_that_lingers),
    ("reader that lingers", reader_that_lingers),
    ("stream beside lookers", stream_beside_lookers),
];

fn writer_that_lingers(role: &Role) {
    let (name, messages): (String, u64) = (role.arg(0), role.arg(1));
    let mut writer = KrenWriter::create(&name, PAGE).unwrap();
    for at in 0..messages {
        writer.write(&at.to_le_bytes()).unwrap();
    }
    role.say("ready", messages);
    role.linger()
}

fn reader_that_lingers(role: &Role) {
    let name: String = role.arg(0);
    let _reader = KrenReader::options().timeout(PATIENCE).connect(&name);
    role.say("ready", 0);
    role.linger()
}

#[track_caller]
fn state(name: &str) -> State {
    inspect::channel(name).unwrap().state(None)
}

/// Waits until what is seen of the channel is so.
#[track_caller]
fn wait_for(name: &str, wanted: State) {
    let _limit = Limit::new();
    while state(name) != wanted {
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn every_state_of_a_channel_is_seen_as_what_it_is() {
    let _limit = Limit::new();
    let name = Name::new("seen");
    assert!(matches!(
        inspect::channel(&name),
        Err(Error::NotFound { .. })
    ));
    assert!(matches!(
        inspect::channel("a/b"),
        Err(Error::InvalidName { .. })
    ));

    let mut writer = Process::start("writer that lingers", &[&name, &3]);
    writer.expect("ready");
    assert_eq!(state(&name), State::WaitingForReader);
    let seen = inspect::channel(&name).unwrap();
    let segment = seen.segment().unwrap();
    assert_eq!(segment.kind, Kind::Channel);
    assert_eq!(segment.capacity, PAGE);
    assert_eq!(seen.mode, Some(0o600));
    assert_eq!(segment.writer.pid, writer.pid());
    assert_eq!(segment.writer.session, 1);
    assert!(segment.readers.is_empty());
    assert!(segment.created.unwrap() <= SystemTime::now());
    assert!(segment.writer.since.unwrap() >= segment.created.unwrap());
    let ring = segment.ring.as_ref().unwrap();
    assert_eq!((ring.written, ring.undelivered(), ring.used()), (3, 3, 48));

    let mut reader = Process::start("reader that lingers", &[&name]);
    reader.expect("ready");
    assert_eq!(state(&name), State::Idle);
    assert_eq!(
        inspect::channel(&name).unwrap().segment().unwrap().readers[0].pid,
        reader.pid()
    );
    writer.kill();
    assert_eq!(state(&name), State::WriterDied);
    reader.kill();
    assert_eq!(state(&name), State::Undelivered);

    let mut writer = Process::start("writer that lingers", &[&name, &0]);
    writer.expect("ready");
    assert_eq!(state(&name), State::ReaderDied);
    let mut mine = KrenReader::connect(&name).unwrap();
    let before = inspect::channel(&name).unwrap();
    for _ in 0..3 {
        mine.read().unwrap();
    }
    let now = inspect::channel(&name).unwrap();
    assert_eq!(now.state(Some(&before)), State::Flowing);
    assert_eq!(now.state(Some(&now)), State::Idle);
    writer.kill();
    assert_eq!(state(&name), State::WriterDied);
    mine.close().unwrap();
    name.assert_gone();
}

#[test]
fn a_writer_without_room_is_full_and_one_that_flushes_is_not() {
    let name = Name::new("full");
    let mut writer = KrenWriter::create(&name, PAGE).unwrap();
    let mut reader = KrenReader::connect(&name).unwrap();
    let begun = SystemTime::now();
    writer.write(b"short").unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            writer.flush().unwrap();
            for at in 0..3 {
                writer.write(&vec![at; PAGE / 2]).unwrap();
            }
        });
        let _limit = Limit::new();
        let is_asleep = || {
            let seen = inspect::channel(&name).unwrap();
            seen.segment().unwrap().writer.is_asleep
        };
        while !is_asleep() {
            std::thread::yield_now();
        }
        assert_eq!(state(&name), State::Idle);
        assert_eq!(reader.read().unwrap(), *b"short");
        wait_for(&name, State::Full);
        let asleep = || {
            let writer = inspect::channel(&name).unwrap();
            let writer = writer.segment().unwrap().writer.clone();
            (writer.asleep_since, writer.sleeps)
        };
        // Each slice of a sleep is a sleep of its own; since when it is full stays.
        let (since, sleeps) = asleep();
        let since = since.expect("it is known since when");
        assert!((begun..=SystemTime::now()).contains(&since), "{since:?}");
        while asleep().1 < sleeps + 2 {
            std::thread::yield_now();
        }
        assert_eq!(asleep().0.unwrap_or(since), since);
        for _ in 0..3 {
            reader.read().unwrap();
        }
    });
    assert_eq!(state(&name), State::Idle);
}

#[test]
fn broadcasts_show_their_subscribers_and_what_durable_ones_have_to_come() {
    let name = Name::new("many");
    let mut publisher = KrenPublisher::create(&name, 16 * PAGE).unwrap();
    let lossy = KrenSubscriber::options()
        .lossy(true)
        .connect(&name)
        .unwrap();
    let mut lossless = KrenSubscriber::connect(&name).unwrap();
    let durable = KrenSubscriber::options()
        .durable("log")
        .connect(&name)
        .unwrap();
    for at in 0..10_u64 {
        publisher.write(&at.to_le_bytes()).unwrap();
    }
    lossless.read().unwrap();
    let seen = inspect::channel(&name).unwrap();
    let segment = seen.segment().unwrap();
    assert_eq!(segment.kind, Kind::Broadcast);
    let stances: Vec<_> = segment.readers.iter().map(|side| side.stance).collect();
    assert_eq!(
        stances,
        [Stance::Lossy, Stance::Lossless, Stance::Durable].map(Some)
    );
    assert_eq!(segment.readers[1].count, 1);
    let ring = segment.ring.as_ref().unwrap();
    assert_eq!((ring.written, ring.released, ring.kept), (10, 0, 10));
    drop((lossy, lossless, durable));
    publisher.close().unwrap();
    let seen = inspect::channel(&name).unwrap();
    assert_eq!(seen.state(None), State::Undelivered);
    assert_eq!(seen.segment().unwrap().readers.len(), 3);
    kren_core::remove(&name, false).unwrap();
}

/// G7: what cannot be read is listed as what it is, and never spoils the list.
#[test]
fn broken_bytes_other_versions_and_odd_names_are_in_the_list() {
    let sound = Name::new("sound");
    let _writer = KrenWriter::create(&sound, PAGE).unwrap();
    let bytes = fs::read(sound.path()).unwrap();
    let make = |what: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let name = Name::new(what);
        let mut copy = bytes.clone();
        change(&mut copy);
        fs::write(name.path(), copy).unwrap();
        name
    };
    let short = make("short", &|bytes| bytes.truncate(100));
    let other = make("other version", &|bytes| bytes[8] = 77);
    let flipped = make("flipped@ä", &|bytes| bytes[17] ^= 1);
    let position = make("position", &|bytes| bytes[PAGE..PAGE + 8].fill(0xff));
    let folder = Name::new("folder");
    fs::create_dir(folder.path()).unwrap();
    let link = Name::new("link");
    std::os::unix::fs::symlink(sound.path(), link.path()).unwrap();

    let all = inspect::channels().unwrap();
    let find = |name: &str| all.iter().find(|seen| seen.name == name).unwrap();
    assert!(matches!(find(&other).contents, Contents::OtherVersion(77)));
    for name in [&short, &flipped] {
        assert!(
            matches!(find(name).contents, Contents::Damaged(_)),
            "{name}"
        );
    }
    assert_eq!(find(&position).state(None), State::Damaged);
    for name in [&link, &folder] {
        assert!(
            matches!(find(name).contents, Contents::Unreadable(_)),
            "{name}"
        );
    }
    assert_eq!(find(&sound).state(None), State::WaitingForReader);
    for name in [&short, &other, &flipped, &position] {
        kren_core::remove(name, false).unwrap();
        assert!(!name.path().exists());
    }
    assert!(matches!(
        kren_core::remove(&folder, true),
        Err(Error::Corrupt { .. })
    ));
    fs::remove_dir(folder.path()).unwrap();
}

/// Anybody who may read a file may look, and stores nothing: its bytes stay what they are.
#[test]
fn a_look_at_what_may_only_be_read_changes_nothing() {
    let name = Name::new("read-only");
    let mut writer = KrenWriter::create(&name, PAGE).unwrap();
    writer.write(b"left").unwrap();
    writer.close().unwrap();
    fs::set_permissions(name.path(), fs::Permissions::from_mode(0o444)).unwrap();
    let before = fs::read(name.path()).unwrap();
    let seen = inspect::channel(&name).unwrap();
    assert_eq!(
        (seen.mode, seen.state(None)),
        (Some(0o444), State::Undelivered)
    );
    let mut tail = Tail::open(&name, TailFrom::Unread).unwrap();
    assert!(matches!(
        tail.next().unwrap(),
        Seen::Message { bytes: b"left", .. }
    ));
    assert_eq!(fs::read(name.path()).unwrap(), before);
}

#[test]
fn a_tail_takes_nothing_and_knows_what_it_missed() {
    let name = Name::new("tail");
    let mut writer = KrenWriter::create(&name, 16 * PAGE).unwrap();
    let mut reader = KrenReader::connect(&name).unwrap();
    let mut tail = Tail::open(&name, TailFrom::Newest).unwrap();
    assert_eq!(tail.next().unwrap(), Seen::Nothing);
    let send = |writer: &mut KrenWriter, at: u64| writer.write_tagged(9, pattern(at, 100)).unwrap();
    for at in 0..5 {
        send(&mut writer, at);
    }
    for at in 0..5 {
        let number = at;
        let bytes = pattern(at, 100);
        assert_eq!(
            tail.next().unwrap(),
            Seen::Message {
                number,
                tag: 9,
                bytes
            }
        );
    }
    assert_eq!(tail.next().unwrap(), Seen::Nothing);
    // Every message is still there for the reader.
    for at in 0..5 {
        assert_eq!(reader.read().unwrap(), *pattern(at, 100));
    }
    // Two laps without a look: some are gone, the rest follow without a gap.
    const SENT: u64 = 2000;
    for at in 5..SENT {
        send(&mut writer, at);
        reader.read().unwrap();
    }
    let (mut next, mut missed) = (5, 0);
    loop {
        match tail.next().unwrap() {
            Seen::Missed(more) => {
                missed += more;
                next += more;
            }
            Seen::Message { number, bytes, .. } => {
                assert_eq!(number, next);
                assert_eq!(bytes, pattern(number, 100));
                next += 1;
            }
            _ => break,
        }
    }
    assert_eq!(next, SENT);
    assert!(missed > 0 && missed < SENT - 100, "{missed}");
}

/// Counts to a number while others look; says how long it took and how often it slept.
fn stream_beside_lookers(role: &Role) {
    let (name, count): (String, u64) = (role.arg(0), role.arg(1));
    let mut reader = KrenReader::options()
        .timeout(PATIENCE)
        .connect(&name)
        .unwrap();
    role.say("ready", 0);
    for at in 0..count {
        let message = reader.read_timeout(PATIENCE).unwrap();
        assert_eq!(message, *pattern(at, 64));
    }
    role.say("done", count);
    role.hear("end");
}

/// A look stores nothing that a side could stumble over, and reads only what was written.
#[test]
fn a_stream_is_whole_while_others_look_and_follow() {
    let _limit = Limit::new();
    const COUNT: u64 = 200_000;
    let name = Name::new("watched");
    let mut writer = KrenWriter::create(&name, 16 * PAGE).unwrap();
    let mut reader = Process::start("stream beside lookers", &[&name, &COUNT]);
    reader.expect("ready");
    let done = std::sync::atomic::AtomicBool::new(false);
    let is_done = || done.load(std::sync::atomic::Ordering::Relaxed);
    std::thread::scope(|scope| {
        let looker = scope.spawn(|| {
            let mut looks = 0_u64;
            while !is_done() {
                let seen = inspect::channel(&name).unwrap();
                let segment = seen.segment().unwrap();
                let ring = segment.ring.as_ref().unwrap();
                assert_eq!(ring.damage, None);
                assert_eq!(segment.writer.state, PeerState::Attached);
                looks += 1;
            }
            looks
        });
        let follower = scope.spawn(|| {
            let mut tail = Tail::open(&name, TailFrom::Oldest).unwrap();
            let (mut next, mut seen) = (None, 0_u64);
            loop {
                match tail.next().unwrap() {
                    Seen::Message { number, bytes, .. } => {
                        assert_eq!(number, next.unwrap_or(number));
                        assert_eq!(bytes, pattern(number, 64));
                        next = Some(number + 1);
                        seen += 1;
                    }
                    Seen::Missed(more) => next = next.map(|next| next + more),
                    _ if is_done() => return (next, seen),
                    _ => std::thread::yield_now(),
                }
            }
        });
        for at in 0..COUNT {
            writer.write(pattern(at, 64)).unwrap();
        }
        reader.expect("done");
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(looker.join().unwrap() > 0);
        let (next, seen) = follower.join().unwrap();
        assert_eq!(next, Some(COUNT));
        assert!(seen > 0);
    });
    reader.tell_and_finish();
}

#[test]
fn a_channel_that_is_held_is_removed_by_force_alone() {
    let name = Name::new("removed");
    let mut writer = KrenWriter::create(&name, PAGE).unwrap();
    let reader = KrenReader::connect(&name).unwrap();
    assert!(matches!(
        kren_core::remove(&name, false),
        Err(Error::WriterExists { .. })
    ));
    writer.write(b"kept").unwrap();
    writer.close().unwrap();
    assert!(matches!(
        kren_core::remove(&name, false),
        Err(Error::ReaderExists { .. })
    ));
    kren_core::remove(&name, true).unwrap();
    assert!(reader.is_removed());
    assert!(matches!(
        kren_core::remove(&name, true),
        Err(Error::NotFound { .. })
    ));
}
