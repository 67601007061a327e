//! The mirrored mapping: two views side by side, the second of which shows the data region again.
#![allow(unsafe_code)]

use super::section::Section;
use super::{Failure, Mapping};
use crate::layout::{Geometry, Seat};
use std::ffi::c_void;
use std::os::windows::io::RawHandle;
use std::ptr;
use windows_sys::Win32::Foundation::{
    ERROR_INVALID_ADDRESS, ERROR_INVALID_PARAMETER, GetLastError,
};
use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleW, GetProcAddress};
use windows_sys::Win32::System::Memory::{
    FILE_MAP_READ, FILE_MAP_WRITE, MEM_PRESERVE_PLACEHOLDER, MEM_RELEASE, MEM_REPLACE_PLACEHOLDER,
    MEM_RESERVE, MEM_RESERVE_PLACEHOLDER, MEMORY_MAPPED_VIEW_ADDRESS, MapViewOfFileEx,
    PAGE_NOACCESS, PAGE_READONLY, PAGE_READWRITE, UnmapViewOfFile, VirtualAlloc, VirtualFree,
    VirtualProtect,
};
use windows_sys::core::s;

/// How often to look for room when others keep taking it.
const ATTEMPTS: u32 = 100;

/// Maps a segment for the holder of one seat, or for somebody who only looks; keeps M1 to M3 of [`Mapping`].
pub(super) fn map(
    section: &Section,
    geometry: Geometry,
    seat: Option<Seat>,
) -> Result<Mapping, Failure> {
    let views = Views::of(section, &geometry);
    let placed = match Placeholders::find() {
        Some(calls) => views.place_in(&calls)?,
        None => None,
    };
    let base = match placed {
        Some(base) => base,
        None => views.place_by_trying()?,
    };
    // From here on dropping `mapping` gives the views back.
    let mapping = Mapping::new(base, geometry, unmap);
    // What lies in a view can only lose rights: both views were mapped writable.
    let protect = |start: usize, end: usize| -> Result<(), Failure> {
        if start == end {
            return Ok(());
        }
        let mut before = 0;
        // SAFETY: whole pages of our own view; nothing has a reference into them yet.
        let done = unsafe {
            VirtualProtect(
                base.add(start).cast(),
                end - start,
                PAGE_READONLY,
                &raw mut before,
            )
        };
        if done == 0 {
            Err(Failure::last("VirtualProtect"))
        } else {
            Ok(())
        }
    };
    let page = geometry.granularity;
    let commons = geometry.commons_offset();
    // What lies behind the pages of the seats, less the commons.
    let behind = commons.map_or(geometry.data_offset(), |commons| commons + page);
    let seats = commons.unwrap_or(geometry.data_offset());
    match seat {
        Some(Seat::NONE) => protect(0, seats)?,
        Some(seat) => {
            let own = geometry.page_offset(seat);
            protect(0, own)?;
            protect(own + page, seats)?;
        }
        None => protect(0, behind)?,
    }
    if seat != Some(Seat::WRITER) {
        protect(behind, views.first)?;
        protect(views.first, views.first + views.second)?;
    }
    Ok(mapping)
}

pub(super) fn unmap(base: *mut u8, geometry: &Geometry) {
    // SAFETY: exactly the views that `map` made; `Mapping` calls this once, at its end.
    unsafe {
        UnmapViewOfFile(address(base));
        if geometry.data_len() > 0 {
            UnmapViewOfFile(address(
                base.add(geometry.data_offset() + geometry.data_len()),
            ));
        }
    }
}

fn address(base: *mut u8) -> MEMORY_MAPPED_VIEW_ADDRESS {
    MEMORY_MAPPED_VIEW_ADDRESS { Value: base.cast() }
}

/// What is to be mapped: the whole segment, and behind it the data region again.
pub(super) struct Views {
    section: RawHandle,
    /// Bytes of the first view.
    first: usize,
    /// Bytes of the second view.
    second: usize,
    /// Where the second view starts in the segment.
    offset: usize,
}

impl Views {
    pub(super) fn of(section: &Section, geometry: &Geometry) -> Self {
        Self {
            section: section.handle(),
            first: geometry.data_offset() + geometry.data_len(),
            second: geometry.data_len(),
            offset: geometry.data_offset(),
        }
    }

    /// Puts both views into a reservation that is never given up in between.
    ///
    /// `None`: this system has the calls but not the reservation.
    pub(super) fn place_in(&self, calls: &Placeholders) -> Result<Option<*mut u8>, Failure> {
        if self.second == 0 {
            // One view needs no neighbour: the system finds the place.
            return Ok(None);
        }
        // SAFETY: a fresh reservation at an address the system chooses disturbs nothing.
        let base = unsafe {
            (calls.allocate)(
                ptr::null_mut(),
                ptr::null(),
                self.first + self.second,
                MEM_RESERVE | MEM_RESERVE_PLACEHOLDER,
                PAGE_NOACCESS,
                ptr::null_mut(),
                0,
            )
        };
        if base.is_null() {
            // SAFETY: no preconditions.
            return match unsafe { GetLastError() } {
                ERROR_INVALID_PARAMETER => Ok(None),
                code => Err(Failure::Call {
                    call: "VirtualAlloc2",
                    code: code as i32,
                }),
            };
        }
        let base = base.cast::<u8>();
        // SAFETY: the reservation has `first + second` bytes.
        let middle = unsafe { base.add(self.first) };
        // SAFETY: cuts our own reservation in two; both parts stay reserved.
        let cut = unsafe {
            VirtualFree(
                base.cast(),
                self.first,
                MEM_RELEASE | MEM_PRESERVE_PLACEHOLDER,
            )
        };
        if cut == 0 {
            let failure = Failure::last("VirtualFree");
            give_back(base);
            return Err(failure);
        }
        if let Err(failure) = self.replace(calls, base, 0, self.first) {
            give_back(base);
            give_back(middle);
            return Err(failure);
        }
        if let Err(failure) = self.replace(calls, middle, self.offset, self.second) {
            // SAFETY: the view that was mapped above.
            unsafe { UnmapViewOfFile(address(base)) };
            give_back(middle);
            return Err(failure);
        }
        Ok(Some(base))
    }

