//! Both halves at full speed on plain memory, for ThreadSanitizer.
//!
//! In a segment the two sides see the same bytes at different addresses, which hides races from
//! it. Here they share one mapping; `cargo xtask sanitize thread` builds it so. Without the
//! sanitizer it is one more stress test.
#![allow(unsafe_code)]

use crate::Role;
use crate::layout::{Geometry, RolePage};
use crate::ring::{Consumer, Memory, Producer, RingError, Shape};
use crate::sync::AtomicU64;
use std::sync::Arc;
use std::thread;

const MESSAGES: u32 = 300_000;

/// The words of a ring. Twice the data region: a record that runs past the end finds its bytes
/// behind it, and as both sides ask for the same offset nothing has to be mirrored.
struct Plain {
    pages: Box<[RolePage; 2]>,
    words: Vec<AtomicU64>,
}

impl Plain {
    fn new(shape: &Shape) -> Self {
        let words = (0..2 * shape.data_len / 8)
            .map(|_| AtomicU64::new(0))
            .collect();
        Self {
            // SAFETY: atomics and integers, for which zero is a value.
            pages: unsafe { Box::new(std::mem::zeroed()) },
            words,
        }
    }

    fn at(&self, offset: usize) -> *mut u8 {
        assert!(offset < 8 * self.words.len());
        // SAFETY: inside the vector, whose elements may be stored through a shared reference.
        unsafe { self.words.as_ptr().cast::<u8>().cast_mut().add(offset) }
    }
}

// SAFETY: the vector is never resized, and holds all that the offsets of `shape` can name.
unsafe impl Memory for Arc<Plain> {
    fn page(&self, role: Role) -> &RolePage {
        &self.pages[usize::from(role == Role::Reader)]
    }
    fn header(&self, offset: usize) -> &AtomicU64 {
        &self.words[offset / 8]
    }
    fn payload(&self, offset: usize, _len: usize) -> *const u8 {
        self.at(offset)
    }
    fn payload_mut(&self, offset: usize, _len: usize) -> *mut u8 {
        self.at(offset)
    }
}

/// Length of message `number`: everything from none to a third of the ring.
fn len(number: u32) -> usize {
    number.wrapping_mul(2_654_435_761) as usize % 1300
}

/// G1: the orderings alone keep a reader from bytes that are being written, and a writer from
/// bytes that are being read.
#[test]
fn neither_half_touches_what_the_other_holds() {
    let geometry = Geometry::new(4096, 8, 4096).unwrap();
    let shape = Shape::new(&geometry);
    let plain = Arc::new(Plain::new(&shape));
    let mut producer = Producer::resume(Arc::clone(&plain), shape).unwrap();
    let mut consumer = Consumer::resume(plain, shape).unwrap();

    let writing = thread::spawn(move || {
        let mut data = vec![0; 1300];
        for number in 0..MESSAGES {
            data.fill(number as u8);
            while let Err(error) = producer.push(&data[..len(number)], number) {
                assert!(matches!(error, RingError::Full { .. }), "{error:?}");
                thread::yield_now();
            }
        }
    });
    for number in 0..MESSAGES {
        let record = loop {
            match consumer.peek().unwrap() {
                Some(record) => break record,
                None => thread::yield_now(),
            }
        };
        assert_eq!((record.tag, record.len), (number, len(number)));
        // SAFETY: a committed record, not yet released.
        let payload = unsafe { std::slice::from_raw_parts(consumer.payload(&record), record.len) };
        assert!(payload.iter().all(|byte| *byte == number as u8));
        consumer.advance(&record);
        consumer.release();
    }
    writing.join().unwrap();
}
