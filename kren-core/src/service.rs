//! Calls and their replies: an inbox for requests, and one ordinary channel back to each client. `docs/spec/registry.md`, S1 to S5.

mod awaiting;
mod by_number;
mod call;
mod client;
mod envelope;
mod reply;
mod request;
mod server;
mod way_back;

pub use self::call::{Call, CallOptions};
pub use self::client::{ClientOptions, KrenClient};
pub use self::reply::Reply;
pub use self::request::Request;
pub use self::server::{KrenServer, ServerOptions};
