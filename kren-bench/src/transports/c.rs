//! KREN in C: a shared object that `cargo xtask bench` compiles from `c/kren.c`, and names in [`PLACE`]; both sides of a message are C.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::mem::transmute_copy;
use std::os::unix::ffi::OsStrExt as _;

use super::{BUSY, Entry, SIZES};
use crate::Result;
use crate::link::{Ends, Link, Setup};
use crate::payload::Numbers;

/// The variable of the environment that holds the file's name; without it there is no transport in C.
const PLACE: &str = "KREN_BENCH_C";

/// As `c/ends.h` declares them.
#[derive(Clone, Copy)]
struct Calls {
    open: unsafe extern "C" fn(*const c_char, *const c_char, usize, usize, c_int) -> *mut c_void,
    send: unsafe extern "C" fn(*mut c_void, u64),
    receive: unsafe extern "C" fn(*mut c_void) -> u64,
    send_many: unsafe extern "C" fn(*mut c_void, u64, u64, u64),
    receive_many: unsafe extern "C" fn(*mut c_void, u64) -> u64,
    close: unsafe extern "C" fn(*mut c_void),
}

struct Foreign {
    calls: Calls,
    ends: *mut c_void,
    size: usize,
}

pub(super) fn entries() -> Vec<Entry> {
    if std::env::var_os(PLACE).is_none() {
        return vec![];
    }
    let entry = |name, how, open| Entry {
        name,
        how,
        tests: BUSY,
        sizes: SIZES,
        listed: true,
        open,
    };
    vec![
        entry("kren-c", "in C: kren_write; kren_read; spinning", |setup| {
            Foreign::open(setup, false)
        }),
        entry(
            "kren-c-inplace",
            "in C: kren_reserve, fill, kren_commit; kren_read; spinning",
            |setup| Foreign::open(setup, true),
        ),
    ]
}

impl Calls {
    fn load() -> Result<Self> {
        let place = std::env::var_os(PLACE).ok_or("no file is named")?;
        let place = CString::new(place.as_bytes())?;
        // SAFETY: a text with a zero at its end.
        let library = unsafe { libc::dlopen(place.as_ptr(), libc::RTLD_NOW) };
        if library.is_null() {
            return Err(last_error().into());
        }
        let find = |name: &CStr| {
            // SAFETY: the library is never closed, and the name has a zero at its end.
            let place = unsafe { libc::dlsym(library, name.as_ptr()) };
            match place.is_null() {
                true => Err(last_error()),
                false => Ok(place),
            }
        };
        // SAFETY: each name leads to a function of that type: `c/ends.h`.
        unsafe {
            Ok(Self {
                open: transmute_copy(&find(c"ends_open")?),
                send: transmute_copy(&find(c"ends_send")?),
                receive: transmute_copy(&find(c"ends_receive")?),
                send_many: transmute_copy(&find(c"ends_send_many")?),
                receive_many: transmute_copy(&find(c"ends_receive_many")?),
                close: transmute_copy(&find(c"ends_close")?),
            })
        }
    }
}

fn last_error() -> String {
    // SAFETY: the text stays until the next call of its kind, and is copied at once.
    let text = unsafe { libc::dlerror() };
    match text.is_null() {
        true => "it cannot be loaded".to_owned(),
        // SAFETY: as above.
        false => unsafe { CStr::from_ptr(text) }
            .to_string_lossy()
            .into_owned(),
    }
}

impl Foreign {
    fn open(setup: &Setup, in_place: bool) -> Result<Box<dyn Link>> {
        let calls = Calls::load()?;
        let (there, back) = setup.ways();
        let (there, back) = (CString::new(there)?, CString::new(back)?);
        let (size, capacity) = (setup.size, setup.capacity);
        // SAFETY: both texts outlive the call.
        let ends = unsafe {
            (calls.open)(
                there.as_ptr(),
                back.as_ptr(),
                size,
                capacity,
                in_place.into(),
            )
        };
        if ends.is_null() {
            return Err("there is no memory for it".into());
        }
        Ok(Box::new(Self { calls, ends, size }))
    }
}

impl Ends for Foreign {
    #[inline]
    fn send(&mut self, number: u64) {
        // SAFETY: they are open until this is dropped; so in all that follow.
        unsafe { (self.calls.send)(self.ends, number) };
    }

    #[inline]
    fn receive(&mut self) -> u64 {
        // SAFETY: as in `send`.
        unsafe { (self.calls.receive)(self.ends) }
    }

    fn send_many<N: Numbers>(&mut self, count: u64) {
        let (first, step) = (N::at(0), N::at(1) - N::at(0));
        // SAFETY: as in `send`.
        unsafe { (self.calls.send_many)(self.ends, count, first, step) };
    }

    fn receive_many(&mut self, count: u64) -> u64 {
        // SAFETY: as in `send`.
        unsafe { (self.calls.receive_many)(self.ends, count) }
    }

    fn carried(&self) -> Option<usize> {
        Some(self.size)
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        // SAFETY: as in `send`; nobody uses them afterwards.
        unsafe { (self.calls.close)(self.ends) };
    }
}
