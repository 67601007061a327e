//! `kren stat`.

use crate::human::{self, parse_time};
use crate::list;
use crate::options::Name;
use crate::process::Commands;
use crate::sample::{Row, Sampler};
use crate::stop::{Outcome, Stop};
use crate::{json, signals};
use kren_core::inspect::{Contents, Segment, Side};
use serde_json::Value;
use std::io::{self, Write};
use std::time::{Duration, SystemTime};

/// Show everything that is known of one channel.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  kren stat ticks
  kren stat ticks --watch
  kren stat ticks --json | jq .readers[0].count")]
pub(crate) struct Args {
    #[command(flatten)]
    name: Name,
    /// As JSON.
    #[arg(long)]
    json: bool,
    /// Show it again every so many seconds.
    #[arg(short, long, value_name = "TIME", num_args = 0..=1, default_missing_value = "1", value_parser = parse_time)]
    watch: Option<Duration>,
    /// Time between the two looks that rates are worked out from.
    #[arg(long, value_name = "TIME", default_value = "200ms", value_parser = parse_time)]
    over: Duration,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let name = &args.name.name;
    if args.watch.is_some() {
        signals::listen();
    }
    let mut sampler = Sampler::default();
    let mut commands = Commands::default();
    sampler.one(name)?;
    signals::pause(args.over)?;
    loop {
        let row = sampler.one(name)?;
        let mut text = vec![];
        if args.json {
            let Value::Object(mut parts) = list::record(&row, &mut commands) else {
                unreachable!("a row has parts")
            };
            let layout = parts.remove("version");
            parts.insert("layout_version".into(), layout.unwrap_or_default());
            parts.insert("version".into(), json::VERSION.into());
            writeln!(text, "{}", Value::Object(parts)).map_err(Stop::io("output"))?;
        } else {
            if args.watch.is_some() && human::has_colour() {
                text.extend(b"\x1b[H\x1b[J");
            }
            describe(&row, &mut commands, &mut text).map_err(Stop::io("output"))?;
        }
        let mut out = io::stdout().lock();
        out.write_all(&text)
            .and_then(|()| out.flush())
            .map_err(Stop::io("output"))?;
        let Some(pause) = args.watch else {
            return Ok(());
        };
        signals::pause(pause)?;
        commands.forget();
    }
}

fn describe(row: &Row, commands: &mut Commands, out: &mut impl Write) -> io::Result<()> {
    let seen = &row.channel;
    let mut line = |what: &str, value: String| writeln!(out, "{what:<16}{value}");
    line("name", human::printable(&seen.name))?;
    line("state", row.state_text())?;
    let access = match (seen.owner, seen.mode) {
        (Some(owner), Some(mode)) => format!(", user {owner}, mode {mode:03o}"),
        _ => String::new(),
    };
    line("memory", format!("{}{access}", human::bytes(seen.bytes)))?;
    let segment = match &seen.contents {
        Contents::Segment(segment) => segment,
        Contents::OtherVersion(version) => {
            let own = kren_core::inspect::LAYOUT_VERSION;
            return line(
                "layout version",
                format!("{version}; this program knows {own}"),
            );
        }
        Contents::Damaged(why) | Contents::Unreadable(why) => {
            return line("because", human::printable(why));
        }
        _ => return Ok(()),
    };
    line(
        "kind",
        format!(
            "{}, instance {:016x}",
            segment.kind.name(),
            segment.instance
        ),
    )?;
    if let Some(group) = segment.group {
        line("lane of", format!("{group:016x}"))?;
    }
    line(
        "made",
        format!("{} by process {}", ago(segment.created), segment.creator),
    )?;
    if let Some(schema) = &segment.schema {
        let text = format!("{} ({:016x}) {}", schema.name, schema.hash, schema.text);
        line("schema", human::printable(&text))?;
    }
    if let Some(origin) = &segment.origin {
        let text = format!("{}, instance {:016x}", origin.name, origin.instance);
        line("mirror of", human::printable(&text))?;
    }
    if let Some(said) = crate::bridge::carried().get(&row.channel.name) {
        line("bridge", crate::bridge::words(said))?;
        let figures = format!(
            "{} since it began, {} on the way",
            human::count(said["messages"].as_u64().unwrap_or(0), "message"),
            human::bytes(said["bytes"].as_u64().unwrap_or(0)),
        );
        line("carried", figures)?;
    }
    ring(row, segment, &mut line)?;
    side("writer", &segment.writer, segment, commands, &mut line)?;
    for reader in &segment.readers {
        let what = format!("reader {}", reader.seat);
        side(&what, reader, segment, commands, &mut line)?;
    }
    let free = segment.seats - segment.readers.len();
    if segment.seats > 1 {
        line("seats", format!("{}, {free} never taken", segment.seats))?;
    }
    line(
        "layout",
        format!(
            "alignment {}, pages of {}",
            segment.alignment,
            human::bytes(segment.granularity as u64)
        ),
    )
}

