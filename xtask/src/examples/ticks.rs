//! The stream of tables: made in Python with polars, added up in place in every language.

use super::cast::{Cast, EVERYWHERE, Language, Launch, play};
use crate::count::Count;
use crate::setup::TICKS_READER;
use crate::term::{Failure, Result};

const TABLES: &str = "100";
const SYMBOLS: usize = 4;

/// Runs it with a reader in each language that knows tables.
pub(super) fn all(prefix: &str, launch: Launch<'_>) -> Count {
    println!("  ticks: {TABLES} tables of 10,000 ticks, added up on both sides");
    let mut count = Count::default();
    for &reader in EVERYWHERE {
        let channel = format!("{prefix}-ticks-{reader}");
        count += play(&format!("Python -> {reader}"), launch, |cast| {
            tables(cast, reader, &channel)
        });
    }
    count
}

fn tables(cast: &mut Cast<'_>, reader: Language, channel: &str) -> Result<String> {
    let writes = cast.start(Language::Python, "ticks_writer", &[channel, TABLES])?;
    let reads = cast.start(reader, TICKS_READER, &[channel])?;
    let (sent, got) = (cast.finish(writes)?, cast.finish(reads)?);
    let sums =
        |output: &str| -> Vec<String> { output.lines().skip(1).map(str::to_owned).collect() };
    let (sent, received) = (sums(&sent), sums(&got));
    if sent.len() != SYMBOLS || sent != received {
        return Err(Failure::new(format!(
            "the sums differ: {sent:?} was sent, {received:?} received"
        )));
    }
    Ok(got.lines().next().unwrap_or_default().to_owned())
}
