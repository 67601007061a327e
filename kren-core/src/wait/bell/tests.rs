//! Bells under the model checker: who sleeps for many misses none of them (G4, G9, W6 to W8).
//!
//! A sleep of the model does not time out, so that a lost ring is a deadlock. How to run it: see `models`.

use super::{announce, heard, pass_barrier, relies_on_barrier, ring, take};
use crate::layout::{Block, Commons, RolePage, STATE_CLOSED};
use crate::models::{
    long_model_of_each_barrier as long_model, model_of_each_barrier as model, region::page,
};
use crate::sync::{AtomicU32, AtomicU64, Ordering};
use crate::wait::model::{Signal, barrier};
use crate::wait::{Call, Waker, call, doze, settle};
use loom::sync::Arc;
use loom::thread;
use std::time::Duration;

/// What the pages name: a bell of the model, and the slot.
const BELL: u64 = 1 << 16;

struct Bell {
    commons: Commons,
    signal: Signal,
}

impl Bell {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            commons: Commons {
                epoch: Block(AtomicU32::new(0)),
                bell: Block(AtomicU32::new(0)),
                slots: [AtomicU64::new(0)],
            },
            signal: Signal::new(),
        })
    }
}

/// One who publishes, and the page of the end that waits for it.
struct Channel {
    publisher: RolePage,
    end: RolePage,
    rope: Rope,
}

struct Rope {
    signal: Signal,
    bell: Arc<Bell>,
}

impl Call for Rope {
    fn signal(&self) -> &Signal {
        &self.signal
    }

    fn ring(&self, bell: u64) -> bool {
        ring(
            &self.bell.commons,
            &self.bell.signal,
            (bell - BELL) as usize,
        )
    }
}

impl Channel {
    fn new(bell: &Arc<Bell>) -> Arc<Self> {
        Arc::new(Self {
            publisher: page(),
            end: page(),
            rope: Rope {
                signal: Signal::new(),
                bell: Arc::clone(bell),
            },
        })
    }

    fn reached(&self) -> u64 {
        let position = &self.publisher.progress.0.position;
        position.load(Ordering::Acquire)
    }

    fn is_closed(&self) -> bool {
        let state = &self.publisher.presence.0.state;
        state.load(Ordering::Acquire) == STATE_CLOSED
    }

    fn publish(&self, waker: &mut Waker, position: u64) {
        barrier::cut();
        let own = &self.publisher;
        own.progress.0.position.store(position, Ordering::Release);
        barrier::cut();
        waker.notify(own, &self.end, &self.rope, position);
        barrier::cut();
    }

    /// What a side does at its end: see `Endpoint::announce_closed`.
    fn close(&self) {
        let own = &self.publisher;
        own.presence.0.state.store(STATE_CLOSED, Ordering::Release);
        call(own, std::iter::once(&self.end), &self.rope);
    }

    /// One that publishes messages up to `last` in a thread of its own.
    fn publishing(channel: &Arc<Self>, side: usize, last: u64) -> thread::JoinHandle<()> {
        let channel = Arc::clone(channel);
        thread::spawn(move || {
            let _running = barrier::Running::begin(side);
            let mut waker = Waker::new(&channel.publisher);
            for position in 1..=last {
                channel.publish(&mut waker, position);
            }
        })
    }
}

/// Who waits for many, as `Selector::wait` does.
struct Sleeper {
    bell: Arc<Bell>,
    ends: Vec<End>,
}

struct End {
    channel: Arc<Channel>,
    read: u64,
    is_listed: bool,
    is_announced: bool,
    /// The barrier was refused: it is looked at every millisecond from then on.
    is_shaky: bool,
}

impl End {
    fn is_ready(&self) -> bool {
        self.channel.reached() > self.read || self.channel.is_closed()
    }

    /// Whether it is ready, and if so, not announced any more.
    fn is_found(&mut self) -> bool {
        if !self.is_ready() {
            return false;
        }
        settle(&self.channel.end);
        self.is_announced = false;
        self.is_listed = true;
        true
    }
}

impl Sleeper {
    fn new(bell: &Arc<Bell>, channels: &[&Arc<Channel>]) -> Self {
        let ends = channels.iter().map(|channel| End {
            channel: Arc::clone(channel),
            read: 0,
            is_listed: true,
            is_announced: false,
            is_shaky: false,
        });
        Self {
            bell: Arc::clone(bell),
            ends: ends.collect(),
        }
    }

    /// Looks at all that are listed, and announces those that are not ready; gives one that is.
    fn round(&mut self) -> Option<usize> {
        let (mut found, mut fresh) = (None, vec![]);
        for (at, end) in self.ends.iter_mut().enumerate() {
            if !std::mem::take(&mut end.is_listed) && !end.is_shaky {
                continue;
            }
            if end.is_found() {
                found = Some(at);
            } else if !end.is_announced {
                announce(&end.channel.end, None, end.read + 1, BELL | at as u64);
                end.is_announced = true;
                fresh.push(at);
            }
        }
        if fresh.is_empty() {
            return found;
        }
        let ends = &self.ends;
        let mut any = fresh.iter();
        let kept = pass_barrier(|| any.any(|at| relies_on_barrier(&ends[*at].channel.publisher)));
        for at in fresh {
            if self.ends[at].is_found() {
                found = Some(at);
            }
            self.ends[at].is_shaky |= !kept;
        }
        found
    }

