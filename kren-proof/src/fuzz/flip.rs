//! Bytes that change while they are read (G7): a thread stores at random into the segment under a
//! live writer and a live reader, as a hostile process could.
#![allow(unsafe_code)]

use super::channel::Channel;
use super::input::Input;
use super::outcome::Outcome;
use kren_core::{Error, KrenReader, KrenWriter, Lease, Message};
use std::collections::VecDeque;
use std::fs::OpenOptions;
use std::os::fd::AsRawFd as _;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

const CAPACITY: usize = 4096;
const MOMENT: Duration = Duration::from_micros(200);

/// The first bytes say what the vandal stores where, the others what the two sides do.
pub(super) fn run(data: &[u8], outcome: &mut Outcome) {
    let mut input = Input::new(data);
    let channel = Channel::new();
    let mut writer = KrenWriter::create(&channel.name, CAPACITY).expect("the name is new");
    let mut reader = KrenReader::connect(&channel.name).expect("there is no reader");
    let shared = Shared::map(&channel);
    let script = script(&mut input, shared.len);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let vandal = scope.spawn(|| vandal(&shared, &script, &done));
        let stop = OnDrop(&done);
        let mut held = VecDeque::new();
        while !input.is_empty() {
            act(&mut writer, &mut reader, &mut held, &mut input, outcome);
        }
        drop(stop);
        // Joined, so that nothing of the thread is left for a leak checker to wonder about.
        vandal.join().expect("stores cannot fail");
    });
    drop((writer, reader));
    let fresh = KrenWriter::options()
        .fresh(true)
        .create(&channel.name, CAPACITY);
    fresh.unwrap_or_else(|error| panic!("'fresh' was refused: {error}"));
}

/// A word and the values it takes in turn.
pub(super) struct Stroke {
    pub(super) word: usize,
    pub(super) values: [u64; 2],
}

fn script(input: &mut Input<'_>, len: usize) -> Vec<Stroke> {
    let strokes = 1 + input.below(6);
    (0..strokes)
        .map(|_| {
            let kind = input.u8();
            let place = input.below(len / 8);
            // Positions, tickets, states and the first record headers are hit more often.
            let word = match kind % 8 {
                0 => 4096 / 8,
                1 => 2 * 4096 / 8,
                2 => (4096 + 256) / 8,
                3 => (2 * 4096 + 256) / 8,
                4 => (4096 * (1 + place % 2) + 384) / 8,
                5 | 6 => 3 * 4096 / 8 + place % 64,
                _ => place,
            };
            let value = |input: &mut Input<'_>| match input.u8() % 4 {
                0 => input.u64(),
                1 => u64::from(input.u16()),
                2 => u64::from(input.u16()) << 3,
                _ => 0,
            };
            Stroke {
                word,
                values: [value(input), value(input)],
            }
        })
        .collect()
}

pub(super) fn vandal(shared: &Shared, script: &[Stroke], done: &AtomicBool) {
    let mut turn = 0;
    while !done.load(Ordering::Relaxed) {
        for stroke in script {
            shared
                .word(stroke.word)
                .store(stroke.values[turn % 2], Ordering::Relaxed);
        }
        turn += 1;
        if turn % 16 == 0 {
            // Lets a sound moment pass, so that the two sides get somewhere.
            std::thread::yield_now();
        }
    }
}

/// One call on one of the sides. Any answer will do, so long as it comes and points at the ring.
fn act(
    writer: &mut KrenWriter,
    reader: &mut KrenReader,
    held: &mut VecDeque<Lease>,
    input: &mut Input<'_>,
    outcome: &mut Outcome,
) {
    let kind = input.u8();
    let len = input.below(CAPACITY + 8);
    let result = match kind % 9 {
        0..=1 => writer.try_write(&vec![3; len]),
        2 => writer.write_timeout(&vec![4; len], MOMENT),
        3 => writer.try_reserve(len).and_then(|mut slot| {
            slot.fill(5);
            slot.commit_len(len / 2)
        }),
        4..=5 => reader
            .try_read()
            .map(|message| message.as_deref().map_or((), touch)),
        6 => reader.try_read().map(|message| {
            held.extend(message.map(Message::into_lease));
            held.iter().for_each(|lease| touch(lease));
            // From either end, so that some are released out of order.
            if held.len() > 3 {
                drop(if len.is_multiple_of(2) {
                    held.pop_front()
                } else {
                    held.pop_back()
                });
            }
        }),
        7 => reader.read_timeout(MOMENT).map(|message| touch(&message)),
        _ => {
            let _ = (writer.available(), reader.available());
            let _ = (writer.reader_state(), reader.writer_state());
            writer.drain(Duration::ZERO)
        }
    };
    if let Err(error) = result {
        let is_known = matches!(
            error,
            Error::Corrupt { .. }
                | Error::Full { .. }
                | Error::TimedOut { .. }
                | Error::TooLarge { .. }
                | Error::Closed { .. }
                | Error::PeerDied { .. }
        );
        assert!(is_known, "hostile bytes made a call say: {error}");
        outcome.saw(kind % 9);
        outcome.failed(&error);
    }
}

/// Loads every byte, so that one outside the mapping would be met.
pub(super) fn touch(message: &[u8]) {
    assert!(
        message.len() <= CAPACITY - 8,
        "a message of {} bytes",
        message.len()
    );
    std::hint::black_box(
        message
            .iter()
            .fold(0_u8, |sum, byte| sum.wrapping_add(*byte)),
    );
}

/// Stores true when it goes, also in a panic: or the vandal would never end.
pub(super) struct OnDrop<'a>(pub(super) &'a AtomicBool);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A segment as a process maps it that respects nothing.
pub(super) struct Shared {
    base: *const AtomicU64,
    len: usize,
}

// SAFETY: all that is reached through it are atomics.
unsafe impl Sync for Shared {}

impl Shared {
    pub(super) fn map(channel: &Channel) -> Self {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(channel.path());
        let file = file.expect("the channel exists");
        let len = file.metadata().expect("a file has a size").len() as usize;
        // SAFETY: a new mapping at an address the kernel chooses disturbs nothing.
        let base = unsafe {
            let protection = libc::PROT_READ | libc::PROT_WRITE;
            libc::mmap(
                ptr::null_mut(),
                len,
                protection,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        assert_ne!(base, libc::MAP_FAILED, "a segment can be mapped");
        Self {
            base: base.cast::<AtomicU64>().cast_const(),
            len,
        }
    }

    fn word(&self, at: usize) -> &AtomicU64 {
        assert!(at < self.len / 8);
        // SAFETY: inside the mapping and aligned; any value is a valid u64.
        unsafe { &*self.base.add(at) }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: what `map` has mapped, and no reference is left.
        unsafe {
            libc::munmap(self.base.cast_mut().cast(), self.len);
        }
    }
}
