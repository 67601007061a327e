//! Which way a writer's long payloads go into the ring.
//!
//! A plain store takes its line away from whoever had it last. Where that is a reader that shares no cache with
//! this processor, lines come one by one at 2 to 4 GB/s; stores that go past the caches (streaming) take none, and
//! go at 14 to 25 anywhere. Near each other it is the other way round: plain stores go at 30 and more. Nothing
//! tells the two apart but time, since virtual machines say what they like of their processors, and threads move. So a
//! writer times some of its own copies, keeps the way that took less for messages about as long, and tries
//! the other one now and then.

use std::time::Instant;

/// Bytes from which on the way is chosen. With less, the time of a copy tells the two apart no more: near, 4 KiB to and fro
/// took the writer three times as long the plain way, and the whole of it less.
pub(crate) const CHOICE_FROM: usize = 16 << 10;
/// Classes of length, each four times the one before.
const CLASSES: usize = 5;
/// Every so many copies one is timed: looking at the clock twice takes as long as some 2 KiB.
const TIMED: u32 = 32;
/// Copies between two trials of the other way, at first, and at last while plain stores are the faster ones.
const BETWEEN_MIN: u32 = 8;
const BETWEEN_MAX: u32 = 2048;
/// Copies of a trial, of which the last is timed: the first find the lines where the other way has left them.
const TRIAL: u32 = 4;
/// Plain stores find lines that were streamed a lap ago in memory, and show what they can after a lap only. So that is how long
/// they are tried, at last, and this many times as long they are not.
const SHARE: u32 = 64;
/// By how much plain copies must take longer than streaming ones to be given up, in halves; of the shortest class, and of all others. What is
/// timed is the writer's part, and what was streamed the reader has to fetch from memory: near, where either way takes the writer
/// as long, messages are three times as fast the plain way. Far, plain copies take it four times as long and more.
const WORTH: [u64; 2] = [5, 4];

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
    classes: [Class; CLASSES],
    last: Way,
    /// Bytes of a lap.
    lap: usize,
}

/// What is known of messages about as long as each other.
#[derive(Clone, Copy)]
struct Class {
    way: Way,
    /// Time for each 64 KiB, of the plain way and of the streaming one; 0 before the first.
    costs: [u64; 2],
    /// The other way is being tried.
    is_trial: bool,
    /// Copies until that changes.
    left: u32,
    /// From one trial to the next.
    between: u32,
    /// Of [`WORTH`].
    worth: u64,
}

/// What is to be done with one copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Plan {
    way: Way,
    is_timed: bool,
}

impl CopyWay {
    /// For a ring that holds `lap` bytes.
    pub(crate) fn new(lap: usize) -> Self {
        let class = |class: usize| Class::new(WORTH[class.min(WORTH.len() - 1)]);
        Self {
            is_open: super::copy::can_stream(),
            classes: std::array::from_fn(class),
            last: Way::Plain,
            lap,
        }
    }

    /// Whether the last payload went past the caches: then its lines, and those of the next one, are better left alone.
    #[inline]
    pub(crate) fn streams(&self) -> bool {
        self.last == Way::Streaming
    }

    /// Copies a payload as [`copy`](super::copy()) does, in the way that is faster here.
    ///
    /// # Safety
    ///
    /// As [`copy`](super::copy()).
    #[inline]
    #[allow(unsafe_code)]
    pub(crate) unsafe fn copy(&mut self, from: *const u8, to: *mut u8, len: usize) {
        // SAFETY: the caller's.
        unsafe {
            if len < CHOICE_FROM || !self.is_open {
                self.last = Way::Plain;
                super::copy(from, to, len);
            } else {
                self.copy_long(from, to, len);
            }
        }
    }

