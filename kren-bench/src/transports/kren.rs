//! KREN, in each of the ways its users may use it.

use std::marker::PhantomData;
use std::time::Duration;

use kren_core::{KrenReader, KrenWriter, Strategy};

use super::{BUSY, Entry, SIZES, SLEEPS};
use crate::Result;
use crate::link::{Ends, Link, Setup, Side, Test};
use crate::payload::{self, Payload};

/// How messages are written and read.
trait Style {
    fn write(writer: &mut KrenWriter, payload: &mut Payload, size: usize, number: u64);

    fn write_many(writer: &mut KrenWriter, payload: &mut Payload, size: usize, count: u64) {
        for number in 0..count {
            Self::write(writer, payload, size, number);
        }
    }

    fn read(message: &[u8]) -> u64 {
        payload::read(message)
    }

    const IS_READ: bool = true;
}

/// `write(&[u8])`.
struct Copied;
/// `reserve`, fill, `commit`.
struct InPlace;
/// `reserve`, `commit`: a frame that other hands have filled, a device's say, is passed on.
struct Untouched;
/// `batch`, many `push`, `commit`.
struct Batched;

const WRITES: &str = "a KREN channel does not fail while its reader lives";

impl Style for Copied {
    #[inline]
    fn write(writer: &mut KrenWriter, payload: &mut Payload, _size: usize, number: u64) {
        writer.write(payload.numbered(number)).expect(WRITES);
    }
}

impl Style for InPlace {
    #[inline]
    fn write(writer: &mut KrenWriter, _payload: &mut Payload, size: usize, number: u64) {
        let mut slot = writer.reserve(size).expect(WRITES);
        payload::build(&mut slot, number);
        slot.commit();
    }
}

impl Style for Untouched {
    #[inline]
    fn write(writer: &mut KrenWriter, _payload: &mut Payload, size: usize, _number: u64) {
        writer.reserve(size).expect(WRITES).commit();
    }

    #[inline]
    fn read(message: &[u8]) -> u64 {
        std::hint::black_box(message.len());
        0
    }

    const IS_READ: bool = false;
}

impl Style for Batched {
    #[inline]
    fn write(writer: &mut KrenWriter, payload: &mut Payload, size: usize, number: u64) {
        Copied::write(writer, payload, size, number);
    }

    fn write_many(writer: &mut KrenWriter, payload: &mut Payload, size: usize, count: u64) {
        // As many as matter, in no more than a quarter of the ring: the reader works on the rest.
        let most = (writer.capacity() / 4 / (size + 8)).clamp(1, 64) as u64;
        let mut number = 0;
        while number < count {
            let end = count.min(number + most);
            let mut batch = writer.batch();
            for number in number..end {
                batch.push(payload.numbered(number)).expect(WRITES);
            }
            batch.commit();
            number = end;
        }
    }
}

struct Kren<S> {
    writer: KrenWriter,
    reader: KrenReader,
    payload: Payload,
    size: usize,
    style: PhantomData<S>,
}

fn open<S: Style + 'static>(setup: &Setup, strategy: Strategy) -> Result<Box<dyn Link>> {
    let (there, back) = setup.ways();
    let writer = KrenWriter::options()
        .strategy(strategy)
        .prefault(true)
        .create(&there, setup.capacity)?;
    let reader = KrenReader::options()
        .strategy(strategy)
        .prefault(true)
        .timeout(Duration::from_secs(10))
        .connect(&back)?;
    let payload = Payload::new(setup.size);
    let size = setup.size;
    Ok(Box::new(Kren::<S> {
        writer,
        reader,
        payload,
        size,
        style: PhantomData,
    }))
}

impl<S: Style> Ends for Kren<S> {
    #[inline]
    fn send(&mut self, number: u64) {
        S::write(&mut self.writer, &mut self.payload, self.size, number);
    }

    #[inline]
    fn receive(&mut self) -> u64 {
        S::read(&self.reader.read().expect(WRITES))
    }

    fn send_many(&mut self, count: u64) {
        S::write_many(&mut self.writer, &mut self.payload, self.size, count);
    }

    fn expected(&self, count: u64) -> Option<u64> {
        S::IS_READ.then(|| payload::expected(self.size, count))
    }
}

pub(super) fn entries() -> Vec<Entry> {
    let entry = |name, how, tests, sizes, open| Entry {
        name,
        how,
        tests,
        sizes,
        open,
    };
    vec![
        entry("kren", "write and read, spinning", BUSY, SIZES, |setup| {
            open::<Copied>(setup, Strategy::Spin)
        }),
        entry(
            "kren-inplace",
            "reserve, fill and commit; read; spinning",
            BUSY,
            SIZES,
            |setup| open::<InPlace>(setup, Strategy::Spin),
        ),
        entry(
            "kren-adaptive",
            "write and read, waiting as by default",
            SLEEPS,
            SIZES,
            |setup| open::<Copied>(setup, Strategy::Adaptive),
        ),
        entry(
            "kren-inplace-adaptive",
            "reserve, fill and commit; read; waiting as by default",
            BUSY,
            SIZES,
            |setup| open::<InPlace>(setup, Strategy::Adaptive),
        ),
        entry(
            "kren-sleep",
            "write and read, sleeping at once",
            SLEEPS,
            64..=64,
            |setup| open::<Copied>(setup, Strategy::Sleep),
        ),
        entry(
            "kren-batch",
            "batches of up to 64 messages, spinning",
            &[Test::Stream],
            SIZES,
            |setup| open::<Batched>(setup, Strategy::Spin),
        ),
        entry(
            "kren-untouched",
            "reserve and commit, the payload neither written nor read; spinning",
            &[Test::Trips],
            SIZES,
            |setup| open::<Untouched>(setup, Strategy::Spin),
        ),
    ]
}

/// Nanoseconds of each of `count` times: create a channel, connect to it, pass the first message.
pub(crate) fn first_messages(session: &str, capacity: usize, count: u64) -> Result<Vec<u64>> {
    let mut times = Vec::new();
    for number in 0..count {
        let name = format!("{session}-{number}");
        let start = crate::clock::monotonic();
        let mut writer = KrenWriter::create(&name, capacity)?;
        let mut reader = KrenReader::connect(&name)?;
        writer.write(b"the first")?;
        std::hint::black_box(reader.read()?.len());
        times.push(crate::clock::monotonic() - start);
    }
    Ok(times)
}

/// Nanoseconds that `count` messages take to be written and read again by one thread.
pub(crate) fn one_thread(session: &str, size: usize, capacity: usize, count: u64) -> Result<u64> {
    let setup = Setup {
        side: Side::Lead,
        session: session.to_owned(),
        size,
        capacity,
    };
    let (name, _) = setup.ways();
    let mut writer = KrenWriter::options()
        .prefault(true)
        .create(&name, capacity)?;
    let mut reader = KrenReader::options().prefault(true).connect(&name)?;
    let mut payload = Payload::new(size);
    let mut sum = 0u64;
    let start = crate::clock::monotonic();
    for number in 0..count {
        writer.write(payload.numbered(number))?;
        sum = sum.wrapping_add(payload::read(&reader.read()?));
    }
    let ns = crate::clock::monotonic() - start;
    if sum != payload::expected(size, count) {
        return Err("the sum over the messages is wrong".into());
    }
    Ok(ns)
}
