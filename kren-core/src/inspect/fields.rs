//! What is seen, as names and values: one list for the faces of all languages and for JSON.

use super::{Channel, Contents, Origin, Ring, Schema, Segment, Side, Stance};
use crate::PeerState;
use std::time::SystemTime;

/// A value, and the names of its parts.
#[doc(hidden)]
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Field {
    /// Nothing is known, or there is none.
    None,
    /// Yes or no.
    Flag(bool),
    /// A count.
    Number(u64),
    /// A number that is only compared.
    Id(u64),
    /// A moment.
    Time(SystemTime),
    /// A text.
    Text(String),
    /// Values in order.
    List(Vec<Field>),
    /// Values by name.
    Parts(Vec<(&'static str, Field)>),
}

macro_rules! field_from {
    ($($from:ty => $make:expr;)*) => {
        $(impl From<$from> for Field {
            fn from(value: $from) -> Self {
                #[allow(clippy::redundant_closure_call)]
                ($make)(value)
            }
        })*
    };
}

field_from! {
    bool => Self::Flag;
    u64 => Self::Number;
    u32 => |number| Self::Number(u64::from(number));
    usize => |number| Self::Number(number as u64);
    &str => |text: &str| Self::Text(text.into());
    SystemTime => Self::Time;
}

impl<T: Into<Field>> From<Option<T>> for Field {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::None, Into::into)
    }
}

impl Channel {
    /// All that is known, by name.
    #[doc(hidden)]
    #[must_use]
    pub fn fields(&self, earlier: Option<&Channel>) -> Field {
        let mut parts = vec![
            ("name", self.name.as_str().into()),
            ("state", self.state(earlier).name().into()),
            ("bytes", self.bytes.into()),
            ("owner", self.owner.into()),
            ("mode", self.mode.into()),
        ];
        match &self.contents {
            Contents::Segment(segment) => parts.extend(segment.fields()),
            Contents::OtherVersion(version) => parts.push(("version", (*version).into())),
            Contents::Damaged(what) | Contents::Unreadable(what) => {
                parts.push(("reason", what.as_str().into()));
            }
        }
        Field::Parts(parts)
    }
}

impl Segment {
    fn fields(&self) -> Vec<(&'static str, Field)> {
        let subscribers = self.readers.iter().map(Side::fields).collect();
        let mut parts = vec![
            ("version", crate::layout::LAYOUT_VERSION.into()),
            ("kind", self.kind.name().into()),
            ("capacity", self.capacity.into()),
            ("alignment", self.alignment.into()),
            ("granularity", self.granularity.into()),
            ("seats", self.seats.into()),
            ("evicts", self.evicts.into()),
            ("instance", Field::Id(self.instance)),
            ("created", self.created.into()),
            ("creator", self.creator.into()),
            ("group", self.group.map_or(Field::None, Field::Id)),
            ("schema", self.schema.as_ref().map(Schema::fields).into()),
            ("origin", self.origin.as_ref().map(Origin::fields).into()),
            ("writer", self.writer.fields()),
            ("readers", Field::List(subscribers)),
        ];
        if let Some(ring) = &self.ring {
            parts.extend(ring.fields());
        }
        parts
    }
}

impl Ring {
    fn fields(&self) -> [(&'static str, Field); 9] {
        [
            ("written", self.written.into()),
            ("written_bytes", self.written_bytes.into()),
            ("released", self.released.into()),
            ("released_bytes", self.released_bytes.into()),
            ("undelivered", self.undelivered().into()),
            ("used", self.used().into()),
            ("kept", self.kept.into()),
            ("marks", self.marks.into()),
            ("damage", self.damage.into()),
        ]
    }
}

impl Side {
    fn fields(&self) -> Field {
        let state = match self.state {
            PeerState::NeverAttached => "never attached",
            PeerState::Attached => "attached",
            PeerState::Closed => "closed",
            PeerState::Died => "died",
            PeerState::Unknown => "unknown",
        };
        let stance = self.stance.map(|stance| match stance {
            Stance::Lossy => "lossy",
            Stance::Lossless => "lossless",
            Stance::Durable => "durable",
        });
        Field::Parts(vec![
            ("seat", self.seat.into()),
            ("state", state.into()),
            ("pid", self.pid.into()),
            ("is_elsewhere", self.is_elsewhere.into()),
            ("session", self.session.into()),
            ("since", self.since.into()),
            ("position", self.position.into()),
            ("count", self.count.into()),
            ("wakes", self.wakes.into()),
            ("sleeps", self.sleeps.into()),
            ("is_asleep", self.is_asleep.into()),
            ("asleep_since", self.asleep_since.into()),
            ("is_streaming", self.is_streaming.into()),
            ("uses_barrier", self.uses_barrier.into()),
            ("stance", stance.into()),
            ("is_passed_over", self.is_passed_over.into()),
            ("identity", Field::Id(self.identity)),
            ("advice", self.advice.into()),
            ("lane", self.lane.into()),
        ])
    }
}

impl Schema {
    fn fields(&self) -> Field {
        Field::Parts(vec![
            ("name", self.name.as_str().into()),
            ("hash", Field::Id(self.hash)),
            ("text", self.text.as_str().into()),
        ])
    }
}

impl Origin {
    fn fields(&self) -> Field {
        Field::Parts(vec![
            ("name", self.name.as_str().into()),
            ("hash", Field::Id(self.hash)),
            ("instance", Field::Id(self.instance)),
            ("first", self.first.into()),
        ])
    }
}
