//! Channels between programs of different processors and page sizes, on one machine: this one's own, and emulated.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::System;
use crate::count::Count;
use crate::examples::cast::digest;
use crate::exec::step;
use crate::running::{self, Ended};
use crate::second::{self, BUILD_STD};
use crate::term::{self, Result};
use crate::workspace::Workspace;

/// Far above what any pair needs, also on a slow machine: only a hang gets there.
const LIMIT: Duration = Duration::from_secs(300);
/// 5,000 messages of 0 bytes to 4 KiB, hashed on both sides.
const STREAM: [&str; 2] = ["5000", "4096"];

/// Who runs a program, and what is said of it.
struct Side {
    shown: String,
    start: Vec<PathBuf>,
}

pub(super) fn run(workspace: &Workspace, systems: &[&System]) -> Result<Count> {
    let host = workspace.cargo(&["build", "--release", "--package", "kren-examples"]);
    step(
        "x86-64: the examples",
        host,
        "read the compiler's output above",
    )?;
    for system in systems {
        let mut cargo = second::toolchain(workspace, second::CARGO);
        cargo.args(["build", "--package", "kren-examples", "-Z", BUILD_STD]);
        cargo.args(["--target", system.target]);
        system.link(&mut cargo);
        step(
            &format!("{}: the examples", system.target),
            cargo,
            "read the compiler's output above",
        )?;
    }
    term::heading("channels between processors and page sizes, writer -> reader");
    let here = Side {
        shown: "x86-64".to_owned(),
        start: vec![workspace.target.join("release")],
    };
    let mut count = Count::default();
    for system in systems {
        let there = emulated(workspace, system, "4096");
        count += Count::one(arrives(&here, &there)?);
        count += Count::one(arrives(&there, &here)?);
    }
    let large = emulated(workspace, systems[0], "65536");
    count += Count::one(arrives(&large, &here)?);
    count += Count::one(is_refused(&here, &large)?);
    Ok(count)
}

fn emulated(workspace: &Workspace, system: &System, page: &str) -> Side {
    let runner = system.start(page);
    let mut start: Vec<PathBuf> = runner.split_whitespace().map(PathBuf::from).collect();
    start.push(second::folder(workspace).join(system.target).join("debug"));
    Side {
        shown: format!("{}, pages of {page}", system.target),
        start,
    }
}

impl Side {
    fn command(&self, program: &str, channel: &str) -> Command {
        let (folder, before) = self.start.split_last().expect("a folder is always there");
        let mut words = before.iter().cloned().chain([folder.join(program)]);
        let mut command = Command::new(words.next().expect("the program at least"));
        command.args(words).arg(channel).args(STREAM);
        command
    }
}

fn both(writer: &Side, reader: &Side) -> Result<Vec<Ended>> {
    print!("    {} -> {}: ", writer.shown, reader.shown);
    term::flush();
    let channel = format!("cross-sharing-{}", std::process::id());
    let commands = vec![
        writer.command("stream_writer", &channel),
        reader.command("stream_reader", &channel),
    ];
    running::together(commands, LIMIT)
}

/// What was written is what is read.
fn arrives(writer: &Side, reader: &Side) -> Result<bool> {
    let ended = both(writer, reader)?;
    let [sent, received] = [0, 1].map(|side| digest(&ended[side].output));
    let passed = ended.iter().all(Ended::success) && sent.is_some() && sent == received;
    if passed {
        println!("ok");
    } else {
        println!("FAILED");
        for ended in &ended {
            println!("      {} ({})", ended.output.trim(), ended.describe());
        }
    }
    Ok(passed)
}

/// A segment whose pieces are smaller than a page there cannot be mapped, and the reader says so.
fn is_refused(writer: &Side, reader: &Side) -> Result<bool> {
    print!("    {} -> {}: ", writer.shown, reader.shown);
    term::flush();
    let channel = format!("cross-refused-{}", std::process::id());
    let mut hello = writer.command("hello_writer", &channel);
    hello.env_remove("RUST_BACKTRACE");
    let written = running::together(vec![hello], LIMIT)?;
    let refused = running::together(vec![reader.command("hello_reader", &channel)], LIMIT)?;
    // Takes the message, and with it the channel.
    let taken = running::together(vec![writer.command("hello_reader", &channel)], LIMIT)?;
    let passed = written[0].success()
        && !refused[0].success()
        && refused[0].output.contains("page size")
        && taken[0].success();
    println!(
        "{}: {}",
        if passed { "refused, ok" } else { "FAILED" },
        refused[0].output.trim()
    );
    Ok(passed)
}
