//! Two measuring processes and what they have open between them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use serde_json::{Value, json};

use crate::Result;
use crate::link::{Side, Test};
use crate::process::{Process, Said};
use crate::transports::memory_directory;

/// Far above what any single order takes.
const LIMIT: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Language {
    Rust,
    Python,
    Node,
}

/// How the peers of each language are started, and where.
#[derive(Clone, Default)]
pub(crate) struct Programs {
    pub(crate) python: Option<PathBuf>,
    pub(crate) node: Option<PathBuf>,
    /// The processors of the two sides.
    pub(crate) pinned: Option<[usize; 2]>,
}

impl Language {
    pub(crate) const ALL: [Self; 3] = [Self::Rust, Self::Python, Self::Node];

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|language| format!("{language:?}").eq_ignore_ascii_case(name))
    }
}

impl Programs {
    pub(crate) fn have(&self, language: Language) -> bool {
        match language {
            Language::Rust => true,
            Language::Python => self.python.is_some(),
            Language::Node => self.node.is_some(),
        }
    }

    fn command(&self, language: Language) -> Result<Command> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let absent = || format!("no program for {language:?} was given");
        let (program, script) = match language {
            Language::Rust => {
                let mut command = Command::new(std::env::current_exe()?);
                command.arg("peer");
                return Ok(command);
            }
            Language::Python => (self.python.as_ref().ok_or_else(absent)?, "python/peer.py"),
            Language::Node => (self.node.as_ref().ok_or_else(absent)?, "node/peer.js"),
        };
        let mut command = Command::new(program);
        command.arg(folder.join(script));
        Ok(command)
    }
}

/// A transport that both processes know.
#[derive(Clone)]
pub(crate) struct Known {
    pub(crate) name: String,
    pub(crate) how: String,
    pub(crate) tests: Vec<Test>,
    pub(crate) smallest: usize,
    pub(crate) largest: usize,
}

impl Known {
    pub(crate) fn carries(&self, size: usize) -> bool {
        (self.smallest..=self.largest).contains(&size)
    }
}

/// How a transport is opened, and opened again if the processes have to be replaced.
#[derive(Clone)]
pub(crate) struct Opening {
    pub(crate) transport: String,
    /// What it is called while it is open: the same transport may be open several times.
    pub(crate) key: String,
    pub(crate) size: usize,
    pub(crate) capacity: usize,
    pub(crate) channels: usize,
}

impl Opening {
    /// A transport that is open once, under its own name.
    pub(crate) fn once(transport: &str, size: usize, capacity: usize) -> Self {
        Self {
            transport: transport.to_owned(),
            key: transport.to_owned(),
            size,
            capacity,
            channels: 1,
        }
    }
}

pub(crate) struct Pair {
    programs: Programs,
    languages: [Language; 2],
    both: Option<Both>,
    open: Vec<Opening>,
}

struct Both {
    lead: Process,
    follow: Process,
    said: Receiver<Said>,
}

impl Pair {
    pub(crate) fn start(programs: &Programs, lead: Language, follow: Language) -> Result<Self> {
        let languages = [lead, follow];
        let both = Some(Both::start(programs, languages)?);
        Ok(Self {
            programs: programs.clone(),
            languages,
            both,
            open: Vec::new(),
        })
    }

    pub(crate) fn name(&self) -> String {
        format!("{:?} to {:?}", self.languages[0], self.languages[1])
    }

    pub(crate) fn is_rust(&self) -> bool {
        self.languages == [Language::Rust; 2]
    }

    fn both(&mut self) -> Result<&mut Both> {
        self.both
            .as_mut()
            .ok_or_else(|| "the processes could not be started again".into())
    }

    /// The transports that both processes have.
    pub(crate) fn transports(&mut self) -> Result<Vec<Known>> {
        let order = json!({ "do": "list" });
        let [lead, follow] = self.both()?.tell([&order, &order])?;
        let lists =
            [lead, follow].map(|list| list["entries"].as_array().cloned().unwrap_or_default());
        let [lead, follow] =
            lists.map(|list| list.iter().filter_map(known).collect::<Vec<Known>>());
        let both = |known: Known| -> Option<Known> {
            let other = follow.iter().find(|other| other.name == known.name)?;
            let tests = known.tests.into_iter();
            Some(Known {
                tests: tests.filter(|test| other.tests.contains(test)).collect(),
                smallest: known.smallest.max(other.smallest),
                largest: known.largest.min(other.largest),
                ..known
            })
        };
        Ok(lead.into_iter().filter_map(both).collect())
    }

    /// Opens a transport on both sides.
    pub(crate) fn open(&mut self, opening: Opening) -> Result<()> {
        let numbered = self.is_rust();
        self.both()?.open(&opening, numbered)?;
        self.open.push(opening);
        Ok(())
    }

    /// Runs one test of a transport; gives the answers of the leading and of the following side.
    pub(crate) fn run(&mut self, key: &str, test: Test, count: u64) -> Result<[Value; 2]> {
        let order = json!({ "do": "run", "as": key, "test": test.name(), "count": count });
        self.both()?.tell([&order, &order])
    }

    /// Lets the leading process measure something by itself; gives nanoseconds.
    pub(crate) fn alone(
        &mut self,
        what: &str,
        size: usize,
        capacity: usize,
        count: u64,
    ) -> Result<Vec<f64>> {
        let order = json!({
            "do": "alone", "what": what, "session": session(),
            "size": size, "capacity": capacity, "count": count,
        });
        let answer = self.both()?.tell_lead(&order)?;
        let times = numbers(&answer["times"]);
        if times.is_empty() {
            return Err(format!("{what}: no figure came back").into());
        }
        Ok(times)
    }

