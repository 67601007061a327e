//! What waiting and streaming cost (G9).

use crate::support::{Limit, Name, PAGE, PATIENCE, Parts, Process, Role, this_test};
use kren_core::{KrenReader, KrenWriter, Strategy};
use std::process::Command;
use std::time::{Duration, Instant};

pub(crate) const PARTS: Parts = &[
    ("blocked reader", blocked_reader),
    ("blocked writer", blocked_writer),
    ("early reader", early_reader),
    ("quiet stream", quiet_stream),
    ("echo on one processor", echo_on_one_processor),
];

fn blocked_reader(role: &Role) {
    let mut reader = KrenReader::connect(&role.arg::<String>(0)).unwrap();
    role.say("waits", "");
    drop(reader.read().unwrap());
    role.say("read", "");
}

fn blocked_writer(role: &Role) {
    let mut writer = KrenWriter::create(&role.arg::<String>(0), PAGE).unwrap();
    writer.write(&[0; PAGE - 8]).unwrap();
    role.say("waits", "");
    writer.write(&[0; PAGE - 8]).unwrap();
    role.say("written", "");
}

/// Processor time that a process has had: all its threads.
fn processor_time(pid: u32) -> Duration {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let time = |thread: std::fs::DirEntry| -> u64 {
        let stat = std::fs::read_to_string(thread.path().join("schedstat")).unwrap();
        stat.split(' ').next().unwrap().parse().unwrap()
    };
    Duration::from_nanos(threads.map(|thread| time(thread.unwrap())).sum())
}

/// How much of one second of waiting a process spends on the processor.
pub(crate) fn idle_second(pid: u32) -> Duration {
    let before = processor_time(pid);
    let start = Instant::now();
    // Not a synchronisation: this second is what is measured.
    std::thread::sleep(Duration::from_secs(1));
    (processor_time(pid) - before).div_f64(start.elapsed().as_secs_f64())
}

/// G9: a blocked side sleeps, and a message ends that.
#[test]
fn a_blocked_side_uses_no_processor() {
    let _limit = Limit::new();
    let name = Name::new("idle-reader");
    let mut writer = KrenWriter::create(&name, PAGE).unwrap();
    let mut reader = Process::start("blocked reader", &[&name]);
    reader.expect("waits");
    let reading = idle_second(reader.pid());
    writer.write(b"x").unwrap();
    reader.expect("read");
    reader.finish();
    drop(writer);

    let name = Name::new("idle-writer");
    let mut writer = Process::start("blocked writer", &[&name]);
    writer.expect("waits");
    let mut reader = KrenReader::connect(&name).unwrap();
    let writing = idle_second(writer.pid());
    drop(reader.read().unwrap());
    writer.expect("written");

    println!("processor time in a second of waiting: reader {reading:?}, writer {writing:?}");
    // Ten looks at the peer a second take some hundred microseconds; a poll would take it all.
    assert!(
        reading.max(writing) < Duration::from_millis(20),
        "{reading:?} {writing:?}"
    );
}

fn early_reader(role: &Role) {
    let options = KrenReader::options()
        .timeout(PATIENCE)
        .live_writer(role.arg(1));
    role.say("waits", "");
    let mut reader = options.connect(&role.arg::<String>(0)).unwrap();
    drop(reader.read().unwrap());
    role.say("read", "");
}

/// G9: waiting for a channel to exist, or for its writer to live, costs nothing either.
#[test]
fn a_side_that_waits_for_its_channel_uses_no_processor() {
    let _limit = Limit::new();
    for live in [false, true] {
        let name = Name::new("idle-early");
        if live {
            let mut earlier = KrenWriter::create(&name, PAGE).unwrap();
            earlier.write(b"left behind").unwrap();
        }
        let mut reader = Process::start("early reader", &[&name, &live]);
        reader.expect("waits");
        let neighbours = Neighbours::new();
        let waiting = idle_second(reader.pid());
        let made = neighbours.made();
        let mut writer = KrenWriter::create(&name, PAGE).unwrap();
        writer.write(b"x").unwrap();
        reader.expect("read");
        reader.finish();
        println!("processor time in a second of waiting, live {live}, {made} made: {waiting:?}");
        // Whatever is made in /dev/shm, as by the tests beside this one, is looked at, though no more than two hundred
        // times a second; each look takes some fifty microseconds, and several times that where the tests beside this one keep
        // every processor busy. Two hundred without such a cause took ten milliseconds.
        let looks = made.min(200) * Duration::from_micros(300).as_micros() as u32;
        let most = Duration::from_millis(6) + Duration::from_micros(looks.into());
        assert!(waiting < most, "live {live}, {made} made: {waiting:?}");
    }
}

/// Counts what is made in `/dev/shm`.
struct Neighbours(std::fs::File);

#[allow(unsafe_code)]
impl Neighbours {
    fn new() -> Self {
        use std::os::fd::FromRawFd as _;
        // SAFETY: the path is NUL-terminated, and a descriptor that has just been opened is ours.
        unsafe {
            let fd = libc::inotify_init1(libc::IN_CLOEXEC | libc::IN_NONBLOCK);
            let mask = libc::IN_CREATE | libc::IN_MOVED_TO;
            let watch = libc::inotify_add_watch(fd, c"/dev/shm".as_ptr(), mask);
            assert!(fd >= 0 && watch >= 0);
            Self(std::fs::File::from_raw_fd(fd))
        }
    }

