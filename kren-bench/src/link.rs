//! The two ends of a transport, and what is done with them.
//!
//! A transport implements [`Ends`]: how one message goes and how one comes. The loops around that are
//! the same for all, and are compiled anew for each, so that none pays for the abstraction.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::payload::{Counted, Numbers, Same};
use crate::{Result, clock};

/// Which of the two processes this is: the one that starts and holds the clock, or the one that answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    Lead,
    Follow,
}

/// How a transport is to be opened.
pub(crate) struct Setup {
    pub(crate) side: Side,
    /// A name that this pair of ends has for itself.
    pub(crate) session: String,
    /// Bytes of each message.
    pub(crate) size: usize,
    /// Bytes of memory for messages on their way, in each direction.
    pub(crate) capacity: usize,
    /// How many channels a transport of many has.
    pub(crate) channels: usize,
    /// How many processes follow.
    pub(crate) followers: usize,
    /// There are fewer processors than processes: whoever finds nothing lets others run.
    pub(crate) crowded: bool,
}

impl Setup {
    /// Names for the way from this side, and for the way to it.
    pub(crate) fn ways(&self) -> (String, String) {
        let [there, back] = ["a", "b"].map(|way| format!("{}-{way}", self.session));
        match self.side {
            Side::Lead => (there, back),
            Side::Follow => (back, there),
        }
    }
}

/// One end of a transport that goes both ways.
///
/// A failure in the middle of a measurement is a panic: the process ends, and whoever measures says which
/// transport it was.
pub(crate) trait Ends {
    /// Writes the message with this number and sends it.
    fn send(&mut self, number: u64);

    /// Waits for a message, reads it, and gives what `payload::read` gave.
    fn receive(&mut self) -> u64;

    /// Sends `count` messages; all are on their way when this returns.
    fn send_many<N: Numbers>(&mut self, count: u64) {
        for index in 0..count {
            self.send(N::at(index));
        }
    }

    /// Receives `count` messages and gives the sum over them.
    fn receive_many(&mut self, count: u64) -> u64 {
        (0..count).fold(0, |sum, _| sum.wrapping_add(self.receive()))
    }

    /// Bytes of each message; `None` where none is carried or read.
    fn carried(&self) -> Option<usize>;
}

/// What a run does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Test {
    /// There and back, timed as a whole.
    Trips,
    /// There and back, each timed on its own. The clock is read while the message travels.
    Timed,
    /// One way, as fast as it goes; the last message is acknowledged.
    Stream,
    /// One way, slowly: how long until a reader that had gone to sleep has the message.
    Wake,
    /// Nothing, for `count` nanoseconds, while the reader waits: what that costs it.
    Idle,
}

impl Test {
    pub(crate) const ALL: [Self; 5] = [
        Self::Trips,
        Self::Timed,
        Self::Stream,
        Self::Wake,
        Self::Idle,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Trips => "trips",
            Self::Timed => "timed",
            Self::Stream => "stream",
            Self::Wake => "wake",
            Self::Idle => "idle",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|test| test.name() == name)
    }
}

/// [`Ends`] without its type.
pub(crate) trait Link {
    /// Does this side's share of a run and gives its figures. The messages are numbered where both sides
    /// are this program.
    fn run(&mut self, side: Side, test: Test, count: u64, numbered: bool) -> Result<Value>;

    /// This side's share of `count` messages that go from the leading side to all others, from the moment `begin` on.
    fn spread(&mut self, side: Side, count: u64, begin: u64, numbered: bool) -> Result<Value>;
}

/// Longer than any adaptive wait spins, so that the reader sleeps when the message comes.
const PAUSE: u64 = 150_000;

impl<E: Ends> Link for E {
    fn run(&mut self, side: Side, test: Test, count: u64, numbered: bool) -> Result<Value> {
        // One message there and back: after it both sides are here, and neither waits for the other's start.
        match side {
            Side::Lead => {
                self.send(Same::at(0));
                self.receive();
                match numbered {
                    true => lead::<E, Counted>(self, test, count),
                    false => lead::<E, Same>(self, test, count),
                }
            }
            Side::Follow => {
                self.receive();
                self.send(Same::at(0));
                match numbered {
                    true => follow::<E, Counted>(self, test, count),
                    false => follow::<E, Same>(self, test, count),
                }
            }
        }
    }

