//! Both sides of the protocol over a link that loses, repeats and reorders, with sides that die: each message comes once, in order.

use crate::receiver::{Receiver, Sink};
use crate::sender::{FRAME, PIECE, Sender, Source};
use crate::wire::{self, Body, Frame};
use proptest::prelude::*;
use std::convert::Infallible;
use std::time::{Duration, Instant};

type Never<T> = Result<T, Infallible>;

/// A ring at the source, all of whose messages were written before.
struct Ring {
    messages: Vec<(u32, Vec<u8>)>,
    next: usize,
    released: usize,
}

impl Source for Ring {
    type Error = Infallible;
    fn peek(&mut self) -> Never<Option<(usize, u32)>> {
        let next = self.messages.get(self.next);
        Ok(next.map(|(tag, message)| (message.len(), *tag)))
    }
    fn copy(&mut self, from: usize, len: usize, to: &mut Vec<u8>) -> Never<()> {
        to.extend(&self.messages[self.next].1[from..from + len]);
        Ok(())
    }
    fn step(&mut self) -> Never<()> {
        self.next += 1;
        Ok(())
    }
    fn number(&self) -> u64 {
        self.next as u64
    }
    fn oldest(&self) -> u64 {
        self.released as u64
    }
    fn rewind(&mut self, number: u64) -> Never<()> {
        // E3: what is released is gone.
        assert!(number as usize >= self.released);
        self.next = number as usize;
        Ok(())
    }
    fn release(&mut self, number: u64) -> Never<()> {
        self.released = self.released.max(number as usize);
        Ok(())
    }
}

/// A ring at the far side, whose reader takes a message now and then.
struct Far {
    capacity: usize,
    messages: Vec<(u32, Vec<u8>)>,
    taken: usize,
    building: Vec<u8>,
}

fn stride(len: usize) -> usize {
    (len + 8).next_multiple_of(64)
}

impl Far {
    fn used(&self) -> usize {
        let held = &self.messages[self.taken..];
        held.iter().map(|(_, message)| stride(message.len())).sum()
    }
}

impl Sink for Far {
    type Error = Infallible;
    fn alignment(&self) -> u32 {
        64
    }
    fn capacity(&self) -> u64 {
        self.capacity as u64
    }
    fn room(&self) -> u64 {
        (self.capacity - self.used()) as u64
    }
    fn write(&mut self, tag: u32, message: &[u8]) -> Never<bool> {
        // E2: nothing comes for which there is no room.
        assert!(stride(message.len()) as u64 <= self.room());
        self.messages.push((tag, message.to_vec()));
        Ok(true)
    }
    fn part(&mut self, total: usize, offset: usize, part: &[u8]) -> Never<bool> {
        assert!(stride(total) as u64 <= self.room());
        self.building.resize(total, 0);
        self.building[offset..offset + part.len()].copy_from_slice(part);
        Ok(true)
    }
    fn commit(&mut self, total: usize, tag: u32) -> Never<bool> {
        assert_eq!(self.building.len(), total);
        self.messages
            .push((tag, std::mem::take(&mut self.building)));
        Ok(true)
    }
}

/// What happens next.
#[derive(Debug, Clone)]
enum Step {
    /// The first frame on its way comes.
    Deliver,
    /// One behind the first comes before it.
    Overtake,
    Lose,
    Repeat,
    /// All that is on its way is lost.
    Cut,
    /// The far reader takes some.
    Take(usize),
    KillSender,
    KillReceiver,
    Wait,
}

struct World {
    now: Instant,
    source: Ring,
    far: Far,
    sender: Sender,
    receiver: Receiver,
    down: Vec<Vec<u8>>,
    up: Vec<Vec<u8>>,
    ids: u64,
}

impl World {
    fn new(lengths: &[usize], capacity: usize) -> Self {
        let message = |(at, len): (usize, &usize)| {
            let bytes = (0..*len).map(|byte| (byte * 7 + at * 13) as u8);
            (at as u32, bytes.collect())
        };
        Self {
            now: Instant::now(),
            source: Ring {
                messages: lengths.iter().enumerate().map(message).collect(),
                next: 0,
                released: 0,
            },
            far: Far {
                capacity,
                messages: vec![],
                taken: 0,
                building: vec![],
            },
            sender: Sender::new(1),
            receiver: Receiver::new(2, 1, 0),
            down: vec![],
            up: vec![],
            ids: 2,
        }
    }

    /// Both say what they have to say.
    fn speak(&mut self) {
        let Ok(()) = self.receiver.drain(&mut self.far);
        self.up.extend(self.receiver.poll(&self.far, self.now));
        while self.down.len() < 40 {
            let Ok(frame) = self.sender.poll(&mut self.source, self.now);
            let Some(frame) = frame else { break };
            self.down.push(frame);
        }
    }

