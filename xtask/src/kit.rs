//! The tools that packages are built and examined with, in a virtual environment of their own.

use std::path::PathBuf;
use std::process::Command;

use crate::exec::{self, step};
use crate::term::Result;
use crate::tools::{self, Tools};
use crate::workspace::Workspace;

/// Exact versions: what a release was built and examined with must be known afterwards.
const PACKAGES: &[&str] = &[
    "maturin==1.16.0",
    "ziglang==0.17.1",
    "cargo-zigbuild==0.24.1",
    "auditwheel==6.8.2",
    "abi3audit==0.0.26",
    "twine==7.0.0",
];

/// The tools, once they are there.
pub(crate) struct Kit {
    folder: PathBuf,
}

impl Kit {
    /// Fetches what is missing.
    pub(crate) fn prepare(workspace: &Workspace, tools: &Tools) -> Result<Self> {
        let kit = Self {
            folder: workspace.target.join("kit"),
        };
        let stamp = kit.folder.join("packages");
        let wanted = PACKAGES.join("\n");
        if std::fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
            return Ok(kit);
        }
        tools::require_venv(&tools.python)?;
        let mut make = Command::new(&tools.python);
        make.args(["-m", "venv", "--clear"]).arg(&kit.folder);
        step(
            "release tools: making a virtual environment",
            make,
            "remove target/kit and run this again",
        )?;
        let mut install = Command::new(kit.program("python"));
        install.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ]);
        install.args(PACKAGES);
        step(
            "release tools: maturin, zig, auditwheel, abi3audit, twine",
            install,
            "check the network",
        )?;
        exec::write(&stamp, &wanted)?;
        Ok(kit)
    }

    /// One of the environment's programs.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        if cfg!(windows) {
            self.programs().join(format!("{name}.exe"))
        } else {
            self.programs().join(name)
        }
    }

    /// The folder of its programs, for a PATH.
    pub(crate) fn programs(&self) -> PathBuf {
        self.folder
            .join(if cfg!(windows) { "Scripts" } else { "bin" })
    }
}
