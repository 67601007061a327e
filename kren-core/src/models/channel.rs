//! A whole channel in the model: the ring and the wake protocol together, both sides blocking as the
//! endpoints do, with closing and timeouts in both directions (G1, G4, G9).

use super::long_model_of_each_barrier as model;
use super::region::{Region, both, check, message, shape};
use crate::Role;
use crate::layout::{RolePage, STATE_CLOSED, STATE_OPEN};
use crate::ring::{Consumer, Memory, Producer, RingError};
use crate::sync::Ordering;
use crate::wait::model::{Signal, barrier};
use crate::wait::{Waker, doze, wake};
use loom::sync::Arc;
use loom::thread;
use std::time::Duration;

/// The other side has closed.
#[derive(Debug, PartialEq)]
struct Closed;

/// What both sides share.
struct Channel {
    region: Arc<Region>,
    signals: [Signal; 2],
}

impl Channel {
    fn page(&self, role: Role) -> &RolePage {
        self.region.page(role)
    }

    fn signal(&self, of: Role) -> &Signal {
        &self.signals[side(of)]
    }

    fn is_closed(&self, role: Role) -> bool {
        let state = &self.page(role).presence.0.state;
        state.load(Ordering::Acquire) == STATE_CLOSED
    }

    fn close(&self, role: Role) {
        let own = self.page(role);
        own.presence.0.state.store(STATE_CLOSED, Ordering::Release);
        wake(own, self.signal(role));
    }

    /// As `Endpoint::wait`, without its limit of time: until `ready`, or the peer is gone.
    fn wait(&self, role: Role, wanted: u64, ready: impl Fn() -> bool) -> Result<(), Closed> {
        loop {
            // Before `ready`: what the peer committed before it went is not passed over.
            let gone = self.is_closed(role.peer());
            if ready() {
                return Ok(());
            }
            if gone {
                return Err(Closed);
            }
            self.doze(role, wanted, &ready);
        }
    }

    /// One slice of a sleep.
    fn doze(&self, role: Role, wanted: u64, ready: impl Fn() -> bool) {
        let (own, peer) = (self.page(role), self.page(role.peer()));
        let mut over = || ready() || self.is_closed(role.peer());
        let signal = self.signal(role.peer());
        doze(own, peer, signal, None, wanted, Duration::MAX, &mut over);
    }
}

fn side(role: Role) -> usize {
    usize::from(role == Role::Reader)
}

struct Writer {
    channel: Arc<Channel>,
    producer: Producer<Arc<Region>>,
    waker: Waker,
    _running: barrier::Running,
}

impl Writer {
    /// Writes a message of `len` bytes, waiting for room.
    fn write(&mut self, tag: u32, len: usize) -> Result<(), Closed> {
        while !self.try_write(tag, len) {
            let wanted = self.wanted(len);
            let released = &self.channel.page(Role::Reader).progress.0.position;
            let ready = || released.load(Ordering::Acquire) >= wanted;
            self.channel.wait(Role::Writer, wanted, ready)?;
        }
        Ok(())
    }

    fn wanted(&self, len: usize) -> u64 {
        self.producer.wanted(&self.producer.stage(), len)
    }

    fn try_write(&mut self, tag: u32, len: usize) -> bool {
        barrier::cut();
        match self.producer.push(&message(tag, len), tag) {
            Ok(()) => {}
            Err(RingError::Full { .. }) => return false,
            Err(error) => panic!("push: {error:?}"),
        }
        barrier::cut();
        let (own, peer) = (Role::Writer, Role::Reader);
        self.waker.notify(
            self.channel.page(own),
            self.channel.page(peer),
            self.channel.signal(own),
            self.producer.position(),
        );
        barrier::cut();
        true
    }
}

struct Reader {
    channel: Arc<Channel>,
    consumer: Consumer<Arc<Region>>,
    waker: Waker,
    _running: barrier::Running,
}

impl Reader {
    /// The tag of the next message, which is checked and released.
    fn read(&mut self) -> Result<u32, Closed> {
        loop {
            if let Some(tag) = self.try_read() {
                return Ok(tag);
            }
            let ready = || self.consumer.has_record();
            self.channel
                .wait(Role::Reader, self.consumer.cursor() + 1, ready)?;
        }
    }

    fn try_read(&mut self) -> Option<u32> {
        let record = self.consumer.peek().expect("an honest ring")?;
        check(&self.consumer, &record);
        self.consumer.advance(&record);
        barrier::cut();
        self.consumer.release();
        barrier::cut();
        let (own, peer) = (Role::Reader, Role::Writer);
        self.waker.notify(
            self.channel.page(own),
            self.channel.page(peer),
            self.channel.signal(own),
            record.end,
        );
        barrier::cut();
        Some(record.tag)
    }
}

