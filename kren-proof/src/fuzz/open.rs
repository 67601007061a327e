//! Any bytes as a segment (G7): they are taken for what the spec says they are, or refused.

use super::channel::Channel;
use super::input::Input;
use super::outcome::Outcome;
use crate::format::{self, Record, Segment, header, role};
use kren_core::{Error, KrenReader, KrenWriter};
use std::sync::OnceLock;
use std::time::Duration;

/// No more messages than this are read from a ring whose bytes form a circle.
const ENOUGH: usize = 2000;
/// Longer files only take longer.
const LARGEST: usize = 256 * 1024;

/// One segment: raw bytes, or a sound one with some words changed.
pub(super) fn run(data: &[u8], outcome: &mut Outcome) {
    let bytes = segment(data);
    let channel = Channel::new();
    let spec = Segment::parse(bytes.clone());
    let records = spec.as_ref().ok().map(Segment::undelivered);
    let sound = records.as_ref().and_then(|records| records.as_ref().ok());
    outcome.saw((spec.is_ok(), sound.is_some()));

    channel.put(&bytes);
    let reader = KrenReader::connect(&channel.name);
    assert!(
        spec.is_ok() || reader.is_err(),
        "a header that breaks the spec was accepted: {spec:?}"
    );
    match reader {
        Ok(reader) => read(reader, sound, outcome),
        Err(error) => {
            assert!(sound.is_none(), "a sound segment was refused: {error}");
            assert_damage(&error);
            outcome.failed(&error);
        }
    }

    channel.put(&bytes);
    let (capacity, alignment) = spec.as_ref().map_or((4096, 8), |spec| {
        (spec.shape.capacity, spec.shape.alignment)
    });
    let options = KrenWriter::options().alignment(alignment);
    match options.create(&channel.name, capacity) {
        Ok(writer) => write(writer, &channel, sound, outcome),
        Err(error) if spec.is_ok_and(|spec| spec.has_origin()) && is_refusal(&error) => {
            outcome.failed(&error);
        }
        Err(error) => {
            assert!(
                sound.is_none(),
                "a sound segment was refused to a writer: {error}"
            );
            assert_damage(&error);
            outcome.failed(&error);
        }
    }

    // Whatever stands there, `fresh` gets rid of it.
    channel.put(&bytes);
    let mut writer = options
        .fresh(true)
        .create(&channel.name, capacity)
        .unwrap_or_else(|error| panic!("'fresh' was refused: {error}"));
    writer.write(b"fresh").expect("a fresh ring has room");
    let mut reader = KrenReader::connect(&channel.name).expect("a fresh channel has no reader");
    assert_eq!(reader.read().expect("one message"), b"fresh");
    drop((writer, reader));
    assert!(!channel.exists(), "a drained channel's name was left");
}

/// What a writer says of messages that a bridge has brought.
fn is_refusal(error: &Error) -> bool {
    matches!(error, Error::InvalidOption { option: "name", .. })
}

/// Damage has two names, and nothing else may be said of it.
fn assert_damage(error: &Error) {
    let is_damage = matches!(error, Error::Corrupt { .. } | Error::VersionMismatch { .. });
    assert!(is_damage, "damage was reported as: {error}");
}

fn read(mut reader: KrenReader, sound: Option<&Vec<Record>>, outcome: &mut Outcome) {
    let mut found = Vec::new();
    while found.len() < ENOUGH {
        match reader.try_read() {
            Ok(Some(message)) => found.push((message.tag(), message.to_vec())),
            Ok(None) => break,
            Err(error) => {
                assert!(matches!(error, Error::Corrupt { .. }), "{error}");
                outcome.failed(&error);
                break;
            }
        }
    }
    outcome.saw(found.len().min(20));
    if let Some(records) = sound {
        let expected: Vec<_> = records
            .iter()
            .map(|record| (record.tag, record.payload.clone()))
            .collect();
        assert!(
            found == expected,
            "the spec finds {expected:?}, and the reader {found:?}"
        );
    }
    if let Err(error) = reader.read_timeout(Duration::ZERO) {
        outcome.failed(&error);
    }
    let _ = (reader.available(), reader.is_writer_closed());
}

fn write(
    mut writer: KrenWriter,
    channel: &Channel,
    sound: Option<&Vec<Record>>,
    outcome: &mut Outcome,
) {
    let mut written = 0;
    for len in [0, 1, 100, writer.available(), writer.max_message_len()] {
        match writer.try_write(&vec![7; len]) {
            Ok(()) => written += 1,
            Err(error) => {
                assert!(
                    matches!(error, Error::Full { .. } | Error::Corrupt { .. }),
                    "{error}"
                );
                outcome.failed(&error);
            }
        }
    }
    if let Err(error) = writer.drain(Duration::ZERO) {
        outcome.failed(&error);
    }
    if let Ok(mut slot) = writer.try_reserve(8) {
        slot.fill(9); // and not committed
    }
    let _ = (writer.available(), writer.reader_state());
    drop(writer);
    outcome.saw(written);
    if let Some(records) = sound {
        let after = channel
            .segment()
            .undelivered()
            .expect("a writer leaves a sound ring");
        assert_eq!(
            after.len(),
            records.len() + written,
            "messages came or went"
        );
        assert_eq!(
            after[..records.len()],
            records[..],
            "undelivered messages were altered"
        );
    }
}

