//! `kren top`.

mod draw;
mod history;
mod keys;

use crate::bridge::{self, Carried};
use crate::human::parse_time;
use crate::list;
use crate::process::Commands;
use crate::sample::{Row, Sampler};
use crate::signals;
use crate::stop::{Outcome, Stop};
use clap::ValueEnum;
use history::Histories;
use kren_core::inspect::State;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event;
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

/// Watch channels live: rates, fill, and what is stuck, first.
///
/// Keys: q quit, up and down choose, Enter open, Esc back, s sort, r reverse, / filter, Space pause, + and - pace.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  kren top
  kren top --sort rate
  kren top --once              one frame, as text
  kren top --once --json       the same for scripts")]
pub(crate) struct Args {
    /// Time between two looks.
    #[arg(short, long, value_name = "TIME", default_value = "1", value_parser = parse_time)]
    interval: Duration,
    /// What comes first.
    #[arg(short, long, value_enum, default_value_t)]
    sort: Sort,
    /// Only channels whose name holds this.
    #[arg(short, long, value_name = "TEXT", default_value = "")]
    filter: String,
    /// One frame on the output, and no terminal.
    #[arg(long)]
    once: bool,
    /// With `--once`: as JSON.
    #[arg(long, requires = "once")]
    json: bool,
}

/// What comes first.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Default)]
pub(crate) enum Sort {
    /// What is stuck, then what flows most.
    #[default]
    Trouble,
    /// The most bytes a second.
    Rate,
    /// The fullest.
    Fill,
    /// By name.
    Name,
}

impl Sort {
    fn next(self) -> Self {
        match self {
            Self::Trouble => Self::Rate,
            Self::Rate => Self::Fill,
            Self::Fill => Self::Name,
            Self::Name => Self::Trouble,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Trouble => "trouble",
            Self::Rate => "rate",
            Self::Fill => "fill",
            Self::Name => "name",
        }
    }
}

/// How much somebody should look at a channel: the less, the sooner it is shown.
fn trouble(state: State) -> u32 {
    match state {
        State::Full | State::Damaged => 0,
        State::WriterDied | State::ReaderDied | State::OwnerDied => 1,
        State::WaitingForReader => 2,
        State::Flowing => 3,
        State::Undelivered | State::WaitingForWriter => 4,
        State::Idle | State::Open => 5,
        _ => 6,
    }
}

/// What is shown, and how.
struct App {
    sampler: Sampler,
    commands: Commands,
    histories: Histories,
    /// What bridges say of the channels that they carry.
    carried: Carried,
    rows: Vec<Row>,
    interval: Duration,
    sort: Sort,
    is_reversed: bool,
    filter: String,
    /// The filter is being typed.
    is_typing: bool,
    is_paused: bool,
    selected: usize,
    /// The instance and the name of the channel that is shown alone.
    open: Option<(u64, String)>,
}

impl App {
    fn new(args: &Args) -> Self {
        Self {
            sampler: Sampler::default(),
            commands: Commands::default(),
            histories: Histories::default(),
            carried: Carried::new(),
            rows: vec![],
            interval: args.interval.max(Duration::from_millis(50)),
            sort: args.sort,
            is_reversed: false,
            filter: args.filter.clone(),
            is_typing: false,
            is_paused: false,
            selected: 0,
            open: None,
        }
    }

    fn look(&mut self) -> Outcome {
        self.commands.forget();
        self.rows = self.sampler.look()?;
        self.histories.add(&self.rows);
        self.carried = bridge::carried();
        self.arrange();
        Ok(())
    }

    fn arrange(&mut self) {
        let by_rate = |row: &Row| -(row.bytes as i64);
        let sort = self.sort;
        self.rows.sort_by_cached_key(|row| {
            let first = match sort {
                Sort::Trouble => (i64::from(trouble(row.state)), by_rate(row)),
                Sort::Rate => (by_rate(row), 0),
                Sort::Fill => (-((row.fill().unwrap_or(0.0) * 1e6) as i64), 0),
                Sort::Name => (0, 0),
            };
            (first, row.channel.name.clone())
        });
        if self.is_reversed {
            self.rows.reverse();
        }
        self.selected = self.selected.min(self.shown().count().saturating_sub(1));
    }

    /// The rows that the filter lets through.
    fn shown(&self) -> impl Iterator<Item = &Row> {
        let filter = self.filter.as_str();
        self.rows
            .iter()
            .filter(move |row| row.channel.name.contains(filter))
    }
}

pub(crate) fn run(args: &Args) -> Outcome {
    let mut app = App::new(args);
    app.look()?;
    if args.once {
        std::thread::sleep(args.interval.min(Duration::from_secs(1)));
        app.look()?;
        return once(&mut app, args.json);
    }
    if !io::stdout().is_terminal() {
        let what = "the output is no terminal: `--once` writes one frame, `--once --json` figures";
        return Err(Stop::Usage(what.into()));
    }
    signals::listen();
    let mut terminal = ratatui::try_init().map_err(Stop::io("terminal"))?;
    let outcome = live(&mut app, &mut terminal);
    ratatui::restore();
    outcome
}

