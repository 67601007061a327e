//! Copying a payload into the ring, or out of it.
#![allow(unsafe_code)]

use std::ptr;

/// Copies `len` bytes from `from` to `to`, which do not overlap.
///
/// As `memcpy`, but for short payloads in place: there the call, and the dispatch on the length
/// behind it, costs more than the copy. Each arm covers its range of lengths with loads and stores
/// of one width from both ends, which may overlap in the middle.
///
/// # Safety
///
/// `from` is readable and `to` writable for `len` bytes, and the two do not overlap.
#[inline]
pub(crate) unsafe fn copy(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: the caller's.
    unsafe {
        match len {
            0..=SHORT_TO => copy_short(from, to, len),
            LONG_FROM.. => long(from, to, len),
            _ => ptr::copy_nonoverlapping(from, to, len),
        }
    }
}

/// Up to here [`copy_short`] copies.
pub(crate) const SHORT_TO: usize = 128;

/// [`copy`] for [`SHORT_TO`] bytes at most, always in place.
///
/// # Safety
///
/// As [`copy`].
#[inline(always)]
pub(crate) unsafe fn copy_short(from: *const u8, to: *mut u8, len: usize) {
    debug_assert!(len <= SHORT_TO);
    // SAFETY: in each arm `len` is at least the width, so both ends lie inside the ranges.
    unsafe {
        match len {
            0 => {}
            1..=3 => {
                // First, middle and last byte cover up to three.
                let (first, middle, last) = (*from, *from.add(len / 2), *from.add(len - 1));
                *to = first;
                *to.add(len / 2) = middle;
                *to.add(len - 1) = last;
            }
            4..=7 => ends::<u32>(from, to, len),
            8..=16 => ends::<u64>(from, to, len),
            17..=32 => ends::<u128>(from, to, len),
            33..=64 => ends::<[u128; 2]>(from, to, len),
            _ => ends::<[u128; 4]>(from, to, len),
        }
    }
}

/// Copies all of `from` to the start of `to`, as fast as payloads are copied. For bindings.
///
/// # Panics
///
/// When `to` is shorter than `from`.
#[doc(hidden)]
#[inline]
pub fn copy_slice(from: &[u8], to: &mut [u8]) {
    let to = &mut to[..from.len()];
    // SAFETY: equally long, and a shared slice does not overlap an exclusive one.
    unsafe { copy(from.as_ptr(), to.as_mut_ptr(), from.len()) };
}

/// From here on `memcpy` may choose `rep movsb`.
const LONG_FROM: usize = 2048;
/// Bytes of a cache line, which [`long`] copies at a time.
#[cfg(target_arch = "x86_64")]
const BLOCK: usize = 64;

/// Copies `len` bytes, [`LONG_FROM`] or more.
///
/// As `memcpy`, but never by `rep movsb`, which glibc chooses for such lengths on recent processors. On
/// AMD's (Zen 4) it goes at 2 GB/s instead of 9 to 20 when the two addresses are not alike modulo 16: and payloads
/// lie 8 bytes behind a multiple of 16 as often as not, what is copied from or to almost always on one.
///
/// # Safety
///
/// As [`copy`].
#[cfg(target_arch = "x86_64")]
unsafe fn long(from: *const u8, to: *mut u8, len: usize) {
    // The answer is remembered.
    if std::arch::is_x86_feature_detected!("avx") {
        // SAFETY: the caller's, and the processor has AVX.
        unsafe { wide(from, to, len) };
    } else {
        // SAFETY: the caller's.
        unsafe { narrow(from, to, len) };
    }
}

/// [`long`] with 32 bytes at a time, stored on whole cache lines: a store that crosses two takes twice as
/// long. In one core 4 KiB go at 95 GB/s instead of 55 with 16 bytes, whatever the addresses, and 1 MiB at 47
/// instead of 42 where they are not alike.
///
/// # Safety
///
/// As [`long`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx")]
unsafe fn wide(from: *const u8, to: *mut u8, len: usize) {
    use std::arch::x86_64::{__m256i, _mm256_loadu_si256, _mm256_store_si256, _mm256_storeu_si256};
    let last = len - BLOCK;
    // SAFETY: both blocks at the ends lie inside the ranges, and may overlap those in the middle to the
    // same effect; `at + BLOCK` is less than `len` in the loop, and `to + at` a multiple of `BLOCK`.
    unsafe {
        let ends = [0, last].map(|at| {
            let from = from.add(at).cast::<__m256i>();
            (
                at,
                _mm256_loadu_si256(from),
                _mm256_loadu_si256(from.add(1)),
            )
        });
        for (at, first, second) in ends {
            let to = to.add(at).cast::<__m256i>();
            _mm256_storeu_si256(to, first);
            _mm256_storeu_si256(to.add(1), second);
        }
        let mut at = BLOCK - to.addr() % BLOCK;
        while at < last {
            let (from, to) = (from.add(at).cast::<__m256i>(), to.add(at).cast::<__m256i>());
            let (first, second) = (_mm256_loadu_si256(from), _mm256_loadu_si256(from.add(1)));
            _mm256_store_si256(to, first);
            _mm256_store_si256(to.add(1), second);
            at += BLOCK;
        }
    }
}

