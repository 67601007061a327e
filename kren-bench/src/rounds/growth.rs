//! What it costs that there is more of everything: channels, memory for messages, bytes in a message.

use std::collections::HashMap;

use super::{Rounds, SMALL, positive};
use crate::Result;
use crate::figures::{Figures, Grown, Growth};
use crate::link::Test;
use crate::options::Options;
use crate::pair::{Known, Language, Opening};
use crate::transports::kren;

/// Bytes of each of many channels.
const EACH: usize = 64 << 10;
const PAGE: usize = 4 << 10;
/// What is measured in growing; spinning, so that nothing but the growth changes.
const GROWN: &str = "kren";
/// With messages of all sizes: what copies, what does not, and what does neither copy nor touch.
const BY_SIZE: [&str; 3] = [GROWN, "kren-inplace", "kren-untouched"];

/// `first`, then `factor` times as many at each step; the last is `most`.
fn steps(first: usize, factor: usize, most: usize) -> Vec<usize> {
    let steps = std::iter::successors(Some(first), |step| Some(step * factor));
    let mut steps: Vec<usize> = steps.take_while(|step| *step < most).collect();
    steps.push(most);
    steps
}

/// Measures how one pair of languages takes to growth.
pub(crate) fn measure(
    options: &Options,
    languages: [Language; 2],
    figures: &mut Figures,
) -> Result<()> {
    let mut rounds = Rounds::start(options, languages, figures)?;
    let mut known = rounds.pair.transports(false)?;
    known.retain(|known| BY_SIZE.contains(&known.name.as_str()));
    let name = rounds.name.clone();
    rounds.figures.pairs.push((name, known.clone()));
    rounds.open_limits()?;
    let mut counts = HashMap::new();
    for round in 0..options.rounds {
        eprintln!(
            "{}: growing, round {} of {}",
            rounds.name,
            round + 1,
            options.rounds
        );
        rounds.beside(round, &mut counts)?;
        rounds.around(round, &mut counts)?;
        rounds.capacities(round, &mut counts)?;
    }
    rounds.all_sizes(&known)?;
    rounds.end();
    Ok(())
}

/// How many trips or messages a run has, found in the first round.
type Counts = HashMap<(Growth, usize, Test), u64>;

impl Rounds<'_> {
    /// One channel is used, more and more others are open.
    fn beside(&mut self, round: usize, counts: &mut Counts) -> Result<()> {
        self.pair.open(Opening::once(GROWN, SMALL, EACH))?;
        let mut others = Vec::new();
        for count in steps(1, 10, self.options.most.channels) {
            while others.len() + 1 < count {
                let opening = Opening {
                    key: format!("beside-{}", others.len()),
                    ..Opening::once(GROWN, SMALL, EACH)
                };
                others.push(opening.key.clone());
                self.pair.open(opening)?;
            }
            self.grown(Growth::Beside, count, round, GROWN, counts)?;
        }
        others.iter().try_for_each(|key| self.pair.close(key))?;
        self.pair.close(GROWN)
    }

    /// Each message takes the next channel.
    fn around(&mut self, round: usize, counts: &mut Counts) -> Result<()> {
        if !self.pair.is_rust() {
            return Ok(());
        }
        for channels in steps(1, 10, self.options.most.channels) {
            self.pair.open(Opening {
                channels,
                ..Opening::once(kren::AROUND, SMALL, EACH)
            })?;
            self.grown(Growth::Around, channels, round, kren::AROUND, counts)?;
            self.pair.close(kren::AROUND)?;
        }
        Ok(())
    }

    fn capacities(&mut self, round: usize, counts: &mut Counts) -> Result<()> {
        for capacity in steps(PAGE, 4, self.options.most.capacity) {
            self.pair.open(Opening::once(GROWN, SMALL, capacity))?;
            self.grown(Growth::Capacity, capacity, round, GROWN, counts)?;
            self.pair.close(GROWN)?;
        }
        Ok(())
    }

    /// Measures what is open under `key`.
    fn grown(
        &mut self,
        what: Growth,
        at: usize,
        round: usize,
        key: &str,
        counts: &mut Counts,
    ) -> Result<()> {
        let mut ns = [0.0; 2];
        let before = self.raw()?;
        for (ns, test) in ns.iter_mut().zip([Test::Trips, Test::Stream]) {
            let count = match counts.get(&(what, at, test)) {
                Some(count) => *count,
                None => self.calibrate(key, test)?,
            };
            counts.insert((what, at, test), count);
            let [lead, _] = self.pair.run(key, test, count)?;
            *ns = positive(&lead["ns"])? / count as f64;
        }
        let raw = f64::midpoint(before, self.raw()?);
        let [trip, message] = ns;
        self.figures.grown.push(Grown {
            pair: self.name.clone(),
            what,
            at,
            round,
            raw,
            trip,
            message,
        });
        Ok(())
    }

    fn all_sizes(&mut self, known: &[Known]) -> Result<()> {
        for &size in &self.options.sizes {
            self.size(known, size)?;
        }
        Ok(())
    }
}
