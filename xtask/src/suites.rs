//! `cargo xtask test`: every suite of every language, the short forms of the long proofs, and one table of what came
//! out.

use std::process::{Command, ExitCode};
use std::thread;
use std::time::{Duration, Instant};

use crate::bench;
use crate::count::{self, Count};
use crate::examples;
use crate::exec;

use crate::leftovers::Leftovers;
use crate::libkren;
use crate::proof;
use crate::setup::{self, FEATURES};
use crate::showcase;
use crate::term::{self, Context as _, Result};
use crate::tools::Tools;
use crate::workspace::Workspace;

/// What became of one suite.
struct Outcome {
    suite: &'static str,
    count: Count,
    time: Duration,
}

pub(crate) fn run(workspace: &Workspace) -> Result<ExitCode> {
    let tools = Tools::find(workspace)?;
    setup::examples(workspace, &tools)?;

    // Every suite runs, whatever became of the one before: one run shows all that is broken.
    let mut cargo = workspace.cargo(&[
        "test",
        "--workspace",
        "--no-fail-fast",
        "--features",
        FEATURES,
    ]);
    // Other readers of what `kren record` writes.
    cargo.env("KREN_TEST_MCAP_PYTHON", workspace.venv_program("python"));
    cargo.env("KREN_TEST_MCAP_NODE", workspace.node());
    let mut pytest = workspace.command(workspace.venv_program("python"), &workspace.python());
    pytest.args(["-m", "pytest", "--color=no"]);
    let mut npm = workspace.command(&tools.npm, &workspace.node());
    npm.arg("test").env("NO_COLOR", "1");
    let before = Leftovers::before();
    let rust = suite("Rust", cargo, count::cargo)?;
    // Those tests have built it, if all went well; the packages' tests run it.
    if let Err(failure) = setup::place_program(workspace, "debug") {
        eprintln!("error: {failure}");
    }
    let mut outcomes = vec![
        rust,
        suite("Models", proof::models(workspace), count::cargo)?,
    ];
    outcomes.extend(both(
        ("Python", pytest, count::pytest),
        ("Node", npm, count::node),
    )?);
    outcomes.extend([
        examples(workspace, &tools),
        install(workspace)?,
        suite(
            "Soak",
            proof::short_soak(workspace, &tools)?,
            count::nothing_lost,
        )?,
        bench(workspace, &tools)?,
    ]);
    // Debian has it as a package; nobody needs it for anything else.
    if let Some(browser) = showcase::browser() {
        let test = showcase::test(workspace, &tools, browser);
        outcomes.push(suite("Showcase", test, count::node)?);
    }
    outcomes.push(leftovers(workspace, &before)?);
    Ok(summary(&outcomes))
}

fn suite(suite: &'static str, command: Command, read: fn(&str) -> Count) -> Result<Outcome> {
    term::heading(&format!("{suite}: {}", exec::describe(&command)));
    let started = Instant::now();
    let (status, output) = exec::streamed(command)?;
    let count = read(&output).with_status(status.success());
    Ok(Outcome {
        suite,
        count,
        time: started.elapsed(),
    })
}

/// Two suites side by side, each of which leaves a processor idle; what the second one prints is shown at its end.
fn both(
    first: (&'static str, Command, fn(&str) -> Count),
    (second, command, read): (&'static str, Command, fn(&str) -> Count),
) -> Result<[Outcome; 2]> {
    let shown = exec::describe(&command);
    thread::scope(|scope| {
        let beside = scope.spawn(move || {
            let started = Instant::now();
            (exec::captured(command), started.elapsed())
        });
        let first = suite(first.0, first.1, first.2);
        let (ran, time) = beside.join().expect("it does not panic");
        term::heading(&format!("{second}, beside it: {shown}"));
        let (status, output) = ran.context(shown)?;
        print!("{output}");
        term::flush();
        let second = Outcome {
            suite: second,
            count: read(&output).with_status(status.success()),
            time,
        };
        Ok([first?, second])
    })
}

fn examples(workspace: &Workspace, tools: &Tools) -> Outcome {
    term::heading("Examples: each program with every other language's");
    let started = Instant::now();
    let count = examples::run(workspace, tools);
    Outcome {
        suite: "Examples",
        count,
        time: started.elapsed(),
    }
}

fn install(workspace: &Workspace) -> Result<Outcome> {
    term::heading("Install: libkren as C projects find it");
    let started = Instant::now();
    let count = libkren::trial(workspace)?;
    Ok(Outcome {
        suite: "Install",
        count,
        time: started.elapsed(),
    })
}

fn bench(workspace: &Workspace, tools: &Tools) -> Result<Outcome> {
    term::heading("Benchmark: each of the nine language pairs, briefly");
    let started = Instant::now();
    let count = bench::suite(workspace, tools)?;
    Ok(Outcome {
        suite: "Benchmark",
        count,
        time: started.elapsed(),
    })
}

fn leftovers(workspace: &Workspace, before: &Leftovers) -> Result<Outcome> {
    term::heading("Leftovers: what all of them left behind");
    // The bell of a process that was killed goes when the next one is made (docs/platform.md), which this is.
    let mut bell = workspace.command(workspace.venv_program("python"), &workspace.python());
    bell.args(["-c", "import kren; kren.Selector().close()"]);
    let (status, _) = exec::captured(bell).context("cannot run Python")?;
    Ok(Outcome {
        suite: "Leftovers",
        count: before.check().with_status(status.success()),
        time: Duration::ZERO,
    })
}

/// The last line has a fixed form, so that other programs can read it.
fn summary(outcomes: &[Outcome]) -> ExitCode {
    println!(
        "\n{:<12}{:>8}{:>8}{:>10}",
        "suite", "passed", "failed", "seconds"
    );
    let mut total = Count::default();
    for Outcome { suite, count, time } in outcomes {
        println!(
            "{suite:<12}{:>8}{:>8}{:>10.1}",
            count.passed,
            count.failed,
            time.as_secs_f64()
        );
        total += *count;
    }
    println!("\n{} passed, {} failed", total.passed, total.failed);
    term::flush();
    if total.failed == 0 && total.passed > 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
