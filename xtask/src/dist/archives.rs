//! Archives of the command-line program, for those who have no package manager: one for each system.

use std::fs;
use std::process::Command;

use super::Dist;
use super::native::{Native, PROGRAM};
use crate::exec::{self, step};
use crate::term::{Context as _, Result};

/// What lies beside the program.
const PAPERS: &[&str] = &["README.md", "LICENSE", "CHANGELOG.md"];

/// Packs the program as people unpack on its system.
pub(super) fn pack(dist: &Dist<'_>, native: &Native) -> Result<()> {
    let target = native.target;
    let name = format!("{PROGRAM}-{}-{}", dist.version, target.triple);
    let folder = dist.workspace.target.join("archives");
    let inside = folder.join(&name);
    exec::fresh_folder(&inside)?;
    let program = native.program.file_name().unwrap_or_default();
    fs::copy(&native.program, inside.join(program)).context(native.program.display())?;
    for paper in PAPERS {
        let from = dist.workspace.root.join(paper);
        fs::copy(&from, inside.join(paper)).context(from.display())?;
    }
    // Python is at hand everywhere, and writes both kinds.
    let kind = if target.is_windows() { "zip" } else { "gztar" };
    let mut pack = Command::new(dist.kit.program("python"));
    pack.args([
        "-c",
        "import shutil, sys; shutil.make_archive(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4])",
    ]);
    pack.arg(dist.folder.join(&name)).arg(kind);
    pack.arg(&folder).arg(&name);
    step(
        &format!("{}: archive", target.shown),
        pack,
        "read the output above",
    )
}
