//! Threads, each for something that is exported somewhere, and by its name.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// All of them.
#[derive(Default)]
pub struct Crew {
    hands: HashMap<String, Hand>,
    exported: HashSet<String>,
}

struct Hand {
    thread: JoinHandle<()>,
    /// Somebody exports it, and can be reached.
    is_there: Arc<AtomicBool>,
}

impl Crew {
    /// Somebody exports `name`, or nobody does any more who can be reached.
    pub fn told(&mut self, name: &str, is_there: bool) {
        match is_there {
            true => self.exported.insert(name.to_owned()),
            false => self.exported.remove(name),
        };
        if let Some(hand) = self.hands.get(name) {
            // Relaxed: a hint.
            hand.is_there.store(is_there, Ordering::Relaxed);
        }
    }

    /// Sees to it that there is a thread for all that is exported: also for what one has just ended with.
    pub fn tend(&mut self, mut start: impl FnMut(&str, Arc<AtomicBool>) -> JoinHandle<()>) {
        self.hands.retain(|_, hand| !hand.thread.is_finished());
        for name in &self.exported {
            if !self.hands.contains_key(name) {
                self.hands
                    .insert(name.clone(), Hand::start(name, &mut start));
            }
        }
    }

    /// Sees to it that there is a thread for `name`, exported or not.
    pub fn ensure(
        &mut self,
        name: &str,
        mut start: impl FnMut(&str, Arc<AtomicBool>) -> JoinHandle<()>,
    ) {
        if !self.hands.contains_key(name) {
            self.hands
                .insert(name.to_owned(), Hand::start(name, &mut start));
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.hands.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hands.is_empty()
    }

    /// Waits for all of them, which end as they see that they are to.
    pub fn join(self) {
        for hand in self.hands.into_values() {
            // One that has panicked has said so.
            let _ = hand.thread.join();
        }
    }
}

impl Hand {
    fn start(name: &str, start: &mut impl FnMut(&str, Arc<AtomicBool>) -> JoinHandle<()>) -> Self {
        let is_there = Arc::new(AtomicBool::new(true));
        Self {
            thread: start(name, Arc::clone(&is_there)),
            is_there,
        }
    }
}
