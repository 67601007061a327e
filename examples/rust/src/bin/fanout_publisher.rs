//! Publishes COUNT images of 1 MiB to VIEWERS viewers: each is written once, whatever their number.
//!
//! Usage: `fanout_publisher [CHANNEL] [COUNT] [VIEWERS]`

use kren_core::KrenPublisher;
use kren_examples::{FRAME, PATIENCE, block, channel, hex, number};
use sha2::{Digest as _, Sha256};

fn main() -> kren_examples::Outcome {
    let (channel, count) = (channel("fanout"), number(2, 200)?);
    let mut image = block(FRAME);
    let mut hash = Sha256::new();

    let mut publisher = KrenPublisher::create(&channel, 16 * FRAME)?;
    // Without this the first images would be nobody's: a publisher without subscribers never waits.
    publisher.wait_for_subscribers(number(3, 3)?, Some(PATIENCE))?;
    for number in 0..count as u64 {
        image[..8].copy_from_slice(&number.to_le_bytes());
        publisher.write(&image)?;
        hash.update(&image);
    }
    publisher.close()?;

    println!("sent {count} frames");
    println!("sha256 {}", hex(hash));
    Ok(())
}
