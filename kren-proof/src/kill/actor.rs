//! What the killed processes do, and those that die before them.
#![allow(unsafe_code)]

use super::message::{filling, message};
use super::trace::{begin, end};
use crate::format::role;
use kren_core::{KrenPublisher, KrenReader, KrenWriter, Lease, Strategy};
use std::fs::OpenOptions;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

/// How long a victim waits that waits in vain: long enough to fall asleep at the tracer's pace.
const VAIN: Duration = Duration::from_millis(40);

/// The smallest ring: one page.
pub(super) fn capacity() -> usize {
    // SAFETY: no preconditions.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) as usize }
}

/// The file of a channel.
pub(super) fn path(channel: &str) -> String {
    format!("/dev/shm/kren-{channel}")
}

fn open(channel: &str) -> KrenWriter {
    KrenWriter::create(channel, capacity()).unwrap()
}

fn patient(channel: &str) -> KrenWriter {
    KrenWriter::options()
        .strategy(Strategy::Sleep)
        .create(channel, capacity())
        .unwrap()
}

pub(super) fn put(writer: &mut KrenWriter, numbers: Range<u32>) {
    for number in numbers {
        let (tag, data) = message(number);
        writer.try_write_tagged(tag, &data).unwrap();
    }
}

/// The same to a broadcast.
pub(super) fn put_all(publisher: &mut KrenPublisher, numbers: Range<u32>) {
    for number in numbers {
        let (tag, data) = message(number);
        publisher.write_tagged(tag, &data).unwrap();
    }
}

/// Writes and reads away at least five laps, so that the ring is full of stale records, and stops
/// `before` bytes ahead of its end.
fn lap(channel: &str, writer: &mut KrenWriter, before: usize) {
    const LEN: usize = 344;
    let mut reader = KrenReader::connect(channel).unwrap();
    // The data region is one page longer than the capacity, which is one page.
    let target = 5 * 2 * capacity() - before;
    let mut position = 0;
    while position < target {
        let len = if target - position >= 2 * (LEN + 8) {
            LEN
        } else {
            target - position - 8
        };
        // A stale byte that could pass for the header of a record.
        writer.write_tagged(9, &vec![9; len]).unwrap();
        assert_eq!(reader.read().unwrap().len(), len);
        position += (len + 8).next_multiple_of(8);
    }
}

pub(super) fn write(channel: &str) {
    let mut writer = open(channel);
    put(&mut writer, 0..3);
    write_message(&mut writer, 3);
}

pub(super) fn write_first(channel: &str) {
    write_message(&mut open(channel), 0);
}

pub(super) fn write_across_the_end(channel: &str) {
    let mut writer = open(channel);
    // Messages 0 and 1 take 40 bytes, and 40 of the 112 of message 2 are left at the end.
    lap(channel, &mut writer, 80);
    put(&mut writer, 0..2);
    write_message(&mut writer, 2);
}

pub(super) fn write_into_the_last_room(channel: &str) {
    let mut writer = open(channel);
    lap(channel, &mut writer, 80);
    let last = filling(capacity()) - 1;
    put(&mut writer, 0..last);
    write_message(&mut writer, last);
}

fn write_message(writer: &mut KrenWriter, number: u32) {
    let (tag, data) = message(number);
    begin();
    writer.write_tagged(tag, &data).unwrap();
    end();
}

pub(super) fn write_waits(channel: &str) {
    let mut writer = patient(channel);
    put(&mut writer, 0..filling(capacity()));
    begin();
    writer.write_timeout(b"no room", VAIN).unwrap_err();
    end();
}

pub(super) fn reserve_commit(channel: &str) {
    let mut writer = open(channel);
    put(&mut writer, 0..3);
    let (tag, data) = message(3);
    begin();
    let mut slot = writer.reserve(data.len() + 50).unwrap();
    slot[..data.len()].copy_from_slice(&data);
    slot.set_tag(tag);
    slot.commit_len(data.len()).unwrap();
    end();
}

pub(super) fn reserve_abort(channel: &str) {
    let mut writer = open(channel);
    put(&mut writer, 0..3);
    begin();
    // Out of its scope without a commit: aborted.
    writer.reserve(50).unwrap().fill(9);
    end();
}

pub(super) fn batch(channel: &str) {
    let mut writer = open(channel);
    put(&mut writer, 0..3);
    write_batch(&mut writer, 3);
}

pub(super) fn batch_first(channel: &str) {
    write_batch(&mut open(channel), 0);
}

fn write_batch(writer: &mut KrenWriter, first: u32) {
    let messages = [message(first), message(first + 1), message(first + 2)];
    begin();
    let mut batch = writer.batch();
    for (tag, data) in &messages {
        batch.push_tagged(*tag, data).unwrap();
    }
    batch.commit();
    end();
}

pub(super) fn read_release(channel: &str) {
    let mut reader = KrenReader::connect(channel).unwrap();
    let (tag, data) = message(0);
    begin();
    let found = reader.read().unwrap();
    assert!(found.tag() == tag && found == data);
    drop(found);
    end();
}

