//! `cargo xtask cross SYSTEM`: KREN built for another system on this one, and its tests run there as far as an
//! emulator goes.

mod arm;
mod coverage;
mod languages;
mod libkren;
mod macos;
mod windows;
mod wine;

use std::process::{Command, ExitCode};
use std::time::Instant;

use crate::count::{self, Count};
use crate::exec;
use crate::second::{self, BUILD_STD};
use crate::targets::{WINDOWS_GNU, libnode};
use crate::term::{self, Failure, Result};
use crate::workspace::Workspace;

/// The systems, as the command line names them.
pub(crate) const SYSTEMS: [&str; 3] = ["windows", "macos", "arm"];

pub(crate) fn run(workspace: &Workspace, system: &str, short: bool) -> Result<ExitCode> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Err(Failure::new(
            "cross builds run on x86-64 Debian; elsewhere, `cargo test --package kren-core` tests the system itself",
        ));
    }
    let count = match system {
        "windows" => windows::run(workspace, short)?,
        "macos" => macos::run(workspace, short)?,
        "arm" => arm::run(workspace, short)?,
        _ => unreachable!("clap allows the systems above only"),
    };
    println!("\n{} passed, {} failed", count.passed, count.failed);
    Ok(if count.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The lints of `packages`, as another target sees them.
fn lint(workspace: &Workspace, target: &str, packages: &[&str]) -> Result<()> {
    // By its path: cargo would look for it among the other toolchain's programs first.
    let mut clippy = second::toolchain(workspace, "/usr/bin/cargo-clippy");
    clippy.args(["clippy", "--all-targets", "-Z", BUILD_STD]);
    for package in packages {
        clippy.args(["--package", package]);
    }
    clippy.args(["--target", target, "--", "-D", "warnings"]);
    clippy.env("PYO3_NO_PYTHON", "1");
    if target == WINDOWS_GNU {
        // There it takes initializers for variable that are `const`.
        clippy.args(["-A", "clippy::missing_const_for_thread_local"]);
        clippy.env("LIBNODE_PATH", libnode(workspace)?);
    }
    exec::step(
        &format!("{target}: lints of {}", packages.join(", ")),
        clippy,
        "read the compiler's output above",
    )
}

/// What running a suite showed.
struct Suite {
    count: Count,
    /// Everything it printed.
    output: String,
}

/// Runs the core's tests for `target`.
fn test(
    workspace: &Workspace,
    target: &str,
    arguments: &[&str],
    prepare: impl Fn(&mut Command),
) -> Result<Suite> {
    let mut cargo = second::toolchain(workspace, second::CARGO);
    cargo.args([
        "test",
        "--package",
        "kren-core",
        "--no-fail-fast",
        "-Z",
        BUILD_STD,
    ]);
    cargo.args(["--target", target]).args(arguments);
    prepare(&mut cargo);
    term::heading(&format!("{target}: {}", exec::describe(&cargo)));
    let started = Instant::now();
    let (status, output) = exec::streamed(cargo)?;
    let count = count::cargo(&output).with_status(status.success());
    println!(
        "==> {target}: {} passed, {} failed in {}",
        count.passed,
        count.failed,
        term::seconds(started.elapsed())
    );
    Ok(Suite { count, output })
}
