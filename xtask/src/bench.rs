//! `cargo xtask bench`: builds what is to be measured, and has `kren-bench` measure it.
//!
//! Its options are `kren-bench`'s own, which see; two of them are looked at here too, to build no more than is
//! asked for.

use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use crate::compiled;
use crate::count::Count;
use crate::exec;
use crate::rivals;
use crate::setup;
use crate::stamp::Stamp;
use crate::term::{Context as _, Failure, Result};
use crate::tools::Tools;
use crate::workspace::Workspace;

const RIVALS: &str = "--rivals";
const BRIDGE: &str = "--bridge";
const ROUNDS: &str = "--rounds";
/// As the report heads them.
const PAIRS: [&str; 9] = [
    "Rust to Rust",
    "Rust to Python",
    "Rust to Node",
    "Python to Rust",
    "Python to Python",
    "Python to Node",
    "Node to Rust",
    "Node to Python",
    "Node to Node",
];

/// `arguments` are those after `bench`.
pub(crate) fn run(workspace: &Workspace, mut arguments: Vec<String>) -> Result<ExitCode> {
    if arguments.iter().any(|argument| argument == BRIDGE) {
        return bridge(workspace, value(&arguments, ROUNDS));
    }
    let features = rivals::features(take(&mut arguments, RIVALS)?.as_deref())?;
    let has = |option: &str| arguments.iter().any(|argument| argument == option);
    let help = has("--help") || has("-h");
    // Growth is measured in Rust unless languages are named; records are only shown.
    let only_rust = match value(&arguments, "--only") {
        Some(only) => only == "rust",
        None => has("--growth"),
    };
    let only_rust = only_rust || has("--show");

    let mut build = workspace.cargo(&["build", "--release", "--package", "kren-bench"]);
    if !help {
        build.args(["--features", &features.join(",")]);
        rivals::equip(workspace, &features, &mut build)?;
    }
    let advice = "kren-bench/README.md says what each rival needs; `--rivals none` leaves them out";
    exec::step("Rust: building the benchmark", build, advice)?;

    let mut bench = workspace.command(workspace.release_program("kren-bench"), &workspace.root);
    let measures = !help && !has("--show");
    if measures && let Some(transport) = compiled::transport(workspace)? {
        bench.env("KREN_BENCH_C", transport);
    }
    if help {
        println!(
            "{RIVALS} LIST  Rivals to build: none, all, or some of iceoryx2,cloudtoid,ringfire,crossbar,bcast,tachyon,aeron,zeromq\n\
             \x20              [default: the first five, which need nothing but cargo]\n\
             {BRIDGE}        The bridge to another machine instead, beside zenoh and TCP, between network namespaces\n\
             \x20              (Linux, root); of the other options {ROUNDS} alone counts\n"
        );
    } else if !only_rust {
        let tools = Tools::find(workspace)?;
        setup::bindings(workspace, &tools)?;
        peers(workspace, &tools, !features.is_empty(), &mut bench)?;
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

/// The bridge beside the engine that carries it: `kren-bridge/tests/it/speed.rs`, which says why where namespaces cannot be made.
fn bridge(workspace: &Workspace, rounds: Option<&str>) -> Result<ExitCode> {
    if !cfg!(target_os = "linux") {
        return Err(Failure::new("kren-bridge runs on Linux alone"));
    }
    let mut measure = workspace.cargo(&["test", "--release", "--package", "kren-bridge"]);
    measure.args(["--test", "it", "speed::speed", "--"]);
    measure.args(["--exact", "--ignored", "--nocapture"]);
    if let Some(rounds) = rounds {
        measure.env("KREN_BRIDGE_ROUNDS", rounds);
    }
    let status = measure.stdin(Stdio::null()).status();
    let status = status.context("cannot run the measurement")?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Whether every pair of languages can be measured at all: KREN alone, briefly; no figure is judged.
pub(crate) fn suite(workspace: &Workspace, tools: &Tools) -> Result<Count> {
    let mut bench = workspace.cargo(&["run", "--quiet", "--package", "kren-bench", "--"]);
    peers(workspace, tools, false, &mut bench)?;
    bench.args(["--only", "all", "--quick", "--rounds", "1", "--sizes", "64"]);
    bench.args([
        "--transports",
        "kren,kren-adaptive",
        "--tests",
        "trips,stream,idle",
    ]);
    bench.arg("--python").arg(workspace.venv_program("python"));
    bench.arg("--node").arg(&tools.node);
    let (status, output) = exec::captured(bench).context("cannot run the benchmark")?;
    let left_out = output.contains("Left out");
    let measured = PAIRS
        .iter()
        .filter(|pair| output.contains(&format!("== {pair} ==")));
    let passed = measured.count() as u64;
    let count = Count {
        passed,
        failed: PAIRS.len() as u64 - passed + u64::from(left_out),
    };
    let count = count.with_status(status.success());
    if count.failed > 0 {
        println!("{output}");
    }
    println!("{passed} of {} pairs were measured", PAIRS.len());
    Ok(count)
}

/// Makes the peers in Python and Node.js ready, with their rivals or without.
pub(crate) fn peers(
    workspace: &Workspace,
    tools: &Tools,
    rivals: bool,
    bench: &mut Command,
) -> Result<()> {
    let node = workspace.bench().join("node");
    if !rivals {
        let what = "Node: linking the benchmark";
        return setup::npm_install_with(what, workspace, tools, &node, &["--omit=optional"]);
    }
    bench.env("PYTHONPATH", python_rivals(workspace)?);
    setup::npm_install("Node: installing the rivals", workspace, tools, &node)
}

/// Installs the rivals apart from the virtual environment, so that the package cannot come to lean on one.
fn python_rivals(workspace: &Workspace) -> Result<PathBuf> {
    let list = workspace.bench().join("python").join("requirements.txt");
    let rivals = workspace.bench().join("python").join("rivals");
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
