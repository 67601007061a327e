//! What goes back to JavaScript: a value, or the reason why there is none; and the words it is said in.

use std::ptr::null_mut;

use kren_core::{Error, PeerState, Schema, Strategy};
use napi::sys;

/// A JavaScript value of the call in progress.
#[derive(Clone, Copy)]
pub(crate) struct Value(pub(crate) sys::napi_value);

impl Value {
    /// What a function returns when it returns nothing.
    pub(crate) const UNDEFINED: Self = Self(null_mut());
}

/// Why a function has no value to return.
pub(crate) enum Stop {
    /// The channel said no.
    Kren(Error),
    /// The endpoint was closed by its own side.
    EndpointClosed { role: &'static str, channel: String },
    /// An argument is not what `ts/` promises to pass.
    Argument(&'static str),
    /// A signal came whose handler runs when the event loop turns.
    Signal { signal: String, channel: String },
    /// JavaScript is to run no further (a worker is being terminated), or an exception waits already.
    Unwind,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Kren(error)
    }
}

pub(crate) type Outcome = Result<Value, Stop>;

pub(crate) fn strategy(name: &str) -> Result<Strategy, Stop> {
    match name {
        "spin" => Ok(Strategy::Spin),
        "adaptive" => Ok(Strategy::Adaptive),
        "sleep" => Ok(Strategy::Sleep),
        _ => Err(Stop::Argument("the strategy 'spin', 'adaptive' or 'sleep'")),
    }
}

pub(crate) fn peer_state(state: PeerState) -> &'static str {
    match state {
        PeerState::NeverAttached => "never_attached",
        PeerState::Attached => "attached",
        PeerState::Closed => "closed",
        PeerState::Died => "died",
        _ => "unknown",
    }
}

/// What a channel's creator says of its messages; empty where that is nothing.
pub(crate) fn schema_text(schema: Option<&Schema>) -> &str {
    schema.map_or("", Schema::text)
}
