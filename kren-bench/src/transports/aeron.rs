//! Aeron through rusteron: an IPC stream each way, claimed and polled in place. The media driver runs in the
//! leading process; it is not on the way of a message.

use std::ffi::CString;
use std::time::Duration;

use rusteron_client::{
    Aeron as Client, AeronContext, AeronExclusivePublication, AeronImage, AeronSubscription,
    Handlers, IntoCString,
};
use rusteron_media_driver::bindings::aeron_threading_mode_enum::AERON_THREADING_MODE_SHARED;
use rusteron_media_driver::testing::EmbeddedDriver;

use super::{BUSY, Entry, memory_directory, patiently};
use crate::Result;
use crate::link::{Ends, Setup, Side};
use crate::payload;

/// Fragments that a reader with more to do takes at once.
const FRAGMENTS: u64 = 256;
const PATIENCE: Duration = Duration::from_secs(10);

// In the order in which they must go: what reads and writes, the client, the driver.
struct Aeron {
    image: AeronImage,
    publication: AeronExclusivePublication,
    _subscription: AeronSubscription,
    _client: Client,
    _driver: Option<EmbeddedDriver>,
    size: usize,
}

pub(super) fn entry() -> Entry {
    Entry {
        name: "aeron",
        how: "Aeron (rusteron 0.2): exclusive IPC publication, try_claim, image poll of up to 256, busy",
        tests: BUSY,
        // Longer ones do not fit into one frame.
        sizes: 8..=4 << 10,
        listed: true,
        open: |setup| Ok(Box::new(Aeron::open(setup)?)),
    }
}

impl Aeron {
    fn open(setup: &Setup) -> Result<Self> {
        let folder = memory_directory()
            .join(&setup.session)
            .to_string_lossy()
            .into_c_string();
        let driver = match setup.side {
            Side::Lead => Some(EmbeddedDriver::launch_with(|context| {
                context.set_dir(&folder)?;
                context.set_term_buffer_sparse_file(false)?;
                // Threads of its own that spin would take the processors from those that are measured.
                context.set_threading_mode(AERON_THREADING_MODE_SHARED)?;
                context.set_shared_idle_strategy(c"sleeping")?;
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
        let channel = CString::new(format!("aeron:ipc?term-length={term}|mtu=8192"))?;
        let (there, back) = match setup.side {
            Side::Lead => (1001, 1002),
            Side::Follow => (1002, 1001),
        };
        let publication = client
            .async_add_exclusive_publication(&channel, there)?
            .poll_blocking(PATIENCE)?;
        let subscription = client
            .async_add_subscription(&channel, back, Handlers::NONE, Handlers::NONE)?
            .poll_blocking(PATIENCE)?;
        let image = patiently(|| match publication.is_connected() {
            true => subscription
                .image_at_index(0)
                .ok_or("the other side does not publish"),
            false => Err("the other side does not subscribe"),
        })?;
        Ok(Self {
            image,
            publication,
            _subscription: subscription,
            _client: client,
            _driver: driver,
            size: setup.size,
        })
    }

    /// Reads up to `most` messages, at least one; gives their number and their sum.
    #[inline]
    fn poll(&self, most: u64) -> (u64, u64) {
        loop {
            let mut sum = 0u64;
            let read = |message: &[u8], _| sum = sum.wrapping_add(payload::read(message));
            let count = self
                .image
                .poll_fn(read, most as usize)
                .expect("the other side lives");
            if count > 0 {
                return (count as u64, sum);
            }
            std::hint::spin_loop();
        }
    }
}

impl Ends for Aeron {
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

    fn carried(&self) -> Option<usize> {
        Some(self.size)
    }
}
