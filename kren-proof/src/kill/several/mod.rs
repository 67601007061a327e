//! A ring that several read: who is on it beside the victim, and what must hold after a death (P1 to P6).

pub(super) mod actor;

use super::actor::{capacity, path, put_all};
use super::aftermath::Aftermath;
use super::message::{LAST, message, number};
use super::scenario::{Change, Crowd, Scenario};
use crate::format::Segment;
use kren_core::{Error, KrenPublisher, KrenSubscriber, Start};
use std::fs;
use std::time::Duration;

/// Longer than any wait for a dead subscriber takes.
const PATIENCE: Duration = Duration::from_secs(60);
/// By this name goes every durable subscriber here.
pub(super) const DURABLE: &str = "log";

/// Those that live in the tracer's process.
pub(super) struct Several {
    publisher: Option<KrenPublisher>,
    subscribers: Vec<KrenSubscriber>,
}

/// The broadcast with the options of `crowd`, made or taken over.
pub(super) fn publisher(channel: &str, crowd: Crowd) -> Result<KrenPublisher, Error> {
    let options = KrenPublisher::options().subscribers(3);
    let options = match crowd {
        Crowd::PublisherThatEvicts => options.evict_after(Duration::from_millis(5)),
        _ => options,
    };
    options.create(channel, capacity())
}

fn oldest(channel: &str) -> Result<KrenSubscriber, Error> {
    KrenSubscriber::options()
        .start(Start::Oldest)
        .connect(channel)
}

impl Several {
    /// Those that must be there before the victim comes.
    pub(super) fn before(scenario: &Scenario, crowd: Crowd, channel: &str) -> Self {
        let mut all = Self {
            publisher: None,
            subscribers: vec![],
        };
        if crowd == Crowd::Subscriber {
            let mut publisher = publisher(channel, crowd).unwrap();
            // The other one, to whom nothing must happen.
            all.subscribers.push(oldest(channel).unwrap());
            put_all(&mut publisher, 0..scenario.prepared.min(WRITTEN_FIRST));
            all.publisher = Some(publisher);
        }
        all
    }

    /// The victim is about to begin.
    pub(super) fn at_begin(mut self, scenario: &Scenario, crowd: Crowd, channel: &str) -> Self {
        match (crowd, &mut self.publisher) {
            (Crowd::Publisher | Crowd::PublisherThatEvicts, _) => {
                let both = (0..2).map(|_| oldest(channel).unwrap());
                self.subscribers.extend(both);
            }
            // More than a lap, through a subscriber that keeps up: the victim does not.
            (Crowd::Subscriber, Some(publisher)) => {
                for at in WRITTEN_FIRST..scenario.prepared {
                    while self.subscribers[0].try_read().unwrap().is_some() {}
                    put_all(publisher, at..at + 1);
                }
            }
            _ => {}
        }
        self
    }
}

/// Messages that are there when the victim joins; the others are written when it is about to begin.
const WRITTEN_FIRST: u32 = 24;

/// Checks everything that P1 to P6 promise, and uses the broadcast up.
pub(super) fn verify(
    scenario: &Scenario,
    crowd: Crowd,
    channel: &str,
    all: Several,
) -> Result<Aftermath, String> {
    let bytes = fs::read(path(channel)).map_err(|error| format!("the segment is gone: {error}"))?;
    let segment = Segment::parse(bytes).map_err(|rule| format!("segment: {rule}"))?;
    segment
        .judge_broadcast()
        .map_err(|rule| format!("ring: {rule}"))?;
    let durable = (1..=segment.shape.readers)
        .map(|at| segment.seat(at))
        .find(|seat| seat.stance == 2);
    let records = match durable {
        Some(seat) => segment.records_from(seat.position),
        None => segment.oldest(),
    };
    let left = numbers(
        records
            .map_err(|rule| format!("ring: {rule}"))?
            .iter()
            .map(|r| (r.tag, &r.payload[..])),
    )?;
    check_messages(scenario, &left)?;

    let twin = format!("{channel}-twin");
    fs::copy(path(channel), path(&twin)).map_err(|error| format!("twin: {error}"))?;
    let is_durable = durable.is_some();
    let nobody = Several {
        publisher: None,
        subscribers: vec![],
    };
    go_on(&twin, crowd, nobody, (is_durable, &left)).map_err(|what| format!("all dead: {what}"))?;
    go_on(channel, crowd, all, (is_durable, &left)).map_err(|what| format!("go on: {what}"))?;
    Ok(Aftermath {
        channel: Some((segment.shape.capacity, left)),
        released_after: None,
    })
}

