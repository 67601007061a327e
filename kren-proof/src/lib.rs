//! Evidence that KREN keeps its guarantees under what no unit test does to it.
//!
//! - `kill`: a process is killed after every single machine instruction of an operation (G3).
//! - `soak`: the processes of every pattern, in three languages, are killed and restarted under load (G3, G4, P1 and on).
//! - `fuzz`: segments, rings and call sequences made of hostile bytes (G7).
//!
//! `docs/testing.md` says how to run each, and what they measured.

#[cfg(target_os = "linux")]
pub mod fuzz;
#[cfg(target_os = "linux")]
mod kill;
#[cfg(unix)]
mod soak;

pub mod format;

use clap::Parser;
use std::process::ExitCode;

/// Evidence that KREN keeps its guarantees under what no unit test does to it.
#[derive(Parser)]
#[command(name = "kren-proof")]
enum Options {
    #[cfg(target_os = "linux")]
    Kill(kill::Options),
    #[cfg(unix)]
    Soak(soak::Options),
    #[cfg(target_os = "linux")]
    Fuzz(fuzz::Options),
}

/// Runs the command in `arguments`; what it found is printed.
#[must_use]
pub fn run(arguments: &[String]) -> ExitCode {
    match command(arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            eprintln!("error: {problem}");
            ExitCode::from(2)
        }
    }
}

fn command(arguments: &[String]) -> Result<bool, String> {
    // What the commands start this program as: no options, and of `kill` every instruction is gone through.
    match arguments.split_first() {
        #[cfg(target_os = "linux")]
        Some((name, rest)) if name == "kill-actor" => return kill::actor(rest),
        #[cfg(unix)]
        Some((name, rest)) if name.starts_with("soak-") => return soak::worker(name, rest),
        _ => {}
    }
    let program = ["kren-proof".to_owned()];
    match Options::parse_from(program.iter().chain(arguments)) {
        #[cfg(target_os = "linux")]
        Options::Kill(options) => kill::command(&options),
        #[cfg(unix)]
        Options::Soak(options) => soak::command(&options),
        #[cfg(target_os = "linux")]
        Options::Fuzz(options) => fuzz::command(&options),
    }
}
