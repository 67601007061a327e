//! How a segment comes to be: built whole out of sight, then given its name.
#![allow(unsafe_code)]

use super::fork::LockFd;
use super::memory;
use super::{DIRECTORY, Place, SEATS, identity, leads_to, lock, open, stat};
use crate::layout::HEADER_LEN;
use crate::os::{Failure, GoOn, unix};
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What is to be built.
pub(super) struct Plan<'a> {
    pub(super) header: &'a [u8; HEADER_LEN],
    pub(super) len: u64,
    pub(super) mode: u32,
}

/// How an attempt ended.
pub(super) enum Built {
    /// The name leads to this file.
    Whole(OwnedFd),
    /// The name was taken meanwhile.
    Taken,
}

/// The byte whose lock says that a file under a private name is being built; those before it stand for seats.
const BUILDING: i64 = SEATS;
/// How often to look whether another builder of the same channel has finished.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Builds a segment and gives it the name of `place`.
///
/// As an unnamed file if that can be had: a process killed at any point leaves nothing, or the whole segment. Old file
/// systems have no such files, and some sandboxes do not let them be named; there it is built under a
/// private name, which the next builder of the same channel clears away if this one is killed.
pub(super) fn build(place: &Place, plan: &Plan<'_>, go_on: GoOn<'_>) -> Result<Built, Failure> {
    /// Not tried again: it may have meant to take all the memory in vain.
    static REFUSED: AtomicBool = AtomicBool::new(false);
    // Relaxed: a hint.
    if !REFUSED.load(Ordering::Relaxed) {
        if let Some(built) = unnamed(place, plan, go_on)? {
            return Ok(built);
        }
        REFUSED.store(true, Ordering::Relaxed);
    }
    under_private_name(place, plan, go_on)
}

/// `None` where unnamed files are not to be had, or not to be named.
fn unnamed(place: &Place, plan: &Plan<'_>, go_on: GoOn<'_>) -> Result<Option<Built>, Failure> {
    let flags = libc::O_TMPFILE | libc::O_RDWR | libc::O_CLOEXEC;
    let file = match open(DIRECTORY, flags) {
        Ok(file) => file,
        Err(code) if is_about_resources(code) => {
            return Err(memory::no_space(
                "open(/dev/shm, O_TMPFILE)",
                code,
                plan.len,
            ));
        }
        Err(_) => return Ok(None),
    };
    fill(file.as_fd(), plan, go_on)?;
    match link_unnamed(file.as_raw_fd(), &place.path) {
        Ok(()) => Ok(Some(Built::Whole(file))),
        Err(libc::EEXIST) => Ok(Some(Built::Taken)),
        Err(code) if is_about_resources(code) => Err(memory::no_space("linkat", code, plan.len)),
        Err(_) => Ok(None),
    }
}

fn under_private_name(place: &Place, plan: &Plan<'_>, go_on: GoOn<'_>) -> Result<Built, Failure> {
    let Some((private, file)) = Private::make(place, plan.len, go_on)? else {
        return Ok(Built::Taken);
    };
    fill(file.as_fd(), plan, go_on)?;
    match private.rename(&place.path) {
        Ok(()) => Ok(Built::Whole(file)),
        // The other: cleared away by somebody who came between its making and its lock.
        Err(libc::EEXIST | libc::ENOENT) => Ok(Built::Taken),
        Err(code) => Err(memory::no_space("rename", code, plan.len)),
    }
}

/// Everything about a segment but its name.
fn fill(file: BorrowedFd<'_>, plan: &Plan<'_>, go_on: GoOn<'_>) -> Result<(), Failure> {
    let fd = file.as_raw_fd();
    // What cannot be locked is of no use, and could not be taken away again safely once it had a name.
    if lock(fd, libc::F_WRLCK, 0, SEATS)? {
        lock(fd, libc::F_UNLCK, 0, SEATS)?;
    }
    memory::reserve(file, plan.len, go_on)?;
    // SAFETY: `header` is a valid buffer of HEADER_LEN bytes.
    let written = unsafe { libc::pwrite(fd, plan.header.as_ptr().cast(), HEADER_LEN, 0) };
    if written != HEADER_LEN as isize {
        return Err(Failure::last("pwrite"));
    }
    // Not left to the umask: the mode is what was asked for (G8).
    // SAFETY: no preconditions.
    if unsafe { libc::fchmod(fd, plan.mode) } != 0 {
        let failure = Failure::last("fchmod");
        let made = stat(fd)?.st_mode & 0o777;
        if made != plan.mode {
            return Err(failure);
        }
    }
    Ok(())
}

/// Whether another way to build would meet the same.
fn is_about_resources(code: i32) -> bool {
    matches!(
        code,
        libc::ENOSPC | libc::EDQUOT | libc::ENOMEM | libc::EMFILE | libc::ENFILE | libc::EROFS
    )
}

