//! Limits of the process: no descriptors, no address space. A clear error, nothing left behind, and
//! everything goes on once there is room.
#![allow(unsafe_code)]

use crate::support::{Limit, Name, PAGE, Parts, Process, Role};
use kren_core::{Error, KrenReader, KrenWriter};
use std::fs::File;
use std::path::PathBuf;

pub(crate) const PARTS: Parts = &[
    ("without descriptors", without_descriptors),
    ("without address space", without_address_space),
];

fn limit(resource: libc::__rlimit_resource_t, most: libc::rlim_t) {
    // SAFETY: `limit` is a valid structure; the role has this process for itself.
    unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        assert_eq!(libc::getrlimit(resource, &raw mut limit), 0);
        limit.rlim_cur = most.min(limit.rlim_max);
        assert_eq!(libc::setrlimit(resource, &raw const limit), 0);
    }
}

/// Takes every descriptor that may be had, but for `left` of them.
fn all_descriptors_but(left: usize) -> Vec<File> {
    let mut taken = vec![];
    while let Ok(file) = File::open("/dev/null") {
        taken.push(file);
    }
    taken.truncate(taken.len() - left);
    taken
}

fn path(name: &str) -> PathBuf {
    format!("/dev/shm/kren-{name}").into()
}

#[track_caller]
fn out_of_descriptors<T: std::fmt::Debug>(result: kren_core::Result<T>) {
    let error = result.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Io {
                os_error: libc::EMFILE,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(
        error.to_string().contains("takes one descriptor"),
        "{error}"
    );
}

fn without_descriptors(role: &Role) {
    let name: String = role.arg(0);
    let (other, third) = (format!("{name}-other"), format!("{name}-third"));
    limit(libc::RLIMIT_NOFILE, 64);
    let mut writer = KrenWriter::create(&name, PAGE).unwrap();
    writer.write(b"before").unwrap();
    let mut refusals = [0, 0];
    for left in 0..8 {
        let taken = all_descriptors_but(left);
        let created = KrenWriter::create(&other, PAGE);
        let is_created = created.is_ok();
        if is_created {
            drop(created);
        } else {
            out_of_descriptors(created);
            refusals[0] += 1;
            assert!(
                !path(&other).exists(),
                "left behind with {left} descriptors"
            );
        }
        drop(taken);
        assert!(!path(&other).exists());

        let taken = all_descriptors_but(left);
        let mut connected = KrenReader::connect(&name);
        let is_connected = connected.is_ok();
        if let Ok(reader) = &mut connected {
            // As it was found: kept for the next round.
            reader.try_read().unwrap().expect("the message").keep();
        } else {
            out_of_descriptors(connected);
            refusals[1] += 1;
        }
        // An endpoint that is there needs none.
        writer.write(b"x").unwrap();
        drop(taken);
        assert!(
            left < 7 || (is_created && is_connected),
            "as many are enough"
        );
    }
    // What was refused for want of one was not half done: each of these finds what it needs.
    assert!(refusals[0] >= 3 && refusals[1] >= 2, "{refusals:?}");
    drop(KrenWriter::create(&third, PAGE).unwrap());
    let mut reader = KrenReader::connect(&name).unwrap();
    assert_eq!(reader.read().unwrap(), b"before");
    for _ in 0..8 {
        assert_eq!(reader.read().unwrap(), b"x");
    }
}

/// Resources: a process without descriptors is told so, whichever of them is missing; a channel
/// that could not be opened is not left behind, and one that is open works on.
#[test]
fn without_descriptors_there_is_an_error_and_nothing_left() {
    let _limit = Limit::new();
    let name = Name::new("no-descriptors");
    Process::start("without descriptors", &[&name]).finish();
    name.assert_gone();
}

/// Bytes of address space that this process has.
fn address_space() -> libc::rlim_t {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: libc::rlim_t = pages.split(' ').next().unwrap().parse().unwrap();
    pages * PAGE as libc::rlim_t
}

fn without_address_space(role: &Role) {
    const LARGE: usize = 64 << 20;
    let (name, other): (String, _) = (role.arg(0), format!("{}-other", role.arg::<String>(0)));
    let mut writer = KrenWriter::create(&name, PAGE).unwrap();
    writer.write(b"before").unwrap();
    let large = KrenWriter::create(&other, LARGE).unwrap();
    let before = address_space();
    // Enough for all that is small.
    limit(libc::RLIMIT_AS, before + (LARGE as libc::rlim_t) / 2);
    for error in [
        KrenWriter::create(&format!("{name}-third"), LARGE).unwrap_err(),
        KrenReader::connect(&other).unwrap_err(),
    ] {
        assert!(
            matches!(
                error,
                Error::OutOfMemory {
                    limit: kren_core::Limit::AddressSpace,
                    ..
                }
            ),
            "{error:?}"
        );
        assert!(error.to_string().contains("address space"), "{error}");
    }
    assert!(
        !path(&format!("{name}-third")).exists(),
        "a channel that could not be mapped is left behind"
    );
    // Its role was given back, and nothing stays mapped.
    assert_eq!(
        large.reader_state(),
        kren_core::PeerState::NeverAttached,
        "a reader that could not map"
    );
    assert!(
        address_space() < before + (LARGE as libc::rlim_t) / 4,
        "a mapping leaks"
    );
    let mut reader = KrenReader::connect(&name).unwrap();
    assert_eq!(reader.read().unwrap(), b"before");
    limit(libc::RLIMIT_AS, libc::RLIM_INFINITY);
    drop(KrenReader::connect(&other).unwrap());
}

/// Resources: the same for a process that may not map any more.
#[test]
fn without_address_space_there_is_an_error_and_nothing_left() {
    if std::env::var_os("KREN_TEST_RUNNER").is_some() {
        println!("skipped: an emulator keeps the limit on address space from its guest");
        return;
    }
    let _limit = Limit::new();
    let name = Name::new("no-space");
    Process::start("without address space", &[&name]).finish();
    name.assert_gone();
}
