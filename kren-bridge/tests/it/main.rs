//! Two machines made of network namespaces, each with shared memory of its own, real bridges, and everything that can go wrong
//! between them. Where such namespaces cannot be made, the tests say so and pass.
#![cfg(target_os = "linux")]

mod carried;
mod faults;
mod guarded;
mod inboxes;
mod lost;
mod relay;
mod services;
mod speed;
mod strangers;
mod support;
mod worker;
