//! The segment header: `docs/spec/segment.md`, "Segment header", written and validated.

use super::{
    CAPACITY_MAX, GRANULARITY_MAX, GRANULARITY_MIN, Geometry, LAYOUT_VERSION, MAGIC, MEMBERS_MAX,
    SUBSCRIBERS_MAX, valid_alignment,
};

/// Bytes of the segment header that carry meaning; the rest of its page is zero.
pub(crate) const HEADER_LEN: usize = 1024;
/// Where the checksum of everything before it stands.
const CHECKSUM: usize = HEADER_LEN - 8;

/// Where the texts stand, and how long each may be, in bytes.
const SCHEMA_NAME: (usize, usize) = (128, 64);
const ORIGIN_NAME: (usize, usize) = (192, 64);
const SCHEMA_TEXT: (usize, usize) = (256, 512);

/// Bits of the flags.
const EVICTS: u32 = 1;
const HAS_SCHEMA: u32 = 2;
const HAS_ORIGIN: u32 = 4;

/// What a segment is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u32)]
#[non_exhaustive]
pub enum Kind {
    /// One writer, one reader. Also each lane of a pattern, and each reply channel.
    Channel = 0,
    /// One writer, many readers.
    Broadcast = 1,
    /// The registry of an inbox: its senders are the members.
    Inbox = 2,
    /// The registry of a work queue: its workers are the members.
    Queue = 3,
    /// The registry of a service: its clients are the members.
    Service = 4,
    /// On which a process sleeps that waits for many.
    Bell = 5,
}

impl Kind {
    const ALL: [Self; 6] = [
        Self::Channel,
        Self::Broadcast,
        Self::Inbox,
        Self::Queue,
        Self::Service,
        Self::Bell,
    ];

    fn from_number(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u32 == number)
    }

    /// As users call those who sit on the seats of a registry, and the option that says how many these are.
    pub(crate) fn members(self) -> &'static str {
        match self {
            Self::Inbox => "senders",
            Self::Queue => "workers",
            Self::Service => "clients",
            Self::Channel | Self::Broadcast | Self::Bell => "readers",
        }
    }

    /// As people call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Channel => "channel",
            Self::Broadcast => "broadcast",
            Self::Inbox => "inbox",
            Self::Queue => "work queue",
            Self::Service => "service",
            Self::Bell => "bell",
        }
    }

    /// Whether its segment holds a ring.
    fn has_ring(self) -> bool {
        matches!(self, Self::Channel | Self::Broadcast)
    }

    /// How many seats there may be beside the writer's.
    fn readers(self) -> std::ops::RangeInclusive<usize> {
        match self {
            Self::Channel => 1..=1,
            Self::Broadcast => 1..=SUBSCRIBERS_MAX,
            Self::Inbox | Self::Queue | Self::Service => 1..=MEMBERS_MAX,
            Self::Bell => 0..=0,
        }
    }
}

/// What the messages of a channel are, as its creator says it: set with [`WriterOptions::schema`](crate::WriterOptions::schema),
/// compared where both sides give one, and shown by tools. Advice: no message is checked against it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Schema {
    /// At most 64 bytes.
    pub(crate) name: String,
    /// Of the whole description.
    pub(crate) hash: u64,
    /// The description, or its beginning: at most 512 bytes.
    pub(crate) text: String,
}

/// Of which segment, on which machine, this one is the mirror.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Origin {
    /// The instance of the segment that is mirrored.
    pub(crate) instance: u64,
    /// Of the realm and the machine, for comparing.
    pub(crate) hash: u64,
    /// Of the realm and the machine, for people; at most 64 bytes.
    pub(crate) name: String,
    /// The number there of the message that is the first here.
    pub(crate) first: u64,
}

