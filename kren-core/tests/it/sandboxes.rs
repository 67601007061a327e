//! What sandboxes and bare systems refuse: another way where there is one, else an error that says what to do,
//! and never anything left behind.
#![allow(unsafe_code)]

use crate::support::{Limit, Name, PAGE, Parts, Process, Role, this_test};
use kren_core::{Error, ErrorCode, KrenReader, KrenWriter};
use std::fmt::Display;
use std::process::Command;

pub(crate) const PARTS: Parts = &[
    ("sandboxed", sandboxed),
    ("in another shm", elsewhere),
    ("builder that is killed", builder_that_is_killed),
];

/// A system call that is refused from here on, if its argument at `at` has any of the bits `bits`.
#[derive(Clone, Copy)]
struct Refused {
    call: libc::c_long,
    at: u32,
    bits: u32,
    code: i32,
}

/// What is refused whatever its arguments are.
fn always(call: libc::c_long, code: i32) -> Refused {
    Refused {
        call,
        at: 0,
        bits: 0,
        code,
    }
}

/// Has the kernel refuse the calls, for this process and for ever.
fn refuse(calls: &[Refused]) {
    // Offsets in `struct seccomp_data`: the number of the call, then the low halves of its arguments.
    const CALL: u32 = 0;
    let argument = |at: u32| 16 + 8 * at;
    let load = |offset: u32| {
        step(
            (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16,
            0,
            0,
            offset,
        )
    };
    let end = |value: u32| step((libc::BPF_RET | libc::BPF_K) as u16, 0, 0, value);
    let mut program = vec![];
    for refused in calls {
        let equal = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
        let any_bit = (libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16;
        program.push(load(CALL));
        program.push(step(
            equal,
            0,
            if refused.bits == 0 { 1 } else { 3 },
            refused.call as u32,
        ));
        if refused.bits != 0 {
            program.push(load(argument(refused.at)));
            program.push(step(any_bit, 0, 1, refused.bits));
        }
        program.push(end(libc::SECCOMP_RET_ERRNO | refused.code as u32));
    }
    program.push(end(libc::SECCOMP_RET_ALLOW));
    let filter = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: the program is readable, and the role has this process for itself.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        let set = libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::SECCOMP_MODE_FILTER,
            &raw const filter,
        );
        assert_eq!(set, 0, "{}", std::io::Error::last_os_error());
    }
}

fn step(code: u16, jt: u8, jf: u8, k: u32) -> libc::sock_filter {
    libc::sock_filter { code, jt, jf, k }
}

/// As AppArmor refuses a link that no rule allows, and an unnamed file, whose path it does not know.
fn case(name: &str) -> Vec<Refused> {
    const O_TMPFILE_ALONE: u32 = (libc::O_TMPFILE & !libc::O_DIRECTORY) as u32;
    let link = |code| always(libc::SYS_linkat, code);
    let unnamed = |code| Refused {
        call: libc::SYS_openat,
        at: 2,
        bits: O_TMPFILE_ALONE,
        code,
    };
    let rename = |code| always(libc::SYS_renameat2, code);
    // Locks are the only commands with this bit: 36 to 38.
    let locks = |code| Refused {
        call: libc::SYS_fcntl,
        at: 1,
        bits: 32,
        code,
    };
    let reserve = |code| always(libc::SYS_fallocate, code);
    match name {
        "no link" => vec![link(libc::EACCES)],
        "no link, EPERM" => vec![link(libc::EPERM)],
        "no link, no proc" => vec![link(libc::ENOENT)],
        "no unnamed" => vec![unnamed(libc::EOPNOTSUPP)],
        "unnamed denied" => vec![unnamed(libc::EACCES)],
        "unknown to an old kernel" => vec![unnamed(libc::EISDIR), rename(libc::ENOSYS)],
        "no other name at all" => vec![link(libc::EACCES), rename(libc::EACCES)],
        "no locks" => vec![locks(libc::EINVAL)],
        "no locks, no unnamed" => vec![locks(libc::EINVAL), unnamed(libc::EOPNOTSUPP)],
        "locks denied" => vec![locks(libc::EACCES)],
        "lock table full" => vec![locks(libc::ENOLCK)],
        "mode denied" => vec![always(libc::SYS_fchmod, libc::EPERM)],
        "reserving is interrupted" => vec![reserve(libc::EINTR)],
        "reserving is unknown" => vec![reserve(libc::EOPNOTSUPP)],
        "reserving is denied" => vec![reserve(libc::EPERM)],
        _ => panic!("{name}"),
    }
}

