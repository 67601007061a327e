//! `gc` and `rm`.

use crate::support::{Name, failure, output, shell, state, text};
use kren_core::{KrenInbox, KrenReader, KrenSender, KrenWriter};

#[test]
fn gc_removes_what_nobody_uses_and_nothing_else() {
    let (empty, full, held) = (
        Name::new("gc-empty"),
        Name::new("gc-full"),
        Name::new("gc-held"),
    );
    // What a killed process leaves: the bytes of a channel that nobody holds.
    let writer = KrenWriter::create(&empty, 4096).unwrap();
    let bytes = std::fs::read(empty.path()).unwrap();
    writer.close().unwrap();
    std::fs::write(empty.path(), bytes).unwrap();
    let mut writer = KrenWriter::create(&full, 4096).unwrap();
    writer.write(b"left").unwrap();
    writer.close().unwrap();
    let _held = KrenWriter::create(&held, 4096).unwrap();
    assert_eq!(state(&empty), "stale");
    // Nobody else's, on a machine where somebody works.
    let own = format!("{}-", std::process::id());

    let would = output(&format!("gc --dry-run {own}"));
    assert!(
        would.contains(&*empty) && !would.contains(&*full) && !would.contains(&*held),
        "{would}"
    );
    assert!(output(&format!("gc {own}")).contains(&*empty));
    assert_eq!([state(&empty), state(&full)], ["", "undelivered"]);
    // Nobody can be asked here.
    let (code, said) = failure(&format!("gc --all gc-full-{own}"));
    assert_eq!(code, 2, "{said}");
    assert_eq!(state(&full), "undelivered");
    let done = output(&format!("gc --all --yes gc-full-{own}"));
    assert!(
        done.contains(&*full) && done.contains("1 message,"),
        "{done}"
    );
    assert_eq!([state(&full), state(&held)], ["", "waiting for a reader"]);
}

/// What is left in a lane, and the place that a bridge has at an inbox, are found by the inbox's name: it stays for their sake.
#[test]
fn gc_leaves_an_inbox_that_somebody_comes_back_to() {
    let name = Name::new("gc-inbox");
    let own = format!("gc-inbox-{}-", std::process::id());
    let mut sender = KrenSender::connect(&name).unwrap();
    sender.write(b"left").unwrap();
    drop(sender);
    assert_eq!(state(&name), "stale");
    output(&format!("gc {own}"));
    let mut inbox = KrenInbox::create(&name, 4096).unwrap();
    assert_eq!(&inbox.try_read().unwrap().unwrap()[..], b"left");

    let options = KrenSender::options();
    let bridge = options.connect_mirror(&name, ("realm/machine", 7, 1), &mut |_| Ok(0));
    drop((bridge.unwrap(), inbox));
    output(&format!("gc {own}"));
    assert_eq!(state(&name), "stale");
    output(&format!("gc --all --yes {own}"));
    assert_eq!(state(&name), "");
}

#[test]
fn rm_refuses_what_is_held_without_force() {
    let name = Name::new("rm");
    let mut writer = KrenWriter::create(&name, 4096).unwrap();
    let mut reader = KrenReader::connect(&name).unwrap();
    let (code, said) = failure(&format!("rm {name}"));
    assert_eq!(code, 7);
    assert!(
        said.contains("--force") && said.contains(&std::process::id().to_string()),
        "{said}"
    );
    output(&format!("rm --force {name}"));
    // Its sides go on with each other.
    writer.write(b"still").unwrap();
    assert_eq!(reader.read().unwrap(), b"still");
    assert!(reader.is_removed());
    let done = shell(&format!("kren rm {name}; echo $?"));
    assert_eq!(text(&done.stdout), "3\n");
}
