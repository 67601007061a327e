//! Nothing is left behind: descriptors, mappings, files. And many channels at once.
#![allow(unsafe_code)]

use crate::support::{Limit, Name, PAGE, Parts, Process, Role};
use kren_core::{Error, KrenReader, KrenWriter};
#[cfg(target_os = "linux")]
use std::os::unix::process::CommandExt;
#[cfg(target_os = "linux")]
use std::process::Command;

pub(crate) const PARTS: Parts = &[
    ("cycles", cycles),
    ("many channels", many),
    #[cfg(target_os = "linux")]
    ("becomes another", becomes_another),
    ("sleeper", sleeper),
];

#[cfg(target_os = "linux")]
fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Handles, on Windows.
#[cfg(windows)]
fn descriptors() -> usize {
    use windows_sys::Win32::System::Threading::{GetCurrentProcess, GetProcessHandleCount};
    let mut count = 0;
    // SAFETY: the handle stands for this process, and `count` is writable.
    let told = unsafe { GetProcessHandleCount(GetCurrentProcess(), &raw mut count) };
    assert_ne!(told, 0);
    count as usize
}

/// Views of sections, on Windows.
#[cfg(windows)]
fn mappings() -> usize {
    use windows_sys::Win32::System::Memory::{MEM_MAPPED, MEMORY_BASIC_INFORMATION, VirtualQuery};
    let mut bases = std::collections::BTreeSet::new();
    let mut address = std::ptr::null::<u8>();
    loop {
        let mut found = MEMORY_BASIC_INFORMATION::default();
        // SAFETY: only asks, and `found` is writable. It fails at the end of the address space.
        let told = unsafe { VirtualQuery(address.cast(), &raw mut found, size_of_val(&found)) };
        if told == 0 {
            return bases.len();
        }
        if found.Type == MEM_MAPPED {
            bases.insert(found.AllocationBase as usize);
        }
        address = found
            .BaseAddress
            .cast::<u8>()
            .wrapping_add(found.RegionSize);
    }
}

#[cfg(target_os = "linux")]
fn mappings() -> usize {
    std::fs::read_to_string("/proc/self/maps")
        .unwrap()
        .lines()
        .count()
}

/// Every way a channel can be opened, refused and closed, two thousand times.
fn cycles(role: &Role) {
    let name: String = role.arg(0);
    let cycle = || {
        assert!(matches!(
            KrenReader::connect(&name),
            Err(Error::NotFound { .. })
        ));
        let mut writer = KrenWriter::create(&name, PAGE).unwrap();
        let mut reader = KrenReader::connect(&name).unwrap();
        writer.write(b"x").unwrap();
        assert_eq!(reader.read().unwrap(), b"x");
        let waiter = reader.message_waiter().unwrap();
        drop(writer);
        assert!(matches!(waiter.wait(None), Err(Error::Closed { .. })));
        let error = KrenWriter::create(&name, 2 * PAGE).unwrap_err();
        assert!(matches!(error, Error::CapacityMismatch { .. }), "{error}");
        drop(reader);
        drop(waiter);
    };
    let refused = || {
        let _writer = KrenWriter::create(&name, PAGE).unwrap();
        assert!(matches!(
            KrenWriter::create(&name, PAGE),
            Err(Error::WriterExists { .. })
        ));
        drop(
            KrenWriter::options()
                .fresh(true)
                .create(&format!("{name}-other"), PAGE)
                .unwrap(),
        );
    };
    cycle();
    refused();
    let before = (descriptors(), mappings());
    for at in 0..2000 {
        cycle();
        if at % 100 == 0 {
            refused();
        }
    }
    let after = (descriptors(), mappings());
    assert_eq!(before.0, after.0, "descriptors");
    // The allocator may have taken or given back an arena or two.
    assert!(
        after.1 <= before.1 + 4,
        "mappings: {} before, {} after",
        before.1,
        after.1
    );
}

#[test]
fn thousands_of_channels_one_after_the_other_leave_nothing() {
    let _limit = Limit::new();
    let name = Name::new("cycles");
    Process::start("cycles", &[&name]).finish();
    name.assert_gone();
}

