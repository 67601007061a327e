//! `fork`: an inherited endpoint is refused, and does not pass for a live one (G10).
#![allow(unsafe_code)]

use crate::support::{Limit, Name, PAGE, Parts, Process, Role};
use kren_core::{Error, KrenReader, KrenWriter, PeerState, Result};
use std::time::Duration;

pub(crate) const PARTS: Parts = &[
    ("forker", forker),
    ("forker that is killed", forker_that_is_killed),
];

/// Runs `child` in a child made by `fork`, which ends there, and tells whether it went well.
pub(crate) fn fork(child: impl FnOnce()) -> bool {
    // SAFETY: the role runs alone in its process; the child ends in `_exit`.
    match unsafe { libc::fork() } {
        -1 => panic!("fork: {}", std::io::Error::last_os_error()),
        0 => {
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(child));
            // SAFETY: no preconditions.
            unsafe { libc::_exit(i32::from(outcome.is_err())) }
        }
        pid => {
            let mut status = 0;
            // SAFETY: `status` is writable.
            assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
            libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
        }
    }
}

#[track_caller]
fn forked<T>(result: Result<T>) {
    match result {
        Err(Error::Forked { .. }) => {}
        Err(error) => panic!("not Forked: {error}"),
        Ok(_) => panic!("it worked in the child"),
    }
}

const SOON: Duration = Duration::from_millis(1);

fn forker(role: &Role) {
    let name: String = role.arg(0);
    let mut writer = KrenWriter::create(&name, PAGE).unwrap();
    let mut reader = KrenReader::connect(&name).unwrap();
    let full = format!("{name}-full");
    let mut full = KrenWriter::create(&full, PAGE).unwrap();
    full.write(&[1; PAGE - 8]).unwrap();
    writer.write(b"before").unwrap();
    let message_waiter = reader.message_waiter().unwrap();
    let room_waiter = full.room_waiter(1).unwrap();

    // Every call, on a ring where it could go on and on one where it would wait.
    assert!(fork(|| {
        for writer in [&mut writer, &mut full] {
            forked(writer.write(b"x"));
            forked(writer.try_write(b"x"));
            forked(writer.write_tagged(1, b"x"));
            forked(writer.try_write_tagged(1, b"x"));
            forked(writer.write_timeout(b"x", SOON));
            forked(writer.reserve(1));
            forked(writer.try_reserve(1));
            forked(writer.reserve_timeout(1, SOON));
            forked(writer.batch().push(b"x"));
            writer.batch().commit();
            forked(writer.flush());
            forked(writer.drain(SOON));
            forked(writer.wait_writable(1, Some(SOON), &mut || Ok(())));
            forked(writer.wait_drained(Some(SOON), &mut || Ok(())));
            forked(writer.room_waiter(1));
            forked(writer.check_usable());
            assert_eq!(writer.reader_state(), PeerState::Unknown);
            assert_eq!(writer.available(), 0);
        }
        forked(reader.check_usable());
        assert_eq!(reader.writer_state(), PeerState::Unknown);
        assert!(!reader.is_writer_closed());
        assert_eq!(reader.available(), 0);
        forked(reader.read());
        forked(reader.try_read());
        forked(reader.read_timeout(SOON));
        forked(reader.wait_readable(Some(SOON), &mut || Ok(())));
        forked(reader.message_waiter());
        forked(message_waiter.wait(Some(SOON)));
        forked(room_waiter.wait(Some(SOON)));
        // As the end of `main` would.
        let close = |error: Result<()>| forked(error);
        // SAFETY: the child has its own copy, which it never uses again.
        close(unsafe { std::ptr::read(&raw const writer) }.close());
        // SAFETY: as above.
        close(unsafe { std::ptr::read(&raw const reader) }.close());
        // SAFETY: as above.
        drop(unsafe { std::ptr::read(&raw const full) });
    }));

    // What the child did, and that it closed its copies, is not seen here.
    assert_eq!(writer.reader_state(), PeerState::Attached);
    assert_eq!(reader.writer_state(), PeerState::Attached);
    assert_eq!(reader.read().unwrap(), b"before");
    assert!(reader.try_read().unwrap().is_none());
    writer.write(b"after").unwrap();
    assert_eq!(reader.read().unwrap(), b"after");

    unfinished(&mut writer, &mut reader);

    // The child may open channels of its own, and the parent's roles are still held for it.
    assert!(fork(|| {
        let refused = KrenWriter::create(&name, PAGE);
        let parent = std::os::unix::process::parent_id();
        assert!(
            matches!(refused, Err(Error::WriterExists { holder, .. }) if holder.pid() == parent)
        );
        let refused = KrenReader::connect(&name);
        assert!(matches!(refused, Err(Error::ReaderExists { .. })));
        let own = format!("{name}-child");
        let mut writer = KrenWriter::create(&own, PAGE).unwrap();
        let mut reader = KrenReader::connect(&own).unwrap();
        writer.write(b"child").unwrap();
        assert_eq!(reader.read().unwrap(), b"child");
    }));
    drop(message_waiter);
    drop(reader);
    drop(writer);
    let mut rest = KrenReader::connect(full.name()).unwrap();
    assert_eq!(rest.read().unwrap(), &[1; PAGE - 8]);
}

