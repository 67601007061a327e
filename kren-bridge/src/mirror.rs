//! The segment at the far side, whose writer, or publisher, the bridge is: opened where it left off, or anew.

use crate::receiver;
use crate::wire::Offer;
use kren_core::inspect::{self, Kind};
use kren_core::{Error, KrenPublisher, KrenWriter, Result, Schema, WriterOptions};

/// The number by which an offer names a channel.
pub const CHANNEL: u8 = Kind::Channel as u8;
/// The number by which an offer names a broadcast.
pub const BROADCAST: u8 = Kind::Broadcast as u8;

/// A mirror, held for writing.
pub struct Mirror {
    /// `None` once the stream has ended.
    writer: Option<KrenWriter>,
    /// What it is the mirror of.
    pub instance: u64,
    alignment: u32,
    capacity: u64,
}

/// What is to be done where something is missing between what came and what can still be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum OnGap {
    /// Nothing more is carried until somebody has looked.
    #[default]
    Stop,
    /// It goes on with what there is.
    Continue,
}

/// What became of an offer.
pub enum Opened {
    /// It is taken: from this message on, and what was lost before, as a person reads it.
    Mirror(Box<Mirror>, u64, Option<String>),
    /// Not yet, and why: it is worth another try.
    Wait(String),
    /// Not at all, and why.
    Stop(String),
}

impl Mirror {
    /// The mirror of what is offered, under the name `name`.
    ///
    /// # Errors
    ///
    /// As [`KrenWriter::create`].
    pub fn open(name: &str, realm: &str, offer: &Offer, on_gap: OnGap) -> Result<Opened> {
        if offer.kind != CHANNEL && offer.kind != BROADCAST {
            return Ok(Opened::Stop(format!(
                "'{name}' is of a kind that this version of the bridge does not carry (channels and broadcasts are, and inboxes in another way)"
            )));
        }
        let Ok(capacity) = usize::try_from(offer.capacity) else {
            return Ok(Opened::Stop(format!(
                "'{name}' has a ring of {} bytes, more than this machine can map",
                offer.capacity
            )));
        };
        let found = match inspect::channel(name) {
            Ok(found) => Some(found),
            Err(Error::NotFound { .. }) => None,
            Err(error) => return Err(error),
        };
        let segment = found.as_ref().and_then(inspect::Channel::segment);
        let known = segment.and_then(|segment| {
            let origin = segment.origin.as_ref()?;
            (origin.instance == offer.instance).then_some(origin)
        });
        let first = offer.oldest;
        let mut lost = None;
        if let Some(origin) = known {
            // Opened first, then believed: whoever was the writer may have died between a message and its count.
            let options = KrenWriter::options();
            let options =
                options.mirror_of(&origin.name, origin.hash, origin.instance, origin.first);
            let mirror = Self::create(name, options, offer, capacity)?;
            let want = origin.first + mirror.count();
            if want >= offer.oldest {
                return Ok(Opened::Mirror(Box::new(mirror), want, None));
            }
            lost = Some(format!(
                "messages {want} to {} of '{name}' are gone: they were released at {}, and never came here",
                offer.oldest - 1,
                offer.machine.name,
            ));
            let is_drained = mirror.writer.as_ref().is_none_or(KrenWriter::is_drained);
            drop(mirror);
            if on_gap == OnGap::Continue {
                if !is_drained {
                    return Ok(Opened::Wait(format!(
                        "the mirror of '{name}' begins anew behind a gap once its reader has taken what is in it"
                    )));
                }
                kren_core::remove(name, true)?;
            }
        } else if offer.was_carried && offer.oldest > 0 {
            lost = Some(format!(
                "the mirror of '{name}' is gone from this machine, and what was undelivered in it; {} can send from message {} on",
                offer.machine.name, offer.oldest
            ));
        }
        if let (Some(lost), OnGap::Stop) = (&lost, on_gap) {
            return Ok(Opened::Stop(format!(
                "{lost}. Start this side with --on-gap continue to go on without them"
            )));
        }
        let undelivered = segment
            .and_then(|segment| segment.ring.as_ref())
            .map_or(0, |ring| ring.kept);
        if known.is_none() && undelivered > 0 {
            return Ok(Opened::Wait(format!(
                "'{name}' exists here with {undelivered} undelivered messages that are not this channel's: its mirror takes the place \
                 once they are read"
            )));
        }
        let options = KrenWriter::options().mirror_of(
            &origin_name(realm, &offer.machine.name),
            offer.machine.hash,
            offer.instance,
            first,
        );
        let mirror = Self::create(name, options, offer, capacity)?;
        Ok(Opened::Mirror(Box::new(mirror), first, lost))
    }

