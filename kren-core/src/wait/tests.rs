//! Sleeping and waking under the model checker: no wake-up is ever lost (G4, G9).
//!
//! A sleep of the model does not time out unless a test says so, hence a lost wake-up is a
//! deadlock, and loom reports those. Each model runs with publishers that fence, and with process
//! barriers, kept and refused. How to run it: see `models`.

use super::model::{Signal, barrier};
use super::{Waker, doze, settle, wake};
use crate::layout::{RolePage, STATE_CLOSED, STATE_OPEN};
use crate::models::{model_of_each_barrier as model, region::page};
use crate::sync::Ordering;
use loom::sync::Arc;
use loom::thread;
use std::time::Duration;

/// One side: its page, and the signal of that page.
struct Side {
    page: RolePage,
    signal: Signal,
}

impl Side {
    fn new(signal: Signal) -> Self {
        Self {
            page: page(),
            signal,
        }
    }

    fn pair() -> (Arc<Self>, Arc<Self>) {
        (
            Arc::new(Self::new(Signal::new())),
            Arc::new(Self::new(Signal::new())),
        )
    }

    fn reached(&self) -> u64 {
        self.page.progress.0.position.load(Ordering::Acquire)
    }

    fn is_closed(&self) -> bool {
        self.page.presence.0.state.load(Ordering::Acquire) == STATE_CLOSED
    }

    /// What a side does with each message: publish, then wake.
    fn publish(&self, peer: &Self, waker: &mut Waker, position: u64) {
        barrier::cut();
        self.page
            .progress
            .0
            .position
            .store(position, Ordering::Release);
        barrier::cut();
        waker.notify(&self.page, &peer.page, &self.signal, position);
        barrier::cut();
    }

    /// What a side does at its end: see `Endpoint::detach`.
    fn close(&self) {
        self.page
            .presence
            .0
            .state
            .store(STATE_CLOSED, Ordering::Release);
        wake(&self.page, &self.signal);
    }

    /// Sleeps until `peer` has reached `wanted` or is closed: see `Endpoint::wait`.
    fn wait(&self, peer: &Self, wanted: u64) {
        let over = || peer.reached() >= wanted || peer.is_closed();
        while !over() {
            self.doze(peer, wanted, &mut || over());
        }
    }

    fn doze(&self, peer: &Self, wanted: u64, ready: &mut dyn FnMut() -> bool) -> bool {
        doze(
            &self.page,
            &peer.page,
            &peer.signal,
            None,
            wanted,
            Duration::MAX,
            ready,
        )
    }
}

/// G9, W2, W3: a side that sleeps for one message is woken by it.
#[test]
fn loom_a_message_wakes_a_sleeper() {
    model(|| {
        let (a, b) = Side::pair();
        let (publisher, sleeper) = (Arc::clone(&a), Arc::clone(&b));
        let publishing = thread::spawn(move || {
            let _running = barrier::Running::begin(0);
            let mut waker = Waker::new(&publisher.page);
            publisher.publish(&sleeper, &mut waker, 1);
        });
        let _running = barrier::Running::begin(1);
        b.wait(&a, 1);
        assert_eq!(a.reached(), 1);
        publishing.join().unwrap();
    });
}

/// G9, W5: nor is the wake-up of a second sleep lost, whatever the first one left behind.
#[test]
fn loom_each_of_two_sleeps_is_woken() {
    model(|| {
        let (a, b) = Side::pair();
        let (publisher, sleeper) = (Arc::clone(&a), Arc::clone(&b));
        let publishing = thread::spawn(move || {
            let _running = barrier::Running::begin(0);
            let mut waker = Waker::new(&publisher.page);
            publisher.publish(&sleeper, &mut waker, 1);
            publisher.publish(&sleeper, &mut waker, 2);
        });
        let _running = barrier::Running::begin(1);
        b.wait(&a, 1);
        b.wait(&a, 2);
        publishing.join().unwrap();
    });
}

/// G9: a sleeper that asks for a later position is left alone until then, and woken then.
#[test]
fn loom_a_sleeper_is_woken_at_the_position_it_wants() {
    model(|| {
        let (a, b) = Side::pair();
        let (publisher, sleeper) = (Arc::clone(&a), Arc::clone(&b));
        let publishing = thread::spawn(move || {
            let _running = barrier::Running::begin(0);
            let mut waker = Waker::new(&publisher.page);
            for position in 1..=3 {
                publisher.publish(&sleeper, &mut waker, position);
            }
        });
        let _running = barrier::Running::begin(1);
        b.wait(&a, 2);
        b.wait(&a, 3);
        publishing.join().unwrap();
    });
}

