//! A Unix socket of the stream kind.
#![allow(unsafe_code)]

use std::fs;
use std::os::fd::AsRawFd as _;
use std::os::unix::net::{UnixListener, UnixStream};

use super::bytes::{Bytes, KERNEL_BUFFER};
use super::{Entry, SIZES, SLEEPS, patiently};
use crate::Result;
use crate::link::{Link, Setup, Side};

pub(super) fn entry() -> Entry {
    Entry {
        name: "unix",
        how: "a Unix stream socket, buffers of 1 MiB asked for",
        tests: SLEEPS,
        sizes: SIZES,
        listed: true,
        open,
    }
}

fn open(setup: &Setup) -> Result<Box<dyn Link>> {
    let path = std::env::temp_dir().join(format!("{}.sock", setup.session));
    let stream = match setup.side {
        Side::Lead => {
            let listener = UnixListener::bind(&path)?;
            let (stream, _) = listener.accept()?;
            fs::remove_file(&path)?;
            stream
        }
        Side::Follow => patiently(|| UnixStream::connect(&path))?,
    };
    for option in [libc::SO_SNDBUF, libc::SO_RCVBUF] {
        widen(&stream, option);
    }
    let reader = stream.try_clone()?;
    Ok(Box::new(Bytes::new(stream, reader, setup)))
}

/// Asks for a larger buffer; the kernel gives what it allows.
fn widen(stream: &UnixStream, option: libc::c_int) {
    let size = KERNEL_BUFFER as libc::c_int;
    // SAFETY: `size` outlives the call, and its length is given.
    unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            option,
            (&raw const size).cast(),
            size_of_val(&size) as libc::socklen_t,
        )
    };
}
