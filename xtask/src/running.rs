//! Programs that run beside this one, under a time limit; what they print is heard line by line.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::exec::{describe, ending, spawn_merged};
use crate::term::{Context as _, Result};

/// A program that was started. Dropping it kills it, if it still runs.
pub(crate) struct Running {
    child: Child,
    lines: mpsc::Receiver<String>,
    /// What it has printed and has been heard.
    output: String,
}

/// How a program ended.
pub(crate) struct Ended {
    /// None when it had to be killed, as it ran too long.
    status: Option<ExitStatus>,
    pub(crate) output: String,
}

impl Ended {
    pub(crate) fn success(&self) -> bool {
        self.status.is_some_and(|status| status.success())
    }

    /// Whether it was still running when it was killed, by whomever.
    pub(crate) fn was_killed(&self) -> bool {
        self.status
            .is_none_or(|status| status.code().is_none() || cfg!(not(unix)))
    }

    pub(crate) fn describe(&self) -> String {
        self.status
            .map_or_else(|| "killed, as it still ran".to_owned(), ending)
    }
}

impl Running {
    pub(crate) fn start(command: Command) -> Result<Self> {
        let shown = describe(&command);
        let (child, output) = spawn_merged(command).context(format!("cannot run {shown}"))?;
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            let mut output = BufReader::new(output);
            let mut line = Vec::new();
            // A read error ends the output like an end of file does: the exit status says the rest.
            while output.read_until(b'\n', &mut line).is_ok_and(|len| len > 0) {
                let _ = sender.send(String::from_utf8_lossy(&line).into_owned());
                line.clear();
            }
        });
        Ok(Self {
            child,
            lines,
            output: String::new(),
        })
    }

    /// Waits until it prints `line`; `false` if it ends, or `deadline` comes, before that.
    pub(crate) fn hear(&mut self, line: &str, deadline: Instant) -> bool {
        while let Ok(heard) = self.next_line(deadline) {
            if heard.trim_end() == line {
                return true;
            }
        }
        false
    }

    fn next_line(&mut self, deadline: Instant) -> std::result::Result<String, RecvTimeoutError> {
        let left = deadline.saturating_duration_since(Instant::now());
        let line = self.lines.recv_timeout(left)?;
        self.output.push_str(&line);
        Ok(line)
    }

    /// Whether everything that it printed was heard before `deadline`: the end of the output is the end of the process.
    fn is_over(&mut self, deadline: Instant) -> bool {
        loop {
            match self.next_line(deadline) {
                Ok(_) => {}
                Err(error) => return error == RecvTimeoutError::Disconnected,
            }
        }
    }

    /// As `kill -9` does.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill().context("cannot kill a process")
    }

    /// As a supervisor does, or `kill`. Where there is no such signal it is killed.
    pub(crate) fn stop(&mut self) -> Result<()> {
        if !cfg!(unix) {
            return self.kill();
        }
        let mut kill = Command::new("sh");
        kill.args(["-c", "kill \"$0\""]);
        // It has not been waited for: the number is still its own.
        kill.arg(self.child.id().to_string());
        kill.status().context("cannot stop a process").map(drop)
    }

    /// Waits for its end; kills it if `deadline` comes before.
    pub(crate) fn end(&mut self, deadline: Instant) -> Result<Ended> {
        let is_over = self.is_over(deadline);
        if !is_over {
            self.kill()?;
            self.is_over(Instant::now() + Duration::from_secs(5));
        }
        let status = self.child.wait().context("cannot wait for a process")?;
        Ok(Ended {
            status: is_over.then_some(status),
            output: self.output.clone(),
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both do nothing to one that has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts all of `commands` at once, in this order, and waits for them together, no longer than `limit`.
pub(crate) fn together(commands: Vec<Command>, limit: Duration) -> Result<Vec<Ended>> {
    let deadline = Instant::now() + limit;
    let running: Result<Vec<_>> = commands.into_iter().map(Running::start).collect();
    running?
        .iter_mut()
        .map(|running| running.end(deadline))
        .collect()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::term::Failure;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    /// A pair that hangs must become a failure, and both of its sides must go.
    #[test]
    fn together_kills_what_outlives_the_limit() -> Result<()> {
        let limit = Duration::from_millis(300);
        let ended = together(
            vec![
                shell("echo out; echo err >&2; exit 3"),
                shell("exec sleep 600"),
            ],
            limit,
        )?;
        let [first, second] = &ended[..] else {
            return Err(Failure::new("two processes were started"));
        };
        assert_eq!(first.output, "out\nerr\n");
        assert_eq!(first.status.and_then(|status| status.code()), Some(3));
        assert!(!first.success());
        assert!(second.status.is_none());
        assert!(!second.success());
        Ok(())
    }

    #[test]
    fn a_line_is_heard_while_its_program_runs_and_missed_when_it_ends() -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut running = Running::start(shell("echo one; echo two; exec sleep 600"))?;
        assert!(running.hear("two", deadline));
        running.stop()?;
        assert!(!running.hear("three", deadline));
        let ended = running.end(deadline)?;
        assert_eq!(ended.output, "one\ntwo\n");
        assert_eq!(ended.describe(), "killed by signal 15");
        Ok(())
    }
}
