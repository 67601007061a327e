//! The examples of a writer and a reader, in all pairs of languages, contents hashed on both sides.

use super::cast::{Cast, Language, Launch, agree, play};
use crate::count::Count;
use crate::term::{Failure, Result};

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
    /// In place of these where a side hashes slowly.
    pub(crate) fewer: &'static [&'static str],
    pub(crate) shown: &'static str,
    pub(crate) order: Order,
}

pub(super) const PROGRAMS: &[Program] = &[
    Program {
        name: "hello",
        arguments: &[],
        fewer: &[],
        shown: "one message, read after its writer has gone",
        order: Order::WriterGone,
    },
    Program {
        name: "stream",
        arguments: &["1000000"],
        fewer: &["100000"],
        shown: "1,000,000 messages of 0 to 255 bytes",
        order: Order::Together,
    },
    Program {
        name: "stream",
        arguments: &["30000", "65536"],
        fewer: &["2000", "65536"],
        shown: "30,000 messages of 0 bytes to 64 KiB",
        order: Order::Together,
    },
    Program {
        name: "frames",
        arguments: &["500"],
        fewer: &["50"],
        shown: "500 frames of 1 MiB, each hashed on both sides",
        order: Order::Together,
    },
];

/// Runs `programs` in every pair of `languages`.
pub(crate) fn all(
    programs: &[Program],
    languages: &[Language],
    prefix: &str,
    launch: Launch<'_>,
) -> Count {
    let mut count = Count::default();
    for (number, program) in programs.iter().enumerate() {
        println!("  {}: {}", program.name, program.shown);
        for &writer in languages {
            for &reader in languages {
                let names = [writer.in_names(), reader.in_names()].join("-");
                let channel = format!("{prefix}-{number}-{names}");
                count += play(&format!("{writer:<6} -> {reader}"), launch, |cast| {
                    pair(cast, program, [writer, reader], &channel)
                });
            }
        }
    }
    count
}

/// What the reader says of itself when all is well.
fn pair(
    cast: &mut Cast<'_>,
    program: &Program,
    languages: [Language; 2],
    channel: &str,
) -> Result<String> {
    let [writer, reader] = languages;
    let rest = match writer.hashes_slowly() || reader.hashes_slowly() {
        true => program.fewer,
        false => program.arguments,
    };
    let arguments = [&[channel], rest].concat();
    let writes = cast.start(writer, &format!("{}_writer", program.name), &arguments)?;
    if program.order == Order::WriterGone {
        cast.finish(writes)?;
    }
    let reads = cast.start(reader, &format!("{}_reader", program.name), &arguments)?;
    let (sent, got) = (cast.finish(writes)?, cast.finish(reads)?);
    let received = got.lines().next().unwrap_or_default().to_owned();
    if program.name != "hello" {
        agree(&sent, &got)?;
    } else if received != format!("Hello from {writer}!") {
        return Err(Failure::new(format!("{received:?} is not what was sent")));
    }
    Ok(received)
}
