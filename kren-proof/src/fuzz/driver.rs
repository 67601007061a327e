//! A fuzzer for the stable toolchain: mutates a corpus, keeps what behaves in a new way, and says
//! which input it was if something breaks. Where cargo-fuzz is installed it does better.

use super::{Outcome, Target};
use fastrand::Rng;
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// An input that takes longer than this hangs.
const HANG: Duration = Duration::from_secs(120);
/// Longer inputs only take longer.
const LONGEST: usize = 4096;

/// What one target went through.
pub(super) struct Found {
    pub(super) runs: u64,
    pub(super) behaviours: usize,
    pub(super) longest: Duration,
    /// Where the input lies that broke something.
    pub(super) broken: Option<PathBuf>,
}

/// Runs `target` on its corpus, then on mutations of it for `span`.
pub(super) fn fuzz(target: &Target, corpus: &Path, seed: u64, span: Duration) -> Found {
    let mut pool = load(&corpus.join(target.name));
    let mut rng = Rng::with_seed(seed);
    let mut seen = HashSet::new();
    let mut found = Found {
        runs: 0,
        behaviours: 0,
        longest: Duration::ZERO,
        broken: None,
    };
    let current = current();
    let watchdog = Watchdog::start(current.clone());

    let end = Instant::now() + span;
    let given = pool.len();
    for turn in 0.. {
        let input = match turn < given {
            true => pool[turn].clone(),
            false if Instant::now() >= end => break,
            false => mutate(&pool, &mut rng),
        };
        // Written first: a crash or a hang leaves it there to be looked at.
        fs::write(&current, &input).expect("the temporary folder takes a small file");
        let started = Instant::now();
        let run = std::panic::catch_unwind(|| {
            let mut outcome = Outcome::default();
            (target.run)(&input, &mut outcome);
            outcome.signature()
        });
        watchdog.runs.fetch_add(1, Ordering::Relaxed);
        found.longest = found.longest.max(started.elapsed());
        found.runs += 1;
        match run {
            Ok(signature) => {
                if seen.insert(signature) && turn >= given {
                    pool.push(input);
                }
            }
            Err(_) => {
                let kept = current.with_extension(target.name);
                let _ = fs::rename(&current, &kept);
                found.broken = Some(kept);
                break;
            }
        }
    }
    let _ = fs::remove_file(&current);
    found.behaviours = seen.len();
    found
}

/// Where the input lies that is being run.
pub(super) fn current() -> PathBuf {
    std::env::temp_dir().join(format!("kren-fuzz-{}-input", std::process::id()))
}

fn load(folder: &Path) -> Vec<Vec<u8>> {
    let mut paths: Vec<_> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    let mut pool: Vec<_> = paths
        .iter()
        .filter_map(|path| fs::read(path).ok())
        .collect();
    if pool.is_empty() {
        pool.push(vec![1; 16]);
    }
    pool
}

fn mutate(pool: &[Vec<u8>], rng: &mut Rng) -> Vec<u8> {
    // The newest behave in ways that few others do.
    let newest = pool.len().saturating_sub(32);
    let choose = |rng: &mut Rng| match rng.bool() {
        true => pool[rng.usize(..pool.len())].clone(),
        false => pool[rng.usize(newest..pool.len())].clone(),
    };
    let mut input = choose(rng);
    for _ in 0..=rng.usize(..4) {
        let at = rng.usize(..input.len() + 1);
        match rng.usize(..7) {
            0 => input.insert(at, rng.u8(..)),
            1 if at < input.len() => drop(input.remove(at)),
            2..=3 if at < input.len() => input[at] = rng.u8(..),
            4 if at < input.len() => input[at] ^= 1 << rng.usize(..8),
            5 => {
                let other = choose(rng);
                let from = rng.usize(..other.len() + 1);
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
            _ => {
                let interesting = [
                    0,
                    1,
                    7,
                    8,
                    9,
                    4088,
                    4096,
                    4097,
                    8192,
                    1 << 62,
                    u64::MAX - 7,
                    u64::MAX,
                ];
                let word = interesting[rng.usize(..interesting.len())].to_le_bytes();
                input.splice(at..(at + 8).min(input.len()), word);
            }
        }
    }
    input.truncate(LONGEST);
    input
}

/// Ends the process when one run takes too long, since nothing else can.
struct Watchdog {
    runs: std::sync::Arc<AtomicU64>,
}

impl Watchdog {
    fn start(current: PathBuf) -> Self {
        let runs = std::sync::Arc::new(AtomicU64::new(0));
        let weak = std::sync::Arc::downgrade(&runs);
        std::thread::spawn(move || {
            let mut last = (u64::MAX, Instant::now());
            while let Some(runs) = weak.upgrade() {
                let now = runs.load(Ordering::Relaxed);
                drop(runs);
                if now != last.0 {
                    last = (now, Instant::now());
                } else if last.1.elapsed() > HANG {
                    eprintln!("FAILED: an input hangs; it is in {}", current.display());
                    std::process::abort();
                }
                std::thread::sleep(Duration::from_millis(500));
            }
        });
        Self { runs }
    }
}
