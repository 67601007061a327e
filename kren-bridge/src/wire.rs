//! What two bridges say to each other, byte by byte: `docs/spec/bridge.md`, *Frames*.
//!
//! Nothing that comes in is trusted: a frame is decoded whole, or it is none.

#[cfg(test)]
mod tests;

use std::fmt;

/// The version of the protocol; the fifth byte of each frame.
pub const VERSION: u8 = 1;
/// What each frame begins with.
const MAGIC: [u8; 4] = *b"KREN";
/// Bytes before what is a frame's own.
const HEAD: usize = 24;
/// Bytes before the records of a frame of messages.
pub const DATA_HEAD: usize = HEAD + 16;
/// Bytes before each message in such a frame.
pub const RECORD_HEAD: usize = 8;

/// A frame, and whose talk it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame<'a> {
    /// One life of the exporting side; 0 where it is not known yet.
    pub sender: u64,
    /// One life of the importing side; 0 where it is meant for any.
    pub receiver: u64,
    /// What is said.
    pub body: Body<'a>,
}

/// What is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body<'a> {
    /// From the source: what there is to be had.
    Offer(Offer),
    /// From the source: whole messages.
    Data(Data<'a>),
    /// From the source: a part of a long message.
    Piece(Piece<'a>),
    /// From the source: the stream has ended.
    End(End),
    /// From the source: a question that is answered with an [`Ack`].
    Probe(Probe),
    /// From the source: the channel does not exist there.
    Absent,
    /// From the far side: it would have the channel.
    Join(Machine),
    /// From the far side: what has come, and how much may.
    Ack(Ack),
    /// From either: it will not, and why.
    Refusal(String),
    /// From either: a part of a talk, as [`crate::word`] reads it, and its number in the talk.
    Word(u64, &'a [u8]),
}

/// What there is to be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The kind of the segment, by its number.
    pub kind: u8,
    /// This instance has been carried before, to whomever.
    pub was_carried: bool,
    /// Alignment of payloads.
    pub alignment: u32,
    /// Bytes of records.
    pub capacity: u64,
    /// Seats for readers.
    pub seats: u32,
    /// The segment's instance.
    pub instance: u64,
    /// The number of the first message that can still be sent.
    pub oldest: u64,
    /// The machine it is on.
    pub machine: Machine,
    /// What its messages are: name, text and hash.
    pub schema: Option<(String, String, u64)>,
}

/// Who speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// For people.
    pub name: String,
    /// For comparing.
    pub hash: u64,
}

/// Whole messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Data<'a> {
    /// Grows whenever the sender goes back.
    pub round: u32,
    /// How many.
    pub count: u32,
    /// The number of the first.
    pub first: u64,
    /// Each: length, tag, bytes. Checked when it was decoded.
    pub records: &'a [u8],
}

/// A part of a long message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece<'a> {
    /// See [`Data::round`].
    pub round: u32,
    /// The message's tag.
    pub tag: u32,
    /// The message's number.
    pub number: u64,
    /// The message's length.
    pub total: u32,
    /// Where in it the part lies.
    pub offset: u32,
    /// The part.
    pub bytes: &'a [u8],
}

/// The stream has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// See [`Data::round`].
    pub round: u32,
    /// By a death, not by a close.
    pub has_died: bool,
    /// The number that a next message would have.
    pub number: u64,
}

/// A question that is answered with an [`Ack`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// See [`Data::round`].
    pub round: u32,
    /// What the answer repeats.
    pub question: u64,
    /// The number of the next message that is to be sent.
    pub sent: u64,
    /// How much of it has been sent in parts.
    pub offset: u32,
}

/// What has come, and how much may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ack {
    /// Grows; an older one that comes later says nothing.
    pub serial: u64,
    /// The number of the message that is wanted next: all before it are committed.
    pub want: u64,
    /// Bytes of records for which there is room behind them.
    pub room: u64,
    /// Alignment of payloads, by which records take room.
    pub alignment: u32,
    /// Of the frame that is answered, if one is.
    pub round: u32,
    /// The question that is answered, or 0.
    pub question: u64,
    /// Something is missing before a frame of that round.
    pub has_gap: bool,
    /// The end has come.
    pub has_ended: bool,
}

