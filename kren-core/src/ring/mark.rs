//! Marks: where records start, and how many messages come before them. `docs/spec/ring.md`, R9 and R10.
//!
//! Counts are stored behind positions, so a death between the two leaves a count that belongs to an earlier
//! position. A mark is a pair that belongs together; from the nearest one a successor counts the records up to its
//! position. The same pairs tell a reader that comes late, or too late, where it may start.

use super::record::{commit_word, stride};
use super::{Memory, Shape};
use crate::Role;
use crate::layout::{ALIGNMENT_MIN, MARKS, Mark, POSITION_NONE};
use crate::sync::{Ordering, fence};

/// Tries of [`messages_before`], whose marks a live writer may change meanwhile.
const ATTEMPTS: u32 = 4;

/// A position where a record starts, and the messages before it.
pub(crate) type Pair = (u64, u64);

/// Says that `at.1` messages end at `at.0`, where the next record will start, and that nothing from `frontier` on is
/// touched before the next mark is left.
///
/// The mark numbered `number` is the oldest. The others keep their promise meanwhile: the last one left covers
/// everything up to the last frontier (R10).
pub(super) fn leave_mark<M: Memory>(memory: &M, number: usize, at: Pair, frontier: u64) {
    // Asked for anew for each store, so that the tests can die before each.
    let page = || memory.page(Role::Writer);
    let mark = || &page().marks[number];
    mark().position.store(POSITION_NONE, Ordering::Relaxed);
    // Pairs with the fence in `load`: who sees the new count sees that the old position is gone.
    fence(Ordering::Release);
    mark().count.store(at.1, Ordering::Relaxed);
    // Release: pairs with the Acquire load in `load`.
    mark().position.store(at.0, Ordering::Release);
    // Release: pairs with the Acquire load in `count_from_marks`; who sees this frontier sees the mark that it does not reach.
    page().reach.0.frontier.store(frontier, Ordering::Release);
    // Pairs with the Acquire fence of whoever has read bytes that may be overwritten, and then looks at the frontier:
    // if it saw one of the stores that follow, it sees this frontier (R9).
    fence(Ordering::Release);
}

/// A mark as a whole; `None` while it is being changed.
fn load(mark: &Mark) -> Option<Pair> {
    // Acquire: pairs with the Release store in `leave_mark`.
    let position = mark.position.load(Ordering::Acquire);
    let count = mark.count.load(Ordering::Relaxed);
    // Pairs with the first fence in `leave_mark`.
    fence(Ordering::Acquire);
    let is_whole = mark.position.load(Ordering::Relaxed) == position;
    (is_whole && position != POSITION_NONE).then_some((position, count))
}

/// The marks that are whole.
pub(crate) fn marks<M: Memory>(memory: &M) -> impl Iterator<Item = Pair> + '_ {
    memory.page(Role::Writer).marks.iter().filter_map(load)
}

/// The mark to be changed next: the one with the lowest position, or one that a death has left unfinished.
pub(super) fn oldest_mark<M: Memory>(memory: &M) -> usize {
    let position = |number: &usize| {
        let mark = &memory.page(Role::Writer).marks[*number];
        // Unfinished counts as 0. Relaxed: this side is the only one that stores them.
        mark.position.load(Ordering::Relaxed).wrapping_add(1)
    };
    (0..MARKS).min_by_key(position).unwrap_or(0)
}

/// How many messages come before `position`, which `role` has stored, since the ring was made.
///
/// Where damage leads no mark there, this is what `role` has stored: a count is a figure, nothing is read or written
/// on the strength of it.
pub(crate) fn messages_before<M: Memory>(
    memory: &M,
    shape: &Shape,
    role: Role,
    position: u64,
) -> u64 {
    let count = (0..ATTEMPTS)
        .find_map(|_| count_from_marks(memory, shape, position))
        // Relaxed: see above.
        .unwrap_or_else(|| memory.page(role).progress.0.count.load(Ordering::Relaxed));
    bounded(count, position)
}

/// No more messages than can lie before `position`: damage must not make the sums overflow.
pub(super) fn bounded(count: u64, position: u64) -> u64 {
    count.min(position / ALIGNMENT_MIN as u64)
}

fn count_from_marks<M: Memory>(memory: &M, shape: &Shape, position: u64) -> Option<u64> {
    let page = memory.page(Role::Writer);
    let (mut below, mut above): (Option<Pair>, Option<Pair>) = (None, None);
    for mark in marks(memory) {
        if mark.0 > position {
            above = above.filter(|above| above.0 < mark.0).or(Some(mark));
        } else {
            below = below.filter(|below| below.0 > mark.0).or(Some(mark));
        }
    }
    let from_below = below.and_then(|(start, count)| {
        let records = records_between(memory, shape, start, position)?;
        // Pairs with the last fence in `leave_mark`.
        fence(Ordering::Acquire);
        // Acquire: pairs with the Release store in `leave_mark`; if that mark was overwritten, the next try finds a later one.
        let frontier = page.reach.0.frontier.load(Ordering::Acquire);
        // Overwritten while we counted, or before.
        let is_whole = start.saturating_add(shape.data_len as u64) >= frontier;
        is_whole.then(|| count.wrapping_add(records))
    });
    // What lies behind the position has not been released, so nothing of it is overwritten.
    from_below.or_else(|| {
        let (end, count) = above?;
        count.checked_sub(records_between(memory, shape, position, end)?)
    })
}

/// The committed records from `start` to exactly `end`; `None` if they do not lead there.
fn records_between<M: Memory>(memory: &M, shape: &Shape, start: u64, end: u64) -> Option<u64> {
    if end - start > shape.data_len as u64 || !start.is_multiple_of(shape.alignment as u64) {
        return None;
    }
    let mut at = start;
    let mut records = 0;
    while at < end {
        let header = memory.header(shape.header_at(shape.offset(at)));
        // Acquire: pairs with the Release store in `Producer::commit`.
        let word = commit_word(header.load(Ordering::Acquire));
        let len = (word as usize).checked_sub(1)?;
        if len > shape.max_len {
            return None;
        }
        at += stride(len, shape.alignment) as u64;
        records += 1;
    }
    (at == end).then_some(records)
}
