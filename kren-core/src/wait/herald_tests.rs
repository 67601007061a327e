//! One publisher and two sleepers under the model checker: looking at the epoch in place of each ticket loses no wake-up (B10).
//!
//! As in `tests`, a sleep does not time out, so a lost wake-up is a deadlock, which loom reports.

use super::model::{Signal, barrier};
use super::{Herald, Waker, doze, settle, wake};
use crate::gates::Pages;
use crate::layout::{Block, Commons, RolePage, STATE_CLOSED, Seat};
use crate::models::{model_of_a_crowd as model, model_of_each_barrier, region::page};
use crate::sync::{AtomicU32, AtomicU64, Ordering};
use loom::sync::Arc;
use loom::thread;
use std::time::Duration;

/// The publisher's page, those of two subscribers, and what all share.
struct Crowd {
    pages: [RolePage; 3],
    commons: Commons,
    /// The publisher's.
    signal: Signal,
}

impl Pages for Crowd {
    fn page(&self, seat: Seat) -> &RolePage {
        &self.pages[seat.number()]
    }

    fn readers(&self) -> usize {
        self.pages.len() - 1
    }
}

impl Crowd {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            pages: [page(), page(), page()],
            commons: Commons {
                epoch: Block(AtomicU32::new(0)),
                bell: Block(AtomicU32::new(0)),
                slots: std::array::from_fn(|_| AtomicU64::new(0)),
            },
            signal: Signal::new(),
        })
    }

    fn own(&self) -> &RolePage {
        self.page(Seat::WRITER)
    }

    fn reached(&self) -> u64 {
        self.own().progress.0.position.load(Ordering::Acquire)
    }

    fn is_closed(&self) -> bool {
        self.own().presence.0.state.load(Ordering::Acquire) == STATE_CLOSED
    }

    fn herald(&self) -> Herald {
        Herald::new(&Waker::new(self.own()), self.readers(), &self.commons)
    }

    /// What a publisher does with each message: see `KrenWriter`.
    fn publish(&self, herald: &mut Herald, position: u64) {
        barrier::cut();
        let reached = &self.own().progress.0.position;
        reached.store(position, Ordering::Release);
        barrier::cut();
        herald.notify(self, &self.commons, &self.signal, position);
        barrier::cut();
    }

    /// What it does at its end: see `Endpoint::detach`.
    fn close(&self) {
        let state = &self.own().presence.0.state;
        state.store(STATE_CLOSED, Ordering::Release);
        wake(self.own(), &self.signal);
    }

    /// Sleeps at `seat` until the publisher has reached `wanted` or is closed: see `Endpoint::wait`.
    fn wait(&self, seat: usize, wanted: u64) {
        let over = || self.reached() >= wanted || self.is_closed();
        while !over() {
            let own = self.page(Seat::numbered(seat));
            let epoch = Some(&self.commons.epoch.0);
            let peer = self.own();
            doze(
                own,
                peer,
                &self.signal,
                epoch,
                wanted,
                Duration::MAX,
                &mut || over(),
            );
        }
    }
}

/// Runs a publisher and the subscriber at seat 2 beside the one at seat 1.
fn crowd(crowd: &Arc<Crowd>, publish: impl FnOnce(&Crowd) + 'static, wanted: [&'static [u64]; 2]) {
    let (publisher, other) = (Arc::clone(crowd), Arc::clone(crowd));
    let publishing = thread::spawn(move || {
        let _running = barrier::Running::begin(0);
        publish(&publisher);
    });
    let sleeping = (!wanted[1].is_empty()).then(|| {
        thread::spawn(move || {
            let _running = barrier::Running::begin(2);
            wanted[1].iter().for_each(|wanted| other.wait(2, *wanted));
        })
    });
    let running = barrier::Running::begin(1);
    wanted[0].iter().for_each(|wanted| crowd.wait(1, *wanted));
    drop(running);
    publishing.join().unwrap();
    if let Some(sleeping) = sleeping {
        sleeping.join().unwrap();
    }
}

fn publishes(count: u64) -> impl Fn(&Crowd) {
    move |crowd| {
        let mut herald = crowd.herald();
        (1..=count).for_each(|position| crowd.publish(&mut herald, position));
    }
}

/// B10: one message wakes both, in whatever order they fall asleep.
#[test]
fn loom_one_message_wakes_two_sleepers() {
    model(|| crowd(&Crowd::new(), publishes(1), [&[1], &[1]]));
}

/// B10, W5: nor is the second sleep lost of one whose first was answered, with another's between them.
#[test]
fn loom_sleeps_of_two_in_turn_are_each_woken() {
    model(|| crowd(&Crowd::new(), publishes(2), [&[1, 2], &[1]]));
}

/// B10, W3: the same for one sleeper alone, with publishers that fence and with barriers, kept and refused.
#[test]
fn loom_the_epoch_serves_whatever_the_barrier() {
    model_of_each_barrier(|| crowd(&Crowd::new(), publishes(2), [&[1, 2], &[]]));
}

/// B10: an epoch that stands for a sleep which is not to end yet is not taken for answered.
#[test]
fn loom_a_sleeper_that_wants_more_is_not_forgotten() {
    model(|| crowd(&Crowd::new(), publishes(2), [&[1], &[2]]));
}

/// G4: a close wakes both, with and without a message before it.
#[test]
fn loom_a_close_wakes_two_sleepers() {
    for messages in 0..=1 {
        model(move || {
            let close = move |crowd: &Crowd| {
                publishes(messages)(crowd);
                crowd.close();
            };
            crowd(&Crowd::new(), close, [&[2], &[2]]);
        });
    }
}

/// G3: one that died between its ticket and the epoch costs the other one nothing, whatever it was waiting for; nor does it its
/// own successor.
#[test]
fn loom_a_death_between_ticket_and_epoch_costs_nobody_a_wake_up() {
    for wanted_by_the_dead in [1, 9] {
        for has_successor in [false, true] {
            model(move || {
                let all = Crowd::new();
                let words = &all.page(Seat::numbered(2)).sleep.0;
                words.wanted.store(wanted_by_the_dead, Ordering::Relaxed);
                words.ticket.store(1, Ordering::Relaxed);
                if has_successor {
                    settle(all.page(Seat::numbered(2)));
                }
                let successor: &[u64] = if has_successor { &[2] } else { &[] };
                crowd(&all, publishes(2), [&[2], successor]);
            });
        }
    }
}

/// G3: the successor of a dead publisher wakes those that its predecessor left asleep.
#[test]
fn loom_the_successor_of_a_dead_publisher_wakes_two_sleepers() {
    model(|| {
        let publish = |crowd: &Crowd| {
            // The first dies after it has published, and before it looks for sleepers.
            let _ = crowd.herald();
            crowd.own().progress.0.position.store(1, Ordering::Release);
            crowd.publish(&mut crowd.herald(), 2);
        };
        crowd(&Crowd::new(), publish, [&[1], &[1]]);
    });
}
