//! `cargo xtask proof`, `soak`, `fuzz` and `sanitize`: the evidence that takes longer than a test may.
//! `docs/testing.md` says what each of them shows.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use clap::{Arg, ArgAction, ArgMatches, value_parser};

use crate::compiled;
use crate::exec;
use crate::second;
use crate::setup::{self, FEATURES};
use crate::term::{self, Context as _, Failure, Result};
use crate::tools::Tools;
use crate::workspace::Workspace;

/// Inputs beyond this length only take longer.
const LONGEST_INPUT: &str = "-max_len=400";
/// Seconds after which libFuzzer calls an input a hang.
const HANG: &str = "-timeout=120";
/// Seconds after which a test under a sanitizer, many times slower there, hangs.
const PATIENCE: &str = "900";
/// What can be soaked.
const PATTERNS: [&str; 5] = ["channel", "broadcast", "inbox", "queue", "service"];
const TARGETS: [&str; 5] = ["open", "flip", "crowd", "operations", "payload"];

/// The subcommands, for the command line.
pub(crate) fn commands() -> [clap::Command; 4] {
    let number = |name: &'static str, help: &'static str| {
        Arg::new(name)
            .long(name)
            .help(help)
            .value_parser(value_parser!(u64))
    };
    [
        clap::Command::new("proof")
            .about("Death at every instruction (kill), the model checker (models), the code broken on purpose (mutants), memory (leaks)")
            .arg(Arg::new("kind").required(true).value_parser(["kill", "models", "mutants", "leaks"]))
            .arg(Arg::new("only").num_args(0..).help("Some operations, models or mutants only"))
            .arg(number("preemptions", "models: how many to try in each run; each more takes some ten times longer"))
            .arg(number("stride", "kill: only after every so many instructions"))
            .arg(number("points", "kill: only after so many instructions of each operation, others in each run"))
            .arg(number("jobs", "kill: how many at once"))
            .arg(number("arrays", "leaks: how many by each path").default_value("1000000"))
            .arg(
                Arg::new("visible")
                    .long("visible")
                    .action(ArgAction::SetTrue)
                    .help("kill: only after those whose effect other processes can see"),
            ),
        clap::Command::new("soak")
            .about("The processes of channels and patterns killed and restarted at random under load; every message accounted for")
            .arg(number("minutes", "How long [default: 1]").conflicts_with("seconds"))
            .arg(number("seconds", "How long"))
            .arg(
                Arg::new("pattern")
                    .long("pattern")
                    .value_delimiter(',')
                    .value_parser(PATTERNS)
                    .help("Some of them only"),
            )
            .arg(
                Arg::new("bridge")
                    .long("bridge")
                    .action(ArgAction::SetTrue)
                    .help("Two machines of network namespaces instead: the cable cut, the bridges killed"),
            )
            .arg(number("messages", "bridge: how many").default_value("1000000"))
            .arg(number("each", "How many of each at once [default: 1, or 3 of a single pattern]"))
            .arg(number("seed", "Repeats the choices of an earlier run"))
            .arg(
                Arg::new("languages")
                    .long("languages")
                    .help("Some of rust,python,node,c")
                    .default_value("rust,python,node,c"),
            ),
        clap::Command::new("fuzz")
            .about("Hostile bytes and any sequence of calls; with cargo-fuzz where it is installed")
            .arg(Arg::new("targets").num_args(0..).value_parser(TARGETS))
            .arg(number("seconds", "How long in all").default_value("60"))
            .arg(number("seed", "Repeats the driver's choices"))
            .arg(
                Arg::new("driver")
                    .long("driver")
                    .action(ArgAction::SetTrue)
                    .help("The driver of the stable toolchain, also where cargo-fuzz is installed"),
            ),
        clap::Command::new("sanitize")
            .about("The stress tests under AddressSanitizer or ThreadSanitizer")
            .arg(Arg::new("kind").required(true).value_parser(["address", "thread"])),
    ]
}

pub(crate) fn proof(workspace: &Workspace, matches: &ArgMatches) -> Result<ExitCode> {
    let kind: &String = matches.get_one("kind").expect("clap requires it");
    let only = words(matches, "only");
    match kind.as_str() {
        "kill" => kill(workspace, matches, &only),
        "models" => {
            let mut command = models(workspace);
            command.args(&only).args(["--", "--nocapture"]);
            if let Some(preemptions) = matches.get_one::<u64>("preemptions") {
                command.env("LOOM_MAX_PREEMPTIONS", preemptions.to_string());
            }
            shown(command)
        }
        "leaks" => leaks(workspace, matches),
        _ => {
            let mut command = workspace.cargo(&["test", "--package", "kren-core"]);
            command.args(["--test", "mutants", "--", "--ignored", "--nocapture"]);
            command.env("KREN_MUTANTS", only.join(","));
            shown(command)
        }
    }
}

fn kill(workspace: &Workspace, matches: &ArgMatches, only: &[String]) -> Result<ExitCode> {
    let mut command = program(workspace)?;
    command.arg("kill").args(only);
    pass(&mut command, matches, &["stride", "points", "jobs"]);
    if matches.get_flag("visible") {
        command.arg("--visible");
    }
    shown(command)
}

