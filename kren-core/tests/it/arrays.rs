//! Arrays in messages: docs/spec/payloads.md, P1 to P5, and its golden files.

use crate::support::{Name, PAGE};
use kren_core::array::{ArrayView, ArraysView, DType, MAX_DIMS};
use kren_core::{
    Error, KrenDealer, KrenInbox, KrenPublisher, KrenReader, KrenSender, KrenSubscriber,
    KrenWorker, KrenWriter,
};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

const CAPACITY: usize = 1 << 20;

fn pair(what: &str) -> (Name, KrenWriter, KrenReader) {
    let name = Name::new(what);
    let writer = KrenWriter::options()
        .alignment(64)
        .create(&name, CAPACITY)
        .unwrap();
    let reader = KrenReader::connect(&name).unwrap();
    (name, writer, reader)
}

/// The data of golden files.
fn golden_data(dtype: DType, shape: &[usize]) -> Vec<u8> {
    let len = shape.iter().product::<usize>() * dtype.size();
    let byte = |at: usize| {
        if dtype == DType::Bool {
            at % 2
        } else {
            7 * at + 3
        }
    };
    (0..len).map(|at| byte(at) as u8).collect()
}

/// What `cases.json` says of a golden file.
struct Case {
    file: String,
    kind: String,
    /// One without a name for an array, several with names.
    parts: Vec<(String, DType, Vec<usize>)>,
}

fn folder() -> PathBuf {
    PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../docs/spec/payloads"
    ))
}

fn cases() -> Vec<Case> {
    let text = fs::read_to_string(folder().join("cases.json")).expect("the golden files");
    let listed: serde_json::Value = serde_json::from_str(&text).unwrap();
    let part = |part: &serde_json::Value| {
        let dims = part["shape"].as_array().expect("a shape");
        let dtype = DType::from_name(part["dtype"].as_str().expect("a dtype"));
        (
            part["name"].as_str().unwrap_or_default().to_owned(),
            dtype.expect("a known dtype"),
            dims.iter()
                .map(|dim| dim.as_u64().unwrap() as usize)
                .collect(),
        )
    };
    let case = |case: &serde_json::Value| {
        let kind = case["kind"].as_str().expect("a kind").to_owned();
        let parts = match kind.as_str() {
            "array" => vec![part(case)],
            "arrays" => case["parts"].as_array().unwrap().iter().map(part).collect(),
            _ => vec![],
        };
        Case {
            file: case["file"].as_str().expect("a file").to_owned(),
            kind,
            parts,
        }
    };
    listed
        .as_array()
        .expect("a list")
        .iter()
        .map(case)
        .collect()
}

