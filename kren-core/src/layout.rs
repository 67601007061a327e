//! The bytes of a segment: `docs/spec/segment.md` as constants, types and one validator.
//!
//! Pure arithmetic: nothing here touches shared memory or the operating system.

use std::mem::{offset_of, size_of};

use crate::sync::{AtomicU32, AtomicU64};

/// First eight bytes of every segment.
pub(crate) const MAGIC: [u8; 8] = *b"KREN\x1a\r\n\0";
/// Version of everything in `docs/spec`.
pub(crate) const LAYOUT_VERSION: u32 = 1;
/// Bytes of the segment header that carry meaning; the rest of its page is zero.
pub(crate) const HEADER_LEN: usize = 72;
/// Length of a record header in bytes.
pub(crate) const RECORD_HEADER: usize = 8;
/// Payload alignments a channel may ask for, in bytes.
pub(crate) const ALIGNMENT_MIN: usize = 8;
/// See [`ALIGNMENT_MIN`].
pub(crate) const ALIGNMENT_MAX: usize = 4096;
/// Granularities a segment may be built with: 4 KiB to 64 KiB pages.
const GRANULARITY_MIN: usize = 4096;
const GRANULARITY_MAX: usize = 65536;
/// Largest capacity in bytes: far beyond any machine's memory, small enough that no sum overflows.
pub(crate) const CAPACITY_MAX: u64 = if size_of::<usize>() == 8 {
    1 << 44
} else {
    1 << 29
};
/// Positions beyond this cannot have been reached by writing: centuries at any real rate.
pub(crate) const POSITION_MAX: u64 = 1 << 62;

/// Words of different meaning are kept this many bytes apart: two cache lines, because processors
/// prefetch lines in pairs.
pub(crate) const BLOCK: usize = 128;

/// One word group alone on its block.
#[repr(C, align(128))]
pub(crate) struct Block<T>(pub(crate) T);

/// The page that one side stores and the other only loads.
///
/// Both sides have the same shape; see `docs/spec/segment.md`, "Role page".
#[repr(C)]
pub(crate) struct RolePage {
    /// Writer: end of the last committed record. Reader: end of the last released record.
    pub(crate) position: Block<AtomicU64>,
    /// Counts the wake-ups this side has given; the *peer* sleeps on it.
    pub(crate) wake: Block<AtomicU32>,
    /// What this side says about its own sleep.
    pub(crate) sleep: Block<SleepWords>,
    /// Who holds the role.
    pub(crate) presence: Block<Presence>,
}

/// See `docs/spec/wake.md`.
#[repr(C)]
pub(crate) struct SleepWords {
    /// Odd while this side sleeps or is about to; grows by one at each change.
    pub(crate) ticket: AtomicU32,
    /// Stored by the reader: 1 while messages come faster than it can take them one by one. A hint
    /// to the writer, on a line that the writer looks at anyway.
    pub(crate) streaming: AtomicU32,
    /// The peer's position this side waits for.
    pub(crate) wanted: AtomicU64,
}

/// What is known of the holder of a role. The truth about life is the role lock; this explains it.
#[repr(C)]
pub(crate) struct Presence {
    /// One of the `STATE_` constants.
    pub(crate) state: AtomicU32,
    /// How often the role has been taken.
    pub(crate) session: AtomicU32,
    /// Process id of the last holder, for messages only.
    pub(crate) pid: AtomicU32,
    /// 1 if this side publishes without a fence and relies on the sleeper's process barrier.
    pub(crate) barrier: AtomicU32,
    /// The namespace that the pid belongs to; 0 if that is not known.
    pub(crate) pid_space: AtomicU32,
}

pub(crate) const STATE_NEVER: u32 = 0;
pub(crate) const STATE_OPEN: u32 = 1;
pub(crate) const STATE_CLOSED: u32 = 2;

#[cfg(not(loom))]
const _: () = {
    assert!(size_of::<RolePage>() == 4 * BLOCK);
    assert!(offset_of!(RolePage, position) == 0);
    assert!(offset_of!(RolePage, wake) == BLOCK);
    assert!(offset_of!(RolePage, sleep) == 2 * BLOCK);
    assert!(offset_of!(RolePage, presence) == 3 * BLOCK);
    assert!(offset_of!(SleepWords, wanted) == 8);
    assert!(offset_of!(Presence, barrier) == 12);
    assert!(offset_of!(Presence, pid_space) == 16);
    assert!(size_of::<RolePage>() <= GRANULARITY_MIN);
    assert!(HEADER_LEN <= GRANULARITY_MIN);
};

/// The dimensions of a segment; every offset follows from these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Geometry {
    /// Bytes of records the ring can hold; a multiple of the granularity.
    pub(crate) capacity: usize,
    /// Alignment of each payload in bytes; a power of two.
    pub(crate) alignment: usize,
    /// Size of a page, or of what the platform maps at once.
    pub(crate) granularity: usize,
}

impl Geometry {
    /// Rounds `capacity` up to the granularity.
    ///
    /// `None` when it is 0 or over [`CAPACITY_MAX`].
    pub(crate) fn new(capacity: usize, alignment: usize, granularity: usize) -> Option<Self> {
        if capacity == 0 || capacity as u64 > CAPACITY_MAX {
            return None;
        }
        Some(Self {
            capacity: capacity.next_multiple_of(granularity),
            alignment,
            granularity,
        })
    }

    /// Bytes of the data region. One granule more than the capacity, so that the terminator after
    /// the last record of a full ring never falls on the oldest one.
    pub(crate) fn data_len(&self) -> usize {
        self.capacity + self.granularity
    }

    /// Where the data region starts in the segment.
    pub(crate) fn data_offset(&self) -> usize {
        3 * self.granularity
    }

