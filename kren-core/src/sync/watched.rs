//! The model's atomics: loom's, which know where they are used and with which ordering.
//!
//! Each place that asks for more than `Relaxed` is noted, and one place can be made to get less
//! than it asks for. A model that passes all the same does not depend on that ordering; the check
//! that goes over all of them is `crate::models::orderings`.

use loom::sync::atomic::Ordering;
use std::collections::BTreeSet;
use std::fmt;
use std::panic::Location;
use std::sync::{Mutex, OnceLock};

/// The environment variable that names the place to be weakened, as a [`Site`] is displayed.
pub(crate) const WEAKENED: &str = "KREN_WEAKENED_ORDERING";

/// One place in the source that asks for an ordering: `file:line:column`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Site {
    file: &'static str,
    line: u32,
    column: u32,
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

static SEEN: Mutex<BTreeSet<Site>> = Mutex::new(BTreeSet::new());

/// The places that this process's models have come by so far.
pub(crate) fn seen() -> Vec<String> {
    let seen = SEEN.lock().expect("nothing panics under it");
    seen.iter().map(ToString::to_string).collect()
}

/// The ordering to use at the caller's place: what it asks for, or, where it is to be weakened, the
/// next weaker one. That is `Relaxed` in place of `Acquire` and `Release`, and `AcqRel` in place of
/// `SeqCst`, which loom knows in fences alone.
#[track_caller]
fn granted(asked: Ordering) -> Ordering {
    if asked == Ordering::Relaxed {
        return asked;
    }
    let here = Location::caller();
    let site = Site {
        file: here.file(),
        line: here.line(),
        column: here.column(),
    };
    SEEN.lock().expect("nothing panics under it").insert(site);
    if !is_weakened(site) {
        return asked;
    }
    match asked {
        Ordering::SeqCst => Ordering::AcqRel,
        _ => Ordering::Relaxed,
    }
}

fn is_weakened(site: Site) -> bool {
    static CHOSEN: OnceLock<Option<String>> = OnceLock::new();
    let chosen = CHOSEN.get_or_init(|| std::env::var(WEAKENED).ok());
    chosen
        .as_ref()
        .is_some_and(|chosen| *chosen == site.to_string())
}

#[track_caller]
pub(crate) fn fence(order: Ordering) {
    loom::sync::atomic::fence(granted(order));
}

macro_rules! watched {
    ($atomic:ident, $number:ty) => {
        #[derive(Debug)]
        pub(crate) struct $atomic(loom::sync::atomic::$atomic);

        impl $atomic {
            #[track_caller]
            pub(crate) fn new(value: $number) -> Self {
                Self(loom::sync::atomic::$atomic::new(value))
            }

            #[track_caller]
            pub(crate) fn load(&self, order: Ordering) -> $number {
                self.0.load(granted(order))
            }

            #[track_caller]
            pub(crate) fn store(&self, value: $number, order: Ordering) {
                self.0.store(value, granted(order));
            }

            #[track_caller]
            pub(crate) fn swap(&self, value: $number, order: Ordering) -> $number {
                self.0.swap(value, granted(order))
            }

            #[track_caller]
            pub(crate) fn fetch_or(&self, bits: $number, order: Ordering) -> $number {
                self.0.fetch_or(bits, granted(order))
            }

            #[track_caller]
            pub(crate) fn fetch_add(&self, value: $number, order: Ordering) -> $number {
                self.0.fetch_add(value, granted(order))
            }
        }
    };
}

watched!(AtomicU32, u32);
watched!(AtomicU64, u64);