fn segment(data: &[u8]) -> Vec<u8> {
    let mut input = Input::new(data);
    let kind = input.u8();
    if kind == 0 {
        let raw = input.rest();
        return raw[..raw.len().min(LARGEST)].to_vec();
    }
    let template = &templates()[usize::from(kind) % templates().len()];
    let mut bytes = template.bytes.clone();
    let (reseal, resize) = (!input.u8().is_multiple_of(4), input.u8());
    while !input.is_empty() {
        patch(&mut bytes, template, &mut input);
    }
    match resize {
        1 => bytes.truncate(bytes.len() - 1),
        2 => bytes.push(0),
        3 => bytes.truncate(bytes.len() / 2),
        4 => bytes.resize(bytes.len() + 4096, 0),
        _ => {}
    }
    if reseal {
        format::seal(&mut bytes);
    }
    bytes
}

/// Changes one word to something near what it was, or to something far.
fn patch(bytes: &mut [u8], template: &Template, input: &mut Input<'_>) {
    let granule = 4096;
    let (at, len) = match input.u8() % 8 {
        0 => {
            let fields = [
                (header::MAGIC, 8),
                (header::VERSION, 4),
                (header::GRANULARITY, 4),
                (header::CAPACITY, 8),
                (header::ALIGNMENT, 4),
                (header::KIND, 4),
                (header::READERS, 4),
                (header::FLAGS, 4),
                (header::CHECKSUM, 8),
            ];
            fields[input.below(fields.len())]
        }
        page @ 1..=2 => {
            let fields = [
                (role::POSITION, 8),
                (role::COUNT, 8),
                (role::FRONTIER, 8),
                (role::MARKS, 8),
                (role::WAKE_COUNT, 4),
                (role::TICKET, 4),
                (role::WANTED, 8),
                (role::STATE, 4),
                (role::SESSION, 4),
            ];
            let (at, len) = fields[input.below(fields.len())];
            (usize::from(page) * granule + at, len)
        }
        3..=5 => (template.headers[input.below(template.headers.len())], 4),
        6 => (template.headers[input.below(template.headers.len())], 8),
        _ => (input.below(bytes.len() / 8) * 8, 8),
    };
    let Some(word) = bytes.get_mut(at..at + len) else {
        return;
    };
    let mut old = [0; 8];
    old[..len].copy_from_slice(word);
    let old = u64::from_le_bytes(old);
    let new = match input.u8() % 6 {
        0 => input.u64(),
        1 => u64::MAX,
        2 => old.wrapping_add(input.u8().into()),
        3 => old.wrapping_sub(input.u8().into()),
        4 => u64::from(input.u16()),
        _ => 1 << (input.u8() % 64),
    };
    word.copy_from_slice(&new.to_le_bytes()[..len]);
}

/// A sound segment, and where its record headers lie.
struct Template {
    bytes: Vec<u8>,
    headers: Vec<usize>,
}

fn templates() -> &'static [Template] {
    static TEMPLATES: OnceLock<Vec<Template>> = OnceLock::new();
    TEMPLATES.get_or_init(|| {
        let empty = |writer: &mut KrenWriter, _: &str| drop(writer.reserve(8));
        let some = |writer: &mut KrenWriter, _: &str| {
            for len in [24, 0, 100, 7] {
                writer
                    .write_tagged(len as u32, &vec![5; len])
                    .expect("there is room");
            }
        };
        let full = |writer: &mut KrenWriter, _: &str| {
            while writer.try_write(&[6; 90]).is_ok() {}
            let rest = writer.available();
            writer.write(&vec![6; rest]).expect("it was said to fit");
        };
        let laps = |writer: &mut KrenWriter, name: &str| {
            let mut reader = KrenReader::connect(name).expect("there is no reader");
            for len in (0..3000).step_by(61) {
                writer.write(&vec![0x11; len]).expect("the ring is empty");
                drop(reader.read().expect("it was just written"));
            }
            drop(reader);
            some(writer, name);
        };
        vec![
            template(8, empty),
            template(8, some),
            template(8, full),
            template(8, laps),
            template(64, some),
            template(4096, some),
        ]
    })
}

fn template(alignment: usize, fill: impl Fn(&mut KrenWriter, &str)) -> Template {
    let channel = Channel::new();
    let capacity = if alignment == 4096 { 32_768 } else { 4096 };
    let mut writer = KrenWriter::options()
        .alignment(alignment)
        .create(&channel.name, capacity)
        .expect("the name is new");
    fill(&mut writer, &channel.name);
    let segment = channel.segment();
    let records = segment.undelivered().expect("kren-core keeps to the spec");
    let mut headers: Vec<_> = records
        .iter()
        .map(|record| segment.shape.record_header_at(record.position))
        .collect();
    let end = records.last().map_or(0, |last| {
        last.position + segment.shape.stride(last.payload.len())
    });
    headers.push(segment.shape.record_header_at(end));
    let bytes = channel.bytes();
    Template { bytes, headers }
}
