//! Writes COUNT messages of 0 to MAX_SIZE bytes as fast as the reader takes them.
//!
//! Usage: `stream_writer [CHANNEL] [COUNT] [MAX_SIZE]`

use kren_core::KrenWriter;
use kren_examples::{Messages, channel, hex, number};
use sha2::{Digest as _, Sha256};

fn main() -> kren_examples::Outcome {
    let (channel, count, max_size) = (channel("stream"), number(2, 1_000_000)?, number(3, 255)?);
    let messages = Messages::new(max_size);
    let mut hash = Sha256::new();

    let mut writer = KrenWriter::create(&channel, 4 * 1024 * 1024)?;
    for number in 0..u32::try_from(count)? {
        let message = messages.get(number);
        writer.write(message)?;
        hash.update(message);
    }
    writer.close()?;

    println!("sent {count} messages");
    println!("sha256 {}", hex(hash));
    Ok(())
}