/// Arrays and tables by every path of every language, at more length than in the tests.
fn leaks(workspace: &Workspace, matches: &ArgMatches) -> Result<ExitCode> {
    let arrays: u64 = *matches.get_one("arrays").expect("it has a default");
    let tools = Tools::find(workspace)?;
    setup::bindings(workspace, &tools)?;
    let mut rust = workspace.cargo(&["test", "--workspace", "--features", FEATURES]);
    rust.args(["--test", "leaks", "--", "--nocapture"]);
    let mut python = workspace.command(workspace.venv_program("python"), &workspace.python());
    // Else it takes what runs for minutes for a hang.
    python.args(["-m", "pytest", "-s", "-o", "faulthandler_timeout=0"]);
    python.arg("tests/test_leaks.py");
    let mut node = workspace.command(&tools.node, &workspace.node());
    node.args(["--test", "test/leaks.test.mjs"]);
    let mut outcome = ExitCode::SUCCESS;
    for mut command in [rust, python, node] {
        command.env("KREN_TEST_ARRAYS", arrays.to_string());
        if shown(command)? != ExitCode::SUCCESS {
            outcome = ExitCode::FAILURE;
        }
    }
    Ok(outcome)
}

/// The model checker's tests, in a build folder of their own: another `cfg` would otherwise make everything anew.
pub(crate) fn models(workspace: &Workspace) -> Command {
    let mut command = workspace.cargo(&["test", "--package", "kren-core", "--lib", "--release"]);
    command
        .env("RUSTFLAGS", "--cfg loom")
        .env("CARGO_TARGET_DIR", workspace.target.join("loom"))
        // As slow to build as a release, since it runs for minutes: a quarter of them less. Nobody looks at it with a debugger.
        .env("CARGO_PROFILE_RELEASE_DEBUG", "0");
    command
}

pub(crate) fn soak(workspace: &Workspace, matches: &ArgMatches) -> Result<ExitCode> {
    if matches.get_flag("bridge") {
        let messages: &u64 = matches.get_one("messages").expect("it has a default");
        let mut command = workspace.cargo(&[
            "test",
            "--release",
            "--package",
            "kren-bridge",
            "--test",
            "it",
        ]);
        command.args(["faults::nothing_is_lost", "--", "--exact", "--nocapture"]);
        command.env("KREN_BRIDGE_SOAK", messages.to_string());
        return shown(command);
    }
    let languages: &String = matches.get_one("languages").expect("it has a default");
    let mut command = program(workspace)?;
    command.args(["soak", "--languages", languages]);
    pass(
        &mut command,
        matches,
        &["minutes", "seconds", "each", "seed"],
    );
    let patterns = words(matches, "pattern");
    if !patterns.is_empty() {
        command.arg("--pattern").arg(patterns.join(","));
    }
    let has = |wanted: &[&str]| languages.split(',').any(|one| wanted.contains(&one));
    if has(&["c"]) {
        command.arg("--c").arg(compiled::workers(workspace)?);
    }
    if has(&["python", "node"]) {
        let tools = Tools::find(workspace)?;
        setup::bindings(workspace, &tools)?;
        programs_that_import(&mut command, workspace, &tools);
    }
    shown(command)
}

/// A soak in all languages at the pace of a test, with what the tests have built.
pub(crate) fn short_soak(workspace: &Workspace, tools: &Tools) -> Result<Command> {
    let mut command = workspace.cargo(&["run", "--quiet", "--package", "kren-proof", "--", "soak"]);
    command.args(["--seconds", "14", "--languages", "rust,python,node,c"]);
    programs_that_import(&mut command, workspace, tools);
    command.arg("--c").arg(compiled::workers(workspace)?);
    Ok(command)
}

fn programs_that_import(command: &mut Command, workspace: &Workspace, tools: &Tools) {
    command
        .arg("--python")
        .arg(workspace.venv_program("python"));
    command.arg("--node").arg(&tools.node);
}

