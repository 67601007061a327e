//! Named sections (file mappings backed by the page file): the segment's, and the signpost.
#![allow(unsafe_code)]

use super::security::Security;
use super::{Failure, wide};
use crate::Limit;
use crate::layout::HEADER_LEN;
use crate::sync::{AtomicU64, Ordering};
use std::os::windows::io::{
    AsHandle, AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle, RawHandle,
};
use std::ptr;
use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_ALREADY_EXISTS, ERROR_COMMITMENT_LIMIT, ERROR_DISK_FULL,
    ERROR_FILE_NOT_FOUND, ERROR_INVALID_HANDLE, ERROR_NO_SYSTEM_RESOURCES, ERROR_NOT_ENOUGH_MEMORY,
    GetLastError, INVALID_HANDLE_VALUE,
};
use windows_sys::Win32::System::Memory::{
    CreateFileMappingW, FILE_MAP_READ, FILE_MAP_WRITE, MEM_COMMIT, MEMORY_BASIC_INFORMATION,
    MEMORY_MAPPED_VIEW_ADDRESS, MapViewOfFile, OpenFileMappingW, PAGE_READWRITE, UnmapViewOfFile,
    VirtualQuery,
};
use windows_sys::Win32::System::SystemInformation::{GlobalMemoryStatusEx, MEMORYSTATUSEX};

/// The right to ask who owns an object.
const READ_CONTROL: u32 = 0x0002_0000;
/// Bytes of the signpost: a page, the least there is.
const SIGNPOST_LEN: u64 = 4096;

/// A section, by the handle that keeps its name alive.
pub(super) struct Section(OwnedHandle);

impl Section {
    /// Makes a section of `len` zero bytes, all of them charged against what the system can give
    /// (G6). `None`: the name is taken.
    pub(super) fn create(
        name: &str,
        len: u64,
        security: &Security,
    ) -> Result<Option<Self>, Failure> {
        match Self::create_or_open(name, len, security)? {
            (section, true) => Ok(Some(section)),
            (_, false) => Ok(None),
        }
    }

    /// Tells as well whether the section is new.
    fn create_or_open(name: &str, len: u64, security: &Security) -> Result<(Self, bool), Failure> {
        let name = wide(name);
        let attributes = security.attributes();
        // SAFETY: the name is NUL-terminated; the attributes refer to a descriptor that outlives
        // them.
        let handle = unsafe {
            CreateFileMappingW(
                INVALID_HANDLE_VALUE,
                &raw const attributes,
                PAGE_READWRITE,
                (len >> 32) as u32,
                len as u32,
                name.as_ptr(),
            )
        };
        // SAFETY: no preconditions. Asked at once, before another call can change it.
        let code = unsafe { GetLastError() };
        if handle.is_null() {
            return Err(match code {
                ERROR_COMMITMENT_LIMIT
                | ERROR_NOT_ENOUGH_MEMORY
                | ERROR_NO_SYSTEM_RESOURCES
                | ERROR_DISK_FULL => Failure::NoMemory {
                    needed: len,
                    available: free_memory(),
                    limit: Limit::Machine,
                },
                code => refusal("CreateFileMappingW", code),
            });
        }
        // SAFETY: a handle that has just been opened is ours.
        let section = Self(unsafe { OwnedHandle::from_raw_handle(handle) });
        Ok((section, code != ERROR_ALREADY_EXISTS))
    }

    /// `None`: there is none of that name.
    pub(super) fn open(name: &str) -> Result<Option<Self>, Failure> {
        let name = wide(name);
        let access = FILE_MAP_READ | FILE_MAP_WRITE | READ_CONTROL;
        // SAFETY: the name is NUL-terminated.
        let handle = unsafe { OpenFileMappingW(access, 0, name.as_ptr()) };
        if handle.is_null() {
            // SAFETY: no preconditions.
            return match unsafe { GetLastError() } {
                ERROR_FILE_NOT_FOUND => Ok(None),
                code => Err(refusal("OpenFileMappingW", code)),
            };
        }
        // SAFETY: a handle that has just been opened is ours.
        Ok(Some(Self(unsafe { OwnedHandle::from_raw_handle(handle) })))
    }

    pub(super) fn handle(&self) -> RawHandle {
        self.0.as_raw_handle()
    }

    /// The section's length, and a copy of its first bytes.
    ///
    /// The system does not tell the length of a section, but that of a view of the whole.
    pub(super) fn look(&self) -> Result<(u64, [u8; HEADER_LEN]), Failure> {
        let view = View::new(self, FILE_MAP_READ, 0)?;
        let len = view.committed(HEADER_LEN)?;
        let mut header = [0; HEADER_LEN];
        // SAFETY: the view has at least HEADER_LEN committed bytes.
        unsafe { ptr::copy_nonoverlapping(view.address(), header.as_mut_ptr(), HEADER_LEN) };
        Ok((len as u64, header))
    }

