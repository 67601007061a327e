//! Descriptors: one for each endpoint, none of the standard streams' numbers, and nothing done to a number that
//! has become somebody else's (G5, G10).
#![allow(unsafe_code)]

use crate::support::{Limit, Name, PAGE, Parts, Process, Role};
use kren_core::{Error, KrenReader, KrenWriter, PeerState};
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::time::Duration;

pub(crate) const PARTS: Parts = &[
    ("daemon", daemon),
    ("closes everything", closes_everything),
    ("has no streams", has_no_streams),
    ("opens one after the other", one_after_the_other),
];

/// More than a role has.
const ALL: RawFd = 200;

fn close_all_from(first: RawFd) {
    for fd in first..ALL {
        // SAFETY: the role has no other use for what it closes.
        unsafe { libc::close(fd) };
    }
}

/// Files of a user, under every number that is free.
struct Files(Vec<File>);

impl Files {
    fn open() -> Self {
        let path = std::env::temp_dir().join(format!("kren-files-{}", std::process::id()));
        let options = || {
            File::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)
        };
        let files = (0..16).map(|_| options().unwrap()).collect();
        std::fs::remove_file(&path).unwrap();
        Self(files)
    }

    /// Each is still open, and what was in it is all there is.
    #[track_caller]
    fn assert_untouched(&mut self) {
        for file in &mut self.0 {
            // SAFETY: only asks.
            let flags = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETFD) };
            assert!(flags >= 0, "descriptor {} was closed", file.as_raw_fd());
            assert_eq!(file.stream_position().unwrap(), 0, "it was moved");
        }
        let mut text = String::new();
        self.0[0].read_to_string(&mut text).unwrap();
        self.0[0].rewind().unwrap();
        assert_eq!(text, "");
    }
}

/// As libraries that make daemons do: a child closes everything, goes on, and lets go of what it inherited.
fn daemon(role: &Role) {
    let name: String = role.arg(0);
    let writer = KrenWriter::create(&name, PAGE).unwrap();
    let reader = KrenReader::connect(&name).unwrap();
    let child = || {
        close_all_from(3);
        let mut files = Files::open();
        // SAFETY: the child's own copies, which it never uses again.
        let (mut writer, reader) = unsafe {
            (
                std::ptr::read(&raw const writer),
                std::ptr::read(&raw const reader),
            )
        };
        assert!(matches!(writer.write(b"x"), Err(Error::Forked { .. })));
        assert!(matches!(writer.check_usable(), Err(Error::Forked { .. })));
        assert_eq!(writer.reader_state(), PeerState::Unknown);
        assert_eq!(reader.writer_state(), PeerState::Unknown);
        assert!(!reader.is_writer_closed());
        drop(writer);
        assert!(matches!(reader.close(), Err(Error::Forked { .. })));
        files.assert_untouched();
        // And its own channels are as good as any.
        let own = format!("{name}-own");
        let mut writer = KrenWriter::create(&own, PAGE).unwrap();
        let mut reader = KrenReader::connect(&own).unwrap();
        writer.write(b"own").unwrap();
        assert_eq!(reader.read().unwrap(), b"own");
        drop((reader, writer));
        files.assert_untouched();
    };
    assert!(crate::forking::fork(child));
    assert_eq!(writer.reader_state(), PeerState::Attached);
    assert_eq!(reader.writer_state(), PeerState::Attached);
}

/// G10: a child that has closed every descriptor, and opened files of its own, keeps them when it lets go of
/// what it inherited.
#[test]
fn a_daemon_keeps_its_files() {
    let _limit = Limit::new();
    let name = Name::new("daemon");
    Process::start("daemon", &[&name]).finish();
    name.assert_gone();
}

#[track_caller]
fn lost_its_lock<T: std::fmt::Debug>(result: kren_core::Result<T>) {
    let error = result.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Io {
                os_error: libc::EBADF,
                ..
            }
        ),
        "{error:?}"
    );
    let text = error.to_string();
    assert!(
        text.contains("its lock was closed by this process"),
        "{text}"
    );
}

fn closes_everything(role: &Role) {
    let (name, other): (String, String) = (role.arg(0), role.arg(1));
    let mut writer = KrenWriter::create(&name, PAGE).unwrap();
    let mut reader = KrenReader::connect(&other).unwrap();
    writer.write(b"committed").unwrap();
    close_all_from(3);
    let mut files = Files::open();

    role.say("closed", "");
    role.hear("go on");
    // The role is still held, for this process too.
    #[cfg(not(any(target_os = "macos", like_macos)))]
    {
        let refused = KrenWriter::create(&name, PAGE);
        assert!(
            matches!(refused, Err(Error::WriterExists { .. })),
            "{refused:?}"
        );
        let refused = KrenReader::connect(&other);
        assert!(
            matches!(refused, Err(Error::ReaderExists { .. })),
            "{refused:?}"
        );
    }

    // Whoever has to look finds out; and what is there already is not lost.
    assert_eq!(reader.read().unwrap(), b"before");
    lost_its_lock(reader.read().map(|_| ()));
    lost_its_lock(reader.read_timeout(Duration::from_millis(1)).map(|_| ()));
    lost_its_lock(reader.check_usable());
    lost_its_lock(reader.message_waiter().unwrap().wait(None));
    assert_eq!(reader.writer_state(), PeerState::Unknown);
    lost_its_lock(writer.flush());
    lost_its_lock(writer.write(&vec![0; writer.max_message_len()]));
    files.assert_untouched();
    drop(reader);
    writer.close().unwrap();
    files.assert_untouched();
    role.say("left", "");
    role.hear("go on");
    // Open again, beside the files of the user.
    let mut reader = KrenReader::connect(&name).unwrap();
    assert_eq!(reader.read().unwrap(), b"committed");
    assert!(matches!(reader.read(), Err(Error::Closed { .. })));
    drop(reader);
    files.assert_untouched();
}