fn sandboxed(role: &Role) {
    let (name, refused): (String, String) = (role.arg(0), role.arg(1));
    refuse(&case(&refused));
    let outcome = KrenWriter::create(&name, 4 * PAGE);
    let code = match outcome {
        Err(error) => {
            role.say("text", error.to_string().replace('\n', " "));
            format!("{:?}", error.code())
        }
        Ok(mut writer) => {
            let mut reader = KrenReader::connect(&name).unwrap();
            writer.write(b"x").unwrap();
            assert_eq!(reader.read().unwrap(), b"x");
            let refused = KrenWriter::create(&name, 4 * PAGE);
            assert!(
                matches!(refused, Err(Error::WriterExists { .. })),
                "{refused:?}"
            );
            // All of it is there, and private.
            use std::os::unix::fs::MetadataExt;
            let found = std::fs::metadata(format!("/dev/shm/kren-{name}")).unwrap();
            assert_eq!(found.blocks() * 512, found.len());
            assert_eq!(found.mode() & 0o777, 0o600);
            "fine".to_owned()
        }
    };
    role.say("outcome", code);
}

/// What is in `/dev/shm` that begins like the channel.
fn left(name: &Name) -> Vec<std::path::PathBuf> {
    let stem = name.path();
    let entries = std::fs::read_dir("/dev/shm").unwrap();
    entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().starts_with(&*stem.to_string_lossy()))
        .collect()
}

#[track_caller]
fn try_case(refused: &str) -> Result<(), (String, String)> {
    let _limit = Limit::new();
    let name = Name::new("sandbox");
    let mut process = Process::start("sandboxed", &[&name, &refused]);
    let mut text = String::new();
    let code = loop {
        match process.next() {
            Some((word, what)) if word == "text" => text = what,
            Some((word, what)) if word == "outcome" => break what,
            other => panic!("{refused}: {other:?}"),
        }
    };
    process.finish();
    assert_eq!(
        left(&name),
        Vec::<std::path::PathBuf>::new(),
        "{refused}: {text}"
    );
    if code == "fine" {
        Ok(())
    } else {
        Err((code, text))
    }
}

/// Where a step is refused that there is another way for, nobody notices.
#[test]
fn a_sandbox_with_another_way() {
    for refused in [
        "no link",
        "no link, EPERM",
        "no link, no proc",
        "no unnamed",
        "unnamed denied",
        "unknown to an old kernel",
        "mode denied",
        "reserving is interrupted",
        "reserving is unknown",
    ] {
        assert_eq!(try_case(refused), Ok(()), "{refused}");
    }
}

/// Where there is none, the error says who refuses what, and what to do; and nothing is left, however often it
/// is tried.
#[test]
fn a_sandbox_without_another_way() {
    for (refused, code, words) in [
        (
            "no other name at all",
            ErrorCode::PermissionDenied,
            ["rename", "AppArmor"],
        ),
        (
            "locks denied",
            ErrorCode::PermissionDenied,
            ["fcntl", "sandbox"],
        ),
        (
            "no locks",
            ErrorCode::Io,
            ["fcntl(F_OFD_SETLK)", "open-file-description locks"],
        ),
        (
            "no locks, no unnamed",
            ErrorCode::Io,
            ["F_OFD_SETLK", "Linux 3.15"],
        ),
        ("lock table full", ErrorCode::Io, ["F_OFD_SETLK", "locks"]),
        (
            "reserving is denied",
            ErrorCode::PermissionDenied,
            ["fallocate", "sandbox"],
        ),
    ] {
        let (found, text) = try_case(refused).unwrap_err();
        assert_eq!(found, format!("{code:?}"), "{refused}: {text}");
        for word in words {
            assert!(text.contains(word), "{refused}: no {word:?} in {text}");
        }
    }
}

/// Runs where `/dev/shm` is what the test has made of it.
fn elsewhere(role: &Role) {
    let say = |what: &str, error: &Error| role.say(what, format!("{:?} {error}", error.code()));
    match KrenWriter::create("elsewhere", PAGE) {
        Ok(mut writer) => {
            let mut reader = KrenReader::connect("elsewhere").unwrap();
            writer.write(b"x").unwrap();
            assert_eq!(reader.read().unwrap(), b"x");
            role.say("created", "");
        }
        Err(error) => say("create", &error),
    }
    // It will not come.
    let patience = std::time::Duration::from_secs(1);
    match KrenReader::options().timeout(patience).connect("elsewhere") {
        Ok(_) => role.say("connected", ""),
        Err(error) => say("connect", &error),
    }
    let left = std::fs::read_dir("/dev/shm").map(Iterator::count);
    role.say("left", left.unwrap_or(0));
}

