//! Shared memory: reserved at creation, and no more than a channel needs (G6).
#![allow(unsafe_code)]

use crate::support::{Limit, Name, PAGE, Parts, Process, Role, this_test};
use kren_core::{Error, KrenReader, KrenWriter};
use std::os::unix::fs::MetadataExt;
use std::process::Command;

pub(crate) const PARTS: Parts = &[("small shm", small_shm), ("small limit", small_limit)];

/// Bytes of a segment beside its capacity: header, two role pages, one for the terminator.
const OVERHEAD: u64 = 4 * PAGE as u64;
/// Bytes that there are where memory is short.
const LITTLE: u64 = 16 * PAGE as u64;

/// Runs where `/dev/shm` holds 16 pages.
fn small_shm(role: &Role) {
    let error = KrenWriter::create("large", 1 << 20).unwrap_err();
    assert!(
        matches!(error, Error::OutOfMemory { needed, available: Some(LITTLE), .. }
            if needed == (1 << 20) + OVERHEAD),
        "{error:?}"
    );
    assert!(
        error.to_string().contains(&format!("{LITTLE} available")),
        "{error}"
    );
    assert_eq!(
        std::fs::read_dir("/dev/shm").unwrap().count(),
        0,
        "something is left"
    );

    // What there is can be used to the last page, and then every byte of it is there.
    let mut writer = KrenWriter::create("exact", 12 * PAGE).unwrap();
    let error = KrenWriter::create("more", 1).unwrap_err();
    assert!(
        matches!(
            error,
            Error::OutOfMemory {
                available: Some(0),
                ..
            }
        ),
        "{error:?}"
    );
    let mut reader = KrenReader::connect("exact").unwrap();
    for _ in 0..3 {
        writer.write(&vec![0xaa; writer.max_message_len()]).unwrap();
        assert!(reader.read().unwrap().iter().all(|byte| *byte == 0xaa));
    }
    drop((writer, reader));
    assert_eq!(
        std::fs::read_dir("/dev/shm").unwrap().count(),
        0,
        "something is left"
    );
    role.say("done", "");
}

/// G6: a `/dev/shm` that is too small is an error at `create`, and nothing is left of the attempt.
#[test]
fn a_full_shm_is_an_error_at_create() {
    let mount = &format!("mount -t tmpfs -o size={LITTLE} tmpfs /dev/shm && exec \"$@\"");
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c"]);
    let can = command.args([mount, "sh", "true"]).output();
    if !can.is_ok_and(|output| output.status.success()) {
        println!("skipped: no mount namespace to be had here");
        return;
    }
    let _limit = Limit::new();
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "sh", "-c", mount, "sh"])
        .args(this_test());
    let mut process = Process::start_with(command, "small shm", &[]);
    process.expect("done");
    process.finish();
}

fn small_limit(role: &Role) {
    let limit = libc::rlimit {
        rlim_cur: LITTLE as _,
        rlim_max: LITTLE as _,
    };
    // SAFETY: `limit` is readable.
    let set = unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit) };
    assert_eq!(set, 0);
    let name: String = role.arg(0);
    let error = KrenWriter::create(&name, 1 << 20).unwrap_err();
    assert!(
        matches!(
            error,
            Error::OutOfMemory {
                available: Some(LITTLE),
                ..
            }
        ),
        "{error:?}"
    );
    let error = KrenReader::connect(&name).unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
    KrenWriter::create(&name, 12 * PAGE).unwrap();
}

/// G6: a limit on file sizes is one too, and no signal.
#[test]
fn a_file_size_limit_is_an_error_at_create() {
    let _limit = Limit::new();
    let name = Name::new("limit");
    Process::start("small limit", &[&name]).finish();
    name.assert_gone();
}

/// G6: all memory is there from the start, and it is the capacity and four pages, however many
/// processes map it and whatever is written.
#[test]
fn a_channel_costs_its_capacity_and_four_pages() {
    for capacity in [PAGE, 1 << 20, 16 << 20] {
        let name = Name::new("cost");
        let cost = || {
            let found = std::fs::metadata(name.path()).unwrap();
            (found.len(), found.blocks() * 512)
        };
        let expected = capacity as u64 + OVERHEAD;
        let mut writer = KrenWriter::create(&name, capacity).unwrap();
        assert_eq!(cost(), (expected, expected), "at creation");
        let mut reader = KrenReader::connect(&name).unwrap();
        for _ in 0..3 {
            writer.write(&vec![1; writer.max_message_len()]).unwrap();
            drop(reader.read().unwrap());
        }
        assert_eq!(cost(), (expected, expected), "mapped by both, and full");
    }
}

/// A capacity no machine has is refused at once, before it takes what others need. On 32-bit systems every
/// machine has the largest.
#[cfg(target_pointer_width = "64")]
#[test]
fn a_capacity_beyond_all_memory_is_refused() {
    let name = Name::new("beyond");
    let error = KrenWriter::create(&name, 1 << 43).unwrap_err();
    assert!(matches!(error, Error::OutOfMemory { .. }), "{error:?}");
    name.assert_gone();
}
