//! Memory for a segment: what there is, by every limit that is known, and how it is taken (G6).
#![allow(unsafe_code)]

use super::{DIRECTORY, group};
use crate::Limit;
use crate::os::{Failure, GoOn};
use std::fs;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::{Duration, Instant};

/// Bytes taken with one call, so that none is long: a signal ends a call, and on kernels before 2024 takes
/// back all that it has done. A multiple of the large pages that the file system may be made of.
const PIECE: u64 = 2 << 20;
/// How much is taken before the limits are looked at again: others take memory meanwhile.
const BETWEEN_LOOKS: u64 = 64 << 20;
/// How often the caller is asked whether to go on. Asking may mean a wait for an interpreter.
const BETWEEN_QUESTIONS: Duration = Duration::from_millis(20);

/// Refuses before the kernel is asked for memory that cannot be there.
///
/// It would hand out everything it has before it noticed, and then end a process, this one or a neighbour; and it
/// answers a file size limit with a signal.
pub(super) fn refuse_if_too_large(len: u64) -> Result<(), Failure> {
    if let Some(limit) = file_size_limit().filter(|limit| *limit < len) {
        return Err(short(len, Some(limit), Limit::FileSize));
    }
    let system = FileSystem::look();
    if system.as_ref().is_some_and(FileSystem::has_no_file_left) {
        return Err(short(len, None, Limit::Files));
    }
    if let Some(free) = system
        .and_then(|system| system.free())
        .filter(|free| *free < len)
    {
        return Err(short(len, Some(free), Limit::FileSystem));
    }
    refuse_if_scarce(len, len)
}

/// Sizes the file and takes every page of it now (G6).
pub(super) fn reserve(file: BorrowedFd<'_>, len: u64, go_on: GoOn<'_>) -> Result<(), Failure> {
    let mut asked = Instant::now();
    let mut at = 0;
    while at < len {
        if at > 0 && at % BETWEEN_LOOKS == 0 {
            refuse_if_scarce(len, len - at)?;
        }
        let piece = PIECE.min(len - at);
        take(file, at, piece, len)?;
        at += piece;
        if asked.elapsed() >= BETWEEN_QUESTIONS {
            if !go_on() {
                return Err(Failure::Stopped);
            }
            asked = Instant::now();
        }
    }
    Ok(())
}

/// Takes one piece of a file that will have `len` bytes.
fn take(file: BorrowedFd<'_>, at: u64, piece: u64, len: u64) -> Result<(), Failure> {
    // SAFETY: no preconditions.
    let taken =
        unsafe { libc::fallocate(file.as_raw_fd(), 0, at as libc::off_t, piece as libc::off_t) };
    if taken == 0 {
        return Ok(());
    }
    match last_code() {
        // A file system without the call (ramfs), or a signal: the next one may come before the call has
        // done anything again. Written pages stay.
        libc::EINTR | libc::EOPNOTSUPP | libc::ENOSYS => fill(file, at, piece, len),
        code => Err(no_space("fallocate", code, len)),
    }
}

/// Takes memory by writing zeros.
fn fill(file: BorrowedFd<'_>, mut at: u64, piece: u64, len: u64) -> Result<(), Failure> {
    static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];
    let end = at + piece;
    while at < end {
        let count = ZEROS.len().min((end - at) as usize);
        // SAFETY: that many bytes are readable.
        let written = unsafe {
            libc::pwrite(
                file.as_raw_fd(),
                ZEROS.as_ptr().cast(),
                count,
                at as libc::off_t,
            )
        };
        match u64::try_from(written) {
            Ok(written) => at += written,
            Err(_) => match last_code() {
                libc::EINTR => {}
                code => return Err(no_space("pwrite", code, len)),
            },
        }
    }
    Ok(())
}

/// What `code` of a call that makes, names or fills a segment of `len` bytes comes to.
pub(super) fn no_space(call: &'static str, code: i32, len: u64) -> Failure {
    let limit = match code {
        libc::ENOSPC if FileSystem::look().is_some_and(|found| found.has_no_file_left()) => {
            return short(len, None, Limit::Files);
        }
        libc::ENOSPC => Limit::FileSystem,
        libc::EDQUOT => Limit::Quota,
        libc::ENOMEM => Limit::Machine,
        libc::EFBIG => Limit::FileSize,
        code => return Failure::Call { call, code },
    };
    let available = match limit {
        Limit::FileSystem => FileSystem::look().and_then(|system| system.free()),
        Limit::FileSize => file_size_limit(),
        _ => None,
    };
    // What is left for all is no figure where one may not have it.
    short(len, available.filter(|available| *available < len), limit)
}

