//! Linux: files in `/dev/shm`, open-file-description locks, futexes, `membarrier`.
#![allow(unsafe_code)]

mod build;
mod glance;
mod group;
mod memory;
mod pin;
mod process;
mod wake;
mod watch;

pub(crate) use self::process::{is_dying, pid_space};
pub(crate) use self::wake::{Signal, barrier};
pub(crate) use self::watch::Watch;
pub(crate) use super::unix::{
    NAMES_STAY, fork, granularity, leave_signals_to_others, processors, usable_processors,
};

use self::build::{Built, Plan};
use self::pin::Pin;
use super::{Failure, GoOn, Mapping, Rights, unix};
use crate::layout::{Geometry, HEADER_LEN, MEMBERS_MAX, Seat};
use fork::LockFd;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The bytes whose locks stand for seats, in whatever segment.
const SEATS: i64 = 1 + MEMBERS_MAX as i64;

/// Where `shm_open` keeps its objects.
const DIRECTORY: &CStr = c"/dev/shm";

/// Nothing stands under the name.
const GONE: Failure = Failure::Call {
    call: "open",
    code: libc::ENOENT,
};

/// The file of a channel.
pub(crate) struct Place {
    path: CString,
}

impl Place {
    /// `name` has been validated: it holds no slash and no NUL.
    pub(crate) fn new(name: &str, _machine_wide: bool) -> Self {
        let path = format!("/dev/shm/kren-{name}");
        Self {
            path: CString::new(path).expect("a channel name holds no NUL"),
        }
    }

    /// Builds a segment of `len` bytes out of sight, then gives it the name. `None` when that is taken.
    ///
    /// A process killed at any point leaves either nothing or the whole segment, if [`build`] has its way.
    pub(crate) fn create(
        &self,
        header: &[u8; HEADER_LEN],
        len: u64,
        mode: u32,
        go_on: GoOn<'_>,
    ) -> Result<Option<Object>, Failure> {
        memory::refuse_if_too_large(len)?;
        let plan = Plan { header, len, mode };
        let Built::Whole(file) = build::build(self, &plan, go_on)? else {
            return Ok(None);
        };
        // Opened anew like any other: the creator has no more rights than a later writer.
        self.open(true)
            .inspect_err(|_| self.withdraw(file.as_raw_fd()))
    }

    /// Takes back the name of a segment that its creator cannot use, unless somebody is on it already.
    fn withdraw(&self, fd: RawFd) {
        // All seats there may be, so that nobody attaches in between. Where locks are refused, nobody can.
        let is_alone = lock(fd, libc::F_WRLCK, 0, SEATS).unwrap_or(true);
        if is_alone && identity(fd).is_ok_and(|identity| leads_to(&self.path, identity)) {
            // SAFETY: the path is NUL-terminated.
            unsafe { libc::unlink(self.path.as_ptr()) };
        }
        let _ = lock(fd, libc::F_UNLCK, 0, SEATS);
    }

    /// Opens the segment under the name, whoever made it.
    pub(crate) fn open(&self, any_owner: bool) -> Result<Option<Object>, Failure> {
        const ACCESS: i32 = libc::O_RDWR;
        let Some(file) = self.open_file(ACCESS)? else {
            return Ok(None);
        };
        let found = regular(&file)?;
        if !any_owner {
            unix::refuse_foreign(found.st_uid)?;
        }
        let object = self.open_lock(ACCESS)?;
        // Removed in between: as if it had never been there.
        let object = object.filter(|object| object.identity == (found.st_dev, found.st_ino));
        Ok(object.map(|object| Object {
            file: Some(file),
            ..object
        }))
    }

    /// As `open`, for one who only looks: also where this user may only read.
    ///
    /// It takes no lock, so nothing is lost when its mapping keeps the one description that it has.
    pub(crate) fn look(&self) -> Result<Option<Object>, Failure> {
        self.open_lock(libc::O_RDONLY)
    }

