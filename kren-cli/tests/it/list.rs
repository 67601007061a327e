//! `ls`, `stat` and `doctor`.

use crate::support::{Name, output, run, text};
use kren_core::{KrenPublisher, KrenReader, KrenSubscriber, KrenWriter};
use std::fs;
use std::time::Instant;

/// The line of a channel.
#[track_caller]
fn line(list: &str, name: &str) -> String {
    let found = list
        .lines()
        .find(|line| line.split_whitespace().next() == Some(name));
    found
        .unwrap_or_else(|| panic!("{name} is missing in\n{list}"))
        .into()
}

#[test]
fn the_list_has_every_kind_in_its_state_with_those_who_hold_it() {
    let (lonely, pair, news, gone) = (
        Name::new("lonely"),
        Name::new("pair"),
        Name::new("news"),
        Name::new("gone"),
    );
    let _lonely = KrenWriter::create(&lonely, 4096).unwrap();
    let mut writer = KrenWriter::create(&pair, 8192).unwrap();
    let _reader = KrenReader::connect(&pair).unwrap();
    writer.write(&[0; 4088]).unwrap();
    let _publisher = KrenPublisher::create(&news, 4096).unwrap();
    let _subscribers = [
        KrenSubscriber::connect(&news).unwrap(),
        KrenSubscriber::connect(&news).unwrap(),
    ];
    let mut left = KrenWriter::create(&gone, 4096).unwrap();
    left.write(b"left").unwrap();
    left.close().unwrap();

    let list = output("ls");
    let own = std::process::id().to_string();
    assert!(list.starts_with("NAME"));
    assert!(!list.contains('\u{1b}'), "colour without a terminal");
    assert!(
        line(&list, &lonely).contains("waiting for a reader"),
        "{list}"
    );
    for part in ["channel", "8 KiB", "50%", "idle", own.as_str()] {
        assert!(line(&list, &pair).contains(part), "{part}: {list}");
    }
    for part in ["broadcast", "and 1 more", "idle"] {
        assert!(line(&list, &news).contains(part), "{part}: {list}");
    }
    assert!(line(&list, &gone).contains("undelivered"), "{list}");
    let columns = output(&format!("ls {pair} -o name,state,waiting"));
    assert_eq!(columns.lines().count(), 2);
    assert_eq!(line(&columns, &pair).split_whitespace().nth(2), Some("1"));

    let json = output("ls --json");
    let list: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(list["version"], 1);
    let channels = list["channels"].as_array().unwrap();
    let found = channels
        .iter()
        .find(|channel| channel["name"] == *pair)
        .unwrap();
    assert_eq!(found["writer"]["pid"], std::process::id());
    assert_eq!(found["undelivered"], 1);

    let stat = output(&format!("stat {pair} --over 1ms"));
    for part in [
        "session 1",
        "1 messages behind",
        "wake-ups",
        "instance",
        "alignment 8",
    ] {
        assert!(stat.contains(part), "{part}: {stat}");
    }
    let stat = output(&format!("stat {news} --over 1ms"));
    assert!(
        stat.contains("reader 2") && stat.contains("lossless"),
        "{stat}"
    );
}

/// Whatever stands there, the list comes, and a terminal is not told what to do by a name.
#[test]
fn broken_bytes_and_odd_names_are_listed_and_explained() {
    let broken = Name::new("broken");
    fs::write(broken.path(), "no segment").unwrap();
    let odd = Name::new("odd\u{1b}[31m\n");
    fs::write(odd.path(), "").unwrap();
    let list = output("ls");
    assert!(line(&list, &broken).contains("damaged"), "{list}");
    assert!(
        !list.contains('\u{1b}') && list.contains("\\u{1b}[31m\\n"),
        "{list}"
    );
    assert!(output(&format!("stat {broken} --over 1ms")).contains("because"));
    let found = run("doctor --quiet");
    assert_eq!(found.status.code(), Some(21));
    let said = text(&found.stdout);
    assert!(said.contains(&*broken) && said.contains("-> "), "{said}");
    let json = run("doctor --json");
    let document: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(document["severity"], "error");
}

#[test]
fn a_thousand_channels_are_listed_at_once() {
    let names: Vec<Name> = (0..1000).map(|_| Name::new("many")).collect();
    for name in &names {
        let mut writer = KrenWriter::create(name, 4096).unwrap();
        writer.write(b"left").unwrap();
    }
    let start = Instant::now();
    let list = output("ls cli-many -o name,state");
    let took = start.elapsed();
    assert_eq!(list.matches("undelivered").count(), 1000, "{took:?}");
    // The bar itself, 50 ms, is for a quiet machine and an optimised build.
    eprintln!("1,000 channels listed in {took:?}");
}
