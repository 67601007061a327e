//! Death and succession in the model (G3): a side dies before any of its stores, and its heir takes
//! over while the other side goes on. Both are one thread, since the kernel's role lock shows an heir
//! all that its predecessor stored.

use super::model;
use super::region::{Region, both, check, message, push, read, shape};
use crate::ring::tests::fused::{Fuse, Fused, survives};
use crate::ring::{Consumer, Producer};
use loom::sync::Arc;
use loom::thread;

/// G3, R6, R7: a producer that dies before any of its stores, and its successor, deliver each committed
/// message once and in order to a consumer that reads all the while; and what both leave together
/// never looks like a broken ring.
#[test]
fn loom_a_producer_dies_anywhere_and_another_goes_on() {
    for accesses in 0.. {
        let lived = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let outcome = std::sync::Arc::clone(&lived);
        model(move || {
            let shape = shape(4);
            let region = Region::new(shape);
            let (mut first, mut consumer) = both(&region, shape);
            push(&mut first, 1, 8);
            let lived = std::sync::Arc::clone(&outcome);
            let writing = thread::spawn(move || {
                let survived = survives(|| {
                    let fuse = Fuse::default();
                    let memory = Fused::new(Arc::clone(&region), &fuse);
                    let mut dying = Producer::resume(memory, shape).unwrap();
                    fuse.set(Some(accesses));
                    let _ = dying.push(&message(2, 8), 2);
                });
                lived.store(survived, std::sync::atomic::Ordering::Relaxed);
                let mut heir = Producer::resume(Arc::clone(&region), shape).unwrap();
                // Message 2 takes the positions 16 to 32 if it was committed.
                let committed = heir.position() == 32;
                assert!(committed || heir.position() == 16);
                assert_eq!(heir.count(), 1 + u64::from(committed));
                push(&mut heir, 3, 0);
                committed
            });
            assert_eq!(read(&mut consumer), (1, 8));
            let mut seen = vec![];
            while seen.last() != Some(&3) {
                consumer.check_empty().expect("sound");
                seen.push(read(&mut consumer).0);
            }
            let committed = writing.join().unwrap();
            assert_eq!(seen, if committed { vec![2, 3] } else { vec![3] });
        });
        if lived.load(std::sync::atomic::Ordering::Relaxed) {
            assert!(accesses >= 4, "the model never killed anybody");
            return;
        }
    }
}

/// G3: a consumer that dies before any of its stores loses nothing: its successor starts at the
/// first message that was not released, while the producer goes on.
#[test]
fn loom_a_consumer_dies_anywhere_and_another_goes_on() {
    for accesses in 0.. {
        let lived = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let outcome = std::sync::Arc::clone(&lived);
        model(move || {
            let shape = shape(3);
            let region = Region::new(shape);
            let mut producer = Producer::resume(Arc::clone(&region), shape).unwrap();
            push(&mut producer, 1, 8);
            let lived = std::sync::Arc::clone(&outcome);
            let reading = thread::spawn(move || {
                let seen = std::cell::Cell::new(0);
                let survived = survives(|| {
                    let fuse = Fuse::default();
                    let memory = Fused::new(Arc::clone(&region), &fuse);
                    let mut dying = Consumer::resume(memory, shape).unwrap();
                    fuse.set(Some(accesses));
                    let record = dying.peek().unwrap().unwrap();
                    check(&dying, &record);
                    dying.advance(&record);
                    seen.set(record.tag);
                    dying.release();
                });
                lived.store(survived, std::sync::atomic::Ordering::Relaxed);
                let mut heir = Consumer::resume(Arc::clone(&region), shape).unwrap();
                // It may have died behind its position, in front of its count (R10).
                let released = heir.cursor() == 16;
                assert!(released || !survived && heir.cursor() == 0);
                assert_eq!(heir.count(), u64::from(released));
                if released {
                    assert_eq!(seen.get(), 1);
                } else {
                    assert_eq!(read(&mut heir).0, 1, "message 1 was not released");
                }
                assert_eq!(read(&mut heir).0, 2);
                assert_eq!(read(&mut heir).0, 3);
            });
            push(&mut producer, 2, 8);
            push(&mut producer, 3, 0);
            reading.join().unwrap();
        });
        if lived.load(std::sync::atomic::Ordering::Relaxed) {
            assert!(accesses >= 3, "the model never killed anybody");
            return;
        }
    }
}
