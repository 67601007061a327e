//! `SHA256SUMS`, in the form that `sha256sum --check` reads.

use std::process::Command;

use super::{Dist, files};
use crate::exec::step;
use crate::term::Result;

/// Written with Unix line ends on every system.
const SCRIPT: &str = "\
import hashlib, pathlib, sys
out = pathlib.Path(sys.argv[1])
lines = [f'{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\\n' for path in map(pathlib.Path, sys.argv[2:])]
out.write_text(''.join(lines), newline='\\n')
";

pub(super) fn write(dist: &Dist<'_>) -> Result<()> {
    let mut python = Command::new(dist.kit.program("python"));
    python
        .args(["-c", SCRIPT])
        .arg(dist.folder.join("SHA256SUMS"))
        .args(files(dist, "")?);
    step("SHA-256 checksums", python, "read the output above")
}