/// What never changes after creation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) geometry: Geometry,
    pub(crate) kind: Kind,
    /// Of a broadcast: a slow subscriber may be passed over, so views of the ring are never lent.
    pub(crate) evicts: bool,
    /// Random, so that two segments of one name are told apart.
    pub(crate) instance: u64,
    pub(crate) creator_pid: u32,
    /// Nanoseconds since the Unix epoch.
    pub(crate) created: u64,
    /// The instance of the registry that a lane belongs to; else 0.
    pub(crate) group: u64,
    pub(crate) schema: Option<Schema>,
    pub(crate) origin: Option<Origin>,
}

/// Why bytes are not a segment header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeaderError {
    /// Layout version found.
    Version(u32),
    /// The rule that is broken.
    Corrupt(&'static str),
}

impl SegmentHeader {
    /// Texts that are too long are cut at a character; whoever takes them from a user refuses them first.
    pub(crate) fn encode(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
        let mut flags = if self.evicts { EVICTS } else { 0 };
        put(0, &MAGIC);
        put(8, &LAYOUT_VERSION.to_le_bytes());
        put(12, &(self.geometry.granularity as u32).to_le_bytes());
        put(16, &(self.geometry.capacity as u64).to_le_bytes());
        put(24, &(self.geometry.alignment as u32).to_le_bytes());
        put(28, &(self.kind as u32).to_le_bytes());
        put(32, &self.instance.to_le_bytes());
        put(40, &self.created.to_le_bytes());
        put(48, &self.creator_pid.to_le_bytes());
        put(52, &(self.geometry.readers as u32).to_le_bytes());
        put(64, &self.group.to_le_bytes());
        if let Some(schema) = &self.schema {
            flags |= HAS_SCHEMA;
            put(72, &schema.hash.to_le_bytes());
            put(SCHEMA_NAME.0, cut(&schema.name, SCHEMA_NAME.1));
            put(SCHEMA_TEXT.0, cut(&schema.text, SCHEMA_TEXT.1));
        }
        if let Some(origin) = &self.origin {
            flags |= HAS_ORIGIN;
            put(80, &origin.instance.to_le_bytes());
            put(88, &origin.hash.to_le_bytes());
            put(96, &origin.first.to_le_bytes());
            put(ORIGIN_NAME.0, cut(&origin.name, ORIGIN_NAME.1));
        }
        put(56, &flags.to_le_bytes());
        let check = hash(&bytes[..CHECKSUM]);
        bytes[CHECKSUM..].copy_from_slice(&check.to_le_bytes());
        bytes
    }

