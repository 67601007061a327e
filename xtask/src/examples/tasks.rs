//! The work queue and the inbox: a dealer, four workers, a fifth that is killed with work in its hands, and a collector.

use super::cast::{Cast, LANGUAGES, Language, Launch, agree, play};
use crate::count::Count;
use crate::term::{Failure, Result};

const TASKS: u32 = 400;
/// Milliseconds that a task takes, so that one worker alone cannot do them all.
const TAKES: &str = "2";
/// With which no task is ever done.
const FOREVER: &str = "1000000000";

/// Runs it with each language in every part.
pub(super) fn all(prefix: &str, launch: Launch<'_>) -> Count {
    println!(
        "  tasks: {TASKS} dealt to a worker in each language and one more, and to one that is killed over its work; results collected"
    );
    let mut count = Count::default();
    for number in 0..LANGUAGES.len() {
        let [dealer, collector, victim] =
            [0, 1, 2].map(|next| LANGUAGES[(number + next) % LANGUAGES.len()]);
        let channel = format!("{prefix}-tasks-{number}");
        count += play(&format!("{dealer:<6} -> {collector}"), launch, |cast| {
            queue(cast, [dealer, collector, victim], &channel)
        });
    }
    count
}

fn queue(cast: &mut Cast<'_>, languages: [Language; 3], channel: &str) -> Result<String> {
    let [dealer, collector, victim] = languages;
    let tasks = TASKS.to_string();
    let collects = cast.start(collector, "tasks_collector", &[channel, &tasks])?;
    let mut workers = Vec::new();
    for worker in LANGUAGES.iter().copied().chain([collector]) {
        workers.push(cast.start(worker, "tasks_worker", &[channel, TAKES])?);
    }
    let dies = cast.start(victim, "tasks_worker", &[channel, FOREVER])?;
    for worker in workers.iter().copied().chain([dies]) {
        cast.hear(worker, "ready")?;
    }
    let deals = cast.start(dealer, "tasks_dealer", &[channel, &tasks])?;
    // It has been given some by now, and keeps them from the others as long as it lives.
    cast.hear(collects, &format!("collected {} so far", TASKS / 2))?;
    cast.kill(dies)?;

    let sent = cast.finish(deals)?;
    // Before the collector, which would wait for what a worker that has failed owes it.
    let mut done = Vec::new();
    for worker in workers {
        let output = cast.finish(worker)?;
        let words = output.split_whitespace();
        done.extend(words.filter_map(|word| word.parse::<u32>().ok()));
    }
    agree(&sent, &cast.finish(collects)?)?;
    // The killed one has done none.
    if done.len() != LANGUAGES.len() + 1 || done.contains(&0) || done.iter().sum::<u32>() != TASKS {
        return Err(Failure::new(format!(
            "of {TASKS} tasks the workers did {done:?}"
        )));
    }
    Ok(format!("the workers did {done:?}"))
}
