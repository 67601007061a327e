//! What the machine itself can do.

use std::hint::{black_box, spin_loop};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Polls after which a thread lets others run: the two may have one processor.
const PATIENCE: u32 = 10_000;

/// Nanoseconds for a word to another thread and back.
pub(super) fn bounce(turn: Duration) -> f64 {
    /// Alone on its lines.
    #[repr(align(128))]
    struct Word(AtomicU64);
    const END: u64 = u64::MAX;
    let (there, back) = (Word(AtomicU64::new(0)), Word(AtomicU64::new(0)));
    let wait = |word: &Word, last: u64| {
        let mut polls = 0;
        loop {
            // Acquire: pairs with the Release stores of the other thread.
            let found = word.0.load(Ordering::Acquire);
            if found != last {
                return found;
            }
            polls += 1;
            match polls % PATIENCE {
                0 => std::thread::yield_now(),
                _ => spin_loop(),
            }
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut last = 0;
            while last != END {
                last = wait(&there, last);
                // Release: pairs with the Acquire load in `wait`.
                back.0.store(last, Ordering::Release);
            }
        });
        let start = Instant::now();
        let mut trips = 0_u64;
        while !trips.is_multiple_of(256) || start.elapsed() < turn {
            trips += 1;
            // Release: as above.
            there.0.store(trips, Ordering::Release);
            wait(&back, trips - 1);
        }
        let passed = start.elapsed();
        there.0.store(END, Ordering::Release);
        passed.as_nanos() as f64 / trips as f64
    })
}

/// Bytes each second that one thread copies within its caches.
pub(super) fn copy(turn: Duration) -> f64 {
    const LEN: usize = 128 * 1024;
    let from = vec![1_u8; LEN];
    let mut to = vec![0_u8; LEN];
    let start = Instant::now();
    let mut copies = 0_u64;
    while start.elapsed() < turn {
        for _ in 0..16 {
            to.copy_from_slice(black_box(&from));
            black_box(&to);
        }
        copies += 16;
    }
    (copies * LEN as u64) as f64 / start.elapsed().as_secs_f64()
}
