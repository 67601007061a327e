//! Waiting for many ends at once (G3, G4, G9).

use crate::support::{Limit, Name, PAGE, PATIENCE, Parts, Process, Role, mix};
use kren_core::{
    Error, Event, EventKind, KrenPublisher, KrenReader, KrenSubscriber, KrenWriter, Selector,
};
use std::time::{Duration, Instant};

pub(crate) const PARTS: Parts = &[
    ("writer of many", writer_of_many),
    ("silent writer of many", silent_writer_of_many),
    ("selector of many", selector_of_many),
    ("echo of many", echo_of_many),
    #[cfg(target_os = "linux")]
    ("hostile bells", hostile_bells),
];

/// A death is noticed within 200 ms, says G4; a busy machine is given more.
const NOTICED: Duration = Duration::from_secs(2);

fn names(what: &str, count: usize) -> Vec<Name> {
    (0..count)
        .map(|at| Name::new(&format!("{what}-{at}")))
        .collect()
}

fn list(names: &[Name]) -> String {
    names
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(" ")
}

fn listed(role: &Role) -> Vec<String> {
    let list: String = role.arg(0);
    list.split(' ').map(str::to_owned).collect()
}

/// Waits and tells the keys of what is of this kind, in the order in which they came.
#[track_caller]
fn keys(selector: &mut Selector, kind: EventKind) -> Vec<u64> {
    let events = selector.wait(Some(PATIENCE)).unwrap();
    assert!(!events.is_empty(), "nothing has come");
    assert!(events.iter().all(|event| event.kind == kind), "{events:?}");
    events.iter().map(|event| event.key).collect()
}

/// Nothing is ready now.
#[track_caller]
fn nothing(selector: &mut Selector) {
    assert_eq!(selector.wait(Some(Duration::ZERO)).unwrap(), []);
    // Once more, with all ends announced.
    let moment = Duration::from_millis(1);
    assert_eq!(selector.wait(Some(moment)).unwrap(), []);
}

/// What is ready is told until it is taken, and nothing else is.
#[test]
fn what_is_ready_is_told_until_it_is_taken() {
    let _limit = Limit::new();
    let names = names("level", 70);
    let mut selector = Selector::new().unwrap();
    let mut ends = vec![];
    for (key, name) in (0..).zip(&names) {
        let writer = KrenWriter::create(name, PAGE).unwrap();
        let reader = KrenReader::connect(name).unwrap();
        selector.add(key, reader.readable().unwrap()).unwrap();
        ends.push((writer, reader));
    }
    nothing(&mut selector);
    for at in [3, 69] {
        ends[at].0.write(b"one").unwrap();
        ends[at].0.write(b"two").unwrap();
    }
    for _ in 0..3 {
        let mut found = keys(&mut selector, EventKind::Ready);
        found.sort_unstable();
        assert_eq!(found, [3, 69]);
    }
    assert_eq!(ends[3].1.read().unwrap(), b"one");
    let message = ends[69].1.read().unwrap();
    drop(message);
    assert_eq!(ends[69].1.read().unwrap(), b"two");
    assert_eq!(keys(&mut selector, EventKind::Ready), [3]);
    assert_eq!(ends[3].1.read().unwrap(), b"two");
    nothing(&mut selector);
    assert!(selector.remove(3) && !selector.remove(3));
    ends[3].0.write(b"three").unwrap();
    nothing(&mut selector);
    selector.add(3, ends[3].1.readable().unwrap()).unwrap();
    assert_eq!(keys(&mut selector, EventKind::Ready), [3]);
}

/// Whoever takes the first of those that are ready each time serves all of them.
#[test]
fn those_that_are_always_ready_come_in_turn() {
    let _limit = Limit::new();
    let names = names("fair", 5);
    let mut selector = Selector::new().unwrap();
    let mut ends = vec![];
    for (key, name) in (0..).zip(&names) {
        let mut writer = KrenWriter::create(name, PAGE).unwrap();
        writer.write(b"always").unwrap();
        let reader = KrenReader::connect(name).unwrap();
        selector.add(key, reader.readable().unwrap()).unwrap();
        ends.push((writer, reader));
    }
    let mut first: Vec<_> = (0..5)
        .map(|_| keys(&mut selector, EventKind::Ready)[0])
        .collect();
    first.sort_unstable();
    assert_eq!(first, [0, 1, 2, 3, 4]);
}