/// Gives an unnamed file a name.
fn link_unnamed(fd: RawFd, name: &CStr) -> Result<(), i32> {
    let unnamed = CString::new(format!("/proc/self/fd/{fd}")).expect("digits hold no NUL");
    match link(&unnamed, libc::AT_FDCWD, name, libc::AT_SYMLINK_FOLLOW) {
        // No /proc here. The direct way needs a privilege, or a kernel from 6.10 on.
        Err(libc::ENOENT) => link(c"", fd, name, libc::AT_EMPTY_PATH),
        linked => linked,
    }
}

fn link(from: &CStr, directory: RawFd, name: &CStr, flags: i32) -> Result<(), i32> {
    // SAFETY: both paths are NUL-terminated.
    let linked = unsafe {
        libc::linkat(
            directory,
            from.as_ptr(),
            libc::AT_FDCWD,
            name.as_ptr(),
            flags,
        )
    };
    outcome(linked.into())
}

/// Of a system call, its error code.
fn outcome(result: libc::c_long) -> Result<(), i32> {
    match result {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error().raw_os_error().unwrap_or(0)),
    }
}

/// A file under a name that no channel can have; taken away when dropped, unless it was given its own.
struct Private {
    path: CString,
    /// The lock on [`BUILDING`]. A forked child closes it, so that nobody seems to build on whose parent has died.
    _building: LockFd,
    has_name: bool,
}

impl Private {
    /// Makes the file, out of the way of another builder of the same channel; `None` when that one may
    /// have finished.
    fn make(place: &Place, len: u64, go_on: GoOn<'_>) -> Result<Option<(Self, OwnedFd)>, Failure> {
        let name = place.path.to_string_lossy();
        let user = unix::user();
        let path = CString::new(format!("{name}!{user}")).expect("made of a path without NUL");
        let flags = libc::O_CREAT | libc::O_EXCL | libc::O_RDWR | libc::O_CLOEXEC;
        let file = match open(&path, flags | libc::O_NOFOLLOW) {
            Ok(file) => file,
            Err(libc::EEXIST) => {
                if !clear_leftover(&path)? {
                    std::thread::sleep(LOOK_EVERY);
                }
                return if go_on() {
                    Ok(None)
                } else {
                    Err(Failure::Stopped)
                };
            }
            Err(code) => return Err(memory::no_space("open(/dev/shm, O_CREAT)", code, len)),
        };
        let building = LockFd::open(|| reopen(&path)).inspect_err(|_| unlink(&path))?;
        let is_mine = lock(building.raw(), libc::F_WRLCK, BUILDING, 1)
            .and_then(|held| Ok(held && leads_to(&path, identity(file.as_raw_fd())?)));
        match is_mine {
            Ok(true) => {}
            // Taken for a leftover by one who came before the lock.
            Ok(false) => return Ok(None),
            Err(failure) => {
                unlink(&path);
                return Err(failure);
            }
        }
        let private = Self {
            path,
            _building: building,
            has_name: false,
        };
        Ok(Some((private, file)))
    }

    /// Gives the file its name, which must be free.
    fn rename(mut self, name: &CStr) -> Result<(), i32> {
        /// Fails where the name is taken.
        const NOREPLACE: libc::c_uint = 1;
        // SAFETY: both paths are NUL-terminated.
        let renamed = outcome(unsafe {
            libc::syscall(
                libc::SYS_renameat2,
                libc::AT_FDCWD,
                self.path.as_ptr(),
                libc::AT_FDCWD,
                name.as_ptr(),
                NOREPLACE,
            )
        });
        match renamed {
            Ok(()) => {
                self.has_name = true;
                Ok(())
            }
            // No such call here, or not of this file system.
            Err(libc::ENOSYS | libc::EINVAL) => link(&self.path, libc::AT_FDCWD, name, 0),
            refused => refused,
        }
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        if !self.has_name {
            unlink(&self.path);
        }
    }
}

fn unlink(path: &CStr) {
    // SAFETY: the path is NUL-terminated.
    unsafe { libc::unlink(path.as_ptr()) };
}

fn reopen(path: &CStr) -> Result<OwnedFd, Failure> {
    let flags = libc::O_RDWR | libc::O_CLOEXEC | libc::O_NOFOLLOW | libc::O_NONBLOCK;
    open(path, flags).map_err(|code| Failure::Call { call: "open", code })
}

/// Takes away what a builder left that was killed; `false` if it is still at work.
fn clear_leftover(path: &CStr) -> Result<bool, Failure> {
    let file = match reopen(path) {
        Ok(file) => file,
        Err(Failure::Call {
            code: libc::ENOENT, ..
        }) => return Ok(true),
        Err(failure) => return Err(failure),
    };
    if !lock(file.as_raw_fd(), libc::F_WRLCK, BUILDING, 1)? {
        return Ok(false);
    }
    if leads_to(path, identity(file.as_raw_fd())?) {
        unlink(path);
    }
    Ok(true)
}