fn ring(
    row: &Row,
    segment: &Segment,
    line: &mut impl FnMut(&str, String) -> io::Result<()>,
) -> io::Result<()> {
    let Some(ring) = &segment.ring else {
        return Ok(());
    };
    if let Some(damage) = ring.damage {
        // No figure of such a ring can be relied on.
        return line("damage", damage.into());
    }
    line(
        "ring",
        format!(
            "{} of {} used ({}), {} undelivered, {} would be lost",
            human::bytes(ring.used()),
            human::bytes(segment.capacity as u64),
            human::fill(row.fill().unwrap_or(0.0)),
            human::count(ring.undelivered(), "message"),
            ring.kept,
        ),
    )?;
    line(
        "written",
        format!(
            "{}, {} ({} with headers)",
            human::count(ring.written, "message"),
            human::bytes(ring.written_bytes.saturating_sub(8 * ring.written)),
            human::bytes(ring.written_bytes)
        ),
    )?;
    let rate = human::rate(row.messages);
    line(
        "rate",
        format!("{rate} messages/s, {}", human::byte_rate(row.bytes)),
    )?;
    line(
        "history",
        format!(
            "{}, frontier {}",
            human::count(ring.marks as u64, "mark"),
            ring.frontier
        ),
    )
}

fn side(
    what: &str,
    side: &Side,
    segment: &Segment,
    commands: &mut Commands,
    line: &mut impl FnMut(&str, String) -> io::Result<()>,
) -> io::Result<()> {
    use kren_core::PeerState::{Attached, Closed, Died, NeverAttached};
    let state = match side.state {
        NeverAttached => return line(what, "never attached".into()),
        Attached => format!("{}, for {}", list::holder(side, commands), ago(side.since)),
        Closed => format!("closed (was process {})", side.pid),
        Died => format!("died (was process {})", side.pid),
        _ => format!("process {}, unknown", side.pid),
    };
    let mut parts = vec![state];
    parts.push(format!("session {}", side.session));
    if let Some(ring) = &segment.ring {
        let behind = ring.written.saturating_sub(side.count);
        parts.push(match side.seat {
            0 => format!("position {}", side.position),
            _ => format!(
                "position {}, {} behind",
                side.position,
                human::count(behind, "message")
            ),
        });
    }
    parts.push(format!(
        "{}, {}",
        human::count(side.wakes.into(), "wake-up"),
        human::count(side.sleeps.into(), "sleep")
    ));
    if side.is_asleep {
        let long = side
            .asleep_since
            .map_or(String::new(), |since| format!(" for {}", ago(Some(since))));
        parts.push(format!("asleep{long} until {}", side.wanted));
    }
    if side.is_streaming {
        parts.push("streaming".into());
    }
    if let Some(stance) = side.stance {
        parts.push(format!("{stance:?}").to_lowercase());
    }
    if side.is_passed_over {
        parts.push("passed over".into());
    }
    if side.advice > 0 {
        parts.push(format!("wants {} messages ahead", side.advice));
    }
    if side.lane > 0 {
        parts.push(format!("lanes of {}", human::bytes(side.lane)));
    }
    line(what, parts.join(", "))
}

fn ago(time: Option<SystemTime>) -> String {
    let passed = time.and_then(|time| SystemTime::now().duration_since(time).ok());
    passed.map_or_else(|| "a time unknown".into(), human::age)
}
