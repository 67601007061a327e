//! A frame of `kren top`.

use super::history::spark;
use super::{App, trouble};
use crate::bridge::{self, Carried};
use crate::human;
use crate::list::holder;
use crate::sample::Row;
use crate::sample::key;
use kren_core::inspect::{Side, State};
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Paragraph, Row as TableRow, Sparkline, Table, TableState};

pub(super) fn draw(app: &mut App, frame: &mut Frame<'_>) {
    let said = chosen(app, frame.area().width);
    let [head, body, bridge, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(0),
        Constraint::Length(said.is_some().into()),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(said.unwrap_or_default(), bridge);
    frame.render_widget(summary(app), head);
    let open = app.open.clone();
    match open.and_then(|open| app.rows.iter().position(|row| key(&row.channel) == open)) {
        Some(at) => one(app, at, frame, body),
        None => table(app, frame, body),
    }
    frame.render_widget(help(app), foot);
}

/// What its bridge says of the channel that is chosen: after its name, where there is room for both.
fn chosen(app: &App, width: u16) -> Option<Line<'static>> {
    let row = app.shown().nth(app.selected)?;
    let said = app.carried.get(&row.channel.name)?;
    if app.open.is_some() {
        return None;
    }
    let words = bridge::words(said);
    let named = format!(" {} {words}", human::printable(&row.channel.name));
    let fits = named.chars().count() <= width.into();
    Some(Line::from(if fits { named } else { format!(" {words}") }))
}

fn colour(style: Style, colour: Color) -> Style {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if refused { style } else { style.fg(colour) }
}

fn summary(app: &App) -> Line<'static> {
    let messages: f64 = app.rows.iter().map(|row| row.messages).sum();
    let bytes: f64 = app.rows.iter().map(|row| row.bytes).sum();
    let memory: u64 = app.rows.iter().map(|row| row.channel.bytes).sum();
    let stuck = app.rows.iter().filter(|row| trouble(row.state) < 2).count();
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let mut parts = vec![
        Span::styled(" kren top ", bold.add_modifier(Modifier::REVERSED)),
        Span::raw(format!(
            " {}",
            human::count(app.rows.len() as u64, "channel")
        )),
    ];
    // Before what a narrow window may cut off.
    if stuck > 0 {
        parts.push(Span::styled(
            format!(", {stuck} in trouble"),
            colour(bold, Color::Red),
        ));
    }
    parts.push(Span::raw(format!(
        ", {} messages/s, {}, {} of memory",
        human::rate(messages),
        human::byte_rate(bytes),
        human::bytes(memory)
    )));
    Line::from(parts)
}

fn help(app: &App) -> Line<'static> {
    if app.is_typing {
        return Line::from(format!(" filter: {}_   Enter keep, Esc drop", app.filter));
    }
    let paused = if app.is_paused { "PAUSED  " } else { "" };
    let filter = match app.filter.as_str() {
        "" => String::new(),
        filter => format!("filter {filter:?}  "),
    };
    let order = if app.is_reversed { " reversed" } else { "" };
    let keys = match app.open {
        Some(_) => "Esc back  q quit",
        None => "s sort  r reverse  / filter  Enter open  Space pause  q quit",
    };
    let text = format!(" {paused}{filter}by {}{order}  {keys}", app.sort.name());
    Line::styled(text, Style::new().add_modifier(Modifier::DIM))
}

