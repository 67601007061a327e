//! Whose channel it is, and what else may stand under its name (G8).
#![allow(unsafe_code)]

use crate::support::{Limit, Name, PAGE, Parts, Process, Role};
use kren_core::{Error, KrenReader, KrenWriter};
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

pub(crate) const PARTS: Parts = &[
    ("shared writer", shared_writer),
    ("somebody else", somebody_else),
    ("umask", umask),
];

/// The user and group that own nothing.
const NOBODY: u32 = 65534;

fn is_root() -> bool {
    // SAFETY: no preconditions.
    unsafe { libc::geteuid() == 0 }
}

/// Becomes another user, then does what it is told to the channel.
fn somebody_else(role: &Role) {
    // SAFETY: no preconditions.
    unsafe {
        assert_eq!(libc::setgroups(0, std::ptr::null()), 0);
        assert_eq!(libc::setgid(NOBODY), 0);
        assert_eq!(libc::setuid(NOBODY), 0);
    }
    let name: String = role.arg(0);
    let outcome = match role.arg::<String>(1).as_str() {
        "squat" => {
            let mut writer = KrenWriter::options()
                .mode(0o666)
                .create(&name, PAGE)
                .expect("a free name");
            writer.write(b"trust me").unwrap();
            role.say("done", "");
            role.hear("go");
            return;
        }
        "shut out" => {
            shut_out(&name);
            role.say("done", "");
            return;
        }
        "connect" => KrenReader::connect(&name).map(|_| ()),
        "create" => KrenWriter::create(&name, PAGE).map(|_| ()),
        "create fresh" => foreign().fresh(true).create(&name, PAGE).map(|_| ()),
        "create larger" => foreign().create(&name, 2 * PAGE).map(|_| ()),
        "create 600" => foreign().mode(0o600).create(&name, PAGE).map(|_| ()),
        "create 666" => foreign().mode(0o666).create(&name, PAGE).map(|_| ()),
        "discard" => foreign().create(&name, PAGE).and_then(|mut writer| {
            writer.write(b"nothing").unwrap();
            writer.close_discarding()
        }),
        "create any" => KrenWriter::options()
            .any_owner(true)
            .create(&name, PAGE)
            .map(|_| ()),
        _ => KrenReader::options()
            .any_owner(true)
            .connect(&name)
            .map(|_| ()),
    };
    role.say("done", format!("{outcome:?}"));
}

fn foreign() -> kren_core::WriterOptions {
    KrenWriter::options().any_owner(true)
}

/// A channel of one's own whose file mode does not let one in. Root would be let in all the same.
fn shut_out(name: &str) {
    let path = format!("/dev/shm/kren-{name}");
    let mut writer = KrenWriter::create(name, PAGE).unwrap();
    writer.write(b"inside").unwrap();
    drop(writer);
    let allow = |mode| std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
    for mode in [0, 0o400, 0o200, 0o100, 0o066] {
        allow(mode);
        for error in [
            KrenReader::connect(name).unwrap_err(),
            KrenWriter::create(name, PAGE).unwrap_err(),
            KrenWriter::options()
                .fresh(true)
                .create(name, PAGE)
                .unwrap_err(),
        ] {
            assert!(
                matches!(error, Error::PermissionDenied { .. }),
                "{mode:o}: {error:?}"
            );
            assert!(error.to_string().contains("mode"), "{error}");
        }
    }
    allow(0o600);
    assert_eq!(
        KrenReader::connect(name).unwrap().read().unwrap(),
        b"inside"
    );
}

/// G8: a file whose mode is wrong is refused with the reason, and left as it is.
#[test]
fn a_mode_that_lets_nobody_in_is_refused() {
    if !is_root() {
        println!("skipped: only root can become another user");
        return;
    }
    let _limit = Limit::new();
    let name = Name::new("shut");
    assert_eq!(as_somebody_else(&name, "shut out"), "");
    name.assert_gone();
}

fn as_somebody_else(name: &Name, what: &str) -> String {
    Process::start("somebody else", &[&name, &what]).expect("done")
}

/// G8: a channel that another user has made under the name is refused, unless it was asked for.
#[test]
fn a_squatted_name_is_refused() {
    if !is_root() {
        println!("skipped: only root can act as two users");
        return;
    }
    let _limit = Limit::new();
    let name = Name::new("squatted");
    let mut squatter = Process::start("somebody else", &[&name, &"squat"]);
    squatter.expect("done");
    for error in [
        KrenReader::connect(&name).unwrap_err(),
        KrenWriter::create(&name, PAGE).unwrap_err(),
        KrenWriter::options()
            .fresh(true)
            .create(&name, PAGE)
            .unwrap_err(),
    ] {
        assert!(matches!(error, Error::PermissionDenied { .. }), "{error:?}");
        assert!(
            error.to_string().contains(&format!("user {NOBODY}")),
            "{error}"
        );
    }
    let mut reader = KrenReader::options()
        .any_owner(true)
        .connect(&name)
        .unwrap();
    assert_eq!(reader.read().unwrap(), b"trust me");
    squatter.tell("go");
    squatter.finish();
}

