//! Any sequence of calls (G1, G3, G5), held against a queue that does the same the simple way.

use super::channel::Channel;
use super::input::Input;
use super::outcome::Outcome;
use kren_core::{Error, KrenReader, KrenWriter};
use std::collections::VecDeque;
use std::time::Duration;

/// Calls of one sequence; more only take longer.
const LONGEST: usize = 200;

/// What a channel would be if it were simple.
#[derive(Default)]
struct Model {
    exists: bool,
    capacity: usize,
    alignment: usize,
    messages: VecDeque<(u32, Vec<u8>)>,
}

impl Model {
    fn stride(&self, len: usize) -> usize {
        (len + 8).next_multiple_of(self.alignment)
    }

    fn used(&self) -> usize {
        self.messages
            .iter()
            .map(|(_, data)| self.stride(data.len()))
            .sum()
    }

    /// What must be said to one who wants room for messages of these lengths, together.
    fn room(&self, lens: &[usize]) -> Room {
        let mut staged = 0;
        for len in lens {
            if *len > self.capacity - 8 || staged + self.stride(*len) > self.capacity {
                return Room::Never;
            }
            staged += self.stride(*len);
        }
        if self.used() + staged > self.capacity {
            Room::NotNow
        } else {
            Room::Yes
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Room {
    Yes,
    NotNow,
    Never,
}

struct Bench {
    channel: Channel,
    model: Model,
    writer: Option<KrenWriter>,
    reader: Option<KrenReader>,
    /// Numbers the messages, so that no two are alike.
    next: u32,
}

pub(super) fn run(data: &[u8], outcome: &mut Outcome) {
    let mut input = Input::new(data);
    let channel = Channel::new();
    let mut bench = Bench {
        channel,
        model: Model::default(),
        writer: None,
        reader: None,
        next: 1,
    };
    if input.u8() % 4 == 3 {
        // Near where positions outgrow 31, 32 and 33 bits, or nearly all that they may be.
        let edge = [1 << 31, 1 << 32, 1 << 33, (1 << 62) - (1 << 22)][input.below(4)];
        bench
            .channel
            .put_aged(edge - 8 * (input.below(1024) as u64));
        bench.model = Model {
            exists: true,
            capacity: 4096,
            alignment: 8,
            ..Model::default()
        };
    }
    for _ in 0..LONGEST {
        if input.is_empty() {
            break;
        }
        let kind = input.u8() % 16;
        outcome.saw(kind);
        match kind {
            0..=1 => bench.create(&mut input, outcome),
            2 => bench.connect(&mut input, outcome),
            3 => bench.close_writer(),
            4 => bench.close_reader(),
            5..=11 if bench.writer.is_none() => bench.create(&mut input, outcome),
            5..=7 => bench.write(&mut input, outcome),
            8..=9 => bench.reserve(&mut input, outcome),
            10..=11 => bench.batch(&mut input, outcome),
            12 => bench.wait(outcome),
            13.. if bench.reader.is_none() => bench.connect(&mut input, outcome),
            _ => bench.read(outcome),
        }
        bench.look();
    }
    bench.close_writer();
    bench.close_reader();
    bench.look();
}

impl Bench {
    fn message(&mut self, len: usize) -> (u32, Vec<u8>) {
        self.next += 1;
        let seed = self.next as usize;
        (
            self.next,
            (0..len).map(|at| (seed * 31 + at * 7) as u8).collect(),
        )
    }

    /// Small ones mostly, and now and then one that hardly fits or does not.
    fn len(&self, input: &mut Input<'_>) -> usize {
        match input.u8() {
            large @ 240..250 => self.model.capacity - usize::from(large - 240),
            250.. => 1 << 20,
            small => usize::from(small) * 3,
        }
    }

    fn create(&mut self, input: &mut Input<'_>, outcome: &mut Outcome) {
        let choice = input.u8();
        if self.writer.is_some() && choice < 250 {
            return; // A refusal takes 10 ms.
        }
        let capacity = [4096, 4096, 4096, 8192][usize::from(choice % 4)];
        let alignment = [8, 8, 64, 4096][usize::from(choice / 4 % 4)];
        let fresh = (choice / 16).is_multiple_of(4);
        let options = KrenWriter::options().alignment(alignment).fresh(fresh);
        let result = options.create(&self.channel.name, capacity);
        let model = &mut self.model;
        let is_same = (model.capacity, model.alignment) == (capacity, alignment);
        let is_idle = model.messages.is_empty() && self.reader.is_none();
        match result {
            Err(Error::WriterExists { holder, .. }) => {
                assert!(
                    self.writer.is_some(),
                    "refused for a writer that is not there"
                );
                assert_eq!(holder.pid(), std::process::id());
            }
            Err(Error::CapacityMismatch { messages, .. }) => {
                assert!(
                    model.exists && !is_same && !is_idle && !fresh,
                    "refused for nothing"
                );
                assert_eq!(messages, model.messages.len() as u64);
            }
            Err(error) => panic!("create said {error}"),
            Ok(writer) => {
                assert!(self.writer.is_none(), "a second writer was let in");
                let is_kept = model.exists && is_same && (!fresh || model.messages.is_empty());
                assert!(
                    is_kept || !model.exists || is_idle || fresh,
                    "messages were discarded"
                );
                if !is_kept {
                    if model.exists && self.reader.is_some() {
                        // The reader stays on the discarded segment, and knows no more of this one.
                        self.reader = None;
                    }
                    *model = Model {
                        exists: true,
                        capacity,
                        alignment,
                        ..Model::default()
                    };
                }
                outcome.saw(is_kept);
                self.writer = Some(writer);
            }
        }
    }

    fn connect(&mut self, input: &mut Input<'_>, outcome: &mut Outcome) {
        if self.reader.is_some() && input.u8() < 250 {
            return; // As above.
        }
        match KrenReader::connect(&self.channel.name) {
            Ok(reader) => {
                assert!(
                    self.model.exists && self.reader.is_none(),
                    "nobody should get in"
                );
                self.reader = Some(reader);
            }
            Err(Error::NotFound { .. }) => assert!(!self.model.exists, "the channel exists"),
            Err(Error::ReaderExists { .. }) => assert!(self.reader.is_some(), "there is none"),
            Err(error) => panic!("connect said {error}"),
        }
        outcome.saw(self.reader.is_some());
    }

    fn close_writer(&mut self) {
        if self.writer.take().is_some() {
            self.closed();
        }
    }

    fn close_reader(&mut self) {
        if self.reader.take().is_some() {
            self.closed();
        }
    }

    /// The last one to leave a drained channel removes its name.
    fn closed(&mut self) {
        if self.writer.is_none() && self.reader.is_none() && self.model.messages.is_empty() {
            self.model.exists = false;
        }
    }

    fn write(&mut self, input: &mut Input<'_>, outcome: &mut Outcome) {
        let len = self.len(input);
        let (tag, data) = self.message(len);
        let Some(writer) = &mut self.writer else {
            return;
        };
        let result = writer.try_write_tagged(tag, &data);
        if self.judge(&[len], &result, outcome) {
            self.model.messages.push_back((tag, data));
        }
    }

    fn reserve(&mut self, input: &mut Input<'_>, outcome: &mut Outcome) {
        let len = self.len(input);
        let (tag, mut data) = self.message(len);
        let Some(writer) = &mut self.writer else {
            return;
        };
        let end = input.u8();
        let result = writer.try_reserve(len).map(|mut slot| {
            slot.copy_from_slice(&data);
            slot.set_tag(tag);
            match end % 4 {
                0 => return None,
                1 => slot
                    .commit_len(len / 2)
                    .expect("it is less than was reserved"),
                2 => {
                    slot.commit_len(len + 1)
                        .expect_err("it is more than was reserved");
                    return None;
                }
                _ => slot.commit(),
            }
            Some(if end % 4 == 1 { len / 2 } else { len })
        });
        let committed = result.as_ref().ok().copied().flatten();
        self.judge(&[len], &result, outcome);
        if let Some(len) = committed {
            data.truncate(len);
            self.model.messages.push_back((tag, data));
        }
    }

    fn batch(&mut self, input: &mut Input<'_>, outcome: &mut Outcome) {
        let (count, is_committed) = (1 + input.below(4), !input.u8().is_multiple_of(4));
        let lens: Vec<_> = (0..count).map(|_| self.len(input)).collect();
        let messages: Vec<_> = lens.iter().map(|len| self.message(*len)).collect();
        let mut staged: Vec<(u32, Vec<u8>)> = Vec::new();
        let Some(writer) = &mut self.writer else {
            return;
        };
        let mut batch = writer.batch();
        for (tag, data) in messages {
            let mut lens: Vec<_> = staged.iter().map(|(_, data)| data.len()).collect();
            lens.push(data.len());
            match self.model.room(&lens) {
                Room::Yes => {
                    batch.push_tagged(tag, &data).expect("there is room");
                    staged.push((tag, data));
                }
                Room::Never => match batch.push_tagged(tag, &data) {
                    Err(Error::TooLarge { .. }) => {}
                    other => panic!("a message that can never fit: {other:?}"),
                },
                // A push would wait, here for ever.
                Room::NotNow => {}
            }
        }
        outcome.saw(staged.len());
        if is_committed {
            batch.commit();
            self.model.messages.extend(staged);
        }
    }

    /// Holds an answer against the model's; whether it was yes.
    fn judge<T>(&self, lens: &[usize], result: &Result<T, Error>, outcome: &mut Outcome) -> bool {
        let room = self.model.room(lens);
        outcome.saw(room);
        let is_right = match result {
            Ok(_) => room == Room::Yes,
            Err(Error::Full { .. }) => room == Room::NotNow,
            Err(Error::TooLarge { .. }) => room == Room::Never,
            Err(error) => panic!("the ring said {error}"),
        };
        assert!(
            is_right,
            "the model says {room:?} to {lens:?}, the ring {:?}",
            result.is_ok()
        );
        result.is_ok()
    }

    fn read(&mut self, outcome: &mut Outcome) {
        let Some(reader) = &mut self.reader else {
            return;
        };
        let expected = self.model.messages.pop_front();
        match (reader.try_read().expect("a sound ring"), expected) {
            (Some(message), Some((tag, data))) => {
                assert!(
                    message.tag() == tag && message == data,
                    "another message came: {message:?}"
                );
                assert!(
                    (message.as_ptr() as usize).is_multiple_of(self.model.alignment),
                    "not aligned"
                );
                outcome.saw(data.len() > 1000);
            }
            (None, None) => outcome.saw(0),
            (found, expected) => panic!("the model has {expected:?}, the ring {found:?}"),
        }
    }

    /// What a wait that may not wait says.
    fn wait(&mut self, outcome: &mut Outcome) {
        if let Some(reader) = &mut self.reader
            && self.model.messages.is_empty()
        {
            let told = reader
                .read_timeout(Duration::ZERO)
                .expect_err("there is nothing");
            let is_open = self.writer.is_some();
            let is_right = match told {
                Error::TimedOut { .. } => true,
                Error::Closed { .. } => !is_open,
                _ => false,
            };
            assert!(
                is_right,
                "with a writer: {is_open}; the reader was told {told}"
            );
            outcome.failed(&told);
        }
        if let Some(writer) = &mut self.writer {
            match writer.drain(Duration::ZERO) {
                Ok(()) => assert!(self.model.messages.is_empty(), "not drained"),
                Err(error) => {
                    assert!(!self.model.messages.is_empty(), "drained, but: {error}");
                    outcome.failed(&error);
                }
            }
        }
    }

    /// What must hold after every step.
    fn look(&self) {
        assert_eq!(self.channel.exists(), self.model.exists, "the name");
        if !self.model.exists {
            return;
        }
        let segment = self.channel.segment();
        assert_eq!(segment.shape.capacity, self.model.capacity);
        let found = segment
            .undelivered()
            .unwrap_or_else(|rule| panic!("by the spec: {rule}"));
        let found = found.into_iter().map(|record| (record.tag, record.payload));
        assert!(
            found.eq(self.model.messages.iter().cloned()),
            "the bytes hold other messages"
        );
        if let Some(writer) = &self.writer {
            let free = self.model.capacity - self.model.used();
            assert_eq!(
                writer.available(),
                free.saturating_sub(8),
                "available to the writer"
            );
        }
        if let Some(reader) = &self.reader {
            assert_eq!(
                reader.available(),
                self.model.used(),
                "available to the reader"
            );
        }
    }
}