/// Both directions: room for a length, the end of delivery, and held messages that count for neither.
#[test]
fn room_and_delivery_are_waited_for() {
    let _limit = Limit::new();
    let name = Name::new("room");
    let mut writer = KrenWriter::create(&name, PAGE).unwrap();
    let mut reader = KrenReader::connect(&name).unwrap();
    let mut room = Selector::new().unwrap();
    let mut messages = Selector::new().unwrap();
    messages.add(1, reader.readable().unwrap()).unwrap();
    room.add(1, writer.writable(PAGE / 2).unwrap()).unwrap();
    assert_eq!(keys(&mut room, EventKind::Ready), [1]);
    writer.write(&vec![0; PAGE / 4]).unwrap();
    writer.write(&vec![0; PAGE / 4]).unwrap();
    nothing(&mut room);
    assert_eq!(keys(&mut messages, EventKind::Ready), [1]);
    let held = reader.read().unwrap().into_lease();
    assert_eq!(keys(&mut messages, EventKind::Ready), [1]);
    let other = reader.read().unwrap().into_lease();
    nothing(&mut messages);
    nothing(&mut room);
    drop(held);
    assert_eq!(keys(&mut room, EventKind::Ready), [1]);
    room.remove(1);
    room.add(2, writer.drained().unwrap()).unwrap();
    nothing(&mut room);
    drop(other);
    assert_eq!(keys(&mut room, EventKind::Ready), [2]);
    assert!(matches!(writer.writable(PAGE), Err(Error::TooLarge { .. })));
}

fn echo_of_many(role: &Role) {
    let mut names = listed(role);
    let answers = names.pop().unwrap();
    let rounds: u64 = role.arg(1);
    let mut writers: Vec<_> = names
        .iter()
        .map(|name| KrenWriter::create(name, PAGE).unwrap())
        .collect();
    role.say("there", "");
    let options = KrenReader::options().timeout(PATIENCE);
    let mut answers = options.connect(&answers).unwrap();
    for round in 0..rounds {
        let at = mix(round) as usize % writers.len();
        writers[at].write(&round.to_le_bytes()).unwrap();
        // Now and then a second one at once, which the selector is awake for.
        if round % 3 == 0 {
            writers[(at + 1) % names.len()].write(b"more").unwrap();
        }
        assert_eq!(answers.read().unwrap(), round.to_le_bytes());
    }
    role.hear("end");
}

/// G9, W6 to W8: no wake-up is lost: another process writes on one of many channels at a time, and only goes on when the message
/// was seen.
#[test]
fn each_message_on_one_of_many_channels_is_seen() {
    let _limit = Limit::new();
    let rounds = 3000;
    let names = names("each", 40);
    let (sources, answers) = names.split_at(39);
    let mut writer = KrenWriter::create(&answers[0], PAGE).unwrap();
    let mut process = Process::start("echo of many", &[&list(&names), &rounds]);
    process.expect("there");
    let mut selector = Selector::new().unwrap();
    let mut readers: Vec<_> = sources
        .iter()
        .map(|name| KrenReader::connect(name).unwrap())
        .collect();
    for (key, reader) in (0..).zip(&readers) {
        selector.add(key, reader.readable().unwrap()).unwrap();
    }
    let mut round: u64 = 0;
    while round < rounds {
        for key in keys(&mut selector, EventKind::Ready) {
            while let Some(message) = readers[key as usize].try_read().unwrap() {
                if message != b"more" {
                    assert_eq!(message, round.to_le_bytes());
                    round += 1;
                    writer.write(&(round - 1).to_le_bytes()).unwrap();
                }
            }
        }
    }
    process.tell_and_finish();
}

fn writer_of_many(role: &Role) {
    let mut writers: Vec<_> = listed(role)
        .iter()
        .map(|name| KrenWriter::create(name, PAGE).unwrap())
        .collect();
    for writer in &mut writers {
        writer.write(b"last words").unwrap();
    }
    role.say("there", "");
    role.linger();
}

