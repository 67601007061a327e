//! The second process of the benchmark, and the line to it.

use kren_core::{KrenReader, KrenWriter, Strategy};
use std::process::Child;
use std::time::Duration;

/// Channel names and strategy for the child, separated by spaces.
const ASKED: &str = "KREN_BENCH_CHILD";

/// What the child is to do with the next messages. Goes over the channel as a tag.
#[derive(Clone, Copy)]
pub(crate) enum Command {
    /// Send each message back.
    Echo = 1,
    /// Read every byte, and acknowledge once at the end.
    Sink,
    /// Bounce bare atomics.
    #[cfg_attr(not(unix), allow(dead_code))]
    Bounce,
    /// End.
    Stop,
}

/// The parent's ends of both channels.
pub(crate) struct Link {
    there: KrenWriter,
    back: KrenReader,
    child: Child,
    #[cfg(unix)]
    raw: crate::raw::Raw,
}

impl Link {
    pub(crate) fn start(strategy: Strategy, capacity: usize) -> Self {
        let name = format!("bench-{}-{strategy:?}", std::process::id());
        let there = KrenWriter::options()
            .strategy(strategy)
            .prefault(true)
            .create(&format!("{name}-there"), capacity)
            .unwrap();
        #[cfg(unix)]
        let raw = crate::raw::Raw::create(&name);
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .env(ASKED, format!("{name} {strategy:?} {capacity}"))
            .spawn()
            .unwrap();
        let back = KrenReader::options()
            .strategy(strategy)
            .prefault(true)
            .timeout(Duration::from_secs(10))
            .connect(&format!("{name}-back"))
            .unwrap();
        Self {
            there,
            back,
            child,
            #[cfg(unix)]
            raw,
        }
    }

    pub(crate) fn command(&mut self, command: Command, size: usize, count: usize) {
        let mut words = [0; 16];
        words[..8].copy_from_slice(&(size as u64).to_le_bytes());
        words[8..].copy_from_slice(&(count as u64).to_le_bytes());
        self.there.write_tagged(command as u32, &words).unwrap();
        self.acknowledged();
    }

    pub(crate) fn send(&mut self, payload: &[u8]) {
        self.there.write(payload).unwrap();
    }

    pub(crate) fn acknowledged(&mut self) {
        self.back.read().unwrap();
    }

    pub(crate) fn round_trip(&mut self, payload: &[u8]) {
        self.there.write(payload).unwrap();
        consume(&self.back.read().unwrap());
    }

    /// Nanoseconds of a round trip of two bare atomics, where they can be had.
    #[cfg(unix)]
    pub(crate) fn bounce(&mut self, trips: usize) -> Option<f64> {
        self.command(Command::Bounce, 0, trips);
        let start = std::time::Instant::now();
        self.raw.lead(trips);
        Some(start.elapsed().as_nanos() as f64 / trips as f64)
    }

    #[cfg(not(unix))]
    pub(crate) fn bounce(&mut self, _trips: usize) -> Option<f64> {
        None
    }

    pub(crate) fn stop(mut self) {
        self.command(Command::Stop, 0, 0);
        self.child.wait().unwrap();
    }
}

/// Reads every byte of a payload.
fn consume(payload: &[u8]) {
    let (words, rest) = payload.as_chunks::<8>();
    let sum = words.iter().fold(0u64, |sum, word| {
        sum.wrapping_add(u64::from_le_bytes(*word))
    });
    let sum = rest
        .iter()
        .fold(sum, |sum, byte| sum.wrapping_add(u64::from(*byte)));
    std::hint::black_box(sum);
}

/// Serves as the second process if this one was started to be it.
pub(crate) fn run_if_asked() -> bool {
    let Ok(asked) = std::env::var(ASKED) else {
        return false;
    };
    let mut words = asked.split(' ');
    let name = words.next().unwrap();
    let strategy = match words.next().unwrap() {
        "Spin" => Strategy::Spin,
        _ => Strategy::Adaptive,
    };
    let capacity = words.next().unwrap().parse().unwrap();
    let mut there = KrenReader::options()
        .strategy(strategy)
        .prefault(true)
        .connect(&format!("{name}-there"))
        .unwrap();
    let mut back = KrenWriter::options()
        .strategy(strategy)
        .prefault(true)
        .create(&format!("{name}-back"), capacity)
        .unwrap();
    #[cfg(unix)]
    let raw = crate::raw::Raw::open(name);
    loop {
        let (command, size, count) = {
            let message = there.read().unwrap();
            let word = |at: usize| u64::from_le_bytes(message[at..at + 8].try_into().unwrap());
            (message.tag(), word(0) as usize, word(8) as usize)
        };
        back.write(b"go").unwrap();
        match command {
            1 => {
                let answer = vec![3u8; size];
                for _ in 0..count {
                    consume(&there.read().unwrap());
                    back.write(&answer).unwrap();
                }
            }
            2 => {
                for _ in 0..count {
                    consume(&there.read().unwrap());
                }
                back.write(b"done").unwrap();
            }
            #[cfg(unix)]
            3 => raw.follow(count),
            _ => break,
        }
    }
    true
}
