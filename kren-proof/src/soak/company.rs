//! The processes of one pattern under load, killed, stopped and replaced at random.

use super::books;
use super::journal::{Maker, Words};
use super::lane::{Shape, WEDGED, leave};
use super::language::Language;
use super::pattern::{Part, Pattern};
use super::process;
use super::tally::Tally;
use super::worker::{STOP, shown};
use fastrand::Rng;
use kren_core::{KrenPublisher, KrenSubscriber};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

/// A process, and what it is.
struct Guest {
    child: Child,
    language: usize,
    /// Of those that make messages.
    session: u32,
}

impl Drop for Guest {
    fn drop(&mut self) {
        // Gone already, unless something has failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Those that run; a place is empty only while its guest is being replaced.
type Guests = Vec<Option<Guest>>;

pub(super) struct Company<'a> {
    pattern: Pattern,
    parts: Vec<Part>,
    folder: PathBuf,
    name: String,
    shape: Shape,
    languages: &'a [Language],
    rng: Rng,
    control: Words,
    session: u32,
    tally: Tally,
}

impl<'a> Company<'a> {
    pub(super) fn new(
        folder: &Path,
        pattern: Pattern,
        number: usize,
        shape: Shape,
        languages: &'a [Language],
        seed: u64,
    ) -> Result<Self, String> {
        let name = format!("soak-{}-{}-{number}", std::process::id(), pattern.name());
        let folder = folder.join(format!("{}-{number}", pattern.name()));
        fs::create_dir_all(&folder).map_err(shown)?;
        let parts = pattern.parts();
        let control = Words::open(&folder.join("control"), parts.len()).map_err(shown)?;
        Ok(Self {
            pattern,
            parts,
            folder,
            name,
            shape,
            languages,
            rng: Rng::with_seed(seed ^ (number as u64) << 48 ^ (pattern as u64) << 40),
            control,
            session: 0,
            tally: Tally::default(),
        })
    }

    /// Lets it live until `end`, then finishes what was begun and counts.
    pub(super) fn run(mut self, end: Instant) -> Result<Tally, String> {
        let named = |what: String, name: &str| format!("{name}: {what}");
        self.live(end).map_err(|what| named(what, &self.name))?;
        // The name's own file, and those of its lanes.
        let left = left_behind(&self.name);
        if !left.is_empty() {
            return Err(format!("{}: {left:?} were left behind", self.name));
        }
        let books = books::Books {
            folder: &self.folder,
            sessions: self.session,
            longest: self.shape.longest,
        };
        match self.pattern {
            Pattern::Broadcast => books.broadcast(&mut self.tally),
            Pattern::Inbox => books.inbox(&mut self.tally),
            Pattern::Queue => books.queue(&mut self.tally),
            Pattern::Service => books.service(&mut self.tally),
        }
        .map_err(|what| named(what, &self.name))?;
        Ok(self.tally)
    }

    fn words(&self, name: &str, count: usize) -> Result<Words, String> {
        Words::open(&self.folder.join(name), count).map_err(shown)
    }

    fn live(&mut self, end: Instant) -> Result<(), String> {
        let observer = match self.pattern {
            Pattern::Broadcast => Some(self.observe()?),
            _ => None,
        };
        let mut guests: Guests = self.parts.iter().map(|_| None).collect();
        if observer.is_some() {
            // What is published before there is a durable subscriber is nobody's.
            let durable = self.place_of("durable");
            guests[durable] = Some(self.start(durable)?);
            self.wait_for_durable()?;
        }
        for (at, guest) in guests.iter_mut().enumerate() {
            if guest.is_none() {
                *guest = Some(self.start(at)?);
            }
        }
        let mut moved: Vec<(Instant, (u32, u64))> = vec![(Instant::now(), (0, 0)); guests.len()];
        while Instant::now() < end {
            let longest = if self.languages.len() > 1 { 500 } else { 120 };
            std::thread::sleep(Duration::from_millis(2 + self.rng.u64(..longest)));
            for (at, guest) in guests.iter_mut().enumerate() {
                if let Some(guest) = guest
                    && let Some(status) = guest.child.try_wait().map_err(shown)?
                {
                    let language = self.languages[guest.language].name;
                    return Err(format!(
                        "the {language} {} ended: {status}",
                        self.parts[at].role
                    ));
                }
            }
            self.disturb(&mut guests)?;
            self.watch(&guests, &mut moved)?;
        }
        for (at, guest) in guests.iter_mut().enumerate() {
            self.control.set(at, self.parts[at].last);
            if let Some(guest) = guest.take() {
                self.leave(at, guest)?;
            }
        }
        observer
            .map_or(Ok(()), KrenSubscriber::close)
            .map_err(shown)
    }

    /// Keeps a broadcast's name, and holds nobody up: when all others are gone, the durable one's place is still there.
    fn observe(&self) -> Result<KrenSubscriber, String> {
        let first = KrenPublisher::create(&self.name, self.shape.capacity).map_err(shown)?;
        let observer = KrenSubscriber::options().lossy(true).connect(&self.name);
        first.close().map_err(shown)?;
        observer.map_err(shown)
    }

