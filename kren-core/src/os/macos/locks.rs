//! Lock files: who holds a role, and who is just making or removing a segment.
//!
//! `flock` locks belong to the open file description, so two endpoints of one process exclude each
//! other like two processes do, and the kernel drops a lock when the last descriptor is closed, at
//! the latest when the process dies. A forked child closes the descriptors it has inherited.
#![allow(unsafe_code)]

use super::Failure;
use crate::layout::Seat;
use crate::os::unix::{self, fork, fork::LockFd};
use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long one who makes or removes a segment may keep others waiting. It takes microseconds; only
/// a process that was stopped in the middle takes longer.
const PATIENCE: Duration = Duration::from_secs(1);

/// The folder of a user's lock files.
///
/// In `/var/tmp`, which every user can reach, which nobody but the owner can take a folder away
/// from, and which is not tidied up like `/tmp`: a lock file that vanished would look like a death.
pub(super) struct Folder {
    path: PathBuf,
    owner: libc::uid_t,
}

impl Folder {
    pub(super) fn of(owner: libc::uid_t) -> Self {
        Self {
            path: PathBuf::from(format!("/var/tmp/kren-{owner}")),
            owner,
        }
    }

    /// Makes the folder if it is this user's and not there, and refuses one that is not to be
    /// trusted.
    fn prepare(&self) -> Result<(), Failure> {
        if self.owner == unix::user() {
            // Others may pass through, to the files whose modes let them.
            let mode = 0o711;
            match DirBuilder::new().mode(mode).create(&self.path) {
                // The umask may have taken something away.
                Ok(()) => fs::set_permissions(&self.path, Permissions::from_mode(mode))
                    .map_err(failure("chmod"))?,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failure("mkdir")(error)),
            }
        }
        self.check()
    }

    /// Refuses a folder that somebody else has put in place, or could put something into (G8).
    fn check(&self) -> Result<(), Failure> {
        let found = fs::symlink_metadata(&self.path).map_err(failure("lstat"))?;
        if found.is_dir() && found.uid() == self.owner && found.mode() & 0o022 == 0 {
            return Ok(());
        }
        Err(Failure::Denied(format!(
            "{} is not a folder that user {} alone may write to; remove it",
            self.path.display(),
            self.owner
        )))
    }

    /// Keeps everybody else from making and removing this user's segments, until dropped.
    pub(super) fn lock(&self) -> Result<LockFd, Failure> {
        self.prepare()?;
        let path = self.path.join("lock");
        let lock = LockFd::open(|| open(&path, Some(0o600)))?;
        let start = Instant::now();
        while !try_lock(&lock, libc::LOCK_EX)? {
            if start.elapsed() >= PATIENCE {
                return Err(Failure::Call {
                    call: "flock",
                    code: libc::EWOULDBLOCK,
                });
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(lock)
    }

    fn file(&self, stem: &str, seat: Seat) -> PathBuf {
        self.path.join(format!("{stem}.{}", seat.number()))
    }

    /// Makes the lock files that every segment needs, for whoever may use the segment; the others are made when
    /// they are.
    pub(super) fn make_locks(&self, stem: &str, mode: u32) -> Result<(), Failure> {
        for seat in [Seat::WRITER, Seat::READER] {
            let file = File::from(open(&self.file(stem, seat), Some(mode))?);
            // Not left to the umask.
            file.set_permissions(Permissions::from_mode(mode))
                .map_err(failure("fchmod"))?;
        }
        Ok(())
    }
}

/// The locks of a segment's seats, as far as they are held here.
pub(super) struct Held {
    folder: Folder,
    stem: String,
    mode: u32,
    locks: Mutex<BTreeMap<Seat, LockFd>>,
}

impl Held {
    pub(super) fn new(folder: Folder, stem: &str, mode: u32) -> Self {
        Self {
            folder,
            stem: stem.into(),
            mode,
            locks: Mutex::default(),
        }
    }

    pub(super) fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Takes a seat's lock; `false` if somebody else has it.
    ///
    /// `true` also, and nothing is held, where the segment has just been removed together with its files: the
    /// caller, who then asks whether the name leads to it, finds that out.
    pub(super) fn try_hold(
        &self,
        seat: Seat,
        is_named: impl FnOnce() -> Result<bool, Failure>,
    ) -> Result<bool, Failure> {
        self.folder.prepare()?;
        let file = self.folder.file(&self.stem, seat);
        let mut locks = self.locks();
        if let Some(lock) = locks.get(&seat) {
            return if lock.is_ours() {
                Ok(true)
            } else {
                Err(Failure::LOCK_CLOSED)
            };
        }
        let lock = match LockFd::open(|| open(&file, None)) {
            Err(Failure::Call {
                code: libc::ENOENT, ..
            }) => {
                if !is_named()? {
                    return Ok(true);
                }
                // The first to come to this seat; or somebody has tidied up, and who holds the old file is not seen
                // any more.
                LockFd::open(|| open(&file, Some(self.mode)))?
            }
            lock => lock?,
        };
        let is_free = try_lock(&lock, libc::LOCK_EX)?;
        if is_free {
            locks.insert(seat, lock);
        }
        Ok(is_free)
    }

    /// Fails where this process has closed the descriptor of a lock, and with it the lock.
    pub(super) fn check(&self) -> Result<(), Failure> {
        if self.locks().values().all(LockFd::is_ours) {
            Ok(())
        } else {
            Err(Failure::LOCK_CLOSED)
        }
    }

    /// Whether somebody else has the seat's lock.
    pub(super) fn is_held_elsewhere(&self, seat: Seat) -> bool {
        if self.locks().contains_key(&seat) {
            return false;
        }
        match LockFd::open(|| open(&self.folder.file(&self.stem, seat), None)) {
            // A shared lock, so that two who ask at once do not take each other for the holder.
            Ok(lock) => {
                let is_free = try_lock(&lock, libc::LOCK_SH).unwrap_or(false);
                unlock(&lock);
                !is_free
            }
            // Removed together with the segment, or nobody has come to this seat yet.
            Err(Failure::Call {
                code: libc::ENOENT, ..
            }) => false,
            // If the kernel will not say, do not declare anybody dead.
            Err(_) => true,
        }
    }

    /// Gives a seat's lock back.
    pub(super) fn let_go(&self, seat: Seat) {
        if let Some(lock) = self.locks().remove(&seat) {
            unlock(&lock);
        }
    }

    /// Gives every lock back.
    pub(super) fn let_all_go(&self) {
        for lock in std::mem::take(&mut *self.locks()).values() {
            unlock(lock);
        }
    }

    /// Removes the files, after the segment they belong to.
    pub(super) fn remove_files(&self) {
        let prefix = format!("{}.", self.stem);
        let files = fs::read_dir(&self.folder.path).into_iter().flatten();
        for file in files.flatten() {
            if file.file_name().to_string_lossy().starts_with(&prefix) {
                // What stays is an empty file that nobody looks for.
                let _ = fs::remove_file(file.path());
            }
        }
    }

    fn locks(&self) -> MutexGuard<'_, BTreeMap<Seat, LockFd>> {
        self.locks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens a lock file, and makes it with `mode` if that is given.
fn open(path: &Path, mode: Option<u32>) -> Result<OwnedFd, Failure> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(mode.is_some())
        .mode(mode.unwrap_or(0))
        // A symbolic link or a FIFO in the way is an error, not a trap.
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)
        .map_err(failure("open"))
        .and_then(|file| {
            fork::beyond_streams(file.into()).map_err(|code| Failure::Call {
                call: "fcntl(F_DUPFD_CLOEXEC)",
                code,
            })
        })
}

/// `false` if somebody else's lock is in the way.
fn try_lock(lock: &LockFd, kind: i32) -> Result<bool, Failure> {
    // SAFETY: the descriptor is open.
    if unsafe { libc::flock(lock.raw(), kind | libc::LOCK_NB) } == 0 {
        return Ok(true);
    }
    match Failure::last("flock") {
        Failure::Call {
            code: libc::EWOULDBLOCK,
            ..
        } => Ok(false),
        failure => Err(failure),
    }
}

/// Closing is not enough: a process that another thread is just starting has a copy of the descriptor, and with it the
/// lock, until it becomes its program.
fn unlock(lock: &LockFd) {
    if !lock.is_ours() {
        return;
    }
    // SAFETY: the descriptor is open.
    // Unlocking cannot fail; and closing the descriptor does it all the same, if later.
    let _ = unsafe { libc::flock(lock.raw(), libc::LOCK_UN) };
}

fn failure(call: &'static str) -> impl Fn(io::Error) -> Failure {
    move |error| match error.raw_os_error().unwrap_or(0) {
        libc::EACCES | libc::EPERM => {
            Failure::Denied("its lock files admit neither this user nor this group".into())
        }
        code => Failure::Call { call, code },
    }
}
