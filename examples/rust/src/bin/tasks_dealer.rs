//! Deals COUNT tasks to the workers that are there, each to one, and waits until all are done.
//!
//! Usage: `tasks_dealer [CHANNEL] [COUNT]`

use kren_core::KrenDealer;
use kren_examples::{PATIENCE, channel, hex, number};
use sha2::{Digest as _, Sha256};

fn main() -> kren_examples::Outcome {
    let count = number(2, 1000)?;
    // Of the results, as the collector should have them.
    let mut hash = Sha256::new();

    let mut dealer = KrenDealer::create(&channel("tasks"), 1 << 20)?;
    for number in 0..u32::try_from(count)? {
        let task = format!("task {number}");
        dealer.write_tagged(number, task.as_bytes())?;
        hash.update(Sha256::digest(task));
    }
    dealer.drain(PATIENCE)?;
    dealer.close()?;

    println!("dealt {count} tasks");
    println!("sha256 {}", hex(hash));
    Ok(())
}
