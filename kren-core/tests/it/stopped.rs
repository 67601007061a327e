//! A side that stands still for seconds, in the middle of a stream (G4): it is waited for, not given up, and
//! goes on where it was.
#![allow(unsafe_code)]

use crate::support::{Limit, Name, PAGE, PATIENCE, Parts, Process, Role, mix, pattern};
use kren_core::{Error, KrenReader, KrenWriter, PeerState};
use std::time::{Duration, Instant};

pub(crate) const PARTS: Parts = &[
    ("steady writer", steady_writer),
    ("steady reader", steady_reader),
];

/// Many times as long as it takes to notice a death.
const STILL: Duration = Duration::from_secs(3);
/// Long enough for a whole slice of a sleep, and short enough for many in [`STILL`].
const LOOK: Duration = Duration::from_millis(250);
const ROUNDS: u64 = 3;
/// Messages before, between and after the stops.
const STRETCH: u64 = 2000;

fn bytes(at: u64) -> &'static [u8] {
    pattern(at, mix(at) as usize % 700)
}

fn steady_writer(role: &Role) {
    let mut writer = KrenWriter::create(&role.arg::<String>(0), 4 * PAGE).unwrap();
    for at in 0.. {
        writer.write(bytes(at)).unwrap();
    }
}

fn steady_reader(role: &Role) {
    let mut reader = KrenReader::connect(&role.arg::<String>(0)).unwrap();
    for at in 0.. {
        assert!(reader.read().unwrap() == bytes(at), "message {at}");
    }
}

/// Stops the process until the result is dropped.
struct Stopped(libc::pid_t);

impl Stopped {
    fn begin(process: &Process) -> Self {
        let pid = process.pid() as libc::pid_t;
        let mut status = 0;
        // SAFETY: `pid` is our child, not waited for; `status` is writable.
        unsafe {
            assert_eq!(libc::kill(pid, libc::SIGSTOP), 0);
            assert_eq!(libc::waitpid(pid, &raw mut status, libc::WUNTRACED), pid);
        }
        assert!(libc::WIFSTOPPED(status), "{status:#x}");
        Self(pid)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        // SAFETY: no preconditions; the child has not been waited for.
        unsafe { libc::kill(self.0, libc::SIGCONT) };
    }
}

/// G1, G4: a reader whose writer is stopped wherever it happens to be: no message, no death, and then the rest.
#[test]
fn a_writer_that_stands_still_is_waited_for() {
    let _limit = Limit::new();
    let name = Name::new("still-writer");
    let mut process = Process::start("steady writer", &[&name]);
    let options = KrenReader::options().timeout(PATIENCE);
    let mut reader = options.connect(&name).unwrap();
    let mut next = 0;
    for _ in 0..ROUNDS {
        for _ in 0..STRETCH {
            assert!(reader.read().unwrap() == bytes(next), "message {next}");
            next += 1;
        }
        let stopped = Stopped::begin(&process);
        let end = Instant::now() + STILL / ROUNDS as u32;
        let mut timeouts = 0;
        while Instant::now() < end || timeouts == 0 {
            match reader.read_timeout(LOOK) {
                Ok(message) => {
                    assert!(message == bytes(next), "message {next}");
                    next += 1;
                }
                Err(Error::TimedOut { .. }) => timeouts += 1,
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(reader.writer_state(), PeerState::Attached);
        let refused = KrenWriter::create(&name, 4 * PAGE).unwrap_err();
        assert!(matches!(refused, Error::WriterExists { .. }), "{refused}");
        drop(stopped);
        assert!(reader.read().unwrap() == bytes(next), "the one it was at");
        next += 1;
    }
    process.kill();
}

/// G1, G4: a writer whose reader is stopped: it waits for room, and nothing comes twice or is missed.
#[test]
fn a_reader_that_stands_still_is_waited_for() {
    let _limit = Limit::new();
    let name = Name::new("still-reader");
    let mut writer = KrenWriter::create(&name, 4 * PAGE).unwrap();
    let mut process = Process::start("steady reader", &[&name]);
    let mut next = 0;
    for _ in 0..ROUNDS {
        for _ in 0..STRETCH {
            writer.write(bytes(next)).unwrap();
            next += 1;
        }
        writer.drain(PATIENCE).unwrap();
        let stopped = Stopped::begin(&process);
        let end = Instant::now() + STILL / ROUNDS as u32;
        let mut timeouts = 0;
        while Instant::now() < end || timeouts == 0 {
            match writer.write_timeout(bytes(next), LOOK) {
                Ok(()) => next += 1,
                Err(Error::TimedOut { .. }) => timeouts += 1,
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(writer.reader_state(), PeerState::Attached);
        drop(stopped);
        writer.drain(PATIENCE).unwrap();
    }
    // Had it found a wrong message, it would be gone.
    assert_eq!(writer.reader_state(), PeerState::Attached);
    process.kill();
}
