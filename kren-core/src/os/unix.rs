//! What Linux and macOS have in common: mapping, page size, and the detection of `fork`.
#![allow(unsafe_code)]

pub(crate) mod fork;

use super::{Failure, Mapping};
use crate::Limit;
use crate::layout::{Geometry, Seat};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;
use std::sync::OnceLock;

/// Until somebody removes it.
pub(crate) const NAMES_STAY: bool = true;

/// Size of a page in bytes.
pub(crate) fn granularity() -> usize {
    static PAGE: OnceLock<usize> = OnceLock::new();
    // SAFETY: sysconf has no preconditions.
    *PAGE.get_or_init(|| unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize)
}

/// The user that this process runs as.
pub(super) fn user() -> libc::uid_t {
    // SAFETY: no preconditions.
    unsafe { libc::geteuid() }
}

/// Refuses a segment that belongs to another user than this process runs as (G8).
pub(super) fn refuse_foreign(owner: libc::uid_t) -> Result<(), Failure> {
    let user = user();
    if owner == user {
        return Ok(());
    }
    Err(Failure::Denied(format!(
        "it belongs to user {owner}, and this process runs as user {user}; if you trust that user, \
         open it with the option 'any owner'"
    )))
}

/// That another user's segment cannot be changed, in the way `what` says.
#[cfg(all(target_os = "linux", not(like_macos)))]
pub(super) fn not_owner(owner: libc::uid_t, what: &str) -> Failure {
    Failure::Denied(format!(
        "it belongs to user {owner}, who alone may {what}, and this process runs as user {}; let that user do it, \
         take the channel as it is (its capacity and alignment, no mode, not 'fresh'), or use another name",
        user()
    ))
}

/// Processors of the machine, also those that this process is kept away from: its peer may run there.
pub(crate) fn processors() -> usize {
    // SAFETY: sysconf has no preconditions.
    let online = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) };
    usize::try_from(online).unwrap_or(1)
}

/// Processors that this thread is allowed to run on.
#[cfg(target_os = "linux")]
pub(crate) fn usable_processors() -> usize {
    // SAFETY: an all-zero set is valid, and writable at the length given.
    let count = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        match libc::sched_getaffinity(0, size_of_val(&set), &raw mut set) {
            0 => libc::CPU_COUNT(&set),
            // A machine of more processors than the set has room for.
            _ => return processors(),
        }
    };
    usize::try_from(count).unwrap_or(1)
}

/// Processors that this process may run on: this system lets each use all.
#[cfg(not(target_os = "linux"))]
pub(crate) fn usable_processors() -> usize {
    processors()
}

/// Leaves the process's signals to its other threads: one that the kernel gives to the calling thread would not interrupt a call
/// of the main thread that blocks.
pub(crate) fn leave_signals_to_others() {
    // SAFETY: `all` is initialised by sigfillset before it is read, and the mask is this thread's own.
    unsafe {
        let mut all = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, std::ptr::null_mut());
    }
}