    fn create(name: &str, options: WriterOptions, offer: &Offer, capacity: usize) -> Result<Self> {
        let schema = offer.schema.as_ref();
        let schema = schema.and_then(|(name, text, hash)| Schema::seen(name, text, *hash));
        let mut options = options.alignment(offer.alignment as usize);
        if let Some(schema) = &schema {
            options = options.schema(schema);
        }
        let writer = match offer.kind {
            BROADCAST => KrenPublisher::options()
                .writer(&options)
                .subscribers(offer.seats as usize)
                .create(name, capacity)?
                .into_writer(),
            _ => options.create(name, capacity)?,
        };
        Ok(Self::new(writer, offer.instance))
    }

    /// What `writer` writes to, which mirrors the segment of this instance.
    pub(crate) fn new(writer: KrenWriter, instance: u64) -> Self {
        Self {
            alignment: writer.alignment() as u32,
            capacity: writer.capacity() as u64,
            writer: Some(writer),
            instance,
        }
    }

    /// Messages that were ever committed to it.
    fn count(&self) -> u64 {
        self.writer
            .as_ref()
            .map_or(0, |writer| writer.outline().count)
    }

    /// Ends the stream as it has ended at the source.
    pub fn end(&mut self, has_died: bool) {
        if let Some(writer) = self.writer.take() {
            // They fail in a child made by fork alone.
            let _ = match has_died {
                true => writer.break_off(),
                false => writer.close(),
            };
        }
    }

    /// Whether the name no longer leads to it.
    #[must_use]
    pub fn is_removed(&self) -> bool {
        self.writer.as_ref().is_some_and(KrenWriter::is_removed)
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        // The next bridge goes on with it: its reader is told that the writer is gone, not that the stream has ended.
        self.end(true);
    }
}

/// Removes the mirror `name` if it is that of `instance`, or of any with `None`, is empty, and held by nobody. Tells whether nothing is left to do.
pub fn clear_away(name: &str, instance: Option<u64>) -> bool {
    let Ok(seen) = inspect::channel(name) else {
        return true;
    };
    let Some(segment) = seen.segment() else {
        return true;
    };
    let is_this = segment
        .origin
        .as_ref()
        .is_some_and(|origin| instance.is_none_or(|instance| instance == origin.instance));
    if !is_this {
        return true;
    }
    let is_empty = segment.ring.as_ref().is_some_and(|ring| ring.kept == 0);
    !segment.is_live() && is_empty && kren_core::remove(name, false).is_ok()
}

/// As much of it as a header holds.
pub(crate) fn origin_name(realm: &str, machine: &str) -> String {
    const MAX: usize = 64;
    let mut name = format!("{realm}/{machine}");
    let mut end = name.len().min(MAX);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.truncate(end);
    name
}

impl receiver::Sink for Mirror {
    type Error = Error;

    fn alignment(&self) -> u32 {
        self.alignment
    }

    fn capacity(&self) -> u64 {
        self.capacity
    }

    fn room(&self) -> u64 {
        match self.writer.as_ref().map_or(0, KrenWriter::available) {
            0 => 0,
            longest => longest as u64 + 8,
        }
    }

    fn write(&mut self, tag: u32, message: &[u8]) -> Result<bool> {
        self.with(|writer| writer.try_write_tagged(tag, message))
    }

    fn part(&mut self, total: usize, offset: usize, part: &[u8]) -> Result<bool> {
        // Nothing is written in between, so it lies where it lay.
        self.with(|writer| {
            let mut slot = writer.try_reserve(total)?;
            slot.write_at(offset, part);
            Ok(())
        })
    }

    fn commit(&mut self, total: usize, tag: u32) -> Result<bool> {
        self.with(|writer| {
            let mut slot = writer.try_reserve(total)?;
            slot.set_tag(tag);
            slot.commit();
            Ok(())
        })
    }
}

impl Mirror {
    /// Does something if there is room for it.
    fn with(&mut self, act: impl FnOnce(&mut KrenWriter) -> Result<()>) -> Result<bool> {
        match self.writer.as_mut().map(act) {
            Some(Ok(())) => Ok(true),
            None | Some(Err(Error::Full { .. })) => Ok(false),
            Some(Err(error)) => Err(error),
        }
    }
}
