//! The examples, each with the programs of all languages at once. [`cast`] starts processes and tells what became of
//! them; the other files say, pattern by pattern, who plays with whom and what must come of it.

pub(crate) mod cast;
mod fanout;
mod grids;
mod model;
pub(crate) mod pairs;
mod tasks;
mod ticks;

use std::process::ExitCode;

use self::cast::{LANGUAGES, Language};
use crate::compiled;
use crate::count::Count;
use crate::leftovers::Leftovers;
use crate::setup::{self, TICKS_READER};
use crate::term::Result;
use crate::tools::Tools;
use crate::workspace::Workspace;

/// `cargo xtask examples`.
pub(crate) fn command(workspace: &Workspace) -> Result<ExitCode> {
    let tools = Tools::find(workspace)?;
    setup::examples(workspace, &tools)?;
    let count = run(workspace, &tools);
    println!("\n{} passed, {} failed", count.passed, count.failed);
    Ok(if count.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Runs every program with those of every language; the packages must be built.
pub(crate) fn run(workspace: &Workspace, tools: &Tools) -> Count {
    let examples = workspace.examples();
    let launch = |language: Language, file: &str| {
        let root = &workspace.root;
        match language {
            Language::Rust if file == TICKS_READER => {
                workspace.command(workspace.debug_program(file), root)
            }
            Language::Rust => workspace.command(workspace.release_program(file), root),
            Language::Python => {
                let mut python = workspace.command(workspace.venv_program("python"), root);
                python.arg(examples.join("python").join(format!("{file}.py")));
                python
            }
            Language::Node => {
                let mut node = workspace.command(&tools.node, root);
                node.arg(examples.join("node").join(format!("{file}.js")));
                node
            }
            Language::C => workspace.command(compiled::program(workspace, "c", file), root),
            Language::Cpp => workspace.command(compiled::program(workspace, "cpp", file), root),
        }
    };
    let prefix = format!("example-{}", std::process::id());
    let before = Leftovers::before();
    let mut count = pairs::all(pairs::PROGRAMS, LANGUAGES, &prefix, &launch);
    count += fanout::all(&prefix, &launch);
    count += tasks::all(&prefix, &launch);
    count += model::all(&prefix, &launch);
    count += ticks::all(&prefix, &launch);
    count += grids::all(&prefix, &launch);
    count += before.check();
    count
}
