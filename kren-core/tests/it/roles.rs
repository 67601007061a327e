//! One writer and one reader, no more (G5).

use crate::support::{Limit, Name, PAGE, Parts, Process, Role};
use kren_core::{Error, KrenReader, KrenWriter};

pub(crate) const PARTS: Parts = &[("holder", holder)];

fn holder(role: &Role) {
    let name: String = role.arg(0);
    match role.arg::<String>(1).as_str() {
        "writer" => {
            let _writer = KrenWriter::create(&name, PAGE).unwrap();
            role.say("holds", "");
            role.hear("go");
        }
        _ => {
            let _reader = KrenReader::connect(&name).unwrap();
            role.say("holds", "");
            role.hear("go");
        }
    }
}

#[track_caller]
fn refused_writer(name: &str, by: u32) {
    let error = KrenWriter::create(name, PAGE).unwrap_err();
    assert!(
        matches!(error, Error::WriterExists { pid, .. } if pid == by),
        "{error:?}"
    );
    assert!(error.to_string().contains(&by.to_string()), "{error}");
}

#[track_caller]
fn refused_reader(name: &str, by: u32) {
    let error = KrenReader::connect(name).unwrap_err();
    assert!(
        matches!(error, Error::ReaderExists { pid, .. } if pid == by),
        "{error:?}"
    );
    assert!(error.to_string().contains(&by.to_string()), "{error}");
}

/// G5: within one process.
#[test]
fn a_second_writer_or_reader_is_refused() {
    let name = Name::new("second");
    let writer = KrenWriter::create(&name, PAGE).unwrap();
    refused_writer(&name, std::process::id());
    let reader = KrenReader::connect(&name).unwrap();
    refused_reader(&name, std::process::id());
    drop(reader);
    refused_writer(&name, std::process::id());
    drop(KrenReader::connect(&name).unwrap());
    drop(writer);
    name.assert_gone();
}

/// G5: across processes, naming the one that holds the role, until it is gone for whatever reason.
#[test]
fn a_role_is_held_across_processes() {
    let _limit = Limit::new();
    for killed in [false, true] {
        let name = Name::new("held");
        let own = KrenWriter::create(&name, PAGE).unwrap();
        let mut other = Process::start("holder", &[&name, &"reader"]);
        other.expect("holds");
        refused_reader(&name, other.pid());
        if killed {
            other.kill();
        } else {
            other.tell("go");
            other.finish();
        }
        drop(KrenReader::connect(&name).unwrap());
        drop(own);

        let mut other = Process::start("holder", &[&name, &"writer"]);
        other.expect("holds");
        refused_writer(&name, other.pid());
        if killed {
            other.kill();
        } else {
            other.tell("go");
            other.finish();
        }
        drop(KrenWriter::create(&name, PAGE).unwrap());
        name.assert_gone();
    }
}

/// G5: of many that try at once exactly one gets the role, every time.
#[test]
fn of_many_writers_at_once_one_is_taken() {
    let _limit = Limit::new();
    let name = Name::new("race");
    let start = std::sync::Barrier::new(8);
    for _ in 0..25 {
        let taken: Vec<Option<KrenWriter>> = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        start.wait();
                        match KrenWriter::create(&name, PAGE) {
                            Ok(writer) => Some(writer),
                            Err(Error::WriterExists { .. }) => None,
                            Err(error) => panic!("{error}"),
                        }
                    })
                })
                .collect();
            tries.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert_eq!(taken.iter().flatten().count(), 1);
        drop(taken);
        name.assert_gone();
    }
}
