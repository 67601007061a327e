//! A file descriptor that an event loop can watch: the core's one waiting thread makes it readable.

use kren_core::{Interest, Result};
use std::ffi::c_int;

use crate::failure::{Failure, Outcome};

#[cfg(unix)]
pub(crate) use self::unix::Descriptor;

/// An end's descriptor, once it was asked for.
#[derive(Default)]
pub(crate) struct Watched(#[cfg(unix)] Option<Descriptor>);

impl Watched {
    /// The descriptor; it says at once that there may be something to see.
    #[cfg(unix)]
    pub(crate) fn fd(&mut self, channel: &str) -> Outcome<c_int> {
        if self.0.is_none() {
            self.0 = Some(Descriptor::new(channel)?);
        }
        self.0.as_ref().map(Descriptor::fd).ok_or(Failure::Empty)
    }

    #[cfg(not(unix))]
    pub(crate) fn fd(&mut self, _channel: &str) -> Outcome<c_int> {
        Err(Failure::Misuse(
            &"there are no such descriptors on this system: wait with a selector",
        ))
    }

    /// Waits no more; the descriptor says that there may be something to see.
    pub(crate) fn call_off(&mut self) {
        #[cfg(unix)]
        if let Some(descriptor) = &mut self.0 {
            descriptor.call_off();
        }
    }

    /// Waits in the background from now on, if there is a descriptor and it does not yet; `false`: there is something to see.
    #[inline]
    pub(crate) fn arm(&mut self, interest: impl FnOnce() -> Result<Interest>) -> Result<bool> {
        #[cfg(unix)]
        if let Some(descriptor) = &mut self.0 {
            return descriptor.arm(interest);
        }
        let _ = interest;
        Ok(true)
    }
}

#[cfg(unix)]
mod unix {
    use std::io::{PipeReader, PipeWriter, Read as _, Write as _, pipe};
    use std::os::fd::AsRawFd as _;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use kren_core::{Background, Error, Interest, Result, Watching};

    pub(crate) struct Descriptor {
        bell: Arc<Bell>,
        background: Background,
        watching: Option<Watching>,
    }

    /// A pipe that holds a byte while there may be something to see.
    struct Bell {
        heard: PipeReader,
        rung: PipeWriter,
        is_rung: AtomicBool,
    }

    impl Bell {
        fn ring(&self) {
            if !self.is_rung.swap(true, Ordering::SeqCst) {
                // One byte at most is in there, so there is room; with the reading end, which is here too, it is open.
                let _ = (&self.rung).write_all(&[1]);
            }
        }

        fn silence(&self) {
            if self.is_rung.swap(false, Ordering::SeqCst) {
                // It is there, or is just being written.
                let _ = (&self.heard).read_exact(&mut [0]);
            }
        }
    }

    impl Descriptor {
        pub(super) fn new(channel: &str) -> Result<Self> {
            let (heard, rung) = pipe().map_err(|error| Error::Io {
                channel: channel.into(),
                call: "pipe",
                os_error: error.raw_os_error().unwrap_or_default(),
            })?;
            let bell = Arc::new(Bell {
                heard,
                rung,
                is_rung: AtomicBool::new(false),
            });
            bell.ring();
            Ok(Self {
                bell,
                background: Background::new(channel)?,
                watching: None,
            })
        }

        pub(super) fn fd(&self) -> i32 {
            self.bell.heard.as_raw_fd()
        }

        pub(super) fn call_off(&mut self) {
            self.watching = None;
            self.bell.ring();
        }

        pub(super) fn arm(&mut self, interest: impl FnOnce() -> Result<Interest>) -> Result<bool> {
            // One that is under way goes on: nothing has come since.
            if self.watching.is_some() && !self.bell.is_rung.load(Ordering::SeqCst) {
                return Ok(true);
            }
            // Before the next one begins, which may ring at once.
            self.watching = None;
            self.bell.silence();
            let bell = Arc::clone(&self.bell);
            self.watching = self
                .background
                .watch_for(interest()?, move || bell.ring())?;
            if self.watching.is_none() {
                self.bell.ring();
            }
            Ok(self.watching.is_some())
        }
    }
}
