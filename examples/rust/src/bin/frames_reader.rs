//! Reads images of 1 MiB until the writer closes, in place: nothing is copied out of the ring.
//!
//! With --no-hash on both sides the figures are those of the channel alone: SHA-256 is the slower part.
//!
//! Usage: `frames_reader [CHANNEL] [COUNT] [--no-hash]`

use std::time::Instant;

use kren_core::{ErrorCode, KrenReader};
use kren_examples::{FRAME, PATIENCE, channel, hex, number};
use sha2::{Digest as _, Sha256};

fn main() -> kren_examples::Outcome {
    let (channel, count) = (channel("frames"), number(2, 1000)? as u64);
    let hashed = !std::env::args().any(|argument| argument == "--no-hash");
    let mut hash = Sha256::new();
    let (mut received, mut started) = (0_u64, Instant::now());

    let mut reader = KrenReader::options().timeout(PATIENCE).connect(&channel)?;
    loop {
        let frame = match reader.read() {
            Ok(frame) => frame,
            Err(error) if error.code() == ErrorCode::Closed => break,
            Err(error) => return Err(error.into()),
        };
        if received == 0 {
            started = Instant::now();
        }
        if frame.len() != FRAME || frame[..8] != received.to_le_bytes() {
            return Err(format!("frame {received} is not the one that was sent").into());
        }
        if hashed {
            hash.update(&frame);
        }
        received += 1;
    }

    if received != count {
        return Err(format!("{received} frames came, not {count}").into());
    }
    let rate = received as f64 / started.elapsed().as_secs_f64();
    println!(
        "received {received} frames: {rate:.0} fps, {:.2} GB/s",
        rate * FRAME as f64 / 1e9
    );
    if hashed {
        println!("sha256 {}", hex(hash));
    }
    Ok(())
}
