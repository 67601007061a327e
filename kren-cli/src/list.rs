//! `kren ls`.

use crate::bridge::{self, Carried};
use crate::human::{self, parse_time};
use crate::process::Commands;
use crate::sample::{Row, Sampler};
use crate::stop::{Outcome, Stop};
use crate::{json, signals};
use clap::ValueEnum;
use kren_core::inspect::{Segment, Side, State};
use serde_json::{Value, json};
use std::io::{self, BufWriter, Write};
use std::time::{Duration, SystemTime};

/// List channels: who holds them, how full they are, how fast they flow, and how they fare.
///
/// Rates are those of a moment between two looks (`--over`).
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  kren ls
  kren ls -o name,state,fill
  kren ls --json | jq '.channels[] | select(.state == \"full\").name'
  kren ls --watch 2

States: flowing, idle, full, waiting for a reader, waiting for a writer, writer died, reader died,
undelivered (messages and nobody), stale (nothing and nobody), open (a registry or a bell with its owner),
owner died, damaged, other version, unreadable.
A channel that a bridge carries has a last column: how far behind the other machine is, and how far away.
Of a channel that was full before this command looked, its writer says since when.
Messages themselves are not looked at: `kren doctor` walks those that nobody has received.")]
pub(crate) struct Args {
    /// Only channels whose name holds this.
    #[arg(value_name = "TEXT")]
    filter: Option<String>,
    /// The columns, in order.
    #[arg(short, long, value_name = "COLUMNS", value_delimiter = ',')]
    output: Vec<Column>,
    /// As JSON, with everything that is known.
    #[arg(long)]
    json: bool,
    /// List again every so many seconds.
    #[arg(short, long, value_name = "TIME", num_args = 0..=1, default_missing_value = "1", value_parser = parse_time)]
    watch: Option<Duration>,
    /// Time between the two looks; with 0 there is one, and no rates.
    #[arg(long, value_name = "TIME", default_value = "10ms", value_parser = parse_time)]
    over: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Column {
    Name,
    Kind,
    Capacity,
    Fill,
    Waiting,
    Writer,
    Readers,
    Messages,
    Bytes,
    Age,
    Owner,
    Mode,
    State,
    Bridge,
}

const COLUMNS: [Column; 10] = [
    Column::Name,
    Column::Kind,
    Column::Capacity,
    Column::Fill,
    Column::Writer,
    Column::Readers,
    Column::Messages,
    Column::Bytes,
    Column::Age,
    Column::State,
];

pub(crate) fn run(args: &Args) -> Outcome {
    let mut sampler = Sampler::default();
    let mut rows = sampler.look_over(args.over)?;
    if args.watch.is_some() {
        signals::listen();
    }
    let mut commands = Commands::default();
    loop {
        if let Some(filter) = &args.filter {
            rows.retain(|row| row.channel.name.contains(filter.as_str()));
        }
        let mut out = BufWriter::new(io::stdout().lock());
        print(args, &rows, &mut commands, &mut out)
            .and_then(|()| out.flush())
            .map_err(Stop::io("output"))?;
        let Some(pause) = args.watch else {
            return Ok(());
        };
        signals::pause(pause)?;
        commands.forget();
        rows = sampler.look()?;
    }
}

fn print(
    args: &Args,
    rows: &[Row],
    commands: &mut Commands,
    out: &mut impl Write,
) -> io::Result<()> {
    if args.json {
        return writeln!(out, "{}", document(rows, commands));
    }
    if args.watch.is_some() && human::has_colour() {
        // Home, and clear what is below.
        write!(out, "\x1b[H\x1b[J")?;
    }
    let mut columns = args.output.clone();
    if columns.is_empty() {
        columns.extend(COLUMNS);
    }
    let carried = bridge::carried();
    if args.output.is_empty() && rows.iter().any(|row| is_carried(row, &carried)) {
        columns.push(Column::Bridge);
    }
    table(rows, &columns, &carried, commands, out)
}

fn is_carried(row: &Row, carried: &Carried) -> bool {
    carried.contains_key(&row.channel.name)
}

/// The list as JSON.
pub(crate) fn document(rows: &[Row], commands: &mut Commands) -> Value {
    let mut carried = bridge::carried();
    let mut with_bridge = |row: &Row| {
        let mut record = record(row, commands);
        record["bridge"] = carried.remove(&row.channel.name).unwrap_or_default();
        record
    };
    let channels: Vec<Value> = rows.iter().map(&mut with_bridge).collect();
    json!({ "version": json::VERSION, "channels": channels })
}

/// A row as JSON.
pub(crate) fn record(row: &Row, commands: &mut Commands) -> Value {
    let mut parts = json::channel(&row.channel, row.earlier.as_deref());
    parts.insert("messages_per_second".into(), json!(row.messages));
    parts.insert("bytes_per_second".into(), json!(row.bytes));
    parts.insert("fill".into(), json!(row.fill()));
    parts.insert("state_seconds".into(), json!(row.lasts.as_secs_f64()));
    let mut name_command = |side: &mut Value| {
        let is_here = side["state"] == "attached" && side["is_elsewhere"] == false;
        let pid = side["pid"].as_u64().filter(|_| is_here);
        let command = pid.and_then(|pid| commands.of(pid as u32));
        side["command"] = json!(command);
    };
    if let Some(writer) = parts.get_mut("writer") {
        name_command(writer);
    }
    if let Some(Value::Array(readers)) = parts.get_mut("readers") {
        readers.iter_mut().for_each(name_command);
    }
    Value::Object(parts)
}

fn table(
    rows: &[Row],
    columns: &[Column],
    carried: &Carried,
    commands: &mut Commands,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut cells: Vec<Vec<String>> = vec![columns.iter().map(|column| title(*column)).collect()];
    for row in rows {
        let cell = |column: &Column| cell(row, *column, carried, commands);
        cells.push(columns.iter().map(cell).collect());
    }
    let widths: Vec<usize> = (0..columns.len())
        .map(|at| cells.iter().map(|row| width(&row[at])).max().unwrap_or(0))
        .collect();
    let has_colour = human::has_colour();
    for (at, line) in cells.iter().enumerate() {
        let mut text = String::new();
        for ((cell, column), width_of) in line.iter().zip(columns).zip(&widths) {
            let pad = " ".repeat(width_of - width(cell));
            let cell = match (at.checked_sub(1), has_colour) {
                (Some(row), true) if *column == Column::State => coloured(rows[row].state, cell),
                (None, true) => format!("\x1b[1m{cell}\x1b[0m"),
                _ => cell.clone(),
            };
            match is_figure(*column) {
                true => text.extend([pad.as_str(), &cell, "  "]),
                false => text.extend([cell.as_str(), &pad, "  "]),
            }
        }
        writeln!(out, "{}", text.trim_end())?;
    }
    Ok(())
}

fn width(text: &str) -> usize {
    text.chars().count()
}

fn is_figure(column: Column) -> bool {
    use Column::{Age, Bytes, Capacity, Fill, Messages, Owner, Waiting};
    matches!(
        column,
        Capacity | Fill | Waiting | Messages | Bytes | Age | Owner
    )
}

fn coloured(state: State, text: &str) -> String {
    let colour = match state {
        State::Flowing | State::Open => 32,
        State::Full | State::WriterDied | State::ReaderDied | State::OwnerDied => 31,
        State::Damaged | State::OtherVersion | State::Unreadable => 35,
        State::WaitingForReader | State::WaitingForWriter | State::Undelivered => 33,
        _ => 2,
    };
    format!("\x1b[{colour}m{text}\x1b[0m")
}

fn title(column: Column) -> String {
    match column {
        Column::Messages => "MSG/S".into(),
        Column::Bytes => "BYTES/S".into(),
        column => column
            .to_possible_value()
            .map(|value| value.get_name().to_uppercase())
            .unwrap_or_default(),
    }
}

fn cell(row: &Row, column: Column, carried: &Carried, commands: &mut Commands) -> String {
    let none = || "-".to_string();
    let channel = &row.channel;
    let segment = channel.segment();
    match column {
        Column::Name => {
            let indent = if row.is_lane { "  " } else { "" };
            format!("{indent}{}", human::printable(&channel.name))
        }
        Column::State => row.state_text(),
        Column::Bridge => carried.get(&channel.name).map_or_else(none, bridge::words),
        Column::Owner => channel.owner.map_or_else(none, |owner| owner.to_string()),
        Column::Mode => channel.mode.map_or_else(none, |mode| format!("{mode:03o}")),
        Column::Capacity => segment
            .filter(|segment| segment.capacity > 0)
            .map_or_else(none, |segment| human::bytes(segment.capacity as u64)),
        Column::Fill => row.fill().map_or_else(none, human::fill),
        Column::Waiting => segment
            .filter(|segment| segment.ring.is_some())
            .map_or_else(none, |_| row.undelivered().to_string()),
        Column::Messages => human::rate(row.messages),
        Column::Bytes => human::byte_rate(row.bytes),
        Column::Kind => segment.map_or_else(none, kind),
        Column::Writer => segment.map_or_else(none, |segment| holder(&segment.writer, commands)),
        Column::Readers => {
            let live = segment.map_or(vec![], |segment| {
                segment
                    .readers
                    .iter()
                    .filter(|side| side.is_live())
                    .collect()
            });
            match live[..] {
                [] => none(),
                [one] => holder(one, commands),
                [one, ..] => format!("{} and {} more", holder(one, commands), live.len() - 1),
            }
        }
        Column::Age => segment
            .and_then(|segment| SystemTime::now().duration_since(segment.created?).ok())
            .map_or_else(none, human::age),
    }
}

/// What it is, and whether a bridge keeps it as the mirror of one on another machine.
pub(crate) fn kind(segment: &Segment) -> String {
    let remote = if segment.stands_for_another() {
        "remote "
    } else {
        ""
    };
    format!("{remote}{}", segment.kind.name())
}

/// The process on a side, and what it runs.
pub(crate) fn holder(side: &Side, commands: &mut Commands) -> String {
    if !side.is_live() {
        return "-".into();
    }
    match side.pid {
        0 => "?".into(),
        pid if side.is_elsewhere => format!("{pid} elsewhere"),
        pid => match commands.of(pid) {
            Some(command) => format!("{pid} {command}"),
            None => pid.to_string(),
        },
    }
}