/// [`long`] with 16 bytes at a time, which every processor of this kind has.
///
/// # Safety
///
/// As [`long`].
#[cfg(target_arch = "x86_64")]
unsafe fn narrow(from: *const u8, to: *mut u8, len: usize) {
    use std::arch::x86_64::{__m128i, _mm_loadu_si128, _mm_storeu_si128};

    /// SAFETY: of the caller: `at + BLOCK` is at most `len`.
    #[inline(always)]
    unsafe fn block(from: *const u8, to: *mut u8, at: usize) {
        // SAFETY: inside both ranges; unaligned access is asked for.
        unsafe {
            let (from, to) = (from.add(at).cast::<__m128i>(), to.add(at).cast::<__m128i>());
            let words = [0, 1, 2, 3].map(|i| _mm_loadu_si128(from.add(i)));
            for (i, word) in words.into_iter().enumerate() {
                _mm_storeu_si128(to.add(i), word);
            }
        }
    }
    let last = len - BLOCK;
    let mut at = 0;
    while at < last {
        // SAFETY: `at + BLOCK` is less than `len`.
        unsafe { block(from, to, at) };
        at += BLOCK;
    }
    // SAFETY: ends at `len`; it may overlap the block before, to the same effect.
    unsafe { block(from, to, last) };
}

/// Whether [`stream`] may be called: on this processor, and where the code runs on one.
pub(super) fn can_stream() -> bool {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    return std::arch::is_x86_feature_detected!("avx");
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    false
}

/// Copies `len` bytes with stores that go past the caches, whole lines at a time. They are not ordered as others are, so
/// a fence that orders them stands behind the last: whoever publishes the copy needs none of its own (R3, R4).
///
/// # Safety
///
/// As [`copy`]; `len` is at least two lines, and [`can_stream`] says yes.
pub(super) unsafe fn stream(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: the caller's, who has asked.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        wide_past_caches(from, to, len);
    }
    // SAFETY: the caller's.
    #[cfg(not(target_arch = "x86_64"))]
    unsafe {
        copy(from, to, len);
    }
}

/// # Safety
///
/// As [`stream`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx")]
unsafe fn wide_past_caches(from: *const u8, to: *mut u8, len: usize) {
    use std::arch::x86_64::{__m256i, _mm256_loadu_si256, _mm256_stream_si256};
    // The ends of lines that others use are stored as ever, and no whole line twice.
    let head = to.addr().wrapping_neg() % BLOCK;
    let tail = (len - head) % BLOCK;
    let end = len - tail;
    // SAFETY: `head` and `tail` are less than a line, of which there are two; `to + at` is a multiple of `BLOCK` in
    // the loop, and `at + BLOCK` at most `end`.
    unsafe {
        copy(from, to, head);
        let mut at = head;
        while at < end {
            let (from, to) = (from.add(at).cast::<__m256i>(), to.add(at).cast::<__m256i>());
            let (first, second) = (_mm256_loadu_si256(from), _mm256_loadu_si256(from.add(1)));
            _mm256_stream_si256(to, first);
            _mm256_stream_si256(to.add(1), second);
            at += BLOCK;
        }
        copy(from.add(end), to.add(end), tail);
    }
    drain_stores();
}

/// Waits until what this thread has stored can be seen, in whatever way it was stored.
#[inline]
pub(super) fn drain_stores() {
    // SAFETY: a fence; every processor of this kind has it.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::x86_64::_mm_sfence();
    }
}

#[cfg(not(target_arch = "x86_64"))]
unsafe fn long(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: the caller's.
    unsafe { ptr::copy_nonoverlapping(from, to, len) };
}

/// Copies the first and the last `T` of `len` bytes.
///
/// # Safety
///
/// As [`copy`], and `len` is between one and two sizes of `T`.
#[inline(always)]
unsafe fn ends<T: Copy>(from: *const u8, to: *mut u8, len: usize) {
    let last = len - size_of::<T>();
    // SAFETY: both are inside `len` bytes; unaligned access is asked for.
    unsafe {
        let head = from.cast::<T>().read_unaligned();
        let tail = from.add(last).cast::<T>().read_unaligned();
        to.cast::<T>().write_unaligned(head);
        to.add(last).cast::<T>().write_unaligned(tail);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    /// G1: long lengths, from and to all kinds of addresses, exactly their bytes and none beside them.
    #[test]
    fn long_copies_are_exact() {
        check_long(super::copy);
    }

    /// G1: the same on processors without the wider loop.
    #[test]
    #[cfg(target_arch = "x86_64")]
    fn narrow_copies_are_exact() {
        check_long(super::narrow);
    }

    fn check_long(copy: unsafe fn(*const u8, *mut u8, usize)) {
        let from: Vec<u8> = (0..10_000_u32).map(|i| (i * 7 + i / 256) as u8).collect();
        for len in (2048..2180).chain(4090..4100).chain([8191, 9000]) {
            let (skip, start) = (len % 5, 8 + len % 67);
            let mut to = vec![0xee; 10_000];
            // SAFETY: both buffers are longer than what is skipped and `len`.
            unsafe { copy(from.as_ptr().add(skip), to.as_mut_ptr().add(start), len) };
            assert_eq!(
                &to[start..start + len],
                &from[skip..skip + len],
                "length {len}"
            );
            let mut around = to[..start].iter().chain(&to[start + len..]);
            assert!(around.all(|byte| *byte == 0xee), "{len}");
        }
    }

    /// G1: every short length, exactly its bytes and none beside them.
    #[test]
    fn short_copies_are_exact() {
        let from: Vec<u8> = (0..=255).collect();
        for len in 0..=200 {
            let mut to = vec![0xee; 256];
            // SAFETY: both buffers are longer than 8 + `len`.
            unsafe { super::copy(from.as_ptr().add(3), to.as_mut_ptr().add(8), len) };
            assert_eq!(&to[8..8 + len], &from[3..3 + len], "length {len}");
            assert!(
                to[..8]
                    .iter()
                    .chain(&to[8 + len..])
                    .all(|byte| *byte == 0xee),
                "{len}"
            );
        }
    }
}