/// Writes the messages of all good cases, and gives their bytes. With `KREN_GOLDEN=write` they become the golden ones.
#[test]
fn golden_files_are_written_and_read() {
    let (_name, mut writer, mut reader) = pair("array-golden");
    let is_new = std::env::var_os("KREN_GOLDEN").is_some_and(|value| value == "write");
    let mut seen = 0;
    for case in cases() {
        let data: Vec<_> = case
            .parts
            .iter()
            .map(|(_, dtype, shape)| golden_data(*dtype, shape))
            .collect();
        let views: Vec<(&str, ArrayView<'_>)> = case
            .parts
            .iter()
            .zip(&data)
            .map(|((name, dtype, shape), data)| {
                (
                    name.as_str(),
                    ArrayView::from_bytes(*dtype, shape, data).unwrap(),
                )
            })
            .collect();
        let path = folder().join(&case.file);
        match case.kind.as_str() {
            "array" => {
                // What the ring held before must not be seen.
                let mut slot = writer.reserve(4096).unwrap();
                slot.fill(0xEE);
                slot.abort();
                let (_, view) = views[0];
                let mut slot = writer.reserve_array(view.shape(), view.dtype()).unwrap();
                slot.bytes_mut().copy_from_slice(view.bytes());
                slot.commit();
            }
            "arrays" => {
                let mut slot = writer.reserve(4096).unwrap();
                slot.fill(0xEE);
                slot.abort();
                writer.write_arrays(&views).unwrap();
            }
            _ => continue,
        }
        seen += 1;
        let message = reader.read().unwrap();
        if is_new {
            fs::write(&path, &message[..]).unwrap();
        }
        let golden = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(message, golden, "{}", case.file);
        if case.kind == "array" {
            assert_eq!(message.array().unwrap(), views[0].1);
            assert!(message.arrays().is_err());
        } else {
            let found = message.arrays().unwrap();
            assert_eq!(found.iter().collect::<Vec<_>>(), views);
            assert!(message.array().is_err());
        }
    }
    assert!(seen > 25, "every dtype, and more: {seen}");
}

/// G7: what breaks a rule is refused, also where one looks for several.
#[test]
fn bad_golden_files_are_refused() {
    if std::env::var_os("KREN_GOLDEN").is_some_and(|value| value == "write") {
        write_bad_files();
    }
    let mut seen = 0;
    for case in cases().iter().filter(|case| case.kind == "bad") {
        let bytes = fs::read(folder().join(&case.file)).unwrap();
        let array = ArrayView::parse(&bytes);
        assert!(array.is_err(), "{}: {array:?}", case.file);
        let arrays = ArraysView::parse(&bytes);
        assert!(arrays.is_err(), "{}: {arrays:?}", case.file);
        seen += 1;
    }
    assert!(seen > 20, "{seen}");
}

/// Every bad file is a good one with few bytes changed.
fn write_bad_files() {
    let good = |file: &str| fs::read(folder().join(file)).unwrap();
    let change = |file: &str, name: &str, changes: &[(usize, &[u8])]| {
        let mut bytes = good(file);
        for (at, new) in changes {
            bytes[*at..*at + new.len()].copy_from_slice(new);
        }
        fs::write(folder().join(name), bytes).unwrap();
    };
    let (array, deep, batch) = ("float32-2x3.bin", "int8-6d.bin", "several.bin");
    change(array, "bad-magic.bin", &[(0, b"kRP")]);
    change(array, "bad-version.bin", &[(3, &[2])]);
    change(array, "bad-kind.bin", &[(4, &[4])]);
    change(array, "bad-header-none.bin", &[(5, &[0])]);
    change(array, "bad-header-long.bin", &[(5, &[2])]);
    change(deep, "bad-header-short.bin", &[(5, &[1])]);
    change(array, "bad-ndim.bin", &[(6, &[14])]);
    change(array, "bad-ndim-header.bin", &[(6, &[6])]);
    change(array, "bad-code.bin", &[(8, &[3])]);
    change(array, "bad-bits.bin", &[(9, &[24])]);
    change(array, "bad-lanes.bin", &[(10, &[2])]);
    change(array, "bad-lanes-none.bin", &[(10, &[0])]);
    change(array, "bad-length.bin", &[(16, &25_u64.to_le_bytes())]);
    change(
        array,
        "bad-length-huge.bin",
        &[(16, &u64::MAX.to_le_bytes())],
    );
    change(array, "bad-shape.bin", &[(24, &3_i64.to_le_bytes())]);
    change(
        array,
        "bad-shape-negative.bin",
        &[(24, &(-2_i64).to_le_bytes())],
    );
    let wraps = (1_i64 << 62).to_le_bytes();
    change(
        array,
        "bad-shape-wraps.bin",
        &[(24, &wraps), (32, &16_i64.to_le_bytes())],
    );
    change(
        "int64-0x4.bin",
        "bad-shape-empty-wraps.bin",
        &[(32, &wraps)],
    );
    let mut short = good(array);
    short.truncate(80);
    fs::write(folder().join("bad-truncated.bin"), &short).unwrap();
    short.truncate(63);
    fs::write(folder().join("bad-short.bin"), &short).unwrap();
    fs::write(folder().join("bad-empty.bin"), b"").unwrap();
    // The first entry of the directory begins at 64.
    change(batch, "bad-count.bin", &[(12, &1025_u32.to_le_bytes())]);
    change(batch, "bad-directory.bin", &[(12, &200_u32.to_le_bytes())]);
    change(batch, "bad-part-odd.bin", &[(64, &260_u64.to_le_bytes())]);
    change(
        batch,
        "bad-part-in-directory.bin",
        &[(64, &64_u64.to_le_bytes())],
    );
    change(
        batch,
        "bad-part-outside.bin",
        &[(72, &100_000_u64.to_le_bytes())],
    );
    change(
        batch,
        "bad-part-wraps.bin",
        &[(72, &u64::MAX.to_le_bytes())],
    );
    change(batch, "bad-part-header.bin", &[(256, b"x")]);
    change(batch, "bad-name-none.bin", &[(80, &[0; 48])]);
    change(batch, "bad-name-text.bin", &[(80, &[0xFF])]);
    change(batch, "bad-name-twice.bin", &[(80, b"boxes\0")]);
}

#[test]
fn arrays_arrive_as_they_were_written_and_where_they_lie() {
    let (_name, mut writer, mut reader) = pair("array-plain");
    let data: Vec<f64> = (0..120).map(f64::from).collect();
    for shape in [
        &[120][..],
        &[2, 3, 20],
        &[1, 2, 3, 4, 5],
        &[5, 4, 3, 2, 1, 1, 1],
    ] {
        writer.write_array(shape, &data).unwrap();
        let lease = reader.read().unwrap().into_lease();
        let array = lease.array().unwrap();
        assert_eq!((array.dtype(), array.shape()), (DType::Float64, shape));
        assert_eq!(array.as_slice::<f64>().unwrap(), data);
        assert!(lease.as_ptr_range().contains(&array.bytes().as_ptr()));
        // The alignment that was asked for is the data's.
        assert!(array.bytes().as_ptr().addr().is_multiple_of(64));
        assert!(array.as_slice::<f32>().is_none());
        assert!(array.as_slice::<i64>().is_none());
    }
    writer.write_array(&[], &[7_u8]).unwrap();
    writer.write_array::<[f32; 2]>(&[0, 9], &[]).unwrap();
    let message = reader.read().unwrap();
    assert_eq!(message.array().unwrap().as_slice::<u8>().unwrap(), [7]);
    drop(message);
    let message = reader.read().unwrap();
    let empty = message.array().unwrap();
    assert_eq!((empty.shape(), empty.len()), (&[0, 9][..], 0));
}

#[test]
fn an_array_is_built_in_place_and_seen_when_it_is_committed() {
    let (_name, mut writer, mut reader) = pair("array-built");
    let mut slot = writer.reserve_array(&[4, 4], DType::Int32).unwrap();
    assert!(slot.as_mut_slice::<u32>().is_none());
    slot.as_mut_slice::<i32>().unwrap().fill(-1);
    slot.abort();
    assert!(reader.try_read().unwrap().is_none());
    let mut slot = writer.reserve_array(&[4, 4], DType::Int32).unwrap();
    let elements = slot.as_mut_slice::<i32>().unwrap();
    for (at, element) in elements.iter_mut().enumerate() {
        *element = at as i32;
    }
    slot.set_tag(9);
    slot.commit();
    let message = reader.read().unwrap();
    assert_eq!(message.tag(), 9);
    let array = message.array().unwrap();
    assert_eq!(array.as_slice::<i32>().unwrap()[15], 15);
}

#[test]
fn what_cannot_be_sent_is_refused_and_nothing_is_written() {
    let (_name, mut writer, mut reader) = pair("array-refused");
    let invalid = |result: kren_core::Result<()>| match result {
        Err(Error::InvalidOption { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };
    invalid(writer.write_array(&[2, 3], &[0_u8; 5]));
    invalid(writer.write_array(&[1; MAX_DIMS + 1], &[0_u8]));
    invalid(writer.write_array::<u16>(&[usize::MAX, usize::MAX, 0], &[]));
    let one = ArrayView::new(&[1], &[1_u8]).unwrap();
    invalid(writer.write_arrays(&[("a", one), ("a", one)]));
    invalid(writer.write_arrays(&[("", one)]));
    invalid(writer.write_arrays(&[(&"n".repeat(49), one)]));
    invalid(writer.write_arrays(&[("a\0b", one)]));
    let larger = vec![0_u8; CAPACITY];
    let refused = writer.write_array(&[CAPACITY], &larger);
    assert!(
        matches!(refused, Err(Error::TooLarge { .. })),
        "{refused:?}"
    );
    let refused = writer.reserve_array(&[CAPACITY], DType::Uint8).map(drop);
    assert!(
        matches!(refused, Err(Error::TooLarge { .. })),
        "{refused:?}"
    );
    assert!(reader.try_read().unwrap().is_none());
    // Two that fit one after the other only.
    let half = vec![0_u8; CAPACITY / 2];
    writer.write_array(&[half.len()], &half).unwrap();
    let refused = writer.write_array_timeout(&[half.len()], &half, Duration::ZERO);
    assert!(
        matches!(refused, Err(Error::TimedOut { .. })),
        "{refused:?}"
    );
    drop(reader.read().unwrap());
}

#[test]
fn a_message_that_is_none_is_refused_and_stays_what_it_is() {
    let name = Name::new("array-none");
    let mut writer = KrenWriter::create(&name, PAGE).unwrap();
    let mut reader = KrenReader::connect(&name).unwrap();
    writer.write(b"{\"json\": true}").unwrap();
    writer.write(&[0; 64]).unwrap();
    writer.write_arrays(&[]).unwrap();
    for _ in 0..2 {
        let message = reader.read().unwrap();
        match message.array() {
            Err(Error::NotAnArray { channel, .. }) => assert_eq!(&*channel, &*name),
            other => panic!("{other:?}"),
        }
        message.keep();
    }
    assert_eq!(reader.read().unwrap(), b"{\"json\": true}");
    assert!(reader.read().unwrap().array().is_err());
    let message = reader.read().unwrap();
    let error = message.array().unwrap_err().to_string();
    assert!(error.contains("it is several arrays"), "{error}");
    assert!(message.arrays().unwrap().is_empty());
}

/// G2, and what an inbox, a queue and a broadcast promise: each carries arrays as a channel does.
#[test]
fn arrays_travel_from_many_and_to_many() {
    let data = [1.5_f32, 2.5, 3.5, 4.5];
    let several = [("a", ArrayView::new(&[2, 2], &data).unwrap())];
    let look = |array: ArrayView<'_>| {
        assert_eq!(array.shape(), [2, 2]);
        assert_eq!(array.as_slice::<f32>().unwrap(), data);
    };

    let name = Name::new("array-inbox");
    let mut inbox = KrenInbox::create(&name, CAPACITY).unwrap();
    let mut sender = KrenSender::connect(&name).unwrap();
    sender.write_array(&[2, 2], &data).unwrap();
    sender.write_arrays(&several).unwrap();
    let mut slot = sender.reserve_array(&[2, 2], DType::Float32).unwrap();
    slot.as_mut_slice().unwrap().copy_from_slice(&data);
    slot.commit();
    sender.write(b"no array").unwrap();
    look(inbox.read().unwrap().array().unwrap());
    look(inbox.read().unwrap().arrays().unwrap().get("a").unwrap());
    look(inbox.read().unwrap().array().unwrap());
    let letter = inbox.read().unwrap();
    assert!(matches!(letter.array(), Err(Error::NotAnArray { .. })));
    drop(letter);

    let name = Name::new("array-queue");
    let mut dealer = KrenDealer::create(&name, CAPACITY).unwrap();
    let mut worker = KrenWorker::connect(&name).unwrap();
    dealer.write_array(&[2, 2], &data).unwrap();
    dealer.write_arrays(&several).unwrap();
    let refused = dealer.write_array(&[5], &data);
    assert!(matches!(refused, Err(Error::InvalidOption { .. })));
    let refused = dealer.write_array(&[CAPACITY], &vec![0_u8; CAPACITY]);
    assert!(matches!(refused, Err(Error::TooLarge { .. })));
    let work = worker.read().unwrap();
    look(work.array().unwrap());
    // Left there, it comes again.
    work.keep();
    look(worker.read().unwrap().array().unwrap());
    look(worker.read().unwrap().arrays().unwrap().get("a").unwrap());
    assert!(worker.try_read().unwrap().is_none());

    let name = Name::new("array-broadcast");
    let mut publisher = KrenPublisher::create(&name, CAPACITY).unwrap();
    let mut subscriber = KrenSubscriber::connect(&name).unwrap();
    publisher.write_array(&[2, 2], &data).unwrap();
    publisher.write_arrays(&several).unwrap();
    look(subscriber.read().unwrap().array().unwrap());
    look(
        subscriber
            .read()
            .unwrap()
            .arrays()
            .unwrap()
            .get("a")
            .unwrap(),
    );
}