/// Why bytes are not a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// Another version of the protocol.
    Version(u8),
    /// Nothing that a bridge says.
    Garbage,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => write!(
                f,
                "the other bridge speaks version {version} of the protocol, this one version {VERSION}: run the same KREN on both sides"
            ),
            Self::Garbage => f.write_str("bytes that are no frame of a bridge"),
        }
    }
}

const OFFER: u8 = 1;
const DATA: u8 = 2;
const PIECE: u8 = 3;
const END: u8 = 4;
const PROBE: u8 = 5;
const ABSENT: u8 = 6;
const JOIN: u8 = 16;
const ACK: u8 = 17;
const REFUSAL: u8 = 32;
const WORD: u8 = 33;

impl Frame<'_> {
    /// The frame's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut to = Vec::with_capacity(HEAD + 64);
        let kind = match &self.body {
            Body::Offer(_) => OFFER,
            Body::Data(_) => DATA,
            Body::Piece(_) => PIECE,
            Body::End(_) => END,
            Body::Probe(_) => PROBE,
            Body::Absent => ABSENT,
            Body::Join(_) => JOIN,
            Body::Ack(_) => ACK,
            Body::Refusal(_) => REFUSAL,
            Body::Word(..) => WORD,
        };
        head(&mut to, kind, self.sender, self.receiver);
        self.body.encode(&mut to);
        to
    }
}

fn head(to: &mut Vec<u8>, kind: u8, sender: u64, receiver: u64) {
    to.extend(MAGIC);
    to.extend([VERSION, kind, 0, 0]);
    to.extend(sender.to_le_bytes());
    to.extend(receiver.to_le_bytes());
}

/// Begins a frame of whole messages, to which [`record`] adds each; the count comes with [`seal`].
#[must_use]
pub fn data(sender: u64, receiver: u64, round: u32, first: u64, room: usize) -> Vec<u8> {
    let mut to = Vec::with_capacity(DATA_HEAD + room);
    head(&mut to, DATA, sender, receiver);
    to.extend(round.to_le_bytes());
    to.extend(0_u32.to_le_bytes());
    to.extend(first.to_le_bytes());
    to
}

/// What goes before a message's bytes in such a frame.
pub fn record(to: &mut Vec<u8>, len: usize, tag: u32) {
    // A record's length is below 2^32 (R2).
    to.extend((len as u32).to_le_bytes());
    to.extend(tag.to_le_bytes());
}

/// Ends such a frame.
pub fn seal(frame: &mut [u8], count: u32) {
    frame[HEAD + 4..HEAD + 8].copy_from_slice(&count.to_le_bytes());
}