/// Maps a segment for the holder of one seat, or for somebody who only looks; keeps M1 to M3 of [`Mapping`].
///
/// A page in front of it and one behind stay out of reach: an access that leaves the mapping is a fault, and
/// not a look at whatever the kernel has put there (G7).
pub(super) fn map(
    fd: BorrowedFd<'_>,
    geometry: Geometry,
    seat: Option<Seat>,
    prefault: bool,
) -> Result<Mapping, Failure> {
    let data_offset = geometry.data_offset();
    let data_len = geometry.data_len();
    let once = data_offset + data_len;
    let protection = match seat {
        Some(Seat::WRITER) => libc::PROT_READ | libc::PROT_WRITE,
        _ => libc::PROT_READ,
    };
    let flags = libc::MAP_SHARED | libc::MAP_FIXED | if prefault { POPULATE } else { 0 };

    let guard = granularity();
    // SAFETY: a fresh reservation at an address the kernel chooses disturbs nothing.
    let reserved = unsafe {
        libc::mmap(
            ptr::null_mut(),
            guard + once + data_len + guard,
            libc::PROT_NONE,
            libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_NORESERVE,
            -1,
            0,
        )
    };
    let total = (guard + once + data_len + guard) as u64;
    if reserved == libc::MAP_FAILED {
        return Err(no_mapping("mmap", total));
    }
    // SAFETY: inside the reservation.
    let base = unsafe { reserved.cast::<u8>().add(guard) };
    // From here on dropping `mapping` gives the reservation back.
    let mapping = Mapping::new(base, geometry, unmap);

    let place = |at: usize, len: usize, offset: usize| -> Result<(), Failure> {
        // SAFETY: `at..at + len` lies inside the reservation made above, which nobody else uses.
        let mapped = unsafe {
            libc::mmap(
                base.add(at).cast(),
                len,
                protection,
                flags,
                fd.as_raw_fd(),
                offset as libc::off_t,
            )
        };
        if mapped == libc::MAP_FAILED {
            Err(no_mapping("mmap", total))
        } else {
            Ok(())
        }
    };
    place(0, once, 0)?;
    if data_len > 0 {
        place(once, data_len, data_offset)?;
    }

    let protect = |at: usize, len: usize, protection: i32| -> Result<(), Failure> {
        // SAFETY: whole pages of our own mapping; nothing has a reference into them yet.
        match unsafe { libc::mprotect(base.add(at).cast(), len, protection) } {
            0 => Ok(()),
            _ => Err(no_mapping("mprotect", total)),
        }
    };
    let page = geometry.granularity;
    const BOTH: i32 = libc::PROT_READ | libc::PROT_WRITE;
    match seat {
        Some(Seat::WRITER) => {
            protect(0, page, libc::PROT_READ)?;
            if geometry.readers > 0 {
                let readers = geometry.page_offset(Seat::READER);
                protect(readers, geometry.readers * page, libc::PROT_READ)?;
            }
        }
        Some(seat) => {
            if seat != Seat::NONE {
                protect(geometry.page_offset(seat), page, BOTH)?;
            }
            if let Some(commons) = geometry.commons_offset() {
                protect(commons, page, BOTH)?;
            }
        }
        None => {}
    }
    Ok(mapping)
}

/// Why `call`, on the way to a mapping of `needed` bytes, has just failed.
fn no_mapping(call: &'static str, needed: u64) -> Failure {
    let failure = Failure::last(call);
    let limit = match failure {
        // As Linux answers a process that locks all it maps.
        Failure::Call {
            code: libc::EAGAIN, ..
        } => Limit::LockedMemory,
        Failure::Call {
            code: libc::ENOMEM, ..
        } if has_no_mapping_left() => Limit::Mappings,
        Failure::Call {
            code: libc::ENOMEM, ..
        } => Limit::AddressSpace,
        failure => return failure,
    };
    Failure::NoMemory {
        needed,
        available: None,
        limit,
    }
}

/// Whether this process has about as many mappings as it may.
#[cfg(target_os = "linux")]
fn has_no_mapping_left() -> bool {
    /// More than an endpoint takes.
    const FEW: usize = 16;
    let most = std::fs::read_to_string("/proc/sys/vm/max_map_count");
    let most = most.ok().and_then(|most| most.trim().parse().ok());
    let maps = std::fs::read("/proc/self/maps").unwrap_or_default();
    let count = maps.split(|byte| *byte == b'\n').count();
    most.is_some_and(|most: usize| count + FEW > most)
}
#[cfg(not(target_os = "linux"))]
fn has_no_mapping_left() -> bool {
    false
}

#[cfg(target_os = "linux")]
const POPULATE: i32 = libc::MAP_POPULATE;
#[cfg(not(target_os = "linux"))]
const POPULATE: i32 = 0;

fn unmap(base: *mut u8, geometry: &Geometry) {
    let guard = granularity();
    // SAFETY: exactly the range that `map` reserved; `Mapping` calls this once, at its end.
    unsafe {
        libc::munmap(
            base.sub(guard).cast(),
            guard + geometry.data_offset() + 2 * geometry.data_len() + guard,
        );
    }
}
