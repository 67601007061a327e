//! What one process measures by itself: the limits of memory, and calls that need no second process.
#![allow(unsafe_code)]

use std::cell::RefCell;
use std::hint::black_box;

use crate::payload::{self, Counted, Numbers as _, Payload};
use crate::transports::kren;
use crate::{Result, clock};

/// What is measured, on which messages.
pub(crate) struct Task<'a> {
    pub(crate) what: &'a str,
    pub(crate) session: &'a str,
    pub(crate) size: usize,
    pub(crate) capacity: usize,
    pub(crate) count: u64,
}

/// Nanoseconds: one figure for all of `count`, or one for each.
pub(crate) fn run(task: &Task<'_>) -> Result<Vec<u64>> {
    let &Task {
        what,
        session,
        size,
        capacity,
        count,
    } = task;
    match what {
        "copy" => Ok(vec![copy(size, capacity, count)]),
        "two-copies" => Ok(vec![two_copies(size, count)]),
        "bandwidth" => Ok(vec![bandwidth(size, count)]),
        "reading" => Ok(vec![reading(size, count)]),
        "work" => Ok(vec![work(count)]),
        "one-thread" => Ok(vec![kren::one_thread(session, size, capacity, count)?]),
        "reserve" => (0..count)
            .map(|number| reserve(&format!("{session}-{number}"), capacity))
            .collect(),
        "first-message" => kren::first_messages(session, capacity, count),
        other => Err(format!("there is no task called {other}").into()),
    }
}

/// The limit "copy": one core copies messages into a ring and reads each back.
fn copy(size: usize, capacity: usize, count: u64) -> u64 {
    let mut ring = vec![1u8; capacity.max(size)];
    let mut payload = Payload::new(size);
    let last = ring.len() - size;
    let mut at = 0;
    let mut sum = 0u64;
    let start = clock::monotonic();
    for number in 0..count {
        let slot = &mut ring[at..at + size];
        slot.copy_from_slice(payload.numbered(number));
        sum = sum.wrapping_add(payload::read(black_box(slot)));
        at = if at + size > last { 0 } else { at + size };
    }
    let ns = clock::monotonic() - start;
    assert_eq!(sum, Counted::expected(size, count));
    ns
}

/// Each message copied twice, between memory that stays in the cache where it fits: what handing over by
/// copying in and copying out cannot go below.
fn two_copies(size: usize, count: u64) -> u64 {
    let mut payload = Payload::new(size);
    let (mut middle, mut end) = (vec![1u8; size], vec![1u8; size]);
    let start = clock::monotonic();
    for number in 0..count {
        black_box(&mut middle).copy_from_slice(payload.numbered(number));
        black_box(&mut end).copy_from_slice(&middle);
    }
    black_box(&end);
    clock::monotonic() - start
}

thread_local! {
    // Kept: to have such memory anew for every round would take longer than the copying.
    static MEMORY: RefCell<[Vec<u8>; 2]> = const { RefCell::new([vec![], vec![]]) };
}

/// Copies `size` bytes, `count` times.
fn bandwidth(size: usize, count: u64) -> u64 {
    MEMORY.with_borrow_mut(|[from, to]| {
        from.resize(size, 1);
        to.resize(size, 2);
        let start = clock::monotonic();
        for _ in 0..count {
            black_box(&mut *to).copy_from_slice(black_box(from));
        }
        clock::monotonic() - start
    })
}

/// Reads `size` bytes as the readers of messages do, `count` times.
fn reading(size: usize, count: u64) -> u64 {
    MEMORY.with_borrow_mut(|[from, _]| {
        from.resize(size, 1);
        let start = clock::monotonic();
        for _ in 0..count {
            black_box(payload::read(black_box(from)));
        }
        clock::monotonic() - start
    })
}

/// Arithmetic that fills what a core can do at once, so that two processors that share one slow each other.
fn work(count: u64) -> u64 {
    let mut words = [1u64, 2, 3, 4, 5, 6, 7, 8];
    let start = clock::monotonic();
    for number in 0..count {
        for word in &mut words {
            *word = word.wrapping_add(number).rotate_left(7) ^ number;
        }
    }
    black_box(words);
    clock::monotonic() - start
}

/// Nanoseconds to reserve and map shared memory for a ring of `capacity` bytes and write to its first page, with
/// nothing else: what any channel must pay.
#[cfg(target_os = "linux")]
fn reserve(name: &str, capacity: usize) -> Result<u64> {
    use std::fs::{self, File};
    use std::os::fd::AsRawFd as _;

    let path = crate::transports::memory_directory().join(name);
    let start = clock::monotonic();
    let file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)?;
    // SAFETY: a call without pointers on an open descriptor.
    let refused = unsafe { libc::fallocate(file.as_raw_fd(), 0, 0, capacity as libc::off_t) };
    let failed = std::io::Error::last_os_error();
    // SAFETY: a new mapping of bytes that the file has, once `refused` is 0.
    let base = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            capacity,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED,
            file.as_raw_fd(),
            0,
        )
    };
    let mapped = refused == 0 && base != libc::MAP_FAILED;
    if mapped {
        // SAFETY: the first byte of the mapping, which nobody else knows.
        unsafe { base.cast::<u8>().write_volatile(1) };
    }
    let ns = clock::monotonic() - start;
    if base != libc::MAP_FAILED {
        // SAFETY: mapped above; nothing refers to it.
        unsafe { libc::munmap(base, capacity) };
    }
    fs::remove_file(&path)?;
    if mapped { Ok(ns) } else { Err(failed.into()) }
}

#[cfg(not(target_os = "linux"))]
fn reserve(_name: &str, _capacity: usize) -> Result<u64> {
    Err("reserving memory is measured on Linux only".into())
}
