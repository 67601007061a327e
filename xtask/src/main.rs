//! `cargo xtask`: the commands that build, show, test and check all of KREN, from a fresh clone on.
//!
//! Everything follows one way: [`tools`] finds what the machine has, [`setup`] builds what is missing or out
//! of date, and [`demo`], [`suites`], [`examples`] and [`check`] run it. [`term`] and [`exec`] are how they all
//! speak and start processes.

mod bench;
mod check;
mod compiled;
mod count;
mod cross;
mod demo;
mod dist;
#[cfg(test)]
mod documents;
mod dpkg;
mod examples;
mod exec;
mod kit;
mod leftovers;
mod libkren;
mod proof;
mod quickstart;
mod rivals;
mod root;
mod running;
mod second;
mod setup;
mod showcase;
mod stamp;
mod suites;
mod targets;
mod term;
mod tools;
mod version;
mod workspace;

use std::process::ExitCode;

use clap::{Arg, ArgAction, Command};

use crate::term::Result;
use crate::workspace::Workspace;

fn command_line() -> Command {
    Command::new("cargo xtask")
        .bin_name("cargo xtask")
        .about("Builds, shows, tests and checks KREN; needs cargo, python3 and node, and fetches the rest")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands([
            Command::new("demo")
                .about("A Python writer and a Node reader exchange messages, and print what they measured"),
            Command::new("test")
                .about("Every test: Rust, Python, Node, and the examples in all mixes of languages"),
            Command::new("check")
                .about("Format, lints, types and documentation of every language; changes nothing"),
            Command::new("fmt").about("Formats every language, and mends the lints that mend themselves"),
            Command::new("examples").about("The examples, in all mixes of languages"),
            Command::new("showcase")
                .about("A camera in two Python processes, and a page by Node.js that shows it")
                .arg(
                    Arg::new("test")
                        .long("test")
                        .action(ArgAction::SetTrue)
                        .help("Looks at the page in headless Chromium while the Python processes are killed"),
                ),
            Command::new("bench")
                .about("Measures KREN beside the machine's limits and its rivals; `bench --help` lists the options")
                .disable_help_flag(true)
                .arg(Arg::new("options").num_args(0..).allow_hyphen_values(true).trailing_var_arg(true)),
            Command::new("cross")
                .about("KREN for another system: built, linted, and tested as far as an emulator goes")
                .arg(Arg::new("system").required(true).value_parser(cross::SYSTEMS))
                .arg(
                    Arg::new("short")
                        .long("short")
                        .action(ArgAction::SetTrue)
                        .help("The core's tests alone"),
                ),
            Command::new("install")
                .about("libkren for C and C++: the library, its headers, and what pkg-config and CMake find it by")
                .arg(
                    Arg::new("prefix")
                        .long("prefix")
                        .required(true)
                        .help("The folder, say /usr/local"),
                ),
            Command::new("dist")
                .about("Everything that a release publishes, built and examined, in target/publish")
                .arg(
                    Arg::new("target")
                        .num_args(0..)
                        .help("Rust's names of the systems to build for; all that this machine can, if left out"),
                ),
            Command::new("clean")
                .about("Removes what building made: target, the virtual environment, node_modules"),
        ])
        .subcommands(proof::commands())
}

fn main() -> ExitCode {
    let matches = command_line().get_matches();
    match run(&matches) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(matches: &clap::ArgMatches) -> Result<ExitCode> {
    let workspace = Workspace::find()?;
    match matches.subcommand() {
        Some(("demo", _)) => demo::run(&workspace),
        Some(("test", _)) => suites::run(&workspace),
        Some(("check", _)) => check::check(&workspace),
        Some(("fmt", _)) => check::fix(&workspace),
        Some(("examples", _)) => examples::command(&workspace),
        Some(("showcase", matches)) => showcase::command(&workspace, matches.get_flag("test")),
        Some(("bench", matches)) => {
            let options = matches.get_many("options").unwrap_or_default();
            bench::run(&workspace, options.cloned().collect())
        }
        Some(("cross", matches)) => {
            let system: &String = matches.get_one("system").expect("clap requires it");
            cross::run(&workspace, system, matches.get_flag("short"))
        }
        Some(("install", matches)) => {
            let prefix: &String = matches.get_one("prefix").expect("clap requires it");
            libkren::install(&workspace, prefix.as_ref())
        }
        Some(("dist", matches)) => {
            let targets = matches.get_many("target").unwrap_or_default();
            let targets: Vec<String> = targets.cloned().collect();
            dist::run(&workspace, &targets)
        }
        Some(("proof", matches)) => proof::proof(&workspace, matches),
        Some(("soak", matches)) => proof::soak(&workspace, matches),
        Some(("fuzz", matches)) => proof::fuzz(&workspace, matches),
        Some(("sanitize", matches)) => proof::sanitize(&workspace, matches),
        Some(("clean", _)) => workspace.clean(),
        _ => unreachable!("clap requires one of the subcommands above"),
    }
}