impl Body<'_> {
    fn encode(&self, to: &mut Vec<u8>) {
        match self {
            Self::Offer(offer) => {
                to.extend([offer.kind, offer.was_carried.into(), 0, 0]);
                to.extend(offer.alignment.to_le_bytes());
                to.extend(offer.capacity.to_le_bytes());
                to.extend(offer.seats.to_le_bytes());
                to.extend(offer.instance.to_le_bytes());
                to.extend(offer.oldest.to_le_bytes());
                offer.machine.encode(to);
                to.push(offer.schema.is_some().into());
                if let Some((name, description, hash)) = &offer.schema {
                    text(to, name);
                    text(to, description);
                    to.extend(hash.to_le_bytes());
                }
            }
            Self::Data(data) => {
                to.extend(data.round.to_le_bytes());
                to.extend(data.count.to_le_bytes());
                to.extend(data.first.to_le_bytes());
                to.extend(data.records);
            }
            Self::Piece(piece) => {
                to.extend(piece.round.to_le_bytes());
                to.extend(piece.tag.to_le_bytes());
                to.extend(piece.number.to_le_bytes());
                to.extend(piece.total.to_le_bytes());
                to.extend(piece.offset.to_le_bytes());
                to.extend(piece.bytes);
            }
            Self::End(end) => {
                to.extend(end.round.to_le_bytes());
                to.extend([end.has_died.into(), 0, 0, 0]);
                to.extend(end.number.to_le_bytes());
            }
            Self::Probe(probe) => {
                to.extend(probe.round.to_le_bytes());
                to.extend(probe.offset.to_le_bytes());
                to.extend(probe.question.to_le_bytes());
                to.extend(probe.sent.to_le_bytes());
            }
            Self::Absent => {}
            Self::Join(machine) => machine.encode(to),
            Self::Ack(ack) => {
                to.extend(ack.serial.to_le_bytes());
                to.extend(ack.want.to_le_bytes());
                to.extend(ack.room.to_le_bytes());
                to.extend(ack.question.to_le_bytes());
                to.extend(ack.alignment.to_le_bytes());
                to.extend(ack.round.to_le_bytes());
                to.extend([ack.has_gap.into(), ack.has_ended.into(), 0, 0]);
            }
            Self::Refusal(why) => text(to, why),
            Self::Word(number, bytes) => {
                to.extend(number.to_le_bytes());
                to.extend(*bytes);
            }
        }
    }
}

impl Machine {
    fn encode(&self, to: &mut Vec<u8>) {
        to.extend(self.hash.to_le_bytes());
        text(to, &self.name);
    }
}

/// A length in 16 bits, and so many bytes of UTF-8.
fn text(to: &mut Vec<u8>, text: &str) {
    let mut end = text.len().min(usize::from(u16::MAX));
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    to.extend((end as u16).to_le_bytes());
    to.extend(&text.as_bytes()[..end]);
}

/// What is left of a frame that is being decoded.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn bytes(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(Malformed::Garbage)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let bytes = self.bytes(N)?;
        bytes.try_into().map_err(|_| Malformed::Garbage)
    }

    fn u8(&mut self) -> Result<u8, Malformed> {
        self.array().map(u8::from_le_bytes)
    }

    fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_le_bytes)
    }

    fn bool(&mut self) -> Result<bool, Malformed> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed::Garbage),
        }
    }

    fn text(&mut self) -> Result<String, Malformed> {
        let len = self.u16()?;
        let bytes = self.bytes(len.into())?;
        let text = std::str::from_utf8(bytes).map_err(|_| Malformed::Garbage)?;
        Ok(text.to_owned())
    }

    fn machine(&mut self) -> Result<Machine, Malformed> {
        Ok(Machine {
            hash: self.u64()?,
            name: self.text()?,
        })
    }

    fn all(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }
}

/// Whether what begins so is part of the stream itself, if it is a frame at all.
#[must_use]
pub fn is_of_stream(bytes: &[u8]) -> bool {
    matches!(bytes.get(5), Some(&(DATA | PIECE | END | PROBE)))
}

/// The frame that these bytes are.
///
/// # Errors
///
/// [`Malformed`].
pub fn decode(bytes: &[u8]) -> Result<Frame<'_>, Malformed> {
    let mut rest = Rest(bytes);
    if rest.array()? != MAGIC {
        return Err(Malformed::Garbage);
    }
    let version = rest.u8()?;
    if version != VERSION {
        return Err(Malformed::Version(version));
    }
    let kind = rest.u8()?;
    rest.array::<2>()?;
    let (sender, receiver) = (rest.u64()?, rest.u64()?);
    let body = match kind {
        OFFER => Body::Offer(offer(&mut rest)?),
        DATA => Body::Data(whole(Data {
            round: rest.u32()?,
            count: rest.u32()?,
            first: rest.u64()?,
            records: rest.all(),
        })?),
        PIECE => Body::Piece(part(Piece {
            round: rest.u32()?,
            tag: rest.u32()?,
            number: rest.u64()?,
            total: rest.u32()?,
            offset: rest.u32()?,
            bytes: rest.all(),
        })?),
        END => Body::End(End {
            round: rest.u32()?,
            has_died: {
                let has_died = rest.bool()?;
                rest.array::<3>()?;
                has_died
            },
            number: rest.u64()?,
        }),
        PROBE => Body::Probe(Probe {
            round: rest.u32()?,
            offset: rest.u32()?,
            question: rest.u64()?,
            sent: rest.u64()?,
        }),
        ABSENT => Body::Absent,
        JOIN => Body::Join(rest.machine()?),
        ACK => Body::Ack(ack(&mut rest)?),
        REFUSAL => Body::Refusal(rest.text()?),
        WORD => Body::Word(rest.u64()?, rest.all()),
        _ => return Err(Malformed::Garbage),
    };
    if !rest.0.is_empty() {
        return Err(Malformed::Garbage);
    }
    Ok(Frame {
        sender,
        receiver,
        body,
    })
}

