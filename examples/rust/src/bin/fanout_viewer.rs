//! Looks at the images of `fanout_publisher` until it closes, where they lie; as many viewers as you like.
//!
//! With --lossy it never holds the publisher up, and says how many images it missed.
//!
//! Usage: `fanout_viewer [CHANNEL] [COUNT] [--lossy]`

use kren_core::{Error, KrenSubscriber};
use kren_examples::{FRAME, PATIENCE, channel, hex, number};
use sha2::{Digest as _, Sha256};

fn main() -> kren_examples::Outcome {
    let (channel, count) = (channel("fanout"), number(2, 200)? as u64);
    let is_lossy = std::env::args().any(|argument| argument == "--lossy");
    let mut hash = Sha256::new();
    let (mut received, mut missed) = (0_u64, 0_u64);

    let options = KrenSubscriber::options().lossy(is_lossy).timeout(PATIENCE);
    let mut subscriber = options.connect(&channel)?;
    loop {
        let frame = match subscriber.read() {
            Ok(frame) => frame,
            Err(Error::Lagged { missed: more, .. }) => {
                missed += more;
                continue;
            }
            Err(Error::Closed { .. }) => break,
            Err(error) => return Err(error.into()),
        };
        let expected = received + missed;
        if frame.len() != FRAME || frame[..8] != expected.to_le_bytes() {
            return Err(format!("frame {expected} is not the one that was sent").into());
        }
        hash.update(&frame);
        received += 1;
    }

    if received + missed != count {
        return Err(format!("{received} frames came and {missed} were missed, of {count}").into());
    }
    println!("received {received} frames, missed {missed}");
    if missed == 0 {
        println!("sha256 {}", hex(hash));
    }
    Ok(())
}
