//! What KREN asks of an operating system: one contract, one file per system.
//!
//! A platform's file is the only place that names that platform. Each provides:
//!
//! - [`granularity`]: bytes of the smallest piece that can be mapped on its own; [`processors`]: how
//!   many the machine runs, whichever of them this process may use; [`usable_processors`]: how many that are;
//! - [`Place`]: where the segment of a channel name lives, in the user's session or machine-wide.
//!   `create` builds a whole segment and only then makes it visible (`None`: the name is taken);
//!   `open` finds one (`None`: there is none), and `look` does for one who stores nothing, whoever the owner;
//! - [`Object`]: an open segment. It tells its length and header bytes, whether the name still
//!   leads to it, maps it, lets one glance at its seats' pages, and gives it another mode; `keep_only_lock` gives back what only mapping takes. `try_hold` takes a seat's
//!   lock, which the kernel drops when the process dies, `is_held` asks whether somebody else has one, `let_go`
//!   returns it, `rights` tells whose it is, `check_lock` looks whether this process has taken it from itself, `remove_if_alone` removes the
//!   name while holding all seats, if the closure agrees, and `withdraw` does for a creator that failed;
//! - [`Watch`]: waits until something is made where channels are; there need not be any;
//! - [`names`]: the names there that begin in a certain way, where the system can tell;
//! - [`NAMES_STAY`]: whether a name, and what lies under it, stays when nobody holds the segment any more;
//! - [`pid_space`]: the namespace that process ids of this process belong to (0: there is one only, or it is not known), and
//!   [`is_dying`]: whether a process of it has been killed and is not gone yet;
//! - [`Signal`]: sleeping on, and waking sleepers of, a word in the segment. A sleep may end early
//!   for no reason; it must end when `wake` is called after the word has changed;
//! - [`barrier`]: the process-wide barrier that lets publishers go without fences;
//! - [`leave_signals_to_others`]: for a thread of this library's own;
//! - [`fork`]: a number that changes in a child made by `fork`.

use crate::layout::{Commons, Geometry, RolePage, Seat};
use crate::{Error, Limit};
use std::sync::Arc;

#[cfg(all(target_os = "linux", not(like_macos)))]
mod linux;
#[cfg(all(target_os = "linux", not(like_macos)))]
use linux as system;

// With `--cfg like_macos` Linux does as macOS does, so that the tests can run over that code.
#[cfg(any(target_os = "macos", like_macos))]
mod macos;
#[cfg(any(target_os = "macos", like_macos))]
use macos as system;

#[cfg(windows)]
mod windows;
#[cfg(windows)]
use windows as system;

#[cfg(unix)]
mod unix;

#[cfg(any(target_os = "macos", like_macos, test))]
mod digest;

#[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
compile_error!("KREN runs on Linux, macOS and Windows");

#[cfg(not(all(target_os = "linux", not(like_macos))))]
mod lacking;

#[cfg(not(all(target_os = "linux", not(like_macos))))]
pub(crate) use lacking::{Watch, is_dying, names, pid_space};
#[cfg(all(target_os = "linux", not(like_macos)))]
pub(crate) use linux::{Watch, is_dying, names, pid_space};
pub(crate) use system::{
    NAMES_STAY, Object, Place, Signal, barrier, fork, granularity, leave_signals_to_others,
    processors, usable_processors,
};

/// Nanoseconds since the Unix epoch.
pub(crate) fn now() -> u64 {
    use std::time::{SystemTime, UNIX_EPOCH};
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    })
}

/// Whose a segment is, and who may use it.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(
    windows,
    allow(dead_code, reason = "access is told in other terms there")
)]
pub(crate) struct Rights {
    /// The number of the user.
    pub(crate) owner: u32,
    /// Permission bits.
    pub(crate) mode: u32,
}

/// Whether to go on; asked now and then while something takes long.
pub(crate) type GoOn<'a> = &'a mut dyn FnMut() -> bool;

