//! What differs on Windows, with real processes: a name lives as long as a handle to it.
//!
//! The guarantees that are the same everywhere are tested by the other files, on Windows too.
#![cfg(windows)]

use kren_core::{Error, KrenReader, KrenWriter, PeerState, Strategy};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Far beyond what anything here takes, even emulated on a busy machine; only a hang reaches it.
const PATIENCE: Duration = Duration::from_secs(300);
const CAPACITY: usize = 64 * 1024;

fn name(what: &str) -> String {
    format!("windows-{what}-{}", std::process::id())
}

/// Another process that plays `part` on the channel `name`.
struct Other {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Other {
    fn start(part: &str, name: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "the_other_process", "--nocapture"])
            .env("KREN_PART", part)
            .env("KREN_NAME", name)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// Waits until the process says `word`.
    fn says(&mut self, word: &str) {
        let mut line = String::new();
        while line.trim() != word {
            line.clear();
            assert_ne!(
                self.lines.read_line(&mut line).unwrap(),
                0,
                "it ended without {word:?}"
            );
        }
    }

    fn tell(&mut self) {
        self.child
            .stdin
            .as_mut()
            .unwrap()
            .write_all(b"go\n")
            .unwrap();
    }

    /// Processor time that the process has had, in user and in kernel mode.
    #[allow(unsafe_code)]
    fn processor_time(&self) -> Duration {
        use std::os::windows::io::AsRawHandle;
        use windows_sys::Win32::Foundation::FILETIME;
        use windows_sys::Win32::System::Threading::GetProcessTimes;
        let [mut started, mut ended, mut kernel, mut user] = [FILETIME::default(); 4];
        // SAFETY: the handle is open, and the results are writable.
        let told = unsafe {
            GetProcessTimes(
                self.child.as_raw_handle(),
                &raw mut started,
                &raw mut ended,
                &raw mut kernel,
                &raw mut user,
            )
        };
        assert_ne!(told, 0);
        // In units of 100 ns.
        let ticks =
            |time: FILETIME| u64::from(time.dwHighDateTime) << 32 | u64::from(time.dwLowDateTime);
        Duration::from_nanos((ticks(kernel) + ticks(user)) * 100)
    }

