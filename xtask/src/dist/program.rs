//! That the program `kren` starts from where a package has put it.

use std::process::Command;

use super::native::PROGRAM;
use crate::exec;
use crate::term::{Context as _, Failure, Result, Step};

/// Has it say its version, which must be this one.
pub(super) fn answers(shown: &str, mut command: Command, version: &str) -> Result<()> {
    let what = format!("the command line by {shown}");
    let running = Step::begin(&what);
    command.arg("--version");
    let (status, output) = exec::captured(command).context(shown)?;
    if status.success() && output.trim() == format!("{PROGRAM} {version}") {
        running.done();
        return Ok(());
    }
    running.failed();
    Err(Failure::new(format!(
        "{what} does not say that it is {PROGRAM} {version} ({}): {}",
        exec::ending(status),
        output.trim()
    )))
}
