//! Bytes of a broadcast that change while they are read (G7): as `flip`, under a live publisher and subscribers of each kind.

use super::channel::Channel;
use super::flip::{OnDrop, Shared, Stroke, touch, vandal};
use super::input::Input;
use super::outcome::Outcome;
use crate::format::role;
use kren_core::{Error, KrenPublisher, KrenSubscriber, Start};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

const CAPACITY: usize = 4096;
const PAGE: usize = 4096;
const SEATS: usize = 4;
const COMMONS: usize = (2 + SEATS) * PAGE;
const MOMENT: Duration = Duration::from_micros(200);

/// The first bytes say what the vandal stores where, the others what all sides do.
pub(super) fn run(data: &[u8], outcome: &mut Outcome) {
    let mut input = Input::new(data);
    let channel = Channel::new();
    let evicts = input.u8().is_multiple_of(3);
    let create = |fresh: bool| {
        let options = KrenPublisher::options().subscribers(SEATS).fresh(fresh);
        let options = match evicts {
            true => options.evict_after(MOMENT),
            false => options,
        };
        options.create(&channel.name, CAPACITY)
    };
    let publisher = create(false).expect("the name is new");
    let shared = Shared::map(&channel);
    let script = script(&mut input);
    let done = AtomicBool::new(false);
    let mut all = All {
        publisher: Some(publisher),
        subscribers: [const { None }; 3],
    };
    (0..3).for_each(|kind| all.join(kind, &channel.name, &mut Outcome::default()));
    std::thread::scope(|scope| {
        let vandal = scope.spawn(|| vandal(&shared, &script, &done));
        let stop = OnDrop(&done);
        while !input.is_empty() {
            all.act(&mut input, &channel.name, outcome);
        }
        drop(stop);
        vandal.join().expect("stores cannot fail");
    });
    drop(all);
    create(true).unwrap_or_else(|error| panic!("'fresh' was refused: {error}"));
}

fn script(input: &mut Input<'_>) -> Vec<Stroke> {
    let strokes = 1 + input.below(6);
    (0..strokes)
        .map(|_| {
            let (kind, place) = (input.u8(), input.below(PAGE / 8));
            let writer = |at: usize| PAGE + at;
            let seat = |at: usize| PAGE * (2 + place % SEATS) + at;
            let at = match kind % 12 {
                0 => writer(role::POSITION),
                1 => writer(role::FRONTIER),
                2 => writer(role::LIMIT),
                3 => writer(role::VOID + 8 * (place % 2)),
                4 => writer(role::MARKS + 8 * (place % 128)),
                5 => writer(role::SCAN),
                6 => seat(role::POSITION),
                7 => seat(role::STATE + 8 * (place % 4)),
                8 => seat(role::TICKET + 8 * (place % 2)),
                9 => COMMONS + 128 * (place % 2),
                10 => COMMONS + PAGE + 8 * (place % 64),
                _ => COMMONS + PAGE + 8 * place,
            };
            let value = |input: &mut Input<'_>| match input.u8() % 4 {
                0 => input.u64(),
                1 => u64::from(input.u16()),
                2 => u64::from(input.u16()) << 3,
                _ => 0,
            };
            // Never odd for ever: a look that does not end is waited for, for ten seconds.
            let mut values = [value(input), value(input)];
            if kind % 12 == 5 {
                values[0] &= !1;
            }
            Stroke {
                word: at / 8,
                values,
            }
        })
        .collect()
}

/// All sides: a lossless, a lossy and a durable subscriber.
struct All {
    publisher: Option<KrenPublisher>,
    subscribers: [Option<KrenSubscriber>; 3],
}

impl All {
    fn join(&mut self, kind: usize, name: &str, outcome: &mut Outcome) {
        self.subscribers[kind] = None;
        let options = KrenSubscriber::options().start(Start::Oldest);
        let options = match kind {
            0 => options,
            1 => options.lossy(true),
            _ => options.durable("fuzz"),
        };
        match options.connect(name) {
            Ok(subscriber) => self.subscribers[kind] = Some(subscriber),
            Err(error) => judge(&error, outcome),
        }
    }

    /// One call on one of the sides. Any answer will do, so long as it comes and points at the ring.
    fn act(&mut self, input: &mut Input<'_>, name: &str, outcome: &mut Outcome) {
        let kind = input.u8();
        let len = input.below(CAPACITY + 8);
        let which = len % 3;
        outcome.saw(kind % 8);
        let (publisher, subscriber) = (&mut self.publisher, &mut self.subscribers[which]);
        let result = match (kind % 8, publisher, subscriber) {
            (0..=1, Some(publisher), _) => publisher.try_write(&vec![3; len]),
            (2, Some(publisher), _) => publisher.write_timeout(&vec![4; len], MOMENT),
            (3, Some(publisher), _) => {
                let _ = (publisher.available(), publisher.subscribers());
                publisher.drain(Duration::ZERO)
            }
            (4..=5, _, Some(subscriber)) => {
                let read = subscriber.try_read();
                read.map(|message| message.as_deref().map_or((), touch))
            }
            (6, _, Some(subscriber)) => {
                let _ = (subscriber.available(), subscriber.position());
                subscriber
                    .read_timeout(MOMENT)
                    .map(|message| touch(&message))
            }
            _ => {
                self.join(which, name, outcome);
                Ok(())
            }
        };
        if let Err(error) = result {
            judge(&error, outcome);
        }
    }
}

fn judge(error: &Error, outcome: &mut Outcome) {
    let is_known = matches!(
        error,
        Error::Corrupt { .. }
            | Error::Full { .. }
            | Error::TimedOut { .. }
            | Error::TooLarge { .. }
            | Error::Closed { .. }
            | Error::PeerDied { .. }
            | Error::Lagged { .. }
            | Error::Evicted { .. }
            | Error::NoSeat { .. }
            // The page says that somebody has the place whose lock is held: by one of this process.
            | Error::ReaderExists { .. }
    );
    assert!(is_known, "hostile bytes made a call say: {error}");
    outcome.failed(error);
}
