//! iceoryx2: a publish-subscribe service each way, payloads built and read in place, polled.
#![allow(unsafe_code)]

use std::mem::MaybeUninit;

use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::prelude::*;

use super::{BUSY, Entry, TABLE_SIZES, patiently};
use crate::Result;
use crate::link::{Ends, Setup, Side};
use crate::payload;

struct Iceoryx2 {
    publisher: Publisher<ipc::Service, [u8], ()>,
    subscriber: Subscriber<ipc::Service, [u8], ()>,
    size: usize,
    _node: Node<ipc::Service>,
}

pub(super) fn entry() -> Entry {
    Entry {
        name: "iceoryx2",
        how: "iceoryx2 0.10: loan_slice_uninit, fill, send; receive; lossless, polled",
        tests: BUSY,
        sizes: TABLE_SIZES,
        listed: true,
        open: |setup| Ok(Box::new(Iceoryx2::open(setup)?)),
    }
}

impl Iceoryx2 {
    fn open(setup: &Setup) -> Result<Self> {
        set_log_level(LogLevel::Fatal);
        let node = NodeBuilder::new().create::<ipc::Service>()?;
        let slots = (setup.capacity / setup.size).clamp(2, 4096);
        let (there, back) = setup.ways();
        let service = |name: &str| -> Result<_> {
            let name = ServiceName::new(name)?;
            // The leading side makes both services; the other one joins them.
            let build = || {
                let builder = node
                    .service_builder(&name)
                    .publish_subscribe::<[u8]>()
                    .max_publishers(1)
                    .max_subscribers(1)
                    .history_size(0)
                    .subscriber_max_buffer_size(slots)
                    .enable_safe_overflow(false);
                builder.open_or_create()
            };
            Ok(match setup.side {
                Side::Lead => build()?,
                Side::Follow => patiently(build)?,
            })
        };
        let there = service(&there)?;
        let back = service(&back)?;
        let publisher = there
            .publisher_builder()
            .initial_max_slice_len(setup.size)
            .backpressure_strategy(BackpressureStrategy::RetryUntilDelivered)
            .create()?;
        let subscriber = back.subscriber_builder().buffer_size(slots).create()?;
        // A message that is sent before the other side subscribes is lost, and nobody answers.
        patiently(|| match there.dynamic_config().number_of_subscribers() {
            1 => Ok(()),
            _ => Err("the other side does not subscribe"),
        })?;
        Ok(Self {
            publisher,
            subscriber,
            size: setup.size,
            _node: node,
        })
    }
}

impl Ends for Iceoryx2 {
    #[inline]
    fn send(&mut self, number: u64) {
        let mut sample = self
            .publisher
            .loan_slice_uninit(self.size)
            .expect("a sample is free");
        let (first, rest) = sample.payload_mut().split_at_mut(8);
        for (place, byte) in first.iter_mut().zip(number.to_ne_bytes()) {
            place.write(byte);
        }
        rest.fill(MaybeUninit::new(7));
        // SAFETY: every byte was written just above.
        let sample = unsafe { sample.assume_init() };
        sample.send().expect("the subscriber lives");
    }

    #[inline]
    fn receive(&mut self) -> u64 {
        loop {
            if let Some(sample) = self.subscriber.receive().expect("the publisher lives") {
                return payload::read(sample.payload());
            }
            std::hint::spin_loop();
        }
    }

    fn carried(&self) -> Option<usize> {
        Some(self.size)
    }
}
