//! Debian packages, installed beside the machine's own system.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::exec::{self, step};
use crate::term::Result;

/// Unpacks and configures them in an empty system below `root`, so that the machine's own stays as it is.
pub(crate) fn install(packages: &[PathBuf], root: &Path) -> Result<()> {
    exec::fresh_folder(root)?;
    let database = root.join("var/lib/dpkg");
    exec::create_folder(&database.join("updates"))?;
    exec::create_folder(&database.join("info"))?;
    exec::write(&database.join("status"), "")?;
    let mut install = Command::new("dpkg");
    install.args(["--force-not-root", "--force-depends"]);
    install.arg(format!("--root={}", root.display()));
    install.arg("--install").args(packages);
    step(
        "Debian: installing it in an empty system",
        install,
        "read dpkg's output above",
    )
}
