//! Reads one message, from a writer in any language.
//!
//! Usage: `hello_reader [CHANNEL]`

use kren_core::KrenReader;

fn main() -> kren_examples::Outcome {
    let channel = kren_examples::channel("hello");

    let mut reader = KrenReader::options()
        .timeout(kren_examples::PATIENCE)
        .connect(&channel)?;
    println!("{}", String::from_utf8_lossy(&reader.read()?));
    Ok(())
}
