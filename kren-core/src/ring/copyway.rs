//! Which way a writer's long payloads go into the ring.
//!
//! A plain store takes its line away from whoever had it last. Where that is a reader that shares no cache with
//! this processor, lines come one by one at 2 to 8 GB/s; stores that go past the caches (streaming) take none, and
//! go at 14 to 25 anywhere. Near each other it is the other way round: plain stores go at 30 and more, and what was streamed
//! the reader has to fetch from memory. So a writer streams only to a reader that is far away ([`Distance`]), and there
//! times some of its own copies, keeps the way that took less for messages about as long, and tries the other one now
//! and then.

use super::distance::{Distance, Place};
use crate::sync::AtomicU64;
use std::time::Instant;

/// Bytes from which on the way is chosen. With less there is little to gain, and at 1 KiB streaming is half as fast.
pub(crate) const CHOICE_FROM: usize = 4 << 10;
/// Classes of length, each four times the one before.
const CLASSES: usize = 6;
/// Bytes copied between two looks at how far away the reader is: a look takes as long as some 2 KiB.
const LOOK_AFTER: usize = 512 << 10;
/// Bytes of the ring between two looks where room is looked for: in a small ring that is done for every message.
const LOOK_EVERY: u64 = 64 << 10;
/// Every so many copies one is timed, for the same reason.
const TIMED: u32 = 32;
/// Copies between two trials of the other way, which is one copy, at first and at last.
const BETWEEN_MIN: u32 = 2;
const BETWEEN_MAX: u32 = 2048;
/// How many times as long as streaming ones plain copies must take to be given up, in halves.
const WORTH: u64 = 3;

/// How a payload is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// As everything else.
    Plain,
    /// Past the caches.
    Streaming,
}

impl Way {
    fn other(self) -> Self {
        match self {
            Self::Plain => Self::Streaming,
            Self::Streaming => Self::Plain,
        }
    }
}

/// What a writer remembers of its long copies.
pub(crate) struct CopyWay {
    /// Whether there is a choice on this processor.
    is_open: bool,
    distance: Distance,
    /// The position from which on a writer that looks for room looks at it again.
    look_at: u64,
    /// Bytes copied since the last look behind a copy.
    copied: usize,
    classes: [Class; CLASSES],
    last: Way,
}

/// What is known of messages about as long as each other, while the reader is far away.
#[derive(Clone, Copy)]
struct Class {
    way: Way,
    /// Time for each 64 KiB, of the plain way and of the streaming one; 0 before the first.
    costs: [u64; 2],
    /// Copies until the next trial of the other way.
    left: u32,
    /// From one trial to the next.
    between: u32,
}

/// What is to be done with one copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Plan {
    way: Way,
    is_timed: bool,
}

impl CopyWay {
    pub(crate) fn new() -> Self {
        Self {
            is_open: super::copy::can_stream(),
            distance: Distance::new(),
            look_at: 0,
            copied: 0,
            classes: [Class::new(); CLASSES],
            last: Way::Plain,
        }
    }

    /// Whether the last payload went past the caches: then its lines, and those of the next one, are better left alone.
    #[inline]
    pub(crate) fn streams(&self) -> bool {
        self.last == Way::Streaming
    }

    /// Copies a payload as [`copy`](super::copy()) does, in the way that is faster here. `theirs` is a word that the reader
    /// stores with every message, and nobody else.
    ///
    /// # Safety
    ///
    /// As [`copy`](super::copy()).
    #[inline]
    #[allow(unsafe_code)]
    pub(crate) unsafe fn copy(
        &mut self,
        from: *const u8,
        to: *mut u8,
        len: usize,
        theirs: &AtomicU64,
    ) {
        // SAFETY: the caller's.
        unsafe {
            if len < CHOICE_FROM || self.distance.place() != Place::Far {
                self.last = Way::Plain;
                super::copy(from, to, len);
            } else {
                self.copy_far(from, to, len);
                self.look_again(len, theirs);
            }
        }
    }

    /// Looks how far away the reader is, now and then, for a writer at `position` that is about to load its word. `theirs` as in
    /// [`Self::copy`].
    #[cold]
    pub(crate) fn look(&mut self, position: u64, theirs: &AtomicU64) {
        if self.is_open && position >= self.look_at {
            self.look_at = position + LOOK_EVERY;
            self.distance.look(theirs);
        }
    }

