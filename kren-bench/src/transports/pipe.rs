//! Pipes, one each way; named, since neither process is the other's child.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::bytes::{Bytes, KERNEL_BUFFER};
use super::{Entry, SIZES, SLEEPS, patiently};
use crate::Result;
use crate::link::{Link, Setup, Side};

pub(super) fn entry() -> Entry {
    Entry {
        name: "pipe",
        how: "a pipe each way, of 1 MiB",
        tests: SLEEPS,
        sizes: SIZES,
        listed: true,
        open,
    }
}

fn open(setup: &Setup) -> Result<Box<dyn Link>> {
    let (there, back) = setup.ways();
    let [there, back] = [there, back].map(|name| std::env::temp_dir().join(name));
    let write = |path: &PathBuf| File::options().write(true).open(path);
    let read = |path: &PathBuf| File::options().read(true).open(path);
    // Opening one end waits for the other, so both sides go through the two in the same order.
    let (writer, reader) = match setup.side {
        Side::Lead => {
            make(&there)?;
            make(&back)?;
            let ends = (write(&there)?, read(&back)?);
            fs::remove_file(&there)?;
            fs::remove_file(&back)?;
            ends
        }
        Side::Follow => {
            let reader = patiently(|| read(&back))?;
            (patiently(|| write(&there))?, reader)
        }
    };
    widen(&writer);
    Ok(Box::new(Bytes::new(writer, reader, setup)))
}

fn make(path: &Path) -> Result<()> {
    let name = CString::new(path.as_os_str().as_encoded_bytes())?;
    // SAFETY: the name ends with a zero and outlives the call.
    match unsafe { libc::mkfifo(name.as_ptr(), 0o600) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error().into()),
    }
}

/// Asks for a larger buffer; where that is refused the default is what a user would have too.
#[cfg(target_os = "linux")]
fn widen(pipe: &File) {
    use std::os::fd::AsRawFd as _;
    // SAFETY: a call without pointers on an open descriptor.
    unsafe {
        libc::fcntl(
            pipe.as_raw_fd(),
            libc::F_SETPIPE_SZ,
            KERNEL_BUFFER as libc::c_int,
        )
    };
}

#[cfg(not(target_os = "linux"))]
fn widen(_pipe: &File) {
    let _ = KERNEL_BUFFER;
}
