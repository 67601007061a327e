//! What a channel did in the last minutes.

use crate::sample::{self, Row};
use std::collections::{HashMap, VecDeque};

/// Looks that are remembered.
const LENGTH: usize = 240;

/// The figures of one channel, the newest last.
#[derive(Default)]
pub(crate) struct History {
    pub(crate) messages: VecDeque<u64>,
    pub(crate) bytes: VecDeque<u64>,
    /// Thousandths.
    pub(crate) fill: VecDeque<u64>,
}

/// By instance and name.
#[derive(Default)]
pub(crate) struct Histories {
    by_channel: HashMap<(u64, String), History>,
}

impl Histories {
    /// Adds a look. Channels that are gone are forgotten.
    pub(crate) fn add(&mut self, rows: &[Row]) {
        let mut before = std::mem::take(&mut self.by_channel);
        for row in rows.iter().filter(|row| row.channel.segment().is_some()) {
            let key = sample::key(&row.channel);
            let mut history = before.remove(&key).unwrap_or_default();
            let fill = row.fill().unwrap_or(0.0) * 1000.0;
            push(&mut history.messages, row.messages as u64);
            push(&mut history.bytes, row.bytes as u64);
            push(&mut history.fill, fill as u64);
            self.by_channel.insert(key, history);
        }
    }

    pub(crate) fn of(&self, key: &(u64, String)) -> Option<&History> {
        self.by_channel.get(key)
    }
}

fn push(figures: &mut VecDeque<u64>, figure: u64) {
    if figures.len() == LENGTH {
        figures.pop_front();
    }
    figures.push_back(figure);
}

/// The last `count` figures as a line of blocks.
pub(crate) fn spark(figures: &VecDeque<u64>, count: usize) -> String {
    const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let last = figures.iter().rev().take(count).rev();
    let most = last.clone().max().copied().unwrap_or(0).max(1);
    let block = |figure: &u64| {
        // What is more than nothing is seen.
        let at = (figure * 8).div_ceil(most) as usize;
        BLOCKS[at.min(8)]
    };
    let line: String = last.map(block).collect();
    format!("{line:>count$}")
}
