//! macOS: shared-memory objects, lock files, and waiting on addresses.
//!
//! A shared-memory object of macOS is no file: it cannot be locked, renamed or linked, its mode and
//! its length are given once, and it has no identity beside its content. So
//!
//! - roles are locks on files beside it ([`locks`]), told apart by a digest of the segment's header;
//! - a segment is absent to everybody until its header's first word is stored, last, and whoever
//!   makes or removes one holds the folder's lock, so that what a creator left unfinished when it
//!   died is cleared away by the next.
//!
//! Nothing here has run on macOS yet; `docs/platform.md` says what was checked instead.
#![allow(unsafe_code)]

mod locks;
mod signal;

use self::locks::{Folder, Held};
use super::digest::{digest, short_name};
use super::{Failure, GoOn, Mapping, Rights, unix};
use crate::Limit;
use crate::layout::{Geometry, HEADER_LEN, MAGIC, Seat};
use crate::sync::{AtomicU64, Ordering};
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;

pub(crate) use self::signal::Signal;
pub(crate) use super::unix::{
    NAMES_STAY, fork, leave_signals_to_others, processors, usable_processors,
};

/// Bytes of the smallest piece that is mapped: at least the page of Apple's own processors, so that
/// programs translated for them and native ones understand each other's segments.
pub(crate) fn granularity() -> usize {
    unix::granularity().max(16 * 1024)
}

/// The shared-memory object of a channel.
#[derive(Clone)]
pub(crate) struct Place {
    name: CString,
}

impl Place {
    /// `name` has been validated: it holds no slash and no NUL.
    pub(crate) fn new(name: &str, _machine_wide: bool) -> Self {
        Self {
            name: CString::new(short_name(name)).expect("a channel name holds no NUL"),
        }
    }

    /// Builds a segment of `len` bytes, which nobody takes for one before it is whole.
    pub(crate) fn create(
        &self,
        header: &[u8; HEADER_LEN],
        len: u64,
        mode: u32,
        _go_on: GoOn<'_>,
    ) -> Result<Option<Object>, Failure> {
        let folder = Folder::of(unix::user());
        let _building = folder.lock()?;
        if let Some(file) = open(&self.name, libc::O_RDWR, 0)? {
            if look(file.as_fd(), stat(file.as_fd())?.st_size)?.is_some() {
                return Ok(None);
            }
            // Nobody is building it now, so whoever began has died.
            unlink(&self.name)?;
        }
        let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL;
        let Some(file) = open(&self.name, flags, mode)? else {
            return Ok(None);
        };
        let built = fill(file.as_fd(), header, len, mode)
            .and_then(|()| folder.make_locks(&lock_stem(&self.name, header), mode));
        if let Err(failure) = built {
            let _ = unlink(&self.name);
            return Err(failure);
        }
        // Last, and with it the segment is there.
        store_magic(file.as_fd(), header)?;
        // Opened anew like any other: the creator has no more rights than a later writer. What the
        // name leads to by now must be what was built, whose owner need not be asked (G8).
        let made = self.open(true)?;
        Ok(made.filter(|object| object.header == *header))
    }

    /// Opens the segment under the name, whoever made it.
    pub(crate) fn open(&self, any_owner: bool) -> Result<Option<Object>, Failure> {
        let Some(file) = open(&self.name, libc::O_RDWR, 0)? else {
            return Ok(None);
        };
        let stat = stat(file.as_fd())?;
        if !any_owner {
            unix::refuse_foreign(stat.st_uid)?;
        }
        let Some(header) = look(file.as_fd(), stat.st_size)? else {
            return Ok(None);
        };
        let mode = u32::from(stat.st_mode) & 0o777;
        let held = Held::new(
            Folder::of(stat.st_uid),
            &lock_stem(&self.name, &header),
            mode,
        );
        Ok(Some(Object {
            place: self.clone(),
            owner: stat.st_uid,
            file: Some(file),
            mode,
            len: stat.st_size as u64,
            header,
            held,
        }))
    }

    /// As `open`, for one who only looks. Locks are files that one must be able to write to here.
    pub(crate) fn look(&self) -> Result<Option<Object>, Failure> {
        self.open(true)
    }

