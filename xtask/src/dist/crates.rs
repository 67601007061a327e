//! The crates for crates.io: packed, and built from what was packed, as publishing them does.

use std::process::Command;

use super::Dist;
use crate::exec::{self, step};
use crate::term::{Context as _, Result};

/// In the order in which they are published: each needs those before it.
const CRATES: &[&str] = &["kren-core", "kren-cli"];

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
    // All at once: the later ones are built with the earlier ones, which no registry has yet. What the first command packs goes away
    // again, or lies where only cargo knows; what the second one does, of the same bytes, is to be kept.
    for command in [["publish", "--dry-run"], ["package", "--no-verify"]] {
        let mut cargo = dist.workspace.cargo(&command);
        cargo.args(CRATES.iter().flat_map(|name| ["--package", name]));
        if !is_clean {
            cargo.arg("--allow-dirty");
        }
        let what = format!("Rust: cargo {} {}", command.join(" "), CRATES.join(" "));
        step(
            &what,
            cargo,
            "read cargo's output above; it takes cargo 1.90",
        )?;
    }
    for name in CRATES {
        let file = format!("{name}-{}.crate", dist.version);
        let from = dist.workspace.target.join("package").join(&file);
        std::fs::copy(&from, dist.folder.join(&file)).context(from.display())?;
    }
    Ok(())
}
