//! Writes COUNT images of 1 MiB as fast as the reader takes them.
//!
//! With --no-hash on both sides the figures are those of the channel alone: SHA-256 is the slower part.
//!
//! Usage: `frames_writer [CHANNEL] [COUNT] [--no-hash]`

use kren_core::KrenWriter;
use kren_examples::{FRAME, block, channel, hex, number};
use sha2::{Digest as _, Sha256};

fn main() -> kren_examples::Outcome {
    let (channel, count) = (channel("frames"), number(2, 1000)?);
    let hashed = !std::env::args().any(|argument| argument == "--no-hash");
    let mut image = block(FRAME);
    let mut hash = Sha256::new();

    let mut writer = KrenWriter::create(&channel, 16 * FRAME)?;
    for number in 0..count as u64 {
        image[..8].copy_from_slice(&number.to_le_bytes());
        writer.write(&image)?;
        if hashed {
            hash.update(&image);
        }
    }
    writer.close()?;

    println!("sent {count} frames");
    if hashed {
        println!("sha256 {}", hex(hash));
    }
    Ok(())
}
