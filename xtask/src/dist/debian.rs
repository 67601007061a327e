//! A Debian package of the program with its manual pages and completions, by `cargo deb`, and a trial of it: installed
//! beside nothing else, and held against what this machine has.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::native::Native;
use super::{Dist, files, program};
use crate::dpkg;
use crate::exec::{self, step};
use crate::term::{Context as _, Failure, Result};

/// An exact version, as of all that releases are built with (`kit.rs`).
const CARGO_DEB: &str = "3.8.0";
const NOT_FIT: &str = "it must not be published; read the output above";

/// Builds and tries it; says why not, where this machine cannot.
pub(super) fn pack(dist: &Dist<'_>, native: &Native) -> Result<Option<String>> {
    if !native.target.is_glibc() {
        return Ok(None);
    }
    // `dpkg-shlibdeps` reads the machine's own libraries, and the pages are the program's own words.
    if !native.target.is_this() {
        return Ok(Some("built on its own kind of machine".to_owned()));
    }
    if exec::first_line(Command::new("dpkg-shlibdeps").arg("--version")).is_none() {
        return Ok(Some("it takes the Debian package dpkg-dev".to_owned()));
    }
    let tool = tool(dist)?;
    let file = build(dist, native, &tool)?;
    installs(dist, &file)?;
    Ok(None)
}

fn tool(dist: &Dist<'_>) -> Result<PathBuf> {
    let root = dist.workspace.target.join(format!("cargo-deb-{CARGO_DEB}"));
    let program = root.join("bin").join("cargo-deb");
    if !program.exists() {
        let mut install = dist.workspace.cargo(&["install", "cargo-deb", "--locked"]);
        install.args(["--version", CARGO_DEB, "--root"]).arg(&root);
        step("release tools: cargo-deb", install, "check the network")?;
    }
    Ok(program)
}

fn build(dist: &Dist<'_>, native: &Native, tool: &Path) -> Result<PathBuf> {
    papers(native)?;
    let mut deb = Command::new(tool);
    deb.current_dir(&dist.workspace.root)
        .env("CARGO_TARGET_DIR", &dist.workspace.target)
        .args([
            "--no-build",
            "--no-strip",
            "--package",
            "kren-cli",
            "--variant",
            "complete",
        ])
        .args([
            "--profile",
            "dist",
            "--target",
            native.target.triple,
            "--output",
        ])
        .arg(&dist.folder);
    step("Debian: package", deb, NOT_FIT)?;
    let made = files(dist, ".deb")?.pop();
    made.ok_or_else(|| Failure::new("cargo-deb has made no package"))
}

/// What the program writes about itself, beside it: kren-cli/Cargo.toml names these files.
fn papers(native: &Native) -> Result<()> {
    let folder = native.program.with_file_name("papers");
    exec::fresh_folder(&folder)?;
    let mut man = Command::new(&native.program);
    man.args(["man", "--to"]).arg(folder.join("man"));
    step("Debian: manual pages", man, NOT_FIT)?;
    for (shell, file) in [("bash", "kren"), ("fish", "kren.fish"), ("zsh", "_kren")] {
        let mut completions = Command::new(&native.program);
        completions.args(["completions", shell]);
        let what = format!("completions for {shell}");
        let (status, text) = exec::captured(completions).context(&what)?;
        if !status.success() {
            return Err(Failure::new(format!("{what}: {}", text.trim())));
        }
        exec::write(&folder.join(file), &text)?;
    }
    Ok(())
}

/// Installs it in an empty system, runs it there, and asks this one's database whether
/// what it depends on is there.
fn installs(dist: &Dist<'_>, file: &Path) -> Result<()> {
    let root = dist.workspace.target.join("deb-root");
    dpkg::install(&[file.to_owned()], &root)?;
    let installed = Command::new(root.join("usr/bin/kren"));
    program::answers("the Debian package", installed, &dist.version)?;
    let mut here = Command::new("dpkg");
    here.args(["--dry-run", "--install"]).arg(file);
    step("Debian: what it depends on, here", here, NOT_FIT)
}
