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

use crate::flags::Flags;
use crate::rng::fresh_seed;
use std::path::Path;
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

/// The `fuzz` command; tells whether everything held.
pub(crate) fn command(flags: &Flags) -> Result<bool, String> {
    flags.allow(&[])?;
    let seconds: u64 = flags.number("seconds", 60)?;
    let seed = flags.number("seed", fresh_seed())?;
    let chosen: Vec<_> = TARGETS
        .iter()
        .filter(|target| flags.words().is_empty() || flags.words().iter().any(|w| w == target.name))
        .collect();
    if chosen.is_empty() {
        return Err("no such target; there are: open flip crowd operations payload".into());
    }
    if let Some(file) = flags.text("input") {
        let input = std::fs::read(file).map_err(|error| format!("{file}: {error}"))?;
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
        let span = Duration::from_secs(seconds) / chosen.len() as u32;
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
