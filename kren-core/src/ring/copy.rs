//! Copying a payload into the ring.
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
            65..=128 => ends::<[u128; 4]>(from, to, len),
            _ => ptr::copy_nonoverlapping(from, to, len),
        }
    }
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
