//! Cache lines: asking for them before they are needed, and handing them over.
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

/// Whether [`demote`] does anything here.
pub(crate) fn can_demote() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        use std::sync::LazyLock;
        /// Asked once, as a virtual machine takes microseconds for the answer: leaf 7, ECX bit 25.
        static CLDEMOTE: LazyLock<bool> = LazyLock::new(|| {
            use std::arch::x86_64::{__cpuid, __cpuid_count};
            __cpuid(0).eax >= 7 && __cpuid_count(7, 0).ecx & 1 << 25 != 0
        });
        *CLDEMOTE
    }
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Pushes the cache line at `address` out of this core, to where another one finds it sooner. A hint, as above;
/// processors that do not know it take it for no operation.
#[inline]
pub(crate) fn demote(address: *const u8) {
    // SAFETY: it neither alters a value nor faults, whatever the address.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::asm!("cldemote [{}]", in(reg) address, options(nostack, preserves_flags));
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}
