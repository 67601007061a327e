//! Chaos (G1, G3, G4): writers and readers in every language are killed, stopped and replaced at
//! random under load, and every message is accounted for.

mod cast;
mod guest;
mod journal;
mod lane;
mod plan;
mod process;
mod tally;
mod worker;

use crate::flags::Flags;
use crate::rng::fresh_seed;
use cast::Cast;
use lane::{Lane, Language, Shape};
use std::path::Path;
use std::time::{Duration, Instant};
use tally::Tally;

/// The flags that take a value.
pub(crate) const FLAGS: &[&str] = &[
    "seconds",
    "minutes",
    "seed",
    "lanes",
    "broadcasts",
    "languages",
    "python",
    "node",
];

/// The `soak` command; tells whether nothing was lost.
pub(crate) fn command(flags: &Flags) -> Result<bool, String> {
    flags.allow(&[])?;
    let seconds = flags.number("minutes", 0)? * 60 + flags.number("seconds", 0)?;
    let span = Duration::from_secs(if seconds == 0 { 60 } else { seconds });
    let seed = flags.number("seed", fresh_seed())?;
    let lanes = flags.number("lanes", 3)?;
    let broadcasts = flags.number("broadcasts", 2)?;
    let languages = languages(flags)?;
    let names: Vec<_> = languages.iter().map(|language| language.name).collect();
    println!(
        "{lanes} channels, {broadcasts} broadcasts, {} s, {}, seed {seed}",
        span.as_secs(),
        names.join(" + ")
    );

    let folder = std::env::temp_dir().join(format!("kren-soak-{}", std::process::id()));
    let (total, failures) = run(&folder, [lanes, broadcasts], &languages, seed, span)?;
    report(&total, span);
    for failure in &failures {
        println!("FAILED {failure}");
    }
    if failures.is_empty() {
        std::fs::remove_dir_all(&folder).map_err(|error| error.to_string())?;
    } else {
        println!(
            "the journals are in {}; again with --seed {seed}",
            folder.display()
        );
    }
    println!(
        "lost = {}",
        if failures.is_empty() {
            "0"
        } else {
            "see above"
        }
    );
    Ok(failures.is_empty())
}

/// What the coordinator starts this program as.
pub(crate) fn worker(role: &str, arguments: &[String]) -> Result<bool, String> {
    if matches!(role, "soak-publisher" | "soak-subscriber") {
        let task = guest::Task::parse(arguments)?;
        match role {
            "soak-publisher" => guest::publish(&task),
            _ => guest::subscribe(&task),
        }?;
        return Ok(true);
    }
    let task = worker::Task::parse(arguments)?;
    match role {
        "soak-writer" => worker::write(&task),
        _ => worker::read(&task),
    }?;
    Ok(true)
}

fn languages(flags: &Flags) -> Result<Vec<Language>, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let own = own.to_string_lossy();
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("soak");
    let script = |program: &str, name: &str| {
        vec![
            program.to_owned(),
            scripts.join(name).to_string_lossy().into_owned(),
        ]
    };
    let language = |name: &str| {
        let (name, copies, start) = match name {
            "rust" => {
                let start = |role: &str| vec![own.clone().into_owned(), role.to_owned()];
                ("rust", false, ["soak-writer", "soak-reader"].map(start))
            }
            "python" => {
                let python = flags.text("python").unwrap_or("python3");
                (
                    "python",
                    true,
                    ["writer.py", "reader.py"].map(|name| script(python, name)),
                )
            }
            "node" => {
                let node = flags.text("node").unwrap_or("node");
                (
                    "node",
                    true,
                    ["writer.mjs", "reader.mjs"].map(|name| script(node, name)),
                )
            }
            _ => return Err(format!("no workers are written in {name}")),
        };
        Ok(Language {
            name,
            start,
            copies,
        })
    };
    flags
        .text("languages")
        .unwrap_or("rust")
        .split(',')
        .map(language)
        .collect()
}

/// From a ring that is nearly always full to one that hardly ever is.
fn shape(lane: usize) -> Shape {
    match lane % 3 {
        0 => Shape {
            capacity: 4096,
            longest: 600,
        },
        1 => Shape {
            capacity: 64 << 10,
            longest: 4000,
        },
        _ => Shape {
            capacity: 1 << 20,
            longest: 60_000,
        },
    }
}

fn run(
    folder: &Path,
    [lanes, broadcasts]: [usize; 2],
    languages: &[Language],
    seed: u64,
    span: Duration,
) -> Result<(Tally, Vec<String>), String> {
    let end = Instant::now() + span;
    let lanes = (0..lanes).map(|lane| Lane::new(folder, lane, shape(lane), languages, seed));
    let lanes = lanes.collect::<Result<Vec<_>, _>>()?;
    let casts = (0..broadcasts).map(|cast| Cast::new(folder, cast, shape(cast), seed));
    let casts = casts.collect::<Result<Vec<_>, _>>()?;
    let (mut total, mut failures) = (Tally::default(), Vec::new());
    std::thread::scope(|scope| {
        let mut running: Vec<_> = lanes
            .into_iter()
            .map(|lane| scope.spawn(move || lane.run(end)))
            .collect();
        running.extend(
            casts
                .into_iter()
                .map(|cast| scope.spawn(move || cast.run(end))),
        );
        for lane in running {
            match lane.join() {
                Ok(Ok(tally)) => total.add(tally),
                Ok(Err(failure)) => failures.push(failure),
                Err(_) => failures.push("a lane panicked".into()),
            }
        }
    });
    Ok((total, failures))
}

fn report(total: &Tally, span: Duration) {
    let seconds = span.as_secs_f64();
    println!(
        "messages    {} ({:.0}/s), {:.1} GB, from {} writers",
        total.messages,
        total.messages as f64 / seconds,
        total.bytes as f64 / 1e9,
        total.sessions,
    );
    for ((role, language), count) in &total.kills {
        println!("killed      {count:>7} {role}s in {language}");
    }
    println!(
        "broadcast   {:>7} messages to subscribers that are not durable; {} missed by lossy ones, which knew",
        total.broadcast, total.missed
    );
    let kills: u64 = total.kills.values().sum();
    println!(
        "recoveries  {kills:>7}: each of the killed was replaced, and none of the replacements refused"
    );
    println!(
        "restarts    {:>7} after a clean close; {} pauses (SIGSTOP)",
        total.restarts, total.pauses
    );
    println!(
        "twice       {:>7} messages, each to a reader that died and to the next",
        total.again
    );
    println!(
        "in hand     {:>7} copies taken by a reader that was killed with them",
        total.in_hand
    );
}
