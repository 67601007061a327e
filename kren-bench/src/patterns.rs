//! `--patterns`: what broadcast, inbox, queue, service and selector cost beside a channel, and beside their rivals.
//!
//! Each case is a [`contest`]: contenders that do the same work in turns, in the same processes. [`rows`] says which there
//! are and what the project wants of each; [`report`] shows what came out.

mod contest;
mod report;
mod rows;

use crate::machine::Work;
use crate::options::Options;
use crate::{Result, machine, pair};

/// Runs every contest that the options ask for, and reports them.
pub(crate) fn measure(options: &Options) -> Result<()> {
    let machine = machine::describe(options.programs.pinned);
    let before = Work::now();
    let contests = rows::all(options);
    let outcomes = contests.into_iter().map(|contest| {
        eprintln!("{}", contest.name());
        contest.run(options)
    });
    let outcomes = outcomes.collect::<Result<Vec<_>>>();
    pair::tidy();
    let outcomes = outcomes?;
    let work = before.zip(Work::now());
    let work = work.map(|(before, after)| after.since(&before));
    report::report(options, &machine, work.as_ref(), &outcomes)
}
