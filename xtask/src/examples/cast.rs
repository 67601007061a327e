//! The processes of one run of an example: started, listened to, killed, and reported.

use std::fmt;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::count::Count;
use crate::exec;
use crate::running::Running;
use crate::term::{self, Failure, Result};

/// Far above what any run needs, also on a slow machine: only a hang gets there.
const LIMIT: Duration = Duration::from_secs(120);

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    Rust,
    Python,
    Node,
    C,
    Cpp,
}

impl Language {
    /// As it stands in names of channels.
    pub(crate) fn in_names(self) -> String {
        self.to_string().replace("++", "pp")
    }

    /// Whether its programs hash what they send in software, which takes five times as long as elsewhere.
    pub(crate) fn hashes_slowly(self) -> bool {
        matches!(self, Self::C | Self::Cpp)
    }
}

/// Those whose programs run on every system.
pub(crate) const EVERYWHERE: &[Language] = &[Language::Rust, Language::Python, Language::Node];
const ON_UNIX: &[Language] = &[
    Language::Rust,
    Language::Python,
    Language::Node,
    Language::C,
    Language::Cpp,
];
/// Those whose programs run here.
pub(crate) const LANGUAGES: &[Language] = if cfg!(unix) { ON_UNIX } else { EVERYWHERE };

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Rust => "Rust",
            Self::Python => "Python",
            Self::Node => "Node",
            Self::C => "C",
            Self::Cpp => "C++",
        })
    }
}

/// Starts `file`, an example without its ending, in a language.
pub(crate) type Launch<'a> = &'a dyn Fn(Language, &str) -> Command;

/// Those who play in one run.
pub(crate) struct Cast<'a> {
    launch: Launch<'a>,
    deadline: Instant,
    sides: Vec<Side>,
}

struct Side {
    program: String,
    /// The command as a person would type it.
    shown: String,
    running: Running,
}

/// One of the cast.
#[derive(Clone, Copy)]
pub(crate) struct Part(usize);

/// Plays `script` as one test: one line that begins with `title` and, when all went well, ends with what the script
/// returns; else with what was wrong, and all that each process has printed.
pub(crate) fn play(
    title: &str,
    launch: Launch<'_>,
    script: impl FnOnce(&mut Cast<'_>) -> Result<String>,
) -> Count {
    print!("    {title:<16} ");
    term::flush();
    let started = Instant::now();
    let mut cast = Cast {
        launch,
        deadline: started + LIMIT,
        sides: Vec::new(),
    };
    match script(&mut cast) {
        Ok(summary) => {
            let line = format!("ok {:>6}   {summary}", term::seconds(started.elapsed()));
            println!("{}", line.trim_end());
            Count::one(true)
        }
        Err(reason) => {
            println!("FAILED: {reason}");
            cast.report();
            Count::one(false)
        }
    }
}

impl Cast<'_> {
    pub(crate) fn start(
        &mut self,
        language: Language,
        program: &str,
        arguments: &[&str],
    ) -> Result<Part> {
        let mut command = (self.launch)(language, program);
        command.args(arguments);
        self.sides.push(Side {
            program: program.to_owned(),
            shown: exec::describe(&command),
            running: Running::start(command)?,
        });
        Ok(Part(self.sides.len() - 1))
    }

    /// Waits until it says `line`.
    pub(crate) fn hear(&mut self, part: Part, line: &str) -> Result<()> {
        let side = &mut self.sides[part.0];
        if side.running.hear(line, self.deadline) {
            return Ok(());
        }
        Err(Failure::new(format!(
            "{} did not say {line:?}",
            side.program
        )))
    }

    /// As `kill -9` does; it must still run.
    pub(crate) fn kill(&mut self, part: Part) -> Result<()> {
        let side = &mut self.sides[part.0];
        side.running.kill()?;
        let ended = side.running.end(self.deadline)?;
        if ended.was_killed() {
            return Ok(());
        }
        Err(Failure::new(format!(
            "{} was to be killed, and ended with {}",
            side.program,
            ended.describe()
        )))
    }

    /// Stops it as a supervisor does, and waits for its end.
    pub(crate) fn stop(&mut self, part: Part) -> Result<()> {
        self.sides[part.0].running.stop()?;
        // Elsewhere it was killed, which says nothing of it.
        if cfg!(unix) {
            self.finish(part)?;
        }
        Ok(())
    }

    /// What it has printed once it has ended, as it should.
    pub(crate) fn finish(&mut self, part: Part) -> Result<String> {
        let side = &mut self.sides[part.0];
        let ended = side.running.end(self.deadline)?;
        if ended.success() {
            return Ok(ended.output);
        }
        Err(Failure::new(format!(
            "{} ended with {}",
            side.program,
            ended.describe()
        )))
    }

    /// Everything that each has printed, and how it ended; what still runs is killed.
    fn report(&mut self) {
        for side in &mut self.sides {
            println!("      $ {}", side.shown);
            let Ok(ended) = side.running.end(Instant::now()) else {
                continue;
            };
            for line in ended.output.lines() {
                println!("        {line}");
            }
            println!("        ({})", ended.describe());
        }
    }
}

/// The value of the line `sha256 <digest>`.
pub(crate) fn digest(output: &str) -> Option<&str> {
    output.lines().find_map(|line| line.strip_prefix("sha256 "))
}

/// Fails unless both sides have printed the same digest.
pub(crate) fn agree(sent: &str, received: &str) -> Result<()> {
    let (sent, received) = (digest(sent), digest(received));
    if sent.is_some() && sent == received {
        return Ok(());
    }
    Err(Failure::new(format!(
        "the digests differ: {sent:?} was sent, {received:?} received"
    )))
}
