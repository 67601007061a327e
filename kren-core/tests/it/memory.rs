//! Shared memory: reserved at creation, and no more than a channel needs (G6).
#![allow(unsafe_code)]

use crate::support::{Limit, Name, PAGE, Parts, Process, Role, this_test};
use kren_core::{Error, KrenReader, KrenWriter};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) const PARTS: Parts = &[
    ("small shm", small_shm),
    ("small limit", small_limit),
    ("small group", small_group),
    ("often interrupted", often_interrupted),
    ("locks its memory", locks_its_memory),
    ("has many mappings", has_many_mappings),
];

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
                limit: kren_core::Limit::FileSize,
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

/// A control group of the test's own, of either version; removed when dropped.
struct Group(PathBuf);

impl Group {
    /// The folder that groups with memory limits can be made in, and the limit's name; `None` where this process
    /// may not.
    fn make(bytes: u64) -> Option<Self> {
        let name = format!("kren-test-{}", std::process::id());
        let tree = [
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            ("/sys/fs/cgroup", "memory.max"),
        ];
        for (parent, limit) in tree {
            let group = Self(Path::new(parent).join(&name));
            if std::fs::create_dir(&group.0).is_err() {
                continue;
            }
            // In version 2 the file is there only if the parent hands the controller down.
            let file = group.0.join(limit);
            if file.exists() && std::fs::write(&file, bytes.to_string()).is_ok() {
                // One below it, without a limit of its own.
                std::fs::create_dir(group.0.join("below")).unwrap();
                return Some(group);
            }
        }
        println!("skipped: no control group to be had here");
        None
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(self.0.join("below"));
        let _ = std::fs::remove_dir(&self.0);
    }
}

/// Bytes that the group allows.
const GROUP: u64 = 64 << 20;

fn small_group(role: &Role) {
    let (name, group): (String, String) = (role.arg(0), role.arg(1));
    std::fs::write(
        format!("{group}/cgroup.procs"),
        std::process::id().to_string(),
    )
    .unwrap();
    for capacity in [GROUP as usize, 2 * GROUP as usize] {
        let error = KrenWriter::create(&name, capacity).unwrap_err();
        let Error::OutOfMemory {
            available, limit, ..
        } = &error
        else {
            panic!("{error:?}");
        };
        assert!(available.is_some_and(|bytes| bytes < GROUP), "{error:?}");
        assert!(matches!(limit, kren_core::Limit::Group { file } if file.contains("kren-test-")));
        assert!(error.to_string().contains("control group"), "{error}");
    }
    // What it has is to be had, and all of it can be used.
    let mut writer = KrenWriter::create(&name, GROUP as usize / 2).unwrap();
    let mut reader = KrenReader::connect(&name).unwrap();
    for _ in 0..3 {
        writer
            .write(&vec![0xaa; writer.max_message_len() / 2])
            .unwrap();
        drop(reader.read().unwrap());
    }
    // A file that is in memory only because there was room gives way.
    drop((reader, writer));
    let file = std::env::temp_dir().join(format!("kren-cache-{}", std::process::id()));
    std::fs::write(&file, vec![1; GROUP as usize / 2]).unwrap();
    std::fs::File::open(&file).unwrap().sync_all().unwrap();
    let created = KrenWriter::create(&name, GROUP as usize / 2);
    std::fs::remove_file(&file).unwrap();
    created.unwrap();
}

/// G6: the limit of a control group, as a container has one, is an error at `create`, though `/dev/shm` is larger;
/// the kernel would end a process instead.
#[test]
fn a_group_without_memory_is_an_error_at_create() {
    let _limit = Limit::new();
    let Some(group) = Group::make(GROUP) else {
        return;
    };
    for group in [group.0.clone(), group.0.join("below")] {
        let name = Name::new("group");
        Process::start("small group", &[&name, &group.display()]).finish();
        name.assert_gone();
    }
}

fn often_interrupted(role: &Role) {
    extern "C" fn nothing(_: libc::c_int) {}
    let name: String = role.arg(0);
    let moment = libc::timeval {
        tv_sec: 0,
        tv_usec: 500,
    };
    let timer = libc::itimerval {
        it_interval: moment,
        it_value: moment,
    };
    // SAFETY: the handler does nothing, and the structures are readable.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = nothing as *const () as usize;
        assert_eq!(
            libc::sigaction(libc::SIGALRM, &raw const action, std::ptr::null_mut()),
            0
        );
        assert_eq!(
            libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut()),
            0
        );
    }
    let mut writer = KrenWriter::create(&name, 256 << 20).unwrap();
    let mut reader = KrenReader::connect(&name).unwrap();
    writer.write(&vec![7; 100 << 20]).unwrap();
    assert!(reader.read().unwrap().iter().all(|byte| *byte == 7));
}