    /// Waits until one end is ready, and says which.
    fn next(&mut self) -> usize {
        loop {
            let heard = heard(&self.bell.commons);
            let ends = &mut self.ends;
            take(&self.bell.commons, 1, |slot| {
                ends[slot].is_announced = false;
                ends[slot].is_listed = true;
            });
            if let Some(found) = self.round() {
                return found;
            }
            let brief = self.ends.iter().any(|end| end.is_shaky);
            let slice = if brief { Duration::ZERO } else { Duration::MAX };
            self.bell
                .signal
                .sleep(&self.bell.commons.bell.0, heard, slice);
        }
    }

    /// Takes `count` messages, whichever come.
    fn take(&mut self, count: u64) {
        for _ in 0..count {
            let at = self.next();
            self.ends[at].read += 1;
        }
    }
}

/// G9, W6, W7: a message on one of two channels rings.
#[test]
fn loom_a_message_rings_the_bell() {
    model(|| {
        let bell = Bell::new();
        let (loud, silent) = (Channel::new(&bell), Channel::new(&bell));
        let publishing = Channel::publishing(&loud, 0, 1);
        let _running = barrier::Running::begin(1);
        assert_eq!(Sleeper::new(&bell, &[&silent, &loud]).next(), 1);
        publishing.join().unwrap();
    });
}

/// G9, W8: nor is the second one lost, whatever the first has left behind.
#[test]
fn loom_each_of_two_messages_rings_the_bell() {
    model(|| {
        let bell = Bell::new();
        let channel = Channel::new(&bell);
        let publishing = Channel::publishing(&channel, 0, 2);
        let _running = barrier::Running::begin(1);
        Sleeper::new(&bell, &[&channel]).take(2);
        publishing.join().unwrap();
    });
}

/// G9, W6: two that publish at once, each on its own channel.
#[test]
fn loom_two_publishers_ring_one_bell() {
    long_model(|| {
        let bell = Bell::new();
        let (one, two) = (Channel::new(&bell), Channel::new(&bell));
        let first = Channel::publishing(&one, 0, 1);
        let second = Channel::publishing(&two, 2, 1);
        let running = barrier::Running::begin(1);
        Sleeper::new(&bell, &[&one, &two]).take(2);
        drop(running);
        first.join().unwrap();
        second.join().unwrap();
    });
}

/// G4: a close rings, with and without a message just before it.
#[test]
fn loom_a_close_rings_the_bell() {
    for messages in 0..=1 {
        model(move || {
            let bell = Bell::new();
            let channel = Channel::new(&bell);
            let closer = Arc::clone(&channel);
            let closing = thread::spawn(move || {
                let _running = barrier::Running::begin(0);
                let mut waker = Waker::new(&closer.publisher);
                for position in 1..=messages {
                    closer.publish(&mut waker, position);
                }
                closer.close();
            });
            let _running = barrier::Running::begin(1);
            let mut sleeper = Sleeper::new(&bell, &[&channel]);
            sleeper.take(messages);
            sleeper.next();
            while !channel.is_closed() {
                sleeper.next();
                thread::yield_now();
            }
            assert_eq!(channel.reached(), messages);
            closing.join().unwrap();
        });
    }
}

/// G3: the successor of one that died while it slept on a bell is rung for, whatever that one waited for.
#[test]
fn loom_the_successor_of_a_dead_sleeper_is_rung_for() {
    model(|| {
        let bell = Bell::new();
        let channel = Channel::new(&bell);
        announce(&channel.end, None, 1, BELL);
        let publishing = Channel::publishing(&channel, 0, 2);
        let _running = barrier::Running::begin(1);
        settle(&channel.end);
        Sleeper::new(&bell, &[&channel]).take(2);
        publishing.join().unwrap();
    });
}

/// G9, W5: one that has announced itself, and then sleeps on its own, is woken, and rung for afterwards.
#[test]
fn loom_a_plain_sleep_in_between_is_woken() {
    long_model(|| {
        let bell = Bell::new();
        let channel = Channel::new(&bell);
        let publishing = Channel::publishing(&channel, 0, 2);
        let _running = barrier::Running::begin(1);
        let mut sleeper = Sleeper::new(&bell, &[&channel]);
        if sleeper.round().is_none() {
            // As `Endpoint::take_over` and `wait_alone` do it.
            settle(&channel.end);
            let signal = &channel.rope.signal;
            while channel.reached() < 1 {
                let (own, peer) = (&channel.end, &channel.publisher);
                doze(own, peer, signal, None, 1, Duration::MAX, &mut || {
                    channel.reached() >= 1
                });
            }
            // As `Endpoint::tell_watch` does it.
            sleeper.ends[0].is_announced = false;
            sleeper.ends[0].is_listed = true;
        }
        sleeper.take(2);
        publishing.join().unwrap();
    });
}