/// What went wrong below; the caller adds the channel's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The system, or a check of ours, refused access.
    Denied(String),
    /// `needed` bytes of memory could not be had, because of `limit`.
    NoMemory {
        needed: u64,
        available: Option<u64>,
        limit: Limit,
    },
    /// The caller said so.
    #[cfg_attr(
        any(not(target_os = "linux"), like_macos),
        allow(dead_code, reason = "creating takes no time there")
    )]
    Stopped,
    /// What stands under the name is no segment.
    #[cfg_attr(
        any(target_os = "macos", like_macos),
        allow(
            dead_code,
            reason = "shared-memory objects have a namespace of their own there"
        )
    )]
    Foreign(&'static str),
    /// `call` failed with this errno or Windows error code.
    Call { call: &'static str, code: i32 },
}

impl Failure {
    /// This process has closed the descriptor that a role lock of its own rests on.
    #[cfg(unix)]
    const LOCK_CLOSED: Self = Self::Call {
        call: "a look at its lock",
        code: libc::EBADF,
    };

    /// The last error of the calling thread, as the failure of `call`.
    pub(crate) fn last(call: &'static str) -> Self {
        Self::Call {
            call,
            code: std::io::Error::last_os_error().raw_os_error().unwrap_or(0),
        }
    }

    pub(crate) fn into_error(self, channel: &Arc<str>) -> Error {
        let channel = Arc::clone(channel);
        match self {
            Self::Denied(reason) => Error::PermissionDenied {
                channel,
                reason: reason.into(),
            },
            Self::NoMemory {
                needed,
                available,
                limit,
            } => Error::OutOfMemory {
                channel,
                needed,
                available,
                limit,
            },
            Self::Stopped => Error::Interrupted { channel },
            Self::Foreign(what) => Error::Corrupt {
                channel,
                what: what.into(),
            },
            #[cfg(unix)]
            Self::Call {
                call,
                code: code @ (libc::EACCES | libc::EPERM | libc::EROFS),
            } => Error::PermissionDenied {
                channel,
                reason: refusal(call, code).into(),
            },
            Self::Call { call, code } => Error::Io {
                channel,
                call,
                os_error: code,
            },
        }
    }
}

/// What to say where the system refuses a call that needs no privilege.
#[cfg(unix)]
fn refusal(call: &str, code: i32) -> String {
    let advice = if code == libc::EROFS {
        "the shared-memory file system is mounted read-only, and both sides store into a channel: mount it \
         for writing"
    } else {
        "another user's file, a read-only folder, or a sandbox (AppArmor, SELinux, snap, seccomp) can be the reason: \
         allow this program to make, link, rename and remove files called kren-* in /dev/shm"
    };
    let error = std::io::Error::from_raw_os_error(code);
    format!("{call} failed: {error}; {advice}")
}

/// A mapped segment: the header and the pages, then the data region twice in a row.
///
/// M1: `base..base + data_offset + 2 * data_len` stays mapped until drop.
/// M2: the second copy of the data region shows the same memory as the first.
/// M3: the holder's own page is writable, and the commons; the data region too when the holder is the writer;
/// everything else is read-only, so a stray store cannot reach it.
pub(crate) struct Mapping {
    base: *mut u8,
    geometry: Geometry,
    unmap: fn(*mut u8, &Geometry),
}

// The pointers lead to shared memory that any thread may use; who stores what is ruled by the roles.
#[allow(unsafe_code)]
// SAFETY: see above; all shared words are atomics, and payload bytes follow the ring's protocol.
unsafe impl Send for Mapping {}
#[allow(unsafe_code)]
// SAFETY: as for `Send`.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// `base` keeps M1 to M3 for `geometry` until `unmap` is called with it.
    fn new(base: *mut u8, geometry: Geometry, unmap: fn(*mut u8, &Geometry)) -> Self {
        Self {
            base,
            geometry,
            unmap,
        }
    }

    pub(crate) fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// The page of a seat. Storing into another one's page faults (M3).
    #[allow(unsafe_code)]
    pub(crate) fn page(&self, seat: Seat) -> &RolePage {
        assert!(seat.number() <= self.geometry.readers);
        // SAFETY: the page lies inside the mapping (M1, and the seat exists) at a multiple of the granularity, so it
        // is aligned; a role page is all atomics, for which every bit pattern is valid.
        unsafe {
            &*self
                .base
                .add(self.geometry.page_offset(seat))
                .cast::<RolePage>()
        }
    }

    /// The page that all sides may store to, if there is one.
    #[allow(unsafe_code)]
    pub(crate) fn commons(&self) -> Option<&Commons> {
        let offset = self.geometry.commons_offset()?;
        // SAFETY: as in `page`.
        Some(unsafe { &*self.base.add(offset).cast::<Commons>() })
    }

    /// The first byte of the data region.
    #[allow(unsafe_code)]
    pub(crate) fn data(&self) -> *mut u8 {
        // SAFETY: inside the mapping (M1).
        unsafe { self.base.add(self.geometry.data_offset()) }
    }

    /// Reads a byte of every page, so that later accesses take no page faults; for systems that
    /// have no call for it.
    #[cfg(any(not(target_os = "linux"), like_macos))]
    #[allow(unsafe_code)]
    fn touch(&self) {
        /// The smallest page of all systems.
        const PAGE: usize = 4096;
        for at in (0..self.geometry.data_offset() + 2 * self.geometry.data_len()).step_by(PAGE) {
            // SAFETY: inside the mapping (M1), all of which can be read; the value is not used.
            unsafe { self.base.add(at).read_volatile() };
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        (self.unmap)(self.base, &self.geometry);
    }
}
