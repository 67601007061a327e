//! Several ends that are waited for as one: the lanes of an inbox, say, and those who join it.

use crate::endpoint::Spot;
use crate::interest::{Interest, Look, Point};
use crate::wait::SLICE;
use crate::{Error, Result};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The ends of one side, which adds to them and takes from them also while they are waited for.
///
/// All of them ring for one slot of the sleeper's bell, so each wait looks at every end: it costs as much as there are ends.
#[derive(Clone)]
pub(crate) struct Group(Arc<Shared>);

struct Shared {
    name: Arc<str>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Whose bell rings; `None` while nobody waits.
    spot: Option<Spot>,
    parts: Vec<Part>,
    /// When their peers were last asked for.
    asked: Option<Instant>,
}

struct Part {
    key: u64,
    point: Box<dyn Point>,
    /// Its peer was found to be dead.
    is_deserted: bool,
}

impl Group {
    pub(crate) fn new(name: &Arc<str>) -> Self {
        Self(Arc::new(Shared {
            name: Arc::clone(name),
            state: Mutex::default(),
        }))
    }

    /// Adds an end; one that has been added with the same key goes.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`]: somebody else waits for the end.
    pub(crate) fn add(&self, key: u64, interest: Interest) -> Result<()> {
        self.remove(key);
        let mut state = self.0.lock();
        if let Some(spot) = &state.spot {
            interest.0.begin(spot.clone())?;
            // It is looked at, and announced, with the others.
            spot.ring();
        }
        state.parts.push(Part {
            key,
            point: interest.0,
            is_deserted: false,
        });
        Ok(())
    }

    pub(crate) fn remove(&self, key: u64) {
        let mut state = self.0.lock();
        let Some(at) = state.parts.iter().position(|part| part.key == key) else {
            return;
        };
        let part = state.parts.swap_remove(at);
        if state.spot.is_some() {
            part.point.end();
        }
    }

    /// Whether somebody waits for it.
    pub(crate) fn is_awaited(&self) -> bool {
        self.0.lock().spot.is_some()
    }

    /// The ends whose peers are gone and have left nothing.
    pub(crate) fn gone(&self) -> Vec<u64> {
        let state = self.0.lock();
        let gone = |part: &&Part| part.is_deserted || part.point.look() == Look::Gone;
        state
            .parts
            .iter()
            .filter(gone)
            .map(|part| part.key)
            .collect()
    }

    /// That something is to be seen at one of the ends.
    pub(crate) fn interest(&self) -> Interest {
        Interest(Box::new(self.clone()))
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Point for Group {
    fn name(&self) -> &Arc<str> {
        &self.0.name
    }

    fn begin(&self, spot: Spot) -> Result<()> {
        let mut state = self.0.lock();
        if state.spot.is_some() {
            return Err(Error::Busy {
                channel: Arc::clone(&self.0.name),
            });
        }
        for (at, part) in state.parts.iter().enumerate() {
            if let Err(error) = part.point.begin(spot.clone()) {
                state.parts[..at].iter().for_each(|part| part.point.end());
                return Err(error);
            }
        }
        state.spot = Some(spot);
        Ok(())
    }

    fn end(&self) {
        let mut state = self.0.lock();
        state.spot = None;
        state.parts.iter().for_each(|part| part.point.end());
    }

    fn look(&self) -> Look {
        let state = self.0.lock();
        // One that is gone is news as well: the owner has to take it out.
        let is_news = |part: &Part| !matches!(part.point.look(), Look::Not(_));
        match state.parts.iter().any(is_news) {
            true => Look::Ready,
            false => Look::Not(0),
        }
    }

    fn announce(&self, _wanted: u64) -> bool {
        for part in &self.0.lock().parts {
            // Whatever is ready is found by the look that follows; and who cannot be announced now rings by himself.
            if let Look::Not(wanted) = part.point.look() {
                part.point.announce(wanted);
            }
        }
        true
    }

    fn withdraw(&self) {
        let state = self.0.lock();
        state.parts.iter().for_each(|part| part.point.withdraw());
    }

    fn relies_on_barrier(&self) -> bool {
        let state = self.0.lock();
        state
            .parts
            .iter()
            .any(|part| part.point.relies_on_barrier())
    }

    fn is_deserted(&self) -> bool {
        let mut state = self.0.lock();
        // Each wait asks as it begins: the system is not asked as often as messages come.
        if state.asked.is_none_or(|asked| asked.elapsed() >= SLICE) {
            state.asked = Some(Instant::now());
            for part in &mut state.parts {
                part.is_deserted = part.point.is_deserted();
            }
        }
        state.parts.iter().any(|part| part.is_deserted)
    }

    fn peer(&self) -> (u32, u32) {
        // Many, and so no one whose death would stand for theirs.
        (std::process::id(), crate::os::pid_space())
    }

    fn unrung(&self) -> u32 {
        let state = self.0.lock();
        let counts = state.parts.iter().map(|part| part.point.unrung());
        counts.fold(0, u32::wrapping_add)
    }

    fn is_silent(&self) -> bool {
        // So that each of them is asked for by itself.
        true
    }
}

/// Something that nobody rings for: it is looked at every 100 ms.
pub(crate) struct Silent<F> {
    pub(crate) name: Arc<str>,
    pub(crate) is_there: F,
}

impl<F: Fn() -> bool + Send + Sync + 'static> Silent<F> {
    pub(crate) fn interest(name: &Arc<str>, is_there: F) -> Interest {
        let name = Arc::clone(name);
        Interest(Box::new(Self { name, is_there }))
    }
}

impl<F: Fn() -> bool + Send + Sync> Point for Silent<F> {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn begin(&self, _spot: Spot) -> Result<()> {
        Ok(())
    }

    fn end(&self) {}

    fn look(&self) -> Look {
        match (self.is_there)() {
            true => Look::Ready,
            false => Look::Not(0),
        }
    }

    fn announce(&self, _wanted: u64) -> bool {
        true
    }

    fn withdraw(&self) {}

    fn relies_on_barrier(&self) -> bool {
        false
    }

    fn is_deserted(&self) -> bool {
        false
    }

    fn peer(&self) -> (u32, u32) {
        (std::process::id(), crate::os::pid_space())
    }

    fn unrung(&self) -> u32 {
        0
    }

    fn is_silent(&self) -> bool {
        true
    }
}
