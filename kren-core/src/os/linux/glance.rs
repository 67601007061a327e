//! The pages of a segment's seats, copied as they are now.
#![allow(unsafe_code)]

use super::{Failure, Mapping};
use crate::layout::{Geometry, RolePage, Seat};
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::os::fd::RawFd;

/// Memory of this process's own, which reads like a mapping of the pages (M1; nothing stored there reaches anybody).
///
/// For one who looks at many segments it takes a third of what mapping them does, and no truncated file can hurt. The kernel
/// copies words as wholes. The writer's page comes last: what the others have released there was written by then.
pub(super) fn copy(fd: RawFd, geometry: Geometry) -> Result<Mapping, Failure> {
    debug_assert_eq!(geometry.capacity, 0, "the ring is not looked into");
    let layout = layout(&geometry);
    // SAFETY: a header's page and a writer's at least.
    let base = unsafe { alloc(layout) };
    if base.is_null() {
        handle_alloc_error(layout);
    }
    // From here on dropping `pages` gives the memory back.
    let pages = Mapping::new(base, geometry, give_back);
    let [writer, readers] = [Seat::WRITER, Seat::READER].map(|seat| geometry.page_offset(seat));
    // What a page holds behind a seat's words nobody refers to.
    let rest = geometry.granularity - size_of::<RolePage>();
    let of_last = if geometry.has_commons { 0 } else { rest };
    for (from, len) in [
        (readers, layout.size() - readers - of_last),
        (writer, readers - writer - rest),
    ] {
        // SAFETY: `len` bytes from there lie in what was allocated above, to which nobody has a reference yet.
        let read = unsafe { libc::pread(fd, base.add(from).cast(), len, from as libc::off_t) };
        match read {
            -1 => return Err(Failure::last("pread")),
            read if read as usize == len => {}
            _ => return Err(Failure::Foreign("it is shorter than its header says")),
        }
    }
    Ok(pages)
}

fn layout(geometry: &Geometry) -> Layout {
    Layout::from_size_align(geometry.data_offset(), geometry.granularity)
        .expect("a header that was checked says how many pages there are")
}

fn give_back(base: *mut u8, geometry: &Geometry) {
    // SAFETY: `copy` has allocated it with this layout; `Mapping` calls this once, at its end.
    unsafe { dealloc(base, layout(geometry)) };
}
