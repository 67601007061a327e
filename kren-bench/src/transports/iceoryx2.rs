//! iceoryx2: a publish-subscribe service each way, payloads built and read in place, polled.
#![allow(unsafe_code)]

use std::mem::MaybeUninit;

use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::prelude::*;
use iceoryx2::service::port_factory::publish_subscribe::PortFactory as PublishSubscribe;

use super::ways::{Receives, Sends, Ways, one_way, poll};
use super::{BUSY, Entry, TABLE_SIZES, patiently};
use crate::Result;
use crate::link::Setup;
use crate::payload;

type Service = PublishSubscribe<ipc::Service, [u8], ()>;

struct Out {
    publisher: Publisher<ipc::Service, [u8], ()>,
    size: usize,
    _node: Node<ipc::Service>,
}

struct In {
    subscriber: Subscriber<ipc::Service, [u8], ()>,
    crowded: bool,
    _node: Node<ipc::Service>,
}

pub(super) fn entries() -> [Entry; 2] {
    let how = "iceoryx2 0.10: loan_slice_uninit, fill, send; receive; lossless, polled";
    [
        Entry {
            name: "iceoryx2",
            how,
            tests: BUSY,
            sizes: TABLE_SIZES,
            listed: true,
            open: |setup| {
                let (there, back) = setup.ways();
                // The subscriber first: the publisher waits for the other side's.
                let back = In::open(setup, &back)?;
                Ok(Box::new(Ways {
                    there: Out::open(setup, &there)?,
                    back,
                    carried: Some(setup.size),
                }))
            },
        },
        Entry::unlisted("iceoryx2-broadcast", how, |setup| {
            let there = || Out::open(setup, &setup.session);
            one_way(setup, there, || In::open(setup, &setup.session))
        }),
    ]
}

fn slots(setup: &Setup) -> usize {
    (setup.capacity / setup.size).clamp(2, 4096)
}

/// The service of this name, which whoever comes first makes.
fn service(setup: &Setup, name: &str) -> Result<(Node<ipc::Service>, Service)> {
    set_log_level(LogLevel::Fatal);
    let node = NodeBuilder::new().create::<ipc::Service>()?;
    let name = ServiceName::new(name)?;
    let service = patiently(|| {
        node.service_builder(&name)
            .publish_subscribe::<[u8]>()
            .max_publishers(1)
            .max_subscribers(setup.followers)
            .max_nodes(setup.followers + 1)
            .history_size(0)
            .subscriber_max_buffer_size(slots(setup))
            .enable_safe_overflow(false)
            .open_or_create()
    })?;
    Ok((node, service))
}

impl Out {
    fn open(setup: &Setup, name: &str) -> Result<Self> {
        let (node, service) = service(setup, name)?;
        let publisher = service
            .publisher_builder()
            .initial_max_slice_len(setup.size)
            .backpressure_strategy(BackpressureStrategy::RetryUntilDelivered)
            .create()?;
        // A message that is sent before the others subscribe is lost, and nobody answers.
        patiently(|| {
            let there = service.dynamic_config().number_of_subscribers();
            (there == setup.followers)
                .then_some(())
                .ok_or("not all others subscribe")
        })?;
        Ok(Self {
            publisher,
            size: setup.size,
            _node: node,
        })
    }
}

impl In {
    fn open(setup: &Setup, name: &str) -> Result<Self> {
        let (node, service) = service(setup, name)?;
        let subscriber = service
            .subscriber_builder()
            .buffer_size(slots(setup))
            .create()?;
        Ok(Self {
            subscriber,
            crowded: setup.crowded,
            _node: node,
        })
    }
}

impl Sends for Out {
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
}

impl Receives for In {
    #[inline]
    fn receive(&mut self) -> u64 {
        poll(self.crowded, || {
            let sample = self.subscriber.receive().expect("the publisher lives")?;
            Some(payload::read(sample.payload()))
        })
    }
}
