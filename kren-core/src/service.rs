//! Calls and their replies: an inbox for requests, and one ordinary channel back to each client. `docs/spec/registry.md`, S1 to S5.

mod awaiting;
mod by_number;
mod client;
mod envelope;
mod server;

pub use self::client::{Call, CallOptions, ClientOptions, KrenClient, Reply};
pub use self::server::{KrenServer, Request, ServerOptions};
