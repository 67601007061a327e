//! The stream of arrays: grids of numbers, built and added up in place, in C and in Python.

use super::cast::{Cast, Language, Launch, play};
use crate::count::Count;
use crate::term::{Failure, Result};

const GRIDS: &str = "100";
const LANGUAGES: [Language; 2] = [Language::C, Language::Python];

pub(super) fn all(prefix: &str, launch: Launch<'_>) -> Count {
    println!("  grid: {GRIDS} arrays of 480 x 640 numbers, added up on both sides");
    let mut count = Count::default();
    for writer in LANGUAGES {
        for reader in LANGUAGES {
            let names = [writer.in_names(), reader.in_names()].join("-");
            let channel = format!("{prefix}-grid-{names}");
            count += play(&format!("{writer:<6} -> {reader}"), launch, |cast| {
                grids(cast, writer, reader, &channel)
            });
        }
    }
    count
}

fn grids(cast: &mut Cast<'_>, writer: Language, reader: Language, channel: &str) -> Result<String> {
    let writes = cast.start(writer, "grid_writer", &[channel, GRIDS])?;
    let reads = cast.start(reader, "grid_reader", &[channel])?;
    let (sent, got) = (cast.finish(writes)?, cast.finish(reads)?);
    let sum = |output: &str| output.lines().nth(1).map(str::to_owned);
    if !sent.starts_with(&format!("sent {GRIDS} "))
        || sum(&sent).is_none()
        || sum(&sent) != sum(&got)
    {
        return Err(Failure::new(format!(
            "the sums differ: {sent:?} was sent, {got:?} received"
        )));
    }
    Ok(got.lines().next().unwrap_or_default().to_owned())
}