/// Columns of the table that are left out where the window is narrow, the last first.
fn table(app: &mut App, frame: &mut Frame<'_>, area: Rect) {
    let shown: Vec<&Row> = app.shown().collect();
    if shown.is_empty() {
        let text = if app.rows.is_empty() {
            " no channel exists"
        } else {
            " no channel of that name"
        };
        frame.render_widget(Paragraph::new(text), area);
        return;
    }
    let width = area.width;
    let name_width = shown
        .iter()
        .map(|row| row.channel.name.chars().count())
        .max();
    let name_width = (name_width.unwrap_or(4) as u16).clamp(4, (width / 4).max(12));
    let has_spark = width >= 100;
    let has_holders = width >= 72;
    let mut titles = vec!["NAME", "STATE", "FILL", "MSG/S", "BYTES/S"];
    let mut widths = vec![name_width, 25, 11, 7, 10];
    if has_holders {
        titles.push("WRITER > READERS");
        widths.push(0);
    }
    if has_spark {
        titles.insert(5, "LAST");
        widths.insert(5, 16);
    }
    let heading = Style::new().add_modifier(Modifier::BOLD | Modifier::UNDERLINED);
    // Only what can be seen is worth a look at its processes.
    let from = app.selected.saturating_sub(area.height as usize);
    let until = from + 2 * area.height as usize;
    let mut commands = crate::process::Commands::default();
    let lines: Vec<TableRow<'_>> = shown
        .iter()
        .enumerate()
        .map(|(at, row)| {
            if at < from || at >= until {
                return TableRow::default();
            }
            let mut cells = vec![
                Cell::from(human::printable(&row.channel.name)),
                Cell::from(row.state_text()).style(state_style(row.state)),
                Cell::from(bar(row)),
                Cell::from(format!("{:>7}", human::rate(row.messages))),
                Cell::from(format!("{:>10}", human::byte_rate(row.bytes))),
            ];
            if has_spark {
                let history = app.histories.of(&key(&row.channel));
                let line = history.map(|history| spark(&history.bytes, 16));
                cells.push(
                    Cell::from(line.unwrap_or_default()).style(colour(Style::new(), Color::Cyan)),
                );
            }
            if has_holders {
                cells.push(Cell::from(holders(row, &app.carried, &mut commands)));
            }
            TableRow::new(cells)
        })
        .collect();
    let widths = widths.into_iter().map(|width| match width {
        0 => Constraint::Min(10),
        width => Constraint::Length(width),
    });
    let table = Table::new(lines, widths)
        .header(TableRow::new(titles).style(heading))
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    let mut state = TableState::default().with_selected(Some(app.selected));
    frame.render_stateful_widget(table, area, &mut state);
}

fn holders(row: &Row, carried: &Carried, commands: &mut crate::process::Commands) -> String {
    let Some(segment) = row.channel.segment() else {
        return String::new();
    };
    let writer = match &segment.origin {
        Some(origin) => format!("remote {}", human::printable(&origin.name)),
        None => holder(&segment.writer, commands),
    };
    let live: Vec<&Side> = segment
        .readers
        .iter()
        .filter(|side| side.is_live())
        .collect();
    let remote = carried.get(&row.channel.name).and_then(bridge::behind);
    let readers = match (&live[..], remote) {
        ([], _) => "-".into(),
        ([_], Some(remote)) => remote,
        ([one], None) => holder(one, commands),
        (_, None) => format!("{} readers", live.len()),
        (_, Some(remote)) => format!("{} readers, {remote}", live.len()),
    };
    format!("{writer} > {readers}")
}

fn state_style(state: State) -> Style {
    match trouble(state) {
        0 | 1 => colour(Style::new().add_modifier(Modifier::BOLD), Color::Red),
        2 | 4 => colour(Style::new(), Color::Yellow),
        3 => colour(Style::new(), Color::Green),
        _ => Style::new().add_modifier(Modifier::DIM),
    }
}

/// How full the ring is, as a bar of six cells and a figure.
fn bar(row: &Row) -> Line<'static> {
    const CELLS: f64 = 6.0;
    const PARTS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    let Some(fill) = row.fill() else {
        return Line::from("");
    };
    let eighths = (fill * CELLS * 8.0).round() as usize;
    let mut text = "█".repeat(eighths / 8);
    if !eighths.is_multiple_of(8) {
        text.push(PARTS[eighths % 8]);
    }
    let shade = match fill {
        0.0..0.7 => Color::Green,
        0.7..0.95 => Color::Yellow,
        _ => Color::Red,
    };
    Line::from(vec![
        Span::styled(format!("{text:<6}"), colour(Style::new(), shade)),
        Span::raw(format!("{:>5}", human::fill(fill))),
    ])
}

