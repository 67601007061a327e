//! What is compiled for one system beside the wheel: Node's addon, and the program `kren`, which the wheel, the npm
//! package, the archive and the Debian package bring; and libkren.

use std::path::PathBuf;

use crate::exec::step;
use crate::targets::{Builder, Target};
use crate::term::Result;

/// The program's name.
pub(crate) const PROGRAM: &str = "kren";

/// The files.
pub(crate) struct Native {
    pub(crate) target: &'static Target,
    pub(crate) addon: PathBuf,
    pub(crate) program: PathBuf,
    /// libkren, unless Microsoft's toolchain builds it: users of that name its files otherwise.
    pub(crate) library: Option<PathBuf>,
}

impl Native {
    pub(crate) fn build(builder: &Builder<'_>) -> Result<Self> {
        let target = builder.target;
        let mut cargo = builder.cargo()?;
        cargo.args(["--package", "kren-node", "--package", "kren-cli"]);
        let has_library = !target.is_msvc();
        if has_library {
            cargo.args(["--package", "kren-c"]);
        }
        step(
            &format!("{}: addon and command line", target.shown),
            cargo,
            "read the compiler's output above",
        )?;
        let folder = builder.folder();
        Ok(Self {
            target,
            addon: folder.join(target.library("kren_node")),
            program: folder.join(target.program(PROGRAM)),
            library: has_library.then(|| folder.join(target.library(PROGRAM))),
        })
    }
}
