//! Python wheels, one for each system and every Python from 3.11 on, and the source distribution.

use std::path::Path;
use std::process::Command;

use super::Dist;
use crate::exec::step;
use crate::targets::Builder;
use crate::term::Result;

const BUILD: &str = "read the compiler's output above";

/// Builds the target's wheel into `folder`.
///
/// For Linux maturin looks at the symbols that the library asks of the C library, and fails where the promise of the
/// wheel's name is not kept.
pub(crate) fn build(builder: &Builder<'_>, folder: &Path) -> Result<()> {
    let maturin = builder.maturin(folder)?;
    step(&format!("{}: wheel", builder.target.shown), maturin, BUILD)
}

/// Packs what building from source takes.
pub(super) fn sources(dist: &Dist<'_>) -> Result<()> {
    let mut maturin = Command::new(dist.kit.program("maturin"));
    maturin
        .current_dir(dist.workspace.python())
        .args(["sdist", "--out"])
        .arg(&dist.folder);
    step("Python: source distribution", maturin, BUILD)
}
