//! The ends that sleep on one bell: who is announced, who is to be looked at, who may have died.
//!
//! A wake-up costs what was rung, not what is waited for: an announcement stands until it was answered, and the bits of
//! the bell say whose it was.

use crate::Error;
use crate::endpoint::Spot;
use crate::interest::{Look, Point};
use crate::layout::SLOTS;
use crate::segment::Bell;
use crate::wait::{SLICE, bell};
use std::collections::{HashSet, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long the owner sleeps at most while it cannot rely on being rung (W9).
const BRIEF: Duration = Duration::from_millis(1);
/// In how many rounds of 100 ms each end is asked for by itself, whoever stands for it.
const ROUNDS: usize = 64;
/// In how many rounds at most each end's page is looked at: most of what many ends cost while nothing happens.
const PAGE_ROUNDS: usize = 8;
/// Of so many ends all pages are looked at in each round.
const FEW: usize = 64;

/// One end that is waited for, and what goes with it.
struct Entry<T> {
    point: Box<dyn Point>,
    tag: T,
    /// It is in the list of those to be looked at.
    is_listed: bool,
    /// Its announcement stands, and has not been answered.
    is_announced: bool,
    /// Ask the system whether the peer lives before it is left alone.
    is_doubtful: bool,
    /// Its peer cannot be relied on to ring.
    is_shaky: bool,
    /// Of the peer's count of bells that it could not ring, what was seen last.
    unrung: u32,
}

/// Who is on the other side of an end. Apart from the end itself, which is in no cache when all are gone over.
struct Other {
    /// The process, as it was seen last.
    peer: (u32, u32),
    is_silent: bool,
}

impl Other {
    /// Whether nobody was there yet, when that was seen last.
    fn is_unvisited(&self) -> bool {
        self.peer.0 == 0
    }
}

impl<T> Entry<T> {
    /// `Err`: nothing before the peer has reached this position.
    fn look(&mut self, other: &mut Other) -> std::result::Result<Found, u64> {
        match self.point.look() {
            Look::Ready => Ok(Found::Ready),
            Look::Gone => Ok(Found::Gone),
            Look::Not(wanted) if !self.is_doubtful => Err(wanted),
            Look::Not(wanted) if !self.point.is_deserted() => {
                self.is_doubtful = false;
                // It may be another one by now.
                other.peer = self.point.peer();
                Err(wanted)
            }
            // Once more: what the peer committed before it went is not passed over.
            Look::Not(_) => Ok(match self.point.look() {
                Look::Ready => Found::Ready,
                _ => Found::Gone,
            }),
        }
    }

    fn report(&mut self, slot: u16, found: Found, of: &mut dyn FnMut(u16, &T, Found)) {
        // It is looked at again before the next sleep: until then nobody need ring.
        self.point.withdraw();
        self.is_announced = false;
        self.is_listed = true;
        of(slot, &self.tag, found);
    }
}

/// What could not be added, and why.
pub(crate) struct Refused<T> {
    pub(crate) error: Error,
    #[allow(dead_code, reason = "to be dropped where its owner likes")]
    pub(crate) point: Box<dyn Point>,
    #[allow(dead_code, reason = "as above")]
    pub(crate) tag: T,
}

/// What is found at an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    Ready,
    Gone,
}

/// The ends that one bell serves; a slot each.
pub(crate) struct Table<T> {
    bell: Arc<Bell>,
    entries: Vec<Option<Entry<T>>>,
    /// Of each of them.
    others: Vec<Option<Other>>,
    free: Vec<u16>,
    /// Those to be looked at, each once.
    list: VecDeque<u16>,
    /// Those that have been announced and not been looked at since.
    fresh: Vec<u16>,
    shaky: usize,
    silent: usize,
    count: usize,
    checked: Instant,
    /// Where the next round of questions begins, and that of looks at pages.
    turn: usize,
    page_turn: usize,
}

