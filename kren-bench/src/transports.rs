//! What is measured: KREN in its ways of use, the machine's limits, and the rivals, each in a file of its own.

mod broadcast;
mod bytes;
mod c;
mod call;
mod futex;
mod inbox;
pub(crate) mod kren;
mod many;
mod pipe;
mod raw;
mod shared;
mod unix;
mod ways;

#[cfg(feature = "aeron")]
mod aeron;
#[cfg(all(feature = "bcast", target_os = "linux", target_arch = "x86_64"))]
mod bcast;
#[cfg(feature = "cloudtoid")]
mod cloudtoid;
#[cfg(feature = "crossbar")]
mod crossbar;
#[cfg(feature = "iceoryx2")]
mod iceoryx2;
#[cfg(feature = "ringfire")]
mod ringfire;
#[cfg(feature = "tachyon")]
mod tachyon;
#[cfg(feature = "zeromq")]
mod zeromq;

use std::ops::RangeInclusive;

use crate::Result;
use crate::link::{Link, Setup, Test};

/// Every power of two that a message may have.
pub(crate) fn powers_of_two() -> Vec<usize> {
    std::iter::successors(Some(*SIZES.start()), |size| Some(size * 2))
        .take_while(|size| SIZES.contains(size))
        .collect()
}

/// A transport that this program can open.
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    /// How it is used, for the reader of a record.
    pub(crate) how: &'static str,
    pub(crate) tests: &'static [Test],
    /// The sizes of messages it is measured with, in bytes.
    pub(crate) sizes: RangeInclusive<usize>,
    /// Whether it has its turn among all the others.
    pub(crate) listed: bool,
    pub(crate) open: fn(&Setup) -> Result<Box<dyn Link>>,
}

impl Entry {
    /// A transport that has no turn among the others: what is measured with it is not what they do.
    fn unlisted(
        name: &'static str,
        how: &'static str,
        open: fn(&Setup) -> Result<Box<dyn Link>>,
    ) -> Self {
        Self {
            name,
            how,
            tests: &[],
            sizes: SIZES,
            listed: false,
            open,
        }
    }
}

pub(crate) use shared::directory as memory_directory;

/// From a byte to more than a cache holds.
pub(crate) const SIZES: RangeInclusive<usize> = 1..=16 << 20;
/// What the tables show.
#[cfg(any(
    feature = "bcast",
    feature = "cloudtoid",
    feature = "crossbar",
    feature = "iceoryx2",
    feature = "tachyon",
    feature = "zeromq"
))]
const TABLE_SIZES: RangeInclusive<usize> = 8..=1 << 20;

/// For a side that never sleeps.
const BUSY: &[Test] = &[Test::Trips, Test::Timed, Test::Stream];
/// For one whose messages may be lost where they do not wait for one another.
#[cfg(any(feature = "bcast", feature = "crossbar"))]
const LOSSY: &[Test] = &[Test::Trips, Test::Timed];
/// For one that does.
const SLEEPS: &[Test] = &Test::ALL;

/// Everything this build has, in the order it is shown.
pub(crate) fn all() -> Vec<Entry> {
    let mut all = vec![raw::entry(), futex::entry()];
    all.extend(kren::entries());
    all.extend(c::entries());
    all.extend(broadcast::entries());
    all.extend([inbox::entry(), call::entry(), many::entry()]);
    all.extend([pipe::entry(), unix::entry()]);
    #[cfg(feature = "iceoryx2")]
    all.extend(iceoryx2::entries());
    #[cfg(feature = "cloudtoid")]
    all.extend(cloudtoid::entries());
    #[cfg(feature = "ringfire")]
    all.extend(ringfire::entries());
    #[cfg(feature = "crossbar")]
    all.push(crossbar::entry());
    #[cfg(all(feature = "bcast", target_os = "linux", target_arch = "x86_64"))]
    all.push(bcast::entry());
    #[cfg(feature = "tachyon")]
    all.extend(tachyon::entries());
    #[cfg(feature = "aeron")]
    all.extend(aeron::entries());
    #[cfg(feature = "zeromq")]
    all.push(zeromq::entry());
    all
}

/// Calls `attempt` until it succeeds, for an end that comes before the other one is ready.
fn patiently<T, E>(
    mut attempt: impl FnMut() -> std::result::Result<T, E>,
) -> std::result::Result<T, E> {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(10);
    loop {
        match attempt() {
            Err(_) if std::time::Instant::now() < end => {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            result => return result,
        }
    }
}
