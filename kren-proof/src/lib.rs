//! Evidence that KREN keeps its guarantees under what no unit test does to it.
//!
//! - `kill`: a process is killed after every single machine instruction of an operation (G3).
//! - `soak`: the processes of every pattern, in three languages, are killed and restarted under load (G3, G4, P1 and on).
//! - `fuzz`: segments, rings and call sequences made of hostile bytes (G7).
//!
//! `docs/testing.md` says how to run each, and what they measured.

mod flags;
#[cfg(target_os = "linux")]
pub mod fuzz;
#[cfg(target_os = "linux")]
mod kill;
#[cfg(unix)]
mod soak;

pub mod format;
pub mod rng;

use flags::Flags;
use std::process::ExitCode;

const USAGE: &str = "\
kren-proof kill [SCENARIO...] [--stride N | --points N | --visible] [--jobs N]
    Kills a process after every instruction (or every Nth, or N of them elsewhere in each run, or only
    around those whose effect other processes can see) of each scenario, and checks what is left.

kren-proof soak [--minutes N | --seconds N] [--pattern channel,broadcast,inbox,queue,service] [--each N]
                [--languages rust,python,node,c] [--seed N] [--python PROGRAM] [--node PROGRAM] [--c FOLDER]
    Kills, stops and replaces the processes of channels and of each pattern at random under load, and accounts for
    every message and every call. The programs are those that can import the packages.

kren-proof fuzz [open | flip | crowd | operations | payload]... [--seconds N] [--seed N] [--input FILE]
    Feeds hostile bytes, or any sequence of calls, to the core; with --input just those of a file.";

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
    let (name, rest) = arguments.split_first().ok_or(USAGE)?;
    match name.as_str() {
        #[cfg(target_os = "linux")]
        "kill" => kill::command(&Flags::parse(rest, &["stride", "points", "jobs"])?),
        // What `kill` starts itself as.
        #[cfg(target_os = "linux")]
        "kill-actor" => kill::actor(rest),
        #[cfg(target_os = "linux")]
        "fuzz" => fuzz::command(&Flags::parse(rest, &["seconds", "seed", "input"])?),
        #[cfg(unix)]
        "soak" => soak::command(&Flags::parse(rest, soak::FLAGS)?),
        #[cfg(unix)]
        worker if worker.starts_with("soak-") => soak::worker(worker, rest),
        _ => Err(format!("'{name}' is not a command here\n{USAGE}")),
    }
}