/// G8: the default mode admits nobody else, a wider one only those who ask for a foreign owner.
#[test]
fn others_are_kept_out() {
    if !is_root() {
        println!("skipped: only root can act as two users");
        return;
    }
    let _limit = Limit::new();
    let name = Name::new("private");
    let private = KrenWriter::create(&name, PAGE).unwrap();
    for what in ["connect", "connect any", "create", "create any"] {
        let outcome = as_somebody_else(&name, what);
        assert!(
            outcome.starts_with("Err(PermissionDenied"),
            "{what}: {outcome}"
        );
    }
    drop(private);
    let _shared = KrenWriter::options()
        .mode(0o666)
        .create(&name, PAGE)
        .unwrap();
    for what in ["connect", "create"] {
        let outcome = as_somebody_else(&name, what);
        assert!(
            outcome.starts_with("Err(PermissionDenied"),
            "{what}: {outcome}"
        );
        assert!(outcome.contains("user 0"), "{what}: {outcome}");
    }
    assert_eq!(as_somebody_else(&name, "connect any"), "Ok(())");
    let outcome = as_somebody_else(&name, "create any");
    assert!(outcome.starts_with("Err(WriterExists"), "{outcome}");
}

/// What only the owner of a segment can do is refused to others with a reason, and then has not happened by half: a writer that
/// was killed is not taken for one that has closed.
#[test]
fn what_only_the_owner_can_do_is_refused() {
    if !is_root() {
        println!("skipped: only root can act as two users");
        return;
    }
    let _limit = Limit::new();
    let name = Name::new("of-root");
    let denied = |what: &str, which: &str| {
        let outcome = as_somebody_else(&name, what);
        assert!(
            outcome.starts_with("Err(PermissionDenied"),
            "{what}: {outcome}"
        );
        assert!(
            outcome.contains("user 0, who alone may"),
            "{what}: {outcome}"
        );
        assert!(outcome.contains(which), "{what}: {outcome}");
    };
    let mut killed = Process::start("shared writer", &[&name]);
    killed.expect("wrote");
    killed.kill();
    denied("create fresh", "remove its name");
    denied("create 600", "from 666 to 600");
    let mut reader = KrenReader::connect(&name).unwrap();
    assert_eq!(reader.read().unwrap(), b"committed");
    let died = reader.read().map(|_| ());
    assert!(matches!(died, Err(Error::PeerDied { .. })), "{died:?}");
    drop(reader);

    let mut killed = Process::start("shared writer", &[&name]);
    killed.expect("wrote");
    let mut reader = KrenReader::connect(&name).unwrap();
    drop(reader.read().unwrap());
    drop(reader);
    killed.kill();
    denied("create larger", "remove its name");
    let reader = KrenReader::connect(&name).unwrap();
    assert_eq!(reader.writer_state(), kren_core::PeerState::Died);
    drop(reader);

    // What needs no owner goes on, and leaves what only the owner could remove.
    let mut killed = Process::start("shared writer", &[&name]);
    killed.expect("wrote");
    killed.kill();
    assert_eq!(as_somebody_else(&name, "create any"), "Ok(())");
    assert_eq!(as_somebody_else(&name, "create 666"), "Ok(())");
    denied("discard", "remove its name");
    let mut reader = KrenReader::connect(&name).unwrap();
    assert_eq!(reader.read().unwrap(), b"committed");
    assert_eq!(reader.read().unwrap(), b"nothing");
    drop(reader);
    name.assert_gone();
}

fn shared_writer(role: &Role) {
    let mut writer = KrenWriter::options()
        .mode(0o666)
        .create(&role.arg::<String>(0), PAGE)
        .unwrap();
    writer.write(b"committed").unwrap();
    role.say("wrote", "");
    role.linger();
}

