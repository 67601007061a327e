//! What `docs/spec/ring.md` says of marks (R9, R10), and `docs/spec/broadcast.md` of a ring that several read.

use super::{Broken, POSITION_LIMIT, Record, Segment, broken, role, u32_at, u64_at};

const MARKS: usize = 64;

/// What the page of a subscriber says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seat {
    /// Up to where it has released.
    pub position: u64,
    /// 0 lossy, 1 waited for while it lives, 2 also when it is gone.
    pub stance: u32,
    /// Whether the publisher has to wait for it, as far as bytes can tell: who has died is told by the lock.
    pub is_gate: bool,
}

impl Segment {
    /// What the page of subscriber `number`, from 1, says.
    #[must_use]
    pub fn seat(&self, number: usize) -> Seat {
        let page = self.page(number);
        let stance = u32_at(page, role::STANCE);
        let void = u32_at(self.writer(), role::VOID + 4 * (number - 1));
        let lives = u32_at(page, role::STATE) == 1 && u32_at(page, role::SESSION) != void;
        Seat {
            position: u64_at(page, role::POSITION),
            stance,
            is_gate: stance == 2 || stance == 1 && lives,
        }
    }

    /// The committed records from `start` on, which must be the start of one.
    ///
    /// # Errors
    ///
    /// The rule that is broken.
    pub fn records_from(&self, start: u64) -> Result<Vec<Record>, Broken> {
        let shape = self.shape;
        if start > POSITION_LIMIT || !start.is_multiple_of(shape.alignment as u64) {
            return broken(format!("position {start}"));
        }
        let mut records = Vec::new();
        let mut at = start;
        loop {
            let word = u64_at(&self.bytes, shape.record_header_at(at));
            let (commit, tag) = (word as u32, (word >> 32) as u32);
            if commit == 0 {
                return Ok(records);
            }
            let len = commit as usize - 1;
            if len > shape.capacity - 8 {
                return broken(format!("a record of {len} bytes at {at}"));
            }
            let end = at + shape.stride(len);
            if end > start + shape.data_len() as u64 {
                return broken(format!("records without end from {start} on"));
            }
            let payload = self.payload(at, len);
            records.push(Record {
                position: at,
                tag,
                payload,
            });
            at = end;
        }
    }

    fn end_of(&self, start: u64, records: &[Record]) -> u64 {
        records.last().map_or(start, |last| {
            last.position + self.shape.stride(last.payload.len())
        })
    }

    /// The marks that are not overwritten: positions, each with the messages before it.
    #[must_use]
    pub fn marks(&self) -> Vec<(u64, u64)> {
        let frontier = u64_at(self.writer(), role::FRONTIER);
        let pair = |mark: usize| {
            let at = role::MARKS + 16 * mark;
            (u64_at(self.writer(), at), u64_at(self.writer(), at + 8))
        };
        let is_whole = |pair: &(u64, u64)| {
            pair.0 != u64::MAX && pair.0 + self.shape.data_len() as u64 >= frontier
        };
        (0..MARKS).map(pair).filter(is_whole).collect()
    }

    /// Judges marks, frontier and counts of a ring, as a death may have left them (R9, R10): each mark leads over committed records to the
    /// same end with the same number of messages; nothing has been committed beyond the frontier.
    ///
    /// # Errors
    ///
    /// The rule that is broken.
    pub fn judge_marks(&self) -> Result<(), Broken> {
        let frontier = u64_at(self.writer(), role::FRONTIER);
        let written = u64_at(self.writer(), role::POSITION);
        let counted = u64_at(self.writer(), role::COUNT);
        let marks = self.marks();
        if frontier == 0 && written == 0 {
            return Ok(());
        }
        let Some(last) = marks.iter().map(|mark| mark.0).max() else {
            return broken("no mark is left that is not overwritten");
        };
        if frontier > last + self.shape.data_len() as u64 {
            return broken(format!(
                "the frontier {frontier} overwrites the mark at {last}"
            ));
        }
        let mut ends = Vec::new();
        for (position, count) in marks {
            let records = self.records_from(position)?;
            let end = self.end_of(position, &records);
            if end + self.shape.alignment as u64 > frontier {
                return broken(format!(
                    "records end at {end}, with the frontier at {frontier}"
                ));
            }
            // What was released may be gone, but not what lies before the writer's position.
            let before = records.iter().filter(|record| record.position < written);
            if position <= written && count + (before.count() as u64) < counted {
                return broken(format!(
                    "{counted} messages are counted, and fewer are there"
                ));
            }
            ends.push((end, count + records.len() as u64));
        }
        match ends.iter().find(|end| **end != ends[0]) {
            Some(other) => broken(format!("marks lead to {:?} and to {other:?}", ends[0])),
            None => Ok(()),
        }
    }

    /// Judges a broadcast as a death may have left it: marks, and for each subscriber that is waited for that nothing before
    /// it has been overwritten, or may be (B2, B3, B6).
    ///
    /// # Errors
    ///
    /// The rule that is broken.
    pub fn judge_broadcast(&self) -> Result<(), Broken> {
        self.judge_marks()?;
        let limit = u64_at(self.writer(), role::LIMIT);
        let frontier = u64_at(self.writer(), role::FRONTIER);
        let written = u64_at(self.writer(), role::POSITION);
        if written > limit {
            return broken(format!("{written} is written, and the limit is {limit}"));
        }
        for number in 1..=self.shape.readers {
            let seat = self.seat(number);
            let (p, shape) = (seat.position, self.shape);
            if !seat.is_gate {
                continue;
            }
            if limit > p + shape.capacity as u64 || frontier > p + shape.data_len() as u64 {
                return broken(format!(
                    "the limit {limit} or the frontier {frontier} goes over seat {number} at {p}"
                ));
            }
            let end = self.end_of(p, &self.records_from(p)?);
            if end < written {
                return broken(format!(
                    "from seat {number} at {p} records lead to {end} alone"
                ));
            }
        }
        Ok(())
    }

    /// The records from the oldest mark on at which one may start (B4).
    ///
    /// # Errors
    ///
    /// The rule that is broken.
    pub fn oldest(&self) -> Result<Vec<Record>, Broken> {
        let limit = u64_at(self.writer(), role::LIMIT);
        let written = u64_at(self.writer(), role::POSITION);
        let positions = self.marks().into_iter().map(|mark| mark.0);
        let whole =
            positions.filter(|at| *at <= written && at + self.shape.capacity as u64 >= limit);
        self.records_from(whole.min().unwrap_or(written))
    }
}