fn silent_writer_of_many(role: &Role) {
    let _writers: Vec<_> = listed(role)
        .iter()
        .map(|name| KrenWriter::create(name, PAGE).unwrap())
        .collect();
    role.say("there", "");
    role.linger();
}

/// G3, G4: of each of many channels the death of the process on the other side is noticed, after what it had written.
#[test]
fn the_death_of_a_process_is_noticed_on_all_its_channels() {
    let _limit = Limit::new();
    // More than are looked at each time.
    let (talking, silent) = (names("died", 100), names("died-silent", 100));
    let mut process = Process::start("writer of many", &[&list(&talking)]);
    let mut other = Process::start("silent writer of many", &[&list(&silent)]);
    process.expect("there");
    other.expect("there");
    let mut selector = Selector::new().unwrap();
    let mut readers = vec![];
    for (key, name) in (0..).zip(talking.iter().chain(&silent)) {
        let reader = KrenReader::connect(name).unwrap();
        selector.add(key, reader.readable().unwrap()).unwrap();
        readers.push(reader);
    }
    assert_eq!(keys(&mut selector, EventKind::Ready).len(), 100);
    other.kill();
    process.kill();
    let killed = Instant::now();
    let mut gone = vec![false; readers.len()];
    while gone.iter().any(|gone| !gone) {
        for Event { key, kind, .. } in selector.wait(Some(PATIENCE)).unwrap() {
            let reader = &mut readers[key as usize];
            match kind {
                EventKind::Ready => assert_eq!(reader.read().unwrap(), b"last words"),
                _ => {
                    let end = reader.read_timeout(Duration::ZERO).unwrap_err();
                    assert!(matches!(end, Error::PeerDied { .. }), "{end:?}");
                    gone[key as usize] = true;
                    selector.remove(key);
                }
            }
        }
    }
    assert!(killed.elapsed() < NOTICED, "{:?}", killed.elapsed());
}

/// G9: a broadcast rings the bell of each subscriber that waits for many, and each of those the publisher's.
#[test]
fn a_broadcast_is_waited_for_like_a_channel() {
    let _limit = Limit::new();
    let name = Name::new("broadcast");
    let mut publisher = KrenPublisher::create(&name, PAGE).unwrap();
    let mut all: Vec<_> = (0..3)
        .map(|key| {
            let subscriber = KrenSubscriber::connect(&name).unwrap();
            let mut selector = Selector::new().unwrap();
            selector.add(key, subscriber.readable().unwrap()).unwrap();
            nothing(&mut selector);
            (subscriber, selector)
        })
        .collect();
    let mut room = Selector::new().unwrap();
    let all_of_it = publisher.writable(PAGE - 8).unwrap();
    room.add(9, all_of_it).unwrap();
    for round in 0..20_u8 {
        assert_eq!(keys(&mut room, EventKind::Ready), [9]);
        let publishing = std::thread::spawn(move || {
            publisher.write(&[round]).unwrap();
            publisher
        });
        for (key, (subscriber, selector)) in (0..).zip(&mut all) {
            assert_eq!(keys(selector, EventKind::Ready), [key]);
            if key == 0 {
                nothing(&mut room);
            }
            assert_eq!(subscriber.read().unwrap(), [round]);
        }
        publisher = publishing.join().unwrap();
    }
    publisher.write(b"x").unwrap();
    nothing(&mut room);
    // Who is gone holds nobody up.
    let (stays, goes) = all.split_at_mut(1);
    assert_eq!(stays[0].0.read().unwrap(), b"x");
    for (subscriber, selector) in goes {
        assert_eq!(subscriber.read().unwrap(), b"x");
        drop(std::mem::replace(selector, Selector::new().unwrap()));
    }
    assert_eq!(keys(&mut room, EventKind::Ready), [9]);
    drop(publisher);
    assert_eq!(keys(&mut all[0].1, EventKind::Gone), [0]);
}

