//! Asking for cache lines before they are needed.
#![allow(unsafe_code)]

/// Bytes of a cache line, or less.
pub(crate) const LINE: usize = 64;

/// Asks for the cache line at `address` in order to store there. A hint: it cannot fault, and does
/// nothing where the processor knows no such thing.
#[inline]
pub(crate) fn prefetch_for_store(address: *const u8) {
    // SAFETY: a prefetch neither stores nor faults, whatever the address.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::asm!("prefetchw [{}]", in(reg) address, options(nostack, preserves_flags));
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        std::arch::asm!("prfm pstl1keep, [{}]", in(reg) address, options(nostack, preserves_flags));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = address;
}

/// Asks for the cache line at `address` in order to load from it. A hint, as above.
#[inline]
pub(crate) fn prefetch_for_load(address: *const u8) {
    // SAFETY: a prefetch neither loads a value nor faults, whatever the address.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::asm!("prefetcht0 [{}]", in(reg) address, options(nostack, preserves_flags));
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        std::arch::asm!("prfm pldl1keep, [{}]", in(reg) address, options(nostack, preserves_flags));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = address;
}