    /// # Safety
    ///
    /// As [`copy`](super::copy()); `len` is [`CHOICE_FROM`] or more, and the processor knows both ways.
    #[inline(never)]
    #[allow(unsafe_code)]
    unsafe fn copy_long(&mut self, from: *const u8, to: *mut u8, len: usize) {
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
            class.took(
                plan.way,
                (time << 16) / len as u64,
                (self.lap / len).min(4096) as u32,
            );
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
    const fn new(worth: u64) -> Self {
        Self {
            way: Way::Plain,
            costs: [0; 2],
            is_trial: false,
            left: BETWEEN_MIN,
            between: BETWEEN_MIN,
            worth,
        }
    }

    /// What to do with the next copy; where it is timed, [`Self::took`] is to be told.
    #[inline]
    fn next(&mut self) -> Plan {
        self.left -= 1;
        let is_sample = !self.is_trial && self.left.is_multiple_of(TIMED);
        Plan {
            way: match self.is_trial {
                true => self.way.other(),
                false => self.way,
            },
            // The last of each kind as well, so that the two that are compared saw the same times.
            is_timed: self.left == 0 || is_sample,
        }
    }

    /// A timed copy took `cost`; so many copies are a lap.
    #[cold]
    fn took(&mut self, way: Way, cost: u64, lap: u32) {
        let known = &mut self.costs[way as usize];
        // None is faster by chance, but many are slower: of those half is the past, and one that was interrupted counts
        // as four times that at most.
        *known = match *known {
            past if past == 0 || cost < past => cost.max(1),
            past => (past + cost.min(4 * past)) / 2,
        };
        let [plain, streaming] = self.costs;
        if self.left > 0 {
            // The reader may have moved away: soon the other way.
            if way == Way::Plain && streaming > 0 && 2 * cost > self.worth * streaming {
                self.left = 1;
            }
        } else if self.is_trial {
            self.is_trial = false;
            self.judge(2 * plain > self.worth * streaming, lap);
            self.left = self.between;
        } else {
            self.is_trial = true;
            self.left = match self.way {
                Way::Plain => TRIAL,
                Way::Streaming => (self.between / SHARE).max(TRIAL),
            };
        }
    }

    /// Streaming is worth it, or not.
    fn judge(&mut self, is_worth: bool, lap: u32) {
        let (way, most) = match is_worth {
            false => (Way::Plain, BETWEEN_MAX),
            true => (Way::Streaming, SHARE * lap.max(BETWEEN_MAX / SHARE)),
        };
        self.between = match way == self.way {
            true => (self.between * 2).min(most),
            false => BETWEEN_MIN,
        };
        self.way = way;
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// As measured, plain and streaming.
    const NEAR: [u64; 2] = [2_300, 2_300];
    const FAR: [u64; 2] = [13_000, 3_500];

    /// Copies of a lap.
    const LAP: u32 = 64;

    /// Copies that take as long as `costs` says; gives how many of them went the plain way.
    fn run(class: &mut Class, costs: [u64; 2], copies: usize) -> usize {
        let mut plain = 0;
        for _ in 0..copies {
            let plan = class.next();
            plain += usize::from(plan.way == Way::Plain);
            if plan.is_timed {
                class.took(plan.way, costs[plan.way as usize], LAP);
            }
        }
        plain
    }

    /// Near, and far, the slower way is left to a copy or two in a hundred, and the clock to some more.
    #[test]
    fn the_faster_way_is_kept_and_the_other_one_hardly_tried() {
        for costs in [NEAR, FAR] {
            let mut class = Class::new(4);
            run(&mut class, costs, 20_000);
            let plain = run(&mut class, costs, 100_000);
            let slower = if costs == NEAR {
                100_000 - plain
            } else {
                plain
            };
            assert!(
                (100..=2_000).contains(&slower),
                "{slower} of 100,000 went the slower way"
            );
            let timed = (0..10_000).filter(|_| {
                let plan = class.next();
                if plan.is_timed {
                    class.took(plan.way, costs[plan.way as usize], LAP);
                }
                plan.is_timed
            });
            assert!(timed.count() < 400);
        }
    }

    #[test]
    fn a_writer_whose_reader_moves_away_notices_within_some_dozen_copies() {
        let mut class = Class::new(4);
        run(&mut class, NEAR, 10_000);
        run(&mut class, FAR, 3 * TIMED as usize);
        assert_eq!(class.way, Way::Streaming);
        // Back again only the trials tell.
        run(&mut class, FAR, 10_000);
        run(&mut class, NEAR, 2 * (SHARE * LAP) as usize);
        assert_eq!(class.way, Way::Plain);
    }

    /// Near, plain copies take long as well until the lines that were streamed are back in the caches.
    #[test]
    fn plain_copies_get_a_lap_to_show_what_they_can() {
        let mut class = Class::new(4);
        run(&mut class, FAR, 2 * (SHARE * LAP) as usize);
        // Which of the last lap's copies were plain.
        let mut lap = std::collections::VecDeque::from([false; LAP as usize]);
        for _ in 0..4 * SHARE * LAP {
            let plan = class.next();
            lap.pop_front();
            lap.push_back(plan.way == Way::Plain);
            let plain = lap.iter().filter(|is_plain| **is_plain).count();
            let is_cached = plain > LAP as usize * 3 / 4;
            let costs = [if is_cached { NEAR[0] } else { 8_000 }, NEAR[1]];
            if plan.is_timed {
                class.took(plan.way, costs[plan.way as usize], LAP);
            }
        }
        assert_eq!(class.way, Way::Plain);
    }

    /// A copy that took a thousand times as long, because the thread was put aside, costs no more than a few others.
    #[test]
    fn an_interruption_does_not_change_the_way_for_long() {
        let mut class = Class::new(4);
        run(&mut class, NEAR, 10_000);
        class.took(Way::Plain, 1_000 * NEAR[0], LAP);
        assert!(run(&mut class, NEAR, 10_000) > 9_900);
    }

    #[test]
    fn each_length_has_its_class() {
        let classes = [CHOICE_FROM, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 1 << 30].map(class_of);
        assert_eq!(classes, [0, 1, 2, 3, 4, 4]);
        assert_eq!(class_of((64 << 10) - 1), 0);
    }

    /// G1: whatever way a message went, exactly its bytes are there, and none beside them.
    #[test]
    #[allow(unsafe_code)]
    fn both_ways_copy_exactly() {
        let mut way = CopyWay::new(1 << 20);
        let mut ways = std::collections::BTreeSet::new();
        for copy in 0..200_usize {
            let len = CHOICE_FROM + copy * 37 % 300;
            let from: Vec<u8> = (0..len).map(|i| (i * 7 + copy) as u8).collect();
            let (start, mut to) = (8 + copy % 67, vec![0xee; len + 200]);
            // SAFETY: both buffers are longer than `len`, one by more than `start`.
            unsafe { way.copy(from.as_ptr(), to.as_mut_ptr().add(start), len) };
            ways.insert(way.streams());
            assert_eq!(&to[start..start + len], &from[..]);
            let mut around = to[..start].iter().chain(&to[start + len..]);
            assert!(around.all(|byte| *byte == 0xee), "{copy}");
        }
        assert_eq!(ways.contains(&true), way.is_open, "the other way was tried");
    }
}