    /// Fills in the header of a section that nobody else knows of.
    pub(super) fn write_header(&self, header: &[u8; HEADER_LEN]) -> Result<(), Failure> {
        let view = View::new(self, FILE_MAP_READ | FILE_MAP_WRITE, HEADER_LEN)?;
        // SAFETY: the view has HEADER_LEN writable bytes.
        unsafe { ptr::copy_nonoverlapping(header.as_ptr(), view.address(), HEADER_LEN) };
        Ok(())
    }
}

impl AsHandle for Section {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.0.as_handle()
    }
}

/// Why a section could not be had.
fn refusal(call: &'static str, code: u32) -> Failure {
    match code {
        ERROR_ACCESS_DENIED => Failure::Denied(
            "its access list does not admit this user, or it is to be machine-wide and this user may \
             not make what the whole machine sees"
                .into(),
        ),
        ERROR_INVALID_HANDLE => Failure::Foreign("what stands under its name is not shared memory"),
        code => Failure::Call {
            call,
            code: code as i32,
        },
    }
}

/// What the system could still give to this process, in bytes.
fn free_memory() -> Option<u64> {
    let mut status = MEMORYSTATUSEX {
        dwLength: size_of::<MEMORYSTATUSEX>() as u32,
        ..Default::default()
    };
    // SAFETY: `status` is writable and says its length.
    (unsafe { GlobalMemoryStatusEx(&raw mut status) } != 0).then_some(status.ullAvailPageFile)
}

/// The first bytes of a section in memory, until drop.
struct View(MEMORY_MAPPED_VIEW_ADDRESS);

// SAFETY: what a view refers to is shared memory, which threads share like processes do.
unsafe impl Send for View {}
// SAFETY: as for `Send`; the one word that is used through a shared view is atomic.
unsafe impl Sync for View {}

impl View {
    /// `len` of 0 maps the whole section.
    fn new(section: &Section, access: u32, len: usize) -> Result<Self, Failure> {
        // SAFETY: the handle is open; a view at an address of the system's choice disturbs nothing.
        let address = unsafe { MapViewOfFile(section.handle(), access, 0, 0, len) };
        if address.Value.is_null() {
            return Err(Failure::last("MapViewOfFile"));
        }
        Ok(Self(address))
    }

    /// How many bytes from the start can be looked at, `needed` at least. Whoever makes a section may
    /// leave its memory to be committed later, and looking at it before is a fault (G7).
    fn committed(&self, needed: usize) -> Result<usize, Failure> {
        let mut found = MEMORY_BASIC_INFORMATION::default();
        // SAFETY: `found` is writable and of the length given.
        let told =
            unsafe { VirtualQuery(self.address().cast(), &raw mut found, size_of_val(&found)) };
        if told == 0 {
            return Err(Failure::last("VirtualQuery"));
        }
        if found.State != MEM_COMMIT || found.RegionSize < needed {
            return Err(Failure::Foreign(
                "the memory under its name was never committed",
            ));
        }
        Ok(found.RegionSize)
    }

    fn address(&self) -> *mut u8 {
        self.0.Value.cast()
    }
}

impl Drop for View {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`, and nobody has a reference that outlives this.
        unsafe { UnmapViewOfFile(self.0) };
    }
}

/// The section under the channel's name: one word, the key of the segment it leads to, or 0.
///
/// Anybody who may use the channel may store any word here; it is only ever used as part of a name.
pub(super) struct Signpost {
    section: Section,
    /// Read-only, so that a stray store cannot turn the signpost.
    view: View,
}

impl Signpost {
    /// Opens the signpost, or puts up one that leads nowhere yet.
    pub(super) fn create(name: &str, security: &Security) -> Result<Self, Failure> {
        Self::new(Section::create_or_open(name, SIGNPOST_LEN, security)?.0)
    }

    /// `None`: there is none of that name.
    pub(super) fn open(name: &str) -> Result<Option<Self>, Failure> {
        Section::open(name)?.map(Self::new).transpose()
    }

    fn new(section: Section) -> Result<Self, Failure> {
        let view = View::new(&section, FILE_MAP_READ, size_of::<u64>())?;
        view.committed(size_of::<u64>())?;
        Ok(Self { section, view })
    }

    pub(super) fn section(&self) -> &Section {
        &self.section
    }

    /// The key of the segment it leads to; 0 if to none.
    pub(super) fn key(&self) -> u64 {
        // SAFETY: the start of a mapped page: aligned, and valid as long as the view.
        let word = unsafe { &*self.view.address().cast::<AtomicU64>() };
        // Acquire: pairs with the exchange in `turn`; the segment was built before.
        word.load(Ordering::Acquire)
    }

    /// Makes it lead to `to`, if it leads to `from`.
    pub(super) fn turn(&self, from: u64, to: u64) -> Result<bool, Failure> {
        let view = View::new(
            &self.section,
            FILE_MAP_READ | FILE_MAP_WRITE,
            size_of::<u64>(),
        )?;
        // SAFETY: as in `key`, and this view is writable.
        let word = unsafe { &*view.address().cast::<AtomicU64>() };
        Ok(word
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire)
            .is_ok())
    }
}
