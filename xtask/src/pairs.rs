//! The examples in all nine language pairs: any writer with any reader, contents hashed on both sides.

use std::fmt;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use crate::count::Count;
use crate::exec::{self, Ended};
use crate::fanout;
use crate::leftovers::Leftovers;
use crate::setup;
use crate::term::{self, Result};
use crate::tools::Tools;
use crate::workspace::Workspace;

/// Far above what any pair needs, also on a slow machine: only a hang gets there.
const LIMIT: Duration = Duration::from_secs(120);

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    Rust,
    Python,
    Node,
}

pub(crate) const LANGUAGES: [Language; 3] = [Language::Rust, Language::Python, Language::Node];

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Rust => "Rust",
            Self::Python => "Python",
            Self::Node => "Node",
        })
    }
}

/// How the two sides of a pair are started.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Both at once.
    Together,
    /// The reader starts when the writer's process has gone: the messages are still there.
    WriterGone,
}

/// One example program and what it is run with.
pub(crate) struct Program {
    pub(crate) name: &'static str,
    pub(crate) arguments: &'static [&'static str],
    pub(crate) shown: &'static str,
    pub(crate) order: Order,
}

/// Starts `file`, an example without its ending, in a language.
pub(crate) type Launch<'a> = &'a dyn Fn(Language, &str) -> Command;

const PROGRAMS: &[Program] = &[
    Program {
        name: "hello",
        arguments: &[],
        shown: "one message, read after its writer has gone",
        order: Order::WriterGone,
    },
    Program {
        name: "stream",
        arguments: &["1000000"],
        shown: "1,000,000 messages of 0 to 255 bytes",
        order: Order::Together,
    },
    Program {
        name: "stream",
        arguments: &["100000", "65536"],
        shown: "100,000 messages of 0 bytes to 64 KiB",
        order: Order::Together,
    },
    Program {
        name: "frames",
        arguments: &["500"],
        shown: "500 frames of 1 MiB, each hashed on both sides",
        order: Order::Together,
    },
];

/// `cargo xtask examples`.
pub(crate) fn command(workspace: &Workspace) -> Result<ExitCode> {
    let tools = Tools::find(workspace)?;
    setup::examples(workspace, &tools)?;
    let count = run(workspace, &tools)?;
    println!("\n{} passed, {} failed", count.passed, count.failed);
    Ok(if count.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Runs every program in every pair; the packages must be built.
pub(crate) fn run(workspace: &Workspace, tools: &Tools) -> Result<Count> {
    let examples = workspace.examples();
    let launch = |language: Language, file: &str| {
        let root = &workspace.root;
        match language {
            Language::Rust => workspace.command(workspace.release_program(file), root),
            Language::Python => {
                let mut python = workspace.command(workspace.venv_program("python"), root);
                python.arg(examples.join("python").join(format!("{file}.py")));
                python
            }
            Language::Node => {
                let mut node = workspace.command(&tools.node, root);
                node.arg(examples.join("node").join(format!("{file}.js")));
                node
            }
        }
    };
    let prefix = format!("example-{}", std::process::id());
    let before = Leftovers::before();
    let mut count = all(PROGRAMS, &prefix, &launch)?;
    count += fanout::all(&prefix, &launch)?;
    count += before.check();
    Ok(count)
}

/// Runs `programs` in every pair.
pub(crate) fn all(programs: &[Program], prefix: &str, launch: Launch<'_>) -> Result<Count> {
    let mut count = Count::default();
    for (number, program) in programs.iter().enumerate() {
        println!("  {}: {}", program.name, program.shown);
        for writer in LANGUAGES {
            for reader in LANGUAGES {
                let channel = format!("{prefix}-{number}-{writer}-{reader}");
                let pair = Pair {
                    launch,
                    program,
                    writer,
                    reader,
                    channel,
                };
                count += outcome(pair.run()?);
            }
        }
    }
    Ok(count)
}

fn outcome(passed: bool) -> Count {
    Count {
        passed: passed.into(),
        failed: (!passed).into(),
    }
}

/// One program with its two sides.
struct Pair<'a> {
    launch: Launch<'a>,
    program: &'a Program,
    writer: Language,
    reader: Language,
    channel: String,
}

impl Pair<'_> {
    fn run(&self) -> Result<bool> {
        print!("    {:<6} -> {:<6} ", self.writer, self.reader);
        term::flush();
        let started = Instant::now();
        let sides = [
            self.command(self.writer, "writer"),
            self.command(self.reader, "reader"),
        ];
        let shown = sides.each_ref().map(exec::describe);
        let ended = match self.program.order {
            Order::Together => exec::together(sides.into(), LIMIT)?,
            Order::WriterGone => {
                let mut ended = Vec::new();
                for side in sides {
                    ended.extend(exec::together(vec![side], LIMIT)?);
                }
                ended
            }
        };
        match self.verdict(&ended) {
            Ok(summary) => {
                println!("ok {:>6}   {summary}", term::seconds(started.elapsed()));
                Ok(true)
            }
            Err(reason) => {
                println!("FAILED: {reason}");
                for (command, ended) in shown.iter().zip(&ended) {
                    println!("      $ {command}");
                    ended
                        .output
                        .lines()
                        .for_each(|line| println!("        {line}"));
                    println!("        ({})", ended.describe());
                }
                Ok(false)
            }
        }
    }

    fn command(&self, language: Language, role: &str) -> Command {
        let mut command = (self.launch)(language, &format!("{}_{role}", self.program.name));
        command.arg(&self.channel).args(self.program.arguments);
        command
    }

    /// What the reader says of itself when all is well, or what is wrong.
    fn verdict(&self, ended: &[Ended]) -> std::result::Result<String, String> {
        for (role, ended) in ["writer", "reader"].iter().zip(ended) {
            if !ended.success() {
                return Err(format!("the {role} ended with {}", ended.describe()));
            }
        }
        let [writer, reader] = ended else {
            return Err("two sides were expected".to_owned());
        };
        let received = reader.output.lines().next().unwrap_or_default().to_owned();
        if self.program.name == "hello" {
            let expected = format!("Hello from {}!", self.writer);
            return if received == expected {
                Ok(received)
            } else {
                Err(format!("not {expected:?}"))
            };
        }
        let (sent, got) = (digest(&writer.output), digest(&reader.output));
        if sent.is_none() || sent != got {
            return Err(format!(
                "the digests differ: {sent:?} was sent, {got:?} received"
            ));
        }
        Ok(received)
    }
}

/// The value of the line `sha256 <digest>`.
pub(crate) fn digest(output: &str) -> Option<&str> {
    output.lines().find_map(|line| line.strip_prefix("sha256 "))
}