fn many(role: &Role) {
    const CHANNELS: u32 = 1000;
    #[cfg(target_os = "linux")]
    // SAFETY: `limit` is a valid structure.
    unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        limit.rlim_cur = limit.rlim_max.min(10_000);
        libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
    }
    let name: String = role.arg(0);
    let mut channels: Vec<(KrenWriter, KrenReader)> = (0..CHANNELS)
        .map(|at| {
            let name = format!("{name}-{at}");
            (
                KrenWriter::create(&name, PAGE).unwrap(),
                KrenReader::connect(&name).unwrap(),
            )
        })
        .collect();
    for round in 0..3u32 {
        for (at, (writer, _)) in channels.iter_mut().enumerate() {
            writer
                .write_tagged(round, &(at as u32).to_le_bytes())
                .unwrap();
        }
        for (at, (_, reader)) in channels.iter_mut().enumerate() {
            let message = reader.read().unwrap();
            assert_eq!(
                (&*message, message.tag()),
                (&(at as u32).to_le_bytes()[..], round)
            );
        }
    }
    drop(channels);
    for at in 0..CHANNELS {
        let gone = KrenReader::connect(&format!("{name}-{at}"));
        assert!(matches!(gone, Err(Error::NotFound { .. })));
    }
}

#[test]
fn a_thousand_channels_at_once() {
    let _limit = Limit::new();
    let name = Name::new("many");
    Process::start("many channels", &[&name]).finish();
}

/// A program that an endpoint's process starts has none of its descriptors, and does not keep the endpoint alive.
#[test]
fn a_started_program_inherits_nothing() {
    let _limit = Limit::new();
    let name = Name::new("exec");
    let writer = KrenWriter::create(&name, PAGE).unwrap();
    let reader = KrenReader::connect(&name).unwrap();
    #[cfg(target_os = "linux")]
    {
        let listed = Command::new("ls").args(["-l", "/proc/self/fd"]).output();
        let listed = String::from_utf8(listed.unwrap().stdout).unwrap();
        assert!(listed.contains("/fd"), "a list: {listed}");
        assert!(!listed.contains("shm"), "{listed}");
    }
    let mut sleeper = Process::start("sleeper", &[]);
    sleeper.expect("sleeps");
    drop((writer, reader));
    name.assert_gone();
    KrenWriter::create(&name, PAGE).unwrap();
}

fn sleeper(role: &Role) {
    role.say("sleeps", "");
    role.linger();
}

/// Becomes another program, with an endpoint of either side.
#[cfg(target_os = "linux")]
fn becomes_another(role: &Role) {
    let (first, second): (String, String) = (role.arg(0), role.arg(1));
    let mut writer = KrenWriter::create(&first, PAGE).unwrap();
    writer.write(b"committed").unwrap();
    let _reader = KrenReader::connect(&second).unwrap();
    role.say("goes", "");
    role.hear("go");
    panic!("{}", Command::new("sleep").arg("600").exec());
}

/// G4: a process that becomes another program (`exec`) has no endpoints any more. It has not closed them, so
/// that is a death, although the process lives.
#[cfg(target_os = "linux")]
#[test]
fn a_process_that_becomes_another_program_is_gone() {
    let _limit = Limit::new();
    let (first, second) = (Name::new("exec-writer"), Name::new("exec-reader"));
    let mut writer = KrenWriter::create(&second, PAGE).unwrap();
    writer.write(&[0; PAGE - 8]).unwrap();
    let mut process = Process::start("becomes another", &[&first, &second]);
    process.expect("goes");
    let mut reader = KrenReader::connect(&first).unwrap();
    assert_eq!(reader.read().unwrap(), b"committed");
    process.tell("go");
    let told = reader.read().map(|_| ());
    assert!(matches!(told, Err(Error::PeerDied { holder, .. }) if holder.pid() == process.pid()));
    let told = writer.write(b"x");
    assert!(matches!(told, Err(Error::PeerDied { holder, .. }) if holder.pid() == process.pid()));
    assert!(std::fs::exists(format!("/proc/{}", process.pid())).unwrap());
    // Both roles are free.
    drop(KrenWriter::create(&first, PAGE).unwrap());
    drop(KrenReader::connect(&second).unwrap());
    process.kill();
}