/// What was begun before the fork is the parent's to finish.
fn unfinished(writer: &mut KrenWriter, reader: &mut KrenReader) {
    let slot = writer.reserve(5).unwrap();
    // SAFETY: the child has its own copy, which it uses once.
    assert!(fork(|| unsafe { std::ptr::read(&raw const slot) }.commit()));
    // SAFETY: as above.
    let slot_of_child = || unsafe { std::ptr::read(&raw const slot) };
    assert!(fork(|| forked(slot_of_child().commit_len(1))));
    assert!(
        reader.try_read().unwrap().is_none(),
        "a child committed its parent's slot"
    );
    drop(slot);

    let mut batch = writer.batch();
    batch.push(b"batch").unwrap();
    // SAFETY: as above.
    assert!(fork(|| unsafe { std::ptr::read(&raw const batch) }.commit()));
    assert!(
        reader.try_read().unwrap().is_none(),
        "a child committed its parent's batch"
    );
    drop(batch);

    writer.write(&[3; PAGE - 8]).unwrap();
    let message = reader.read().unwrap();
    // SAFETY: as above.
    assert!(fork(|| drop(unsafe { std::ptr::read(&raw const message) })));
    let full = writer.try_write(b"x");
    assert!(
        matches!(full, Err(Error::Full { .. })),
        "a child released its parent's message"
    );
    assert_eq!(message, &[3; PAGE - 8]);

    // Held as well, in either process.
    let held = message.into_lease();
    assert!(fork(|| {
        // SAFETY: as above.
        let held = unsafe { std::ptr::read(&raw const held) };
        assert_eq!(held[..], [3; PAGE - 8]);
        drop(held);
    }));
    let full = writer.try_write(b"x");
    assert!(
        matches!(full, Err(Error::Full { .. })),
        "a child released what its parent holds"
    );
    drop(held);
    writer.write(b"held").unwrap();
    let message = reader.read().unwrap();
    // SAFETY: as above.
    let message_of_child = || unsafe { std::ptr::read(&raw const message) };
    assert!(fork(|| drop(message_of_child().into_lease())));
    assert_eq!(message, b"held");
}

/// G10: every call of an inherited endpoint is refused, and the parent's goes on as if nothing had
/// happened.
#[test]
fn an_inherited_endpoint_is_refused() {
    let _limit = Limit::new();
    let name = Name::new("fork");
    Process::start("forker", &[&name]).finish();
    name.assert_gone();
}

/// Forks a child that lives on, then waits for its own end.
fn forker_that_is_killed(role: &Role) {
    let mut writer = KrenWriter::create(&role.arg::<String>(0), PAGE).unwrap();
    writer.write(b"x").unwrap();
    // SAFETY: the child does nothing but wait.
    match unsafe { libc::fork() } {
        0 => {
            // Nobody else ends it if the test cannot.
            // SAFETY: no preconditions.
            unsafe { libc::alarm(100) };
            role.linger()
        }
        child => role.say("forked", child),
    }
    role.linger();
}

/// G3, G10: a parent that is killed is dead, though a child of it lives that has inherited
/// everything.
#[test]
fn a_parent_whose_child_lives_on_is_seen_to_die() {
    let _limit = Limit::new();
    let name = Name::new("fork-orphan");
    let mut parent = Process::start("forker that is killed", &[&name]);
    let child: libc::pid_t = parent.expect("forked").parse().unwrap();
    let mut reader = KrenReader::connect(&name).unwrap();
    assert_eq!(reader.read().unwrap(), b"x");
    assert_eq!(reader.writer_state(), PeerState::Attached);
    parent.kill();
    let died = reader.read().map(|_| ());
    let successor = KrenWriter::create(&name, PAGE);
    // SAFETY: the child lives, since nobody else knows of it.
    let killed = unsafe { libc::kill(child, libc::SIGKILL) };
    assert_eq!(killed, 0, "the child was alive all along");
    assert!(matches!(died, Err(Error::PeerDied { .. })), "{died:?}");
    assert_eq!(successor.unwrap().reader_state(), PeerState::Attached);
}
