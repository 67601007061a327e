//! What a person at the console sees: one line for each step, with its time, and one line for a failure.

use std::fmt;
use std::io::Write as _;
use std::time::{Duration, Instant};

/// A failure as the last line shows it: what is wrong, and what to do about it.
#[derive(Debug)]
pub(crate) struct Failure(String);

pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    pub(crate) fn new(line: impl Into<String>) -> Self {
        Self(line.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Fails with one line that names the file or program an operating-system error is about.
pub(crate) trait Context<T> {
    fn context(self, what: impl fmt::Display) -> Result<T>;
}

impl<T> Context<T> for std::io::Result<T> {
    fn context(self, what: impl fmt::Display) -> Result<T> {
        self.map_err(|error| Failure(format!("{what}: {error}")))
    }
}

/// One step: its line is begun when it starts and completed with the time it took.
pub(crate) struct Step {
    started: Instant,
}

impl Step {
    /// Begins the line; what follows on the console until [`Step::done`] belongs to a failure.
    pub(crate) fn begin(what: &str) -> Self {
        print!("==> {what} ...");
        flush();
        Self {
            started: Instant::now(),
        }
    }

    pub(crate) fn done(self) {
        println!(" {}", seconds(self.started.elapsed()));
    }

    pub(crate) fn failed(self) {
        println!(" failed after {}", seconds(self.started.elapsed()));
    }
}

/// The line above a part that prints for itself.
pub(crate) fn heading(what: &str) {
    println!("==> {what}");
    flush();
}

pub(crate) fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// A console that has gone away (a closed pipe) is no reason to fail here; the next print says so.
pub(crate) fn flush() {
    let _ = std::io::stdout().flush();
}