/// A mode that is asked for counts for a channel that is there as well.
#[test]
fn an_existing_channel_gets_the_mode_asked_for() {
    let name = Name::new("mode-later");
    let mode = || std::fs::metadata(name.path()).unwrap().permissions().mode() & 0o7777;
    let mut writer = KrenWriter::create(&name, PAGE).unwrap();
    writer.write(b"kept").unwrap();
    drop(writer);
    assert_eq!(mode(), 0o600);
    drop(
        KrenWriter::options()
            .mode(0o660)
            .create(&name, PAGE)
            .unwrap(),
    );
    assert_eq!(mode(), 0o660);
    // Not asked for: it stays as it is.
    drop(KrenWriter::create(&name, PAGE).unwrap());
    assert_eq!(mode(), 0o660);
    assert_eq!(KrenReader::connect(&name).unwrap().read().unwrap(), b"kept");
    name.assert_gone();
}

fn umask(role: &Role) {
    let name: String = role.arg(0);
    for mask in [0, 0o022, 0o077, 0o777] {
        // SAFETY: no preconditions; the role has this process for itself.
        unsafe { libc::umask(mask) };
        for mode in [0o600, 0o640, 0o660, 0o666, 0o700] {
            let _writer = KrenWriter::options()
                .mode(mode)
                .create(&name, PAGE)
                .unwrap();
            let found = std::fs::metadata(format!("/dev/shm/kren-{name}")).unwrap();
            assert_eq!(
                found.mode() & 0o7777,
                mode,
                "mode {mode:o} under umask {mask:o}"
            );
        }
        let _writer = KrenWriter::create(&name, PAGE).unwrap();
        let found = std::fs::metadata(format!("/dev/shm/kren-{name}")).unwrap();
        assert_eq!(found.mode() & 0o7777, 0o600);
    }
}

/// G8: the mode is the one asked for, 0600 if none was, whatever the umask.
#[test]
fn the_mode_is_the_one_asked_for() {
    let _limit = Limit::new();
    let name = Name::new("mode");
    Process::start("umask", &[&name]).finish();
    name.assert_gone();
}

fn everything_is_refused(name: &Name, is_right: impl Fn(&Error) -> bool) {
    let fresh = KrenWriter::options().fresh(true);
    for error in [
        KrenReader::connect(name).unwrap_err(),
        KrenWriter::create(name, PAGE).unwrap_err(),
        fresh.create(name, PAGE).unwrap_err(),
    ] {
        assert!(is_right(&error), "{error:?}");
    }
}

/// G8: a symbolic link under the name is not followed, to wherever it leads.
#[test]
fn a_symbolic_link_is_not_followed() {
    let _limit = Limit::new();
    let (name, target) = (Name::new("link"), Name::new("link-target"));
    let own = KrenWriter::create(&target, PAGE).unwrap();
    symlink(target.path(), name.path()).unwrap();
    everything_is_refused(&name, |error| {
        matches!(error, Error::PermissionDenied { .. })
    });
    drop(own);
    // Nor is a dangling one made whole.
    target.assert_gone();
    everything_is_refused(&name, |error| {
        matches!(error, Error::PermissionDenied { .. })
    });
    target.assert_gone();
    assert!(name.path().is_symlink());
}

/// G8: what is no file is refused without waiting on it, and left alone.
#[test]
fn what_is_no_file_is_refused() {
    let _limit = Limit::new();
    let name = Name::new("fifo");
    let path = CString::new(name.path().as_os_str().as_bytes()).unwrap();
    // SAFETY: the path is NUL-terminated.
    assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o666) }, 0);
    everything_is_refused(&name, |error| matches!(error, Error::Corrupt { .. }));
    assert!(name.path().exists());

    let name = Name::new("directory");
    std::fs::create_dir(name.path()).unwrap();
    everything_is_refused(&name, |error| matches!(error, Error::Corrupt { .. }));
    std::fs::remove_dir(name.path()).unwrap();
}

/// G7: a file that is no segment is `Corrupt`; only `fresh` replaces it.
#[test]
fn a_file_that_is_no_segment_is_refused() {
    let _limit = Limit::new();
    for content in [
        &b""[..],
        b"KREN",
        &[0; 5000],
        &[0xff; 1024],
        b"something else entirely",
    ] {
        let name = Name::new("no-segment");
        std::fs::write(name.path(), content).unwrap();
        std::fs::set_permissions(name.path(), PermissionsExt::from_mode(0o600)).unwrap();
        for error in [
            KrenReader::connect(&name).unwrap_err(),
            KrenWriter::create(&name, PAGE).unwrap_err(),
        ] {
            assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
        }
        assert_eq!(std::fs::read(name.path()).unwrap(), content);
        let mut writer = KrenWriter::options()
            .fresh(true)
            .create(&name, PAGE)
            .unwrap();
        writer.write(b"new").unwrap();
        assert_eq!(KrenReader::connect(&name).unwrap().read().unwrap(), b"new");
    }
}
