//! `kill -9` of either side, at any moment (G3, G4).

use crate::support::{Limit, Name, PAGE, PATIENCE, Parts, Process, Role, mix, pattern};
use kren_core::{Error, KrenReader, KrenWriter, PeerState};
use std::time::{Duration, Instant};

pub(crate) const PARTS: Parts = &[
    ("writer without end", writer_without_end),
    ("reader without end", reader_without_end),
    ("silent writer", silent_writer),
    ("silent reader", silent_reader),
    ("writer in the middle", writer_in_the_middle),
];

const CAPACITY: usize = 16 * PAGE;
/// A blocked peer is told of a death within 200 ms, says G4; a busy machine is given more.
const NOTICED: Duration = Duration::from_secs(2);

fn length(at: u64) -> usize {
    16 + mix(at) as usize % 600
}

/// Message `at` of the `life`th writer.
fn message(life: u64, at: u64) -> Vec<u8> {
    let mut bytes = pattern(at, length(at)).to_vec();
    bytes[..8].copy_from_slice(&life.to_le_bytes());
    bytes[8..16].copy_from_slice(&at.to_le_bytes());
    bytes
}

/// Writes until it is killed; says now and then how many were committed for certain.
fn writer_without_end(role: &Role) {
    let (name, life): (String, u64) = (role.arg(0), role.arg(1));
    let mut writer = KrenWriter::create(&name, CAPACITY).unwrap();
    for at in 0.. {
        match mix(at) % 3 {
            0 => {
                let bytes = message(life, at);
                let mut slot = writer.reserve(bytes.len()).unwrap();
                slot.copy_from_slice(&bytes);
                slot.commit();
            }
            _ => writer.write(&message(life, at)).unwrap(),
        }
        if at % 64 == 63 {
            role.say("committed", at + 1);
        }
    }
}

/// G1, G3: a stream whose writer is killed again and again: each committed message arrives once, in
/// order, from the first of each life to its last, and then the death is named.
#[test]
fn a_writer_killed_in_the_middle_of_a_stream() {
    let _limit = Limit::new();
    let name = Name::new("kill-writer");
    let mut reader = None;
    let mut total = 0;
    for life in 0..25 {
        let mut writer = Process::start("writer without end", &[&name, &life]);
        writer.expect("committed");
        let reader = reader.get_or_insert_with(|| KrenReader::connect(&name).unwrap());
        let mut at = 0;
        let last = mix(life) % 3000;
        while at <= last {
            assert!(
                reader.read().unwrap() == message(life, at),
                "life {life}, message {at}"
            );
            at += 1;
        }
        writer.kill();
        let died = loop {
            match reader.read() {
                Ok(next) => {
                    assert!(next == message(life, at), "life {life}, message {at}");
                    at += 1;
                }
                Err(error) => break error,
            }
        };
        assert!(
            matches!(died, Error::PeerDied { peer: kren_core::Role::Writer, holder, .. }
                if holder.pid() == writer.pid()),
            "{died:?}"
        );
        assert_eq!(reader.writer_state(), PeerState::Died);
        let mut committed = 64;
        while let Some((_, count)) = writer.next() {
            committed = count.parse().unwrap();
        }
        assert!(
            at >= committed,
            "{committed} were committed and {at} arrived"
        );
        total += at;
    }
    println!("25 lives, {total} messages, none lost, none twice");
}

/// The same when nobody reads while the writer lives, and each successor stacks up more.
#[test]
fn a_dead_writers_messages_wait_for_a_later_reader() {
    let _limit = Limit::new();
    let name = Name::new("kill-before-read");
    let mut early = None;
    for life in 0..3u64 {
        let mut writer = Process::start("writer in the middle", &[&name, &life]);
        writer.expect("midway");
        // On Windows somebody must hold the name meanwhile.
        if cfg!(windows) && early.is_none() {
            early = Some(KrenReader::connect(&name).unwrap());
        }
        writer.kill();
    }
    let mut reader = early.unwrap_or_else(|| KrenReader::connect(&name).unwrap());
    for life in 0..3 {
        for at in 0..5 {
            assert!(reader.read().unwrap() == message(life, at));
        }
    }
    assert!(matches!(reader.read(), Err(Error::PeerDied { .. })));
    drop(reader);
    name.assert_gone();
}

