//! One broadcast under load, whose publisher and subscribers are killed, stopped and replaced at random.

use super::guest::{CONTROLS, KINDS};
use super::journal::Words;
use super::lane::{Shape, WEDGED, leave};
use super::process;
use super::tally::Tally;
use super::worker::{LAST, STOP, shown};
use crate::rng::Rng;
use kren_core::{KrenPublisher, KrenSubscriber};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The publisher's place among the processes.
const PUBLISHER: usize = 0;

/// A process of the broadcast.
struct Guest(Child);

impl Drop for Guest {
    fn drop(&mut self) {
        // Gone already, unless something has failed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(super) struct Cast {
    folder: PathBuf,
    broadcast: String,
    shape: Shape,
    rng: Rng,
    control: Words,
    session: u32,
    tally: Tally,
}

impl Cast {
    pub(super) fn new(
        folder: &Path,
        number: usize,
        shape: Shape,
        seed: u64,
    ) -> Result<Self, String> {
        let broadcast = format!("soak-{}-b{number}", std::process::id());
        let folder = folder.join(format!("broadcast-{number}"));
        fs::create_dir_all(&folder).map_err(shown)?;
        let control = Words::open(&folder.join("control"), CONTROLS).map_err(shown)?;
        Ok(Self {
            folder,
            broadcast,
            shape,
            rng: Rng::new(seed ^ (number as u64) << 48),
            control,
            session: 0,
            tally: Tally::default(),
        })
    }

    /// Lets it live until `end`, then finishes what was begun and counts.
    pub(super) fn run(mut self, end: Instant) -> Result<Tally, String> {
        let result = self.live(end);
        result.map_err(|what| format!("broadcast {}: {what}", self.broadcast))?;
        let name = format!("/dev/shm/kren-{}", self.broadcast);
        if Path::new(&name).exists() {
            return Err(format!("{name} was left behind"));
        }
        self.tally
            .settle(&self.folder, self.session, self.shape.longest)?;
        let ends = self.tally.ends.clone();
        self.check_turns(&ends)?;
        for number in 0..KINDS.len() {
            let words = self.words(&format!("subscriber-{number}"), 2)?;
            self.tally.broadcast += words.get(0);
            self.tally.missed += words.get(1);
        }
        Ok(self.tally)
    }

    fn words(&self, name: &str, count: usize) -> Result<Words, String> {
        Words::open(&self.folder.join(name), count).map_err(shown)
    }