    /// The same behind a copy of `len` bytes, now and then: a writer that has waited for room has always just loaded the word, and
    /// would never learn that the reader has come near.
    pub(crate) fn look_again(&mut self, len: usize, theirs: &AtomicU64) {
        self.copied += len;
        if self.is_open && self.copied >= LOOK_AFTER {
            self.copied = 0;
            self.distance.look(theirs);
        }
    }

    /// # Safety
    ///
    /// As [`copy`](super::copy()); `len` is [`CHOICE_FROM`] or more, and the processor knows both ways.
    #[inline(never)]
    #[allow(unsafe_code)]
    unsafe fn copy_far(&mut self, from: *const u8, to: *mut u8, len: usize) {
        let class = &mut self.classes[class_of(len)];
        let plan = class.next();
        self.last = plan.way;
        let start = plan.is_timed.then(Instant::now);
        // SAFETY: the caller's.
        unsafe {
            match plan.way {
                Way::Plain => super::copy(from, to, len),
                Way::Streaming => super::copy::stream(from, to, len),
            }
        }
        if let Some(start) = start {
            // The stores of either way, not only their issue.
            super::copy::drain_stores();
            let time = start.elapsed().as_nanos() as u64;
            class.took(plan.way, (time << 16) / len as u64);
        }
    }
}

/// The class of messages of `len` bytes.
#[inline]
fn class_of(len: usize) -> usize {
    let doublings = len.ilog2().saturating_sub(CHOICE_FROM.ilog2());
    (doublings as usize / 2).min(CLASSES - 1)
}

impl Class {
    const fn new() -> Self {
        Self {
            way: Way::Plain,
            costs: [0; 2],
            left: BETWEEN_MIN,
            between: BETWEEN_MIN,
        }
    }

    /// What to do with the next copy; where it is timed, [`Self::took`] is to be told.
    #[inline]
    fn next(&mut self) -> Plan {
        let left = self.left;
        self.left = left.saturating_sub(1);
        Plan {
            way: match left {
                0 => self.way.other(),
                _ => self.way,
            },
            // The last before a trial as well, so that the two that are compared saw the same times.
            is_timed: left <= 1 || left.is_multiple_of(TIMED),
        }
    }

    /// A timed copy took `cost`.
    #[cold]
    fn took(&mut self, way: Way, cost: u64) {
        let known = &mut self.costs[way as usize];
        // None is faster by chance, but many are slower: of those half is the past, and one that was interrupted counts
        // as four times that at most.
        *known = match *known {
            past if past == 0 || cost < past => cost.max(1),
            past => (past + cost.min(4 * past)) / 2,
        };
        let [plain, streaming] = self.costs;
        if way != self.way {
            self.judge(2 * plain > WORTH * streaming);
        } else if way == Way::Plain && streaming > 0 && 2 * cost > WORTH * streaming {
            // Something has changed: try now.
            self.left = 0;
        }
    }

