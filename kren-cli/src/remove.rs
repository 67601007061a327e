//! `kren gc` and `kren rm`.

use crate::human;
use crate::options::names;
use crate::stop::{Outcome, Stop};
use clap_complete::engine::ArgValueCandidates;
use kren_core::inspect::{self, Channel, State};
use std::io::{self, IsTerminal, Write};

/// Remove channels that nobody holds and that hold nothing.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  kren gc --dry-run
  kren gc
  kren gc --all            undelivered and damaged ones as well, after asking
  kren gc --all --yes")]
pub(crate) struct GcArgs {
    /// Only channels whose name holds this.
    #[arg(value_name = "TEXT")]
    filter: Option<String>,
    /// Also those with undelivered messages, and damaged ones, after asking: their messages are lost. And empty mirrors, by which bridges
    /// know how far they have come.
    #[arg(short, long)]
    all: bool,
    /// Do not ask.
    #[arg(short, long)]
    yes: bool,
    /// Only say what would be removed.
    #[arg(long)]
    dry_run: bool,
}

/// Remove channels by name.
///
/// A channel that a process holds is refused without `--force`. With it only the name goes: its sides go on with each other until
/// they close, and a new channel of the name can be made.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  kren rm ticks
  kren rm --force stuck")]
pub(crate) struct RmArgs {
    /// The channels' names.
    #[arg(value_name = "NAME", required = true, add = ArgValueCandidates::new(names))]
    names: Vec<String>,
    /// Also one that is held.
    #[arg(short, long)]
    force: bool,
}

fn is_mirror(seen: &Channel) -> bool {
    let segment = seen.segment();
    segment.is_some_and(|segment| segment.origin.is_some())
}

pub(crate) fn gc(args: &GcArgs) -> Outcome {
    let all = inspect::channels()?;
    let filter = args.filter.as_deref().unwrap_or_default();
    let wanted = all.iter().filter(|seen| seen.name.contains(filter));
    // Who comes for what is left in a lane finds it by its registry.
    let is_needed = |seen: &Channel| {
        let instance = seen.segment().map(|segment| segment.instance);
        all.iter().any(|lane| {
            let group = lane.segment().and_then(|segment| segment.group);
            let is_its = group.is_some() && group == instance;
            is_its && (is_mirror(lane) || !lane.state(None).is_litter())
        })
    };
    let litter = wanted.filter(|seen| match seen.state(None) {
        // A mirror is what its bridge goes on with.
        State::Stale if is_mirror(seen) || is_needed(seen) => args.all,
        state if state.is_litter() => true,
        State::Undelivered | State::Damaged => args.all && !is_held(seen),
        _ => false,
    });
    let mut freed = (0_u64, 0_u64);
    let mut last = Ok(());
    for seen in litter {
        let name = human::printable(&seen.name);
        let what = describe(seen);
        if args.dry_run {
            println!("would remove {name}: {what}");
            continue;
        }
        let is_lost = is_needed(seen) || !seen.state(None).is_litter();
        if is_lost && !args.yes && !ask(&name, &what)? {
            continue;
        }
        match kren_core::remove(&seen.name, false) {
            Ok(()) => {
                println!("removed {name}: {what}");
                freed = (freed.0 + 1, freed.1 + seen.bytes);
            }
            // Somebody was faster, or has come back to it.
            Err(
                kren_core::Error::NotFound { .. }
                | kren_core::Error::WriterExists { .. }
                | kren_core::Error::ReaderExists { .. },
            ) => {}
            Err(error) => {
                let stop = Stop::from(error);
                stop.report();
                last = Err(Stop::Silent(stop.code()));
            }
        }
    }
    if !args.dry_run {
        println!(
            "{} removed, {} freed",
            human::count(freed.0, "channel"),
            human::bytes(freed.1)
        );
    }
    last
}

fn is_held(seen: &Channel) -> bool {
    seen.segment().is_some_and(inspect::Segment::is_live)
}

fn describe(seen: &Channel) -> String {
    let state = seen.state(None).name();
    let size = human::bytes(seen.bytes);
    let kept = seen
        .segment()
        .and_then(|segment| segment.ring.as_ref())
        .filter(|ring| ring.damage.is_none())
        .map(|ring| ring.kept);
    match kept.filter(|kept| *kept > 0) {
        Some(kept) => format!("{state}, {}, {size}", human::count(kept, "message")),
        None => format!("{state}, {size}"),
    }
}

fn ask(name: &str, what: &str) -> Outcome<bool> {
    if !io::stdin().is_terminal() {
        return Err(Stop::Usage(format!(
            "{name} ({what}) would be lost: say `--yes` where nobody can be asked"
        )));
    }
    eprint!("remove {name} ({what})? [y/N] ");
    io::stderr().flush().map_err(Stop::io("terminal"))?;
    let mut answer = String::new();
    io::stdin()
        .read_line(&mut answer)
        .map_err(Stop::io("terminal"))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

pub(crate) fn rm(args: &RmArgs) -> Outcome {
    let mut last = Ok(());
    for name in &args.names {
        if let Err(error) = kren_core::remove(name, args.force) {
            let held = matches!(
                error,
                kren_core::Error::WriterExists { .. } | kren_core::Error::ReaderExists { .. }
            );
            let stop = Stop::from(error);
            stop.report();
            if held {
                eprintln!("  hint: `--force` removes the name all the same");
            }
            last = Err(Stop::Silent(stop.code()));
        }
    }
    last
}