pub(crate) fn fuzz(workspace: &Workspace, matches: &ArgMatches) -> Result<ExitCode> {
    let chosen = words(matches, "targets");
    let has_cargo_fuzz = exec::first_line(&mut workspace.cargo(&["fuzz", "--version"])).is_some();
    if !has_cargo_fuzz || matches.get_flag("driver") || matches.get_one::<u64>("seed").is_some() {
        let mut command = program(workspace)?;
        command.arg("fuzz").args(&chosen);
        pass(&mut command, matches, &["seconds", "seed"]);
        return shown(command);
    }
    let targets = if chosen.is_empty() {
        TARGETS.map(str::to_owned).to_vec()
    } else {
        chosen
    };
    let seconds: u64 = *matches.get_one("seconds").expect("it has a default");
    let folder = workspace.root.join("kren-proof");
    for target in &targets {
        // What is found goes beside the committed corpus, and what breaks something to `artifacts`.
        let found = folder.join("fuzz/found").join(target);
        fs::create_dir_all(&found).context(found.display())?;
        let span = format!(
            "-max_total_time={}",
            (seconds / targets.len() as u64).max(1)
        );
        let mut command = workspace.cargo(&["fuzz", "run", target]);
        command.current_dir(&folder).env("RUSTC_BOOTSTRAP", "1");
        command.env("CARGO_TARGET_DIR", workspace.target.join("fuzz"));
        command
            .arg(&found)
            .arg(folder.join("fuzz/corpus").join(target));
        command.args(["--", &span, LONGEST_INPUT, HANG]);
        if shown(command)? != ExitCode::SUCCESS {
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn sanitize(workspace: &Workspace, matches: &ArgMatches) -> Result<ExitCode> {
    if !cfg!(target_os = "linux") {
        return Err(Failure::new("the sanitizers are set up for Linux alone"));
    }
    let kind: &String = matches.get_one("kind").expect("clap requires it");
    match kind.as_str() {
        "address" => address(workspace),
        _ => thread(workspace),
    }
}

/// The core's tests, and those of `kren-proof`. A tracer and the leak checker exclude each other, so the two tests
/// that trace a process are left out.
fn address(workspace: &Workspace) -> Result<ExitCode> {
    let runs: [&[&str]; 2] = [
        &[
            "kren-core",
            "--lib",
            "--test",
            "it",
            "--",
            "--skip",
            "makes_no_system_call",
        ],
        &[
            "kren-proof",
            "--lib",
            "--test",
            "proof",
            "--",
            "--skip",
            "g3_no_death",
        ],
    ];
    for run in runs {
        let mut command = workspace.cargo(&["test", "--no-fail-fast", "--target", &target()]);
        command.arg("--package").args(run);
        command
            .env("RUSTC_BOOTSTRAP", "1")
            .env("RUSTFLAGS", "-Zsanitizer=address")
            .env("KREN_TEST_PATIENCE", PATIENCE);
        command.env(
            "CARGO_TARGET_DIR",
            workspace.target.join("sanitize-address"),
        );
        if shown(command)? != ExitCode::SUCCESS {
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The ring on plain memory: in a segment the two sides see the same bytes at different addresses, so that
/// ThreadSanitizer, which goes by addresses, would see nothing of what they do to each other. Then whole endpoints,
/// for what the threads of one process share beside the segment: waiters, leases, closing.
///
/// It must see the standard library's own synchronisation too, so that is built with it.
fn thread(workspace: &Workspace) -> Result<ExitCode> {
    second::need(&[
        ("/usr/bin/clang-22", "clang-22"),
        (
            "/usr/lib/llvm-22/lib/clang/22/lib/linux",
            "libclang-rt-22-dev",
        ),
    ])?;
    // It does not follow a `fork` of many threads, has terabytes of address space, and traces by itself; and what one
    // thread does alone is nothing to it but slow.
    let endpoints = [
        "--test",
        "it",
        "--",
        "--skip",
        "forking::",
        "--skip",
        "limits::",
        "--skip",
        "idle::",
        "--skip",
        "sweeps::",
        "--skip",
        "streams::",
    ];
    for tests in [&["--lib", "race"][..], &endpoints] {
        let mut command = second::toolchain(workspace, second::CARGO);
        command.args(["test", "--package", "kren-core", "-Z", second::BUILD_STD]);
        command.args(["--target", &target()]).args(tests);
        let flags =
            "-Zsanitizer=thread -Zexternal-clangrt -Clinker=clang-22 -Clink-arg=-fsanitize=thread";
        command
            .env("RUSTFLAGS", flags)
            .env("KREN_TEST_PATIENCE", PATIENCE);
        command.env("CARGO_TARGET_DIR", workspace.target.join("sanitize-thread"));
        if shown(command)? != ExitCode::SUCCESS {
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn target() -> String {
    format!("{}-unknown-linux-gnu", std::env::consts::ARCH)
}

/// `kren-proof`, built in release.
fn program(workspace: &Workspace) -> Result<Command> {
    let build = workspace.cargo(&["build", "--release", "--package", "kren-proof"]);
    exec::step(
        "Rust: building kren-proof",
        build,
        "read the compiler's output above",
    )?;
    let program: PathBuf = workspace.release_program("kren-proof");
    Ok(workspace.command(program, &workspace.root))
}

fn words(matches: &ArgMatches, name: &str) -> Vec<String> {
    matches
        .get_many::<String>(name)
        .unwrap_or_default()
        .cloned()
        .collect()
}

/// Hands on the numbers that were given.
fn pass(command: &mut Command, matches: &ArgMatches, names: &[&str]) {
    for name in names {
        if let Some(number) = matches.get_one::<u64>(name) {
            command.arg(format!("--{name}")).arg(number.to_string());
        }
    }
}

/// Runs `command` with its output on the console.
fn shown(mut command: Command) -> Result<ExitCode> {
    term::heading(&exec::describe(&command));
    let status = command
        .stdin(Stdio::null())
        .status()
        .context("cannot run it")?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