    fn live(&mut self, end: Instant) -> Result<(), String> {
        let first = KrenPublisher::create(&self.broadcast, self.shape.capacity).map_err(shown)?;
        // Keeps the name, and holds nobody up: when all others are gone, the durable one's place is still there.
        let observer = KrenSubscriber::options()
            .lossy(true)
            .connect(&self.broadcast);
        let observer = observer.map_err(shown)?;
        first.close().map_err(shown)?;
        let mut guests = vec![None, Some(self.start(1)?)];
        let there = self.words("reader", 2)?;
        let started = Instant::now();
        while there.get(1) == 0 {
            if started.elapsed() > WEDGED {
                return Err("the durable subscriber does not come".into());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        for at in 2..CONTROLS {
            guests.push(Some(self.start(at)?));
        }
        guests[PUBLISHER] = Some(self.start(PUBLISHER)?);
        let mut moved = (Instant::now(), (0, 0));
        while Instant::now() < end {
            std::thread::sleep(Duration::from_millis(2 + self.rng.below(120) as u64));
            for (at, guest) in guests.iter_mut().enumerate() {
                if let Some(Guest(child)) = guest
                    && let Some(status) = child.try_wait().map_err(shown)?
                {
                    return Err(format!("the {} ended: {status}", role(at)));
                }
            }
            self.disturb(&mut guests)?;
            let done = self.words(&format!("writer-{}", self.session), 2)?.get(1);
            let progress = (done, there.get(0));
            if progress != moved.1 {
                moved = (Instant::now(), progress);
            } else if moved.0.elapsed() > WEDGED {
                return Err(format!("nothing has moved for {WEDGED:?}"));
            }
        }
        for (at, guest) in guests.iter_mut().enumerate() {
            self.control
                .set(at, if at == PUBLISHER { STOP } else { LAST });
            if let Some(guest) = guest.take() {
                self.leave(at, guest)?;
            }
        }
        observer.close().map_err(shown)
    }

    /// Does one thing to one process, or to all at once.
    fn disturb(&mut self, guests: &mut [Option<Guest>]) -> Result<(), String> {
        let at = self.rng.below(guests.len());
        match self.rng.below(12) {
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
                    process::send(guest.0.id(), libc::SIGSTOP);
                    std::thread::sleep(Duration::from_millis(self.rng.below(300) as u64));
                    process::send(guest.0.id(), libc::SIGCONT);
                }
                self.tally.pauses += 1;
                Ok(())
            }
            2 => {
                (0..guests.len()).try_for_each(|at| self.kill(at, guests))?;
                // The publisher first or last.
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

    fn kill(&mut self, at: usize, guests: &mut [Option<Guest>]) -> Result<(), String> {
        if let Some(mut guest) = guests[at].take() {
            self.tally.killed(role(at), "rust", false);
            guest
                .0
                .kill()
                .and_then(|()| guest.0.wait())
                .map_err(shown)?;
        }
        Ok(())
    }

    fn replace(&mut self, at: usize, guests: &mut [Option<Guest>]) -> Result<(), String> {
        if self.rng.once_in(4) {
            std::thread::sleep(Duration::from_millis(self.rng.below(200) as u64));
        }
        self.control.set(at, 0);
        guests[at] = Some(self.start(at)?);
        Ok(())
    }

    fn start(&mut self, at: usize) -> Result<Guest, String> {
        let (part, number) = match at {
            PUBLISHER => {
                self.session += 1;
                // Made here, so that one that dies early has noted that it wrote nothing.
                self.words(&format!("writer-{}", self.session), 2)?;
                ("soak-publisher", self.session as usize)
            }
            at => ("soak-subscriber", at - 1),
        };
        let mut command = Command::new(std::env::current_exe().map_err(shown)?);
        command.arg(part).arg(&self.folder).arg(&self.broadcast);
        let figures = [self.shape.capacity, self.shape.longest, number];
        command.args(figures.map(|figure| figure.to_string()));
        command.stdin(Stdio::null()).stdout(Stdio::null());
        process::die_with_parent(&mut command);
        command.spawn().map(Guest).map_err(shown)
    }

    fn leave(&self, at: usize, mut guest: Guest) -> Result<(), String> {
        leave(&mut guest.0, role(at))
    }

    /// Where one publisher's messages are followed by another's, each subscriber has missed what its count says, by the ends that
    /// the durable one has seen.
    fn check_turns(&self, ends: &BTreeMap<u32, u64>) -> Result<(), String> {
        let turns = fs::read_to_string(self.folder.join("turns")).unwrap_or_default();
        let end = |session: u64| ends.get(&(session as u32)).copied().unwrap_or(0);
        for line in turns.lines() {
            let figures: Vec<u64> = line
                .split(' ')
                .filter_map(|word| word.parse().ok())
                .collect();
            let [from, next, gap, to, number] = figures[..] else {
                return Err(format!("the turns have the line '{line}'"));
            };
            let between: u64 = (from + 1..to).map(end).sum();
            if from >= to || end(from) + between + number != next + gap {
                return Err(format!(
                    "{gap} missed from ({from}, {next}) to ({to}, {number})"
                ));
            }
        }
        Ok(())
    }
}

fn role(at: usize) -> &'static str {
    match at {
        PUBLISHER => "publisher",
        at => match KINDS[at - 1] {
            "durable" => "durable subscriber",
            "lossy" => "lossy subscriber",
            _ => "lossless subscriber",
        },
    }
}