    fn place_of(&self, kind: &str) -> usize {
        let place = self.parts.iter().position(|part| part.kind == kind);
        place.expect("a kind that the pattern has")
    }

    fn wait_for_durable(&self) -> Result<(), String> {
        let there = self.words("reader", 2)?;
        let started = Instant::now();
        while there.get(1) == 0 {
            if started.elapsed() > WEDGED {
                return Err("the durable subscriber does not come".into());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    /// Each place that makes messages gets on, in whichever life: where others do not take them, or do not answer, it cannot.
    fn watch(&self, guests: &Guests, moved: &mut [(Instant, (u32, u64))]) -> Result<(), String> {
        for (guest, moved) in guests.iter().zip(moved) {
            let Some(guest) = guest.as_ref().filter(|guest| guest.session > 0) else {
                continue;
            };
            let done = Maker::open(&self.folder, guest.session)?.done();
            if done > 0 && moved.1 != (guest.session, done) {
                *moved = (Instant::now(), (guest.session, done));
            } else if moved.0.elapsed() > WEDGED {
                let language = self.languages[guest.language].name;
                return Err(format!("a {language} guest has not moved for {WEDGED:?}"));
            }
        }
        Ok(())
    }

    /// Does one thing to one process, or to all at once.
    fn disturb(&mut self, guests: &mut Guests) -> Result<(), String> {
        let at = self.rng.usize(..guests.len());
        match self.rng.usize(..12) {
            0 => {
                self.control.set(at, STOP);
                if let Some(guest) = guests[at].take() {
                    self.leave(at, guest)?;
                }
                self.tally.restarts += 1;
                self.replace(at, guests)
            }
            1 => {
                if let Some(guest) = &guests[at] {
                    process::send(guest.child.id(), libc::SIGSTOP);
                    std::thread::sleep(Duration::from_millis(self.rng.u64(..300)));
                    process::send(guest.child.id(), libc::SIGCONT);
                }
                self.tally.pauses += 1;
                Ok(())
            }
            2 => {
                (0..guests.len()).try_for_each(|at| self.kill(at, guests))?;
                // Any of them may be the first.
                let mut order: Vec<usize> = (0..guests.len()).collect();
                order.rotate_left(at);
                order
                    .into_iter()
                    .try_for_each(|at| self.replace(at, guests))
            }
            _ => {
                self.kill(at, guests)?;
                self.replace(at, guests)
            }
        }
    }

    fn kill(&mut self, at: usize, guests: &mut Guests) -> Result<(), String> {
        if let Some(mut guest) = guests[at].take() {
            let (part, language) = (self.parts[at], &self.languages[guest.language]);
            let copies = part.copies && language.copies;
            self.tally.killed(part.role, language.name, copies);
            let killed = guest.child.kill().and_then(|()| guest.child.wait());
            killed.map_err(shown)?;
        }
        Ok(())
    }

    /// Fills an empty place, at once or after a while.
    fn replace(&mut self, at: usize, guests: &mut Guests) -> Result<(), String> {
        if self.rng.usize(..4) == 0 {
            std::thread::sleep(Duration::from_millis(self.rng.u64(..200)));
        }
        self.control.set(at, 0);
        guests[at] = Some(self.start(at)?);
        Ok(())
    }

    fn start(&mut self, at: usize) -> Result<Guest, String> {
        let part = self.parts[at];
        if part.makes {
            self.session += 1;
            // Made here, so that one that dies early has noted that it wrote nothing.
            Maker::open(&self.folder, self.session)?;
            for ledger in ["ledger", "outcome"] {
                let path = self.folder.join(format!("{ledger}-{}", self.session));
                fs::write(path, "").map_err(shown)?;
            }
        } else {
            let name = match part.kind {
                "durable" => "reader".to_owned(),
                _ => format!("subscriber-{at}"),
            };
            self.words(&name, 2)?;
        }
        let session = if part.makes { self.session } else { 0 };
        let language = self.rng.usize(..self.languages.len());
        let strategy = ["adaptive", "adaptive", "sleep"][self.rng.usize(..3)];
        let task = [
            self.folder.to_string_lossy().into_owned(),
            self.name.clone(),
            self.shape.capacity.to_string(),
            self.shape.longest.to_string(),
            strategy.to_owned(),
            session.to_string(),
            at.to_string(),
            part.kind.to_owned(),
        ];
        Ok(Guest {
            child: self.languages[language].start(part.script, &task)?,
            language,
            session,
        })
    }

    fn leave(&self, at: usize, mut guest: Guest) -> Result<(), String> {
        let language = self.languages[guest.language].name;
        leave(
            &mut guest.child,
            &format!("{language} {}", self.parts[at].role),
        )
    }
}

/// The files of a name and of the lanes that go with it.
fn left_behind(name: &str) -> Vec<String> {
    let files = fs::read_dir("/dev/shm").into_iter().flatten().flatten();
    files
        .map(|file| file.file_name().to_string_lossy().into_owned())
        .filter(|file| {
            let rest = file.strip_prefix("kren-").unwrap_or(file);
            let rest = rest.strip_prefix(name);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('@'))
        })
        .collect()
}
