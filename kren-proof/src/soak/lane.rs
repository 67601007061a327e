//! One channel under load, whose writer and reader are killed, stopped and replaced at random.

use super::journal::{Maker, Words};
use super::language::Language;
use super::tally::Tally;
use super::worker::{LAST, READER, STOP, WRITER};
use fastrand::Rng;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

/// A lane on which nothing moves for so long is wedged.
pub(super) const WEDGED: Duration = Duration::from_secs(120);

/// What the channel of a lane is like.
pub(super) struct Shape {
    pub(super) capacity: usize,
    /// Longest content of a message.
    pub(super) longest: usize,
}

struct Worker {
    child: Child,
    language: usize,
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Gone already, unless the lane has failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Those that run; a place is empty only while its worker is being replaced.
type Workers = [Option<Worker>; 2];

/// The roles, as indices.
const ROLES: [&str; 2] = ["writer", "reader"];

pub(super) struct Lane<'a> {
    folder: PathBuf,
    channel: String,
    shape: Shape,
    languages: &'a [Language],
    rng: Rng,
    control: Words,
    session: u32,
    pub(super) tally: Tally,
}

impl<'a> Lane<'a> {
    pub(super) fn new(
        folder: &Path,
        number: usize,
        shape: Shape,
        languages: &'a [Language],
        seed: u64,
    ) -> Result<Self, String> {
        let channel = format!("soak-{}-{number}", std::process::id());
        let folder = folder.join(format!("lane-{number}"));
        fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        let control = open(&folder, "control", 2)?;
        let rng = Rng::with_seed(seed ^ (number as u64) << 56);
        let tally = Tally::default();
        Ok(Self {
            folder,
            channel,
            shape,
            languages,
            rng,
            control,
            session: 0,
            tally,
        })
    }

    /// Lets the lane live until `end`, then finishes what was begun and counts.
    pub(super) fn run(mut self, end: Instant) -> Result<Tally, String> {
        let result = self.live(end);
        let name = format!("/dev/shm/kren-{}", self.channel);
        if result.is_ok() && Path::new(&name).exists() {
            return Err(format!("{name} was left behind"));
        }
        result.map_err(|what| format!("lane {}: {what}", self.channel))?;
        self.tally
            .settle("channel", &self.folder, self.session, self.shape.longest)?;
        Ok(self.tally)
    }

    fn live(&mut self, end: Instant) -> Result<(), String> {
        let mut workers = [Some(self.start(WRITER)?), Some(self.start(READER)?)];
        let mut moved = (Instant::now(), (0, 0));
        while Instant::now() < end {
            let longest = if self.languages.len() > 1 { 700 } else { 120 };
            std::thread::sleep(Duration::from_millis(2 + self.rng.u64(..longest)));
            for (role, worker) in workers.iter_mut().flatten().enumerate() {
                if let Some(status) = worker.child.try_wait().map_err(|e| e.to_string())? {
                    let language = self.languages[worker.language].name;
                    return Err(format!("the {language} {} ended: {status}", ROLES[role]));
                }
            }
            self.disturb(&mut workers)?;
            let progress = self.progress()?;
            if progress != moved.1 {
                moved = (Instant::now(), progress);
            } else if moved.0.elapsed() > WEDGED {
                return Err(format!("nothing has moved for {WEDGED:?}"));
            }
        }
        for (role, word) in [(WRITER, STOP), (READER, LAST)] {
            self.control.set(role, word);
            if let Some(worker) = workers[role].take() {
                self.leave(role, worker)?;
            }
        }
        Ok(())
    }

