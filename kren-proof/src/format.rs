//! The segment format, read from `docs/spec` a second time.
//!
//! Shares nothing with kren-core, so that a mistake there is not made again here: what one side
//! writes, the other must find. It looks at a file's bytes, and judges them as the spec's rules do.

mod several;

pub use several::Seat;

use std::fmt;
use std::ops::Range;

/// Offsets inside the segment header.
pub mod header {
    /// `KREN`, control-Z, CR, LF, NUL.
    pub const MAGIC: usize = 0;
    /// u32.
    pub const VERSION: usize = 8;
    /// u32.
    pub const GRANULARITY: usize = 12;
    /// u64.
    pub const CAPACITY: usize = 16;
    /// u32.
    pub const ALIGNMENT: usize = 24;
    /// u32: 0 for a channel, 1 for a broadcast.
    pub const KIND: usize = 28;
    /// u32: 1 for a channel, 1 to 64 for a broadcast.
    pub const READERS: usize = 52;
    /// u32.
    pub const FLAGS: usize = 56;
    /// u64, over what comes before it.
    pub const CHECKSUM: usize = 1016;
}

/// Offsets inside a role page.
pub mod role {
    /// u64.
    pub const POSITION: usize = 0;
    /// u64: messages up to the position.
    pub const COUNT: usize = 8;
    /// u32.
    pub const WAKE_COUNT: usize = 128;
    /// u32.
    pub const TICKET: usize = 256;
    /// u64.
    pub const WANTED: usize = 264;
    /// u32: 0 never held, 1 open, 2 closed.
    pub const STATE: usize = 384;
    /// u32.
    pub const SESSION: usize = 388;
    /// u32, a subscriber's: 0 lossy, 1 waited for while it lives, 2 also when it is gone.
    pub const STANCE: usize = 404;
    /// u64, a durable subscriber's.
    pub const IDENTITY: usize = 408;
    /// u64, the writer's: how far it may have stored.
    pub const FRONTIER: usize = 512;
    /// u64, a publisher's: no record ends beyond it.
    pub const LIMIT: usize = 520;
    /// u32, a publisher's: odd while it looks at its subscribers.
    pub const SCAN: usize = 528;
    /// 64 of u32, a publisher's: the session of each subscriber that no longer counts.
    pub const VOID: usize = 640;
    /// 64 pairs of u64, the writer's: a record's position, and the messages before it.
    pub const MARKS: usize = 1024;
}

const MAGIC: &[u8; 8] = &[0x4b, 0x52, 0x45, 0x4e, 0x1a, 0x0d, 0x0a, 0x00];
const POSITION_LIMIT: u64 = 1 << 62;

/// What the header of a segment says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Size of a page, in bytes.
    pub granularity: usize,
    /// Bytes of records.
    pub capacity: usize,
    /// Alignment of payloads, in bytes.
    pub alignment: usize,
    /// Seats beside the writer's.
    pub readers: usize,
    /// Whether it is a broadcast, which has a page that all sides share.
    pub is_broadcast: bool,
}

impl Shape {
    /// Bytes of the data region.
    #[must_use]
    pub fn data_len(&self) -> usize {
        self.capacity + self.granularity
    }

    /// Where the data region starts in the file.
    #[must_use]
    pub fn data_at(&self) -> usize {
        (2 + self.readers + usize::from(self.is_broadcast)) * self.granularity
    }

    /// Where the header of the record at `position` lies in the file.
    #[must_use]
    pub fn record_header_at(&self, position: u64) -> usize {
        let offset = (position % self.data_len() as u64) as usize;
        self.data_at() + offset + self.alignment - 8
    }

    /// From one record's position to the next.
    #[must_use]
    pub fn stride(&self, len: usize) -> u64 {
        (len + 8).next_multiple_of(self.alignment) as u64
    }
}

/// One committed record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Where it starts.
    pub position: u64,
    /// The user's number.
    pub tag: u32,
    /// The message.
    pub payload: Vec<u8>,
}

/// The rule that bytes break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken(pub String);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn broken<T>(what: impl Into<String>) -> Result<T, Broken> {
    Err(Broken(what.into()))
}

/// The flags, and the schema and the origin that they speak of.
fn judge_description(bytes: &[u8], kind: u32) -> Result<(), Broken> {
    // 1 is that of a broadcast which passes slow subscribers over; 2 and 4 say that there is a schema, an origin.
    let flags = u32_at(bytes, header::FLAGS);
    if flags & !7 != 0 || (flags & 1 != 0 && kind != 1) {
        return broken(format!("flags {flags}"));
    }
    let is_zero = |range: Range<usize>| bytes[range].iter().all(|byte| *byte == 0);
    if !(is_zero(60..64) && is_zero(104..128) && is_zero(768..header::CHECKSUM)) {
        return broken("a reserved word is not zero");
    }
    for (flag, numbers) in [(2, 72..80), (4, 80..104)] {
        if flags & flag == 0 && !is_zero(numbers) {
            return broken("a hash without a description");
        }
    }
    for (flag, text) in [(2, 128..192), (4, 192..256), (2, 256..768)] {
        let field = &bytes[text.clone()];
        let len = field.iter().position(|byte| *byte == 0);
        let len = len.unwrap_or(field.len());
        let is_text = std::str::from_utf8(&field[..len]).is_ok();
        let is_due = flags & flag != 0 || len == 0;
        if !is_text || !is_due || !is_zero(text.start + len..text.end) {
            return broken("a text in the header");
        }
    }
    Ok(())
}

/// A whole segment whose header is sound.
#[derive(Debug, Clone)]
pub struct Segment {
    bytes: Vec<u8>,
    /// Its figures.
    pub shape: Shape,
}

