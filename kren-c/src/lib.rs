//! The C interface: `include/kren.h` is made of this crate by cbindgen, and `include/kren.hpp` stands on it.
//!
//! It converts and decides nothing. [`code`] and [`failure`] are how calls end, [`handle`] is what a handle is, the other files are
//! the functions. Whatever has to hold in C holds for all of them:
//!
//! - **H1** a pointer that C passes is null or what this library's header says it must be: alive, of that type, and written to by
//!   nobody meanwhile;
//! - **H2** what a handle holds is reached through [`handle::Handle::with`] alone, by one thread at a time;
//! - **H3** no panic leaves: each function is a [`failure::guard`].
#![allow(
    non_camel_case_types,
    reason = "the names are those of the header, which cbindgen takes from here"
)]
#![allow(
    clippy::missing_safety_doc,
    reason = "the documentation is the header's, and H1 holds for every function"
)]

mod array;
mod borrowed;
mod client;
mod code;
mod descriptor;
mod failure;
mod handle;
mod inspect;
mod lease;
mod library;
mod message;
mod options;
mod peers;
mod reader;
mod selector;
mod server;
mod writer;

pub use self::{
    array::*, client::*, code::*, failure::*, inspect::*, lease::*, library::*, message::*,
    options::*, peers::*, reader::*, selector::*, server::*, writer::*,
};