    fn made(mut self) -> u32 {
        use std::io::Read as _;
        /// An event without the name behind it, whose length is its last word.
        const EVENT: usize = 16;
        let (mut events, mut made) = ([0; 1 << 16], 0);
        while let Ok(len @ 1..) = self.0.read(&mut events) {
            let mut at = 0;
            while at < len {
                let name: [u8; 4] = events[at + EVENT - 4..at + EVENT].try_into().unwrap();
                at += EVENT + u32::from_ne_bytes(name) as usize;
                made += 1;
            }
        }
        made
    }
}

/// Keeps this process to the first processor that it may use.
#[allow(unsafe_code)]
fn keep_to_one_processor() {
    // SAFETY: all-zero sets are valid, and readable and writable at the length given.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        let len = size_of_val(&set);
        assert_eq!(libc::sched_getaffinity(0, len, &raw mut set), 0);
        let first = (0..libc::CPU_SETSIZE as usize)
            .find(|at| libc::CPU_ISSET(*at, &set))
            .expect("it runs somewhere");
        libc::CPU_ZERO(&mut set);
        libc::CPU_SET(first, &mut set);
        assert_eq!(libc::sched_setaffinity(0, len, &raw const set), 0);
    }
}

const ECHOES: u32 = 2000;

/// One of two that answer each other, `ECHOES` times: `first` begins.
fn echo_on_one_processor(role: &Role) {
    keep_to_one_processor();
    let (there, back, first): (String, String, bool) = (role.arg(0), role.arg(1), role.arg(2));
    let mut writer = KrenWriter::create(&there, PAGE).unwrap();
    let mut reader = KrenReader::options()
        .timeout(PATIENCE)
        .connect(&back)
        .unwrap();
    role.say("ready", "");
    role.hear("go");
    let before = processor_time(std::process::id());
    for _ in 0..ECHOES {
        if first {
            writer.write(b"ping").unwrap();
        }
        drop(reader.read().unwrap());
        if !first {
            writer.write(b"pong").unwrap();
        }
    }
    let spent = processor_time(std::process::id()) - before;
    role.say("spent", spent.as_micros());
    role.hear("go");
}

/// G9: two sides that share one processor do not keep each other from it by spinning.
#[test]
fn sides_on_one_processor_do_not_spin() {
    let _limit = Limit::new();
    let (there, back) = (Name::new("one-there"), Name::new("one-back"));
    let mut sides = [
        Process::start("echo on one processor", &[&there, &back, &true]),
        Process::start("echo on one processor", &[&back, &there, &false]),
    ];
    for side in &mut sides {
        side.expect("ready");
    }
    for side in &mut sides {
        side.tell("go");
    }
    let mut spent = 0;
    for side in &mut sides {
        spent += side.expect("spent").parse::<u64>().unwrap();
    }
    for side in &mut sides {
        side.tell("go");
    }
    let each = Duration::from_micros(spent) / ECHOES;
    println!("processor time of both sides for a round trip on one processor: {each:?}");
    // With a spin before each sleep it took some 170 us, without one it takes a tenth.
    assert!(each < Duration::from_micros(80), "{each:?}");
}

/// Writes and reads, never so that one side would have to wait.
fn quiet_stream(role: &Role) {
    let (name, laps): (String, u32) = (role.arg(0), role.arg(1));
    let mut writer = KrenWriter::options()
        .prefault(true)
        .create(&name, 16 * PAGE)
        .unwrap();
    let mut reader = KrenReader::options()
        .strategy(Strategy::Sleep)
        .prefault(true)
        .connect(&name)
        .unwrap();
    for _ in 0..laps {
        for _ in 0..50 {
            writer.write(&[1; 64]).unwrap();
            let mut slot = writer.reserve(100).unwrap();
            slot.fill(2);
            slot.commit();
            let mut batch = writer.batch();
            batch.push(&[3; 500]).unwrap();
            batch.commit();
        }
        for _ in 0..150 {
            drop(reader.read().unwrap());
        }
        assert!(reader.try_read().unwrap().is_none());
    }
}

/// System calls of a stream of so many laps, as strace counts them; `None` without strace.
fn system_calls(laps: u32) -> Option<u64> {
    let name = Name::new("calls");
    let log = std::env::temp_dir().join(&*name);
    let mut command = Command::new("strace");
    command.args(["-f", "-c", "-o"]).arg(&log);
    if !command
        .arg("true")
        .output()
        .is_ok_and(|output| output.status.success())
    {
        return None;
    }
    let mut command = Command::new("strace");
    command.args(["-f", "-c", "-o"]).arg(&log).args(this_test());
    Process::start_with(command, "quiet stream", &[&name, &laps]).finish();
    let table = std::fs::read_to_string(&log).unwrap();
    std::fs::remove_file(&log).unwrap();
    // The last line: percent, seconds, microseconds per call, calls, perhaps errors, "total".
    let total = table.lines().last().unwrap();
    assert!(total.ends_with("total"), "{table}");
    Some(total.split_whitespace().nth(3).unwrap().parse().unwrap())
}

/// G9: a stream that nobody has to wait in makes no system call: a thousand times as many messages
/// do not make one more.
#[test]
fn a_stream_makes_no_system_call() {
    let _limit = Limit::new();
    let (Some(short), Some(long)) = (system_calls(2), system_calls(2000)) else {
        println!("skipped: no strace that works here");
        return;
    };
    println!("system calls of a process: {short} with 300 messages, {long} with 300,000");
    // Threads of the harness come and go; 300,000 messages would show.
    assert!(long <= short + 50, "{short} and {long}");
}