    fn replace(
        &self,
        calls: &Placeholders,
        at: *mut u8,
        offset: usize,
        len: usize,
    ) -> Result<(), Failure> {
        // SAFETY: `at..at + len` is exactly one placeholder of ours.
        let mapped = unsafe {
            (calls.map)(
                self.section,
                ptr::null_mut(),
                at.cast(),
                offset as u64,
                len,
                MEM_REPLACE_PLACEHOLDER,
                PAGE_READWRITE,
                ptr::null_mut(),
                0,
            )
        };
        if mapped.Value.is_null() {
            Err(Failure::last("MapViewOfFile3"))
        } else {
            Ok(())
        }
    }

    /// Finds room, gives it up, and maps there before anybody else does; if not, once more.
    pub(super) fn place_by_trying(&self) -> Result<*mut u8, Failure> {
        let mut left = ATTEMPTS;
        loop {
            left -= 1;
            let base = self.find_room()?;
            match self.place_at(base) {
                Ok(()) => return Ok(base),
                Err(Failure::Call { code, .. })
                    if left > 0 && code as u32 == ERROR_INVALID_ADDRESS => {}
                Err(failure) => return Err(failure),
            }
        }
    }

    fn find_room(&self) -> Result<*mut u8, Failure> {
        // SAFETY: a fresh reservation at an address the system chooses disturbs nothing.
        let base = unsafe {
            VirtualAlloc(
                ptr::null(),
                self.first + self.second,
                MEM_RESERVE,
                PAGE_NOACCESS,
            )
        };
        if base.is_null() {
            return Err(Failure::last("VirtualAlloc"));
        }
        give_back(base.cast());
        Ok(base.cast())
    }

    fn place_at(&self, base: *mut u8) -> Result<(), Failure> {
        let map = |at: *mut u8, offset: usize, len: usize| {
            let offset = offset as u64;
            // SAFETY: the system maps here only if nothing else lies there.
            let mapped = unsafe {
                MapViewOfFileEx(
                    self.section,
                    FILE_MAP_READ | FILE_MAP_WRITE,
                    (offset >> 32) as u32,
                    offset as u32,
                    len,
                    at.cast(),
                )
            };
            if mapped.Value.is_null() {
                Err(Failure::last("MapViewOfFileEx"))
            } else {
                Ok(())
            }
        };
        map(base, 0, self.first)?;
        if self.second == 0 {
            return Ok(());
        }
        map(base.wrapping_add(self.first), self.offset, self.second).inspect_err(|_| {
            // SAFETY: the view that was mapped above.
            unsafe { UnmapViewOfFile(address(base)) };
        })
    }
}

/// Ends a reservation of ours in which nothing is mapped.
fn give_back(base: *mut u8) {
    // SAFETY: the caller made the reservation that starts here, and nobody uses it.
    unsafe { VirtualFree(base.cast(), 0, MEM_RELEASE) };
}

/// The calls that map into a reservation, of Windows 10 version 1803 and later.
pub(super) struct Placeholders {
    allocate: VirtualAlloc2,
    map: MapViewOfFile3,
}

type VirtualAlloc2 = unsafe extern "system" fn(
    process: RawHandle,
    base: *const c_void,
    len: usize,
    kind: u32,
    protection: u32,
    parameters: *mut c_void,
    parameter_count: u32,
) -> *mut c_void;

type MapViewOfFile3 = unsafe extern "system" fn(
    section: RawHandle,
    process: RawHandle,
    base: *const c_void,
    offset: u64,
    len: usize,
    kind: u32,
    protection: u32,
    parameters: *mut c_void,
    parameter_count: u32,
) -> MEMORY_MAPPED_VIEW_ADDRESS;

impl Placeholders {
    pub(super) fn find() -> Option<Self> {
        let library = super::wide("kernelbase.dll");
        // SAFETY: the names are NUL-terminated; this library stays loaded in every process. The
        // signatures are those that the system's headers give these names.
        unsafe {
            let library = GetModuleHandleW(library.as_ptr());
            if library.is_null() {
                return None;
            }
            let allocate = GetProcAddress(library, s!("VirtualAlloc2"))?;
            let map = GetProcAddress(library, s!("MapViewOfFile3"))?;
            Some(Self {
                allocate: std::mem::transmute::<unsafe extern "system" fn() -> isize, VirtualAlloc2>(
                    allocate,
                ),
                map: std::mem::transmute::<unsafe extern "system" fn() -> isize, MapViewOfFile3>(
                    map,
                ),
            })
        }
    }
}