    /// A description for the locks, and nothing else to map from.
    fn open_lock(&self, access: i32) -> Result<Option<Object>, Failure> {
        let lock = LockFd::open(|| self.open_file(access).and_then(|file| file.ok_or(GONE)));
        let lock = match lock {
            Ok(lock) => lock,
            Err(failure) if failure == GONE => return Ok(None),
            Err(failure) => return Err(failure),
        };
        let found = regular(&lock)?;
        Ok(Some(Object {
            file: None,
            pin: Mutex::default(),
            identity: (found.st_dev, found.st_ino),
            len: found.st_size as u64,
            rights: Rights {
                owner: found.st_uid,
                mode: found.st_mode & 0o7777,
            },
            lock,
        }))
    }

    fn open_file(&self, access: i32) -> Result<Option<OwnedFd>, Failure> {
        // O_NOFOLLOW and O_NONBLOCK: a symbolic link or a FIFO in the way is an error, not a trap.
        let flags = access | libc::O_CLOEXEC | libc::O_NOFOLLOW | libc::O_NONBLOCK;
        match open(&self.path, flags) {
            Ok(fd) => Ok(Some(fd)),
            Err(libc::ENOENT) if is_there(DIRECTORY) => Ok(None),
            // It will not come, however long a reader waits.
            Err(code @ (libc::ENOENT | libc::ENOTDIR)) => Err(Failure::Call {
                call: "open(/dev/shm)",
                code,
            }),
            Err(libc::ELOOP) => Err(Failure::Denied(
                "a symbolic link stands under its name, which KREN never makes; remove it".into(),
            )),
            Err(libc::EISDIR | libc::ENXIO) => Err(Failure::Foreign(
                "what stands under its name is not a regular file",
            )),
            Err(libc::EACCES | libc::EPERM) => Err(Failure::Denied(
                "its file mode admits neither this user nor this group, or a sandbox (AppArmor, SELinux, \
                 snap) keeps /dev/shm from this program"
                    .into(),
            )),
            Err(code) => Err(Failure::Call { call: "open", code }),
        }
    }

    /// Removes the name if it leads to `object`, whatever lives on it.
    pub(crate) fn remove(&self, object: &Object) -> Result<(), Failure> {
        if !leads_to(&self.path, object.identity) {
            return Ok(());
        }
        // SAFETY: the path is NUL-terminated.
        match unsafe { libc::unlink(self.path.as_ptr()) } {
            0 => Ok(()),
            _ => match Failure::last("unlink") {
                Failure::Call {
                    code: libc::EACCES | libc::EPERM,
                    ..
                } => Err(unix::not_owner(
                    stat(object.lock.raw())?.st_uid,
                    "remove its name",
                )),
                failure => Err(failure),
            },
        }
    }
}

/// The names that begin with `start` and under which something stands that may be a channel. Those that are no text are given
/// as far as they are.
pub(crate) fn names(start: &str) -> Result<Vec<String>, Failure> {
    let start = format!("kren-{start}");
    let unread = |error: std::io::Error| Failure::Call {
        call: "readdir(/dev/shm)",
        code: error.raw_os_error().unwrap_or(0),
    };
    let mut names = vec![];
    for file in std::fs::read_dir("/dev/shm").map_err(unread)? {
        let file = file.map_err(unread)?.file_name();
        let name = file.to_string_lossy();
        if name.starts_with(&start) {
            names.push(name["kren-".len()..].to_owned());
        }
    }
    Ok(names)
}

/// An open segment.
pub(crate) struct Object {
    /// What is mapped from, until [`Object::keep_only_lock`]; nothing of its own for one who only looks.
    file: Option<OwnedFd>,
    /// A description of its own: a mapping keeps its description, and with it the locks, alive even in a forked
    /// child that has closed every descriptor.
    lock: LockFd,
    /// Holds the locks of that description as well.
    pin: Mutex<Option<Pin>>,
    identity: Identity,
    len: u64,
    rights: Rights,
}

/// What tells a file from every other one.
type Identity = (libc::dev_t, libc::ino_t);

impl Object {
    /// Bytes of the whole segment.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Whose it is, and who may use it.
    #[allow(clippy::unnecessary_wraps, reason = "the contract of every system")]
    pub(crate) fn rights(&self) -> Option<Rights> {
        Some(self.rights)
    }

    pub(crate) fn read_header(&self) -> Result<[u8; HEADER_LEN], Failure> {
        let mut bytes = [0; HEADER_LEN];
        // SAFETY: the buffer has HEADER_LEN bytes.
        let read =
            unsafe { libc::pread(self.lock.raw(), bytes.as_mut_ptr().cast(), HEADER_LEN, 0) };
        match read {
            -1 => Err(Failure::last("pread")),
            read if read == HEADER_LEN as isize => Ok(bytes),
            _ => Err(Failure::Foreign("it is too short to hold a segment header")),
        }
    }

