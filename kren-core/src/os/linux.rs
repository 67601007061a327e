//! Linux: files in `/dev/shm`, open-file-description locks, futexes, `membarrier`.
#![allow(unsafe_code)]

mod process;
mod watch;

pub(crate) use self::process::{is_dying, pid_space};
pub(crate) use self::watch::Watch;
pub(crate) use super::unix::{fork, granularity, processors, usable_processors};
use super::{Failure, Mapping, unix};
use crate::layout::{Geometry, HEADER_LEN, MEMBERS_MAX, Seat};
use crate::sync::AtomicU32;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use fork::LockFd;

/// Where `shm_open` keeps its objects.
const DIRECTORY: &CStr = c"/dev/shm";

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

    /// Builds a segment of `len` bytes out of sight, then links it to the name.
    ///
    /// A process killed at any point leaves either nothing or the whole segment.
    pub(crate) fn create(
        &self,
        header: &[u8; HEADER_LEN],
        len: u64,
        mode: u32,
    ) -> Result<Option<Object>, Failure> {
        refuse_if_too_large(len)?;
        let flags = libc::O_TMPFILE | libc::O_RDWR | libc::O_CLOEXEC;
        let fd = open(DIRECTORY, flags).map_err(|code| match code {
            libc::EACCES | libc::EPERM => {
                Failure::Denied("/dev/shm is not writable for this user".into())
            }
            code => Failure::Call {
                call: "open(/dev/shm, O_TMPFILE)",
                code,
            },
        })?;
        reserve(fd.as_raw_fd(), len)?;
        // SAFETY: `header` is a valid buffer of HEADER_LEN bytes.
        let written =
            unsafe { libc::pwrite(fd.as_raw_fd(), header.as_ptr().cast(), HEADER_LEN, 0) };
        if written != HEADER_LEN as isize {
            return Err(Failure::last("pwrite"));
        }
        // Not left to the umask: the mode is what was asked for (G8).
        // SAFETY: no preconditions.
        if unsafe { libc::fchmod(fd.as_raw_fd(), mode) } != 0 {
            return Err(Failure::last("fchmod"));
        }
        if !self.link(fd.as_raw_fd())? {
            return Ok(None);
        }
        // Opened anew like any other: the creator has no more rights than a later writer.
        self.open(true).inspect_err(|_| self.withdraw(&fd))
    }

    /// Takes back the name of a segment that its creator could not open, unless somebody is on it already.
    fn withdraw(&self, fd: &OwnedFd) {
        let Ok(stat) = stat(fd.as_raw_fd()) else {
            return;
        };
        // All seats there may be, so that nobody attaches in between. They go with `fd`.
        if lock(fd.as_raw_fd(), libc::F_WRLCK, 0, 1 + MEMBERS_MAX as i64).is_ok_and(|held| held)
            && self.leads_to((stat.st_dev, stat.st_ino))
        {
            // SAFETY: the path is NUL-terminated.
            unsafe { libc::unlink(self.path.as_ptr()) };
        }
    }

    /// Gives an unnamed file this name; `false` if the name is taken.
    fn link(&self, fd: RawFd) -> Result<bool, Failure> {
        let link = |from: &CStr, directory: RawFd, flags: i32| {
            // SAFETY: both paths are NUL-terminated.
            let linked = unsafe {
                libc::linkat(
                    directory,
                    from.as_ptr(),
                    libc::AT_FDCWD,
                    self.path.as_ptr(),
                    flags,
                )
            };
            match linked {
                0 => Ok(true),
                _ => match Failure::last("linkat") {
                    Failure::Call {
                        code: libc::EEXIST, ..
                    } => Ok(false),
                    failure => Err(failure),
                },
            }
        };
        let unnamed = CString::new(format!("/proc/self/fd/{fd}")).expect("digits hold no NUL");
        match link(&unnamed, libc::AT_FDCWD, libc::AT_SYMLINK_FOLLOW) {
            // No /proc here. The direct way needs a privilege, or a kernel from 6.10 on.
            Err(Failure::Call {
                code: libc::ENOENT, ..
            }) => link(c"", fd, libc::AT_EMPTY_PATH),
            linked => linked,
        }
    }

    /// Opens the segment under the name, whoever made it.
    pub(crate) fn open(&self, any_owner: bool) -> Result<Option<Object>, Failure> {
        let Some(file) = self.open_file()? else {
            return Ok(None);
        };
        let stat = stat(file.as_raw_fd())?;
        if stat.st_mode & libc::S_IFMT != libc::S_IFREG {
            return Err(Failure::Foreign(
                "what stands under its name is not a regular file",
            ));
        }
        if !any_owner {
            unix::refuse_foreign(stat.st_uid)?;
        }
        // A description of its own for the locks: a mapping keeps its description, and with it the
        // locks, alive even in a forked child that has closed every descriptor.
        let identity = (stat.st_dev, stat.st_ino);
        let lock = LockFd::open(|| match self.open_file()? {
            Some(fd) => Ok(fd),
            None => Err(Failure::Call {
                call: "open",
                code: libc::ENOENT,
            }),
        });
        let lock = match lock {
            Ok(lock) => lock,
            // Removed in between: as if it had never been there.
            Err(Failure::Call {
                code: libc::ENOENT, ..
            }) => return Ok(None),
            Err(failure) => return Err(failure),
        };
        let object = Object {
            file,
            lock,
            identity,
            len: stat.st_size as u64,
        };
        if !same_file(object.lock.raw(), identity)? {
            return Ok(None);
        }
        Ok(Some(object))
    }

    fn open_file(&self) -> Result<Option<OwnedFd>, Failure> {
        // O_NOFOLLOW and O_NONBLOCK: a symbolic link or a FIFO in the way is an error, not a trap.
        let flags = libc::O_RDWR | libc::O_CLOEXEC | libc::O_NOFOLLOW | libc::O_NONBLOCK;
        match open(&self.path, flags) {
            Ok(fd) => Ok(Some(fd)),
            Err(libc::ENOENT) => Ok(None),
            Err(libc::ELOOP) => Err(Failure::Denied(
                "a symbolic link stands under its name, which KREN never makes; remove it".into(),
            )),
            Err(libc::EISDIR | libc::ENXIO) => Err(Failure::Foreign(
                "what stands under its name is not a regular file",
            )),
            Err(libc::EACCES | libc::EPERM) => Err(Failure::Denied(
                "its file mode admits neither this user nor this group".into(),
            )),
            Err(code) => Err(Failure::Call { call: "open", code }),
        }
    }

    /// Whether the name leads to the object of this identity.
    fn leads_to(&self, identity: (libc::dev_t, libc::ino_t)) -> bool {
        // SAFETY: an all-zero stat is valid, and the path is NUL-terminated.
        unsafe {
            let mut found: libc::stat = std::mem::zeroed();
            libc::lstat(self.path.as_ptr(), &raw mut found) == 0
                && (found.st_dev, found.st_ino) == identity
        }
    }

    /// Removes the name if it leads to `object`, whatever lives on it.
    pub(crate) fn remove(&self, object: &Object) -> Result<(), Failure> {
        if !self.leads_to(object.identity) {
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

/// An open segment.
pub(crate) struct Object {
    file: OwnedFd,
    lock: LockFd,
    identity: (libc::dev_t, libc::ino_t),
    len: u64,
}

impl Object {
    /// Bytes of the whole segment.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn read_header(&self) -> Result<[u8; HEADER_LEN], Failure> {
        let mut bytes = [0; HEADER_LEN];
        // SAFETY: the buffer has HEADER_LEN bytes.
        let read = unsafe {
            libc::pread(
                self.file.as_raw_fd(),
                bytes.as_mut_ptr().cast(),
                HEADER_LEN,
                0,
            )
        };
        match read {
            -1 => Err(Failure::last("pread")),
            read if read == HEADER_LEN as isize => Ok(bytes),
            _ => Err(Failure::Foreign("it is too short to hold a segment header")),
        }
    }

    /// Whether the name still leads here.
    #[allow(clippy::unnecessary_wraps, reason = "the contract of every system")]
    pub(crate) fn is_named(&self, place: &Place) -> Result<bool, Failure> {
        Ok(place.leads_to(self.identity))
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
        unix::map(self.file.as_fd(), geometry, seat, prefault)
    }

    /// Takes a seat's lock; `false` if somebody else has it.
    pub(crate) fn try_hold(&self, seat: Seat) -> Result<bool, Failure> {
        self.set_lock(libc::F_WRLCK, lock_byte(seat), 1)
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
        // Unlocking what is locked cannot fail; and closing the descriptor would do it all the same.
        let _ = self.set_lock(libc::F_UNLCK, lock_byte(seat), 1);
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
        if matches!(self.set_lock(libc::F_WRLCK, 0, seats), Ok(true)) {
            if agreed() {
                // Left behind where a foreign directory forbids it; a later writer goes on with it.
                let _ = place.remove(self);
            }
            let _ = self.set_lock(libc::F_UNLCK, 0, seats);
        }
    }

    /// The words of this segment that threads sleep on.
    pub(crate) fn signal(&self, _of: Seat) -> Result<Signal, Failure> {
        Ok(Signal)
    }

    fn set_lock(&self, kind: i32, start: i64, len: i64) -> Result<bool, Failure> {
        lock(self.lock.raw(), kind, start, len)
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
        Failure::Call {
            code: libc::EAGAIN | libc::EACCES,
            ..
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
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
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

fn same_file(fd: RawFd, identity: (libc::dev_t, libc::ino_t)) -> Result<bool, Failure> {
    let found = stat(fd)?;
    Ok((found.st_dev, found.st_ino) == identity)
}

/// Room left on the shared-memory file system, in bytes.
#[allow(
    clippy::cast_lossless,
    reason = "on 32-bit systems some of these words are shorter"
)]
fn free_space() -> Option<u64> {
    // SAFETY: an all-zero statvfs is valid, and the path is NUL-terminated.
    unsafe {
        let mut found: libc::statvfs = std::mem::zeroed();
        (libc::statvfs(DIRECTORY.as_ptr(), &raw mut found) == 0)
            .then(|| found.f_bavail as u64 * found.f_frsize as u64)
    }
}

/// Refuses before the kernel is asked for memory that cannot be there, since it would hand out
/// everything it has before it noticed; and before a file size limit answers with a signal.
#[allow(
    clippy::cast_lossless,
    reason = "on 32-bit systems the limit is a shorter word"
)]
fn refuse_if_too_large(len: u64) -> Result<(), Failure> {
    let mut available = free_space();
    // SAFETY: `limit` is writable.
    unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        if libc::getrlimit(libc::RLIMIT_FSIZE, &raw mut limit) == 0 {
            let limit = limit.rlim_cur as u64;
            available = Some(available.map_or(limit, |free| free.min(limit)));
        }
    }
    match available {
        Some(available) if available < len => Err(Failure::NoMemory {
            needed: len,
            available: Some(available),
        }),
        _ => Ok(()),
    }
}