    /// How much of half a second of waiting the process spends on the processor.
    fn half_a_second(&self) -> Duration {
        let before = self.processor_time();
        // Not a synchronisation: this time is what is measured.
        std::thread::sleep(Duration::from_millis(500));
        self.processor_time() - before
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn ends_well(mut self) {
        assert!(self.child.wait().unwrap().success());
    }
}

/// Not a test of its own: what [`Other`] runs.
#[test]
fn the_other_process() {
    let Ok(part) = std::env::var("KREN_PART") else {
        return;
    };
    let name = std::env::var("KREN_NAME").unwrap();
    let say = |word: &str| {
        println!("\n{word}");
        std::io::stdout().flush().unwrap();
    };
    let hear = || assert_ne!(std::io::stdin().read_line(&mut String::new()).unwrap(), 0);
    match part.as_str() {
        "write one and wait to be killed" => {
            let mut writer = KrenWriter::create(&name, CAPACITY).unwrap();
            writer.write(b"committed").unwrap();
            let mut slot = writer.reserve(100).unwrap();
            slot.fill(1);
            say("ready");
            hear();
        }
        "read one and wait to be killed" => {
            let mut reader = KrenReader::connect(&name).unwrap();
            assert_eq!(reader.read_timeout(PATIENCE).unwrap(), b"first");
            let held = reader.read_timeout(PATIENCE).unwrap();
            assert_eq!(held, b"second");
            say("ready");
            hear();
        }
        "write and close without draining" => {
            let mut writer = KrenWriter::create(&name, CAPACITY).unwrap();
            writer.write(b"undelivered").unwrap();
            writer.close().unwrap();
            say("closed");
            hear();
        }
        "write and drain" => {
            let mut writer = KrenWriter::create(&name, CAPACITY).unwrap();
            writer.write(b"delivered").unwrap();
            say("written");
            writer.drain(PATIENCE).unwrap();
        }
        "wait for a message" => {
            let mut reader = KrenReader::connect(&name).unwrap();
            say("waiting");
            assert_eq!(reader.read_timeout(PATIENCE).unwrap(), b"at last");
        }
        "wait for room" => {
            let mut writer = KrenWriter::create(&name, CAPACITY).unwrap();
            writer.write(&[1; CAPACITY - 8]).unwrap();
            say("waiting");
            writer.write_timeout(&[2; CAPACITY - 8], PATIENCE).unwrap();
            writer.drain(PATIENCE).unwrap();
        }
        "echo" => {
            let strategy = Strategy::Sleep;
            let mut input = KrenReader::options()
                .strategy(strategy)
                .timeout(PATIENCE)
                .connect(&format!("{name}.to"))
                .unwrap();
            let mut output = KrenWriter::options()
                .strategy(strategy)
                .create(&format!("{name}.from"), CAPACITY)
                .unwrap();
            loop {
                match input.read_timeout(PATIENCE) {
                    Ok(message) => output.write_timeout(&message, PATIENCE).unwrap(),
                    Err(Error::Closed { .. }) => break,
                    Err(error) => panic!("{error}"),
                }
            }
            output.drain(PATIENCE).unwrap();
        }
        part => panic!("no such part: {part}"),
    }
}

/// G1, G9: two processes that sleep on named events miss no wake-up in either direction.
#[test]
fn processes_that_sleep_wake_each_other() {
    let name = name("echo");
    let mut output = KrenWriter::options()
        .strategy(Strategy::Sleep)
        .create(&format!("{name}.to"), CAPACITY)
        .unwrap();
    let other = Other::start("echo", &name);
    let mut input = KrenReader::options()
        .strategy(Strategy::Sleep)
        .timeout(PATIENCE)
        .connect(&format!("{name}.from"))
        .unwrap();
    for round in 0_usize..500 {
        let message = vec![round as u8; round * 131 % CAPACITY / 2];
        output.write_timeout(&message, PATIENCE).unwrap();
        assert_eq!(
            input.read_timeout(PATIENCE).unwrap(),
            message,
            "round {round}"
        );
    }
    output.close().unwrap();
    assert!(matches!(
        input.read_timeout(PATIENCE),
        Err(Error::Closed { .. })
    ));
    drop(input);
    other.ends_well();
}

/// G3, G4: the reader keeps the name over its writer's death, and a new writer goes on.
#[test]
fn a_live_reader_keeps_what_a_killed_writer_committed() {
    let name = name("kill-writer");
    let mut other = Other::start("write one and wait to be killed", &name);
    other.says("ready");
    let pid = other.child.id();
    let mut reader = KrenReader::connect(&name).unwrap();
    let refused = KrenWriter::create(&name, CAPACITY).unwrap_err();
    assert!(
        matches!(refused, Error::WriterExists { holder, .. } if holder.pid() == pid),
        "{refused}"
    );
    other.kill();

    assert_eq!(reader.read_timeout(PATIENCE).unwrap(), b"committed");
    let error = reader.read_timeout(PATIENCE).unwrap_err();
    assert!(
        matches!(error, Error::PeerDied { holder, .. } if holder.pid() == pid),
        "{error}"
    );

    let mut writer = KrenWriter::create(&name, CAPACITY).unwrap();
    writer.write(b"resumed").unwrap();
    assert_eq!(reader.read_timeout(PATIENCE).unwrap(), b"resumed");
}

/// G3: the writer keeps the name over its reader's death, and a new reader starts at the first
/// message that was not released.
#[test]
fn a_live_writer_keeps_what_a_killed_reader_had_not_released() {
    let name = name("kill-reader");
    let mut writer = KrenWriter::create(&name, CAPACITY).unwrap();
    writer.write(b"first").unwrap();
    writer.write(b"second").unwrap();
    let mut other = Other::start("read one and wait to be killed", &name);
    other.says("ready");
    let pid = other.child.id();
    let refused = KrenReader::connect(&name).unwrap_err();
    assert!(
        matches!(refused, Error::ReaderExists { holder, .. } if holder.pid() == pid),
        "{refused}"
    );
    other.kill();

    let error = writer.drain(PATIENCE).unwrap_err();
    assert!(
        matches!(error, Error::PeerDied { holder, .. } if holder.pid() == pid),
        "{error}"
    );
    let mut reader = KrenReader::connect(&name).unwrap();
    assert_eq!(reader.read_timeout(PATIENCE).unwrap(), b"second");
    writer.drain(PATIENCE).unwrap();
}

/// Stops every thread of a process, as SIGSTOP does elsewhere.
#[allow(unsafe_code)]
fn suspend(child: &Child) {
    use std::os::windows::io::{AsRawHandle, RawHandle};
    #[link(name = "ntdll")]
    unsafe extern "system" {
        fn NtSuspendProcess(process: RawHandle) -> i32;
    }
    // SAFETY: the handle is open, and has every right to a child of ours.
    assert_eq!(unsafe { NtSuspendProcess(child.as_raw_handle()) }, 0);
}

/// G4: a process that is held still is not a dead one, however long it is held.
#[test]
fn a_suspended_peer_is_not_dead() {
    let name = name("suspended");
    let mut other = Other::start("write one and wait to be killed", &name);
    other.says("ready");
    let pid = other.child.id();
    let mut reader = KrenReader::connect(&name).unwrap();
    assert_eq!(reader.read_timeout(PATIENCE).unwrap(), b"committed");
    suspend(&other.child);
    // Several times as long as it takes to notice a death.
    let nothing = reader.read_timeout(Duration::from_millis(450)).map(drop);
    assert!(
        matches!(nothing, Err(Error::TimedOut { .. })),
        "{nothing:?}"
    );
    assert_eq!(reader.writer_state(), PeerState::Attached);
    let refused = KrenWriter::create(&name, CAPACITY).unwrap_err();
    assert!(
        matches!(refused, Error::WriterExists { holder, .. } if holder.pid() == pid),
        "{refused}"
    );
    other.kill();
    let error = reader.read_timeout(PATIENCE).map(drop).unwrap_err();
    assert!(matches!(error, Error::PeerDied { .. }), "{error}");
}

/// The system's names end at 260 characters; the longest of ours, with all that is put around it, does not get
/// there, in either namespace.
#[test]
fn the_longest_name_is_not_too_long() {
    let name = format!("{:x<128}", name("longest"));
    for machine_wide in [false, true] {
        let options = KrenWriter::options().machine_wide(machine_wide);
        let mut writer = match options.create(&name, CAPACITY) {
            Ok(writer) => writer,
            // Making one takes a privilege.
            Err(Error::PermissionDenied { reason, .. }) if machine_wide => {
                return eprintln!("not run: {reason}");
            }
            Err(error) => panic!("{error}"),
        };
        let mut reader = KrenReader::options()
            .machine_wide(machine_wide)
            .connect(&name)
            .unwrap();
        writer.write(b"long").unwrap();
        assert_eq!(reader.read_timeout(PATIENCE).unwrap(), b"long");
    }
}

/// As on other systems, and unlike the names of files there.
#[test]
fn names_that_differ_in_case_are_two_channels() {
    let name = name("case");
    let mut lower = KrenWriter::create(&name, CAPACITY).unwrap();
    let mut upper = KrenWriter::create(&name.to_uppercase(), CAPACITY).unwrap();
    lower.write(b"lower").unwrap();
    upper.write(b"upper").unwrap();
    let mut reader = KrenReader::connect(&name).unwrap();
    assert_eq!(reader.read_timeout(PATIENCE).unwrap(), b"lower");
}

/// The difference to other systems: nobody is left to keep an undelivered message.
#[test]
fn a_name_goes_with_its_last_side() {
    let name = name("gone");
    let mut other = Other::start("write and close without draining", &name);
    other.says("closed");
    // The process lives on; its endpoint is what kept the name.
    assert!(matches!(
        KrenReader::connect(&name),
        Err(Error::NotFound { .. })
    ));
    other.tell();
    other.ends_well();
}

/// What to do about it: `drain` before the end.
#[test]
fn a_writer_that_drains_ends_when_its_reader_is_done() {
    let name = name("drain");
    let mut other = Other::start("write and drain", &name);
    other.says("written");
    assert!(other.child.try_wait().unwrap().is_none());
    let mut reader = KrenReader::connect(&name).unwrap();
    assert_eq!(reader.read_timeout(PATIENCE).unwrap(), b"delivered");
    other.ends_well();
    assert!(matches!(
        reader.read_timeout(PATIENCE),
        Err(Error::Closed { .. })
    ));
}

#[test]
fn draining_takes_no_longer_than_it_may() {
    let name = name("drain-timeout");
    let mut writer = KrenWriter::create(&name, CAPACITY).unwrap();
    writer.write(b"nobody reads this").unwrap();
    let error = writer.drain(Duration::from_millis(20)).unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "{error}");
}