impl<T> Table<T> {
    pub(crate) fn new(bell: Arc<Bell>) -> Self {
        Self {
            bell,
            entries: Vec::new(),
            others: Vec::new(),
            free: Vec::new(),
            list: VecDeque::new(),
            fresh: Vec::new(),
            shaky: 0,
            silent: 0,
            count: 0,
            checked: Instant::now(),
            turn: 0,
            page_turn: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Adds an end, which is looked at in the next round.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`]: another selector has it. [`Error::InvalidOption`]: the bell has no slot left. [`Error::Forked`]. With
    /// what was to be added, as [`Table::remove`] gives it back.
    pub(crate) fn insert(
        &mut self,
        point: Box<dyn Point>,
        tag: T,
    ) -> std::result::Result<u16, Box<Refused<T>>> {
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None if self.entries.len() < SLOTS => {
                self.entries.push(None);
                self.others.push(None);
                (self.entries.len() - 1) as u16
            }
            None => {
                let error = Error::InvalidOption {
                    channel: Arc::clone(point.name()),
                    option: "selector",
                    reason: "it waits for 30,720 ends already, which is as many as one can; use another one for the rest",
                };
                return Err(Box::new(Refused { error, point, tag }));
            }
        };
        let bell = Arc::clone(&self.bell);
        if let Err(error) = point.begin(Spot { bell, slot }) {
            self.free.push(slot);
            return Err(Box::new(Refused { error, point, tag }));
        }
        let (unrung, is_silent) = (point.unrung(), point.is_silent());
        self.silent += usize::from(is_silent);
        self.others[usize::from(slot)] = Some(Other {
            peer: point.peer(),
            is_silent,
        });
        self.entries[usize::from(slot)] = Some(Entry {
            point,
            tag,
            is_listed: true,
            is_announced: false,
            is_doubtful: true,
            is_shaky: false,
            unrung,
        });
        self.list.push_back(slot);
        self.count += 1;
        Ok(slot)
    }

    /// What is given back is dropped by the caller, who may have to let go of a lock first.
    pub(crate) fn remove(&mut self, slot: u16) -> Option<(Box<dyn Point>, T)> {
        let entry = self.entries.get_mut(usize::from(slot))?.take()?;
        entry.point.end();
        self.shaky -= usize::from(entry.is_shaky);
        let other = self.others[usize::from(slot)].take();
        self.silent -= usize::from(other.is_some_and(|other| other.is_silent));
        self.count -= 1;
        if entry.is_listed {
            self.list.retain(|listed| *listed != slot);
        }
        self.free.push(slot);
        Some((entry.point, entry.tag))
    }

    pub(crate) fn tag(&self, slot: u16) -> Option<&T> {
        let entry = self.entries.get(usize::from(slot))?.as_ref()?;
        Some(&entry.tag)
    }

    /// Puts an end on the list of those to be looked at.
    fn list(&mut self, slot: u16) {
        if let Some(Some(entry)) = self.entries.get_mut(usize::from(slot))
            && !entry.is_listed
        {
            entry.is_listed = true;
            self.list.push_back(slot);
        }
    }

    /// Lists those that were rung for since the last time.
    pub(crate) fn hear(&mut self) {
        let words = self.entries.len().div_ceil(64);
        let bell = Arc::clone(&self.bell);
        bell::take(bell.commons(), words, |slot| {
            if let Some(Some(entry)) = self.entries.get_mut(slot) {
                entry.is_announced = false;
            }
            self.list(slot as u16);
        });
    }

    /// Looks at all that are listed and tells `of` what is there; those stay listed, in another order, and so are looked at
    /// again the next time. If it `sleeps` after it, all others have been announced by then.
    pub(crate) fn round(&mut self, sleeps: bool, of: &mut dyn FnMut(u16, &T, Found)) {
        for _ in 0..self.list.len() {
            let Some(slot) = self.list.pop_front() else {
                break;
            };
            self.look(slot, sleeps, of);
        }
        self.settle(of);
        // Whoever takes one at a time gets another one first each time.
        if self.list.len() > 1 {
            self.list.rotate_left(1);
        }
    }

    /// The same for one end.
    pub(crate) fn look_at(&mut self, slot: u16, of: &mut dyn FnMut(u16, &T, Found)) {
        self.list.retain(|listed| *listed != slot);
        self.look(slot, true, of);
        self.settle(of);
    }

    fn look(&mut self, slot: u16, sleeps: bool, of: &mut dyn FnMut(u16, &T, Found)) {
        let at = usize::from(slot);
        let (Some(Some(entry)), Some(Some(other))) =
            (self.entries.get_mut(at), self.others.get_mut(at))
        else {
            return;
        };
        entry.is_listed = false;
        match entry.look(other) {
            Ok(found) => entry.report(slot, found, of),
            Err(_) if !sleeps => entry.is_listed = true,
            Err(wanted) => {
                if !entry.is_announced && entry.point.announce(wanted) {
                    entry.is_announced = true;
                    // Whoever comes after one that has gone is seen here: that one's end was rung for, or noticed.
                    other.peer = entry.point.peer();
                    self.fresh.push(slot);
                }
                return;
            }
        }
        self.list.push_back(slot);
    }

    /// Lets the barrier pass, and looks once more at those that have just been announced (W3).
    fn settle(&mut self, of: &mut dyn FnMut(u16, &T, Found)) {
        if self.fresh.is_empty() {
            return;
        }
        let fresh = std::mem::take(&mut self.fresh);
        let entries = &mut self.entries;
        let relies = |entries: &[Option<Entry<T>>], slot: &u16| {
            let entry = entries[usize::from(*slot)].as_ref();
            entry.is_some_and(|entry| entry.point.relies_on_barrier())
        };
        let has_passed = bell::pass_barrier(|| fresh.iter().any(|slot| relies(entries, slot)));
        for slot in &fresh {
            let shaky = !has_passed && relies(entries, slot);
            let at = usize::from(*slot);
            let (Some(entry), Some(other)) = (entries[at].as_mut(), self.others[at].as_mut())
            else {
                continue;
            };
            if shaky && !entry.is_shaky {
                entry.is_shaky = true;
                self.shaky += 1;
            }
            if let Ok(found) = entry.look(other) {
                entry.report(*slot, found, of);
                self.list.push_back(*slot);
            }
        }
        self.fresh = fresh;
        self.fresh.clear();
    }

    /// How long the owner may sleep.
    pub(crate) fn slice(&self) -> Duration {
        if self.shaky > 0 { BRIEF } else { SLICE }
    }

    /// Looks for what nobody rings for: deaths, and peers that cannot ring. To be called after each sleep; tells whether
    /// something is to be looked at.
    ///
    /// One question for each process on the other side stands for all its channels; each end is asked for by itself from
    /// time to time, in case its peer says that it is another process than it is. Of many ends the pages are looked at in
    /// turns, since they are in no cache by then: who is on the other side is remembered meanwhile.
    pub(crate) fn check(&mut self, now: Instant) -> bool {
        if self.shaky > 0 {
            self.list_where(|entry, _| {
                entry.is_shaky && !matches!(entry.point.look(), Look::Not(_))
            });
        }
        if now.duration_since(self.checked) >= SLICE {
            self.checked = now;
            self.ask_around();
        }
        !self.list.is_empty()
    }

    fn ask_around(&mut self) {
        let total = self.entries.len();
        let asked_by_itself = next_share(&mut self.turn, total, total.div_ceil(ROUNDS));
        let pages = total.div_ceil(PAGE_ROUNDS).max(FEW);
        let looked_at = next_share(&mut self.page_turn, total, pages);
        let mut asked = HashSet::new();
        let mut died = HashSet::new();
        // Ends that were added together mostly have the same process on the other side.
        let mut last = None;
        for (at, other) in self.others.iter_mut().enumerate() {
            let Some(other) = other else { continue };
            let is_looked_at = looked_at.contains(&at);
            let is_among_others = last == Some(other.peer) || asked.contains(&other.peer);
            let is_due = is_looked_at || other.is_silent || asked_by_itself.contains(&at);
            if is_among_others && !is_due && !other.is_unvisited() {
                last = Some(other.peer);
                continue;
            }
            let Some(entry) = &mut self.entries[at] else {
                continue;
            };
            if is_looked_at {
                let unrung = entry.point.unrung();
                if unrung != entry.unrung {
                    entry.unrung = unrung;
                    if !entry.is_shaky {
                        entry.is_shaky = true;
                        self.shaky += 1;
                    }
                }
            }
            if is_looked_at || !is_among_others || other.is_unvisited() {
                // Before it stands for a process it must still be that one's.
                other.peer = entry.point.peer();
            }
            let is_first = last.replace(other.peer) != Some(other.peer) && asked.insert(other.peer);
            let is_asked = is_first || other.is_silent || asked_by_itself.contains(&at);
            if is_asked && entry.point.is_deserted() {
                died.insert(other.peer);
            }
        }
        if died.is_empty() && self.silent == 0 {
            return;
        }
        self.list_where(|entry, other| {
            let is_doubtful = died.contains(&other.peer);
            entry.is_doubtful |= is_doubtful;
            is_doubtful || other.is_silent
        });
    }

    fn list_where(&mut self, mut which: impl FnMut(&mut Entry<T>, &Other) -> bool) {
        let both = self.entries.iter_mut().zip(&self.others);
        for (at, both) in both.enumerate() {
            if let (Some(entry), Some(other)) = both
                && which(entry, other)
                && !entry.is_listed
            {
                entry.is_listed = true;
                self.list.push_back(at as u16);
            }
        }
    }
}

/// The next `share` of `total`, which begins at `turn`.
fn next_share(turn: &mut usize, total: usize, share: usize) -> Range<usize> {
    let (from, to) = (*turn, *turn + share);
    *turn = if to >= total { 0 } else { to };
    from..to
}
