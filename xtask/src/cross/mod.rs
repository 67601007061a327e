//! `cargo xtask cross SYSTEM`: the core built for another system on this one, and its tests run there as far as
//! an emulator goes.
//!
//! The standard library is built along with KREN, by Debian's second Rust toolchain: it is the one that comes
//! with its own sources, so that any target can be had from Debian's packages and crates.io alone.

mod arm;
mod languages;
mod macos;
mod windows;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use crate::count::{self, Count};
use crate::exec;
use crate::term::{self, Context as _, Failure, Result};
use crate::tools;
use crate::workspace::Workspace;

/// What every target needs: the toolchain, its sources and what builds them.
const TOOLCHAIN: &[(&str, &str)] = &[
    ("/usr/bin/rustc", "rustc-web"),
    ("/usr/bin/cargo", "cargo-web"),
    ("/usr/bin/cargo-clippy", "rust-web-clippy"),
    (
        "/usr/lib/rustlib/src/rust/library/Cargo.lock",
        "rust-web-src",
    ),
];
pub(crate) const BUILD_STD: &str = "build-std=std,panic_unwind";

/// The systems, as the command line names them.
pub(crate) const SYSTEMS: [&str; 3] = ["windows", "macos", "arm"];

pub(crate) fn run(workspace: &Workspace, system: &str) -> Result<ExitCode> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Err(Failure::new(
            "cross builds run on x86-64 Debian; elsewhere, `cargo test --package kren-core` tests the system itself",
        ));
    }
    let count = match system {
        "windows" => windows::run(workspace)?,
        "macos" => macos::run(workspace)?,
        "arm" => arm::run(workspace)?,
        _ => unreachable!("clap allows the systems above only"),
    };
    println!("\n{} passed, {} failed", count.passed, count.failed);
    Ok(if count.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Installs the Debian packages whose files (the first of each pair) are missing.
pub(crate) fn need(packages: &[(&str, &'static str)]) -> Result<()> {
    let missing: Vec<&str> = TOOLCHAIN
        .iter()
        .chain(packages)
        .filter(|(file, _)| !Path::new(file).exists())
        .map(|(_, package)| *package)
        .collect();
    if missing.is_empty() {
        Ok(())
    } else {
        tools::install_on_debian(&missing)
    }
}

/// Where everything for cross builds is kept, apart from what the own system's toolchain builds.
fn folder(workspace: &Workspace) -> PathBuf {
    workspace.target.join("cross")
}

/// Runs a program of the second toolchain in the workspace.
///
/// What rustup says of its own toolchain does not hold for this one.
pub(crate) fn toolchain(workspace: &Workspace, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(&workspace.root);
    for variable in [
        "RUSTUP_TOOLCHAIN",
        "LD_LIBRARY_PATH",
        "CARGO",
        "RUSTC",
        "RUSTDOC",
    ] {
        command.env_remove(variable);
    }
    command
        .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_DIR", folder(workspace));
    command
}

/// The lints of the core, as another target sees it.
fn lint(workspace: &Workspace, target: &str) -> Result<()> {
    let mut clippy = toolchain(workspace, "/usr/bin/cargo-clippy");
    clippy.args([
        "clippy",
        "--package",
        "kren-core",
        "--all-targets",
        "-Z",
        BUILD_STD,
    ]);
    clippy.args(["--target", target, "--", "-D", "warnings"]);
    exec::step(
        &format!("{target}: lints"),
        clippy,
        "mend what the lints say above",
    )
}

/// The tests of the core on another target, started as `prepare` says; `arguments` choose among them.
fn test(
    workspace: &Workspace,
    target: &str,
    arguments: &[&str],
    prepare: impl Fn(&mut Command),
) -> Result<Count> {
    let mut cargo = toolchain(workspace, "/usr/bin/cargo");
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
    Ok(count)
}

/// Writes `text` to `file`, and makes the folders it lies in.
fn write(file: &Path, text: &str) -> Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).context(folder.display())?;
    }
    std::fs::write(file, text).context(file.display())
}
