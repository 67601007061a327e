//! What KREN promises, G1 to G10 of the README, each shown with the public API alone, and with real
//! processes wherever a process matters.
//!
//! A test that needs other processes starts this very binary again in a *role*: see `support`.

// Dropping an uncommitted slot or batch is how one aborts it.
#![allow(clippy::drop_non_drop)]

mod support;

mod arrays;
mod broadcast;
mod channel;
mod closing;
mod death;
mod errors;
mod groups;
mod inbox;
mod leases;
mod names;
mod queue;
mod roles;
mod schemas;
mod selector;
mod service;
mod streams;
mod successors;
mod waiting;

#[cfg(unix)]
mod descriptors;
#[cfg(unix)]
mod forking;

#[cfg(any(target_os = "linux", windows))]
mod attacker;
// On 32-bit systems a ring ends at 512 MiB.
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod giant;
#[cfg(target_os = "linux")]
mod guards;
#[cfg(any(target_os = "linux", windows))]
mod hostile;
#[cfg(target_os = "linux")]
mod idle;
#[cfg(all(target_os = "linux", not(like_macos)))]
mod inspect;
#[cfg(all(target_os = "linux", not(like_macos)))]
mod lanes;
#[cfg(target_os = "linux")]
mod limits;
#[cfg(target_os = "linux")]
mod memory;
mod mirrors;
#[cfg(target_os = "linux")]
mod owners;
#[cfg(target_os = "linux")]
mod places;
#[cfg(any(target_os = "linux", windows))]
mod resources;
#[cfg(all(target_os = "linux", not(like_macos)))]
mod sandboxes;
#[cfg(target_os = "linux")]
mod seats;
#[cfg(target_os = "linux")]
mod stopped;
#[cfg(any(target_os = "linux", windows))]
mod storm;
#[cfg(target_os = "linux")]
mod sweeps;