    /// Does one thing to one side, or to both at once.
    fn disturb(&mut self, workers: &mut Workers) -> Result<(), String> {
        let role = self.rng.usize(..2);
        match self.rng.usize(..10) {
            0 => {
                // Both at once now and then: what is undelivered then must outlive both.
                let roles = [role, 1 - role];
                let roles = if self.rng.bool() {
                    &roles[..]
                } else {
                    &roles[..1]
                };
                for role in roles {
                    self.control.set(*role, STOP);
                    if let Some(worker) = workers[*role].take() {
                        self.leave(*role, worker)?;
                    }
                    self.tally.restarts += 1;
                }
                roles
                    .iter()
                    .try_for_each(|role| self.replace(*role, workers))
            }
            1 => {
                if let Some(worker) = &workers[role] {
                    super::process::send(worker.child.id(), libc::SIGSTOP);
                    std::thread::sleep(Duration::from_millis(self.rng.u64(..300)));
                    super::process::send(worker.child.id(), libc::SIGCONT);
                }
                self.tally.pauses += 1;
                Ok(())
            }
            2 => {
                self.kill(role, workers)?;
                self.kill(1 - role, workers)?;
                self.replace(role, workers)?;
                self.replace(1 - role, workers)
            }
            _ => {
                self.kill(role, workers)?;
                self.replace(role, workers)
            }
        }
    }

    fn kill(&mut self, role: usize, workers: &mut Workers) -> Result<(), String> {
        let Some(mut worker) = workers[role].take() else {
            return Ok(());
        };
        let language = &self.languages[worker.language];
        self.tally.killed(
            ROLES[role],
            language.name,
            role == READER && language.copies,
        );
        worker
            .child
            .kill()
            .and_then(|()| worker.child.wait())
            .map_err(|e| e.to_string())?;
        Ok(())
    }

    /// Fills an empty place, at once or after a while.
    fn replace(&mut self, role: usize, workers: &mut Workers) -> Result<(), String> {
        if self.rng.usize(..3) == 0 {
            // Long enough for the other side to notice that it is alone.
            std::thread::sleep(Duration::from_millis(self.rng.u64(..200)));
        }
        self.control.set(role, 0);
        workers[role] = Some(self.start(role)?);
        Ok(())
    }

    fn start(&mut self, role: usize) -> Result<Worker, String> {
        let language = self.rng.usize(..self.languages.len());
        if role == WRITER {
            self.session += 1;
            // Made here, so that a worker that dies early has noted that it wrote nothing.
            Maker::open(&self.folder, self.session)?;
        } else {
            open(&self.folder, "reader", 2)?;
        }
        let strategy = ["adaptive", "adaptive", "sleep"][self.rng.usize(..3)];
        let task = [
            self.folder.to_string_lossy().into_owned(),
            self.channel.clone(),
            self.shape.capacity.to_string(),
            self.shape.longest.to_string(),
            strategy.to_owned(),
            self.session.to_string(),
            role.to_string(),
            ROLES[role].to_owned(),
        ];
        let child = self.languages[language].start(ROLES[role], &task)?;
        Ok(Worker { child, language })
    }

    /// Waits for a worker that was told to stop.
    fn leave(&self, role: usize, mut worker: Worker) -> Result<(), String> {
        let language = self.languages[worker.language].name;
        leave(&mut worker.child, &format!("{language} {}", ROLES[role]))
    }

    /// What changes while messages pass.
    fn progress(&self) -> Result<(u64, u64), String> {
        let written = Maker::open(&self.folder, self.session)?.done();
        Ok((written, open(&self.folder, "reader", 2)?.get(0)))
    }
}

/// Waits for the end of one that was told to stop.
pub(super) fn leave(child: &mut Child, who: &str) -> Result<(), String> {
    let deadline = Instant::now() + WEDGED;
    loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(format!("the {who} ended: {status}")),
            None if Instant::now() > deadline => {
                let _ = child.kill();
                return Err(format!("the {who} did not stop in {WEDGED:?}"));
            }
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    }
}

fn open(folder: &Path, name: &str, count: usize) -> Result<Words, String> {
    Words::open(&folder.join(name), count).map_err(|error| format!("{name}: {error}"))
}