fn live(app: &mut App, terminal: &mut ratatui::DefaultTerminal) -> Outcome {
    let mut looked = Instant::now();
    loop {
        terminal
            .draw(|frame| draw::draw(app, frame))
            .map_err(Stop::io("terminal"))?;
        loop {
            let left = app.interval.saturating_sub(looked.elapsed());
            // Without any time it does not look at all, and a key must end what cannot keep its pace.
            match event::poll(left.max(Duration::from_millis(1))) {
                Ok(true) => {
                    let event = event::read().map_err(Stop::io("terminal"))?;
                    if keys::press(app, &event) {
                        return Ok(());
                    }
                    break;
                }
                Ok(false) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Stop::Io("terminal".into(), error)),
            }
            if signals::is_stopped() {
                return Err(Stop::Interrupted);
            }
            if looked.elapsed() >= app.interval {
                looked = Instant::now();
                if !app.is_paused {
                    app.look()?;
                    break;
                }
            }
        }
    }
}

/// Lines and columns of a frame that is no terminal's.
const FRAME: (u16, u16) = (110, 24);

fn once(app: &mut App, as_json: bool) -> Outcome {
    if as_json {
        let shown: Vec<Row> = std::mem::take(&mut app.rows)
            .into_iter()
            .filter(|row| row.channel.name.contains(app.filter.as_str()))
            .collect();
        println!("{}", list::document(&shown, &mut app.commands));
        return Ok(());
    }
    let number = |name: &str| std::env::var(name).ok()?.parse::<u16>().ok();
    let width = number("COLUMNS").unwrap_or(FRAME.0).clamp(40, 400);
    let rows = app.shown().count() as u16;
    let height = number("LINES").unwrap_or(FRAME.1.min(rows.saturating_add(4)));
    let mut terminal = Terminal::new(TestBackend::new(width, height.clamp(5, 400)))
        .map_err(|error| Stop::Other(error.to_string()))?;
    terminal
        .draw(|frame| draw::draw(app, frame))
        .map_err(|error| Stop::Other(error.to_string()))?;
    print!("{}", draw::text(terminal.backend().buffer()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use kren_core::{KrenReader, KrenWriter};

    fn app() -> App {
        App::new(&Args {
            interval: Duration::from_secs(1),
            sort: Sort::Trouble,
            filter: "top-test-".into(),
            once: false,
            json: false,
        })
    }

    fn frame(app: &mut App, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw::draw(app, frame)).unwrap();
        draw::text(terminal.backend().buffer())
    }

    #[test]
    fn every_size_of_window_can_be_drawn_and_trouble_comes_first() {
        let name = |what: &str| format!("top-test-{what}-{}", std::process::id());
        let (lonely, busy) = (name("lonely"), name("busy"));
        let _lonely = KrenWriter::create(&lonely, 4096).unwrap();
        let mut writer = KrenWriter::create(&busy, 65_536).unwrap();
        let mut reader = KrenReader::connect(&busy).unwrap();
        let mut app = app();
        app.look().unwrap();
        for _ in 0..100 {
            writer.write(&[7; 100]).unwrap();
            reader.read().unwrap();
        }
        app.look().unwrap();
        let seen = frame(&mut app, 80, 24);
        let at = |text: &str| {
            seen.find(text)
                .unwrap_or_else(|| panic!("{text} is missing:\n{seen}"))
        };
        assert!(at("top-test-lonely") < at("top-test-busy"), "{seen}");
        at("waiting for a re");
        at("flowing");
        for width in [1, 2, 5, 20, 40, 79, 81, 132, 300] {
            for height in [1, 2, 3, 5, 24, 100] {
                frame(&mut app, width, height);
            }
        }
        app.open = app
            .rows
            .iter()
            .find(|row| row.channel.name == busy)
            .and_then(|row| Some((row.channel.segment()?.instance, busy.clone())));
        for (width, height) in [(80, 24), (20, 5), (1, 1), (200, 60)] {
            frame(&mut app, width, height);
        }
        let alone = frame(&mut app, 80, 24);
        assert!(alone.contains("100 messages"), "{alone}");
        // What a bridge says of it, whole in 80 columns: of the one that is open, or chosen.
        let said = serde_json::json!({
            "direction": "export", "state": "carried", "machine": "hall-3", "lag_messages": 12, "lag_bytes": 1536,
            "resends": 3, "round_trip_us": 41_234,
        });
        app.carried.insert(busy.clone(), said);
        let there = "to hall-3: 12 behind (1.5 KiB), round trip 41.2 ms, 3 resends\n";
        let alone = frame(&mut app, 80, 24);
        assert!(alone.contains(there), "{alone}");
        app.open = None;
        assert!(!frame(&mut app, 80, 24).contains("hall-3"));
        let at = app.shown().position(|row| row.channel.name == busy);
        app.selected = at.unwrap();
        let chosen = frame(&mut app, 80, 24);
        assert!(chosen.contains(&format!("\n {there}")), "{chosen}");
        let chosen = frame(&mut app, 100, 24);
        assert!(chosen.contains(&format!("\n {busy} {there}")), "{chosen}");
        app.filter = "no such name".into();
        app.open = None;
        app.arrange();
        assert!(frame(&mut app, 80, 24).contains("no channel"));
    }
}
