//! The importing side: learns what is exported, and commits what comes to mirrors here.

mod channel;

use crate::link::Link;
use crate::mirror::OnGap;
use crate::pattern;
use crate::status::Board;
use crate::stop;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often it is looked whether to stop.
const PAUSE: Duration = Duration::from_millis(200);
/// After which nobody found is worth a word.
const LONELY: Duration = Duration::from_secs(5);

/// What the importing side works with.
#[derive(Clone)]
pub struct Import {
    /// By which frames travel.
    pub link: Arc<Link>,
    /// Where it is noted how it goes.
    pub board: Arc<Board>,
    /// Names, and patterns.
    pub patterns: Arc<[String]>,
    /// What to do where messages are missing.
    pub on_gap: OnGap,
}

impl Import {
    /// Carries what is exported, until it is told to stop.
    ///
    /// # Errors
    ///
    /// What zenoh says.
    pub fn run(&self) -> Result<(), String> {
        let (tell, told) = mpsc::channel();
        let _watch = self.link.watch(move |name, is_there| {
            // Nobody listens any more at the end.
            let _ = tell.send((name.to_owned(), is_there));
        })?;
        let mut threads: HashMap<String, Carried> = HashMap::new();
        let mut exported = HashSet::new();
        let started = Instant::now();
        let mut is_lonely = true;
        let mut has_said = false;
        while !stop::is_asked() {
            threads.retain(|_, carried| !carried.thread.is_finished());
            if let Ok((name, is_there)) = told.recv_timeout(PAUSE) {
                let is_wanted = self
                    .patterns
                    .iter()
                    .any(|pattern| pattern::matches(pattern, &name));
                if !is_wanted || !pattern::is_name(&name) {
                    continue;
                }
                is_lonely = false;
                match is_there {
                    true => exported.insert(name.clone()),
                    false => exported.remove(&name),
                };
                if let Some(carried) = threads.get(&name) {
                    // Relaxed: a hint.
                    carried.is_there.store(is_there, Ordering::Relaxed);
                }
            }
            // Also one whose thread has just ended with the stream before.
            for name in &exported {
                if !threads.contains_key(name) {
                    threads.insert(name.clone(), self.start(name.clone()));
                }
            }
            if is_lonely && !has_said && started.elapsed() >= LONELY {
                has_said = true;
                self.say_who_is_there();
            }
        }
        for carried in threads.into_values() {
            // One that has panicked has said so.
            let _ = carried.thread.join();
        }
        Ok(())
    }

    fn start(&self, name: String) -> Carried {
        let is_there = Arc::new(AtomicBool::new(true));
        Carried {
            thread: channel::start(self.clone(), name, Arc::clone(&is_there)),
            is_there,
        }
    }

    /// Nothing that is wanted was found: a wrong name, a wrong realm, or nobody at all.
    fn say_who_is_there(&self) {
        let wanted = self.patterns.join(", ");
        let realm = self.link.realm();
        let others: Vec<_> = self
            .link
            .realms()
            .into_iter()
            .filter(|other| other != realm)
            .collect();
        if self.link.peers() == 0 {
            tracing::warn!("no other bridge has been reached yet; it is tried again until one is");
        } else if others.is_empty() {
            tracing::warn!(
                "nothing that is called {wanted} is exported in the realm '{realm}' yet; it is waited for"
            );
        } else {
            tracing::warn!(
                "nothing that is called {wanted} is exported in the realm '{realm}', but there is something in: {}. Is --realm the same on both sides?",
                others.join(", ")
            );
        }
    }
}

/// A channel that is carried.
struct Carried {
    thread: JoinHandle<()>,
    /// Somebody exports it, and can be reached.
    is_there: Arc<AtomicBool>,
}
