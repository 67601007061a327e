//! What runs leave behind where Linux shows channels: nothing.

use std::fs;

use crate::count::Count;

/// The channels that were there before a run.
pub(crate) struct Leftovers(Vec<String>);

impl Leftovers {
    pub(crate) fn before() -> Self {
        Self(channels())
    }

    /// Counts as one more test: whether all channels that were made since have gone. Those of other programs that use
    /// KREN meanwhile count too, as nothing tells them apart.
    pub(crate) fn check(&self) -> Count {
        let mut left = channels();
        left.retain(|name| !self.0.contains(name));
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

/// None on a system that keeps them elsewhere.
fn channels() -> Vec<String> {
    let entries = fs::read_dir("/dev/shm").into_iter().flatten();
    entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.starts_with("kren-"))
        .collect()
}
