//! Calls the methods of `model_server`, in whatever language that is written.
//!
//! Some at a time, and one whose answer comes in parts.
//!
//! Usage: `model_client [CHANNEL] [COUNT]`

use kren_core::{CallOptions, KrenClient};
use kren_examples::{PATIENCE, channel, number};

fn main() -> kren_examples::Outcome {
    let count = number(2, 100)?;
    let options = CallOptions::default().timeout(PATIENCE);

    let mut client = KrenClient::connect(&channel("model"))?;
    let mut calls = Vec::new();
    for i in 0..count {
        let request = vec![(i & 255) as u8; i + 1];
        calls.push(client.start(&request, options.method("score"))?);
    }
    for (i, call) in calls.into_iter().enumerate() {
        let score = client.next(call)?.ok_or("there is no score")?;
        if score[..] != *((i + 1) * (i & 255)).to_string().as_bytes() {
            return Err("a score is wrong".into());
        }
    }
    println!("scored {count}");

    let call = client.start(b"one word at a time", options.method("complete"))?;
    let mut words = Vec::new();
    while let Some(word) = client.next(call)? {
        words.push(String::from_utf8_lossy(&word).into_owned());
    }
    println!("{}", words.join(" "));
    client.close()?;
    Ok(())
}
