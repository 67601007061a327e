//! ringfire: rings of records of a fixed size, one each way, lossless, polled.

use std::path::PathBuf;

use ringfire::{FlowControl, RingConsumer, RingConsumerBuilder, RingProducer, RingProducerBuilder};

use super::ways::{Receives, Sends, Ways, one_way, poll};
use super::{BUSY, Entry, memory_directory, patiently};
use crate::Result;
use crate::link::{Link, Setup};
use crate::payload;

/// Records that a reader with more to do takes at once.
const BATCH: usize = 32;

struct Out<const SIZE: usize> {
    producer: RingProducer<[u8; SIZE]>,
    record: Box<[u8; SIZE]>,
}

struct In<const SIZE: usize> {
    consumer: RingConsumer<[u8; SIZE]>,
    batch: Vec<[u8; SIZE]>,
    crowded: bool,
}

/// Calls `open` for the size of the messages.
macro_rules! sized {
    ($setup:expr, $open:ident, $($size:literal)*) => {
        match $setup.size {
            $($size => $open::<$size>($setup),)*
            other => Err(format!("records of {other} bytes were not compiled in").into()),
        }
    };
}

pub(super) fn entries() -> [Entry; 2] {
    let how = "ringfire 0.5: records of a fixed size, LosslessBackpressure, push, try_recv and recv_batch";
    [
        Entry {
            name: "ringfire",
            how,
            tests: BUSY,
            // Records travel by value: larger ones do not fit on a stack several times over.
            sizes: 8..=64 << 10,
            listed: true,
            open: |setup| sized!(setup, two_ways, 8 32 64 256 1024 4096 65536),
        },
        Entry::unlisted(
            "ringfire-broadcast",
            how,
            |setup| sized!(setup, broadcast, 64 1024 65536),
        ),
    ]
}

fn path(name: String) -> PathBuf {
    memory_directory().join(name)
}

fn records<const SIZE: usize>(setup: &Setup) -> usize {
    (setup.capacity / SIZE).max(2).next_power_of_two()
}

fn two_ways<const SIZE: usize>(setup: &Setup) -> Result<Box<dyn Link>> {
    let (there, back) = setup.ways();
    Ok(Box::new(Ways {
        there: Out::<SIZE>::open(setup, there)?,
        back: In::<SIZE>::open(setup, back)?,
        carried: Some(SIZE),
    }))
}

fn broadcast<const SIZE: usize>(setup: &Setup) -> Result<Box<dyn Link>> {
    let name = || setup.session.clone();
    let there = || Out::<SIZE>::open(setup, name());
    one_way(setup, there, || In::<SIZE>::open(setup, name()))
}

impl<const SIZE: usize> Out<SIZE> {
    fn open(setup: &Setup, name: String) -> Result<Self> {
        let producer = RingProducerBuilder::new(records::<SIZE>(setup) as u64)
            .flow_control(FlowControl::LosslessBackpressure)
            .build(path(name))?;
        let record = vec![7; SIZE].into_boxed_slice().try_into();
        Ok(Self {
            producer,
            record: record.expect("the vector has as many"),
        })
    }
}

impl<const SIZE: usize> In<SIZE> {
    fn open(setup: &Setup, name: String) -> Result<Self> {
        let path = path(name);
        let consumer = patiently(|| RingConsumerBuilder::new().start_from_oldest().attach(&path))?;
        Ok(Self {
            consumer,
            // No more than half of the ring: the producer goes on meanwhile.
            batch: vec![[0; SIZE]; BATCH.min(records::<SIZE>(setup) / 2)],
            crowded: setup.crowded,
        })
    }
}

impl<const SIZE: usize> Sends for Out<SIZE> {
    #[inline]
    fn send(&mut self, number: u64) {
        self.record[..8].copy_from_slice(&number.to_ne_bytes());
        self.producer.push(&self.record);
    }
}

impl<const SIZE: usize> Receives for In<SIZE> {
    #[inline]
    fn receive(&mut self) -> u64 {
        poll(self.crowded, || {
            self.consumer
                .try_recv()
                .map(|record| payload::read(&record))
        })
    }

    fn receive_many(&mut self, count: u64) -> u64 {
        let mut sum = 0u64;
        let mut left = count as usize;
        while left > 0 {
            let most = left.min(self.batch.len());
            let batch = &mut self.batch[..most];
            let came = poll(self.crowded, || match self.consumer.recv_batch(batch) {
                0 => None,
                came => Some(came),
            });
            for record in &self.batch[..came] {
                sum = sum.wrapping_add(payload::read(record));
            }
            left -= came;
        }
        sum
    }
}
