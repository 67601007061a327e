//! Death at every instruction (G3): each operation is run a machine instruction at a time in a
//! process of its own and killed after the first, the second, the third..., each time on a fresh
//! channel; then everything that was promised is looked for.

mod actor;
mod aftermath;
mod company;
mod message;
mod peer;
mod report;
mod scenario;
mod scenarios;
mod several;
mod trace;
mod verify;
mod visible;

use aftermath::Aftermath;
use peer::Live;
use report::Report;
use scenario::Scenario;
use std::num::NonZero;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use trace::{Place, Step, Victim};

use visible::Watch;

/// Where to die.
#[derive(Clone, Copy)]
enum Points {
    /// After every so many instructions.
    Every(usize),
    /// After so many of them, as far apart as can be, elsewhere in each run.
    Spread(usize),
    /// After every change that other processes can see.
    Visible,
}

/// One of them: which instruction it is, and how to get there.
#[derive(Clone, Copy)]
struct Point {
    at: usize,
    place: Place,
}

/// Kills a process after every instruction of each scenario, and checks what is left.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// What the process does; everything unless named.
    scenarios: Vec<String>,
    /// Every so many instructions.
    #[arg(long, default_value = "1", group = "where")]
    stride: NonZero<usize>,
    /// So many of them, elsewhere in each run.
    #[arg(long, group = "where")]
    points: Option<NonZero<usize>>,
    /// Only around those whose effect other processes can see.
    #[arg(long, group = "where")]
    visible: bool,
    /// Side by side; as many as there are processors.
    #[arg(long)]
    jobs: Option<NonZero<usize>>,
}

/// The `kill` command; tells whether every check passed.
pub(crate) fn command(options: &Options) -> Result<bool, String> {
    let points = match (options.visible, options.points) {
        (true, _) => Points::Visible,
        (false, None) => Points::Every(options.stride.get()),
        (false, Some(points)) => Points::Spread(points.get()),
    };
    let processors = || std::thread::available_parallelism().map_or(1, NonZero::get);
    let jobs = options.jobs.map_or_else(processors, NonZero::get);

    let scenarios = scenarios::all();
    if let Some(unknown) = options
        .scenarios
        .iter()
        .find(|word| !scenarios.iter().any(|known| known.name == **word))
    {
        let names: Vec<_> = scenarios.iter().map(|known| known.name).collect();
        return Err(format!(
            "no scenario is called {unknown}; there are: {}",
            names.join(" ")
        ));
    }
    let chosen = |scenario: &&Scenario| {
        options.scenarios.is_empty() || options.scenarios.iter().any(|name| name == scenario.name)
    };

    let mut report = Report::begin();
    for scenario in scenarios.iter().filter(chosen) {
        let started = Instant::now();
        match caught(|| survey(scenario, points)) {
            Ok((steps, at)) => {
                let outcomes = run_all(scenario, &at, jobs);
                report.scenario(scenario, steps, outcomes, started.elapsed());
            }
            Err(what) => report.not_carried_out(scenario, &what),
        }
    }
    Ok(report.end(&prefix()))
}

/// A panic, which the core must never answer a death with, fails one check and not all.
fn caught<T>(run: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(run))
        .unwrap_or_else(|_| Err("a panic, shown above".into()))
}

/// What `command` starts this program as: `ROLE SCENARIO CHANNEL`.
pub(crate) fn actor(arguments: &[String]) -> Result<bool, String> {
    let [role, name, channel] = arguments else {
        return Err("kill-actor is internal".into());
    };
    let scenarios = scenarios::all();
    let scenario = scenarios
        .iter()
        .find(|known| known.name == name)
        .ok_or("no such scenario")?;
    // What a process looks up once, such as its limits, takes most of the instructions of the first channel.
    drop(kren_core::KrenWriter::create(
        &format!("{channel}-first"),
        1,
    ));
    match (role.as_str(), scenario.predecessor) {
        ("victim", _) => (scenario.victim)(channel),
        ("predecessor", Some(run)) => run(channel),
        _ => return Err(format!("no such role: {role}")),
    }
    Ok(true)
}

/// Names of one run start so; each has the same length, since its length is part of the work.
fn prefix() -> String {
    format!("proof-{:07}-", std::process::id())
}

