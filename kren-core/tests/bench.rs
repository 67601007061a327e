//! The reproducible table: `cargo test --release --test bench -- --nocapture`.
//!
//! First write + read in one process and one thread, as users of this kind of library expect to see
//! it. Then the same between two real processes, beside the machine's own limit measured in the same
//! rounds: two bare atomics bounced between the same two processors. Payloads are written and
//! every byte is read. Nothing is asserted about time; in a debug build the counts are small.

#[path = "bench/child.rs"]
mod child;
#[cfg(unix)]
#[path = "bench/raw.rs"]
mod raw;
#[path = "bench/report.rs"]
mod report;

use child::{Command, Link};
use kren_core::{KrenReader, KrenWriter, Strategy};
use report::{Row, median, percentile};
use std::time::Instant;

const SIZES: [usize; 3] = [64, 1024, 65536];
const CAPACITY: usize = 4 << 20;
const QUICK: bool = cfg!(debug_assertions);
const ROUNDS: usize = if QUICK { 3 } else { 15 };

fn main() {
    if child::run_if_asked() {
        return;
    }
    if std::env::args().any(|argument| argument == "--list") {
        return;
    }
    println!("\n{}", report::machine());
    if QUICK {
        println!(
            "Debug build: these figures say nothing. Use `cargo test --release --test bench`."
        );
    }

    println!("\nwrite + read, one process, one thread");
    report::print(&SIZES.map(one_process));
    let (bytes, array) = header_cost();
    println!("128 bytes {bytes:.1} ns; 64 bytes as an array, with its header, {array:.1} ns");

    for strategy in [Strategy::Spin, Strategy::Adaptive] {
        println!("\ntwo processes, waiting: {strategy:?}");
        let mut link = Link::start(strategy, CAPACITY);
        report::print(&SIZES.map(|size| two_processes(&mut link, size)));
        link.stop();
    }
    println!("\nround trip: there and back. x raw: to two bare atomics bounced in the same round.");
    println!("ok: the table was printed; it asserts nothing about time");
}

/// Nanoseconds for as many bytes written and read, and for an array and its header: the least of many rounds.
fn header_cost() -> (f64, f64) {
    const BATCH: usize = 500;
    let name = format!("bench-header-{}", std::process::id());
    let mut writer = KrenWriter::options()
        .alignment(64)
        .create(&name, 1 << 20)
        .unwrap();
    let mut reader = KrenReader::connect(&name).unwrap();
    let bytes = [7_u8; 128];
    let elements = [7_f32; 16];
    let mut best = (f64::INFINITY, f64::INFINITY);
    for _ in 0..if QUICK { 3 } else { 2000 } {
        let start = Instant::now();
        for _ in 0..BATCH {
            writer.write(std::hint::black_box(&bytes)).unwrap();
            std::hint::black_box(&reader.read().unwrap()[..]);
        }
        let raw = start.elapsed().as_nanos() as f64 / BATCH as f64;
        let start = Instant::now();
        for _ in 0..BATCH {
            let elements = std::hint::black_box(&elements);
            writer.write_array(&[16], elements).unwrap();
            let message = reader.read().unwrap();
            std::hint::black_box(message.array().unwrap().as_slice::<f32>().unwrap());
        }
        let array = start.elapsed().as_nanos() as f64 / BATCH as f64;
        best = (best.0.min(raw), best.1.min(array));
    }
    best
}

/// Rounds of a size that take about equally long.
fn count(size: usize) -> usize {
    let count = 40_000_000 / (size + 100);
    if QUICK { count / 500 + 10 } else { count }
}

fn one_process(size: usize) -> Row {
    const BATCH: usize = 100;
    let name = format!("bench-one-{}-{size}", std::process::id());
    let mut writer = KrenWriter::create(&name, 1 << 20).unwrap();
    let mut reader = KrenReader::connect(&name).unwrap();
    let payload = vec![7u8; size];
    let mut samples = Vec::new();
    for _ in 0..(count(size) / BATCH).max(5) {
        let start = Instant::now();
        for _ in 0..BATCH {
            writer.write(std::hint::black_box(&payload)).unwrap();
            let message = reader.read().unwrap();
            std::hint::black_box(&message[..]);
        }
        samples.push(start.elapsed().as_nanos() as f64 / BATCH as f64);
    }
    // The first lap pays for page faults; a median does not care.
    samples.sort_by(f64::total_cmp);
    let p50 = percentile(&samples, 0.5);
    Row::new(size)
        .cell("p50", format!("{p50:.1} ns"))
        .cell("p99", format!("{:.1} ns", percentile(&samples, 0.99)))
        .rate(1e9 / p50)
}

fn two_processes(link: &mut Link, size: usize) -> Row {
    let trips = (count(size) / 40).max(20);
    let messages = count(size).max(50);
    let payload = vec![7u8; size];
    let (mut mean, mut ratio, mut rate, mut single) = (vec![], vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        let raw = link.bounce(trips);

        link.command(Command::Echo, size, trips);
        let start = Instant::now();
        for _ in 0..trips {
            link.round_trip(&payload);
        }
        let trip = start.elapsed().as_nanos() as f64 / trips as f64;
        mean.push(trip);
        ratio.extend(raw.map(|raw| trip / raw));

        // Each on its own, for the tail; the clock's own cost is in these figures.
        link.command(Command::Echo, size, trips);
        for _ in 0..trips {
            let start = Instant::now();
            link.round_trip(&payload);
            single.push(start.elapsed().as_nanos() as f64);
        }

        link.command(Command::Sink, size, messages);
        let start = Instant::now();
        for _ in 0..messages {
            link.send(&payload);
        }
        link.acknowledged();
        rate.push(messages as f64 / start.elapsed().as_secs_f64());
    }
    single.sort_by(f64::total_cmp);
    let row = Row::new(size)
        .cell("round trip", format!("{:.0} ns", median(&mut mean)))
        .cell("p50", format!("{:.0} ns", percentile(&single, 0.5)))
        .cell("p99", format!("{:.0} ns", percentile(&single, 0.99)))
        .cell("p99.9", format!("{:.0} ns", percentile(&single, 0.999)));
    let row = match ratio.is_empty() {
        true => row,
        false => row.cell("x raw", format!("{:.2}", median(&mut ratio))),
    };
    row.rate(median(&mut rate))
}