    /// How much longer a processor takes for its work while the other one works too.
    pub(crate) fn slowdown(&mut self, count: u64) -> Result<f64> {
        let order = json!({
            "do": "alone", "what": "work", "session": "", "size": 0, "capacity": 0, "count": count,
        });
        let time = |answer: &Value| {
            let times = numbers(&answer["times"]);
            times.first().copied().ok_or("work: no figure came back")
        };
        let before = time(&self.both()?.tell_lead(&order)?)?;
        let [lead, follow] = self.both()?.tell([&order, &order])?;
        let after = time(&self.both()?.tell_lead(&order)?)?;
        // The lesser of two each: whatever else happens on the machine only adds.
        Ok(time(&lead)?.min(time(&follow)?) / before.min(after))
    }

    pub(crate) fn close(&mut self, key: &str) -> Result<()> {
        let order = json!({ "do": "close", "as": key });
        self.both()?.tell([&order, &order])?;
        self.open.retain(|opened| opened.key != key);
        Ok(())
    }

    /// Goes on without a transport that failed: with new processes, since these may hang in it.
    pub(crate) fn give_up(&mut self, transport: &str) -> Result<()> {
        self.open.retain(|opened| opened.transport != transport);
        let numbered = self.is_rust();
        // The old ones first: they may hold what the new ones want.
        self.both = None;
        let mut both = Both::start(&self.programs, self.languages)?;
        for opened in &self.open {
            both.open(opened, numbered)?;
        }
        self.both = Some(both);
        Ok(())
    }

    pub(crate) fn end(self) {
        if let Some(both) = self.both {
            both.lead.end();
            both.follow.end();
        }
    }
}

impl Both {
    fn start(programs: &Programs, languages: [Language; 2]) -> Result<Self> {
        let (says, said) = mpsc::channel();
        let start = |side, at: usize| {
            let processor = programs.pinned.map(|pinned| pinned[at]);
            Process::start(
                programs.command(languages[at])?,
                side,
                processor,
                says.clone(),
            )
        };
        Ok(Self {
            lead: start(Side::Lead, 0)?,
            follow: start(Side::Follow, 1)?,
            said,
        })
    }

    fn open(&mut self, opening: &Opening, numbered: bool) -> Result<()> {
        let session = session();
        let order = |side: &str| {
            json!({
                "do": "open", "name": opening.transport, "as": opening.key, "side": side,
                "session": session, "size": opening.size, "capacity": opening.capacity,
                "channels": opening.channels, "numbered": numbered,
            })
        };
        self.tell([&order("lead"), &order("follow")]).map(|_| ())
    }

    fn tell(&mut self, [lead, follow]: [&Value; 2]) -> Result<[Value; 2]> {
        self.follow.order(follow)?;
        self.lead.order(lead)?;
        let mut answers = [None, None];
        while answers.contains(&None) {
            let (side, answer) = self.listen()?;
            answers[usize::from(side == Side::Follow)] = Some(answer);
        }
        Ok(answers.map(Option::unwrap_or_default))
    }

    fn tell_lead(&mut self, order: &Value) -> Result<Value> {
        self.lead.order(order)?;
        Ok(self.listen()?.1)
    }

    fn listen(&self) -> Result<(Side, Value)> {
        let (side, line) = match self.said.recv_timeout(LIMIT) {
            Ok((side, Some(line))) => (side, line),
            Ok((side, None)) => return Err(format!("the {side:?} process ended").into()),
            Err(RecvTimeoutError::Timeout) => {
                return Err(format!("no answer within {LIMIT:?}").into());
            }
            Err(RecvTimeoutError::Disconnected) => return Err("both processes ended".into()),
        };
        let answer: Value = serde_json::from_str(&line)?;
        match answer["error"].as_str() {
            Some(error) => Err(format!("the {side:?} process: {error}").into()),
            None => Ok((side, answer)),
        }
    }
}

/// A transport as one process describes it.
fn known(entry: &Value) -> Option<Known> {
    let names = entry["tests"].as_array()?;
    let tests = names.iter().filter_map(|name| Test::named(name.as_str()?));
    Some(Known {
        name: entry["name"].as_str()?.to_owned(),
        how: entry["how"].as_str()?.to_owned(),
        tests: tests.collect(),
        smallest: entry["smallest"].as_u64()? as usize,
        largest: entry["largest"].as_u64()? as usize,
    })
}

/// A name that nothing else has.
fn session() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{}{}", sessions(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// How every name of this run starts.
fn sessions() -> String {
    format!("kren-bench-{}-", std::process::id())
}

/// Removes what processes that had to be killed have left behind.
pub(crate) fn tidy() {
    let folders = [memory_directory(), std::env::temp_dir()];
    for entry in folders
        .iter()
        .flat_map(std::fs::read_dir)
        .flatten()
        .flatten()
    {
        let path = entry.path();
        if entry.file_name().to_string_lossy().contains(&sessions()) {
            // A folder of Aeron's, or a file; what cannot be removed is no reason to fail.
            let _ = if path.is_dir() {
                std::fs::remove_dir_all(&path)
            } else {
                std::fs::remove_file(&path)
            };
        }
    }
}

/// The numbers of a JSON list.
pub(crate) fn numbers(list: &Value) -> Vec<f64> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_f64)
        .collect()
}
