//! `cargo xtask demo`: a Python writer and a Node reader, through the packages as a user imports them, and what the command
//! line sees of their channels.

use std::process::{ExitCode, Stdio};

use crate::setup;
use crate::term::{self, Context as _, Failure, Result};
use crate::tools::Tools;
use crate::workspace::Workspace;

pub(crate) fn run(workspace: &Workspace) -> Result<ExitCode> {
    let tools = Tools::find(workspace)?;
    setup::bindings(workspace, &tools)?;
    setup::command_line(workspace)?;
    term::heading("A Python process writes, a Node process reads");
    println!();
    term::flush();
    let examples = workspace.examples();
    let mut python = workspace.command(workspace.venv_program("python"), &workspace.root);
    python.arg(examples.join("python").join("demo.py"));
    python
        .arg(&tools.node)
        .arg(examples.join("node").join("demo.js"))
        .arg(workspace.release_program("kren"));
    let status = python
        .stdin(Stdio::null())
        .status()
        .context("cannot run the demo")?;
    if status.success() {
        return Ok(ExitCode::SUCCESS);
    }
    Err(Failure::new(
        "the demo failed: its own words are above; `cargo xtask test` shows more",
    ))
}