impl Segment {
    /// Whether it says that it is a mirror: then an ordinary writer leaves what is undelivered in it alone (L13).
    #[must_use]
    pub fn has_origin(&self) -> bool {
        u32_at(&self.bytes, header::FLAGS) & 4 != 0
    }

    /// Judges the header (`docs/spec/segment.md`).
    ///
    /// # Errors
    ///
    /// The rule that is broken.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, Broken> {
        if bytes.len() < header::CHECKSUM + 8 || &bytes[..8] != MAGIC {
            return broken("the magic is missing");
        }
        if u32_at(&bytes, header::VERSION) != 2 {
            return broken("the version is not 2");
        }
        if u64_at(&bytes, header::CHECKSUM) != checksum(&bytes[..header::CHECKSUM]) {
            return broken("the checksum is wrong");
        }
        let granularity = u32_at(&bytes, header::GRANULARITY) as usize;
        let capacity = u64_at(&bytes, header::CAPACITY);
        let alignment = u32_at(&bytes, header::ALIGNMENT) as usize;
        if ![4096, 8192, 16_384, 32_768, 65_536].contains(&granularity) {
            return broken(format!("granularity {granularity}"));
        }
        if capacity == 0 || capacity > 1 << 44 || !capacity.is_multiple_of(granularity as u64) {
            return broken(format!("capacity {capacity}"));
        }
        if !(3..=12).any(|power| alignment == 1 << power) {
            return broken(format!("alignment {alignment}"));
        }
        let kind = u32_at(&bytes, header::KIND);
        let readers = u32_at(&bytes, header::READERS) as usize;
        if !matches!((kind, readers), (0, 1) | (1, 1..=64)) {
            return broken("it is neither a channel with one reader nor a broadcast");
        }
        judge_description(&bytes, kind)?;
        let shape = Shape {
            granularity,
            capacity: capacity as usize,
            alignment,
            readers,
            is_broadcast: kind == 1,
        };
        if bytes.len() != shape.data_at() + shape.data_len() {
            return broken("the size is not that of its pages and its data region");
        }
        Ok(Self { bytes, shape })
    }

    fn writer(&self) -> &[u8] {
        &self.bytes[self.shape.granularity..]
    }

    fn reader(&self) -> &[u8] {
        self.page(1)
    }

    /// The page of a seat.
    fn page(&self, seat: usize) -> &[u8] {
        &self.bytes[(1 + seat) * self.shape.granularity..]
    }

    /// The writer's state.
    #[must_use]
    pub fn writer_state(&self) -> u32 {
        u32_at(self.writer(), role::STATE)
    }

    /// The reader's ticket: odd while it sleeps or is about to.
    #[must_use]
    pub fn reader_ticket(&self) -> u32 {
        u32_at(self.reader(), role::TICKET)
    }

    /// The writer's ticket.
    #[must_use]
    pub fn writer_ticket(&self) -> u32 {
        u32_at(self.writer(), role::TICKET)
    }

    /// Judges the ring as a side that takes over finds it (`docs/spec/ring.md`), and gives the
    /// committed records from the reader's position on.
    ///
    /// # Errors
    ///
    /// The rule that is broken.
    pub fn undelivered(&self) -> Result<Vec<Record>, Broken> {
        let Shape {
            capacity,
            alignment,
            ..
        } = self.shape;
        let written = u64_at(self.writer(), role::POSITION);
        let read = u64_at(self.reader(), role::POSITION);
        for position in [written, read] {
            if position > POSITION_LIMIT || position % alignment as u64 != 0 {
                return broken(format!("position {position}"));
            }
        }
        if written.abs_diff(read) > capacity as u64 {
            return broken(format!(
                "positions {written} and {read} are over a lap apart"
            ));
        }
        let mut at = written.min(read);
        let mut records = Vec::new();
        let mut passed = [false; 2];
        loop {
            passed[0] |= at == written;
            passed[1] |= at == read;
            let word = u64_at(&self.bytes, self.shape.record_header_at(at));
            let (commit, tag) = (word as u32, (word >> 32) as u32);
            if commit == 0 {
                break;
            }
            let len = commit as usize - 1;
            if len > capacity - 8 {
                return broken(format!("a record of {len} bytes at {at}"));
            }
            let end = at + self.shape.stride(len);
            if end > read + capacity as u64 {
                return broken(format!("the record at {at} ends a lap past the reader"));
            }
            if at >= read {
                records.push(Record {
                    position: at,
                    tag,
                    payload: self.payload(at, len),
                });
            }
            at = end;
        }
        if passed != [true, true] {
            return broken(format!(
                "a position ({written}, {read}) lies inside a record"
            ));
        }
        Ok(records)
    }

    fn payload(&self, position: u64, len: usize) -> Vec<u8> {
        let data = &self.bytes[self.shape.data_at()..];
        let start = (position as usize + self.shape.alignment) % data.len();
        let before_the_end = len.min(data.len() - start);
        [
            &data[start..start + before_the_end],
            &data[..len - before_the_end],
        ]
        .concat()
    }
}

/// Makes the checksum of a header right again.
pub fn seal(segment: &mut [u8]) {
    if segment.len() >= header::CHECKSUM + 8 {
        let sum = checksum(&segment[..header::CHECKSUM]);
        segment[header::CHECKSUM..header::CHECKSUM + 8].copy_from_slice(&sum.to_le_bytes());
    }
}

fn checksum(bytes: &[u8]) -> u64 {
    let mut hash: u64 = 14_695_981_039_346_656_037;
    for byte in bytes {
        hash ^= u64::from(*byte);
        hash = hash.wrapping_mul(1_099_511_628_211);
    }
    hash
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