/// Commits five messages, and dies with a slot and a batch begun.
fn writer_in_the_middle(role: &Role) {
    let (name, life): (String, u64) = (role.arg(0), role.arg(1));
    let mut writer = KrenWriter::create(&name, CAPACITY).unwrap();
    for at in 0..5 {
        writer.write(&message(life, at)).unwrap();
    }
    let mut batch = writer.batch();
    for at in 5..9 {
        batch.push(&message(life, at)).unwrap();
    }
    drop(batch);
    let mut slot = writer.reserve(1000).unwrap();
    slot.fill(0xff);
    role.say("midway", "");
    role.linger();
}

/// Says each message's number before it releases it.
fn reader_without_end(role: &Role) {
    let mut reader = KrenReader::connect(&role.arg::<String>(0)).unwrap();
    loop {
        let message = reader.read().unwrap();
        let at = u64::from_le_bytes(message[8..16].try_into().unwrap());
        assert!(message == self::message(0, at), "message {at} is damaged");
        role.say("read", at);
        drop(message);
    }
}

/// G3: a stream whose reader is killed again and again: each message is delivered, in order; only
/// what a dead reader had not released comes twice.
#[test]
fn a_reader_killed_in_the_middle_of_a_stream() {
    let _limit = Limit::new();
    let name = Name::new("kill-reader");
    let mut writer = KrenWriter::create(&name, CAPACITY).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut at = 0;
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                match writer.write_timeout(&message(0, at), Duration::from_millis(100)) {
                    Ok(()) => at += 1,
                    // Told, and then waiting for the next reader.
                    Err(Error::PeerDied { .. } | Error::TimedOut { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        });
        let mut next = 0;
        let mut twice = 0;
        for life in 0..20 {
            let mut reader = Process::start("reader without end", &[&name]);
            let first: u64 = reader.expect("read").parse().unwrap();
            assert!(first <= next, "message {next} is lost, {first} came");
            // What is released is stored; so at most one was read and not released.
            assert!(next - first <= 1, "{} messages came twice", next - first);
            twice += next - first;
            next = first + 1;
            let last = next + mix(life) % 500;
            let mut heard = |reader: &mut Process| match reader.next() {
                Some((_, at)) => {
                    assert_eq!(at.parse(), Ok(next), "the order, in life {life}");
                    next += 1;
                    Some(next)
                }
                None => None,
            };
            while heard(&mut reader).expect("a live reader") < last {}
            reader.kill();
            while heard(&mut reader).is_some() {}
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        println!("20 lives, {next} messages, none lost, {twice} twice");
    });
}

fn silent_writer(role: &Role) {
    let mut writer = KrenWriter::create(&role.arg::<String>(0), PAGE).unwrap();
    writer.write(b"one").unwrap();
    role.say("attached", "");
    role.linger();
}

fn silent_reader(role: &Role) {
    let _reader = KrenReader::connect(&role.arg::<String>(0)).unwrap();
    role.say("attached", "");
    role.linger();
}

/// G4: a reader that sleeps is told that its writer was killed, after what it had committed.
#[test]
fn a_blocked_reader_is_told_of_a_death() {
    let _limit = Limit::new();
    let mut worst = Duration::ZERO;
    for _ in 0..5 {
        let name = Name::new("death-reader");
        let mut writer = Process::start("silent writer", &[&name]);
        writer.expect("attached");
        let mut reader = KrenReader::connect(&name).unwrap();
        assert_eq!(reader.read().unwrap(), b"one");
        let mut killed = None;
        let mut kill = || {
            killed.get_or_insert_with(|| {
                writer.kill();
                Instant::now()
            });
            Ok(())
        };
        let ended = reader.wait_readable(None, &mut kill);
        let died = Instant::now();
        assert!(matches!(ended, Err(Error::PeerDied { .. })), "{ended:?}");
        worst = worst.max(died - killed.expect("it was waiting"));
        // Until there is a new writer, again and again.
        assert!(matches!(reader.read(), Err(Error::PeerDied { .. })));
        assert!(reader.is_writer_closed());
    }
    println!("a reader that slept was told of its writer's death within {worst:?}");
    assert!(worst < NOTICED, "{worst:?}");
}

