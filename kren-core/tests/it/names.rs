//! Which names, capacities and options are taken, and what stands under a name already.

use crate::support::{Limit, Name, PAGE};
use kren_core::{Error, KrenReader, KrenWriter};
use std::time::{Duration, Instant};

/// Every allowed character, and every kind of bad name.
#[test]
fn names_are_checked() {
    let all: String = ('a'..='z')
        .chain('A'..='Z')
        .chain('0'..='9')
        .chain("._-".chars())
        .collect();
    let good = format!("{all}-{}", std::process::id());
    let mut writer = KrenWriter::create(&good, 1).unwrap();
    let mut reader = KrenReader::connect(&good).unwrap();
    writer.write(b"named").unwrap();
    assert_eq!(reader.read().unwrap(), b"named");

    let long = "n".repeat(129);
    for bad in [
        "",
        "a/b",
        "../x",
        "a b",
        "a\0",
        "a\n",
        "ä",
        "a\\b",
        "a:b",
        "*",
        long.as_str(),
    ] {
        for error in [
            KrenWriter::create(bad, 1).unwrap_err(),
            KrenReader::connect(bad).unwrap_err(),
        ] {
            assert!(
                matches!(error, Error::InvalidName { .. }),
                "{bad:?}: {error}"
            );
            assert!(error.to_string().contains("a-z A-Z 0-9 . _ -"), "{error}");
        }
    }
}

#[test]
fn capacities_and_options_are_checked() {
    let name = Name::new("figures");
    for capacity in [0, usize::MAX, usize::MAX - PAGE, 1 << (usize::BITS - 2)] {
        let error = KrenWriter::create(&name, capacity).unwrap_err();
        assert!(
            matches!(error, Error::InvalidCapacity { .. }),
            "{capacity}: {error}"
        );
    }
    for alignment in [0, 1, 4, 7, 12, 8192, usize::MAX] {
        let error = KrenWriter::options()
            .alignment(alignment)
            .create(&name, 1)
            .unwrap_err();
        assert!(
            matches!(
                error,
                Error::InvalidOption {
                    option: "alignment",
                    ..
                }
            ),
            "{error}"
        );
    }
    for mode in [0, 0o400, 0o200, 0o066, 0o1600, 0o4600, u32::MAX] {
        let error = KrenWriter::options()
            .mode(mode)
            .create(&name, 1)
            .unwrap_err();
        assert!(
            matches!(error, Error::InvalidOption { option: "mode", .. }),
            "{mode:o}: {error}"
        );
    }
    name.assert_gone();
}

/// A reader waits for a channel that does not exist yet, as long as it was told to.
#[test]
fn a_reader_waits_for_its_channel() {
    let _limit = Limit::new();
    let name = Name::new("awaited");
    let start = Instant::now();
    let absent = KrenReader::connect(&name).unwrap_err();
    assert!(matches!(absent, Error::NotFound { .. }), "{absent}");

    let timeout = Duration::from_millis(50);
    let absent = KrenReader::options()
        .timeout(timeout)
        .connect(&name)
        .unwrap_err();
    assert!(matches!(absent, Error::NotFound { .. }), "{absent}");
    assert!(start.elapsed() >= timeout);

    std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            let patient = KrenReader::options().timeout(Duration::from_secs(30));
            let mut reader = patient.connect(&name).unwrap();
            reader.read().unwrap().to_vec()
        });
        let mut writer = KrenWriter::create(&name, PAGE).unwrap();
        writer.write(b"at last").unwrap();
        assert_eq!(reading.join().unwrap(), b"at last");
    });
}

/// A writer that asks for other figures than the channel has is told what is there.
///
/// Not on Windows, where no messages wait on a channel that nobody holds; `windows.rs` has the rest.
#[cfg(not(windows))]
#[test]
fn another_capacity_is_refused_while_messages_wait() {
    const TWO: usize = 2 * PAGE;
    let name = Name::new("mismatch");
    let mut writer = KrenWriter::create(&name, 2 * PAGE).unwrap();
    writer.write(&[0; 10]).unwrap();
    writer.write(&[0; 20]).unwrap();
    drop(writer);
    let error = KrenWriter::create(&name, PAGE).unwrap_err();
    assert!(
        matches!(
            error,
            Error::CapacityMismatch {
                asked: (PAGE, 8),
                existing: (TWO, 8),
                messages: 2,
                undelivered: 56,
                reader: None,
                ..
            }
        ),
        "{error:?}"
    );
    let error = KrenWriter::options()
        .alignment(64)
        .create(&name, 2 * PAGE)
        .unwrap_err();
    assert!(
        matches!(
            error,
            Error::CapacityMismatch {
                asked: (TWO, 64),
                ..
            }
        ),
        "{error:?}"
    );
    // Nothing was changed by asking.
    let mut reader = KrenReader::connect(&name).unwrap();
    assert_eq!(reader.read().unwrap(), &[0; 10]);
    assert_eq!(reader.read().unwrap(), &[0; 20]);
    // A reader that is there keeps the channel as it is.
    let error = KrenWriter::create(&name, PAGE).unwrap_err();
    let pid = std::process::id();
    assert!(
        matches!(error, Error::CapacityMismatch { messages: 0, reader: Some(it), .. }
            if it.pid() == pid),
        "{error:?}"
    );
    drop(reader);
    name.assert_gone();
    // A channel with nothing in it and nobody on it is nobody's.
    std::mem::drop(KrenWriter::create(&name, PAGE).unwrap());
    assert_eq!(
        KrenWriter::create(&name, 3 * PAGE).unwrap().capacity(),
        3 * PAGE
    );
}

/// `fresh` discards what is there; a reader of it gets what was committed, then `Closed`.
#[test]
fn fresh_starts_anew() {
    let _limit = Limit::new();
    let name = Name::new("fresh");
    let mut old = KrenWriter::create(&name, PAGE).unwrap();
    old.write(b"old").unwrap();
    let mut reader = KrenReader::connect(&name).unwrap();
    let error = KrenWriter::options()
        .fresh(true)
        .create(&name, PAGE)
        .unwrap_err();
    assert!(
        matches!(error, Error::WriterExists { .. }),
        "a live writer is not discarded: {error}"
    );
    drop(old);

    let mut new = KrenWriter::options()
        .fresh(true)
        .create(&name, 5 * PAGE)
        .unwrap();
    assert_eq!(new.capacity(), 5 * PAGE);
    new.write(b"new").unwrap();
    assert_eq!(reader.read().unwrap(), b"old");
    assert!(matches!(reader.read(), Err(Error::Closed { .. })));
    drop(reader);

    let mut reader = KrenReader::connect(&name).unwrap();
    assert_eq!(reader.read().unwrap(), b"new");
    assert!(reader.try_read().unwrap().is_none());
    drop((new, reader));
    name.assert_gone();
}

/// `fresh` on a channel that has nothing to discard keeps the reader that waits on it.
#[test]
fn fresh_keeps_a_reader_of_an_empty_channel() {
    let _limit = Limit::new();
    let name = Name::new("fresh-empty");
    let old = KrenWriter::create(&name, PAGE).unwrap();
    let mut reader = KrenReader::connect(&name).unwrap();
    drop(old);
    let mut new = KrenWriter::options()
        .fresh(true)
        .create(&name, PAGE)
        .unwrap();
    new.write(b"to the same reader").unwrap();
    assert_eq!(reader.read().unwrap(), b"to the same reader");
}
