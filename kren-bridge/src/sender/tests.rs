//! How long messages are cut.

use super::*;
use std::convert::Infallible;

/// So many messages of 64 KiB.
struct Long {
    next: u64,
    count: u64,
}

const LEN: usize = 64 * 1024;

impl Source for Long {
    type Error = Infallible;
    fn peek(&mut self) -> Result<Option<(usize, u32)>, Infallible> {
        Ok((self.next < self.count).then_some((LEN, 0)))
    }
    fn copy(&mut self, _: usize, len: usize, to: &mut Vec<u8>) -> Result<(), Infallible> {
        to.resize(to.len() + len, 0);
        Ok(())
    }
    fn step(&mut self) -> Result<(), Infallible> {
        self.next += 1;
        Ok(())
    }
    fn number(&self) -> u64 {
        self.next
    }
    fn oldest(&self) -> u64 {
        0
    }
    fn rewind(&mut self, number: u64) -> Result<(), Infallible> {
        self.next = number;
        Ok(())
    }
    fn release(&mut self, _: u64) -> Result<(), Infallible> {
        Ok(())
    }
}

/// What zenoh sends at once, and what it adds to each frame, at most.
const BATCH: usize = 65_535;
const ADDED: usize = 64;

/// Twenty messages, each a little longer than a batch, go in no more batches than their bytes need, and one.
#[test]
fn pieces_fill_batches() {
    let mut source = Long { next: 0, count: 20 };
    let mut sender = Sender::new(1);
    let now = Instant::now();
    let ack = Ack {
        serial: 1,
        want: 0,
        room: 1 << 30,
        alignment: 8,
        round: 0,
        question: 0,
        has_gap: false,
        has_ended: false,
    };
    let Ok(_) = sender.on_ack(2, ack, &mut source, now);
    let (mut batches, mut filled, mut sent) = (1, 0, 0);
    while source.next < source.count {
        let Ok(frame) = sender.poll(&mut source, now);
        let len = frame.expect("there is more").len() + ADDED;
        assert!(len <= BATCH, "{len}");
        sent += len;
        filled += len;
        if filled > BATCH {
            (batches, filled) = (batches + 1, len);
        }
    }
    assert!(sent > source.count as usize * LEN);
    let needed = sent.div_ceil(PIECE);
    assert!(batches <= needed + 1, "{batches} for {needed}");
}