/// G4: so is a writer on a full ring, and one that waits for delivery, of its reader's.
#[test]
fn a_blocked_writer_is_told_of_a_death() {
    let _limit = Limit::new();
    let mut worst = Duration::ZERO;
    for drains in [false, true, false, true] {
        let name = Name::new("death-writer");
        let mut writer = KrenWriter::create(&name, PAGE).unwrap();
        let mut reader = Process::start("silent reader", &[&name]);
        reader.expect("attached");
        writer.write(&[7; PAGE - 8]).unwrap();
        let mut killed = None;
        let mut kill = || {
            killed.get_or_insert_with(|| {
                reader.kill();
                Instant::now()
            });
            Ok(())
        };
        let ended = match drains {
            false => writer.wait_writable(0, None, &mut kill),
            true => writer.wait_drained(None, &mut kill),
        };
        let died = Instant::now();
        assert!(
            matches!(ended, Err(Error::PeerDied { peer: kren_core::Role::Reader, holder, .. })
                if holder.pid() == reader.pid()),
            "{ended:?}"
        );
        worst = worst.max(died - killed.expect("it was waiting"));
        assert_eq!(writer.reader_state(), PeerState::Died);
        // Nothing is lost: another reader gets it.
        assert_eq!(
            KrenReader::connect(&name).unwrap().read().unwrap(),
            &[7; PAGE - 8]
        );
    }
    println!("a writer that slept was told of its reader's death within {worst:?}");
    assert!(worst < NOTICED, "{worst:?}");
}

/// G4: a reader that was never there has not died: the writer goes on waiting for it.
#[test]
fn a_reader_that_has_not_come_yet_is_waited_for() {
    let _limit = Limit::new();
    let name = Name::new("not-yet");
    let mut writer = KrenWriter::create(&name, PAGE).unwrap();
    writer.write(&[1; PAGE - 8]).unwrap();
    assert_eq!(writer.reader_state(), PeerState::NeverAttached);
    let late = writer.write_timeout(b"x", Duration::from_millis(20));
    assert!(
        matches!(late, Err(Error::TimedOut { what: "room", .. })),
        "{late:?}"
    );
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let name = &name;
        scope.spawn(move || {
            told.recv_timeout(PATIENCE).unwrap();
            let mut reader = KrenReader::connect(name).unwrap();
            assert_eq!(reader.read().unwrap(), &[1; PAGE - 8]);
            assert_eq!(reader.read().unwrap(), b"x");
        });
        let mut waits = 0;
        let mut check = || {
            waits += 1;
            if waits == 2 {
                tell.send(()).unwrap();
            }
            Ok(())
        };
        writer.wait_writable(1, None, &mut check).unwrap();
        writer.write(b"x").unwrap();
        writer.flush().unwrap();
    });
}

/// G4: a stopped process is not a dead one, however long it is stopped.
#[cfg(target_os = "linux")]
#[test]
#[allow(unsafe_code)]
fn a_stopped_peer_is_not_dead() {
    let _limit = Limit::new();
    let name = Name::new("stopped");
    let mut writer = Process::start("silent writer", &[&name]);
    writer.expect("attached");
    let mut reader = KrenReader::connect(&name).unwrap();
    assert_eq!(reader.read().unwrap(), b"one");
    let pid = writer.pid() as libc::pid_t;
    let mut status = 0;
    // SAFETY: `pid` is our child, not waited for; `status` is writable.
    unsafe {
        assert_eq!(libc::kill(pid, libc::SIGSTOP), 0);
        assert_eq!(libc::waitpid(pid, &raw mut status, libc::WUNTRACED), pid);
    }
    assert!(libc::WIFSTOPPED(status));
    // Several times as long as it takes to notice a death.
    let nothing = reader.read_timeout(Duration::from_millis(450)).map(|_| ());
    assert!(
        matches!(nothing, Err(Error::TimedOut { .. })),
        "{nothing:?}"
    );
    assert_eq!(reader.writer_state(), PeerState::Attached);
    let error = KrenWriter::create(&name, PAGE).unwrap_err();
    assert!(matches!(error, Error::WriterExists { .. }), "{error}");
    writer.kill();
    assert!(matches!(reader.read(), Err(Error::PeerDied { .. })));
}