    /// Decodes and validates; `segment_len` is the real size of the shared object.
    ///
    /// Guards G7: nothing of the header is used before every rule of the spec holds.
    pub(crate) fn decode(
        bytes: &[u8; HEADER_LEN],
        segment_len: u64,
    ) -> std::result::Result<Self, HeaderError> {
        let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        let corrupt = |what| Err(HeaderError::Corrupt(what));

        if bytes[..8] != MAGIC {
            return corrupt("it does not start with the mark of a KREN segment");
        }
        if u32_at(8) != LAYOUT_VERSION {
            return Err(HeaderError::Version(u32_at(8)));
        }
        if u64_at(CHECKSUM) != hash(&bytes[..CHECKSUM]) {
            return corrupt("the checksum of its header does not match");
        }
        let granularity = u32_at(12) as usize;
        let capacity = u64_at(16);
        let alignment = u32_at(24) as usize;
        let readers = u32_at(52) as usize;
        let flags = u32_at(56);
        if !granularity.is_power_of_two()
            || !(GRANULARITY_MIN..=GRANULARITY_MAX).contains(&granularity)
        {
            return corrupt("its granularity is not a power of two from 4 KiB to 64 KiB");
        }
        let Some(kind) = Kind::from_number(u32_at(28)) else {
            return corrupt("its kind is none that this version knows");
        };
        if capacity > CAPACITY_MAX || capacity % granularity as u64 != 0 {
            return corrupt("its capacity is not a multiple of its granularity within bounds");
        }
        if (capacity > 0) != kind.has_ring() {
            return corrupt("its capacity does not go with its kind");
        }
        if !kind.readers().contains(&readers) {
            return corrupt("its number of seats does not go with its kind");
        }
        if !valid_alignment(alignment) {
            return corrupt("its alignment is not a power of two from 8 to 4096");
        }
        let evicts = flags & EVICTS != 0;
        if flags & !(EVICTS | HAS_SCHEMA | HAS_ORIGIN) != 0 || (evicts && kind != Kind::Broadcast) {
            return corrupt("its flags are none that this version knows");
        }
        let schema = texts(bytes, flags & HAS_SCHEMA != 0, [SCHEMA_NAME, SCHEMA_TEXT])?;
        let origin = texts(bytes, flags & HAS_ORIGIN != 0, [ORIGIN_NAME])?;
        let has_stray = |part: &[u8]| part.iter().any(|byte| *byte != 0);
        if has_stray(&bytes[60..64])
            || has_stray(&bytes[104..128])
            || has_stray(&bytes[SCHEMA_TEXT.0 + SCHEMA_TEXT.1..CHECKSUM])
            || (schema.is_none() && u64_at(72) != 0)
            || (origin.is_none() && has_stray(&bytes[80..104]))
        {
            return corrupt("a reserved header field is not zero");
        }
        let geometry = Geometry {
            capacity: capacity as usize,
            alignment,
            granularity,
            readers,
            has_commons: kind != Kind::Channel,
        };
        if segment_len != geometry.segment_len() as u64 {
            return corrupt("its size is not what its header says");
        }
        Ok(Self {
            geometry,
            kind,
            evicts,
            instance: u64_at(32),
            created: u64_at(40),
            creator_pid: u32_at(48),
            group: u64_at(64),
            schema: schema.map(|[name, text]| Schema {
                name,
                hash: u64_at(72),
                text,
            }),
            origin: origin.map(|[name]| Origin {
                instance: u64_at(80),
                hash: u64_at(88),
                name,
                first: u64_at(96),
            }),
        })
    }
}

/// As much of `text` as `max` bytes hold, whole characters only.
fn cut(text: &str, max: usize) -> &[u8] {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text.as_bytes()[..end]
}

/// The texts of the header's `parts`; `None`, and nothing but zeros there, where there are none.
fn texts<const N: usize>(
    bytes: &[u8; HEADER_LEN],
    are_there: bool,
    parts: [(usize, usize); N],
) -> Result<Option<[String; N]>, HeaderError> {
    let mut texts = [const { String::new() }; N];
    for ((at, max), text) in parts.into_iter().zip(&mut texts) {
        let field = &bytes[at..at + max];
        let len = field.iter().position(|byte| *byte == 0).unwrap_or(max);
        let (used, rest) = field.split_at(len);
        let is_text = std::str::from_utf8(used).map(|used| *text = used.into());
        if is_text.is_err() || rest.iter().any(|byte| *byte != 0) || (!are_there && len > 0) {
            return Err(HeaderError::Corrupt("a text in its header is broken"));
        }
    }
    Ok(are_there.then_some(texts))
}