/// G4, G5: a process that has closed the descriptors of its endpoints is told so, touches nothing of its user's,
/// still has its roles, and gives them back when it closes.
#[test]
fn a_process_that_closes_all_descriptors() {
    let _limit = Limit::new();
    let (name, other) = (Name::new("closes-all"), Name::new("closes-all-other"));
    let mut writer = KrenWriter::create(&other, PAGE).unwrap();
    writer.write(b"before").unwrap();
    let mut process = Process::start("closes everything", &[&name, &other]);
    process.expect("closed");
    #[cfg(not(any(target_os = "macos", like_macos)))]
    {
        let refused = KrenWriter::create(&name, PAGE);
        assert!(
            matches!(refused, Err(Error::WriterExists { .. })),
            "{refused:?}"
        );
        assert_eq!(writer.reader_state(), PeerState::Attached);
    }
    process.tell("go on");
    process.expect("left");
    assert_eq!(writer.reader_state(), PeerState::Closed);
    drop(KrenReader::connect(&other).unwrap());
    process.tell("go on");
    process.finish();
    drop(writer);
    name.assert_gone();
    other.assert_gone();
}

/// Whatever stands where the standard streams were.
fn streams() -> Vec<RawFd> {
    let is_open = |fd: &RawFd| {
        // SAFETY: only asks.
        unsafe { libc::fcntl(*fd, libc::F_GETFD) >= 0 }
    };
    (0..3).filter(is_open).collect()
}

fn has_no_streams(role: &Role) {
    let name: String = role.arg(0);
    // Out of the way, for what is said at the end.
    // SAFETY: the numbers are open, and nobody prints meanwhile.
    let mut out = unsafe {
        let out = File::from_raw_fd(libc::fcntl(1, libc::F_DUPFD_CLOEXEC, 50));
        for fd in 0..3 {
            libc::close(fd);
        }
        out
    };
    let mut writer = KrenWriter::create(&name, PAGE).unwrap();
    assert_eq!(streams(), Vec::<RawFd>::new());
    let mut reader = KrenReader::connect(&name).unwrap();
    assert_eq!(streams(), Vec::<RawFd>::new());
    let other = format!("{name}-other");
    drop(
        KrenWriter::options()
            .fresh(true)
            .create(&other, PAGE)
            .unwrap(),
    );
    // What a program does that does not know.
    let text = b"printed";
    // SAFETY: `text` is readable.
    let printed = unsafe { libc::write(1, text.as_ptr().cast(), text.len()) };
    assert_eq!(printed, -1);
    writer.write(b"x").unwrap();
    assert_eq!(reader.read().unwrap(), b"x");
    assert_eq!(streams(), Vec::<RawFd>::new());
    drop(reader);
    KrenReader::connect(&name).unwrap();
    writeln!(out, "\n@done ").unwrap();
}

/// G7: a program that was started without standard streams does not print into a ring.
#[test]
fn no_endpoint_takes_the_place_of_a_standard_stream() {
    let _limit = Limit::new();
    let name = Name::new("no-streams");
    let mut process = Process::start("has no streams", &[&name]);
    process.expect("done");
    process.finish();
    name.assert_gone();
}

fn one_after_the_other(role: &Role) {
    let name: String = role.arg(0);
    let count = || {
        let is_open = |fd: &RawFd| {
            // SAFETY: only asks.
            unsafe { libc::fcntl(*fd, libc::F_GETFD) >= 0 }
        };
        (0..ALL).filter(is_open).count()
    };
    let before = count();
    let writer = KrenWriter::create(&name, PAGE).unwrap();
    assert_eq!(count(), before + 1);
    let reader = KrenReader::connect(&name).unwrap();
    assert_eq!(count(), before + 2);
    drop(KrenWriter::create(&name, PAGE).unwrap_err());
    assert_eq!(count(), before + 2);
    drop((reader, writer));
    assert_eq!(count(), before);
}

/// Resources: an endpoint takes one descriptor.
#[test]
fn an_endpoint_takes_one_descriptor() {
    let _limit = Limit::new();
    let name = Name::new("one-descriptor");
    Process::start("opens one after the other", &[&name]).finish();
    name.assert_gone();
}
