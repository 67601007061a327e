//! `kren` as people use it: real processes, pipes, terminals, and channels in every state.
#![cfg(target_os = "linux")]

mod bridge;
mod list;
mod others;
mod pipes;
mod record;
mod remove;
mod shell;
mod support;
mod top;
