//! Messages of one length over a stream of bytes: what pipes and sockets have in common.

use std::io::{Read, Write};

use crate::link::{Ends, Setup};
use crate::payload::{self, Payload};

/// A reader that has more to do takes this much at once.
const CHUNK: usize = 256 << 10;
/// What the kernel is asked to hold for a direction; more than it allows by default.
pub(super) const KERNEL_BUFFER: usize = 1 << 20;

pub(super) struct Bytes<W, R> {
    writer: W,
    reader: R,
    payload: Payload,
    buffer: Vec<u8>,
    size: usize,
}

impl<W, R> Bytes<W, R> {
    pub(super) fn new(writer: W, reader: R, setup: &Setup) -> Self {
        let whole = (CHUNK / setup.size).max(1) * setup.size;
        Self {
            writer,
            reader,
            payload: Payload::new(setup.size),
            buffer: vec![0; whole],
            size: setup.size,
        }
    }
}

const HOLDS: &str = "the other side holds the stream open";

impl<W: Write, R: Read> Ends for Bytes<W, R> {
    fn send(&mut self, number: u64) {
        self.writer
            .write_all(self.payload.numbered(number))
            .expect(HOLDS);
    }

    fn receive(&mut self) -> u64 {
        let message = &mut self.buffer[..self.size];
        self.reader.read_exact(message).expect(HOLDS);
        payload::read(message)
    }

    fn receive_many(&mut self, count: u64) -> u64 {
        let mut sum = 0u64;
        let mut left = count as usize * self.size;
        let mut filled = 0;
        while left > 0 {
            let end = self.buffer.len().min(filled + left);
            let read = self
                .reader
                .read(&mut self.buffer[filled..end])
                .expect(HOLDS);
            assert_ne!(read, 0, "{HOLDS}");
            left -= read;
            filled += read;
            let whole = filled / self.size * self.size;
            for message in self.buffer[..whole].chunks_exact(self.size) {
                sum = sum.wrapping_add(payload::read(message));
            }
            self.buffer.copy_within(whole..filled, 0);
            filled -= whole;
        }
        sum
    }

    fn carried(&self) -> Option<usize> {
        Some(self.size)
    }
}
