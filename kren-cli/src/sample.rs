//! Looks at all channels, one after the other, and what has changed in between.

use crate::stop::Outcome;
use crate::{process, signals};
use kren_core::inspect::{self, Channel, Kind, Observer, Segment, State};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

/// A channel, and how it fares since the look before.
pub(crate) struct Row {
    pub(crate) channel: Rc<Channel>,
    pub(crate) earlier: Option<Rc<Channel>>,
    pub(crate) state: State,
    /// For how long it has been in this state, as far as that is known: the channel itself tells since when it is full, of other
    /// states only how long they have been seen.
    pub(crate) lasts: Duration,
    /// Each second.
    pub(crate) messages: f64,
    /// Each second, record headers included.
    pub(crate) bytes: f64,
    /// Whether it is a lane of the registry above it.
    pub(crate) is_lane: bool,
}

impl Row {
    /// From 0 to 1; `None` without a ring.
    pub(crate) fn fill(&self) -> Option<f64> {
        let segment = self.channel.segment()?;
        let used = segment.ring.as_ref()?.used();
        Some((used as f64 / segment.capacity as f64).min(1.0))
    }

    /// Messages that are not delivered.
    pub(crate) fn undelivered(&self) -> u64 {
        let segment = self.channel.segment();
        let ring = segment.and_then(|segment| segment.ring.as_ref());
        ring.map_or(0, inspect::Ring::undelivered)
    }

    /// The word for its state, and since when where that says something.
    pub(crate) fn state_text(&self) -> String {
        let name = self.state.name();
        match self.state {
            State::Full | State::WaitingForReader | State::WriterDied
                if self.lasts >= Duration::from_secs(1) =>
            {
                format!("{name} {}", crate::human::age(self.lasts))
            }
            _ => name.into(),
        }
    }
}

/// What was seen of a channel before.
struct Past {
    look: Look,
    state: State,
    since: Instant,
}

/// A channel, and when it was so.
struct Look {
    channel: Rc<Channel>,
    at: Instant,
}

impl Look {
    fn at(observer: &Observer) -> Self {
        let at = Instant::now();
        let channel = Rc::new(observer.look());
        Self { channel, at }
    }
}

/// Remembers the last look.
#[derive(Default)]
pub(crate) struct Sampler {
    /// By instance, or by name for what has none.
    past: HashMap<(u64, String), Past>,
}

impl Sampler {
    /// Looks at all channels.
    pub(crate) fn look(&mut self) -> Outcome<Vec<Row>> {
        let seen = inspect::observers()?.map(|observer| Look::at(&observer));
        Ok(self.rows(seen.collect()))
    }

    /// Looks twice, at each channel `over` apart or more, and the second time only at those where somebody is who may have
    /// done something.
    pub(crate) fn look_over(&mut self, over: Duration) -> Outcome<Vec<Row>> {
        if over.is_zero() {
            return self.look();
        }
        let most = process::descriptors() / 2;
        let mut kept = 0;
        let mut seen = vec![];
        for observer in inspect::observers()? {
            let look = Look::at(&observer);
            let is_live = look.channel.segment().is_some_and(Segment::is_live);
            let observer = (is_live && kept < most).then_some(observer);
            kept += u64::from(observer.is_some());
            seen.push((look, observer, is_live));
        }
        for (look, observer, is_live) in &mut seen {
            if !*is_live {
                continue;
            }
            signals::pause(over.saturating_sub(look.at.elapsed()))?;
            let again = match observer {
                // Most do nothing in so short a time, and of them there is no more to say.
                Some(observer) if !observer.has_moved(&look.channel) => continue,
                Some(observer) => Look::at(observer),
                None => match Observer::open(&look.channel.name) {
                    Ok(observer) => Look::at(&observer),
                    // What is gone meanwhile is shown as it was.
                    Err(_) => continue,
                },
            };
            let before = std::mem::replace(look, again);
            let (state, since) = (before.channel.state(None), before.at);
            self.remember(before, state, since);
        }
        Ok(self.rows(seen.into_iter().map(|(look, ..)| look).collect()))
    }