/// G4: what was closed is told of after what was written, and stays so until a successor comes.
#[test]
fn a_close_is_told_of_after_the_messages() {
    let _limit = Limit::new();
    let name = Name::new("closed");
    let mut writer = KrenWriter::create(&name, PAGE).unwrap();
    let mut reader = KrenReader::connect(&name).unwrap();
    let mut selector = Selector::new().unwrap();
    selector.add(7, reader.readable().unwrap()).unwrap();
    nothing(&mut selector);
    let closing = std::thread::spawn(move || {
        writer.write(b"last").unwrap();
    });
    assert_eq!(keys(&mut selector, EventKind::Ready), [7]);
    closing.join().unwrap();
    assert_eq!(reader.read().unwrap(), b"last");
    for _ in 0..2 {
        assert_eq!(keys(&mut selector, EventKind::Gone), [7]);
    }
    let end = reader.read_timeout(Duration::ZERO).unwrap_err();
    assert!(matches!(end, Error::Closed { .. }), "{end:?}");
    let mut writer = KrenWriter::create(&name, PAGE).unwrap();
    nothing(&mut selector);
    writer.write(b"again").unwrap();
    assert_eq!(keys(&mut selector, EventKind::Ready), [7]);
}

/// An end that is closed while it is waited for is told of, and does not hold its owner up.
#[test]
fn an_end_may_be_closed_while_it_is_waited_for() {
    let _limit = Limit::new();
    let name = Name::new("closed-here");
    let writer = KrenWriter::create(&name, PAGE).unwrap();
    let reader = KrenReader::connect(&name).unwrap();
    let mut selector = Selector::new().unwrap();
    selector.add(7, reader.readable().unwrap()).unwrap();
    nothing(&mut selector);
    let closing = std::thread::spawn(move || drop(reader));
    assert_eq!(keys(&mut selector, EventKind::Gone), [7]);
    closing.join().unwrap();
    assert!(selector.remove(7));
    drop(writer);
    drop(selector);
    name.assert_gone();
}

/// A call that blocks has precedence over a selector, which looks again when it has ended.
#[test]
fn a_call_that_blocks_has_precedence() {
    let _limit = Limit::new();
    let name = Name::new("precedence");
    let mut writer = KrenWriter::create(&name, PAGE).unwrap();
    let mut reader = KrenReader::connect(&name).unwrap();
    let mut selector = Selector::new().unwrap();
    selector.add(7, reader.readable().unwrap()).unwrap();
    nothing(&mut selector);
    for round in 0..50_u8 {
        std::thread::scope(|scope| {
            let reading = scope.spawn(|| {
                assert_eq!(reader.read().unwrap(), [round]);
            });
            // It may see the message before it is read, or the next one.
            let waiting = scope.spawn(|| assert_eq!(keys(&mut selector, EventKind::Ready), [7]));
            writer.write(&[round]).unwrap();
            reading.join().unwrap();
            writer.write(b"for the selector").unwrap();
            waiting.join().unwrap();
        });
        assert_eq!(reader.read().unwrap(), b"for the selector");
    }
    nothing(&mut selector);
}

/// One selector at a time, one thing for one key.
#[test]
fn an_end_is_in_one_selector_at_a_time() {
    let name = Name::new("twice");
    let _writer = KrenWriter::create(&name, PAGE).unwrap();
    let reader = KrenReader::connect(&name).unwrap();
    let (mut one, mut two) = (Selector::new().unwrap(), Selector::new().unwrap());
    one.add(1, reader.readable().unwrap()).unwrap();
    let busy = two.add(1, reader.readable().unwrap()).unwrap_err();
    assert!(matches!(busy, Error::Busy { .. }), "{busy}");
    let taken = one.add(1, reader.readable().unwrap()).unwrap_err();
    assert!(matches!(taken, Error::InvalidOption { option: "key", .. }));
    let never = one.add_timer(2, Duration::ZERO, Some(Duration::ZERO));
    assert!(matches!(
        never,
        Err(Error::InvalidOption {
            option: "period",
            ..
        })
    ));
    drop(one);
    two.add(1, reader.readable().unwrap()).unwrap();
    assert_eq!((two.len(), two.is_empty()), (1, false));
}

