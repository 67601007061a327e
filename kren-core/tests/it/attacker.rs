//! A process that may store anything it likes into a segment, and does.
#![allow(unsafe_code)]

use crate::support::PAGE;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Where things lie: `docs/spec/segment.md`.
pub(crate) const HEADER_LEN: usize = 1024;
pub(crate) const WRITER_PAGE: usize = PAGE;
pub(crate) const READER_PAGE: usize = 2 * PAGE;
pub(crate) const DATA: usize = 3 * PAGE;
/// Offset and length of each word of a role page.
pub(crate) const WORDS: [(&str, usize, usize); 22] = [
    ("position", 0, 8),
    ("count", 8, 8),
    ("wake count", 128, 4),
    ("ticket", 256, 4),
    ("streaming", 260, 4),
    ("wanted", 264, 8),
    ("bell", 272, 8),
    ("state", 384, 4),
    ("session", 388, 4),
    ("pid", 392, 4),
    ("barrier", 396, 4),
    ("pid space", 400, 4),
    ("stance", 404, 4),
    ("identity", 408, 8),
    ("since", 416, 8),
    ("unrung", 436, 4),
    ("frontier", 512, 8),
    ("limit", 520, 8),
    ("scan", 528, 4),
    ("void", 640, 4),
    ("mark", 1024, 8),
    ("mark's count", 1032, 8),
];

/// The whole segment, writable, as an attacker who owns it has it.
pub(crate) struct Attacker {
    base: *mut u8,
    len: usize,
    /// What keeps the names alive.
    #[cfg(windows)]
    _handles: [std::os::windows::io::OwnedHandle; 2],
}

// SAFETY: reached through atomics only.
unsafe impl Sync for Attacker {}

impl Attacker {
    /// The channel must exist. On Windows it does from here on until the attacker is dropped.
    #[cfg(target_os = "linux")]
    pub(crate) fn new(name: &str) -> Self {
        let path = format!("/dev/shm/kren-{name}");
        let file = std::fs::File::options()
            .read(true)
            .write(true)
            .open(path)
            .unwrap();
        let len = file.metadata().unwrap().len() as usize;
        // SAFETY: a fresh mapping disturbs nothing.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                len,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                std::os::fd::AsRawFd::as_raw_fd(&file),
                0,
            )
        };
        assert_ne!(base, libc::MAP_FAILED);
        Self {
            base: base.cast(),
            len,
        }
    }

    /// The key in the signpost leads to the segment; see `docs/platform.md`.
    #[cfg(windows)]
    pub(crate) fn new(name: &str) -> Self {
        use windows::{map_whole, open};
        let signpost_name = format!(r"Local\kren-{name}");
        let signpost = open(&signpost_name);
        let (word, word_len) = map_whole(&signpost);
        // SAFETY: the start of a page that stays mapped until it is given back below.
        let key = unsafe { (*word.cast::<AtomicU64>()).load(Ordering::SeqCst) };
        windows::unmap(word, word_len);
        let segment = open(&format!("{signpost_name}!{key:016x}"));
        let (base, len) = map_whole(&segment);
        Self {
            base,
            len,
            _handles: [signpost, segment],
        }
    }

    pub(crate) fn u32(&self, at: usize) -> &AtomicU32 {
        assert!(at + 4 <= self.len && at.is_multiple_of(4));
        // SAFETY: inside the mapping, aligned.
        unsafe { &*self.base.add(at).cast() }
    }

    pub(crate) fn u64(&self, at: usize) -> &AtomicU64 {
        assert!(at + 8 <= self.len && at.is_multiple_of(8));
        // SAFETY: inside the mapping, aligned.
        unsafe { &*self.base.add(at).cast() }
    }

    pub(crate) fn get(&self, at: usize, len: usize) -> u64 {
        match len {
            4 => self.u32(at).load(Ordering::SeqCst).into(),
            _ => self.u64(at).load(Ordering::SeqCst),
        }
    }

    pub(crate) fn set(&self, at: usize, len: usize, value: u64) {
        match len {
            4 => self.u32(at).store(value as u32, Ordering::SeqCst),
            _ => self.u64(at).store(value, Ordering::SeqCst),
        }
    }
}

impl Drop for Attacker {
    fn drop(&mut self) {
        #[cfg(target_os = "linux")]
        // SAFETY: what `new` mapped.
        unsafe {
            libc::munmap(self.base.cast(), self.len);
        }
        #[cfg(windows)]
        windows::unmap(self.base, self.len);
    }
}

/// Sections by their names, as whoever may open them has them.
#[cfg(windows)]
mod windows {
    use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
    use windows_sys::Win32::System::Memory::{
        FILE_MAP_READ, FILE_MAP_WRITE, MEMORY_BASIC_INFORMATION, MEMORY_MAPPED_VIEW_ADDRESS,
        MapViewOfFile, OpenFileMappingW, UnmapViewOfFile, VirtualQuery,
    };

    const ACCESS: u32 = FILE_MAP_READ | FILE_MAP_WRITE;

    pub(super) fn open(name: &str) -> OwnedHandle {
        let wide: Vec<u16> = name.encode_utf16().chain([0]).collect();
        // SAFETY: the name is NUL-terminated.
        let handle = unsafe { OpenFileMappingW(ACCESS, 0, wide.as_ptr()) };
        assert!(!handle.is_null(), "{name} is not there");
        // SAFETY: a handle that has just been opened is ours.
        unsafe { OwnedHandle::from_raw_handle(handle) }
    }

    /// The whole section, writable, and its length.
    pub(super) fn map_whole(section: &OwnedHandle) -> (*mut u8, usize) {
        let mut found = MEMORY_BASIC_INFORMATION::default();
        // SAFETY: a view at an address of the system's choice disturbs nothing, and `found` is
        // writable.
        unsafe {
            let view = MapViewOfFile(section.as_raw_handle(), ACCESS, 0, 0, 0);
            assert!(!view.Value.is_null());
            VirtualQuery(view.Value, &raw mut found, size_of_val(&found));
            (view.Value.cast(), found.RegionSize)
        }
    }

    pub(super) fn unmap(base: *mut u8, _len: usize) {
        // SAFETY: what `map_whole` mapped.
        unsafe { UnmapViewOfFile(MEMORY_MAPPED_VIEW_ADDRESS { Value: base.cast() }) };
    }
}