    /// Whether the name leads to the segment of this header. There is no way to ask without opening it.
    fn leads_to(&self, header: &[u8; HEADER_LEN]) -> Result<bool, Failure> {
        let Some(file) = open(&self.name, libc::O_RDWR, 0)? else {
            return Ok(false);
        };
        Ok(look(file.as_fd(), stat(file.as_fd())?.st_size)?.as_ref() == Some(header))
    }

    /// Removes the name if it leads to `object`, whatever lives on it.
    pub(crate) fn remove(&self, object: &Object) -> Result<(), Failure> {
        let _building = object.held.folder().lock()?;
        self.remove_locked(object)
    }

    /// As `remove`, by one who holds the folder's lock.
    fn remove_locked(&self, object: &Object) -> Result<(), Failure> {
        if !self.leads_to(&object.header)? {
            return Ok(());
        }
        unlink(&self.name)?;
        object.held.remove_files();
        Ok(())
    }
}

/// How the names of a segment's lock files begin. Two segments of one name have headers of their
/// own, and so have their locks.
fn lock_stem(name: &CStr, header: &[u8; HEADER_LEN]) -> String {
    let name = name.to_string_lossy();
    format!(
        "{}.{:016x}",
        name.trim_start_matches('/'),
        digest(header) >> 64
    )
}

/// An open segment.
pub(crate) struct Object {
    place: Place,
    owner: u32,
    /// What is mapped from, until [`Object::keep_only_lock`].
    file: Option<OwnedFd>,
    mode: u32,
    len: u64,
    header: [u8; HEADER_LEN],
    held: Held,
}

impl Object {
    /// Bytes of the whole segment.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Whose it is, and who may use it.
    #[allow(clippy::unnecessary_wraps, reason = "the contract of every system")]
    pub(crate) fn rights(&self) -> Option<Rights> {
        Some(Rights {
            owner: self.owner,
            mode: self.mode,
        })
    }

    #[allow(clippy::unnecessary_wraps, reason = "the contract of every system")]
    pub(crate) fn read_header(&self) -> Result<[u8; HEADER_LEN], Failure> {
        Ok(self.header)
    }

    /// Whether the name still leads here.
    pub(crate) fn is_named(&self, place: &Place) -> Result<bool, Failure> {
        place.leads_to(&self.header)
    }

    /// The mode of an object cannot be changed, so it must be this one.
    pub(crate) fn set_mode(&self, mode: u32) -> Result<(), Failure> {
        let found = self.mode;
        if found == mode {
            return Ok(());
        }
        Err(Failure::Denied(format!(
            "it was made with mode {found:o}, which the system lets nobody change to {mode:o}; leave the mode out, or \
             create the channel under another name"
        )))
    }

    pub(crate) fn map(
        &self,
        geometry: Geometry,
        seat: Option<Seat>,
        prefault: bool,
    ) -> Result<Mapping, Failure> {
        let file = self.file.as_ref().expect("mapped before it is settled");
        let mapping = unix::map(file.as_fd(), geometry, seat, false)?;
        if prefault {
            mapping.touch();
        }
        Ok(mapping)
    }

    /// The pages of the seats, for one who looks and takes part in nothing.
    pub(crate) fn glance(&self, geometry: Geometry) -> Result<Mapping, Failure> {
        self.map(geometry.pages_only(), None, false)
    }

    /// Nothing is mapped from here on: lets go of all that does not hold a role.
    pub(crate) fn keep_only_lock(&mut self) {
        self.file = None;
    }

    /// Fails where this process has closed a descriptor beneath its own endpoint, and with it a role.
    pub(crate) fn check_lock(&self) -> Result<(), Failure> {
        self.held.check()
    }

    /// Takes a seat's lock; `false` if somebody else has it.
    pub(crate) fn try_hold(&self, seat: Seat) -> Result<bool, Failure> {
        let is_named = || self.is_named(&self.place);
        self.held.try_hold(seat, is_named)
    }

    /// Whether somebody else has the seat's lock.
    pub(crate) fn is_held(&self, seat: Seat) -> bool {
        self.held.is_held_elsewhere(seat)
    }

