//! `kren bench`: half a minute that says what channels do on this machine, beside what the machine itself can do.

mod limits;
mod sides;

use crate::human;
use crate::json;
use crate::stop::{Outcome, Stop};
use serde_json::json;
use std::time::Duration;

/// Measure channels on this machine, beside the machine's own limits: half a minute.
///
/// Two processes. Every size has its turn in each round, and the middle one of the rounds is told. The limit of a round trip is one
/// word of memory bounced between two threads; that of a stream is a copy within the caches.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  kren bench
  taskset -c 0,2 kren bench --seconds 60")]
pub(crate) struct Args {
    /// About how long to measure in all.
    #[arg(long, value_name = "TIME", default_value = "30", value_parser = human::parse_time)]
    seconds: Duration,
    /// As JSON.
    #[arg(long)]
    json: bool,
    /// The other process.
    #[arg(long, hide = true, value_name = "NAME")]
    echo: Option<String>,
}

/// Bytes of the messages.
const SIZES: [usize; 4] = [64, 1024, 64 * 1024, 1024 * 1024];
const ROUNDS: u32 = 5;

/// Of one size: nanoseconds for a round trip, and messages each second one way.
struct Result {
    size: usize,
    round_trip: f64,
    one_way: f64,
}

pub(crate) fn run(args: &Args) -> Outcome {
    if let Some(name) = &args.echo {
        return sides::echo(name);
    }
    // Two measurements of each size in each round, and the limits.
    let turn = args.seconds / (ROUNDS * (2 * SIZES.len() as u32 + 2));
    let mut trips = vec![vec![]; SIZES.len()];
    let mut streams = vec![vec![]; SIZES.len()];
    let (mut bounces, mut copies) = (vec![], vec![]);
    for round in 0..ROUNDS {
        eprint!("\rround {} of {ROUNDS} ", round + 1);
        bounces.push(limits::bounce(turn));
        copies.push(limits::copy(turn));
        let mut pair = sides::Pair::start()?;
        for (at, size) in SIZES.into_iter().enumerate() {
            trips[at].push(pair.round_trip(size, turn)?);
            streams[at].push(pair.one_way(size, turn)?);
        }
        pair.end()?;
    }
    eprint!("\r\x20                  \r");
    let results: Vec<Result> = SIZES
        .into_iter()
        .enumerate()
        .map(|(at, size)| Result {
            size,
            round_trip: middle(&mut trips[at]),
            one_way: middle(&mut streams[at]),
        })
        .collect();
    let (bounce, copy) = (middle(&mut bounces), middle(&mut copies));
    if args.json {
        print_json(&results, bounce, copy);
    } else {
        print(&results, bounce, copy);
    }
    Ok(())
}

fn middle(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn print(results: &[Result], bounce: f64, copy: f64) {
    println!(
        "{:>10}  {:>12}  {:>9}  {:>14}  {:>12}  {:>9}",
        "SIZE", "ROUND TRIP", "x LIMIT", "MESSAGES/S", "BYTES/S", "OF LIMIT"
    );
    for result in results {
        let bytes = result.one_way * result.size as f64;
        println!(
            "{:>10}  {:>12}  {:>9.1}  {:>14}  {:>12}  {:>8.0}%",
            human::bytes(result.size as u64),
            time(result.round_trip),
            result.round_trip / bounce,
            human::rate(result.one_way),
            human::byte_rate(bytes),
            bytes / copy * 100.0,
        );
    }
    println!();
    println!(
        "limits: a word there and back {}, a copy {}",
        time(bounce),
        human::byte_rate(copy)
    );
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    if let Some(load) = load.split(' ').next() {
        println!("load of the machine (1 minute): {load}; figures of a busy machine are noise");
    }
    println!("the whole harness, with rivals and languages: cargo xtask bench, in the source");
}

fn print_json(results: &[Result], bounce: f64, copy: f64) {
    let results: Vec<_> = results
        .iter()
        .map(|result| {
            json!({
                "size": result.size,
                "round_trip_ns": result.round_trip,
                "messages_per_second": result.one_way,
                "bytes_per_second": result.one_way * result.size as f64,
            })
        })
        .collect();
    let document = json!({
        "version": json::VERSION,
        "results": results,
        "limits": { "bounce_ns": bounce, "copy_bytes_per_second": copy },
    });
    println!("{document}");
}

fn time(nanoseconds: f64) -> String {
    match nanoseconds {
        0.0..1e3 => format!("{nanoseconds:.0} ns"),
        1e3..1e6 => format!("{:.2} us", nanoseconds / 1e3),
        _ => format!("{:.2} ms", nanoseconds / 1e6),
    }
}

/// What went wrong with the other process.
fn lost(what: &str) -> Stop {
    Stop::Other(format!("the other process of the measurement {what}"))
}
