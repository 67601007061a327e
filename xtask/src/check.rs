//! `cargo xtask check` and `cargo xtask fmt`: one table of what each language is held to.

use std::path::Path;
use std::process::{Command, ExitCode};

use crate::exec;
use crate::setup::{self, FEATURES};
use crate::term::Result;
use crate::tools::Tools;
use crate::workspace::Workspace;

/// A command, what it is for, and what to do when it fails.
struct Check {
    what: &'static str,
    command: Command,
    advice: &'static str,
}

const FORMAT: &str = "run `cargo xtask fmt`";
const LINT: &str = "mend what is listed above";

/// Runs every check, also after one has failed: one run shows all that is to be mended.
pub(crate) fn check(workspace: &Workspace) -> Result<ExitCode> {
    let tools = Tools::find(workspace)?;
    setup::packages(workspace, &tools)?;
    let mut failures = Vec::new();
    for Check {
        what,
        command,
        advice,
    } in checks(workspace, &tools)
    {
        failures.extend(exec::step(what, command, advice).err());
    }
    for failure in &failures {
        eprintln!("error: {failure}");
    }
    Ok(if failures.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Formats every language in place.
pub(crate) fn fix(workspace: &Workspace) -> Result<ExitCode> {
    let tools = Tools::find(workspace)?;
    setup::packages(workspace, &tools)?;
    let node = workspace.node();
    exec::step("Rust: cargo fmt", workspace.cargo(&["fmt", "--all"]), LINT)?;
    let mut header = c_header(workspace);
    header.env("KREN_WRITE_HEADER", "1");
    exec::step("C: writing the header", header, LINT)?;
    exec::step(
        "Python: ruff check --fix",
        ruff(workspace, &["check", "--fix"]),
        LINT,
    )?;
    exec::step("Python: ruff format", ruff(workspace, &["format"]), LINT)?;
    exec::step(
        "Node: npm run format",
        npm(workspace, &tools, &node, "format"),
        LINT,
    )?;
    Ok(ExitCode::SUCCESS)
}

fn checks(workspace: &Workspace, tools: &Tools) -> Vec<Check> {
    let node = workspace.node();
    let mut doc = workspace.cargo(&[
        "doc",
        "--workspace",
        "--no-deps",
        "--document-private-items",
        "--features",
        FEATURES,
    ]);
    doc.env("RUSTDOCFLAGS", "-D warnings");
    let clippy = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--features",
        FEATURES,
        "--",
        "-D",
        "warnings",
    ];
    vec![
        Check {
            what: "Rust: format",
            command: workspace.cargo(&["fmt", "--all", "--check"]),
            advice: FORMAT,
        },
        Check {
            what: "Rust: clippy",
            command: workspace.cargo(&clippy),
            advice: LINT,
        },
        Check {
            what: "Rust: documentation",
            command: doc,
            advice: LINT,
        },
        Check {
            what: "C: header",
            command: c_header(workspace),
            advice: FORMAT,
        },
        Check {
            what: "Python: format",
            command: ruff(workspace, &["format", "--check"]),
            advice: FORMAT,
        },
        Check {
            what: "Python: ruff",
            command: ruff(workspace, &["check"]),
            advice: LINT,
        },
        Check {
            what: "Python: mypy",
            command: mypy(workspace, &workspace.python(), &[]),
            advice: LINT,
        },
        Check {
            what: "Python: mypy on the examples",
            command: mypy(workspace, &workspace.examples().join("python"), &["."]),
            advice: LINT,
        },
        Check {
            what: "Python: mypy on the showcase",
            command: mypy(workspace, &workspace.examples().join("camera"), &["."]),
            advice: LINT,
        },
        Check {
            what: "Node: types",
            command: npm(workspace, tools, &node, "typecheck"),
            advice: LINT,
        },
        Check {
            what: "Node: lint",
            command: npm(workspace, tools, &node, "lint"),
            advice: LINT,
        },
    ]
}

/// That the committed header is what the crate makes; by a test, so that cbindgen is compiled where it is needed alone.
fn c_header(workspace: &Workspace) -> Command {
    workspace.cargo(&["test", "--quiet", "--package", "kren-c", "--test", "header"])
}

/// Ruff on everything that is Python; each folder's own settings apply.
fn ruff(workspace: &Workspace, arguments: &[&str]) -> Command {
    let mut command = workspace.command(workspace.venv_program("ruff"), &workspace.root);
    command
        .args(arguments)
        .args(["kren-python", "examples/python", "examples/camera"]);
    command
}

/// Mypy, by the settings of the package; the package's own sources stand in for the installed one.
fn mypy(workspace: &Workspace, dir: &Path, arguments: &[&str]) -> Command {
    let mut command = workspace.command(workspace.venv_program("mypy"), dir);
    command
        .arg("--config-file")
        .arg(workspace.python().join("pyproject.toml"))
        .args(arguments);
    command.env("MYPYPATH", workspace.python().join("python"));
    command
}

fn npm(workspace: &Workspace, tools: &Tools, dir: &Path, script: &str) -> Command {
    let mut command = workspace.command(&tools.npm, dir);
    command.args(["run", "--silent", script]);
    command
}
