//! crossbar: blocks of a pool whose numbers travel, one topic each way, polled. What its ring has no room for is lost, so it
//! takes part where one message waits for the other.

use crossbar::{Config, Publisher, Stream, Subscriber, Topic};

use super::ways::{Receives, Sends, Ways, poll};
use super::{Entry, LOSSY, TABLE_SIZES, patiently};
use crate::Result;
use crate::link::Setup;
use crate::payload;

const TOPIC: &str = "/messages";
/// Before the payload of each block.
const BLOCK_HEADER: usize = 8;

struct Out {
    publisher: Publisher,
    topic: Topic,
    size: usize,
}

struct In {
    stream: Stream,
    crowded: bool,
    _subscriber: Subscriber,
}

pub(super) fn entry() -> Entry {
    Entry {
        name: "crossbar",
        how: "crossbar 1.2: loan, fill, publish_silent; try_recv; lossy, polled",
        tests: LOSSY,
        sizes: TABLE_SIZES,
        listed: true,
        open: |setup| {
            let (there, back) = setup.ways();
            let there = Out::open(setup, &there)?;
            let back = In::open(setup, &back)?;
            // What is published before the other side subscribes is lost.
            patiently(|| match there.publisher.subscriber_count(&there.topic) {
                Ok(1..) => Ok(()),
                _ => Err("the other side does not subscribe"),
            })?;
            Ok(Box::new(Ways {
                there,
                back,
                carried: Some(setup.size),
            }))
        },
    }
}

impl Out {
    fn open(setup: &Setup, name: &str) -> Result<Self> {
        let mut publisher = Publisher::create(
            name,
            Config {
                max_topics: 1,
                block_count: (setup.capacity / setup.size).clamp(16, 4096) as u32,
                block_size: (setup.size + BLOCK_HEADER).next_multiple_of(64) as u32,
                ..Config::default()
            },
        )?;
        let topic = publisher.register(TOPIC)?;
        Ok(Self {
            publisher,
            topic,
            size: setup.size,
        })
    }
}

impl In {
    fn open(setup: &Setup, name: &str) -> Result<Self> {
        let subscriber = patiently(|| Subscriber::connect(name))?;
        Ok(Self {
            stream: patiently(|| subscriber.subscribe(TOPIC))?,
            crowded: setup.crowded,
            _subscriber: subscriber,
        })
    }
}

impl Sends for Out {
    #[inline]
    fn send(&mut self, number: u64) {
        let mut loan = self.publisher.loan(&self.topic).expect("a block is free");
        payload::build(&mut loan.as_mut_slice()[..self.size], number);
        loan.set_len(self.size).expect("it was asked for");
        // As the other side polls.
        loan.publish_silent();
    }
}

impl Receives for In {
    #[inline]
    fn receive(&mut self) -> u64 {
        poll(self.crowded, || {
            let sample = self.stream.try_recv()?;
            Some(payload::read(&sample))
        })
    }
}
