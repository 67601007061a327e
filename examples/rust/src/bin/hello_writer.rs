//! Writes one message and goes; it waits in shared memory for its reader.
//!
//! Usage: `hello_writer [CHANNEL]`

use kren_core::KrenWriter;

fn main() -> kren_examples::Outcome {
    let channel = kren_examples::channel("hello");

    let mut writer = KrenWriter::create(&channel, 4096)?;
    writer.write(b"Hello from Rust!")?;
    Ok(())
}
