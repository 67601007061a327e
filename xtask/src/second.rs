//! Debian's second Rust toolchain: it comes with its own sources, so that the standard library for any target can
//! be built along with KREN from Debian's packages and crates.io alone.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::term::Result;
use crate::tools;
use crate::workspace::Workspace;

/// What every target needs: a file of each package, and the package.
const PACKAGES: &[(&str, &str)] = &[
    ("/usr/bin/rustc", "rustc-web"),
    ("/usr/bin/cargo", "cargo-web"),
    ("/usr/bin/cargo-clippy", "rust-web-clippy"),
    (
        "/usr/lib/rustlib/src/rust/library/Cargo.lock",
        "rust-web-src",
    ),
];
pub(crate) const CARGO: &str = "/usr/bin/cargo";
pub(crate) const BUILD_STD: &str = "build-std=std,panic_unwind";
/// The programs of this toolchain, and nobody else's before them.
pub(crate) const PATH: &str = "/usr/bin:/bin:/usr/sbin:/sbin";

/// Installs the packages of the toolchain, and of `more`, whose files (the first of each pair) are missing.
pub(crate) fn need(more: &[(&str, &'static str)]) -> Result<()> {
    need_only(&[PACKAGES, more].concat())
}

/// As [`need`], without the toolchain.
pub(crate) fn need_only(packages: &[(&str, &'static str)]) -> Result<()> {
    let missing: Vec<&str> = packages
        .iter()
        .filter(|(file, _)| !Path::new(file).exists())
        .map(|(_, package)| *package)
        .collect();
    if missing.is_empty() {
        Ok(())
    } else {
        tools::install_on_debian(&missing)
    }
}

/// Where everything that it builds is kept, apart from what the own system's toolchain builds.
pub(crate) fn folder(workspace: &Workspace) -> PathBuf {
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
        .env("PATH", PATH)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_DIR", folder(workspace));
    command
}
