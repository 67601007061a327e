//! Writes one message and goes; it waits in shared memory for its reader.
//!
//! On Windows nothing waits where nobody is, so there the writer stays until the reader has come.
//!
//! Usage: `hello_writer [CHANNEL]`

use kren_core::KrenWriter;

fn main() -> kren_examples::Outcome {
    let channel = kren_examples::channel("hello");

    let mut writer = KrenWriter::create(&channel, 4096)?;
    writer.write(b"Hello from Rust!")?;
    if cfg!(windows) {
        writer.drain(kren_examples::PATIENCE)?;
    }
    Ok(())
}