#[test]
fn timers_and_other_threads_end_a_wait() {
    let _limit = Limit::new();
    let mut selector = Selector::new().unwrap();
    let moment = Duration::from_millis(5);
    selector.add_timer(1, moment, None).unwrap();
    selector.add_timer(2, 2 * moment, Some(moment)).unwrap();
    assert_eq!(keys(&mut selector, EventKind::Timer)[0], 1);
    while keys(&mut selector, EventKind::Timer) == [1] {}
    assert_eq!(keys(&mut selector, EventKind::Timer), [2]);
    assert!(selector.remove(2) && selector.is_empty());
    assert_eq!(selector.wait(Some(moment)).unwrap(), []);

    let canceller = selector.canceller();
    let cancelling = std::thread::spawn(move || canceller.cancel());
    let ended = selector.wait(None).unwrap_err();
    assert!(matches!(ended, Error::Interrupted { .. }), "{ended:?}");
    cancelling.join().unwrap();
    // Once: the next wait is another one.
    nothing(&mut selector);
    let check = selector.wait_checking(None, &mut || {
        Err(Error::Busy {
            channel: "x".into(),
        })
    });
    assert!(matches!(check, Err(Error::Busy { .. })));
    let canceller = selector.canceller();
    drop(selector);
    canceller.cancel();
}

fn selector_of_many(role: &Role) {
    let readers: Vec<_> = listed(role)
        .iter()
        .map(|name| KrenReader::connect(name).unwrap())
        .collect();
    let mut selector = Selector::new().unwrap();
    for (key, reader) in (0..).zip(&readers) {
        selector.add(key, reader.readable().unwrap()).unwrap();
    }
    assert_eq!(selector.wait(Some(Duration::from_millis(1))).unwrap(), []);
    role.say("waits", "");
    while selector.wait(None).is_ok() {}
}

/// Bells that are there now: of this test alone where it has a `/dev/shm` of its own.
#[cfg(target_os = "linux")]
fn bells() -> std::collections::BTreeSet<String> {
    std::fs::read_dir("/dev/shm")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
        .filter(|name| name.starts_with("kren-@"))
        .collect()
}

/// G3: a process killed while it waits for many leaves nothing that disturbs its peers or its successor, and its bell goes
/// with the first who comes by it.
#[test]
fn a_process_killed_while_it_waits_for_many() {
    let _limit = Limit::new();
    for by_successor in [false, true] {
        let names = names("kill-selector", 3);
        let mut writers: Vec<_> = names
            .iter()
            .map(|name| KrenWriter::create(name, PAGE).unwrap())
            .collect();
        #[cfg(target_os = "linux")]
        let before = bells();
        let mut process = Process::start("selector of many", &[&list(&names)]);
        process.expect("waits");
        #[cfg(target_os = "linux")]
        let its: Vec<_> = bells().difference(&before).cloned().collect();
        process.kill();
        if !by_successor {
            for writer in &mut writers {
                writer.write(b"to nobody").unwrap();
            }
        }
        for name in &names {
            let mut reader = KrenReader::connect(name).unwrap();
            let mut selector = Selector::new().unwrap();
            selector.add(1, reader.readable().unwrap()).unwrap();
            if by_successor {
                nothing(&mut selector);
            } else {
                assert_eq!(keys(&mut selector, EventKind::Ready), [1]);
                assert_eq!(reader.read().unwrap(), b"to nobody");
            }
        }
        #[cfg(target_os = "linux")]
        {
            let left = bells();
            // Other tests have bells of their own meanwhile; that of the process is among `its`.
            let its: Vec<_> = its.iter().filter(|name| left.contains(*name)).collect();
            let dead = its.iter().filter(|name| !is_held(name)).count();
            assert_eq!(dead, 0, "{its:?}");
        }
    }
}

/// Whether somebody holds the first byte of a segment.
#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
fn is_held(name: &str) -> bool {
    use std::os::fd::AsRawFd;
    let Ok(file) = std::fs::File::options()
        .read(true)
        .write(true)
        .open(format!("/dev/shm/{name}"))
    else {
        return true;
    };
    // SAFETY: an all-zero flock is valid, and the descriptor is open.
    unsafe {
        let mut lock: libc::flock = std::mem::zeroed();
        lock.l_type = libc::F_WRLCK as libc::c_short;
        lock.l_len = 1;
        libc::fcntl(file.as_raw_fd(), libc::F_OFD_GETLK, &raw mut lock) != 0
            || lock.l_type != libc::F_UNLCK as libc::c_short
    }
}

