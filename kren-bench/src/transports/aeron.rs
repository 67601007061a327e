//! Aeron through rusteron: an IPC stream each way, claimed and polled in place. The media driver runs in the
//! leading process; it is not on the way of a message.

use std::ffi::CString;
use std::rc::Rc;
use std::time::Duration;

use rusteron_client::{
    Aeron as Client, AeronContext, AeronExclusivePublication, AeronImage, AeronSubscription,
    Handlers, IntoCString,
};
use rusteron_media_driver::bindings::aeron_threading_mode_enum::AERON_THREADING_MODE_SHARED;
use rusteron_media_driver::testing::EmbeddedDriver;

use super::ways::{Receives, Sends, Ways, one_way, poll};
use super::{BUSY, Entry, memory_directory, patiently};
use crate::Result;
use crate::link::{Link, Setup, Side};
use crate::payload;

/// Fragments that a reader with more to do takes at once.
const FRAGMENTS: u64 = 256;
const PATIENCE: Duration = Duration::from_secs(10);

/// A client of the media driver, and in the leading process the driver: what must go after what reads and writes.
struct Driven {
    client: Client,
    channel: CString,
    _driver: Option<EmbeddedDriver>,
}

struct Out {
    publication: AeronExclusivePublication,
    size: usize,
    _driven: Rc<Driven>,
}

struct In {
    image: AeronImage,
    crowded: bool,
    _subscription: AeronSubscription,
    _driven: Rc<Driven>,
}

/// How much memory and how many threads it is given.
#[derive(Clone, Copy, PartialEq)]
enum Given {
    /// As much memory as everybody, and a driver that leaves the processors to those that are measured.
    Equal,
    /// What it takes by itself: three terms of 64 MiB each way, and the driver's three threads.
    Own,
}

pub(super) fn entries() -> [Entry; 3] {
    [
        Entry {
            name: "aeron",
            how: "Aeron (rusteron 0.2): exclusive IPC publication, try_claim, image poll of up to 256, busy; \
                  terms of half the ring, a driver that sleeps",
            tests: BUSY,
            // Longer ones do not fit into one frame.
            sizes: 8..=4 << 10,
            listed: true,
            open: |setup| both_ways(setup, Given::Equal),
        },
        Entry {
            name: "aeron-own",
            how: "the same, with Aeron's own terms of 64 MiB, frames of 1,408 bytes and driver",
            tests: BUSY,
            sizes: 8..=1 << 10,
            listed: true,
            open: |setup| both_ways(setup, Given::Own),
        },
        Entry::unlisted(
            "aeron-broadcast",
            "Aeron (rusteron 0.2): exclusive IPC publication, a subscription for each reader, try_claim, poll of up to 256",
            |setup| {
                if setup.size > 4 << 10 {
                    return Err("longer messages do not fit into one frame".into());
                }
                let driven = Rc::new(Driven::start(setup, Given::Equal)?);
                let there = || Out::open(&driven, setup, driven.publication(1001)?);
                one_way(setup, there, || In::open(&driven, setup, 1001))
            },
        ),
    ]
}

fn both_ways(setup: &Setup, given: Given) -> Result<Box<dyn Link>> {
    let driven = Rc::new(Driven::start(setup, given)?);
    let (there, back) = match setup.side {
        Side::Lead => (1001, 1002),
        Side::Follow => (1002, 1001),
    };
    let publication = driven.publication(there)?;
    let back = In::open(&driven, setup, back)?;
    Ok(Box::new(Ways {
        there: Out::open(&driven, setup, publication)?,
        back,
        carried: Some(setup.size),
    }))
}

impl Driven {
    fn start(setup: &Setup, given: Given) -> Result<Self> {
        let folder = memory_directory()
            .join(&setup.session)
            .to_string_lossy()
            .into_c_string();
        let driver = match setup.side {
            Side::Lead => Some(EmbeddedDriver::launch_with(|context| {
                context.set_dir(&folder)?;
                context.set_term_buffer_sparse_file(false)?;
                if given == Given::Equal {
                    // Threads of its own that spin would take the processors from those that are measured.
                    context.set_threading_mode(AERON_THREADING_MODE_SHARED)?;
                    context.set_shared_idle_strategy(c"sleeping")?;
                }
                Ok(())
            })?),
            Side::Follow => None,
        };
        let client = patiently(|| {
            let context = AeronContext::new()?;
            context.set_dir(&folder)?;
            context.set_pre_touch_mapped_memory(true)?;
            let client = Client::new(&context)?;
            client.start()?;
            Ok::<_, rusteron_client::AeronCError>(client)
        })?;
        let term = (setup.capacity / 2).next_power_of_two().max(64 << 10);
        let channel = match given {
            Given::Equal => CString::new(format!("aeron:ipc?term-length={term}|mtu=8192"))?,
            Given::Own => c"aeron:ipc".to_owned(),
        };
        Ok(Self {
            client,
            channel,
            _driver: driver,
        })
    }

    fn publication(&self, stream: i32) -> Result<AeronExclusivePublication> {
        let adding = self
            .client
            .async_add_exclusive_publication(&self.channel, stream)?;
        Ok(adding.poll_blocking(PATIENCE)?)
    }
}

impl Out {
    fn open(
        driven: &Rc<Driven>,
        setup: &Setup,
        publication: AeronExclusivePublication,
    ) -> Result<Self> {
        patiently(|| {
            publication
                .is_connected()
                .then_some(())
                .ok_or("the other side does not subscribe")
        })?;
        Ok(Self {
            publication,
            size: setup.size,
            _driven: Rc::clone(driven),
        })
    }
}

impl In {
    fn open(driven: &Rc<Driven>, setup: &Setup, stream: i32) -> Result<Self> {
        let subscription = driven
            .client
            .async_add_subscription(&driven.channel, stream, Handlers::NONE, Handlers::NONE)?
            .poll_blocking(PATIENCE)?;
        let image = patiently(|| {
            let image = subscription.image_at_index(0);
            image.ok_or("the other side does not publish")
        })?;
        Ok(Self {
            image,
            crowded: setup.crowded,
            _subscription: subscription,
            _driven: Rc::clone(driven),
        })
    }

    /// Reads up to `most` messages, at least one; gives their number and their sum.
    #[inline]
    fn poll(&self, most: u64) -> (u64, u64) {
        poll(self.crowded, || {
            let mut sum = 0u64;
            let read = |message: &[u8], _| sum = sum.wrapping_add(payload::read(message));
            let count = self
                .image
                .poll_fn(read, most as usize)
                .expect("the other side lives");
            (count > 0).then_some((count as u64, sum))
        })
    }
}

impl Sends for Out {
    #[inline]
    fn send(&mut self, number: u64) {
        let mut claim = loop {
            match self.publication.try_claim_owned(self.size) {
                Ok(claim) => break claim,
                Err(error) => assert!(error.is_retryable(), "{error:?}"),
            }
            std::hint::spin_loop();
        };
        payload::build(claim.data(), number);
        claim.commit().expect("the other side lives");
    }
}

impl Receives for In {
    #[inline]
    fn receive(&mut self) -> u64 {
        self.poll(1).1
    }

    fn receive_many(&mut self, count: u64) -> u64 {
        let (mut left, mut sum) = (count, 0u64);
        while left > 0 {
            let (came, their_sum) = self.poll(left.min(FRAGMENTS));
            left -= came;
            sum = sum.wrapping_add(their_sum);
        }
        sum
    }
}