fn channel(point: usize) -> String {
    format!("{}{point:07}", prefix())
}

/// How many instructions the scenario takes, and at which of them to die.
fn survey(scenario: &Scenario, points: Points) -> Result<(usize, Vec<Point>), String> {
    let channel = channel(9_999_999);
    // The step behind each call, and behind each change.
    let (mut steps, mut calls, mut changes) = (0, vec![0], vec![0]);
    let (victim, live) = stage(scenario, &channel, |victim| {
        let mut watch = match points {
            Points::Visible => Some(Watch::new(scenario, &channel)),
            Points::Every(_) | Points::Spread(_) => None,
        };
        loop {
            let step = victim.step()?;
            if step == Step::Done {
                return Ok(());
            }
            steps += 1;
            let is_call = step == Step::Called;
            if is_call {
                calls.push(steps);
            }
            if watch
                .as_mut()
                .is_some_and(|watch| watch.has_changed(is_call))
            {
                changes.push(steps);
            }
        }
    })?;
    victim.kill();
    verify::verify(scenario, &channel, live, Instant::now())?;
    let at: Vec<usize> = match points {
        Points::Every(stride) => (0..=steps).step_by(stride).collect(),
        Points::Spread(count) => {
            let stride = steps / count + 1;
            let first = fastrand::usize(..stride);
            (first..=steps).step_by(stride).collect()
        }
        Points::Visible => changes,
    };
    let point = |at: usize| {
        let passed = calls.partition_point(|call| *call <= at) - 1;
        Point {
            at,
            place: Place {
                calls: passed,
                steps: at - calls[passed],
            },
        }
    };
    Ok((steps, at.into_iter().map(point).collect()))
}

/// Brings the channel, its peers and the victim to the start, and lets `run` move the victim.
fn stage(
    scenario: &Scenario,
    channel: &str,
    run: impl FnOnce(&mut Victim) -> Result<(), String>,
) -> Result<(Victim, Live), String> {
    let live = Live::before(scenario, channel);
    if scenario.predecessor.is_some() {
        let ended = program("predecessor", scenario, channel)?.status();
        if !ended.map_err(|error| error.to_string())?.success() {
            return Err("the predecessor failed".into());
        }
    }
    let mut victim = Victim::start(program("victim", scenario, channel)?)?;
    let live = live.at_begin(scenario, channel);
    run(&mut victim)?;
    Ok((victim, live))
}

fn program(role: &str, scenario: &Scenario, channel: &str) -> Result<Command, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(own);
    command
        .args(["kill-actor", role, scenario.name, channel])
        .stdin(Stdio::null());
    Ok(command)
}

/// One death and its aftermath.
fn die(scenario: &Scenario, point: Point) -> Result<Aftermath, String> {
    let channel = channel(point.at);
    let (victim, live) = stage(scenario, &channel, |victim| victim.go_to(point.place))?;
    let killed = Instant::now();
    victim.kill();
    verify::verify(scenario, &channel, live, killed)
}

/// Every point, several at once, since much of the time goes into waiting.
fn run_all(
    scenario: &Scenario,
    points: &[Point],
    jobs: usize,
) -> Vec<(usize, Result<Aftermath, String>)> {
    let jobs = match scenario.peer {
        scenario::Peer::Nobody | scenario::Peer::Writer | scenario::Peer::Reader => jobs,
        // A peer that sleeps may take 100 ms to learn of a death, and costs nothing meanwhile.
        scenario::Peer::BlockedWriter | scenario::Peer::SleepingReader => 8 * jobs,
    };
    let next = AtomicUsize::new(0);
    let outcomes = Mutex::new(Vec::with_capacity(points.len()));
    std::thread::scope(|scope| {
        for worker in 0..jobs.min(points.len()) {
            let (next, outcomes) = (&next, &outcomes);
            scope.spawn(move || {
                trace::settle_on_processor(worker);
                while let Some(point) = points.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = caught(|| die(scenario, *point));
                    outcomes
                        .lock()
                        .expect("no worker panics")
                        .push((point.at, outcome));
                }
            });
        }
    });
    let mut outcomes = outcomes.into_inner().expect("no worker panics");
    outcomes.sort_by_key(|(point, _)| *point);
    outcomes
}
