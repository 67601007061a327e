//! The ring at the source, whose reader, or durable subscriber, the bridge is. It is the memory of what may have to be sent again:
//! the bridge steps over messages without releasing them, and goes back to any of them.

use crate::sender;
use kren_core::inspect::{Kind, Segment};
use kren_core::{Error, KrenReader, KrenSubscriber, Result};
use std::collections::VecDeque;
use std::time::Duration;

/// A source of messages in shared memory.
pub struct Source {
    reader: KrenReader,
    /// Where messages start: numbers and positions, the oldest first. The first is where all before is released.
    marks: VecDeque<(u64, u64)>,
}

/// What is left to come from the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// More, or a writer that may write more.
    More,
    /// Nothing: the writer has closed.
    Closed,
    /// Nothing: the writer has died.
    Died,
}

impl Source {
    /// Takes the reader's role of a channel, or joins a broadcast, in the place that bridges of this realm have there.
    ///
    /// # Errors
    ///
    /// As [`KrenReader::connect`] and [`KrenSubscriber::connect`].
    pub fn connect(name: &str, segment: &Segment, realm: &str) -> Result<Self> {
        let reader = match segment.kind {
            Kind::Broadcast => KrenSubscriber::options()
                .durable(&format!("kren-bridge/{realm}"))
                .connect(name)?
                .into_reader(),
            _ => KrenReader::connect(name)?,
        };
        Ok(Self::new(reader))
    }

    /// What `reader` reads, from where it stands.
    #[must_use]
    pub fn new(reader: KrenReader) -> Self {
        let (position, number) = reader.place();
        Self {
            reader,
            marks: VecDeque::from([(number, position)]),
        }
    }

    /// The ring's reader, to wait with.
    #[must_use]
    pub fn reader(&self) -> &KrenReader {
        &self.reader
    }

    /// What is left to come behind what has been stepped over.
    ///
    /// # Errors
    ///
    /// As [`KrenReader::read`].
    pub fn rest(&mut self) -> Result<Rest> {
        match self.reader.read_timeout(Duration::ZERO) {
            Ok(message) => {
                message.keep();
                Ok(Rest::More)
            }
            Err(Error::TimedOut { .. }) => Ok(Rest::More),
            Err(Error::Closed { .. }) => Ok(Rest::Closed),
            Err(Error::PeerDied { .. } | Error::Removed { .. }) => Ok(Rest::Died),
            Err(error) => Err(error),
        }
    }

    fn next(&mut self) -> Result<Option<kren_core::Message<'_>>> {
        self.reader.try_read()
    }
}

impl sender::Source for Source {
    type Error = Error;

    fn peek(&mut self) -> Result<Option<(usize, u32)>> {
        let found = self.next()?;
        Ok(found.map(|message| {
            let seen = (message.len(), message.tag());
            message.keep();
            seen
        }))
    }

    fn copy(&mut self, from: usize, len: usize, to: &mut Vec<u8>) -> Result<()> {
        if let Some(message) = self.next()? {
            to.extend_from_slice(&message[from..from + len]);
            message.keep();
        }
        Ok(())
    }

    fn step(&mut self) -> Result<()> {
        let (position, number) = self.reader.place();
        if self.marks.back().is_none_or(|mark| mark.0 < number) {
            self.marks.push_back((number, position));
        }
        if let Some(message) = self.next()? {
            message.step_over();
        }
        Ok(())
    }

    fn number(&self) -> u64 {
        self.reader.place().1
    }

    fn oldest(&self) -> u64 {
        self.marks.front().map_or(0, |mark| mark.0)
    }

    fn rewind(&mut self, number: u64) -> Result<()> {
        if let Some(at) = self.find(number) {
            let (start, position) = self.marks[at];
            debug_assert_eq!(start, number, "each message is marked");
            self.reader.stand_at(position, start);
            self.marks.truncate(at + 1);
        }
        Ok(())
    }

    fn release(&mut self, number: u64) -> Result<()> {
        let (position, next) = self.reader.place();
        if number >= next {
            self.marks.clear();
            self.marks.push_back((next, position));
            return self.reader.release_to(position, next);
        }
        if let Some(at) = self.find(number).filter(|at| *at > 0) {
            self.marks.drain(..at);
            let (count, position) = self.marks[0];
            self.reader.release_to(position, count)?;
        }
        Ok(())
    }
}

impl Source {
    /// The last mark that is not behind the message of this number.
    fn find(&self, number: u64) -> Option<usize> {
        self.marks
            .partition_point(|mark| mark.0 <= number)
            .checked_sub(1)
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        // What was stepped over is not released: the channel is not to be taken for empty.
        if let Some((number, position)) = self.marks.front() {
            self.reader.stand_at(*position, *number);
        }
    }
}
