//! A call, and what it takes besides its request.

use std::time::Duration;

/// A call that was started: see [`KrenClient::start`](super::KrenClient::start).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Call(pub(super) u64);

impl Call {
    /// Its number: of one client, no two calls have the same.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0
    }

    /// The call of that number.
    #[doc(hidden)]
    #[must_use]
    pub fn of(number: u64) -> Self {
        Self(number)
    }
}

/// What a call takes besides the request.
#[derive(Debug, Clone, Copy, Default)]
pub struct CallOptions<'a> {
    pub(super) tag: u32,
    pub(super) timeout: Option<Duration>,
    pub(super) may_retry: bool,
    pub(super) method: &'a str,
}

impl<'a> CallOptions<'a> {
    /// The user's own number; the server finds it on the request. Default: 0.
    #[must_use]
    pub fn tag(mut self, tag: u32) -> Self {
        self.tag = tag;
        self
    }

    /// What is called, for a server that tells several methods apart: at most 65,535 bytes. Default: no name.
    #[must_use]
    pub fn method(mut self, method: &'a str) -> Self {
        self.method = method;
        self
    }

    /// How long to wait for the answer, or, of several, for the last one. Default: for ever.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// A server that succeeds one that died may do the request again. Default: not, and the call ends with
    /// [`Error::ServerDied`](crate::Error::ServerDied).
    #[must_use]
    pub fn retry(mut self, retry: bool) -> Self {
        self.may_retry = retry;
        self
    }
}
