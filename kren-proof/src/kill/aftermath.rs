//! What is left of a channel, as the report compares it from one death to the next.

use std::time::Duration;

/// What the dead process left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Aftermath {
    /// The channel's capacity and the numbers of the messages that are not delivered; `None` when
    /// the name is gone.
    pub(super) channel: Option<(usize, Vec<u32>)>,
    /// How long a blocked peer waited for the news.
    pub(super) released_after: Option<Duration>,
}
