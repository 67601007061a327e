//! The native layer under the TypeScript face of `@pawanxz/kren`.
//!
//! It converts and decides nothing: the channel is `kren-core`, the user's API is `ts/`. `load` hands
//! the TypeScript side a handful of plain functions; each endpoint it opens is an object of such
//! functions again, bound to that endpoint (see `call`, which says why they are not classes).
//!
//! Imports go one way: `value, signals, heap -> context -> call, waiting -> lend, watch -> writer, reader -> connect -> publisher,
//! subscriber -> exports`.

mod call;
mod connect;
mod context;
mod exports;
mod heap;
mod inspect;
mod lend;
mod publisher;
mod reader;
mod signals;
mod subscriber;
mod value;
mod waiting;
mod watch;
mod writer;
