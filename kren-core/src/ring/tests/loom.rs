//! The ring under the model checker: every interleaving of a producer and a consumer, and every
//! value that the memory model lets each load return. How to run it: see `models`.
#![allow(unsafe_code)]

use crate::models::region::{Region, both, check, message, next, push, read, shape};
use crate::models::{long_model, model};
use crate::ring::RingError;
use loom::thread;

/// G1, R3, R4, R8: messages of several lengths arrive whole and in order, through a full ring and
/// over its end, and no byte is overwritten before it was released: the second message fills the
/// ring, and the fourth has its payload where the second one had some of its own.
#[test]
fn loom_messages_arrive_whole_and_in_order() {
    const MESSAGES: [(u32, usize); 4] = [(1, 8), (2, 24), (3, 8), (4, 8)];
    model(|| {
        let shape = shape(4);
        let (mut producer, mut consumer) = both(&Region::new(shape), shape);
        let writing = thread::spawn(move || {
            for (tag, len) in MESSAGES {
                push(&mut producer, tag, len);
            }
        });
        for expected in MESSAGES {
            assert_eq!(read(&mut consumer), expected);
        }
        writing.join().unwrap();
        assert_eq!(consumer.peek(), Ok(None));
        assert!(consumer.is_drained());
    });
}

/// G1, G2: the same with a message as large as the ring, which leaves no room for anything else.
#[test]
fn loom_a_message_as_large_as_the_ring() {
    model(|| {
        let shape = shape(2);
        let (mut producer, mut consumer) = both(&Region::new(shape), shape);
        let writing = thread::spawn(move || {
            for tag in 1..=4 {
                push(&mut producer, tag, shape.max_len);
            }
        });
        for tag in 1..=4 {
            assert_eq!(read(&mut consumer), (tag, shape.max_len));
        }
        writing.join().unwrap();
    });
}

/// G1: an aborted reservation is never seen, and one that was cut short is seen at its length.
#[test]
fn loom_an_aborted_message_is_never_seen() {
    model(|| {
        let shape = shape(4);
        let (mut producer, mut consumer) = both(&Region::new(shape), shape);
        let writing = thread::spawn(move || {
            let fill = |room: *mut u8, tag: u32, len: usize| {
                // SAFETY: `room` has at least `len` bytes.
                unsafe { room.copy_from_nonoverlapping(message(tag, len).as_ptr(), len) };
            };
            let stage = producer.stage();
            fill(producer.room(&stage, 16).unwrap(), 9, 16);

            let mut stage = producer.stage();
            fill(producer.room(&stage, 16).unwrap(), 1, 8);
            producer.seal(&mut stage, 8, 1);
            producer.publish(stage);

            // A batch of two, given up.
            let mut stage = producer.stage();
            for _ in 0..2 {
                producer.room(&stage, 0).unwrap();
                producer.seal(&mut stage, 0, 9);
            }
            push(&mut producer, 2, 8);
        });
        assert_eq!(read(&mut consumer), (1, 8));
        assert_eq!(read(&mut consumer), (2, 8));
        writing.join().unwrap();
        assert_eq!(consumer.peek(), Ok(None));
    });
}

/// G1, R5: whoever sees the first message of a batch finds the others without waiting.
#[test]
fn loom_a_batch_appears_at_once() {
    model(|| {
        let shape = shape(5);
        let (mut producer, mut consumer) = both(&Region::new(shape), shape);
        // So that the batch lies where an old record's header may still be seen.
        push(&mut producer, 1, 8);
        read(&mut consumer);
        let writing = thread::spawn(move || {
            let mut stage = producer.stage();
            for (tag, len) in [(2, 8), (3, 0), (4, 0)] {
                let room = producer.room(&stage, len).unwrap();
                // SAFETY: `room` has `len` bytes.
                unsafe { room.copy_from_nonoverlapping(message(tag, len).as_ptr(), len) };
                producer.seal(&mut stage, len, tag);
            }
            producer.publish(stage);
        });
        assert_eq!(next(&mut consumer).tag, 2);
        for tag in [3, 4] {
            let record = consumer.peek().unwrap().expect("the batch is not whole");
            check(&consumer, &record);
            assert_eq!(record.tag, tag);
            consumer.advance(&record);
        }
        writing.join().unwrap();
        assert_eq!(consumer.peek(), Ok(None));
    });
}

/// G1, R3, R5: the same over the end of the ring, through room that the reader gives back meanwhile:
/// the batch is as large as the ring, and its terminator falls where an old record's header stood.
#[test]
fn loom_a_batch_goes_over_the_end() {
    model(|| {
        let shape = shape(4);
        let (mut producer, mut consumer) = both(&Region::new(shape), shape);
        push(&mut producer, 1, 8);
        push(&mut producer, 2, 8);
        let writing = thread::spawn(move || {
            let mut stage = producer.stage();
            for (tag, len) in [(3, 8), (4, 0), (5, 0)] {
                let room = loop {
                    match producer.room(&stage, len) {
                        Ok(room) => break room,
                        Err(RingError::Full { .. }) => thread::yield_now(),
                        Err(error) => panic!("room: {error:?}"),
                    }
                };
                // SAFETY: `room` has `len` bytes.
                unsafe { room.copy_from_nonoverlapping(message(tag, len).as_ptr(), len) };
                producer.seal(&mut stage, len, tag);
            }
            producer.publish(stage);
        });
        for tag in 1..=3 {
            assert_eq!(read(&mut consumer).0, tag);
        }
        for tag in [4, 5] {
            let record = consumer.peek().unwrap().expect("the batch is not whole");
            assert_eq!(record.tag, tag);
            consumer.advance(&record);
        }
        writing.join().unwrap();
        assert_eq!(consumer.peek(), Ok(None));
    });
}

/// G2, R4, R8: messages that are held at the same time stay as they are until they are released
/// together, while the writer writes on as far as it may.
#[test]
fn loom_messages_that_are_held_are_not_overwritten() {
    model(|| {
        let shape = shape(4);
        let (mut producer, mut consumer) = both(&Region::new(shape), shape);
        push(&mut producer, 1, 8);
        let writing = thread::spawn(move || {
            for tag in 2..=4 {
                push(&mut producer, tag, 8);
            }
        });
        let held = [next(&mut consumer), next(&mut consumer)];
        for record in &held {
            check(&consumer, record);
        }
        consumer.release();
        assert_eq!(read(&mut consumer).0, 3);
        assert_eq!(read(&mut consumer).0, 4);
        writing.join().unwrap();
    });
}

/// G7, R6: a sound ring is never taken for a broken one, whenever the consumer looks.
#[test]
fn loom_a_sound_ring_is_never_called_corrupt() {
    long_model(|| {
        let shape = shape(3);
        let (mut producer, mut consumer) = both(&Region::new(shape), shape);
        let writing = thread::spawn(move || {
            push(&mut producer, 1, 8);
            push(&mut producer, 2, 0);
            push(&mut producer, 3, 8);
        });
        for tag in 1..=3 {
            consumer.check_empty().expect("sound");
            assert!(consumer.available() <= shape.capacity as usize);
            assert_eq!(read(&mut consumer).0, tag);
            consumer.survey().expect("sound");
        }
        writing.join().unwrap();
    });
}
