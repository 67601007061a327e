//! Sleeping on a word in shared memory: by the public calls of macOS 14.4 and later, else by the
//! private ones beneath them, else in short sleeps.
#![allow(unsafe_code)]

use crate::sync::AtomicU32;
use libc::{c_int, c_void, size_t};
use std::ffi::CStr;
use std::io;
use std::ptr;
use std::sync::OnceLock;
use std::time::Duration;

/// How long to sleep where the system cannot wait for a word.
const NAP: Duration = Duration::from_millis(1);

/// `os_sync_wait_on_address_with_timeout`: address, value, size, flags, clock, nanoseconds from now.
type WaitOnAddress = unsafe extern "C" fn(*mut c_void, u64, size_t, u32, u32, u64) -> c_int;
/// `os_sync_wake_by_address_all`: address, size, flags.
type WakeByAddress = unsafe extern "C" fn(*mut c_void, size_t, u32) -> c_int;
/// `__ulock_wait`: operation, address, value, microseconds.
type UlockWait = unsafe extern "C" fn(u32, *mut c_void, u64, u32) -> c_int;
/// `__ulock_wake`: operation, address, a thread's name or 0.
type UlockWake = unsafe extern "C" fn(u32, *mut c_void, u64) -> c_int;

/// To the public calls: the word is shared between processes (`OS_SYNC_..._SHARED`).
const SHARED: u32 = 1;
/// The clock of a timeout (`OS_CLOCK_MACH_ABSOLUTE_TIME`).
const CLOCK: u32 = 32;
#[cfg(target_os = "macos")]
const _: () = assert!(
    SHARED == libc::OS_SYNC_WAIT_ON_ADDRESS_SHARED
        && SHARED == libc::OS_SYNC_WAKE_BY_ADDRESS_SHARED
        && CLOCK == libc::OS_CLOCK_MACH_ABSOLUTE_TIME
);

/// To the private ones: compare a 32-bit word that processes share, and wait.
const UL_COMPARE_AND_WAIT_SHARED: u32 = 3;
const ULF_WAKE_ALL: u32 = 0x0000_0100;

/// What this system has.
enum Calls {
    Address(WaitOnAddress, WakeByAddress),
    Ulock(UlockWait, UlockWake),
    Neither,
}

fn calls() -> &'static Calls {
    static CALLS: OnceLock<Calls> = OnceLock::new();
    CALLS.get_or_init(|| {
        let wait = find(c"os_sync_wait_on_address_with_timeout");
        let wake = find(c"os_sync_wake_by_address_all");
        if !wait.is_null() && !wake.is_null() {
            // SAFETY: the signatures are those that the system's headers give these names.
            return unsafe {
                Calls::Address(
                    std::mem::transmute::<*mut c_void, WaitOnAddress>(wait),
                    std::mem::transmute::<*mut c_void, WakeByAddress>(wake),
                )
            };
        }
        let wait = find(c"__ulock_wait");
        let wake = find(c"__ulock_wake");
        if !wait.is_null() && !wake.is_null() {
            // SAFETY: as above.
            return unsafe {
                Calls::Ulock(
                    std::mem::transmute::<*mut c_void, UlockWait>(wait),
                    std::mem::transmute::<*mut c_void, UlockWake>(wake),
                )
            };
        }
        Calls::Neither
    })
}

fn find(name: &CStr) -> *mut c_void {
    // SAFETY: the name is NUL-terminated.
    unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) }
}

/// Any word of the segment will do.
pub(crate) struct Signal;

impl Signal {
    /// Sleeps while `word` holds `expected`, at most for `timeout`. May return early.
    pub(crate) fn sleep(&self, word: &AtomicU32, expected: u32, timeout: Duration) {
        // Both calls take 0 for something else than no time.
        let timeout = timeout.max(Duration::from_micros(1));
        let address = ptr::from_ref(word).cast_mut().cast();
        // SAFETY: `word` is a mapped, aligned u32; the kernel only compares it.
        let result = unsafe {
            match calls() {
                Calls::Address(wait, _) => wait(
                    address,
                    expected.into(),
                    size_of::<u32>(),
                    SHARED,
                    CLOCK,
                    u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX),
                ),
                Calls::Ulock(wait, _) => wait(
                    UL_COMPARE_AND_WAIT_SHARED,
                    address,
                    expected.into(),
                    u32::try_from(timeout.as_micros()).unwrap_or(u32::MAX),
                ),
                Calls::Neither => return std::thread::sleep(timeout.min(NAP)),
            }
        };
        let error = io::Error::last_os_error().raw_os_error();
        if result < 0 && !matches!(error, Some(libc::ETIMEDOUT | libc::EINTR)) {
            // Systems before 10.15 refuse the shared operation. Whatever the reason: do not spin.
            std::thread::sleep(timeout.min(NAP));
        }
    }

    /// Wakes whoever sleeps on `word`.
    pub(crate) fn wake(&self, word: &AtomicU32) {
        let address = ptr::from_ref(word).cast_mut().cast();
        // SAFETY: `word` is a mapped, aligned u32; the kernel only uses its address. That nobody
        // sleeps there is an error to these calls, and none to us.
        unsafe {
            match calls() {
                Calls::Address(_, wake) => {
                    wake(address, size_of::<u32>(), SHARED);
                }
                Calls::Ulock(_, wake) => {
                    wake(UL_COMPARE_AND_WAIT_SHARED | ULF_WAKE_ALL, address, 0);
                }
                Calls::Neither => {}
            }
        }
    }
}
