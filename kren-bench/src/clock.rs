//! The clocks of this process: time that other processes share, processor time, context switches.
#![allow(unsafe_code)]

/// Nanoseconds of the clock that every process of this machine reads alike; Python's
/// `time.monotonic_ns` and Node's `process.hrtime` read the same one.
pub(crate) fn monotonic() -> u64 {
    read(libc::CLOCK_MONOTONIC)
}

/// Nanoseconds of processor time that all threads of this process have used.
pub(crate) fn processor() -> u64 {
    read(libc::CLOCK_PROCESS_CPUTIME_ID)
}

fn read(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` outlives the call, and both clocks exist on every Unix.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Nanoseconds of processor time that this process and those that it has waited for have used.
pub(crate) fn processor_with_children() -> u64 {
    let of = |who| {
        // SAFETY: a zeroed rusage is valid, and it outlives the call.
        let usage = unsafe {
            let mut usage: libc::rusage = std::mem::zeroed();
            libc::getrusage(who, &raw mut usage);
            usage
        };
        let ns =
            |time: libc::timeval| time.tv_sec as u64 * 1_000_000_000 + time.tv_usec as u64 * 1000;
        ns(usage.ru_utime) + ns(usage.ru_stime)
    };
    of(libc::RUSAGE_SELF) + of(libc::RUSAGE_CHILDREN)
}

/// How often this process has been switched away from, willingly or not.
pub(crate) fn switches() -> u64 {
    // SAFETY: a zeroed rusage is valid, and it outlives the call.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    (usage.ru_nvcsw + usage.ru_nivcsw) as u64
}

/// Keeps the processor busy until `monotonic` reads `end`.
pub(crate) fn busy_until(end: u64) {
    while monotonic() < end {
        std::hint::spin_loop();
    }
}

/// Sleeps until `monotonic` reads `end`.
pub(crate) fn sleep_until(end: u64) {
    let left = end.saturating_sub(monotonic());
    std::thread::sleep(std::time::Duration::from_nanos(left));
}