/// Sizes the file and takes every page of it now (G6).
fn reserve(fd: RawFd, len: u64) -> Result<(), Failure> {
    loop {
        // SAFETY: no preconditions.
        if unsafe { libc::fallocate(fd, 0, 0, len as libc::off_t) } == 0 {
            return Ok(());
        }
        match Failure::last("fallocate") {
            Failure::Call {
                code: libc::EINTR, ..
            } => {}
            Failure::Call {
                code: libc::ENOSPC | libc::ENOMEM | libc::EFBIG,
                ..
            } => {
                return Err(Failure::NoMemory {
                    needed: len,
                    available: free_space(),
                });
            }
            failure => return Err(failure),
        }
    }
}

/// A futex: any word of the segment will do.
pub(crate) struct Signal;

impl Signal {
    /// Sleeps while `word` holds `expected`, at most for `timeout`. May return early.
    #[allow(clippy::cast_lossless, reason = "on 32-bit systems a shorter word")]
    pub(crate) fn sleep(&self, word: &AtomicU32, expected: u32, timeout: Duration) {
        let timeout = libc::timespec {
            tv_sec: timeout.as_secs() as _,
            tv_nsec: timeout.subsec_nanos() as _,
        };
        // Without FUTEX_PRIVATE_FLAG: the word is shared between processes.
        // SAFETY: `word` is a mapped, aligned u32; the kernel only compares it.
        unsafe {
            libc::syscall(
                libc::SYS_futex,
                std::ptr::from_ref(word),
                libc::FUTEX_WAIT,
                expected,
                &raw const timeout,
            );
        }
    }

