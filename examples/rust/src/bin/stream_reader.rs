//! Reads until the writer closes, and compares every message byte for byte with the one expected.
//!
//! Usage: `stream_reader [CHANNEL] [COUNT] [MAX_SIZE]`

use std::time::Instant;

use kren_core::{ErrorCode, KrenReader};
use kren_examples::{Messages, PATIENCE, channel, hex, number};
use sha2::{Digest as _, Sha256};

fn main() -> kren_examples::Outcome {
    let (channel, count, max_size) = (channel("stream"), number(2, 1_000_000)?, number(3, 255)?);
    let messages = Messages::new(max_size);
    let mut hash = Sha256::new();
    let (mut received, mut bytes, mut started) = (0, 0, Instant::now());

    let mut reader = KrenReader::options().timeout(PATIENCE).connect(&channel)?;
    loop {
        let message = match reader.read() {
            Ok(message) => message,
            Err(error) if error.code() == ErrorCode::Closed => break,
            Err(error) => return Err(error.into()),
        };
        if received == 0 {
            started = Instant::now();
        }
        if message != *messages.get(received) {
            return Err(format!("message {received} is not the one that was sent").into());
        }
        hash.update(&message);
        received += 1;
        bytes += message.len();
    }

    if received as usize != count {
        return Err(format!("{received} messages came, not {count}").into());
    }
    let seconds = started.elapsed().as_secs_f64();
    let (rate, volume) = (
        f64::from(received) / seconds / 1e6,
        bytes as f64 / seconds / 1e9,
    );
    println!("received {received} messages: {rate:.2} M messages/s, {volume:.2} GB/s");
    println!("sha256 {}", hex(hash));
    Ok(())
}
