//! cloudtoid-interprocess: a queue each way, polled (its fastest) or waited on with `recv`.

use cloudtoid_interprocess::{Options, Publisher, Subscriber};

use super::{BUSY, Entry, TABLE_SIZES, memory_directory};
use crate::Result;
use crate::link::{Ends, Setup, Test};
use crate::payload::{self, Payload};

struct Cloudtoid {
    publisher: Publisher,
    subscriber: Subscriber,
    payload: Payload,
    received: Vec<u8>,
    sleeps: bool,
}

pub(super) fn entries() -> [Entry; 2] {
    [
        Entry {
            name: "cloudtoid",
            how: "cloudtoid-interprocess 3: try_send, try_recv_into, polled",
            tests: BUSY,
            sizes: TABLE_SIZES,
            listed: true,
            open: |setup| Ok(Box::new(Cloudtoid::open(setup, false)?)),
        },
        Entry {
            name: "cloudtoid-sleep",
            how: "cloudtoid-interprocess 3: try_send, recv",
            tests: &[Test::Trips, Test::Wake, Test::Idle],
            sizes: 64..=64,
            listed: true,
            open: |setup| Ok(Box::new(Cloudtoid::open(setup, true)?)),
        },
    ]
}

impl Cloudtoid {
    fn open(setup: &Setup, sleeps: bool) -> Result<Self> {
        let (there, back) = setup.ways();
        let options = |name| Options::new(name, setup.capacity).with_path(memory_directory());
        Ok(Self {
            publisher: Publisher::open(&options(there))?,
            subscriber: Subscriber::open(&options(back))?,
            payload: Payload::new(setup.size),
            received: vec![0; setup.size],
            sleeps,
        })
    }
}

impl Ends for Cloudtoid {
    #[inline]
    fn send(&mut self, number: u64) {
        let message = self.payload.numbered(number);
        while let Err(error) = self.publisher.try_send(message) {
            assert!(error.is_full(), "{error}");
            std::hint::spin_loop();
        }
    }

    #[inline]
    fn receive(&mut self) -> u64 {
        if self.sleeps {
            return payload::read(&self.subscriber.recv().expect("the queue is sound"));
        }
        loop {
            match self.subscriber.try_recv_into(&mut self.received) {
                Ok(Some(len)) => return payload::read(&self.received[..len]),
                Ok(None) => std::hint::spin_loop(),
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn carried(&self) -> Option<usize> {
        Some(self.received.len())
    }
}