/// G9: both directions at once: each side sleeps for what the other publishes after its own sleep,
/// as a writer on a full ring and a reader on an empty one do.
#[test]
fn loom_two_sides_that_sleep_in_turn_wake_each_other() {
    model(|| {
        let (a, b) = Side::pair();
        let (first, second) = (Arc::clone(&a), Arc::clone(&b));
        let other = thread::spawn(move || {
            let _running = barrier::Running::begin(1);
            let mut waker = Waker::new(&second.page);
            second.wait(&first, 1);
            second.publish(&first, &mut waker, 1);
        });
        let running = barrier::Running::begin(0);
        let mut waker = Waker::new(&a.page);
        a.publish(&b, &mut waker, 1);
        a.wait(&b, 1);
        drop(running);
        other.join().unwrap();
    });
}

/// G4: a close wakes a sleeper, with and without a message just before it.
#[test]
fn loom_a_close_wakes_a_sleeper() {
    for messages in 0..=1 {
        model(move || {
            let (a, b) = Side::pair();
            let (closer, sleeper) = (Arc::clone(&a), Arc::clone(&b));
            let closing = thread::spawn(move || {
                let _running = barrier::Running::begin(0);
                let mut waker = Waker::new(&closer.page);
                closer
                    .page
                    .presence
                    .0
                    .state
                    .store(STATE_OPEN, Ordering::Release);
                for position in 1..=messages {
                    closer.publish(&sleeper, &mut waker, position);
                }
                closer.close();
            });
            let _running = barrier::Running::begin(1);
            b.wait(&a, 2);
            assert!(a.is_closed());
            assert_eq!(
                a.reached(),
                messages,
                "what came before the close is seen with it"
            );
            closing.join().unwrap();
        });
    }
}

/// G3: the successor of a side that died asleep is woken, although its predecessor's ticket may
/// have been answered, and whatever position that one was waiting for.
#[test]
fn loom_the_successor_of_a_dead_sleeper_is_woken() {
    for wanted_by_the_dead in [1, 9] {
        model(move || {
            let (a, b) = Side::pair();
            // Died in its first sleep.
            b.page
                .sleep
                .0
                .wanted
                .store(wanted_by_the_dead, Ordering::Relaxed);
            b.page.sleep.0.ticket.store(1, Ordering::Relaxed);
            let (publisher, sleeper) = (Arc::clone(&a), Arc::clone(&b));
            let publishing = thread::spawn(move || {
                let _running = barrier::Running::begin(0);
                let mut waker = Waker::new(&publisher.page);
                publisher.publish(&sleeper, &mut waker, 1);
                publisher.publish(&sleeper, &mut waker, 2);
            });
            let _running = barrier::Running::begin(1);
            settle(&b.page);
            b.wait(&a, 2);
            publishing.join().unwrap();
        });
    }
}

/// G9: a sleep that ends by its timeout, or for no reason, does not cost the next one its wake-up.
#[test]
fn loom_a_sleep_that_timed_out_does_not_spoil_the_next() {
    model(|| {
        let a = Arc::new(Side::new(Signal::that_times_out_first()));
        let b = Arc::new(Side::new(Signal::new()));
        let (publisher, sleeper) = (Arc::clone(&a), Arc::clone(&b));
        let publishing = thread::spawn(move || {
            let _running = barrier::Running::begin(0);
            let mut waker = Waker::new(&publisher.page);
            publisher.publish(&sleeper, &mut waker, 1);
        });
        let _running = barrier::Running::begin(1);
        b.wait(&a, 1);
        publishing.join().unwrap();
    });
}

/// G3: the successor of a dead publisher wakes a sleeper that its predecessor left asleep, or had
/// already answered.
#[test]
fn loom_the_successor_of_a_dead_publisher_wakes_the_sleeper() {
    model(|| {
        let (a, b) = Side::pair();
        let (publisher, sleeper) = (Arc::clone(&a), Arc::clone(&b));
        let publishing = thread::spawn(move || {
            let _running = barrier::Running::begin(0);
            // The first dies after it has published, and before it looks for sleepers.
            let _ = Waker::new(&publisher.page);
            publisher
                .page
                .progress
                .0
                .position
                .store(1, Ordering::Release);
            let mut heir = Waker::new(&publisher.page);
            publisher.publish(&sleeper, &mut heir, 2);
        });
        let _running = barrier::Running::begin(1);
        b.wait(&a, 1);
        publishing.join().unwrap();
    });
}
