//! Hostile bytes (G7), in the segment and in messages, and any sequence of calls (G1).
//!
//! Each target is one function of bytes, so that cargo-fuzz (`fuzz/`) and the driver here run the
//! same. A target panics when a guarantee is broken.

mod channel;
mod crowd;
mod driver;
mod flip;
mod input;
mod open;
mod operations;
mod outcome;
mod payload;

pub use outcome::Outcome;

use clap::builder::PossibleValuesParser;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// One way of doing harm.
pub struct Target {
    /// As the command line and the corpus folder call it.
    pub name: &'static str,
    /// Does with the channel what the bytes say.
    pub run: fn(&[u8], &mut Outcome),
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target {
        name: "open",
        run: open::run,
    },
    Target {
        name: "flip",
        run: flip::run,
    },
    Target {
        name: "crowd",
        run: crowd::run,
    },
    Target {
        name: "operations",
        run: operations::run,
    },
    Target {
        name: "payload",
        run: payload::run,
    },
];

/// Feeds hostile bytes, or any sequence of calls, to the core.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// What to attack; everything unless named.
    #[arg(value_parser = PossibleValuesParser::new(TARGETS.iter().map(|target| target.name)))]
    targets: Vec<String>,
    /// For all of them together.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// The same one gives the same inputs.
    #[arg(long)]
    seed: Option<u64>,
    /// Just the bytes of this file.
    #[arg(long)]
    input: Option<PathBuf>,
}

/// The `fuzz` command; tells whether everything held.
pub(crate) fn command(options: &Options) -> Result<bool, String> {
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..));
    let chosen: Vec<_> = TARGETS
        .iter()
        .filter(|target| {
            options.targets.is_empty() || options.targets.iter().any(|name| name == target.name)
        })
        .collect();
    if let Some(file) = &options.input {
        let input = std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
        chosen
            .iter()
            .for_each(|target| (target.run)(&input, &mut Outcome::default()));
        return Ok(true);
    }
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    println!(
        "seed {seed}; after a crash its input is in {}",
        driver::current().display()
    );
    println!(
        "{:<12}{:>10}{:>12}{:>14}",
        "target", "inputs", "behaviours", "slowest ms"
    );
    let mut is_sound = true;
    for target in &chosen {
        let span = Duration::from_secs(options.seconds) / chosen.len() as u32;
        let found = driver::fuzz(target, &corpus, seed, span);
        let slowest = found.longest.as_millis();
        println!(
            "{:<12}{:>10}{:>12}{slowest:>14}",
            target.name, found.runs, found.behaviours
        );
        if let Some(input) = found.broken {
            println!(
                "    FAILED; again with: fuzz {} --input {}",
                target.name,
                input.display()
            );
            is_sound = false;
        }
    }
    Ok(is_sound)
}
