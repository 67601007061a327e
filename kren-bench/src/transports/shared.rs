//! A page of memory that both processes map: what the limits are measured on.
#![allow(unsafe_code)]

use std::fs::{self, File};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU32;
use std::sync::atomic::AtomicU64;

use super::patiently;
use crate::Result;
use crate::link::{Setup, Side};

const PAGE: usize = 4096;
/// Farther apart than two lines that a processor may fetch together.
const APART: usize = 256;

pub(crate) struct Shared {
    base: *mut u8,
    path: Option<PathBuf>,
}

impl Shared {
    /// The page of this session, made by the leading side.
    pub(crate) fn open(setup: &Setup) -> Result<Self> {
        let path = directory().join(&setup.session);
        match setup.side {
            Side::Lead => {
                // Under another name first: the other side must not find it without its page.
                let unfinished = path.with_extension("new");
                let file = File::options()
                    .read(true)
                    .write(true)
                    .create_new(true)
                    .open(&unfinished)?;
                file.set_len(PAGE as u64)?;
                let base = map(&file)?;
                fs::rename(&unfinished, &path)?;
                Ok(Self {
                    base,
                    path: Some(path),
                })
            }
            Side::Follow => {
                let file = patiently(|| File::options().read(true).write(true).open(&path))?;
                Ok(Self {
                    base: map(&file)?,
                    path: None,
                })
            }
        }
    }

    /// The words that this side and the other one store.
    pub(crate) fn words(&self, side: Side) -> (&AtomicU64, &AtomicU64) {
        // SAFETY: both lie in the page, aligned, and live as long as the mapping.
        let [lead, follow] = [0, 1].map(|at| unsafe { &*self.base.add(at * APART).cast() });
        match side {
            Side::Lead => (lead, follow),
            Side::Follow => (follow, lead),
        }
    }

    /// The same two places as words to sleep on.
    pub(crate) fn sleep_words(&self, side: Side) -> (&AtomicU32, &AtomicU32) {
        // SAFETY: as above.
        let [lead, follow] = [2, 3].map(|at| unsafe { &*self.base.add(at * APART).cast() });
        match side {
            Side::Lead => (lead, follow),
            Side::Follow => (follow, lead),
        }
    }
}

/// Where files are memory, if there is such a place.
pub(crate) fn directory() -> PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        memory.to_owned()
    } else {
        std::env::temp_dir()
    }
}

fn map(file: &File) -> Result<*mut u8> {
    // SAFETY: a new mapping of a page that the file has.
    let base = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            PAGE,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED,
            file.as_raw_fd(),
            0,
        )
    };
    if base == libc::MAP_FAILED {
        return Err(std::io::Error::last_os_error().into());
    }
    Ok(base.cast())
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: mapped in `map`, unmapped once; no reference outlives `self`.
        unsafe { libc::munmap(self.base.cast(), PAGE) };
        if let Some(path) = &self.path {
            let _ = fs::remove_file(path);
        }
    }
}
