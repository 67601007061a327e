//! The native layer under the TypeScript face of `@pawanxz/kren`.
//!
//! It converts and decides nothing: the channel is `kren-core`, the user's API is `ts/`. `load` hands
//! the TypeScript side a handful of plain functions; each endpoint it opens is an object of such
//! functions again, bound to that endpoint (see `call`, which says why they are not classes).
//!
//! Imports go one way: `value, signals, heap -> context -> call, waiting -> lend, watch -> end -> writer, reader, intake -> connect ->
//! publisher, subscriber, sender, inbox, dealer, worker, client, server -> exports`.

mod call;
mod client;
mod connect;
mod context;
mod dealer;
mod end;
mod exports;
mod heap;
mod inbox;
mod inspect;
mod intake;
mod lend;
mod publisher;
mod reader;
mod registry;
mod sender;
mod server;
mod signals;
mod subscriber;
mod value;
mod waiting;
mod watch;
mod worker;
mod writer;