fn offer(rest: &mut Rest<'_>) -> Result<Offer, Malformed> {
    Ok(Offer {
        kind: rest.u8()?,
        was_carried: {
            let was_carried = rest.bool()?;
            rest.array::<2>()?;
            was_carried
        },
        alignment: rest.u32()?,
        capacity: rest.u64()?,
        seats: rest.u32()?,
        instance: rest.u64()?,
        oldest: rest.u64()?,
        machine: rest.machine()?,
        schema: match rest.bool()? {
            true => Some((rest.text()?, rest.text()?, rest.u64()?)),
            false => None,
        },
    })
}

fn ack(rest: &mut Rest<'_>) -> Result<Ack, Malformed> {
    let ack = Ack {
        serial: rest.u64()?,
        want: rest.u64()?,
        room: rest.u64()?,
        question: rest.u64()?,
        alignment: rest.u32()?,
        round: rest.u32()?,
        has_gap: rest.bool()?,
        has_ended: rest.bool()?,
    };
    rest.array::<2>()?;
    match ack.alignment.is_power_of_two() && (8..=4096).contains(&ack.alignment) {
        true => Ok(ack),
        false => Err(Malformed::Garbage),
    }
}

/// That the records are so many.
fn whole(data: Data<'_>) -> Result<Data<'_>, Malformed> {
    let mut count = 0_u32;
    let mut rest = Rest(data.records);
    while !rest.0.is_empty() {
        let len = rest.u32()?;
        rest.u32()?;
        rest.bytes(len as usize)?;
        count += 1;
    }
    let is_numbered = data.first.checked_add(count.into()).is_some();
    match count == data.count && count > 0 && is_numbered {
        true => Ok(data),
        false => Err(Malformed::Garbage),
    }
}

/// That the part lies within its message.
fn part(piece: Piece<'_>) -> Result<Piece<'_>, Malformed> {
    let end = u64::from(piece.offset) + piece.bytes.len() as u64;
    let is_within = !piece.bytes.is_empty() && end <= u64::from(piece.total);
    match is_within && piece.number < u64::MAX {
        true => Ok(piece),
        false => Err(Malformed::Garbage),
    }
}

impl<'a> Piece<'a> {
    /// The part that follows, which is `bytes`.
    ///
    /// # Errors
    ///
    /// [`Malformed::Garbage`] if it does not lie within the message.
    pub fn followed_by(&self, bytes: &'a [u8]) -> Result<Self, Malformed> {
        part(Self {
            // Both are within the message, so below 2^32.
            offset: self.offset + self.bytes.len() as u32,
            bytes,
            ..*self
        })
    }
}

impl<'a> Data<'a> {
    /// Each message: its tag and its bytes.
    pub fn messages(&self) -> impl Iterator<Item = (u32, &'a [u8])> + use<'a> {
        let mut rest = Rest(self.records);
        std::iter::from_fn(move || {
            let len = rest.u32().ok()?;
            let tag = rest.u32().ok()?;
            Some((tag, rest.bytes(len as usize).ok()?))
        })
    }
}