    /// Where a role's page starts in the segment.
    pub(crate) fn role_offset(&self, role: crate::Role) -> usize {
        match role {
            crate::Role::Writer => self.granularity,
            crate::Role::Reader => 2 * self.granularity,
        }
    }

    /// Size of the whole shared object in bytes.
    pub(crate) fn segment_len(&self) -> usize {
        self.data_offset() + self.data_len()
    }

    /// The longest message in bytes: the capacity less one record header, as far as the commit
    /// word can say it.
    pub(crate) fn max_message_len(&self) -> usize {
        (self.capacity - RECORD_HEADER).min(u32::MAX as usize - 1)
    }
}

/// What never changes after creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) geometry: Geometry,
    /// Random, so that two segments of one name are told apart.
    pub(crate) instance: u64,
    pub(crate) creator_pid: u32,
    /// Nanoseconds since the Unix epoch.
    pub(crate) created: u64,
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
    pub(crate) fn encode(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
        put(0, &MAGIC);
        put(8, &LAYOUT_VERSION.to_le_bytes());
        put(12, &(self.geometry.granularity as u32).to_le_bytes());
        put(16, &(self.geometry.capacity as u64).to_le_bytes());
        put(24, &(self.geometry.alignment as u32).to_le_bytes());
        put(32, &self.instance.to_le_bytes());
        put(40, &self.created.to_le_bytes());
        put(48, &self.creator_pid.to_le_bytes());
        let check = checksum(&bytes[..HEADER_LEN - 8]);
        bytes[HEADER_LEN - 8..].copy_from_slice(&check.to_le_bytes());
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
        if u64_at(HEADER_LEN - 8) != checksum(&bytes[..HEADER_LEN - 8]) {
            return corrupt("the checksum of its header does not match");
        }
        let granularity = u32_at(12) as usize;
        let capacity = u64_at(16);
        let alignment = u32_at(24) as usize;
        if !granularity.is_power_of_two()
            || !(GRANULARITY_MIN..=GRANULARITY_MAX).contains(&granularity)
        {
            return corrupt("its granularity is not a power of two from 4 KiB to 64 KiB");
        }
        if capacity == 0 || capacity > CAPACITY_MAX || capacity % granularity as u64 != 0 {
            return corrupt("its capacity is not a multiple of its granularity within bounds");
        }
        if !valid_alignment(alignment) {
            return corrupt("its alignment is not a power of two from 8 to 4096");
        }
        if u32_at(28) != 0 || bytes[52..HEADER_LEN - 8].iter().any(|byte| *byte != 0) {
            return corrupt("a reserved header field is not zero");
        }
        let geometry = Geometry {
            capacity: capacity as usize,
            alignment,
            granularity,
        };
        if segment_len != geometry.segment_len() as u64 {
            return corrupt("its size is not what its header says");
        }
        Ok(Self {
            geometry,
            instance: u64_at(32),
            created: u64_at(40),
            creator_pid: u32_at(48),
        })
    }
}

/// Whether a channel may ask for this payload alignment.
pub(crate) fn valid_alignment(alignment: usize) -> bool {
    alignment.is_power_of_two() && (ALIGNMENT_MIN..=ALIGNMENT_MAX).contains(&alignment)
}

/// FNV-1a, 64 bits: guards against accidents, not against an attacker.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> (SegmentHeader, [u8; HEADER_LEN], u64) {
        let geometry = Geometry::new(10_000, 64, 4096).unwrap();
        let header = SegmentHeader {
            geometry,
            instance: 7,
            creator_pid: 42,
            created: 1_700_000_000,
        };
        (header, header.encode(), geometry.segment_len() as u64)
    }

    #[test]
    fn header_survives_a_round_trip() {
        let (header, bytes, len) = sample();
        assert_eq!(SegmentHeader::decode(&bytes, len), Ok(header));
        assert_eq!(header.geometry.capacity, 12_288);
        assert_eq!(header.geometry.data_len(), 16_384);
        assert_eq!(header.geometry.max_message_len(), 12_280);
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
        let reseal = |at: usize, field: &[u8]| {
            let mut altered = bytes;
            altered[at..at + field.len()].copy_from_slice(field);
            let check = checksum(&altered[..HEADER_LEN - 8]);
            altered[HEADER_LEN - 8..].copy_from_slice(&check.to_le_bytes());
            altered
        };
        for granularity in [0u32, 1, 4095, 4097, 8192, 131_072, u32::MAX] {
            let altered = reseal(12, &granularity.to_le_bytes());
            assert!(
                SegmentHeader::decode(&altered, len).is_err(),
                "granularity {granularity}"
            );
        }
        for capacity in [0u64, 1, 12_287, 12_289, 8192, 16_384, 1 << 60, u64::MAX] {
            let altered = reseal(16, &capacity.to_le_bytes());
            assert!(
                SegmentHeader::decode(&altered, len).is_err(),
                "capacity {capacity}"
            );
        }
        for alignment in [0u32, 1, 4, 7, 9, 8192, u32::MAX] {
            let altered = reseal(24, &alignment.to_le_bytes());
            assert!(
                SegmentHeader::decode(&altered, len).is_err(),
                "alignment {alignment}"
            );
        }
        for reserved in [28, 52, 56, 60] {
            let altered = reseal(reserved, &1u32.to_le_bytes());
            assert!(
                SegmentHeader::decode(&altered, len).is_err(),
                "reserved bytes at {reserved}"
            );
        }
        assert!(SegmentHeader::decode(&bytes, len - 1).is_err());
        assert!(SegmentHeader::decode(&bytes, len + 1).is_err());
        let version = reseal(8, &2u32.to_le_bytes());
        assert_eq!(
            SegmentHeader::decode(&version, len),
            Err(HeaderError::Version(2))
        );
    }
}
