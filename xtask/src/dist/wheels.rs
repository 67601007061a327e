//! Python wheels, one for each system and every Python from 3.11 on, and the source distribution.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Dist;
use super::native::Native;
use crate::exec::{self, step};
use crate::targets::Builder;
use crate::term::{Context as _, Result};

const BUILD: &str = "read the compiler's output above";

/// Builds the target's wheel into `folder`, with the program among its scripts.
///
/// For Linux maturin looks at the symbols that the library asks of the C library, and fails where the promise of the
/// wheel's name is not kept.
pub(crate) fn build(builder: &Builder<'_>, native: &Native, folder: &Path) -> Result<()> {
    let _scripts = Scripts::with(&builder.workspace.python(), &native.program)?;
    let maturin = builder.maturin(folder)?;
    step(&format!("{}: wheel", builder.target.shown), maturin, BUILD)
}

/// The folder that maturin takes programs from: it is called after the module. It is there for one wheel alone: the next may be another
/// system's.
struct Scripts {
    data: PathBuf,
}

impl Scripts {
    fn with(python: &Path, program: &Path) -> Result<Self> {
        let scripts = Self {
            data: python.join("kren._kren.data"),
        };
        exec::fresh_folder(&scripts.data)?;
        let folder = scripts.data.join("scripts");
        exec::create_folder(&folder)?;
        let to = folder.join(program.file_name().unwrap_or_default());
        fs::copy(program, to).context(program.display())?;
        Ok(scripts)
    }
}

impl Drop for Scripts {
    fn drop(&mut self) {
        // What stays the next one removes, or fails.
        let _ = fs::remove_dir_all(&self.data);
    }
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