    /// Streaming is worth it, or not.
    fn judge(&mut self, is_worth: bool) {
        let way = match is_worth {
            false => Way::Plain,
            true => Way::Streaming,
        };
        self.between = match way == self.way {
            true => (self.between * 2).min(BETWEEN_MAX),
            false => BETWEEN_MIN,
        };
        self.left = self.between;
        self.way = way;
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// As measured far away, plain and streaming; and where streaming is worth nothing.
    const WORTH_IT: [u64; 2] = [13_000, 3_500];
    const WORTHLESS: [u64; 2] = [2_300, 2_300];

    /// Copies that take as long as `costs` says; gives how many of them went the plain way, and how many were timed.
    fn run(class: &mut Class, costs: [u64; 2], copies: usize) -> (usize, usize) {
        let (mut plain, mut timed) = (0, 0);
        for _ in 0..copies {
            let plan = class.next();
            plain += usize::from(plan.way == Way::Plain);
            timed += usize::from(plan.is_timed);
            if plan.is_timed {
                class.took(plan.way, costs[plan.way as usize]);
            }
        }
        (plain, timed)
    }

    #[test]
    fn the_faster_way_is_kept_and_the_other_one_hardly_tried() {
        for costs in [WORTH_IT, WORTHLESS] {
            let mut class = Class::new();
            run(&mut class, costs, 10_000);
            let (plain, timed) = run(&mut class, costs, 100_000);
            let slower = match costs {
                WORTH_IT => plain,
                _ => 100_000 - plain,
            };
            assert!(
                (40..=60).contains(&slower),
                "{slower} of 100,000 went the slower way"
            );
            assert!((1_000..=4_000).contains(&timed), "{timed}");
        }
    }

    /// Messages of some megabytes are few: what is faster is not to be learned from dozens of them.
    #[test]
    fn the_first_copies_tell() {
        let mut class = Class::new();
        let (plain, _) = run(&mut class, WORTH_IT, 20);
        assert!((2..=5).contains(&plain), "{plain} of 20");
    }

    #[test]
    fn a_change_is_noticed() {
        let mut class = Class::new();
        run(&mut class, WORTHLESS, 10_000);
        run(&mut class, WORTH_IT, 3 * TIMED as usize);
        assert_eq!(class.way, Way::Streaming);
        // Back again only the trials tell.
        run(&mut class, WORTH_IT, 10_000);
        run(&mut class, WORTHLESS, 2 * BETWEEN_MAX as usize);
        assert_eq!(class.way, Way::Plain);
    }

    /// A copy that took a thousand times as long, because the thread was put aside, costs no more than a few others.
    #[test]
    fn an_interruption_does_not_change_the_way_for_long() {
        let mut class = Class::new();
        run(&mut class, WORTHLESS, 10_000);
        class.took(Way::Plain, 1_000 * WORTHLESS[0]);
        assert!(run(&mut class, WORTHLESS, 10_000).0 > 9_900);
    }

    /// A writer that always waits for room looks before each copy, at what it has just loaded.
    #[test]
    fn looks_for_room_do_not_put_off_those_behind_copies() {
        let mut way = CopyWay::new();
        let theirs = AtomicU64::new(0);
        let copies = (LOOK_AFTER / CHOICE_FROM) as u64;
        for copy in 1..=copies {
            way.look(copy * LOOK_EVERY, &theirs);
            theirs.store(copy, crate::sync::Ordering::Relaxed);
            way.look_again(CHOICE_FROM, &theirs);
        }
        let seen = if way.is_open { copies } else { 0 };
        assert_eq!(way.distance.last(), seen);
    }

    /// In a small ring room is looked for with every message.
    #[test]
    fn looks_for_room_are_taken_now_and_then() {
        let mut way = CopyWay::new();
        let theirs = AtomicU64::new(0);
        let mut looks = 0;
        for position in (0..1 << 20).step_by(CHOICE_FROM) {
            theirs.store(position + 1, crate::sync::Ordering::Relaxed);
            way.look(position, &theirs);
            looks += u32::from(way.distance.last() == position + 1);
        }
        assert_eq!(looks, if way.is_open { 16 } else { 0 });
    }

    #[test]
    fn each_length_has_its_class() {
        let lens = [
            4 << 10,
            16 << 10,
            64 << 10,
            256 << 10,
            1 << 20,
            4 << 20,
            1 << 30,
        ];
        assert_eq!(lens.map(class_of), [0, 1, 2, 3, 4, 5, 5]);
        assert_eq!(class_of((64 << 10) - 1), 1);
    }

    /// G1: whatever way a message went, exactly its bytes are there, and none beside them.
    #[test]
    #[allow(unsafe_code)]
    fn both_ways_copy_exactly() {
        let mut way = CopyWay::new();
        let mut ways = std::collections::BTreeSet::new();
        let theirs = AtomicU64::new(0);
        for place in [Place::Unknown, Place::Near, Place::Far] {
            for copy in 0..200_usize {
                // Whatever a look finds here.
                way.distance = Distance::at(if way.is_open { place } else { Place::Near });
                let len = CHOICE_FROM + copy * 37 % 300;
                let from: Vec<u8> = (0..len).map(|i| (i * 7 + copy) as u8).collect();
                let (start, mut to) = (8 + copy % 67, vec![0xee; len + 200]);
                // SAFETY: both buffers are longer than `len`, one by more than `start`.
                unsafe { way.copy(from.as_ptr(), to.as_mut_ptr().add(start), len, &theirs) };
                ways.insert((place == Place::Far, way.streams()));
                assert_eq!(&to[start..start + len], &from[..]);
                let mut around = to[..start].iter().chain(&to[start + len..]);
                assert!(around.all(|byte| *byte == 0xee), "{copy}");
            }
        }
        assert!(!ways.contains(&(false, true)), "only far away");
        assert_eq!(ways.contains(&(true, true)), way.is_open, "it was tried");
    }
}
