//! KREN, in each of the ways its users may use it.

use std::marker::PhantomData;
use std::time::Duration;

use kren_core::{KrenReader, KrenWriter, Strategy};

use super::ways::{Receives, Sends, Ways};
use super::{BUSY, Entry, SIZES, SLEEPS};
use crate::Result;
use crate::link::{Ends, Link, Setup, Side, Test};
use crate::payload::{self, Counted, Numbers, Payload};

/// Many channels in turn; what growing costs is measured with it.
pub(crate) const AROUND: &str = "kren-around";

/// How messages are written and read.
pub(super) trait Style {
    fn write(writer: &mut KrenWriter, payload: &mut Payload, size: usize, number: u64);

    fn write_many<N: Numbers>(
        writer: &mut KrenWriter,
        payload: &mut Payload,
        size: usize,
        count: u64,
    ) {
        for index in 0..count {
            Self::write(writer, payload, size, N::at(index));
        }
    }

    fn read(message: &[u8]) -> u64 {
        payload::read(message)
    }

    const IS_READ: bool = true;
    /// Whether the reader asks again and again, in place of waiting.
    const IS_POLLED: bool = false;
}

/// `write(&[u8])`.
pub(super) struct Copied;
/// `reserve`, fill, `commit`.
pub(super) struct InPlace;
/// `reserve`, `commit`: a frame that other hands have filled, a device's say, is passed on.
struct Untouched;
/// `batch`, many `push`, `commit`.
struct Batched;
/// `write`; `try_read` until there is a message: nothing but the ring, and so what waiting is compared with.
struct Polled;

pub(super) const WRITES: &str = "a KREN channel does not fail while its reader lives";

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

impl Style for Polled {
    #[inline]
    fn write(writer: &mut KrenWriter, payload: &mut Payload, size: usize, number: u64) {
        Copied::write(writer, payload, size, number);
    }

    const IS_POLLED: bool = true;
}

impl Style for Batched {
    #[inline]
    fn write(writer: &mut KrenWriter, payload: &mut Payload, size: usize, number: u64) {
        Copied::write(writer, payload, size, number);
    }

    fn write_many<N: Numbers>(
        writer: &mut KrenWriter,
        payload: &mut Payload,
        size: usize,
        count: u64,
    ) {
        // As many as matter, in no more than a quarter of the ring: the reader works on the rest.
        let most = (writer.capacity() / 4 / (size + 8)).clamp(1, 64) as u64;
        let mut start = 0;
        while start < count {
            let end = count.min(start + most);
            let mut batch = writer.batch();
            for index in start..end {
                let message = payload.numbered(N::at(index));
                batch.push(message).expect(WRITES);
            }
            batch.commit();
            start = end;
        }
    }
}

/// Where messages go out.
pub(super) struct Out<S> {
    writer: KrenWriter,
    payload: Payload,
    size: usize,
    style: PhantomData<S>,
}

/// Where they come in.
pub(super) struct In<S> {
    reader: KrenReader,
    style: PhantomData<S>,
}

type Kren<S> = Ways<Out<S>, In<S>>;

fn open<S: Style + 'static>(setup: &Setup, strategy: Strategy) -> Result<Box<dyn Link>> {
    let (there, back) = setup.ways();
    Ok(Box::new(Kren::<S>::open(setup, strategy, &there, &back)?))
}

impl<S: Style> Kren<S> {
    fn open(setup: &Setup, strategy: Strategy, there: &str, back: &str) -> Result<Self> {
        let writer = KrenWriter::options()
            .strategy(strategy)
            .prefault(true)
            .create(there, setup.capacity)?;
        let reader = KrenReader::options()
            .strategy(strategy)
            .prefault(true)
            .timeout(Duration::from_secs(10))
            .connect(back)?;
        Ok(Self {
            there: Out::new(writer, setup.size),
            back: In::new(reader),
            carried: S::IS_READ.then_some(setup.size),
        })
    }
}

impl<S> Out<S> {
    pub(super) fn new(writer: KrenWriter, size: usize) -> Self {
        Self {
            writer,
            payload: Payload::new(size),
            size,
            style: PhantomData,
        }
    }
}

impl<S> In<S> {
    pub(super) fn new(reader: KrenReader) -> Self {
        Self {
            reader,
            style: PhantomData,
        }
    }
}

impl<S: Style> Sends for Out<S> {
    #[inline]
    fn send(&mut self, number: u64) {
        S::write(&mut self.writer, &mut self.payload, self.size, number);
    }

    fn send_many<N: Numbers>(&mut self, count: u64) {
        S::write_many::<N>(&mut self.writer, &mut self.payload, self.size, count);
    }
}

impl<S: Style> Receives for In<S> {
    #[inline]
    fn receive(&mut self) -> u64 {
        if !S::IS_POLLED {
            return S::read(&self.reader.read().expect(WRITES));
        }
        loop {
            if let Some(message) = self.reader.try_read().expect(WRITES) {
                return S::read(&message);
            }
            std::hint::spin_loop();
        }
    }
}

/// Many channels, of which each message takes the next.
struct Around {
    channels: Vec<Kren<Copied>>,
    sent: usize,
    received: usize,
}

impl Around {
    fn open(setup: &Setup) -> Result<Self> {
        let (there, back) = setup.ways();
        let open = |number| {
            let [there, back] = [&there, &back].map(|way| format!("{way}{number}"));
            Kren::open(setup, Strategy::Spin, &there, &back)
        };
        Ok(Self {
            channels: (0..setup.channels).map(open).collect::<Result<_>>()?,
            sent: 0,
            received: 0,
        })
    }

    fn next(&self, at: usize) -> usize {
        if at + 1 == self.channels.len() {
            0
        } else {
            at + 1
        }
    }
}

impl Ends for Around {
    fn send(&mut self, number: u64) {
        self.channels[self.sent].send(number);
        self.sent = self.next(self.sent);
    }

    fn receive(&mut self) -> u64 {
        let sum = self.channels[self.received].receive();
        self.received = self.next(self.received);
        sum
    }

    fn carried(&self) -> Option<usize> {
        self.channels.first().and_then(Ends::carried)
    }
}

pub(super) fn entries() -> Vec<Entry> {
    let entry = |name, how, tests, sizes, open| Entry {
        name,
        how,
        tests,
        sizes,
        listed: true,
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
            "kren-polled",
            "write; try_read until there is one",
            BUSY,
            64..=64,
            |setup| open::<Polled>(setup, Strategy::Spin),
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
        Entry {
            listed: false,
            ..entry(
                AROUND,
                "write and read, spinning; each message through the next of many channels",
                BUSY,
                SIZES,
                |setup| Ok(Box::new(Around::open(setup)?)),
            )
        },
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
        channels: 1,
        followers: 1,
        crowded: false,
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
    if sum != Counted::expected(size, count) {
        return Err("the sum over the messages is wrong".into());
    }
    Ok(ns)
}
