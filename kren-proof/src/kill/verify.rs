//! What must hold after a death, whatever the instruction.

use super::actor::{capacity, path};
use super::aftermath::Aftermath;
use super::message::{LAST, message, number};
use super::peer::{Live, Settled};
use super::scenario::{Change, Scenario};
use super::{company, several};
use crate::format::Segment;
use kren_core::{Error, KrenReader, KrenWriter};
use std::fs;
use std::time::{Duration, Instant};

/// Checks everything that G1, G3 and G4 promise, and uses the channel up.
pub(super) fn verify(
    scenario: &Scenario,
    channel: &str,
    live: Live,
    killed: Instant,
) -> Result<Aftermath, String> {
    let live = match (live, scenario.crowd) {
        (Live::Several(all), Some(crowd)) => {
            return several::verify(scenario, crowd, channel, all);
        }
        (Live::Company(there), _) => return company::verify(scenario, channel, *there),
        (live, _) => live,
    };
    let Settled {
        live,
        read,
        written,
        released,
    } = live.settle()?;

    let found = match fs::read(path(channel)) {
        Ok(bytes) => Some(Segment::parse(bytes).map_err(|rule| format!("segment: {rule}"))?),
        Err(_) if scenario.may_be_absent => None,
        Err(error) => return Err(format!("the segment is gone: {error}")),
    };
    let mut left = Vec::new();
    if let Some(segment) = &found {
        for record in segment
            .undelivered()
            .map_err(|rule| format!("ring: {rule}"))?
        {
            left.push(number(record.tag, &record.payload)?);
        }
    }
    let messages: Vec<u32> = read.iter().chain(&left).copied().collect();
    let allowed = allowed(scenario, written);
    if found.is_some() && !allowed.contains(&messages) {
        return Err(format!(
            "the messages are {messages:?}, which is none of {allowed:?}"
        ));
    }

    if let Some(segment) = &found {
        segment
            .judge_marks()
            .map_err(|rule| format!("marks: {rule}"))?;
        // A second channel with the same bytes, to try the other order of succession on.
        let twin = format!("{channel}-twin");
        fs::copy(path(channel), path(&twin)).map_err(|error| format!("twin: {error}"))?;
        reader_first(&twin, segment, &left).map_err(|what| format!("reader first: {what}"))?;
    }
    let capacity = found
        .as_ref()
        .map_or(capacity(), |segment| segment.shape.capacity);
    writer_first(channel, capacity, live, &left).map_err(|what| format!("writer first: {what}"))?;
    Ok(Aftermath {
        channel: found.map(|segment| (segment.shape.capacity, messages)),
        released_after: released.map(|when| when.saturating_duration_since(killed)),
    })
}

/// What may lie in the channel, in its order.
fn allowed(scenario: &Scenario, written_by_peer: u32) -> Vec<Vec<u32>> {
    let all = scenario.prepared + written_by_peer;
    let before = (0..all).collect();
    match scenario.change {
        Change::Nothing => vec![before],
        Change::Commits(more) => vec![before, (0..all + more).collect()],
        Change::Releases(first) => vec![before, (first..all).collect()],
        Change::Discards => vec![before, vec![]],
    }
}

/// A new reader comes first: it gets everything, then learns what became of the writer, then hears
/// the next writer.
fn reader_first(channel: &str, segment: &Segment, left: &[u32]) -> Result<(), String> {
    let mut reader = KrenReader::connect(channel).map_err(|error| error.to_string())?;
    take(&mut reader, left)?;
    let told = (segment.writer_state() != 0).then(|| reader.read_timeout(Duration::ZERO));
    match (segment.writer_state(), told) {
        (0, _) | (1, Some(Err(Error::PeerDied { .. }))) | (2, Some(Err(Error::Closed { .. }))) => {}
        (state, told) => return Err(format!("writer's state {state}, reader told {told:?}")),
    }
    let mut writer = create(channel, segment.shape.capacity)?;
    put_last(&mut writer)?;
    take(&mut reader, &[LAST])?;
    finish(channel, writer, reader)
}

/// A new writer comes first (or lives still): it goes on where the dead one stopped.
fn writer_first(channel: &str, capacity: usize, live: Live, left: &[u32]) -> Result<(), String> {
    let (writer, reader) = match live {
        Live::Writer(writer) => (Some(writer), None),
        Live::Reader(reader) => (None, Some(reader)),
        _ => (None, None),
    };
    let mut writer = writer.map_or_else(|| create(channel, capacity), Ok)?;
    let is_written = match put_last(&mut writer) {
        Ok(()) => true,
        Err(_) if writer.available() < message(LAST).1.len() => false,
        Err(error) => return Err(error),
    };
    let connect = || KrenReader::connect(channel).map_err(|error| error.to_string());
    let mut reader = reader.map_or_else(connect, Ok)?;
    take(&mut reader, left)?;
    if !is_written {
        put_last(&mut writer)?;
    }
    take(&mut reader, &[LAST])?;
    finish(channel, writer, reader)
}

fn create(channel: &str, capacity: usize) -> Result<KrenWriter, String> {
    KrenWriter::create(channel, capacity).map_err(|error| error.to_string())
}

fn put_last(writer: &mut KrenWriter) -> Result<(), String> {
    let (tag, data) = message(LAST);
    writer
        .try_write_tagged(tag, &data)
        .map_err(|error| error.to_string())
}

fn take(reader: &mut KrenReader, numbers: &[u32]) -> Result<(), String> {
    for expected in numbers {
        let message = reader.try_read().map_err(|error| error.to_string())?;
        let message = message.ok_or(format!("message {expected} is lost"))?;
        let found = number(message.tag(), &message)?;
        if found != *expected {
            return Err(format!("message {found} came in place of {expected}"));
        }
    }
    Ok(())
}

/// Nothing more is there, and both sides close: the name goes.
fn finish(channel: &str, writer: KrenWriter, mut reader: KrenReader) -> Result<(), String> {
    if let Some(message) = reader.try_read().map_err(|error| error.to_string())? {
        return Err(format!("one message too many: {message:?}"));
    }
    drop(writer);
    match reader.read_timeout(Duration::ZERO) {
        Err(Error::Closed { .. }) => {}
        told => return Err(format!("after a clean close the reader is told {told:?}")),
    }
    drop(reader);
    match fs::exists(path(channel)) {
        Ok(false) => Ok(()),
        _ => Err("the drained channel's name was left behind".into()),
    }
}
