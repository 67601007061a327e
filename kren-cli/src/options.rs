//! Arguments that several commands share.

use crate::human::{parse_size, parse_time};
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use std::time::Duration;

/// A channel that exists: shells complete its name.
#[derive(clap::Args)]
pub(crate) struct Name {
    /// The channel's name.
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(names))]
    pub(crate) name: String,
}

/// The names of the moment.
pub(crate) fn names() -> Vec<CompletionCandidate> {
    let seen = kren_core::inspect::channels().unwrap_or_default();
    seen.iter()
        // A terminal is not told what to do by a name.
        .filter(|channel| crate::human::printable(&channel.name) == channel.name)
        .map(|channel| {
            CompletionCandidate::new(&channel.name).help(Some(channel.state(None).name().into()))
        })
        .collect()
}

/// How messages of a stream are told apart.
#[derive(clap::Args, Clone, Copy)]
#[group(multiple = false)]
pub(crate) struct Framing {
    /// Each line is a message (without its line feed).
    #[arg(short, long)]
    pub(crate) lines: bool,
    /// Each message ends with a NUL byte.
    #[arg(short = '0', long)]
    pub(crate) null: bool,
    /// Each message follows its length: 4 bytes, little-endian.
    #[arg(short = 'p', long)]
    pub(crate) length_prefixed: bool,
}

/// How a channel is made.
#[derive(clap::Args)]
pub(crate) struct Making {
    /// Bytes of records that the ring holds, where it has to be made.
    #[arg(short, long, value_name = "SIZE", value_parser = parse_size)]
    pub(crate) capacity: Option<usize>,
    /// Alignment of each message in bytes: a power of two from 8 to 4096.
    #[arg(long, value_name = "BYTES", value_parser = parse_size)]
    pub(crate) alignment: Option<usize>,
    /// Permission bits, as 600 or 660, where it has to be made.
    #[arg(long, value_name = "OCTAL", value_parser = parse_mode)]
    pub(crate) mode: Option<u32>,
    /// Discard what an earlier writer left.
    #[arg(long)]
    pub(crate) fresh: bool,
}

/// What an existing channel of this name has, so that one need not say it.
pub(crate) struct Figures {
    pub(crate) capacity: usize,
    pub(crate) alignment: usize,
}

/// Of a new channel.
const CAPACITY: usize = 1 << 20;

impl Making {
    /// What was asked for; else what stands there; else the usual.
    pub(crate) fn figures(&self, name: &str) -> Figures {
        let seen = kren_core::inspect::channel(name).ok();
        let found = seen.as_ref().and_then(|seen| seen.segment());
        let found = found.filter(|segment| segment.capacity > 0 && !self.fresh);
        Figures {
            capacity: self
                .capacity
                .or(found.map(|found| found.capacity))
                .unwrap_or(CAPACITY),
            alignment: self
                .alignment
                .or(found.map(|found| found.alignment))
                .unwrap_or(8),
        }
    }
}

fn parse_mode(text: &str) -> Result<u32, String> {
    u32::from_str_radix(text, 8).map_err(|_| "it is to be an octal number, as 600 or 660".into())
}

/// How long to wait.
#[derive(clap::Args)]
pub(crate) struct Waiting {
    /// Seconds to wait at most, each time, for the channel, a message or room (also 200ms, 2m). Else for ever.
    #[arg(short, long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) timeout: Option<Duration>,
    /// Take a channel of another user too.
    #[arg(long)]
    pub(crate) any_owner: bool,
}
