//! What a bridge has done and how it fares, kept in a small file that `kren-bridge status`, `kren ls` and `kren top` read.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Which way a channel is carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// From here.
    Export,
    /// To here.
    Import,
}

/// How one channel fares.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    /// `channel` or `broadcast`.
    pub kind: &'static str,
    /// In words.
    pub state: String,
    /// The machine on the other side, if one is known.
    pub machine: Option<String>,
    /// Messages that are safe on the far side, or came here.
    pub messages: u64,
    /// Bytes of frames.
    pub bytes: u64,
    /// How often the sender went back, to send again.
    pub resends: u64,
    /// Messages that came again, and were dropped.
    pub duplicates: u64,
    /// How often something was missing before what came.
    pub gaps: u64,
    /// The last round trip.
    pub round_trip: Option<Duration>,
}

/// How all of them fare.
pub struct Board {
    folder: PathBuf,
    about: Value,
    entries: Mutex<BTreeMap<(Direction, String), Entry>>,
}

impl Board {
    /// One whose file is in `folder`; `about` is what is said of the process.
    #[must_use]
    pub fn new(folder: PathBuf, about: Value) -> Self {
        Self {
            folder,
            about,
            entries: Mutex::default(),
        }
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<(Direction, String), Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is said of a channel.
    pub fn note(&self, direction: Direction, channel: &str, change: impl FnOnce(&mut Entry)) {
        let mut entries = self.entries();
        change(entries.entry((direction, channel.to_owned())).or_default());
    }

    /// Takes a channel out.
    pub fn forget(&self, direction: Direction, channel: &str) {
        self.entries().remove(&(direction, channel.to_owned()));
    }

    /// All that is said: of the process, of its links and of each channel.
    #[must_use]
    pub fn document(&self, peers: usize) -> Value {
        let entries = self.entries().clone();
        let channels: Vec<Value> = entries
            .iter()
            .map(|((direction, channel), entry)| described(*direction, channel, entry))
            .collect();
        let mut document = self.about.clone();
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        document["pid"] = std::process::id().into();
        document["peers"] = peers.into();
        document["written"] = now.map_or(0, |now| now.as_secs()).into();
        document["channels"] = channels.into();
        document
    }

    /// Writes the file anew.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn write(&self, peers: usize) -> io::Result<()> {
        let file = self.file();
        let new = file.with_extension("new");
        fs::write(&new, self.document(peers).to_string())?;
        fs::rename(new, file)
    }

    /// Removes it.
    pub fn remove(&self) {
        // It may have been removed by somebody else.
        let _ = fs::remove_file(self.file());
    }

    fn file(&self) -> PathBuf {
        self.folder.join(format!("{}.json", std::process::id()))
    }

    /// Where it is noted that something of a channel has been carried.
    fn carried(&self, realm: &str, channel: &str) -> PathBuf {
        self.folder.join(format!("carried-{realm}@{channel}"))
    }

    /// Whether something of this segment has been carried, by whatever bridge of this machine.
    #[must_use]
    pub fn was_carried(&self, realm: &str, channel: &str, instance: u64) -> bool {
        let noted = fs::read_to_string(self.carried(realm, channel));
        noted.is_ok_and(|noted| noted == format!("{instance:016x}"))
    }

    /// Notes that it was.
    pub fn note_carried(&self, realm: &str, channel: &str, instance: u64) {
        let noted = fs::write(self.carried(realm, channel), format!("{instance:016x}"));
        if let Err(error) = noted {
            tracing::warn!(
                "{} cannot be written to ({error}): should the far side of '{channel}' lose its memory, nobody will be told of a gap",
                self.folder.display()
            );
        }
    }
}

fn described(direction: Direction, channel: &str, entry: &Entry) -> Value {
    let waiting = match direction {
        Direction::Export => kren_core::inspect::channel(channel).ok(),
        Direction::Import => None,
    };
    let waiting = waiting
        .as_ref()
        .and_then(|seen| seen.segment()?.ring.as_ref());
    json!({
        "name": channel,
        "direction": match direction {
            Direction::Export => "export",
            Direction::Import => "import",
        },
        "kind": entry.kind,
        "state": entry.state,
        "machine": entry.machine,
        "messages": entry.messages,
        "bytes": entry.bytes,
        "lag_messages": waiting.map(kren_core::inspect::Ring::undelivered),
        "lag_bytes": waiting.map(kren_core::inspect::Ring::used),
        "resends": entry.resends,
        "duplicates": entry.duplicates,
        "gaps": entry.gaps,
        "round_trip_us": entry.round_trip.map(|time| time.as_micros() as u64),
    })
}

/// Makes the folder, for this user alone, or makes sure that it is this user's.
///
/// # Errors
///
/// A sentence.
pub fn prepare(folder: &Path) -> Result<(), String> {
    let says = |error: io::Error| format!("{}: {error}", folder.display());
    match fs::DirBuilder::new()
        .mode(0o700)
        .recursive(true)
        .create(folder)
    {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(says(error)),
        _ => {}
    }
    let found = fs::symlink_metadata(folder).map_err(says)?;
    // SAFETY: it cannot fail and touches nothing.
    #[allow(unsafe_code)]
    let user = unsafe { libc::geteuid() };
    match found.is_dir() && found.uid() == user {
        true => Ok(()),
        false => Err(format!(
            "{} is not a folder of this user's: give another with --state",
            folder.display()
        )),
    }
}

/// What all live bridges say whose files are in `folder`; files of dead ones are removed.
#[must_use]
pub fn read(folder: &Path) -> Vec<Value> {
    let Ok(files) = fs::read_dir(folder) else {
        return vec![];
    };
    let read = |path: PathBuf| {
        let pid: u32 = path.file_stem()?.to_str()?.parse().ok()?;
        if path.extension()? != "json" {
            return None;
        }
        if !Path::new(&format!("/proc/{pid}")).exists() {
            let _ = fs::remove_file(path);
            return None;
        }
        serde_json::from_str(&fs::read_to_string(path).ok()?).ok()
    };
    files
        .flatten()
        .filter_map(|file| read(file.path()))
        .collect()
}
