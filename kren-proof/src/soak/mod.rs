//! Chaos (G1, G3, G4, P1 and on): the processes of channels and patterns, in every language, are killed, stopped and replaced at
//! random under load, and every message is accounted for.

mod books;
mod callers;
mod company;
mod guest;
mod journal;
mod lane;
mod language;
mod pattern;
mod plan;
mod process;
mod takers;
mod tally;
mod worker;

use clap::builder::PossibleValuesParser;
use company::Company;
use lane::{Lane, Shape};
use language::Language;
use pattern::Pattern;
use std::path::Path;
use std::time::{Duration, Instant};
use tally::Tally;

/// What the pattern of two is called.
const CHANNEL: &str = "channel";

/// Kills, stops and replaces the processes of channels and of each pattern at random under load, and accounts for every
/// message and every call.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// In all; 60 unless said otherwise.
    #[arg(long)]
    seconds: Option<u64>,
    /// As well.
    #[arg(long)]
    minutes: Option<u64>,
    /// The same one makes the same choices.
    #[arg(long)]
    seed: Option<u64>,
    /// All of them unless named.
    #[arg(long = "pattern", value_delimiter = ',', value_parser = PossibleValuesParser::new(patterns()))]
    patterns: Vec<String>,
    /// Of each pattern; 1, or 3 of the only one.
    #[arg(long)]
    each: Option<usize>,
    #[command(flatten)]
    languages: language::Workers,
}

/// The `soak` command; tells whether nothing was lost.
pub(crate) fn command(options: &Options) -> Result<bool, String> {
    let span = match (options.minutes, options.seconds) {
        (None, None) => Duration::from_secs(60),
        (minutes, seconds) => Duration::from_secs(minutes.unwrap_or(0) * 60 + seconds.unwrap_or(0)),
    };
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..));
    let wanted: Vec<&str> = match options.patterns.is_empty() {
        true => patterns().collect(),
        false => options.patterns.iter().map(String::as_str).collect(),
    };
    let each = options
        .each
        .unwrap_or(if wanted.len() == 1 { 3 } else { 1 });
    let languages = Language::chosen(&options.languages)?;
    let names: Vec<_> = languages.iter().map(|language| language.name).collect();
    println!(
        "{each} of each: {}; {} s, {}, seed {seed}",
        wanted.join(", "),
        span.as_secs(),
        names.join(" + ")
    );

    let folder = std::env::temp_dir().join(format!("kren-soak-{}", std::process::id()));
    let (total, failures) = run(&folder, &wanted, each, &languages, seed, span)?;
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
    let task = worker::Task::parse(arguments)?;
    match role {
        "soak-writer" => worker::write(&task),
        "soak-reader" if task.kind == "durable" => guest::read_all(&task),
        "soak-reader" => worker::read(&task),
        "soak-subscriber" => guest::read_some(&task),
        "soak-inbox" => takers::read_inbox(&task),
        "soak-worker" => takers::work(&task),
        "soak-server" => callers::serve(&task),
        "soak-client" => callers::call(&task),
        _ => Err(format!("there is no worker '{role}'")),
    }?;
    Ok(true)
}

/// What can be soaked.
fn patterns() -> impl Iterator<Item = &'static str> {
    std::iter::once(CHANNEL).chain(Pattern::ALL.map(Pattern::name))
}

/// From a ring that is nearly always full to one that hardly ever is.
fn shape(number: u64) -> Shape {
    match number % 3 {
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
    wanted: &[&str],
    each: usize,
    languages: &[Language],
    seed: u64,
    span: Duration,
) -> Result<(Tally, Vec<String>), String> {
    let end = Instant::now() + span;
    let (mut lanes, mut companies) = (vec![], vec![]);
    for (at, name) in wanted.iter().enumerate() {
        for number in 0..each {
            // Another one in each run where there are not all.
            let shape = shape(seed.wrapping_add((at + number) as u64));
            match Pattern::ALL.iter().find(|pattern| pattern.name() == *name) {
                None => lanes.push(Lane::new(folder, number, shape, languages, seed)?),
                Some(pattern) => companies.push(Company::new(
                    folder, *pattern, number, shape, languages, seed,
                )?),
            }
        }
    }
    let (mut total, mut failures) = (Tally::default(), Vec::new());
    std::thread::scope(|scope| {
        let mut running: Vec<_> = lanes
            .into_iter()
            .map(|lane| scope.spawn(move || lane.run(end)))
            .collect();
        running.extend(
            companies
                .into_iter()
                .map(|company| scope.spawn(move || company.run(end))),
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
        "messages    {} ({:.0}/s), {:.1} GB, from {} lives of those that make them",
        total.messages,
        total.messages as f64 / seconds,
        total.bytes as f64 / 1e9,
        total.sessions,
    );
    for (pattern, count) in &total.patterns {
        println!("{:<11} {count:>7}", format!("{pattern}:"));
    }
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
        "twice       {:>7} messages or requests, each to somebody who died and to the next",
        total.again
    );
    println!(
        "in hand     {:>7} copies taken by a reader that was killed with them",
        total.in_hand
    );
}