    /// Gives a seat's lock back.
    pub(crate) fn let_go(&self, seat: Seat) {
        self.held.let_go(seat);
    }

    /// Removes the name if nobody holds one of the `seats` seats, the writer's included, and `agreed` says so.
    ///
    /// All are held meanwhile, so nobody can attach between the question and the removal;
    /// one who holds a seat afterwards finds that the name no longer leads to its object. Several
    /// sides may close at once: the folder's lock lets one ask after the other, and so the second
    /// finds itself alone.
    pub(crate) fn remove_if_alone(
        &self,
        place: &Place,
        seats: usize,
        agreed: impl FnOnce() -> bool,
    ) {
        // Left behind where the folder is another user's; a later writer goes on with it.
        let Ok(_building) = self.held.folder().lock() else {
            return;
        };
        // The other side may have done it just now.
        if !matches!(self.is_named(place), Ok(true)) {
            return;
        }
        let alone = (0..seats)
            .map(Seat::numbered)
            .all(|seat| matches!(self.try_hold(seat), Ok(true)));
        if alone && agreed() {
            let _ = place.remove_locked(self);
        }
        self.held.let_all_go();
    }

    /// Takes back the name of a segment that was made for this side, which cannot use it.
    pub(crate) fn withdraw(&self, place: &Place, seats: usize) {
        self.remove_if_alone(place, seats, || true);
    }

    /// The words of this segment that threads sleep on.
    #[allow(clippy::unnecessary_wraps, reason = "the contract of every system")]
    pub(crate) fn signal(&self, _of: Seat) -> Result<Signal, Failure> {
        Ok(Signal)
    }

    /// The word on which `sleeper` sleeps for `of`: the same for all.
    #[allow(clippy::unnecessary_wraps, reason = "the contract of every system")]
    pub(crate) fn sleeper(&self, _of: Seat, _sleeper: Seat) -> Result<Signal, Failure> {
        Ok(Signal)
    }
}

/// Opens the object; `None` where it does not exist, or exists and was to be made.
///
/// The system closes the descriptor on `exec` without being asked.
fn open(name: &CStr, flags: i32, mode: u32) -> Result<Option<OwnedFd>, Failure> {
    // SAFETY: the name is NUL-terminated; the mode is passed as C promotes it.
    let fd = unsafe { libc::shm_open(name.as_ptr(), flags, libc::c_uint::from(mode)) };
    if fd >= 0 {
        // SAFETY: a descriptor that has just been opened is ours.
        let file = unsafe { OwnedFd::from_raw_fd(fd) };
        let file = fork::beyond_streams(file).map_err(|code| Failure::Call {
            call: "fcntl(F_DUPFD_CLOEXEC)",
            code,
        })?;
        return Ok(Some(file));
    }
    match Failure::last("shm_open") {
        Failure::Call {
            code: libc::ENOENT | libc::EEXIST,
            ..
        } => Ok(None),
        Failure::Call {
            code: libc::EACCES | libc::EPERM,
            ..
        } => Err(Failure::Denied(
            "its mode admits neither this user nor this group".into(),
        )),
        failure => Err(failure),
    }
}

fn unlink(name: &CStr) -> Result<(), Failure> {
    // SAFETY: the name is NUL-terminated.
    match unsafe { libc::shm_unlink(name.as_ptr()) } {
        0 => Ok(()),
        _ => match Failure::last("shm_unlink") {
            Failure::Call {
                code: libc::ENOENT, ..
            } => Ok(()),
            Failure::Call {
                code: libc::EACCES | libc::EPERM,
                ..
            } => Err(Failure::Denied(
                "it belongs to another user, who alone may remove it".into(),
            )),
            failure => Err(failure),
        },
    }
}

/// Owner, mode and length; the rest is zero for a shared-memory object.
fn stat(file: BorrowedFd<'_>) -> Result<libc::stat, Failure> {
    // SAFETY: an all-zero stat is valid, and `found` is writable.
    unsafe {
        let mut found: libc::stat = std::mem::zeroed();
        match libc::fstat(file.as_raw_fd(), &raw mut found) {
            0 => Ok(found),
            _ => Err(Failure::last("fstat")),
        }
    }
}

