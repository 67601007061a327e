//! macOS: compiled, linted and linked for both architectures with Zig's linker. Nothing of it can run here.

use std::process::Command;

use super::{BUILD_STD, folder, lint, need, toolchain};
use crate::count::Count;
use crate::exec::{self, step};
use crate::term::Result;
use crate::tools;
use crate::workspace::Workspace;

const TARGETS: [&str; 2] = ["aarch64-apple-darwin", "x86_64-apple-darwin"];
/// The oldest macOS that runs on Apple's own processors.
const OLDEST: &str = "11.0";
const PACKAGES: &[(&str, &str)] = &[("/usr/bin/python3", "python3")];

/// Each architecture counts once for its lints and once for what was linked.
pub(super) fn run(workspace: &Workspace) -> Result<Count> {
    need(PACKAGES)?;
    let venv = folder(workspace).join("zig");
    let zigbuild = venv.join("bin/cargo-zigbuild");
    if exec::first_line(Command::new(&zigbuild).arg("--version")).is_none() {
        let python = std::path::Path::new("/usr/bin/python3");
        tools::require_venv(python)?;
        let mut make = Command::new(python);
        make.args(["-m", "venv", "--clear"]).arg(&venv);
        step(
            "zig: making a virtual environment",
            make,
            "remove target/cross/zig and run this again",
        )?;
        let mut install = Command::new(venv.join("bin/pip"));
        install.args(["install", "--quiet", "ziglang", "cargo-zigbuild"]);
        step("zig: installing it", install, "check the network")?;
    }
    let mut passed = 0;
    for target in TARGETS {
        lint(workspace, target)?;
        let mut build = toolchain(workspace, &zigbuild);
        let path = format!("{}:/usr/bin:/bin", venv.join("bin").display());
        build
            .args([
                "zigbuild",
                "--package",
                "kren-core",
                "--all-targets",
                "-Z",
                BUILD_STD,
            ])
            .args(["--target", target])
            .env("PATH", path)
            .env("XDG_CACHE_HOME", folder(workspace).join("zig-cache"))
            .env("MACOSX_DEPLOYMENT_TARGET", OLDEST);
        step(
            &format!("{target}: library and tests, linked"),
            build,
            "read the compiler's and linker's output above",
        )?;
        passed += 2;
    }
    println!(
        "nothing of this has run: that takes a Mac, and `cargo test --package kren-core` on it"
    );
    Ok(Count { passed, failed: 0 })
}