    /// Whether the name still leads here.
    #[allow(clippy::unnecessary_wraps, reason = "the contract of every system")]
    pub(crate) fn is_named(&self, place: &Place) -> Result<bool, Failure> {
        Ok(leads_to(&place.path, self.identity))
    }

    /// Gives the segment another mode, which only its owner can.
    pub(crate) fn set_mode(&self, mode: u32) -> Result<(), Failure> {
        let fd = self.lock.raw();
        let found = stat(fd)?;
        // SAFETY: no preconditions.
        if found.st_mode & 0o7777 == mode || unsafe { libc::fchmod(fd, mode) } == 0 {
            return Ok(());
        }
        match Failure::last("fchmod") {
            Failure::Call {
                code: libc::EACCES | libc::EPERM,
                ..
            } => Err(unix::not_owner(
                found.st_uid,
                &format!(
                    "change its mode from {:o} to {mode:o}",
                    found.st_mode & 0o777
                ),
            )),
            failure => Err(failure),
        }
    }

    pub(crate) fn map(
        &self,
        geometry: Geometry,
        seat: Option<Seat>,
        prefault: bool,
    ) -> Result<Mapping, Failure> {
        let file = self.file.as_ref().map(AsFd::as_fd);
        unix::map(file.unwrap_or(self.lock.as_fd()), geometry, seat, prefault)
    }

    /// The pages of the seats as they are now, for one who looks and takes part in nothing.
    pub(crate) fn glance(&self, geometry: Geometry) -> Result<Mapping, Failure> {
        glance::copy(self.lock.raw(), geometry.pages_only())
    }

    /// Nothing is mapped from here on: lets go of all that does not hold a seat.
    pub(crate) fn keep_only_lock(&mut self) {
        self.file = None;
        *self.pin() = Pin::new(self.lock.raw());
    }

    /// Fails where this process has closed the descriptor beneath its own endpoint.
    pub(crate) fn check_lock(&self) -> Result<(), Failure> {
        if self.lock.is_ours() {
            Ok(())
        } else {
            Err(Failure::LOCK_CLOSED)
        }
    }

    /// Takes a seat's lock; `false` if somebody else has it.
    pub(crate) fn try_hold(&self, seat: Seat) -> Result<bool, Failure> {
        self.check_lock()?;
        lock(self.lock.raw(), libc::F_WRLCK, lock_byte(seat), 1)
    }

    /// Whether somebody else has the seat's lock.
    pub(crate) fn is_held(&self, seat: Seat) -> bool {
        let mut lock = flock(libc::F_WRLCK, lock_byte(seat), 1);
        // SAFETY: `lock` is a valid flock structure.
        let asked = unsafe { libc::fcntl(self.lock.raw(), libc::F_OFD_GETLK, &raw mut lock) };
        // If the kernel will not say, do not declare anybody dead.
        asked != 0 || lock.l_type != libc::F_UNLCK as libc::c_short
    }

    /// Gives a seat's lock back.
    pub(crate) fn let_go(&self, seat: Seat) {
        if self.lock.is_ours() {
            // Unlocking what is locked cannot fail; and closing the descriptor would do it all the same.
            let _ = lock(self.lock.raw(), libc::F_UNLCK, lock_byte(seat), 1);
        } else {
            // The last that kept the description.
            *self.pin() = None;
        }
    }

    /// Removes the name if nobody holds one of the `seats` seats, the writer's included, and `agreed` says so.
    ///
    /// All are held meanwhile, so nobody can attach between the question and the removal;
    /// one who holds a seat afterwards finds that the name no longer leads to its object.
    pub(crate) fn remove_if_alone(
        &self,
        place: &Place,
        seats: usize,
        agreed: impl FnOnce() -> bool,
    ) {
        let seats = seats as i64;
        let spare;
        let fd = if self.lock.is_ours() {
            self.lock.raw()
        } else {
            let Ok(Some(file)) = place.open_file(libc::O_RDWR) else {
                return;
            };
            spare = file;
            if identity(spare.as_raw_fd()) != Ok(self.identity) {
                return;
            }
            spare.as_raw_fd()
        };
        if matches!(lock(fd, libc::F_WRLCK, 0, seats), Ok(true)) {
            if agreed() {
                // Left behind where a foreign directory forbids it; a later writer goes on with it.
                let _ = place.remove(self);
            }
            let _ = lock(fd, libc::F_UNLCK, 0, seats);
        }
    }