/// The next message, which must be `number`, held.
fn held(reader: &mut KrenReader, number: u32) -> Lease {
    let lease = reader.read().unwrap().into_lease();
    let (tag, data) = message(number);
    assert!(lease.tag() == tag && lease[..] == data[..]);
    lease
}

pub(super) fn lease(channel: &str) {
    let mut reader = KrenReader::connect(channel).unwrap();
    begin();
    std::mem::forget(reader.read().unwrap().into_lease());
    end();
}

/// The later one first, so that the other gives both back.
pub(super) fn leases_release(channel: &str) {
    let mut reader = KrenReader::connect(channel).unwrap();
    let first = held(&mut reader, 0);
    let second = held(&mut reader, 1);
    begin();
    drop(second);
    drop(first);
    end();
}

pub(super) fn lease_release(channel: &str) {
    let mut reader = KrenReader::connect(channel).unwrap();
    let lease = held(&mut reader, 0);
    begin();
    drop(lease);
    end();
}

/// The role is given back with the last lease.
pub(super) fn close_reader_with_lease(channel: &str) {
    let mut reader = KrenReader::connect(channel).unwrap();
    let lease = held(&mut reader, 0);
    begin();
    reader.close().unwrap();
    drop(lease);
    end();
}

pub(super) fn read_waits(channel: &str) {
    let mut reader = KrenReader::options()
        .strategy(Strategy::Sleep)
        .connect(channel)
        .unwrap();
    begin();
    reader.read_timeout(VAIN).unwrap_err();
    end();
}

pub(super) fn create(channel: &str) {
    begin();
    let _writer = KrenWriter::create(channel, capacity()).unwrap();
    end();
}

pub(super) fn create_fresh(channel: &str) {
    begin();
    let _writer = KrenWriter::options()
        .fresh(true)
        .create(channel, capacity())
        .unwrap();
    end();
}

pub(super) fn create_larger(channel: &str) {
    begin();
    let _writer = KrenWriter::create(channel, 2 * capacity()).unwrap();
    end();
}

pub(super) fn connect(channel: &str) {
    begin();
    let _reader = KrenReader::connect(channel).unwrap();
    end();
}

pub(super) fn close_writer(channel: &str) {
    let mut writer = open(channel);
    put(&mut writer, 0..3);
    begin();
    writer.close().unwrap();
    end();
}

pub(super) fn close_writer_at_once(channel: &str) {
    let writer = open(channel);
    begin();
    writer.close().unwrap();
    end();
}

pub(super) fn close_writer_drained(channel: &str) {
    let mut writer = open(channel);
    put(&mut writer, 0..1);
    drop(KrenReader::connect(channel).unwrap().read().unwrap());
    begin();
    writer.close().unwrap();
    end();
}

pub(super) fn close_reader(channel: &str) {
    let reader = KrenReader::connect(channel).unwrap();
    begin();
    reader.close().unwrap();
    end();
}

pub(super) fn close_reader_drained(channel: &str) {
    let mut writer = open(channel);
    put(&mut writer, 0..1);
    let mut reader = KrenReader::connect(channel).unwrap();
    drop(reader.read().unwrap());
    drop(writer);
    begin();
    reader.close().unwrap();
    end();
}

/// A writer that dies between committing its third message and storing its position.
pub(super) fn die_committed(channel: &str) {
    let mut writer = open(channel);
    put(&mut writer, 0..3);
    // Message 0 takes 32 bytes, message 1 takes 8.
    stand_back(channel, 40, 2);
    die(writer);
}

/// The same with a batch: message 0, then 1 to 3 at once.
pub(super) fn die_in_batch(channel: &str) {
    let mut writer = open(channel);
    put(&mut writer, 0..4);
    stand_back(channel, 32, 1);
    die(writer);
}

pub(super) fn die_empty(channel: &str) {
    die(open(channel));
}

/// A reader that dies asleep, having seen message 0 and not released it.
pub(super) fn die_asleep(channel: &str) {
    let mut reader = KrenReader::connect(channel).unwrap();
    std::mem::forget(reader.read().unwrap());
    poke(channel, 2 * capacity() + role::TICKET, &7u32.to_le_bytes());
    die(reader);
}

/// Puts the writer's position and count back, which are stored behind what they count.
pub(super) fn stand_back(channel: &str, position: u64, count: u64) {
    poke(
        channel,
        capacity() + role::POSITION,
        &position.to_le_bytes(),
    );
    poke(channel, capacity() + role::COUNT, &count.to_le_bytes());
}

pub(super) fn poke(channel: &str, at: usize, bytes: &[u8]) {
    let file = OpenOptions::new().write(true).open(path(channel)).unwrap();
    file.write_all_at(bytes, at as u64).unwrap();
}

/// Leaves as SIGKILL would: nothing is closed.
pub(super) fn die<T>(endpoint: T) -> ! {
    std::mem::forget(endpoint);
    // SAFETY: no preconditions.
    unsafe { libc::_exit(0) }
}
