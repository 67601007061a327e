//! `cargo xtask showcase`: a camera and a motion detector in Python, a server in Node.js, and a page; with `--test` a browser
//! looks at the page while the Python processes are killed.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use crate::exec;
use crate::setup;
use crate::term::{self, Context as _, Failure, Result};
use crate::tools::{self, Tools};
use crate::workspace::Workspace;

pub(crate) fn command(workspace: &Workspace, is_test: bool) -> Result<ExitCode> {
    let tools = Tools::find(workspace)?;
    setup::bindings(workspace, &tools)?;
    if is_test {
        let Some(browser) = browser() else {
            return Err(Failure::new(
                "no chromium was found; install it (Debian: apt-get install chromium)",
            ));
        };
        let (status, _) = exec::streamed(test(workspace, &tools, browser))?;
        return Ok(if status.success() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        });
    }
    term::heading("Open the address below in a browser; Ctrl-C ends it");
    term::flush();
    let mut run = workspace.command(&tools.node, &workspace.root);
    run.arg(workspace.examples().join("camera").join("run.mjs"));
    run.arg(workspace.venv_program("python"));
    let status = run.status().context("cannot run the showcase")?;
    if status.success() {
        return Ok(ExitCode::SUCCESS);
    }
    Err(Failure::new("the showcase failed: its own words are above"))
}

/// A browser that can be driven, if this machine has one.
pub(crate) fn browser() -> Option<PathBuf> {
    ["chromium", "chromium-browser", "google-chrome"]
        .into_iter()
        .find_map(tools::which)
}

/// The test that looks at the page with `browser`.
pub(crate) fn test(workspace: &Workspace, tools: &Tools, browser: PathBuf) -> Command {
    let camera = workspace.examples().join("camera");
    let mut test = workspace.command(&tools.node, &camera);
    test.args(["--test", "--test-reporter=tap", "showcase.test.mjs"])
        .env("CHROMIUM", browser)
        .env("PYTHON", workspace.venv_program("python"));
    test
}