    /// Takes back the name of a segment that was made for this side, which cannot use it.
    pub(crate) fn withdraw(&self, place: &Place, _seats: usize) {
        place.withdraw(self.lock.raw());
    }

    /// The words of this segment that threads sleep on.
    pub(crate) fn signal(&self, _of: Seat) -> Result<Signal, Failure> {
        Ok(Signal)
    }

    /// The word on which `sleeper` sleeps for `of`: the same for all.
    #[allow(clippy::unnecessary_wraps, reason = "the contract of every system")]
    pub(crate) fn sleeper(&self, _of: Seat, _sleeper: Seat) -> Result<Signal, Failure> {
        Ok(Signal)
    }

    fn pin(&self) -> MutexGuard<'_, Option<Pin>> {
        self.pin.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sets or returns an open-file-description lock; `false` if somebody else has it.
fn lock(fd: RawFd, kind: i32, start: i64, len: i64) -> Result<bool, Failure> {
    let mut lock = flock(kind, start, len);
    // SAFETY: `lock` is a valid flock structure.
    if unsafe { libc::fcntl(fd, libc::F_OFD_SETLK, &raw mut lock) } == 0 {
        return Ok(true);
    }
    match Failure::last("fcntl(F_OFD_SETLK)") {
        // Never EACCES, as elsewhere: that is a sandbox's answer.
        Failure::Call {
            code: libc::EAGAIN, ..
        } => Ok(false),
        failure => Err(failure),
    }
}

/// Byte of the segment whose lock stands for a seat.
fn lock_byte(seat: Seat) -> i64 {
    seat.number() as i64
}

fn flock(kind: i32, start: i64, len: i64) -> libc::flock {
    // SAFETY: an all-zero flock is valid.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = kind as libc::c_short;
    lock.l_whence = libc::SEEK_SET as libc::c_short;
    lock.l_start = start as libc::off_t;
    lock.l_len = len as libc::off_t;
    lock
}

fn open(path: &CStr, flags: i32) -> Result<OwnedFd, i32> {
    // SAFETY: the path is NUL-terminated; the mode counts only where a file is made.
    let fd = unsafe { libc::open(path.as_ptr(), flags, 0o600) };
    if fd < 0 {
        return Err(std::io::Error::last_os_error().raw_os_error().unwrap_or(0));
    }
    // SAFETY: a descriptor that has just been opened is ours.
    fork::beyond_streams(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// What is known of a file that may be a segment.
fn regular(file: &impl AsFd) -> Result<libc::stat, Failure> {
    let found = stat(file.as_fd().as_raw_fd())?;
    if found.st_mode & libc::S_IFMT != libc::S_IFREG {
        return Err(Failure::Foreign(
            "what stands under its name is not a regular file",
        ));
    }
    Ok(found)
}

fn stat(fd: RawFd) -> Result<libc::stat, Failure> {
    // SAFETY: an all-zero stat is valid.
    let mut found: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: `found` is writable.
    match unsafe { libc::fstat(fd, &raw mut found) } {
        0 => Ok(found),
        _ => Err(Failure::last("fstat")),
    }
}

fn is_there(path: &CStr) -> bool {
    // SAFETY: the path is NUL-terminated.
    unsafe { libc::access(path.as_ptr(), libc::F_OK) == 0 }
}

fn identity(fd: RawFd) -> Result<Identity, Failure> {
    let found = stat(fd)?;
    Ok((found.st_dev, found.st_ino))
}

/// Whether a name leads to the file of this identity.
fn leads_to(path: &CStr, identity: Identity) -> bool {
    // SAFETY: an all-zero stat is valid, and the path is NUL-terminated.
    unsafe {
        let mut found: libc::stat = std::mem::zeroed();
        libc::lstat(path.as_ptr(), &raw mut found) == 0 && (found.st_dev, found.st_ino) == identity
    }
}
