//! What waiting and streaming cost (G9).

use crate::support::{Limit, Name, PAGE, Parts, Process, Role, this_test};
use kren_core::{KrenReader, KrenWriter, Strategy};
use std::process::Command;
use std::time::{Duration, Instant};

pub(crate) const PARTS: Parts = &[
    ("blocked reader", blocked_reader),
    ("blocked writer", blocked_writer),
    ("quiet stream", quiet_stream),
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
fn idle_second(pid: u32) -> Duration {
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
