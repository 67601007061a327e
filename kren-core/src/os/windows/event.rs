//! Named events: one per direction to sleep on, one per role to say by its existence who lives.
#![allow(unsafe_code)]

use super::security::Security;
use super::{Failure, wide};
use crate::sync::{AtomicU32, Ordering};
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::time::Duration;
use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_ALREADY_EXISTS, ERROR_FILE_NOT_FOUND, GetLastError,
};
use windows_sys::Win32::System::Threading::{
    CreateEventExW, EVENT_MODIFY_STATE, INFINITE, OpenEventW, SYNCHRONIZATION_SYNCHRONIZE,
    SetEvent, WaitForSingleObject,
};

/// Creates or opens an event that resets itself when a sleeper wakes up; tells whether it is new.
fn create(name: &str, security: &Security, access: u32) -> Result<(OwnedHandle, bool), Failure> {
    let name = wide(name);
    let attributes = security.attributes();
    // SAFETY: the name is NUL-terminated; the attributes refer to a descriptor that outlives them.
    let handle = unsafe { CreateEventExW(&raw const attributes, name.as_ptr(), 0, access) };
    // SAFETY: no preconditions. Asked at once, before another call can change it.
    let code = unsafe { GetLastError() };
    if handle.is_null() {
        return Err(Failure::Call {
            call: "CreateEventExW",
            code: code as i32,
        });
    }
    // SAFETY: a handle that has just been opened is ours.
    let handle = unsafe { OwnedHandle::from_raw_handle(handle) };
    Ok((handle, code != ERROR_ALREADY_EXISTS))
}

/// Creates the event unless it exists already, in which case it is not kept.
pub(super) fn create_only(name: &str, security: &Security) -> Result<Option<OwnedHandle>, Failure> {
    match create(name, security, SYNCHRONIZATION_SYNCHRONIZE) {
        Ok((handle, is_new)) => Ok(is_new.then_some(handle)),
        // It is there, and somebody else's.
        Err(Failure::Call { code, .. }) if code as u32 == ERROR_ACCESS_DENIED => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Whether an event of that name exists.
pub(super) fn exists(name: &str) -> bool {
    let name = wide(name);
    // SAFETY: the name is NUL-terminated.
    let handle = unsafe { OpenEventW(SYNCHRONIZATION_SYNCHRONIZE, 0, name.as_ptr()) };
    if handle.is_null() {
        // If the kernel will not say, do not declare anybody dead.
        // SAFETY: no preconditions.
        return unsafe { GetLastError() } != ERROR_FILE_NOT_FOUND;
    }
    // SAFETY: a handle that has just been opened is ours; it is closed here.
    drop(unsafe { OwnedHandle::from_raw_handle(handle) });
    true
}

/// What stands for a word of the segment: an event for each of those that sleep on it. `WaitOnAddress` would serve one
/// process only, and an event wakes one sleeper only.
pub(crate) struct Signal(Vec<OwnedHandle>);

impl Signal {
    pub(super) fn open(
        names: impl IntoIterator<Item = String>,
        security: &Security,
    ) -> Result<Self, Failure> {
        let access = SYNCHRONIZATION_SYNCHRONIZE | EVENT_MODIFY_STATE;
        let open = |name: String| create(&name, security, access).map(|(handle, _)| handle);
        names
            .into_iter()
            .map(open)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Sleeps while `word` holds `expected`, at most for `timeout`. May return early. For the signal of one sleeper.
    ///
    /// No wake-up is missed: the waker stores the word before it sets the event, and a set event
    /// stays set until somebody wakes up by it. So either the new word is seen here, or the wait
    /// ends at once.
    pub(crate) fn sleep(&self, word: &AtomicU32, expected: u32, timeout: Duration) {
        if word.load(Ordering::Relaxed) != expected {
            return;
        }
        // Up to the next millisecond: rounded down, short timeouts would spin.
        let millis = timeout.as_nanos().div_ceil(1_000_000);
        let millis = u32::try_from(millis).unwrap_or(INFINITE).min(INFINITE - 1);
        // SAFETY: the handle is open. Whatever the result is, the caller looks again.
        unsafe { WaitForSingleObject(self.0[0].as_raw_handle(), millis) };
    }

    /// Wakes whoever sleeps, or is about to.
    pub(crate) fn wake(&self, _word: &AtomicU32) {
        for event in &self.0 {
            // SAFETY: the handle is open, and was opened with the right to do this.
            unsafe { SetEvent(event.as_raw_handle()) };
        }
    }
}
