//! Messages between two processes of one machine, through shared memory.
//!
//! A *channel* has a name, one writer and one reader, in any pair of languages that KREN speaks.
//! A message is written once, in place, into a lock-free ring in shared memory, and read where it
//! lies: no socket, no serialisation, no daemon. A message that was committed survives the death
//! of either process.
//!
//! ```
//! use kren_core::{KrenReader, KrenWriter};
//!
//! # fn main() -> kren_core::Result<()> {
//! # let name = format!("doc-lib-{}", std::process::id());
//! # let name = name.as_str();
//! // In one process:
//! let mut writer = KrenWriter::create(name, 1024 * 1024)?;
//! writer.write(b"Hello, World!")?;
//!
//! // In the other:
//! let mut reader = KrenReader::connect(name)?;
//! let message = reader.read()?;
//! assert_eq!(message, b"Hello, World!");
//! # Ok(())
//! # }
//! ```
//!
//! What is promised, and which test holds each promise, is in the project's README (G1 to G10);
//! the bytes in shared memory are specified in `docs/spec`, the reasons in `docs/design.md`.

// The model leaves out what calls most of the crate.
#![cfg_attr(loom, allow(dead_code, unused_imports))]

#[cfg(not(target_endian = "little"))]
compile_error!("the segment format is little-endian, and so must be the machine");
#[cfg(not(target_has_atomic = "64"))]
compile_error!("positions are 64-bit atomics, which this target lacks");

mod error;
mod gates;
mod layout;
mod limit;
#[cfg(all(test, loom))]
mod models;
mod ring;
mod roster;
mod sync;
mod wait;

// Under loom only the algorithms are built: the rest is about real memory and real processes.
#[cfg(not(loom))]
pub mod array;
#[cfg(not(loom))]
mod awaiting;
#[cfg(not(loom))]
mod background;
#[cfg(not(loom))]
#[doc(hidden)]
pub mod bridge;
#[cfg(not(loom))]
mod dealer;
#[cfg(not(loom))]
mod endpoint;
#[cfg(all(not(loom), feature = "futures"))]
mod futures;
#[cfg(not(loom))]
mod group;
#[cfg(not(loom))]
mod inbox;
#[cfg(not(loom))]
pub mod inspect;
#[cfg(not(loom))]
mod interest;
#[cfg(not(loom))]
mod lanes;
#[cfg(not(loom))]
mod mapped;
#[cfg(not(loom))]
mod os;
#[cfg(not(loom))]
mod outside;
#[cfg(not(loom))]
mod pace;
#[cfg(not(loom))]
mod publisher;
#[cfg(not(loom))]
mod reactor;
#[cfg(not(loom))]
mod reader;
#[cfg(not(loom))]
mod registry;
#[cfg(not(loom))]
mod removal;
#[cfg(not(loom))]
mod ring_memory;
#[cfg(not(loom))]
mod schema;
#[cfg(not(loom))]
mod segment;
#[cfg(not(loom))]
mod selector;
#[cfg(not(loom))]
mod sender;
#[cfg(not(loom))]
mod service;
#[cfg(not(loom))]
mod subscriber;
#[cfg(all(not(loom), feature = "arrow"))]
pub mod table;
#[cfg(not(loom))]
mod waiter;
#[cfg(not(loom))]
mod worker;
#[cfg(not(loom))]
mod writer;

pub use error::{Error, ErrorCode, Holder, Result, Role};
pub use layout::Schema;
pub use limit::Limit;
#[doc(hidden)]
pub use ring::copy_slice;

#[cfg(all(not(loom), feature = "futures"))]
pub use self::futures::{MessageSink, MessageStream};
#[cfg(not(loom))]
pub use self::{
    background::{Background, Watching},
    dealer::{DealerOptions, KrenDealer, Order},
    endpoint::Strategy,
    inbox::{Departure, InboxOptions, KrenInbox, Letter, SenderId},
    interest::Interest,
    mapped::Mapped,
    outside::Outline,
    publisher::{KrenPublisher, PublisherOptions, Subscriber},
    reader::{KrenReader, Lease, Message, ReaderOptions},
    removal::remove,
    segment::{PeerState, Start},
    selector::{Canceller, Event, EventKind, Selector},
    sender::{KrenSender, SenderOptions},
    service::{
        Call, CallOptions, ClientOptions, KrenClient, KrenServer, Reply, Request, ServerOptions,
    },
    subscriber::{KrenSubscriber, SubscriberOptions},
    waiter::Waiter,
    worker::{KrenWorker, Work, WorkerOptions},
    writer::{Batch, KrenWriter, Slot, WriterOptions},
};
