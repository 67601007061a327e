//! Detection of `fork`, and descriptors whose locks a child must not keep alive.
//!
//! A child inherits open file descriptions, and with them the role locks: a parent that dies while
//! a child lives on would look alive. So the child's first act is to close those descriptors.
//!
//! A number is no proof of a descriptor: whoever closes "all descriptors" of a process, as daemons do, frees it for
//! the next file that is opened. So each carries a mark, and is looked at before it is used.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

static GENERATION: AtomicU32 = AtomicU32::new(0);
static MARKED: Mutex<Vec<Marked>> = Mutex::new(Vec::new());

thread_local! {
    /// The list is locked across `fork`, so that the child finds it whole.
    static HELD: Cell<Option<MutexGuard<'static, Vec<Marked>>>> = const { Cell::new(None) };
}

/// Changes in a child made by `fork`, and only there.
#[inline]
pub(crate) fn generation() -> u32 {
    // Relaxed: stored only while the process has one thread, by the child before it runs on.
    GENERATION.load(Ordering::Relaxed)
}

fn list() -> MutexGuard<'static, Vec<Marked>> {
    MARKED.lock().unwrap_or_else(PoisonError::into_inner)
}

extern "C" fn before_fork() {
    // A thread that forks while its thread-locals are gone forks with the list unlocked.
    let _ = HELD.try_with(|held| held.set(Some(list())));
}

extern "C" fn after_fork_in_parent() {
    let _ = HELD.try_with(Cell::take);
}

extern "C" fn after_fork_in_child() {
    GENERATION.store(GENERATION.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    if let Ok(Some(mut list)) = HELD.try_with(Cell::take) {
        for marked in list.drain(..) {
            marked.close();
        }
    }
}

/// A descriptor, and the offset of its open file description, which nobody else gives to another one.
///
/// Nothing reads or writes at the offset, so it is free to tell a description from every other one, also of
/// the same file.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Marked {
    fd: RawFd,
    mark: libc::off_t,
}

impl Marked {
    fn new(fd: RawFd) -> Self {
        use std::hash::{BuildHasher, RandomState};
        // Within what every file system and a 32-bit offset allow.
        const BITS: u32 = if size_of::<libc::off_t>() == 8 {
            40
        } else {
            30
        };
        let random = RandomState::new().hash_one(fd) >> (u64::BITS - BITS);
        // SAFETY: moves the offset of a description that has just been opened.
        let mark = unsafe { libc::lseek(fd, random as libc::off_t, libc::SEEK_SET) };
        Self { fd, mark }
    }

    fn is_ours(self) -> bool {
        // SAFETY: only asks.
        unsafe { libc::lseek(self.fd, 0, libc::SEEK_CUR) == self.mark }
    }

    /// Closes the descriptor, unless the number is somebody else's by now.
    fn close(self) {
        if self.is_ours() {
            // SAFETY: open and ours; whoever knew it is at its end, or dead in this process.
            unsafe { libc::close(self.fd) };
        }
    }
}

/// A descriptor whose open file description carries a lock. A forked child closes it.
pub(crate) struct LockFd {
    marked: Marked,
    generation: u32,
}

impl LockFd {
    /// Opens with `open` and enters the result into the list, with no `fork` in between.
    pub(crate) fn open<E>(open: impl FnOnce() -> Result<OwnedFd, E>) -> Result<Self, E> {
        static HANDLERS: Once = Once::new();
        HANDLERS.call_once(|| {
            // SAFETY: the handlers are functions of this library, which stays loaded.
            unsafe {
                libc::pthread_atfork(
                    Some(before_fork),
                    Some(after_fork_in_parent),
                    Some(after_fork_in_child),
                );
            }
        });
        let mut list = list();
        let marked = Marked::new(open()?.into_raw_fd());
        list.push(marked);
        Ok(Self {
            marked,
            generation: generation(),
        })
    }

    pub(crate) fn raw(&self) -> RawFd {
        self.marked.fd
    }

    /// Whether the number still leads to what was opened: not in a forked child, and not where this
    /// process has closed a descriptor that was not its own.
    pub(crate) fn is_ours(&self) -> bool {
        !self.is_inherited() && self.marked.is_ours()
    }

    pub(crate) fn is_inherited(&self) -> bool {
        self.generation != generation()
    }
}

impl AsFd for LockFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: open until this is dropped, but in a forked child, which is told so by `is_ours`.
        unsafe { BorrowedFd::borrow_raw(self.marked.fd) }
    }
}

impl Drop for LockFd {
    fn drop(&mut self) {
        // A forked child has closed it, and its list is its own.
        if self.is_inherited() {
            return;
        }
        let mut list = list();
        list.retain(|marked| *marked != self.marked);
        self.marked.close();
    }
}

/// The descriptor under a number that is none of the standard streams'.
///
/// A program that was started without one of them gets its number for the first file that is opened, and then prints
/// into that file.
pub(crate) fn beyond_streams(fd: OwnedFd) -> Result<OwnedFd, i32> {
    if fd.as_raw_fd() > libc::STDERR_FILENO {
        return Ok(fd);
    }
    let from = libc::STDERR_FILENO + 1;
    // SAFETY: `fd` is open.
    let moved = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, from) };
    if moved < 0 {
        return Err(std::io::Error::last_os_error().raw_os_error().unwrap_or(0));
    }
    // SAFETY: a descriptor that has just been made is ours.
    Ok(unsafe { std::os::fd::FromRawFd::from_raw_fd(moved) })
}
