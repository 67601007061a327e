//! `top` on a real terminal, in several sizes: driven through tmux.

use crate::support::{Name, PATIENCE, output, program, wait_until};
use kren_core::{KrenReader, KrenWriter};
use std::process::Command;
use std::time::{Duration, Instant};

/// A terminal of its own server, which ends with the test.
struct Terminal(String);

impl Terminal {
    fn new(name: &Name, (width, height): (u16, u16), command: &str) -> Self {
        let terminal = Self((**name).to_string());
        let size = [width.to_string(), height.to_string()];
        let mut words = vec![
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            &size[0],
            "-y",
            &size[1],
        ];
        words.push(command);
        terminal.tmux(&words);
        terminal
    }

    fn tmux(&self, words: &[&str]) -> String {
        let done = Command::new("tmux")
            .args(["-L", &self.0])
            .args(words)
            .env("TERM", "xterm-256color")
            .output()
            .expect("tmux is needed for this test");
        String::from_utf8_lossy(&done.stdout).into_owned()
    }

    fn keys(&self, keys: &[&str]) {
        let mut words = vec!["send-keys"];
        words.extend(keys);
        self.tmux(&words);
    }

    fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    #[track_caller]
    fn expect(&self, part: &str) -> String {
        let start = Instant::now();
        loop {
            let seen = self.screen();
            if seen.contains(part) {
                return seen;
            }
            assert!(start.elapsed() < PATIENCE, "{part:?} is not on:\n{seen}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

#[test]
fn top_lives_in_a_terminal_of_any_size() {
    let (busy, stuck) = (Name::new("busy"), Name::new("stuck"));
    let mut writer = KrenWriter::create(&busy, 1 << 16).unwrap();
    let mut reader = KrenReader::connect(&busy).unwrap();
    let _stuck = KrenWriter::create(&stuck, 4096).unwrap();
    let terminal = Terminal::new(
        &busy,
        (80, 24),
        &format!("{} top -i 0.2; sleep 1000", program()),
    );
    let seen = terminal.expect(&stuck[..12]);
    assert!(
        seen.contains("kren top") && seen.contains("STATE"),
        "{seen}"
    );
    assert_eq!(seen.lines().count(), 24);
    wait_until("a flow on the screen", || {
        for _ in 0..100 {
            writer.write(&[1; 64]).unwrap();
            reader.read().unwrap();
        }
        terminal.screen().contains("flowing")
    });
    for (width, height) in [("132", "40"), ("40", "10"), ("20", "4"), ("80", "24")] {
        terminal.tmux(&["resize-window", "-x", width, "-y", height]);
        terminal.expect("kren top");
    }
    terminal.keys(&["/"]);
    terminal.expect("filter:");
    terminal.keys(&["-l", &busy]);
    terminal.keys(&["Enter"]);
    wait_until("the filtered list", || {
        !terminal.screen().contains(&stuck[..12])
    });
    terminal.keys(&["Enter"]);
    let seen = terminal.expect("messages/s, now");
    assert!(seen.contains("session 1"), "{seen}");
    terminal.keys(&["Escape"]);
    terminal.expect("STATE");
    terminal.keys(&["s"]);
    terminal.expect("by rate");
    terminal.keys(&["q"]);
    // The screen is as it was before.
    wait_until("the end", || !terminal.screen().contains("kren top"));
}

/// A terminal that goes away, as with the connection to another machine, takes `top` along: it does not read its end for ever.
#[test]
fn top_ends_with_its_terminal() {
    let name = Name::new("hung-up");
    let command = format!("exec {} top -i 0.1", program());
    let terminal = Terminal::new(&name, (80, 24), &command);
    terminal.expect("kren top");
    let pid = terminal.tmux(&["display-message", "-p", "#{pane_pid}"]);
    drop(terminal);
    let own = std::path::Path::new("/proc").join(pid.trim());
    wait_until("the end", || !own.exists());
}

#[test]
fn one_frame_and_its_figures_come_without_a_terminal() {
    let name = Name::new("once");
    let _writer = KrenWriter::create(&name, 4096).unwrap();
    let frame = output("top --once --interval 10ms");
    assert!(
        frame.contains("kren top") && frame.contains(&name[..8]),
        "{frame}"
    );
    let json = output(&format!(
        "top --once --json --interval 10ms --filter {name}"
    ));
    let document: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(document["channels"][0]["state"], "waiting for a reader");
    assert_eq!(crate::support::failure("top").0, 2);
}
