//! Waiting for many ends without a thread for each: what futures, and the faces of other languages, stand on.

use crate::reactor::{self, Reactor};
use crate::{Interest, Result, Waiter};
use std::sync::Arc;
use std::time::Instant;

/// Keeps the one thread of this process that waits on behalf of others.
///
/// The thread starts with the first of these, is shared by all, and ends with the last; it takes a small segment of shared
/// memory. It sleeps, at no cost, while nothing happens.
///
/// For bindings and event loops; in Rust there are futures, which have one of their own.
///
/// ```
/// # use kren_core::{Background, KrenReader, KrenWriter};
/// # use std::sync::mpsc;
/// # let name = format!("doc-background-{}", std::process::id());
/// let mut writer = KrenWriter::create(&name, 4096)?;
/// let mut reader = KrenReader::connect(&name)?;
/// let background = Background::new(&name)?;
/// let (tell, told) = mpsc::channel();
/// let watching = background.watch(reader.message_waiter()?, move |outcome| tell.send(outcome).unwrap())?;
/// assert!(watching.is_some(), "there is nothing yet");
/// writer.write(b"news")?;
/// told.recv().unwrap()?;
/// assert_eq!(reader.read()?, b"news");
/// # Ok::<(), kren_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Background(Arc<Reactor>);

/// A wait in the background, which dropping calls off. Does not block; what it would tell may be on its way already, and
/// is then still told.
pub struct Watching(#[allow(dead_code, reason = "dropping it ends the wait")] reactor::Watching);

impl Background {
    /// Finds the thread, or starts it, for the sake of this channel: errors are about it.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory), [`Error::PermissionDenied`](crate::Error::PermissionDenied),
    /// [`Error::Io`](crate::Error::Io): there can be no more shared memory, descriptors or threads.
    pub fn new(channel: &str) -> Result<Self> {
        Reactor::current(channel).map(Self)
    }

    /// As [`Waiter::wait`], without blocking: calls `tell` once, on the thread, with what that would have returned.
    /// `None`: there is no need to wait, and it is not called.
    ///
    /// `tell` must be short, since the others wait meanwhile. A call that blocks has precedence over a wait in the background, which
    /// goes on when it has ended.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`](crate::Error::Busy) when a [`Selector`](crate::Selector), or another wait in the background, has this end;
    /// those of [`Waiter::wait`] when there is no need to wait.
    pub fn watch(
        &self,
        waiter: Waiter,
        tell: impl FnOnce(Result<()>) + Send + 'static,
    ) -> Result<Option<Watching>> {
        let waiter = Arc::new(waiter);
        let point = Box::new(Arc::clone(&waiter));
        let its = Arc::clone(&waiter);
        let watching = self.0.watch(point, move || tell(its.outcome()))?;
        if watching.is_none() {
            waiter.outcome()?;
        }
        Ok(watching.map(Watching))
    }

    /// As [`Background::watch`], for what a [`Selector`](crate::Selector) would wait for: `tell` is called when it would have
    /// returned an event.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`](crate::Error::Busy); [`Error::Forked`](crate::Error::Forked).
    pub fn watch_for(
        &self,
        interest: Interest,
        tell: impl FnOnce() + Send + 'static,
    ) -> Result<Option<Watching>> {
        let watching = self.0.watch(interest.0, tell)?;
        Ok(watching.map(Watching))
    }

    /// Calls `tell` at this time, on the thread.
    pub fn at(&self, time: Instant, tell: impl FnOnce() + Send + 'static) -> Watching {
        Watching(self.0.at(time, tell))
    }
}

impl std::fmt::Debug for Background {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Background").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Watching {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watching").finish_non_exhaustive()
    }
}