    /// Wakes whoever sleeps on `word`.
    pub(crate) fn wake(&self, word: &AtomicU32) {
        // SAFETY: `word` is a mapped, aligned u32; the kernel only uses its address.
        unsafe {
            libc::syscall(
                libc::SYS_futex,
                std::ptr::from_ref(word),
                libc::FUTEX_WAKE,
                i32::MAX,
            );
        }
    }
}

/// `membarrier`: lets the side that goes to sleep pay for ordering, instead of every publisher at
/// every message.
pub(crate) mod barrier {
    use std::sync::OnceLock;

    const GLOBAL_EXPEDITED: i32 = 1 << 1;
    const REGISTER_GLOBAL_EXPEDITED: i32 = 1 << 2;

    fn membarrier(command: i32) -> bool {
        // SAFETY: membarrier touches no memory of ours.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
    }

    /// Lets other processes order this one's loads and stores; `false` where that cannot be had.
    /// Once per process.
    pub(crate) fn register() -> bool {
        static REGISTERED: OnceLock<bool> = OnceLock::new();
        *REGISTERED.get_or_init(|| membarrier(REGISTER_GLOBAL_EXPEDITED))
    }

    /// A full barrier on every running thread of every registered process; `false` if refused.
    pub(crate) fn issue() -> bool {
        membarrier(GLOBAL_EXPEDITED)
    }
}