/// `fresh` takes the name from a segment that cannot be taken away from its reader.
#[test]
fn a_fresh_channel_leaves_the_old_one_to_its_reader() {
    let name = name("fresh");
    let mut first = KrenWriter::create(&name, CAPACITY).unwrap();
    first.write(b"old").unwrap();
    let mut old = KrenReader::connect(&name).unwrap();
    drop(first);

    let mut second = KrenWriter::options()
        .fresh(true)
        .create(&name, 4 * CAPACITY)
        .unwrap();
    second.write(b"new").unwrap();
    assert_eq!(second.capacity(), 4 * CAPACITY);
    let mut new = KrenReader::connect(&name).unwrap();
    assert_eq!(new.read_timeout(PATIENCE).unwrap(), b"new");

    assert_eq!(old.read_timeout(PATIENCE).unwrap(), b"old");
    assert!(matches!(
        old.read_timeout(PATIENCE),
        Err(Error::Closed { .. })
    ));
    assert!(old.is_writer_closed() && !new.is_writer_closed());
}

/// A writer that asks for other figures than a held channel has is told what is there.
#[test]
fn another_capacity_is_refused_while_somebody_holds_the_channel() {
    let name = name("mismatch");
    let mut writer = KrenWriter::create(&name, 2 * CAPACITY).unwrap();
    writer.write(&[0; 10]).unwrap();
    let mut reader = KrenReader::connect(&name).unwrap();
    drop(writer);
    let pid = std::process::id();
    let error = KrenWriter::create(&name, CAPACITY).unwrap_err();
    assert!(
        matches!(
            error,
            Error::CapacityMismatch { messages: 1, reader: Some(found), .. } if found.pid() == pid
        ),
        "{error:?}"
    );
    assert_eq!(reader.read_timeout(PATIENCE).unwrap(), [0; 10]);
    drop(reader);
    assert_eq!(
        KrenWriter::create(&name, CAPACITY).unwrap().capacity(),
        CAPACITY
    );
}

