//! The crates for crates.io: packed, and built from what was packed, as publishing them does.

use std::process::Command;

use super::Dist;
use crate::exec::{self, step};
use crate::term::{Context as _, Result};

/// In the order in which they are published: each needs those before it.
const CRATES: &[&str] = &["kren-core"];

pub(super) fn pack(dist: &Dist<'_>) -> Result<()> {
    let mut git = Command::new("git");
    git.args(["status", "--porcelain"])
        .current_dir(&dist.workspace.root);
    let is_clean =
        exec::captured(git).is_ok_and(|(status, output)| status.success() && output.is_empty());
    if !is_clean {
        println!(
            "    the working tree has changes that are not committed: this is not yet a release"
        );
    }
    for name in CRATES {
        let mut publish = dist
            .workspace
            .cargo(&["publish", "--dry-run", "--package", name]);
        if !is_clean {
            publish.arg("--allow-dirty");
        }
        step(
            &format!("Rust: cargo publish --dry-run {name}"),
            publish,
            "read cargo's output above",
        )?;
        // That file goes away again, or lies where only cargo knows; this one, of the same bytes, is to be kept.
        let mut package = dist
            .workspace
            .cargo(&["package", "--no-verify", "--package", name]);
        if !is_clean {
            package.arg("--allow-dirty");
        }
        step(
            &format!("Rust: cargo package {name}"),
            package,
            "read cargo's output above",
        )?;
        let file = format!("{name}-{}.crate", dist.version);
        let from = dist.workspace.target.join("package").join(&file);
        std::fs::copy(&from, dist.folder.join(&file)).context(from.display())?;
    }
    Ok(())
}
