//! Archives of the command-line program, for those who have no package manager: one for each system.

use std::fs;
use std::process::Command;

use super::Dist;
use crate::exec::step;
use crate::targets::Builder;
use crate::term::{Context as _, Result};
use crate::workspace::Workspace;

/// The package with the program, and the program: adding it to the workspace is all that it takes.
pub(super) const PACKAGE: &str = "kren-cli";
const PROGRAM: &str = "kren";
/// What lies beside the program.
const PAPERS: &[&str] = &["README.md", "LICENSE", "CHANGELOG.md"];

/// The package, if the workspace has it.
pub(super) fn program(workspace: &Workspace) -> Result<Option<&'static str>> {
    let manifest = workspace.root.join(PACKAGE).join("Cargo.toml");
    Ok(manifest.exists().then_some(PACKAGE))
}

/// Builds the program for the target, and packs it as people unpack there.
pub(super) fn build(dist: &Dist<'_>, builder: &Builder<'_>) -> Result<()> {
    let Some(package) = program(dist.workspace)? else {
        return Ok(());
    };
    let shown = builder.target.shown;
    let mut cargo = builder.cargo()?;
    cargo.args(["--package", package]);
    step(
        &format!("{shown}: command-line program"),
        cargo,
        "read the compiler's output above",
    )?;
    let name = format!("{PROGRAM}-{}-{}", dist.version, builder.target.triple);
    let inside = dist.workspace.target.join("archives").join(&name);
    if inside.exists() {
        fs::remove_dir_all(&inside).context(inside.display())?;
    }
    fs::create_dir_all(&inside).context(inside.display())?;
    let program = builder.target.program(PROGRAM);
    let built = builder.folder().join(&program);
    fs::copy(&built, inside.join(&program)).context(built.display())?;
    for paper in PAPERS {
        let from = dist.workspace.root.join(paper);
        fs::copy(&from, inside.join(paper)).context(from.display())?;
    }
    // Python is at hand everywhere, and writes both kinds.
    let kind = if builder.target.is_windows() {
        "zip"
    } else {
        "gztar"
    };
    let mut pack = Command::new(dist.kit.program("python"));
    pack.args([
        "-c",
        "import shutil, sys; shutil.make_archive(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4])",
    ]);
    pack.arg(dist.folder.join(&name)).arg(kind);
    pack.arg(dist.workspace.target.join("archives")).arg(&name);
    step(&format!("{shown}: archive"), pack, "read the output above")
}
