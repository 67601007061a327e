//! The broadcast example: a publisher of each language, with viewers of all languages at once.

use std::time::{Duration, Instant};

use crate::count::Count;
use crate::exec::{self, Ended};
use crate::pairs::{LANGUAGES, Language, Launch, digest};
use crate::term::{self, Result};

/// Far above what it needs, also on a slow machine: only a hang gets there.
const LIMIT: Duration = Duration::from_secs(120);
const FRAMES: &str = "200";

/// Runs it with a publisher of each language. Its viewers: one of each language, and one more that is lossy.
pub(crate) fn all(prefix: &str, launch: Launch<'_>) -> Result<Count> {
    println!("  fanout: {FRAMES} frames of 1 MiB to three viewers, and to one that may miss some");
    let mut count = Count::default();
    for publisher in LANGUAGES {
        let passed = run(&format!("{prefix}-fanout-{publisher}"), publisher, launch)?;
        count.passed += u64::from(passed);
        count.failed += u64::from(!passed);
    }
    Ok(count)
}

fn run(channel: &str, publisher: Language, launch: Launch<'_>) -> Result<bool> {
    print!("    {publisher:<6} -> all    ");
    term::flush();
    let started = Instant::now();
    let viewers = LANGUAGES.len() + 1;
    let mut sides = vec![launch(publisher, "fanout_publisher")];
    sides[0].args([channel, FRAMES, &viewers.to_string()]);
    for viewer in LANGUAGES.into_iter().chain([publisher]) {
        let mut side = launch(viewer, "fanout_viewer");
        side.args([channel, FRAMES]);
        sides.push(side);
    }
    sides[viewers].arg("--lossy");
    let shown: Vec<_> = sides.iter().map(exec::describe).collect();
    let ended = exec::together(sides, LIMIT)?;
    let Err(reason) = verdict(&ended) else {
        println!("ok {:>6}", term::seconds(started.elapsed()));
        return Ok(true);
    };
    println!("FAILED: {reason}");
    for (command, ended) in shown.iter().zip(&ended) {
        println!("      $ {command}");
        let lines = ended.output.lines();
        lines.for_each(|line| println!("        {line}"));
        println!("        ({})", ended.describe());
    }
    Ok(false)
}

fn verdict(ended: &[Ended]) -> std::result::Result<(), String> {
    if let Some(broken) = ended.iter().find(|side| !side.success()) {
        return Err(format!("a side ended with {}", broken.describe()));
    }
    let (lossy, others) = ended.split_last().ok_or("nothing ran")?;
    let mut digests = others.iter().map(|side| digest(&side.output));
    let sent = digests.next().flatten();
    if sent.is_none() || digests.any(|got| got != sent) {
        return Err("the digests differ".to_owned());
    }
    // What it gives when it has missed nothing.
    match digest(&lossy.output) {
        Some(got) if Some(got) != sent => Err("the lossy viewer's digest differs".to_owned()),
        _ => Ok(()),
    }
}
