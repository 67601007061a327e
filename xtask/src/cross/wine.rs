//! Windows programs on Linux.

use std::path::Path;
use std::process::Command;

pub(super) const PROGRAM: &str = "/usr/lib/wine/wine64";

/// Has `command` run in the Windows at `prefix`, without wine's messages about itself.
pub(super) fn within<'a>(command: &'a mut Command, prefix: &Path) -> &'a mut Command {
    command.env("WINEPREFIX", prefix).env("WINEDEBUG", "-all")
}
