//! ringfire: rings of records of a fixed size, one each way, lossless, polled.

use std::path::PathBuf;

use ringfire::{FlowControl, RingConsumer, RingConsumerBuilder, RingProducer, RingProducerBuilder};

use super::{BUSY, Entry, memory_directory, patiently};
use crate::Result;
use crate::link::{Ends, Link, Setup};
use crate::payload;

/// Records that a reader with more to do takes at once.
const BATCH: usize = 32;

struct Ringfire<const SIZE: usize> {
    producer: RingProducer<[u8; SIZE]>,
    consumer: RingConsumer<[u8; SIZE]>,
    record: Box<[u8; SIZE]>,
    batch: Vec<[u8; SIZE]>,
}

pub(super) fn entry() -> Entry {
    Entry {
        name: "ringfire",
        how: "ringfire 0.5: records of a fixed size, LosslessBackpressure, push, try_recv and recv_batch",
        tests: BUSY,
        // Records travel by value: larger ones do not fit on a stack several times over.
        sizes: 8..=64 << 10,
        listed: true,
        open,
    }
}

fn open(setup: &Setup) -> Result<Box<dyn Link>> {
    Ok(match setup.size {
        8 => Box::new(Ringfire::<8>::open(setup)?),
        32 => Box::new(Ringfire::<32>::open(setup)?),
        64 => Box::new(Ringfire::<64>::open(setup)?),
        256 => Box::new(Ringfire::<256>::open(setup)?),
        1024 => Box::new(Ringfire::<1024>::open(setup)?),
        4096 => Box::new(Ringfire::<4096>::open(setup)?),
        65536 => Box::new(Ringfire::<65536>::open(setup)?),
        other => return Err(format!("records of {other} bytes were not compiled in").into()),
    })
}

impl<const SIZE: usize> Ringfire<SIZE> {
    fn open(setup: &Setup) -> Result<Self> {
        let (there, back) = setup.ways();
        let path = |name| -> PathBuf { memory_directory().join(name) };
        let records = (setup.capacity / SIZE).max(2).next_power_of_two();
        let producer = RingProducerBuilder::new(records as u64)
            .flow_control(FlowControl::LosslessBackpressure)
            .build(path(there))?;
        let back = path(back);
        let consumer = patiently(|| RingConsumerBuilder::new().start_from_oldest().attach(&back))?;
        let record = Box::new([7; SIZE]);
        Ok(Self {
            producer,
            consumer,
            record,
            batch: vec![[0; SIZE]; BATCH],
        })
    }
}

impl<const SIZE: usize> Ends for Ringfire<SIZE> {
    #[inline]
    fn send(&mut self, number: u64) {
        self.record[..8].copy_from_slice(&number.to_ne_bytes());
        self.producer.push(&self.record);
    }

    #[inline]
    fn receive(&mut self) -> u64 {
        loop {
            if let Some(record) = self.consumer.try_recv() {
                return payload::read(&record);
            }
            std::hint::spin_loop();
        }
    }

    fn receive_many(&mut self, count: u64) -> u64 {
        let mut sum = 0u64;
        let mut left = count as usize;
        while left > 0 {
            let most = left.min(BATCH);
            let came = self.consumer.recv_batch(&mut self.batch[..most]);
            for record in &self.batch[..came] {
                sum = sum.wrapping_add(payload::read(record));
            }
            left -= came;
            if came == 0 {
                std::hint::spin_loop();
            }
        }
        sum
    }

    fn carried(&self) -> Option<usize> {
        Some(SIZE)
    }
}