fn numbers<'a>(messages: impl Iterator<Item = (u32, &'a [u8])>) -> Result<Vec<u32>, String> {
    messages.map(|(tag, bytes)| number(tag, bytes)).collect()
}

/// The messages are without a gap, and no others than may be there.
fn check_messages(scenario: &Scenario, left: &[u32]) -> Result<(), String> {
    let all = scenario.prepared;
    let (end, released) = match scenario.change {
        Change::Commits(more) => (all + more, 0),
        Change::Releases(first) => (all, first),
        Change::Nothing | Change::Discards => (all, 0),
    };
    let gap = left.windows(2).find(|pair| pair[0] + 1 != pair[1]);
    let is_lapped = all > WRITTEN_FIRST * 3;
    let first = left.first().copied().unwrap_or(all);
    let last = left.last().map_or(all, |last| last + 1);
    let is_right = gap.is_none()
        && (last == all || last == end)
        && (is_lapped || first == 0 || first == released);
    match is_right {
        true => Ok(()),
        false => Err(format!("the messages are {left:?}, of {all} to {end}")),
    }
}

/// A publisher lives or comes, writes one more, and everybody gets it: those that were there, those that come, and a durable one that
/// comes back. Then all close, and the name goes.
fn go_on(
    channel: &str,
    crowd: Crowd,
    all: Several,
    (is_durable, left): (bool, &[u32]),
) -> Result<(), String> {
    let said = |error: Error| error.to_string();
    let Several {
        publisher: live,
        mut subscribers,
    } = all;
    for subscriber in &mut subscribers {
        take(subscriber, None)?;
    }
    let mut publisher = live
        .map_or_else(|| publisher(channel, crowd), Ok)
        .map_err(said)?;
    subscribers.push(oldest(channel).map_err(said)?);
    let mut heir = None;
    if is_durable {
        let mut found = KrenSubscriber::options()
            .durable(DURABLE)
            .connect(channel)
            .map_err(said)?;
        let got = take(&mut found, None)?;
        if got != left {
            return Err(format!(
                "the durable subscriber's heir got {got:?}, not {left:?}"
            ));
        }
        heir = Some(found);
    }
    let (tag, data) = message(LAST);
    // One that died without reading may have to be passed over first.
    if let Some(newest) = subscribers.last_mut() {
        take(newest, None)?;
    }
    let mut slot = publisher.reserve(data.len()).map_err(said)?;
    slot.copy_from_slice(&data);
    slot.set_tag(tag);
    slot.commit();
    for subscriber in subscribers.iter_mut().chain(&mut heir) {
        take(subscriber, Some(LAST))?;
    }
    publisher.close().map_err(said)?;
    for subscriber in &mut subscribers {
        match subscriber.read_timeout(Duration::ZERO) {
            Err(Error::Closed { .. }) => {}
            told => return Err(format!("after a close a subscriber is told {told:?}")),
        }
    }
    drop(subscribers);
    if let Some(heir) = heir {
        heir.unsubscribe().map_err(said)?;
    }
    match fs::exists(path(channel)) {
        Ok(false) => Ok(()),
        _ => Err("the name was left behind".into()),
    }
}

/// Everything that is there: whole messages without a gap, but for one that was passed over. The last one is `expected`.
fn take(subscriber: &mut KrenSubscriber, expected: Option<u32>) -> Result<Vec<u32>, String> {
    let mut got: Vec<u32> = vec![];
    loop {
        let position = subscriber.position();
        match subscriber.try_read() {
            Ok(Some(message)) => {
                let found = number(message.tag(), &message)?;
                if found != LAST && u64::from(found) != position {
                    return Err(format!("message {found} came as number {position}"));
                }
                got.push(found);
            }
            Ok(None) => break,
            Err(Error::Evicted { missed, .. }) if missed > 0 => got.clear(),
            Err(error) => return Err(error.to_string()),
        }
    }
    match expected {
        Some(expected) if got != [expected] => Err(format!("{got:?} came in place of {expected}")),
        _ => Ok(got),
    }
}

/// For a victim that is to be waited with for no longer than this.
pub(super) fn patience() -> Duration {
    PATIENCE
}