/// Runs both sides of a new channel of `units` units, and whatever else there is.
fn channel(
    units: usize,
    write: impl FnOnce(&mut Writer) + 'static,
    read: impl FnOnce(&mut Reader) + 'static,
) -> (Arc<Channel>, thread::JoinHandle<()>, impl FnOnce()) {
    let shape = shape(units);
    let region = Region::new(shape);
    let (producer, consumer) = both(&region, shape);
    let channel = Arc::new(Channel {
        region,
        signals: [Signal::new(), Signal::new()],
    });
    for role in [Role::Writer, Role::Reader] {
        let state = &channel.page(role).presence.0.state;
        state.store(STATE_OPEN, Ordering::Release);
    }
    let (for_writer, for_reader) = (Arc::clone(&channel), Arc::clone(&channel));
    let writing = thread::spawn(move || {
        let _running = barrier::Running::begin(side(Role::Writer));
        let waker = Waker::new(for_writer.page(Role::Writer));
        write(&mut Writer {
            channel: for_writer,
            producer,
            waker,
            _running,
        });
    });
    let reading = move || {
        let _running = barrier::Running::begin(side(Role::Reader));
        let waker = Waker::new(for_reader.page(Role::Reader));
        read(&mut Reader {
            channel: for_reader,
            consumer,
            waker,
            _running,
        });
    };
    (channel, writing, reading)
}

/// G1, G9: a ring that holds one message, so that each side sleeps for the other in turn: nothing
/// is lost, nobody sleeps for ever.
#[test]
fn loom_a_writer_and_a_reader_wait_for_each_other() {
    model(|| {
        let (_, writing, reading) = channel(
            2,
            |writer| (1..=3).for_each(|tag| writer.write(tag, 8).unwrap()),
            |reader| (1..=3).for_each(|tag| assert_eq!(reader.read(), Ok(tag))),
        );
        reading();
        writing.join().unwrap();
    });
}

/// G9: a writer that wants the room of two messages is woken when the second is released, although
/// the first release was not for it.
#[test]
fn loom_a_writer_that_wants_much_is_woken_for_it() {
    model(|| {
        let (_, writing, reading) = channel(
            4,
            |writer| {
                writer.write(1, 8).unwrap();
                writer.write(2, 8).unwrap();
                writer.write(3, 24).unwrap();
            },
            |reader| (1..=3).for_each(|tag| assert_eq!(reader.read(), Ok(tag))),
        );
        reading();
        writing.join().unwrap();
    });
}

/// G4: a reader that waits gets what was committed before the close, and then the close.
#[test]
fn loom_a_writer_that_closes_ends_the_readers_wait() {
    model(|| {
        let (_, writing, reading) = channel(
            2,
            |writer| {
                writer.write(1, 8).unwrap();
                writer.channel.close(Role::Writer);
            },
            |reader| {
                assert_eq!(reader.read(), Ok(1));
                assert_eq!(reader.read(), Err(Closed));
            },
        );
        reading();
        writing.join().unwrap();
    });
}

/// G4: a writer that waits for room is told that its reader has closed.
#[test]
fn loom_a_reader_that_closes_ends_the_writers_wait() {
    model(|| {
        let (_, writing, reading) = channel(
            2,
            |writer| {
                writer.write(1, 8).unwrap();
                writer.write(2, 8).unwrap();
                assert_eq!(writer.write(3, 8), Err(Closed));
            },
            |reader| {
                assert_eq!(reader.read(), Ok(1));
                reader.channel.close(Role::Reader);
            },
        );
        reading();
        writing.join().unwrap();
    });
}

/// G4, G9: a reader whose sleep times out at any moment gets the message then or in its next sleep.
#[test]
fn loom_a_timeout_of_the_reader_loses_nothing() {
    model(|| {
        let (channel, writing, reading) = channel(
            2,
            |writer| writer.write(1, 8).unwrap(),
            |reader| assert_eq!(reader.read(), Ok(1)),
        );
        let clock = thread::spawn(move || channel.signal(Role::Writer).expire());
        reading();
        writing.join().unwrap();
        clock.join().unwrap();
    });
}

/// G4, G9: so does a writer whose wait for room times out.
#[test]
fn loom_a_timeout_of_the_writer_loses_nothing() {
    model(|| {
        let (channel, writing, reading) = channel(
            2,
            |writer| (1..=2).for_each(|tag| writer.write(tag, 8).unwrap()),
            |reader| (1..=2).for_each(|tag| assert_eq!(reader.read(), Ok(tag))),
        );
        let clock = thread::spawn(move || channel.signal(Role::Reader).expire());
        reading();
        writing.join().unwrap();
        clock.join().unwrap();
    });
}