/// What a role says where a shell has run `mount` first, in a mount namespace of its own; `None` where that is not to be
/// had.
pub(crate) fn in_shm(
    mount: &str,
    part: &str,
    arguments: &[&dyn Display],
) -> Option<Vec<(String, String)>> {
    let script = format!("{mount} && exec \"$@\"");
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", &script, "sh"]);
    let can = command.arg("true").output();
    if !can.is_ok_and(|output| output.status.success()) {
        println!("skipped: {mount} is not to be had here");
        return None;
    }
    let _limit = Limit::new();
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "sh", "-c", &script, "sh"])
        .args(this_test());
    let mut process = Process::start_with(command, part, arguments);
    let mut said = vec![];
    while let Some(word) = process.next() {
        said.push(word);
    }
    process.finish();
    Some(said)
}

#[track_caller]
fn try_shm(mount: &str, expected: &[(&str, &[&str])]) {
    let Some(said) = in_shm(mount, "in another shm", &[]) else {
        return;
    };
    let words: Vec<_> = said.iter().map(|(word, _)| &**word).collect();
    let expected_words: Vec<_> = expected.iter().map(|(word, _)| *word).collect();
    assert_eq!(words, expected_words, "{said:?}");
    for ((_, text), (_, needles)) in said.iter().zip(expected) {
        for needle in *needles {
            assert!(text.contains(needle), "no {needle:?} in {text:?}");
        }
    }
}

/// Systems without what channels need: each is told apart, for both sides, at once.
#[test]
fn a_shm_that_cannot_be_used() {
    try_shm(
        "mount -t tmpfs none /dev",
        &[
            ("create", &["Io", "no /dev/shm"]),
            ("connect", &["Io", "no /dev/shm"]),
            ("left", &["0"]),
        ],
    );
    try_shm(
        "mount -t tmpfs none /dev && : > /dev/shm",
        &[
            ("create", &["Io", "no /dev/shm"]),
            ("connect", &["Io", "no /dev/shm"]),
            ("left", &["0"]),
        ],
    );
    try_shm(
        "mount -t tmpfs -o ro none /dev/shm",
        &[
            ("create", &["PermissionDenied", "read-only", "for writing"]),
            ("connect", &["NotFound"]),
            ("left", &["0"]),
        ],
    );
    try_shm(
        "mount -t tmpfs -o nr_inodes=1 none /dev/shm",
        &[
            ("create", &["OutOfMemory", "inodes", "nr_inodes"]),
            ("connect", &["NotFound"]),
            ("left", &["0"]),
        ],
    );
}

/// File systems that are rarely a `/dev/shm`: without a limit of their own, or on a disk.
#[test]
fn a_shm_of_another_kind() {
    let disk = std::env::temp_dir().join(format!("kren-disk-{}", std::process::id()));
    std::fs::create_dir(&disk).unwrap();
    for mount in [
        "mount -t tmpfs -o size=0 none /dev/shm",
        "mount -t tmpfs -o size=0,nr_inodes=0 none /dev/shm",
        "mount -t ramfs none /dev/shm",
        "mount -t tmpfs -o size=64m,huge=always none /dev/shm",
        &format!("mount --bind {} /dev/shm", disk.display()),
    ] {
        try_shm(
            mount,
            &[
                ("created", &[]),
                ("connect", &["NotFound"]),
                ("left", &["0"]),
            ],
        );
    }
    std::fs::remove_dir(&disk).unwrap();
}

/// Builds under a private name, and is slow about it.
fn builder_that_is_killed(role: &Role) {
    let name: String = role.arg(0);
    refuse(&case("no unnamed"));
    let mut told = false;
    let mut check = || {
        if !std::mem::replace(&mut told, true) {
            role.say("builds", "");
        }
        std::thread::park();
        Ok(())
    };
    let _ = KrenWriter::options().create_checked(&name, 1 << 30, &mut check);
}

/// G3: what a builder leaves that is killed where there are no unnamed files is cleared away by the next, and one that
/// is at work is waited for.
#[test]
fn a_builder_that_is_killed_is_cleared_away_by_the_next() {
    let _limit = Limit::new();
    let name = Name::new("half-built");
    let mut builder = Process::start("builder that is killed", &[&name]);
    builder.expect("builds");
    assert_eq!(left(&name).len(), 1, "what it builds");
    let found = KrenReader::connect(&name);
    assert!(matches!(found, Err(Error::NotFound { .. })), "{found:?}");
    builder.kill();
    let mut second = Process::start("sandboxed", &[&name, &"no unnamed"]);
    assert_eq!(second.expect("outcome"), "fine");
    second.finish();
    assert_eq!(left(&name), Vec::<std::path::PathBuf>::new());
}