/// The bell that this process has made since there were those `before`.
#[cfg(target_os = "linux")]
fn own_bell(before: &std::collections::BTreeSet<String>) -> Vec<String> {
    let pid = std::process::id().to_le_bytes();
    let is_own = |bell: &String| {
        std::fs::read(format!("/dev/shm/{bell}")).is_ok_and(|bytes| bytes[48..52] == pid)
    };
    let now = bells();
    now.difference(before)
        .filter(|bell| is_own(bell))
        .cloned()
        .collect()
}

/// G7: whatever bell a peer names, and whatever stands in a bell's own page.
#[test]
#[cfg(target_os = "linux")]
fn hostile_bells_cost_no_more_than_a_look() {
    let _limit = Limit::new();
    // In a process whose bells are those of no other test.
    Process::start("hostile bells", &[]).finish();
}

#[cfg(target_os = "linux")]
fn hostile_bells(_: &Role) {
    use crate::attacker::{Attacker, READER_PAGE};
    let (name, other) = (Name::new("hostile-bell"), Name::new("hostile-other"));
    let mut writer = KrenWriter::create(&name, PAGE).unwrap();
    let mut reader = KrenReader::connect(&name).unwrap();
    let mut others = KrenWriter::create(&other, PAGE).unwrap();
    let mut waited_for = KrenReader::connect(&other).unwrap();
    let before = bells();
    let mut selector = Selector::new().unwrap();
    selector.add(5, waited_for.readable().unwrap()).unwrap();
    nothing(&mut selector);
    let attacker = Attacker::new(&name);
    let real = own_bell(&before).into_iter().map(|bell| {
        let id = bell.trim_start_matches("kren-@");
        u64::from_str_radix(id, 16).unwrap()
    });
    let real: Vec<_> = real.collect();
    assert!(!real.is_empty());
    let slots = real
        .iter()
        .flat_map(|id| [*id, id | 5, id | 30_719, id | 30_720, id | 0xffff]);
    let mut ticket = 1;
    for bell in slots.chain([1, 0xffff, 1 << 16, u64::MAX, u64::MAX << 16]) {
        attacker.set(READER_PAGE + 272, 8, bell);
        attacker.set(READER_PAGE + 264, 8, 0);
        attacker.set(READER_PAGE + 256, 4, ticket);
        ticket += 2;
        writer.write(b"x").unwrap();
        assert_eq!(reader.read().unwrap(), b"x");
        nothing(&mut selector);
    }
    attacker.set(READER_PAGE + 256, 4, ticket);
    drop(writer);
    // Every bit, of slots that are used and of those that are not, and a word that jumps.
    for bell in own_bell(&before) {
        let bell = Attacker::new(bell.trim_start_matches("kren-"));
        for round in 0..4 {
            for at in (2 * PAGE + 256..3 * PAGE).step_by(8) {
                bell.set(at, 8, u64::MAX << round);
            }
            bell.set(2 * PAGE + 128, 4, mix(round));
            nothing(&mut selector);
        }
    }
    others.write(b"y").unwrap();
    assert_eq!(keys(&mut selector, EventKind::Ready), [5]);
    assert_eq!(waited_for.read().unwrap(), b"y");
}

/// W9: a bell that cannot be rung makes a message late, not lost.
#[test]
#[cfg(target_os = "linux")]
fn a_bell_that_cannot_be_rung_is_done_without() {
    let _limit = Limit::new();
    let name = Name::new("no-bell");
    let mut writer = KrenWriter::create(&name, PAGE).unwrap();
    let mut reader = KrenReader::connect(&name).unwrap();
    let before = bells();
    let mut selector = Selector::new().unwrap();
    // Other tests of this process may lose theirs as well, and look by themselves then.
    for bell in own_bell(&before) {
        let _ = std::fs::remove_file(format!("/dev/shm/{bell}"));
    }
    selector.add(1, reader.readable().unwrap()).unwrap();
    nothing(&mut selector);
    for round in 0..50_u8 {
        let writing = std::thread::spawn(move || {
            writer.write(&[round]).unwrap();
            writer
        });
        assert_eq!(keys(&mut selector, EventKind::Ready), [1]);
        assert_eq!(reader.read().unwrap(), [round]);
        writer = writing.join().unwrap();
    }
}
