//! What the keys do.

use super::App;
use crate::sample::key;
use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use std::time::Duration;

/// Does what an event asks for; `true` ends the program.
pub(super) fn press(app: &mut App, event: &Event) -> bool {
    let Event::Key(pressed) = event else {
        // A new size: drawn anew in any case.
        return false;
    };
    if pressed.kind == KeyEventKind::Release {
        return false;
    }
    // In this mode the terminal makes no signal of it.
    if pressed.modifiers.contains(KeyModifiers::CONTROL) && pressed.code == KeyCode::Char('c') {
        return true;
    }
    match app.is_typing {
        true => type_filter(app, pressed),
        false => return command(app, pressed.code),
    }
    false
}

fn type_filter(app: &mut App, pressed: &KeyEvent) {
    match pressed.code {
        KeyCode::Enter => app.is_typing = false,
        KeyCode::Esc => {
            app.is_typing = false;
            app.filter.clear();
        }
        KeyCode::Backspace => {
            app.filter.pop();
        }
        KeyCode::Char(character) => app.filter.push(character),
        _ => {}
    }
    app.arrange();
}

fn command(app: &mut App, code: KeyCode) -> bool {
    let last = app.shown().count().saturating_sub(1);
    match code {
        KeyCode::Char('q') => return true,
        KeyCode::Esc if app.open.is_none() && !app.filter.is_empty() => app.filter.clear(),
        KeyCode::Esc | KeyCode::Left | KeyCode::Backspace => app.open = None,
        KeyCode::Enter | KeyCode::Right => {
            let chosen = app.shown().nth(app.selected).map(|row| key(&row.channel));
            app.open = chosen;
        }
        KeyCode::Up | KeyCode::Char('k') => app.selected = app.selected.saturating_sub(1),
        KeyCode::Down | KeyCode::Char('j') => app.selected = last.min(app.selected + 1),
        KeyCode::PageUp => app.selected = app.selected.saturating_sub(10),
        KeyCode::PageDown => app.selected = last.min(app.selected + 10),
        KeyCode::Home => app.selected = 0,
        KeyCode::End => app.selected = last,
        KeyCode::Char('s') => app.sort = app.sort.next(),
        KeyCode::Char('r') => app.is_reversed = !app.is_reversed,
        KeyCode::Char('/') => app.is_typing = true,
        KeyCode::Char(' ') => app.is_paused = !app.is_paused,
        KeyCode::Char('+') => app.interval = (app.interval / 2).max(Duration::from_millis(50)),
        KeyCode::Char('-') => app.interval = (app.interval * 2).min(Duration::from_secs(60)),
        _ => {}
    }
    app.arrange();
    false
}
