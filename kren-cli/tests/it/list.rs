//! `ls`, `stat` and `doctor`.

use crate::support::{Name, output, run, state, text, wait_until};
use kren_core::{KrenPublisher, KrenReader, KrenSubscriber, KrenWriter};
use std::fs;
use std::os::unix::fs::FileExt;
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
        "1 message behind",
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
    let sound = Name::new("sound");
    let _writer = KrenWriter::create(&sound, 4096).unwrap();
    let bytes = fs::read(sound.path()).unwrap();
    // The version stands behind the mark of eight bytes; the writer's page behind the header's.
    let (later, torn) = (Name::new("later"), Name::new("torn"));
    let mut of_later = bytes.clone();
    of_later[8..12].copy_from_slice(&77_u32.to_le_bytes());
    fs::write(later.path(), of_later).unwrap();
    let mut of_torn = bytes;
    of_torn[4096..8192].fill(0xff);
    fs::write(torn.path(), of_torn).unwrap();
    let folder = Name::new("folder");
    fs::create_dir(folder.path()).unwrap();
    let list = output("ls");
    assert!(line(&list, &broken).contains("damaged"), "{list}");
    assert!(
        !list.contains('\u{1b}') && list.contains("\\u{1b}[31m\\n"),
        "{list}"
    );
    assert!(line(&list, &later).contains("other version"), "{list}");
    assert!(line(&list, &torn).contains("damaged"), "{list}");
    assert!(line(&list, &folder).contains("unreadable"), "{list}");
    let stat = |name: &str| output(&format!("stat {name} --over 1ms"));
    assert!(stat(&broken).contains("because"));
    assert!(stat(&later).contains("77; this program knows"));
    // None of its figures says anything.
    let of_torn = stat(&torn);
    assert!(
        of_torn.contains("damage  ") && !of_torn.contains("TiB of"),
        "{of_torn}"
    );
    let would = output(&format!("gc --all --dry-run {torn}"));
    assert!(!would.contains("messages"), "{would}");
    let found = run("doctor --quiet");
    assert_eq!(found.status.code(), Some(21));
    let said = text(&found.stdout);
    assert!(said.contains(&*broken) && said.contains("-> "), "{said}");
    for part in [
        format!("{later}: its layout version is 77"),
        format!("{folder}: what stands under its name is not a regular file"),
    ] {
        assert!(said.contains(&part), "{part}: {said}");
    }
    fs::remove_dir(folder.path()).unwrap();
    let json = run("doctor --json");
    let document: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(document["severity"], "error");
}

/// What a reader would find first, `doctor` finds before one comes: a message that is none, and one that is not there.
#[test]
fn messages_that_cannot_be_received_are_found_before_somebody_tries() {
    let (torn, cut, sound) = (Name::new("torn"), Name::new("cut"), Name::new("whole"));
    for (name, second) in [(&torn, Some(u64::MAX)), (&cut, Some(0)), (&sound, None)] {
        let mut writer = KrenWriter::create(name, 4096).unwrap();
        for _ in 0..3 {
            writer.write(&[7; 24]).unwrap();
        }
        writer.close().unwrap();
        if let Some(word) = second {
            // Behind three pages, and the first message with its header.
            let file = fs::File::options().write(true).open(name.path()).unwrap();
            file.write_all_at(&u64::to_le_bytes(word), 3 * 4096 + 32)
                .unwrap();
        }
        assert_eq!(state(name), "undelivered");
    }
    let found = run("doctor --quiet");
    assert_eq!(found.status.code(), Some(21));
    let said = text(&found.stdout);
    for part in [
        format!("{torn}: its undelivered messages cannot be walked"),
        format!("{cut}: its messages end before its write position"),
    ] {
        assert!(said.contains(&part), "{part}: {said}");
    }
    assert!(!said.contains(&format!("{sound}: ")), "{said}");
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

/// A single look tells no rate, a second one does: also where there are so many that each is looked at anew.
#[test]
fn rates_are_those_between_two_looks_at_the_same_channel() {
    let name = Name::new("rate");
    let mut writer = KrenWriter::create(&name, 1 << 20).unwrap();
    let mut reader = KrenReader::connect(&name).unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                writer.write(&[7; 92]).unwrap();
                reader.read().unwrap();
            }
        });
        let looked = |limit: &str| {
            let line = format!("ulimit -n {limit}; kren ls {name} -o name,messages,state");
            text(&crate::support::shell(&line).stdout)
        };
        for limit in ["1024", "8"] {
            let list = looked(limit);
            assert!(line(&list, &name).contains("flowing"), "{limit}: {list}");
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

/// Since when a channel is full it tells by itself, also to one who comes later; and no bytes make that absurd.
#[test]
fn who_looks_for_the_first_time_is_told_since_when_a_channel_is_full() {
    let name = Name::new("since");
    let mut writer = KrenWriter::create(&name, 4096).unwrap();
    let mut reader = KrenReader::connect(&name).unwrap();
    let since = |name: &str| {
        let seen = kren_core::inspect::channel(name).unwrap();
        seen.segment().unwrap().writer.asleep_since
    };
    let shown = || line(&output(&format!("ls {name} -o name,state")), &name);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..3 {
                writer.write(&[7; 2000]).unwrap();
            }
        });
        wait_until("the writer's sleep", || state(&name) == "full");
        wait_until("a second of it", || {
            let passed = since(&name).and_then(|since| since.elapsed().ok());
            passed.is_some_and(|passed| passed.as_secs() >= 1)
        });
        let line = shown();
        let told = line.rsplit_once("full ").expect("it is full").1;
        assert!(told.trim_end().ends_with('s'), "{line}");
        let stat = output(&format!("stat {name} --over 1ms"));
        assert!(stat.contains("asleep for "), "{stat}");

        let file = fs::File::options().write(true).open(name.path()).unwrap();
        for bad in [1, 1 << 62, u64::MAX] {
            // The writer's page stands behind the header's.
            file.write_all_at(&u64::to_le_bytes(bad), 4096 + 280)
                .unwrap();
            let line = shown();
            let told = line.split("full").nth(1).expect("it is full");
            assert!(!told.contains('d'), "days of it: {line}");
        }
        reader.read().unwrap();
    });
}
