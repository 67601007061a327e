//! Collects the results of COUNT tasks from all workers, whoever did them.
//!
//! One that was done twice, as its worker was killed, counts once.
//!
//! Usage: `tasks_collector [CHANNEL] [COUNT]`

use std::collections::{BTreeMap, HashSet};

use kren_core::KrenInbox;
use kren_examples::{channel, hex, number};
use sha2::{Digest as _, Sha256};

fn main() -> kren_examples::Outcome {
    let count = number(2, 1000)?;
    let mut results = BTreeMap::new();
    let mut workers = HashSet::new();

    let mut inbox = KrenInbox::create(&format!("{}-results", channel("tasks")), 1 << 20)?;
    while results.len() < count {
        let result = inbox.read()?;
        results.insert(result.tag(), result.to_vec());
        workers.insert(result.sender());
        if results.len() == count / 2 {
            println!("collected {} so far", results.len());
        }
    }
    inbox.close()?;

    let mut hash = Sha256::new();
    // In the order of the tasks.
    results.values().for_each(|result| hash.update(result));
    println!("collected {count} results of {} workers", workers.len());
    println!("sha256 {}", hex(hash));
    Ok(())
}