    fn rows(&mut self, seen: Vec<Look>) -> Vec<Row> {
        let mut past = std::mem::take(&mut self.past);
        let rows = seen
            .into_iter()
            .map(|look| self.row(look, &mut past))
            .collect();
        in_families(rows)
    }

    /// Looks at one channel.
    pub(crate) fn one(&mut self, name: &str) -> Outcome<Row> {
        let look = Look::at(&Observer::open(name)?);
        let mut past = std::mem::take(&mut self.past);
        Ok(self.row(look, &mut past))
    }

    fn remember(&mut self, look: Look, state: State, since: Instant) {
        let key = key(&look.channel);
        self.past.insert(key, Past { look, state, since });
    }

    fn row(&mut self, look: Look, past: &mut HashMap<(u64, String), Past>) -> Row {
        let Look { channel, at } = look;
        let before = past.remove(&key(&channel));
        let state = channel.state(before.as_ref().map(|past| &*past.look.channel));
        let since = before
            .as_ref()
            .filter(|past| past.state == state)
            .map_or(at, |past| past.since);
        let (mut messages, mut bytes) = (0.0, 0.0);
        if let Some(past) = &before {
            let each_second = 1.0 / at.duration_since(past.look.at).as_secs_f64().max(1e-6);
            let progress = |channel: &Channel| {
                let ring = channel.segment()?.ring.as_ref()?;
                Some((ring.written, ring.written_bytes))
            };
            if let (Some(now), Some(then)) = (progress(&channel), progress(&past.look.channel)) {
                messages = now.0.saturating_sub(then.0) as f64 * each_second;
                bytes = now.1.saturating_sub(then.1) as f64 * each_second;
            }
        }
        let look = Look {
            channel: Rc::clone(&channel),
            at,
        };
        self.remember(look, state, since);
        Row {
            earlier: before.map(|past| past.look.channel),
            state,
            lasts: told(&channel, state).unwrap_or_default().max(at - since),
            messages,
            bytes,
            is_lane: false,
            channel,
        }
    }
}

/// For how long it says that it has been in this state.
fn told(channel: &Channel, state: State) -> Option<Duration> {
    let segment = channel.segment().filter(|_| state == State::Full)?;
    // Nothing can have been waited for before there was a channel, whatever its bytes say.
    let since = segment.writer.asleep_since.max(segment.created)?;
    SystemTime::now().duration_since(since).ok()
}

/// What tells a channel from others that had its name; what is no segment has only that.
pub(crate) fn key(channel: &Channel) -> (u64, String) {
    let instance = channel.segment().map_or(0, |segment| segment.instance);
    (instance, channel.name.clone())
}

/// Puts lanes behind the registry that they belong to.
fn in_families(rows: Vec<Row>) -> Vec<Row> {
    let group = |row: &Row| row.channel.segment().and_then(|segment| segment.group);
    let mut lanes: HashMap<u64, Vec<Row>> = HashMap::new();
    let mut heads = vec![];
    for row in rows {
        match group(&row) {
            Some(registry) => lanes.entry(registry).or_default().push(row),
            None => heads.push(row),
        }
    }
    // What channels only need to wake each other by is looked for by few.
    heads.sort_by_key(|row: &Row| {
        let kind = row.channel.segment().map(|segment| segment.kind);
        kind == Some(Kind::Bell)
    });
    let mut ordered = vec![];
    for head in heads {
        let segment = head.channel.segment();
        let registry = segment
            .filter(|segment| matches!(segment.kind, Kind::Inbox | Kind::Queue | Kind::Service))
            .map(|segment| segment.instance);
        let own = registry.and_then(|registry| lanes.remove(&registry));
        ordered.push(head);
        for mut lane in own.into_iter().flatten() {
            lane.is_lane = true;
            ordered.push(lane);
        }
    }
    // Those whose registry is gone.
    let mut orphans: Vec<Row> = lanes.into_values().flatten().collect();
    orphans.sort_by(|one, other| one.channel.name.cmp(&other.channel.name));
    ordered.extend(orphans);
    ordered
}