/// G6: signals that come all the time do not keep a channel from being made.
#[test]
fn signals_do_not_keep_memory_from_being_reserved() {
    let _limit = Limit::new();
    let name = Name::new("interrupted");
    Process::start("often interrupted", &[&name]).finish();
    name.assert_gone();
}

/// A caller that wants to stop is asked in the middle, and leaves nothing behind.
#[test]
fn reserving_memory_can_be_called_off() {
    let name = Name::new("called-off");
    let mut asked = 0;
    let created = KrenWriter::options().create_checked(&name, 1 << 30, &mut || {
        asked += 1;
        Err(Error::Interrupted {
            channel: "me".into(),
        })
    });
    assert!(
        matches!(&created, Err(Error::Interrupted { channel }) if **channel == *"me"),
        "{created:?}"
    );
    assert_eq!(asked, 1);
    name.assert_gone();
    let left = std::fs::read_dir("/dev/shm").unwrap();
    let left = left.filter(|entry| {
        entry
            .as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .contains(&*name)
    });
    assert_eq!(left.count(), 0);
}

fn locks_its_memory(role: &Role) {
    let name: String = role.arg(0);
    // Root may lock all it likes.
    // SAFETY: the role has this process for itself.
    unsafe {
        libc::setgid(65534);
        libc::setuid(65534);
        assert_eq!(
            libc::mlockall(libc::MCL_FUTURE),
            0,
            "{}",
            std::io::Error::last_os_error()
        );
    }
    let error = KrenWriter::create(&name, 64 << 20).unwrap_err();
    assert!(
        matches!(
            error,
            Error::OutOfMemory {
                limit: kren_core::Limit::LockedMemory,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(error.to_string().contains("RLIMIT_MEMLOCK"), "{error}");
    assert!(!std::path::Path::new(&format!("/dev/shm/kren-{name}")).exists());
}

/// Resources: a process that locks its memory, and may not lock so much.
#[test]
fn locked_memory_that_is_not_allowed() {
    let _limit = Limit::new();
    let name = Name::new("locked");
    Process::start("locks its memory", &[&name]).finish();
    name.assert_gone();
}

fn has_many_mappings(role: &Role) {
    let name: String = role.arg(0);
    let other = format!("{name}-other");
    let mut writer = KrenWriter::create(&name, PAGE).unwrap();
    let page = |protection| {
        // SAFETY: mappings at addresses that the kernel chooses disturb nothing.
        unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                PAGE,
                protection,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        }
    };
    // Neighbours that differ are not joined.
    let mut taken = vec![];
    while let some @ 1.. = page(if taken.len() % 2 == 0 {
        libc::PROT_NONE
    } else {
        libc::PROT_READ
    }) as isize
    {
        taken.push(some);
    }
    for left in 0..24 {
        for error in [
            KrenWriter::create(&other, PAGE).map(drop),
            KrenReader::connect(&name).map(drop),
        ] {
            let Err(error) = error else { continue };
            assert!(
                matches!(
                    error,
                    Error::OutOfMemory {
                        limit: kren_core::Limit::Mappings,
                        ..
                    }
                ),
                "{left} left: {error:?}"
            );
            assert!(error.to_string().contains("max_map_count"), "{error}");
        }
        assert!(!std::path::Path::new(&format!("/dev/shm/kren-{other}")).exists());
        let last = taken.pop().unwrap();
        // SAFETY: made above, and not used.
        unsafe { libc::munmap(last as *mut libc::c_void, PAGE) };
    }
    // What is there works on, and with room again all does.
    writer.write(b"x").unwrap();
    assert_eq!(KrenReader::connect(&name).unwrap().read().unwrap(), b"x");
    drop(KrenWriter::create(&other, PAGE).unwrap());
}

/// Resources: a process that has as many mappings as it may.
#[test]
fn mappings_that_are_not_allowed() {
    let most = std::fs::read_to_string("/proc/sys/vm/max_map_count").unwrap();
    if most.trim().parse().is_ok_and(|most: u64| most > 200_000) {
        println!("skipped: it would take too long to have {most} mappings");
        return;
    }
    let _limit = Limit::new();
    let name = Name::new("mappings");
    Process::start("has many mappings", &[&name]).finish();
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