fn short(needed: u64, available: Option<u64>, limit: Limit) -> Failure {
    Failure::NoMemory {
        needed,
        available,
        limit,
    }
}

/// Refuses what the machine, or a control group of this process, has no memory for: `more` bytes of the
/// `len` that a segment takes in all.
fn refuse_if_scarce(len: u64, more: u64) -> Result<(), Failure> {
    // The kernel's own share: a page's entries in the file and in the tables of two processes.
    let needed = more.saturating_add(more / 64);
    let machine = Machine::look(needed);
    let less_own_share = |available: u64| (len - more) + (available - available / 64);
    if let Some(short_group) = group::shortest(needed, machine.free_swap) {
        let limit = Limit::Group {
            file: short_group.limit.display().to_string().into(),
        };
        return Err(short(
            len,
            Some(less_own_share(short_group.available)),
            limit,
        ));
    }
    match machine.available {
        Some(available) if available < needed => {
            Err(short(len, Some(less_own_share(available)), Limit::Machine))
        }
        _ => Ok(()),
    }
}

/// What the machine has.
struct Machine {
    /// Memory and swap; `None` if not known, or more than was asked about.
    available: Option<u64>,
    free_swap: u64,
}

impl Machine {
    #[allow(clippy::cast_lossless, reason = "on 32-bit systems shorter words")]
    fn look(needed: u64) -> Self {
        // SAFETY: an all-zero sysinfo is valid, and `found` is writable.
        let (free, free_swap) = unsafe {
            let mut found: libc::sysinfo = std::mem::zeroed();
            if libc::sysinfo(&raw mut found) != 0 {
                return Self {
                    available: None,
                    free_swap: 0,
                };
            }
            let unit = u64::from(found.mem_unit);
            (found.freeram as u64 * unit, found.freeswap as u64 * unit)
        };
        // What the kernel keeps to itself is far below a half. The exact answer takes it some time.
        let available = if free / 2 >= needed {
            None
        } else {
            from_table("MemAvailable:").map(|kib| (kib << 10).saturating_add(free_swap))
        };
        Self {
            available,
            free_swap,
        }
    }
}

/// A number of `/proc/meminfo`, in KiB.
fn from_table(name: &str) -> Option<u64> {
    let table = fs::read_to_string("/proc/meminfo").ok()?;
    let line = table.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The shared-memory file system.
struct FileSystem(libc::statvfs);

#[allow(
    clippy::cast_lossless,
    clippy::unnecessary_cast,
    reason = "on 32-bit systems some of these words are shorter"
)]
impl FileSystem {
    fn look() -> Option<Self> {
        // SAFETY: an all-zero statvfs is valid, and the path is NUL-terminated.
        unsafe {
            let mut found: libc::statvfs = std::mem::zeroed();
            (libc::statvfs(DIRECTORY.as_ptr(), &raw mut found) == 0).then_some(Self(found))
        }
    }

    /// Room left in bytes; `None` where it has no limit of its own (a tmpfs with `size=0`, a ramfs), which
    /// shows in a size of 0.
    fn free(&self) -> Option<u64> {
        let found = &self.0;
        (found.f_blocks > 0).then(|| found.f_bavail as u64 * found.f_frsize as u64)
    }

    /// Of files, 0 in all stands for no limit as well.
    fn has_no_file_left(&self) -> bool {
        self.0.f_files > 0 && self.0.f_ffree == 0
    }
}

#[allow(clippy::cast_lossless, reason = "on 32-bit systems a shorter word")]
fn file_size_limit() -> Option<u64> {
    // SAFETY: `limit` is writable.
    unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        (libc::getrlimit(libc::RLIMIT_FSIZE, &raw mut limit) == 0
            && limit.rlim_cur != libc::RLIM_INFINITY)
            .then_some(limit.rlim_cur as u64)
    }
}

fn last_code() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(0)
}
