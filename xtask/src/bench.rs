//! `cargo xtask bench`: builds what is to be measured, and has `kren-bench` measure it.
//!
//! Its options are `kren-bench`'s own, which see; two of them are looked at here too, to build no more than is
//! asked for.

use std::path::PathBuf;
use std::process::{ExitCode, Stdio};

use crate::exec;
use crate::setup;
use crate::stamp::Stamp;
use crate::term::{Context as _, Failure, Result};
use crate::tools::Tools;
use crate::workspace::Workspace;

/// The rivals that need nothing but cargo.
const LIGHT: &str = "rivals";
const ALL: &str = "rivals,aeron,tachyon,zeromq";
const RIVALS: &str = "--rivals";

/// `arguments` are those after `bench`.
pub(crate) fn run(workspace: &Workspace, mut arguments: Vec<String>) -> Result<ExitCode> {
    let rivals = take(&mut arguments, RIVALS)?.unwrap_or_else(|| LIGHT.to_owned());
    let help = arguments
        .iter()
        .any(|argument| argument == "--help" || argument == "-h");
    let only_rust = value(&arguments, "--only").is_some_and(|only| only == "rust");

    let mut build = workspace.cargo(&["build", "--release", "--package", "kren-bench"]);
    match rivals.as_str() {
        "none" => {}
        "all" => drop(build.args(["--features", ALL])),
        some => drop(build.args(["--features", some])),
    }
    let advice = "a rival may need more than cargo, see kren-bench/Cargo.toml; `--rivals none` leaves them out";
    exec::step("Rust: building the benchmark", build, advice)?;

    let mut bench = workspace.command(workspace.release_program("kren-bench"), &workspace.root);
    if help {
        println!(
            "{RIVALS} LIST  Rivals to build: none, all, or some of iceoryx2, cloudtoid, ringfire, aeron, \
             tachyon, zeromq\n               [default: the first three, which need nothing but cargo]\n"
        );
    } else if !only_rust {
        let tools = Tools::find(workspace)?;
        setup::bindings(workspace, &tools)?;
        let python = python_rivals(workspace)?;
        setup::npm_install(
            "Node: installing the rivals",
            workspace,
            &tools,
            &folder(workspace).join("node"),
        )?;
        bench.env("PYTHONPATH", python);
        bench.arg("--python").arg(workspace.venv_program("python"));
        bench.arg("--node").arg(&tools.node);
    }
    // After ours: what the user names counts.
    let status = bench
        .args(arguments)
        .stdin(Stdio::null())
        .status()
        .context("cannot run the benchmark")?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn folder(workspace: &Workspace) -> PathBuf {
    workspace.root.join("kren-bench")
}

/// Installs the rivals apart from the virtual environment, so that the package cannot come to lean on one.
fn python_rivals(workspace: &Workspace) -> Result<PathBuf> {
    let list = folder(workspace).join("python").join("requirements.txt");
    let rivals = folder(workspace).join("python").join("rivals");
    let python = workspace.venv_program("python");
    let extra = python.to_string_lossy().into_owned();
    let stamp = Stamp::new(
        rivals.join("stamp"),
        vec![list.clone()],
        rivals.clone(),
        extra,
    );
    if stamp.is_current()? {
        return Ok(rivals);
    }
    let mut pip = workspace.command(&python, &workspace.root);
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-input",
        "--upgrade",
    ]);
    pip.arg("--target")
        .arg(&rivals)
        .arg("--requirement")
        .arg(&list);
    let advice = "read the output above; a first run fetches packages, so check the network too";
    exec::step("Python: installing the rivals", pip, advice)?;
    stamp.store()?;
    Ok(rivals)
}

/// Takes an option and its value out of `arguments`.
fn take(arguments: &mut Vec<String>, option: &str) -> Result<Option<String>> {
    let Some(at) = arguments.iter().position(|argument| argument == option) else {
        return Ok(None);
    };
    if at + 1 == arguments.len() {
        return Err(Failure::new(format!(
            "{option} takes a value: none, all, or a list of rivals"
        )));
    }
    let value = arguments.remove(at + 1);
    arguments.remove(at);
    Ok(Some(value))
}

fn value<'a>(arguments: &'a [String], option: &str) -> Option<&'a str> {
    let at = arguments.iter().position(|argument| argument == option)?;
    arguments.get(at + 1).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_taken_with_their_values() {
        let mut arguments = ["--quick", "--rivals", "none", "--only", "rust"]
            .map(str::to_owned)
            .to_vec();
        assert_eq!(value(&arguments, "--only"), Some("rust"));
        assert_eq!(
            take(&mut arguments, RIVALS).unwrap().as_deref(),
            Some("none")
        );
        assert_eq!(arguments, ["--quick", "--only", "rust"]);
        assert_eq!(take(&mut arguments, RIVALS).unwrap(), None);
        assert!(take(&mut vec![RIVALS.to_owned()], RIVALS).is_err());
    }
}
