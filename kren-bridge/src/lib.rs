//! Channels carried to another machine over zenoh, with nothing lost: `docs/spec/bridge.md`, `docs/remote.md`.
//!
//! A message goes through: a ring there ([`source`]), [`sender`], [`wire`], zenoh ([`link`]), [`receiver`], a ring here ([`mirror`]).
//! [`export`] and [`import`] have a thread for each channel, which does that; all else is what they are told, and what they tell.
//! Calls of a service are [`word`]s of a [`talk`] that breaks where anything is lost. An inbox is so many channels the other way: each [`lane`] goes from the senders' machine, which imports it, to the inbox's.
#![cfg(target_os = "linux")]

pub mod config;
pub mod crew;
pub mod export;
pub mod fresh;
pub mod import;
pub mod lane;
pub mod link;
pub mod mailbox;
pub mod mirror;
pub mod notify;
pub mod pattern;
pub mod place;
pub mod receiver;
pub mod sender;
pub mod source;
pub mod status;
pub mod stop;
pub mod talk;
pub mod wire;
pub mod word;

#[cfg(test)]
mod lossy;