/// The header of a whole segment in an object of `len` bytes; `None` while it is not finished.
fn look(file: BorrowedFd<'_>, len: libc::off_t) -> Result<Option<[u8; HEADER_LEN]>, Failure> {
    if len < HEADER_LEN as libc::off_t {
        return Ok(None);
    }
    let view = View::new(file, libc::PROT_READ)?;
    // Acquire: pairs with the Release store in `store_magic`; everything else was stored before.
    if view.magic().load(Ordering::Acquire) == 0 {
        return Ok(None);
    }
    let mut header = [0; HEADER_LEN];
    // SAFETY: the view has HEADER_LEN bytes.
    unsafe { ptr::copy_nonoverlapping(view.0, header.as_mut_ptr(), HEADER_LEN) };
    Ok(Some(header))
}

/// Gives a new object its length, and its header but for the first word.
fn fill(
    file: BorrowedFd<'_>,
    header: &[u8; HEADER_LEN],
    len: u64,
    mode: u32,
) -> Result<(), Failure> {
    // SAFETY: no preconditions.
    if unsafe { libc::ftruncate(file.as_raw_fd(), len as libc::off_t) } != 0 {
        return Err(match Failure::last("ftruncate") {
            Failure::Call {
                code: libc::ENOMEM | libc::ENOSPC | libc::EFBIG,
                ..
            } => Failure::NoMemory {
                needed: len,
                available: None,
                limit: Limit::Machine,
            },
            failure => failure,
        });
    }
    // The mode cannot be changed afterwards (G8: what was asked for, or nothing).
    let made = u32::from(stat(file)?.st_mode) & 0o777;
    if made != mode {
        return Err(Failure::Denied(format!(
            "the system gave it mode {made:o} instead of {mode:o}; clear the umask of this process \
             before it creates the channel"
        )));
    }
    let view = View::new(file, libc::PROT_READ | libc::PROT_WRITE)?;
    let rest = MAGIC.len()..HEADER_LEN;
    // SAFETY: the view has HEADER_LEN writable bytes, of which nobody else looks at these.
    unsafe {
        ptr::copy_nonoverlapping(
            header[rest.clone()].as_ptr(),
            view.0.add(rest.start),
            rest.len(),
        );
    }
    Ok(())
}

/// Makes a filled object a segment.
fn store_magic(file: BorrowedFd<'_>, header: &[u8; HEADER_LEN]) -> Result<(), Failure> {
    let view = View::new(file, libc::PROT_READ | libc::PROT_WRITE)?;
    let mut magic = [0; MAGIC.len()];
    magic.copy_from_slice(&header[..MAGIC.len()]);
    // Release: pairs with the Acquire load in `look`.
    view.magic()
        .store(u64::from_le_bytes(magic), Ordering::Release);
    Ok(())
}

/// The first page of an object in memory, until drop.
struct View(*mut u8);

impl View {
    /// The object must have at least HEADER_LEN bytes.
    fn new(file: BorrowedFd<'_>, protection: i32) -> Result<Self, Failure> {
        // SAFETY: a mapping at an address the kernel chooses disturbs nothing.
        let address = unsafe {
            libc::mmap(
                ptr::null_mut(),
                HEADER_LEN,
                protection,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        if address == libc::MAP_FAILED {
            Err(Failure::last("mmap"))
        } else {
            Ok(Self(address.cast()))
        }
    }

    /// The first word of the header.
    fn magic(&self) -> &AtomicU64 {
        // SAFETY: the start of a mapped page: aligned, and valid as long as the view.
        unsafe { &*self.0.cast::<AtomicU64>() }
    }
}

impl Drop for View {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`, and nobody has a reference that outlives this.
        unsafe { libc::munmap(self.0.cast(), HEADER_LEN) };
    }
}

/// There is no barrier over the threads of other processes here, so each publication fences.
pub(crate) mod barrier {
    pub(crate) const OFFERED: bool = false;

    pub(crate) fn register() -> bool {
        false
    }

    pub(crate) fn issue() -> bool {
        false
    }
}
