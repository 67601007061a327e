//! What runs leave behind where Linux shows channels: nothing.

use std::fs;
use std::path::Path;

use crate::count::Count;

/// The channels that were there before a run.
pub(crate) struct Leftovers(Vec<String>);

impl Leftovers {
    pub(crate) fn before() -> Self {
        Self(channels())
    }

    /// Counts as one more test: whether all channels that were made since have gone. Those of tests that still run, in
    /// another terminal, are not this run's.
    pub(crate) fn check(&self) -> Count {
        let mut left = channels();
        left.retain(|name| !self.0.contains(name) && !is_in_use(name));
        if left.is_empty() {
            println!("    nothing of these channels is left in /dev/shm");
            return Count {
                passed: 1,
                failed: 0,
            };
        }
        println!("    FAILED: left in /dev/shm: {}", left.join(" "));
        Count {
            passed: 0,
            failed: 1,
        }
    }
}

/// Whether the process runs that made the name up: each test puts its number into it, and a count, which is less.
fn is_in_use(name: &str) -> bool {
    let numbers = name.split(|c: char| !c.is_ascii_digit());
    let process = numbers
        .filter_map(|number| number.parse::<u32>().ok())
        .max();
    process.is_some_and(|process| Path::new("/proc").join(process.to_string()).exists())
}

/// None on a system that keeps them elsewhere.
fn channels() -> Vec<String> {
    let entries = fs::read_dir("/dev/shm").into_iter().flatten();
    entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.starts_with("kren-"))
        .collect()
}
