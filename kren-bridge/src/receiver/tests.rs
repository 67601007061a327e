//! What a link that is merely bad seldom does.

use super::*;
use crate::wire::{self, decode};
use std::convert::Infallible;

/// A ring into which so many messages still go.
struct Tight {
    room: usize,
    messages: Vec<u8>,
}

impl Sink for Tight {
    type Error = Infallible;
    fn alignment(&self) -> u32 {
        8
    }
    fn capacity(&self) -> u64 {
        1 << 20
    }
    fn room(&self) -> u64 {
        16 * self.room as u64
    }
    fn write(&mut self, _: u32, message: &[u8]) -> Result<bool, Infallible> {
        if self.room == 0 {
            return Ok(false);
        }
        self.room -= 1;
        self.messages.push(message[0]);
        Ok(true)
    }
    fn part(&mut self, _: usize, _: usize, _: &[u8]) -> Result<bool, Infallible> {
        Ok(self.room > 0)
    }
    fn commit(&mut self, total: usize, _: u32) -> Result<bool, Infallible> {
        self.write(0, &[total as u8])
    }
}

/// The messages `first` to `end`, each of which is its number.
fn frame(first: u8, end: u8) -> Vec<u8> {
    let mut bytes = wire::data(1, 2, 1, first.into(), 100);
    for number in first..end {
        wire::record(&mut bytes, 1, 0);
        bytes.push(number);
    }
    wire::seal(&mut bytes, (end - first).into());
    bytes
}

fn come(receiver: &mut Receiver, sink: &mut Tight, bytes: &[u8]) {
    let Ok(()) = receiver.on_frame(&decode(bytes).unwrap(), sink);
}

/// D1: of a frame that holds some messages again only the others are taken.
#[test]
fn frames_that_overlap() {
    let mut sink = Tight {
        room: 100,
        messages: vec![],
    };
    let mut receiver = Receiver::new(2, 1, 0);
    for (first, end) in [(0, 3), (1, 5), (0, 5), (4, 6)] {
        come(&mut receiver, &mut sink, &frame(first, end));
    }
    assert_eq!(sink.messages, [0, 1, 2, 3, 4, 5]);
    assert_eq!(
        (receiver.want(), receiver.counters().duplicates),
        (6, 2 + 5 + 1)
    );
}

/// D1, D3: what finds no room waits in order, also when it comes again, and the end waits for it.
#[test]
fn what_finds_no_room_waits() {
    let mut sink = Tight {
        room: 2,
        messages: vec![],
    };
    let mut receiver = Receiver::new(2, 1, 0);
    for (first, end) in [(0, 3), (3, 5), (0, 5)] {
        come(&mut receiver, &mut sink, &frame(first, end));
    }
    let end = Frame {
        sender: 1,
        receiver: 2,
        body: Body::End(End {
            round: 1,
            has_died: false,
            number: 5,
        }),
    };
    come(&mut receiver, &mut sink, &end.encode());
    assert_eq!((&sink.messages[..], receiver.want()), (&[0, 1][..], 2));
    assert_eq!(receiver.take_end(), None);
    sink.room = 2;
    let Ok(()) = receiver.drain(&mut sink);
    assert_eq!(
        (&sink.messages[..], receiver.want()),
        (&[0, 1, 2, 3][..], 4)
    );
    assert_eq!(receiver.take_end(), None);
    sink.room = 2;
    let Ok(()) = receiver.drain(&mut sink);
    assert_eq!(sink.messages, [0, 1, 2, 3, 4]);
    assert!(receiver.take_end().is_some());
    assert_eq!(receiver.take_end(), None);
}

/// Frames of others are not for this one.
#[test]
fn other_lives_are_not_heard() {
    let mut sink = Tight {
        room: 9,
        messages: vec![],
    };
    let mut receiver = Receiver::new(2, 1, 0);
    for (at, value) in [(8, 7), (16, 7)] {
        let mut bytes = frame(0, 1);
        bytes[at] = value;
        come(&mut receiver, &mut sink, &bytes);
    }
    assert!(sink.messages.is_empty());
}