    fn spread(&mut self, side: Side, count: u64, begin: u64, numbered: bool) -> Result<Value> {
        match numbered {
            true => spread::<E, Counted>(self, side, count, begin),
            false => spread::<E, Same>(self, side, count, begin),
        }
    }
}

fn spread<E: Ends, N: Numbers>(ends: &mut E, side: Side, count: u64, begin: u64) -> Result<Value> {
    if side == Side::Follow {
        let sum = ends.receive_many(count);
        let end = clock::monotonic();
        check::<E, N>(ends, count, sum)?;
        return Ok(json!({ "end": end }));
    }
    clock::sleep_until(begin);
    let start = clock::monotonic();
    ends.send_many::<N>(count);
    let end = clock::monotonic();
    Ok(json!({ "start": start, "end": end }))
}

fn lead<E: Ends, N: Numbers>(ends: &mut E, test: Test, count: u64) -> Result<Value> {
    let processor = clock::processor();
    let start = clock::monotonic();
    let mut sum = 0u64;
    match test {
        Test::Trips => {
            for index in 0..count {
                ends.send(N::at(index));
                sum = sum.wrapping_add(ends.receive());
            }
        }
        Test::Timed => return timed::<E, N>(ends, count),
        Test::Stream => {
            ends.send_many::<N>(count);
            ends.receive();
        }
        Test::Wake => return wake::<E, N>(ends, count),
        Test::Idle => {
            std::thread::sleep(std::time::Duration::from_nanos(count));
            ends.send(Same::at(0));
            return Ok(json!({}));
        }
    }
    let ns = clock::monotonic() - start;
    let cpu_ns = clock::processor() - processor;
    if test == Test::Trips {
        check::<E, N>(ends, count, sum)?;
    }
    Ok(json!({ "ns": ns, "cpu_ns": cpu_ns }))
}

fn timed<E: Ends, N: Numbers>(ends: &mut E, count: u64) -> Result<Value> {
    let mut samples = Vec::with_capacity(count as usize);
    let mut sum = 0u64;
    let mut before = None;
    for index in 0..count {
        ends.send(N::at(index));
        let now = clock::monotonic();
        samples.extend(before.replace(now).map(|before| now - before));
        sum = sum.wrapping_add(ends.receive());
    }
    check::<E, N>(ends, count, sum)?;
    Ok(json!({ "samples": samples }))
}

fn wake<E: Ends, N: Numbers>(ends: &mut E, count: u64) -> Result<Value> {
    let mut sent = Vec::with_capacity(count as usize);
    for index in 0..count {
        // Uneven, so as not to keep step with anything that ticks.
        clock::busy_until(clock::monotonic() + PAUSE + index % 7 * 9_000);
        sent.push(clock::monotonic());
        ends.send(N::at(index));
    }
    Ok(json!({ "times": sent }))
}

fn follow<E: Ends, N: Numbers>(ends: &mut E, test: Test, count: u64) -> Result<Value> {
    let processor = clock::processor();
    let switches = clock::switches();
    let mut sum = 0u64;
    match test {
        Test::Trips | Test::Timed => {
            for index in 0..count {
                sum = sum.wrapping_add(ends.receive());
                ends.send(N::at(index));
            }
        }
        Test::Stream => {
            sum = ends.receive_many(count);
            ends.send(Same::at(0));
        }
        Test::Wake => {
            let mut arrived = Vec::with_capacity(count as usize);
            for _ in 0..count {
                sum = sum.wrapping_add(ends.receive());
                arrived.push(clock::monotonic());
            }
            check::<E, N>(ends, count, sum)?;
            return Ok(json!({ "times": arrived }));
        }
        Test::Idle => {
            ends.receive();
            let cpu_ns = clock::processor() - processor;
            return Ok(json!({ "cpu_ns": cpu_ns, "switches": clock::switches() - switches }));
        }
    }
    let cpu_ns = clock::processor() - processor;
    check::<E, N>(ends, count, sum)?;
    Ok(json!({ "cpu_ns": cpu_ns }))
}

fn check<E: Ends, N: Numbers>(ends: &E, count: u64, sum: u64) -> Result<()> {
    match ends.carried() {
        Some(len) if N::expected(len, count) != sum => {
            Err(format!("of {count} messages some were lost or damaged: their sum is wrong").into())
        }
        _ => Ok(()),
    }
}