/// FNV-1a, 64 bits: guards against accidents, not against an attacker.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(kind: Kind) -> SegmentHeader {
        let ring = Geometry::new(10_000, 64, 4096).unwrap();
        SegmentHeader {
            geometry: match kind {
                Kind::Channel => ring,
                Kind::Broadcast => ring.shared_by(16),
                Kind::Bell => Geometry::without_ring(0, 4096),
                _ => Geometry::without_ring(256, 4096),
            },
            kind,
            evicts: false,
            instance: 7,
            creator_pid: 42,
            created: 1_700_000_000,
            group: 0,
            schema: None,
            origin: None,
        }
    }

    fn sample() -> (SegmentHeader, [u8; HEADER_LEN], u64) {
        let header = header(Kind::Channel);
        let bytes = header.encode();
        let len = header.geometry.segment_len() as u64;
        (header, bytes, len)
    }

    #[test]
    fn header_survives_a_round_trip() {
        let (header, bytes, len) = sample();
        assert_eq!(header.geometry.capacity, 12_288);
        assert_eq!(header.geometry.data_len(), 16_384);
        assert_eq!(header.geometry.max_message_len(), 12_280);
        assert_eq!(len, 3 * 4096 + 16_384);
        assert_eq!(SegmentHeader::decode(&bytes, len), Ok(header));
    }

    #[test]
    fn headers_of_every_kind_with_all_they_can_say() {
        for kind in Kind::ALL {
            let mut header = header(kind);
            header.evicts = kind == Kind::Broadcast;
            header.group = 99;
            header.schema = Some(Schema {
                name: "n".repeat(64),
                hash: 1,
                text: "ü".repeat(256),
            });
            header.origin = Some(Origin {
                instance: 3,
                hash: 4,
                name: "realm/machine".into(),
                first: 5,
            });
            let len = header.geometry.segment_len() as u64;
            assert_eq!(SegmentHeader::decode(&header.encode(), len), Ok(header));
        }
    }

    #[test]
    fn a_text_too_long_is_cut_at_a_character() {
        let mut header = header(Kind::Channel);
        header.schema = Some(Schema {
            name: format!("n{}", "ü".repeat(64)),
            ..Schema::default()
        });
        let len = header.geometry.segment_len() as u64;
        let found = SegmentHeader::decode(&header.encode(), len).unwrap();
        assert_eq!(found.schema.unwrap().name, format!("n{}", "ü".repeat(31)));
    }

    /// G7: no single altered byte of the header goes unnoticed.
    #[test]
    fn every_altered_header_byte_is_refused() {
        let (_, bytes, len) = sample();
        for at in 0..HEADER_LEN {
            for flip in [0x01, 0x80, 0xff] {
                let mut altered = bytes;
                altered[at] ^= flip;
                assert!(
                    SegmentHeader::decode(&altered, len).is_err(),
                    "byte {at} ^ {flip:#x}"
                );
            }
        }
    }

    /// G7: fields out of bounds are refused even under a right checksum.
    #[test]
    fn out_of_bounds_fields_are_refused_under_a_right_checksum() {
        let (_, bytes, len) = sample();
        let refuse = |at: usize, field: &[u8], what: &str| {
            let mut altered = bytes;
            altered[at..at + field.len()].copy_from_slice(field);
            let check = hash(&altered[..CHECKSUM]);
            altered[CHECKSUM..].copy_from_slice(&check.to_le_bytes());
            assert!(SegmentHeader::decode(&altered, len).is_err(), "{what}");
        };
        for granularity in [0u32, 1, 4095, 4097, 8192, 131_072, u32::MAX] {
            refuse(12, &granularity.to_le_bytes(), "granularity");
        }
        for capacity in [0u64, 1, 12_287, 12_289, 8192, 16_384, 1 << 60, u64::MAX] {
            refuse(16, &capacity.to_le_bytes(), "capacity");
        }
        for alignment in [0u32, 1, 4, 7, 9, 8192, u32::MAX] {
            refuse(24, &alignment.to_le_bytes(), "alignment");
        }
        for kind in [1u32, 2, 5, 6, u32::MAX] {
            refuse(28, &kind.to_le_bytes(), "kind");
        }
        for readers in [0u32, 2, 64, 1025, u32::MAX] {
            refuse(52, &readers.to_le_bytes(), "readers");
        }
        for flags in [1u32, 8, 1 << 31] {
            refuse(56, &flags.to_le_bytes(), "flags");
        }
        for reserved in [60, 72, 80, 88, 96, 120, 128, 192, 256, 768, 1008] {
            refuse(reserved, &1u32.to_le_bytes(), "reserved bytes");
        }
        assert!(SegmentHeader::decode(&bytes, len - 1).is_err());
        assert!(SegmentHeader::decode(&bytes, len + 1).is_err());
    }
}