/// G9: a blocked side sleeps, in whichever role.
#[test]
fn a_blocked_side_uses_no_processor() {
    for part in ["wait for a message", "wait for room"] {
        let name = name("idle");
        let mut writer = None;
        if part == "wait for a message" {
            writer = Some(KrenWriter::create(&name, CAPACITY).unwrap());
        }
        let mut other = Other::start(part, &name);
        other.says("waiting");
        // The least of several, since the process may still be getting ready in the first.
        let used = (0..3).map(|_| other.half_a_second()).min().unwrap();
        println!("{part}: {used:?} of processor time in half a second");
        // A few looks at the peer take little, however busy the machine; a poll would take all of it.
        assert!(used < Duration::from_millis(100), "{part}: {used:?}");
        match writer {
            Some(mut writer) => {
                writer.write(b"at last").unwrap();
                writer.drain(PATIENCE).unwrap();
            }
            None => {
                let mut reader = KrenReader::connect(&name).unwrap();
                for _ in 0..2 {
                    assert_eq!(reader.read_timeout(PATIENCE).unwrap().len(), CAPACITY - 8);
                }
            }
        }
        other.ends_well();
    }
}

/// A channel of the session and one of the whole machine are two, whatever their names.
#[test]
fn machine_wide_names_are_apart() {
    let name = name("wide");
    let mut near = KrenWriter::create(&name, CAPACITY).unwrap();
    let options = KrenWriter::options().machine_wide(true);
    let mut wide = match options.create(&name, CAPACITY) {
        Ok(writer) => writer,
        // Making one takes a privilege.
        Err(Error::PermissionDenied { reason, .. }) => return eprintln!("not run: {reason}"),
        Err(error) => panic!("{error}"),
    };
    near.write(b"near").unwrap();
    wide.write(b"wide").unwrap();
    let mut reader = KrenReader::options()
        .machine_wide(true)
        .connect(&name)
        .unwrap();
    assert_eq!(reader.read_timeout(PATIENCE).unwrap(), b"wide");
    let mut reader = KrenReader::connect(&name).unwrap();
    assert_eq!(reader.read_timeout(PATIENCE).unwrap(), b"near");
}

/// Capacities are multiples of what Windows maps at once, and a message may fill them.
#[test]
fn the_granularity_is_64_kib() {
    let name = name("granularity");
    let mut writer = KrenWriter::create(&name, 1).unwrap();
    assert_eq!(writer.capacity(), 64 * 1024);
    let mut reader = KrenReader::connect(&name).unwrap();
    for round in 0..5_u8 {
        let message = vec![round; writer.max_message_len()];
        writer.write_timeout(&message, PATIENCE).unwrap();
        assert_eq!(reader.read_timeout(PATIENCE).unwrap(), message);
        writer.write_timeout(b"shift", PATIENCE).unwrap();
        assert_eq!(reader.read_timeout(PATIENCE).unwrap(), b"shift");
    }
}
