//! Two measuring processes, or one that leads several, and what they have open between them.

use std::num::NonZero;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Result;
use crate::link::Test;
use crate::process::{self, Process, Said};
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

    /// Where the process of this number is kept: the leading one on its own, the others on all the rest in turn.
    fn processor(&self, number: usize) -> Option<usize> {
        let [lead, follow] = self.pinned?;
        if number == 0 {
            return Some(lead);
        }
        let all = process::usable();
        let mut rest: Vec<usize> = all.into_iter().filter(|at| *at != lead).collect();
        let first = rest.iter().position(|at| *at == follow)?;
        rest.rotate_left(first);
        Some(rest[(number - 1) % rest.len()])
    }

    /// Whether so many processes besides the leading one have to share processors.
    pub(crate) fn share(&self, followers: usize) -> bool {
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
        followers + 1 > processors
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
#[derive(Clone, Serialize, Deserialize)]
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
    /// How many of the processes that follow take part.
    pub(crate) followers: usize,
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
            followers: 1,
        }
    }
}

pub(crate) struct Pair {
    programs: Programs,
    languages: [Language; 2],
    followers: usize,
    both: Option<Both>,
    open: Vec<Opening>,
}

/// The leading process, and then those that follow.
struct Both {
    members: Vec<Process>,
    said: Receiver<Said>,
    crowded: bool,
}

impl Pair {
    pub(crate) fn start(programs: &Programs, lead: Language, follow: Language) -> Result<Self> {
        Self::start_many(programs, [lead, follow], 1)
    }

    /// As [`Pair::start`], with several processes that follow.
    pub(crate) fn start_many(
        programs: &Programs,
        languages: [Language; 2],
        followers: usize,
    ) -> Result<Self> {
        let both = Some(Both::start(programs, languages, followers)?);
        Ok(Self {
            programs: programs.clone(),
            languages,
            followers,
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

    /// The transports that both processes have; `all`, also those that have no turn among the others.
    pub(crate) fn transports(&mut self, all: bool) -> Result<Vec<Known>> {
        let order = json!({ "do": "list", "all": all });
        let [lead, follow] = self.both()?.tell_two(&order)?;
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
        self.both()?.tell_two(&order)
    }

    /// Tells the processes of these numbers, of which 0 leads; gives their answers.
    pub(crate) fn tell(&mut self, who: Range<usize>, order: &Value) -> Result<Vec<Value>> {
        self.both()?.tell(who, |_| order.clone())
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
        let [lead, follow] = self.both()?.tell_two(&order)?;
        let after = time(&self.both()?.tell_lead(&order)?)?;
        // The lesser of two each: whatever else happens on the machine only adds.
        Ok(time(&lead)?.min(time(&follow)?) / before.min(after))
    }

    pub(crate) fn close(&mut self, key: &str) -> Result<()> {
        let order = json!({ "do": "close", "as": key });
        let opened = self.open.iter().find(|opened| opened.key == key);
        let followers = opened.map_or(1, |opened| opened.followers);
        self.tell(0..1 + followers, &order)?;
        self.open.retain(|opened| opened.key != key);
        Ok(())
    }

    /// Goes on without a transport that failed: with new processes, since these may hang in it.
    pub(crate) fn give_up(&mut self, key: &str) -> Result<()> {
        self.open.retain(|opened| opened.key != key);
        let numbered = self.is_rust();
        // The old ones first: they may hold what the new ones want.
        self.both = None;
        let mut both = Both::start(&self.programs, self.languages, self.followers)?;
        for opened in &self.open {
            both.open(opened, numbered)?;
        }
        self.both = Some(both);
        Ok(())
    }

    pub(crate) fn end(self) {
        if let Some(both) = self.both {
            both.members.into_iter().for_each(Process::end);
        }
    }
}

impl Both {
    fn start(programs: &Programs, languages: [Language; 2], followers: usize) -> Result<Self> {
        let (says, said) = mpsc::channel();
        let start = |number: usize| {
            let command = programs.command(languages[number.min(1)])?;
            Process::start(command, number, programs.processor(number), says.clone())
        };
        Ok(Self {
            members: (0..=followers).map(start).collect::<Result<_>>()?,
            said,
            crowded: programs.share(followers),
        })
    }

    fn open(&mut self, opening: &Opening, numbered: bool) -> Result<()> {
        let session = session();
        let order = |number: usize| {
            let side = if number == 0 { "lead" } else { "follow" };
            json!({
                "do": "open", "name": opening.transport, "as": opening.key, "side": side,
                "session": session, "size": opening.size, "capacity": opening.capacity,
                "channels": opening.channels, "followers": opening.followers,
                "at": number.saturating_sub(1), "crowded": self.crowded, "numbered": numbered,
            })
        };
        let orders: Vec<Value> = (0..=opening.followers).map(order).collect();
        self.tell(0..orders.len(), |number| orders[number].clone())
            .map(|_| ())
    }

    /// Tells these processes, those that follow first; gives their answers.
    fn tell(&mut self, who: Range<usize>, order: impl Fn(usize) -> Value) -> Result<Vec<Value>> {
        for number in who.clone().rev() {
            self.members[number].order(&order(number))?;
        }
        let mut answers = vec![Value::Null; who.len()];
        for _ in who.clone() {
            let (number, answer) = self.listen()?;
            answers[number - who.start] = answer;
        }
        Ok(answers)
    }

    fn tell_two(&mut self, order: &Value) -> Result<[Value; 2]> {
        let mut answers = self.tell(0..2, |_| order.clone())?.into_iter();
        Ok([(); 2].map(|()| answers.next().unwrap_or_default()))
    }

    fn tell_lead(&mut self, order: &Value) -> Result<Value> {
        Ok(self.tell(0..1, |_| order.clone())?.remove(0))
    }

    fn listen(&self) -> Result<(usize, Value)> {
        let name = |number| match number {
            0 => "leading process".to_owned(),
            number => format!("process {number} that follows"),
        };
        let (number, line) = match self.said.recv_timeout(LIMIT) {
            Ok((number, Some(line))) => (number, line),
            Ok((number, None)) => return Err(format!("the {} ended", name(number)).into()),
            Err(RecvTimeoutError::Timeout) => {
                return Err(format!("no answer within {LIMIT:?}").into());
            }
            Err(RecvTimeoutError::Disconnected) => return Err("all processes ended".into()),
        };
        let answer: Value = serde_json::from_str(&line)?;
        match answer["error"].as_str() {
            Some(error) => Err(format!("the {}: {error}", name(number)).into()),
            None => Ok((number, answer)),
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