/// One channel, with its history.
fn one(app: &mut App, at: usize, frame: &mut Frame<'_>, area: Rect) {
    let row = &app.rows[at];
    let Some(segment) = row.channel.segment() else {
        frame.render_widget(Paragraph::new(" it is no sound channel any more"), area);
        return;
    };
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let mut lines = vec![Line::from(vec![
        Span::styled(format!(" {} ", human::printable(&row.channel.name)), bold),
        Span::raw(format!(
            " {}, {} of memory, ",
            crate::list::kind(segment),
            human::bytes(row.channel.bytes)
        )),
        Span::styled(row.state_text(), state_style(row.state)),
    ])];
    if let Some(ring) = &segment.ring {
        lines.push(Line::from(format!(
            " {} messages, {} written; {} undelivered, {} of {} used",
            ring.written,
            human::bytes(ring.written_bytes),
            ring.undelivered(),
            human::bytes(ring.used()),
            human::bytes(segment.capacity as u64),
        )));
    }
    if let Some(said) = app.carried.get(&row.channel.name) {
        lines.push(Line::from(format!(" {}", bridge::words(said))));
    }
    for side in std::iter::once(&segment.writer).chain(&segment.readers) {
        let what = match side.seat {
            0 => "writer".into(),
            seat => format!("reader {seat}"),
        };
        let behind = segment
            .ring
            .as_ref()
            .map_or(0, |ring| ring.written.saturating_sub(side.count));
        lines.push(Line::from(format!(
            " {what:<9} {:<24} {:?}, session {}, {behind} behind, {} wake-ups, {} sleeps{}",
            holder(side, &mut app.commands),
            side.state,
            side.session,
            side.wakes,
            side.sleeps,
            if side.is_asleep { ", asleep" } else { "" },
        )));
    }
    let most = area.height / 2;
    let height = (lines.len() as u16).min(most.max(1));
    let [text, messages, bytes, fill] = Layout::vertical([
        Constraint::Length(height),
        Constraint::Fill(1),
        Constraint::Fill(1),
        Constraint::Fill(1),
    ])
    .areas(area);
    frame.render_widget(Paragraph::new(lines), text);
    let Some(history) = app.histories.of(&key(&row.channel)) else {
        return;
    };
    let now = human::rate(row.messages);
    chart(
        frame,
        messages,
        &format!("messages/s, now {now}"),
        &history.messages,
        None,
        Color::Green,
    );
    let now = human::byte_rate(row.bytes);
    chart(
        frame,
        bytes,
        &format!("bytes/s, now {now}"),
        &history.bytes,
        None,
        Color::Cyan,
    );
    let now = human::fill(row.fill().unwrap_or(0.0));
    chart(
        frame,
        fill,
        &format!("fill, now {now}"),
        &history.fill,
        Some(1000),
        Color::Yellow,
    );
}

fn chart(
    frame: &mut Frame<'_>,
    area: Rect,
    title: &str,
    figures: &std::collections::VecDeque<u64>,
    most: Option<u64>,
    shade: Color,
) {
    let [head, body] = Layout::vertical([Constraint::Length(1), Constraint::Min(0)]).areas(area);
    let style = Style::new().add_modifier(Modifier::UNDERLINED);
    frame.render_widget(Line::styled(format!(" {title}"), style), head);
    let from = figures.len().saturating_sub(body.width as usize);
    let data: Vec<u64> = figures.iter().skip(from).copied().collect();
    let mut line = Sparkline::default()
        .data(&data)
        .style(colour(Style::new(), shade));
    if let Some(most) = most {
        line = line.max(most);
    }
    frame.render_widget(line, body);
}

/// A frame as lines of text.
pub(super) fn text(buffer: &Buffer) -> String {
    let mut text = String::new();
    for y in 0..buffer.area.height {
        let line: String = (0..buffer.area.width)
            .map(|x| buffer[(x, y)].symbol())
            .collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
