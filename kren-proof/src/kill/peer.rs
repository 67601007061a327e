//! The other side of the channel, in the tracer's process, and how it learns what happened.

use super::actor::{capacity, path, put};
use super::company::Company;
use super::message::{message, number};
use super::scenario::{Peer, Scenario};
use super::several::Several;
use crate::format::Segment;
use kren_core::{Error, KrenReader, KrenWriter, PeerState, Result};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// A peer that has not been released after this never will be.
const HANG: Duration = Duration::from_secs(120);

/// A peer that nobody waits for any more.
pub(super) enum Live {
    Nobody,
    Writer(KrenWriter),
    Reader(KrenReader),
    BlockedWriter(Blocked<KrenWriter, ()>),
    SleepingReader(Blocked<KrenReader, (u32, Vec<u8>)>),
    /// Of a broadcast.
    Several(Several),
    /// Of an inbox, a queue or a service.
    Company(Box<Company>),
}

/// A thread in a blocking call: gives its endpoint back, and what the call said when.
type Blocked<E, T> = JoinHandle<(E, Result<T>, Instant)>;

/// What a peer was told.
pub(super) struct Settled {
    pub(super) live: Live,
    /// The message that a reader got.
    pub(super) read: Vec<u32>,
    /// Messages that a writer added.
    pub(super) written: u32,
    /// When a blocked peer was released.
    pub(super) released: Option<Instant>,
}

impl Live {
    /// The peers that must be there before the victim comes.
    pub(super) fn before(scenario: &Scenario, channel: &str) -> Self {
        if let Some(crowd) = scenario.crowd {
            return Self::Several(Several::before(scenario, crowd, channel));
        }
        if let Some(part) = scenario.part {
            return Self::Company(Box::new(Company::before(scenario, part, channel)));
        }
        match scenario.peer {
            Peer::Writer | Peer::BlockedWriter => {
                let mut writer = KrenWriter::create(channel, capacity()).unwrap();
                put(&mut writer, 0..scenario.prepared);
                Self::Writer(writer)
            }
            Peer::Nobody | Peer::Reader | Peer::SleepingReader => Self::Nobody,
        }
    }

    /// The victim is about to begin: the peers that block do so now.
    pub(super) fn at_begin(self, scenario: &Scenario, channel: &str) -> Self {
        match (scenario.peer, self) {
            (_, Self::Company(company)) => {
                Self::Company(Box::new(company.at_begin(scenario, channel)))
            }
            (_, Self::Several(several)) => match scenario.crowd {
                Some(crowd) => Self::Several(several.at_begin(scenario, crowd, channel)),
                None => Self::Several(several),
            },
            (Peer::BlockedWriter, Self::Writer(mut writer)) => {
                let (tag, data) = message(scenario.prepared);
                let blocked = thread::spawn(move || {
                    let result = write_within(&mut writer, tag, &data);
                    (writer, result, Instant::now())
                });
                until(|| blocked.is_finished() || peek(channel).writer_ticket() % 2 == 1);
                Self::BlockedWriter(blocked)
            }
            (Peer::Reader, _) => Self::Reader(KrenReader::connect(channel).unwrap()),
            (Peer::SleepingReader, _) => {
                let mut reader = KrenReader::connect(channel).unwrap();
                let asleep = thread::spawn(move || {
                    let read = reader.read_timeout(HANG);
                    let result = read.map(|message| (message.tag(), message.to_vec()));
                    (reader, result, Instant::now())
                });
                until(|| asleep.is_finished() || peek(channel).reader_ticket() % 2 == 1);
                Self::SleepingReader(asleep)
            }
            (_, live) => live,
        }
    }

    /// Waits until a blocked peer is released, and says by what. The victim is dead by now.
    pub(super) fn settle(self) -> std::result::Result<Settled, String> {
        let mut settled = Settled {
            live: Live::Nobody,
            read: vec![],
            written: 0,
            released: None,
        };
        settled.live = match self {
            Self::BlockedWriter(blocked) => {
                let (writer, result, when) = blocked.join().map_err(|_| "the writer panicked")?;
                settled.written = u32::from(was_released(result)?.is_some());
                settled.released = Some(when);
                Self::Writer(writer)
            }
            Self::SleepingReader(asleep) => {
                let (reader, result, when) = asleep.join().map_err(|_| "the reader panicked")?;
                if let Some((tag, bytes)) = was_released(result)? {
                    settled.read.push(number(tag, &bytes)?);
                }
                settled.released = Some(when);
                Self::Reader(reader)
            }
            live => live,
        };
        let gone = match &settled.live {
            Self::Writer(writer) => writer.reader_state(),
            Self::Reader(reader) => reader.writer_state(),
            _ => return Ok(settled),
        };
        match gone {
            PeerState::Attached => Err("the dead process still counts as attached".into()),
            _ => Ok(settled),
        }
    }
}

/// `write_timeout`, with a tag.
fn write_within(writer: &mut KrenWriter, tag: u32, data: &[u8]) -> Result<()> {
    let mut slot = writer.reserve_timeout(data.len(), HANG)?;
    slot.copy_from_slice(data);
    slot.set_tag(tag);
    slot.commit();
    Ok(())
}

/// A blocked call ends with success or with the other side's end (G4), and nothing else.
fn was_released<T>(result: Result<T>) -> std::result::Result<Option<T>, String> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Error::Closed { .. } | Error::PeerDied { .. }) => Ok(None),
        Err(error) => Err(format!("the blocked peer was told: {error}")),
    }
}

fn peek(channel: &str) -> Segment {
    Segment::parse(std::fs::read(path(channel)).unwrap()).unwrap()
}

fn until(mut reached: impl FnMut() -> bool) {
    while !reached() {
        thread::yield_now();
    }
}