    fn comes_down(&mut self, bytes: &[u8]) {
        let frame = wire::decode(bytes).unwrap();
        let Ok(()) = self.receiver.on_frame(&frame, &mut self.far);
    }

    fn comes_up(&mut self, bytes: &[u8]) {
        let Ok(Frame {
            sender,
            receiver,
            body: Body::Ack(ack),
        }) = wire::decode(bytes)
        else {
            panic!("not an answer");
        };
        if sender != self.sender.id() {
            return;
        }
        // As the bridge sees to it: who is known stays, unless he is succeeded.
        if self.sender.receiver().is_none_or(|known| known <= receiver) {
            let Ok(_) = self
                .sender
                .on_ack(receiver, ack, &mut self.source, self.now);
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Deliver | Step::Overtake | Step::Repeat => {
                let at = usize::from(matches!(step, Step::Overtake));
                for down in [true, false] {
                    let link = if down { &mut self.down } else { &mut self.up };
                    if link.len() <= at {
                        continue;
                    }
                    let frame = match step {
                        Step::Repeat => link[at].clone(),
                        _ => link.remove(at),
                    };
                    match down {
                        true => self.comes_down(&frame),
                        false => self.comes_up(&frame),
                    }
                }
            }
            Step::Lose => {
                for link in [&mut self.down, &mut self.up] {
                    if !link.is_empty() {
                        link.remove(0);
                    }
                }
            }
            Step::Cut => {
                self.down.clear();
                self.up.clear();
            }
            Step::Take(count) => {
                self.far.taken = (self.far.taken + count).min(self.far.messages.len());
            }
            Step::KillSender => {
                self.ids += 1;
                self.sender = Sender::new(self.ids);
                self.source.next = self.source.released;
                self.meet();
            }
            Step::KillReceiver => self.meet(),
            Step::Wait => self.now += Duration::from_millis(300),
        }
        self.now += Duration::from_micros(300);
        self.speak();
    }

    /// The far side starts anew, at what is committed.
    fn meet(&mut self) {
        self.ids += 1;
        self.far.building.clear();
        let want = self.far.messages.len() as u64;
        self.receiver = Receiver::new(self.ids, self.sender.id(), want);
    }
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => Just(Step::Deliver),
        3 => Just(Step::Overtake),
        3 => Just(Step::Lose),
        2 => Just(Step::Repeat),
        1 => Just(Step::Cut),
        6 => (0_usize..20).prop_map(Step::Take),
        1 => Just(Step::KillSender),
        1 => Just(Step::KillReceiver),
        3 => Just(Step::Wait),
    ]
}

fn lengths() -> impl Strategy<Value = Vec<usize>> {
    let length = prop_oneof![
        5 => 0_usize..100,
        3 => 100_usize..20_000,
        1 => FRAME - 20..FRAME + 20,
        1 => PIECE - 20..3 * PIECE,
    ];
    proptest::collection::vec(length, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    /// E1 to E3, D1 to D3: whatever the link does and whoever dies, each message comes once and in order, and nothing is released
    /// that has not come; and once the link is whole, all of them come.
    #[test]
    fn once_and_in_order(
        lengths in lengths(),
        steps in proptest::collection::vec(steps(), 0..400),
        room in 0_usize..4 * PIECE,
    ) {
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let mut world = World::new(&lengths, stride(longest) + room / 64 * 64);
        world.speak();
        let mut seen = 0;
        for step in &steps {
            world.step(step);
            let come = world.far.messages.len();
            prop_assert_eq!(&world.far.messages[seen..], &world.source.messages[seen..come]);
            prop_assert!(world.source.released <= come);
            seen = come;
        }
        for round in 0..4000 {
            if world.source.released == lengths.len() {
                break;
            }
            let far = world.far.messages.len();
            world.step(&Step::Take(far));
            world.step(if round % 8 == 7 { &Step::Wait } else { &Step::Deliver });
        }
        prop_assert_eq!(world.far.messages.len(), lengths.len());
        prop_assert_eq!(world.source.released, lengths.len());
        prop_assert_eq!(&world.far.messages, &world.source.messages);
        // The end comes too, and is known to have come.
        let mut ended = None;
        for _ in 0..100 {
            world.sender.end(true);
            world.step(&Step::Deliver);
            world.step(&Step::Wait);
            ended = ended.or(world.receiver.take_end());
        }
        prop_assert_eq!(ended.map(|end| (end.number, end.has_died)), Some((lengths.len() as u64, true)));
        prop_assert!(world.sender.is_end_confirmed());
    }
}
