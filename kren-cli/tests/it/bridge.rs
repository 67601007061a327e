//! `kren bridge`, and mirrors that bridges have made.

use crate::support::{Name, output, program, text};
use kren_core::KrenWriter;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// It runs the program beside it with the same arguments; without one it says what is missing.
#[test]
fn the_other_program_is_found_or_missed() {
    let folder = std::env::temp_dir().join(&*Name::new("bridge-program"));
    fs::create_dir(&folder).unwrap();
    let own = folder.join("kren");
    fs::copy(program(), &own).unwrap();
    let run = || {
        let mut command = Command::new(&own);
        command
            .args(["bridge", "status", "--json"])
            .env("PATH", "/none");
        command.output().unwrap()
    };
    let missed = run();
    assert_eq!(missed.status.code(), Some(1));
    assert!(text(&missed.stderr).contains("there is no kren-bridge beside kren or on the PATH"));

    let other = folder.join("kren-bridge");
    fs::write(&other, "#!/bin/sh\necho \"$@\"; exit 7\n").unwrap();
    fs::set_permissions(&other, PermissionsExt::from_mode(0o755)).unwrap();
    let found = run();
    assert_eq!(
        (found.status.code(), text(&found.stdout).trim()),
        (Some(7), "status --json")
    );
    fs::remove_dir_all(&folder).unwrap();
}

/// A mirror is shown as such, and kept from `gc`: how far it has come is known from it alone.
#[test]
fn a_mirror_is_remote_and_kept() {
    let name = Name::new("bridge-mirror");
    let name = &*name;
    let options = KrenWriter::options().mirror_of("plant/hall-3", 1, 2, 0);
    drop(options.create(name, 4096).unwrap());
    let list = output(&format!("ls {name} -o name,kind"));
    assert!(list.contains("remote channel"), "{list}");
    assert!(output(&format!("stat {name}")).contains("plant/hall-3"));
    output(&format!("gc {name}"));
    assert!(output(&format!("ls {name}")).contains(name));
    let removed = output(&format!("gc --all {name}"));
    assert!(removed.contains("removed"), "{removed}");
}
