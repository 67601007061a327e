//! Memory for long messages that is not given back to the system, and asked for again, at every turn.
//!
//! V8 frees the blocks of Buffers in bursts. glibc then cuts off the end of its heap, and each page of the next
//! block is a page fault again: a read of 1 MiB takes eight times as long. How much it keeps grows by itself when a
//! block that was mapped apart is freed: it takes that as what the program uses. One such block, of just the size that
//! counts and never touched, teaches it once and for all. A user who has set these limits is not overruled: glibc
//! learns nothing then, and it is not tried.

use std::hint::black_box;
use std::sync::Once;

/// From here on a message is long.
pub(crate) const LONG: usize = 32 * 1024;

/// The largest block that glibc learns from has 32 MiB, its own header and what fills its last page included.
const LESSON: usize = (32 << 20) - (64 << 10);

/// To be called before memory for long messages is allocated; does its work once per process.
pub(crate) fn expect_long() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if !cfg!(all(target_os = "linux", target_env = "gnu")) || is_set_by_user() {
            return;
        }
        let mut lesson: Vec<u8> = Vec::new();
        // Refused under a tight limit of address space: then it stays as it is.
        let _ = lesson.try_reserve_exact(LESSON);
        // The compiler must not see that nobody uses it.
        drop(black_box(lesson));
    });
}

/// Whether the environment says what glibc is to keep; other settings of its have nothing to do with that.
fn is_set_by_user() -> bool {
    const VARIABLES: [&str; 4] = [
        "MALLOC_TRIM_THRESHOLD_",
        "MALLOC_TOP_PAD_",
        "MALLOC_MMAP_THRESHOLD_",
        "MALLOC_MMAP_MAX_",
    ];
    const TUNABLES: [&str; 4] = [
        "glibc.malloc.trim_threshold",
        "glibc.malloc.top_pad",
        "glibc.malloc.mmap_threshold",
        "glibc.malloc.mmap_max",
    ];
    let tunables = std::env::var("GLIBC_TUNABLES").unwrap_or_default();
    VARIABLES
        .iter()
        .any(|name| std::env::var_os(name).is_some())
        || TUNABLES.iter().any(|name| tunables.contains(name))
}
