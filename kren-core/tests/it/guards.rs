//! What lies around a mapping (G7): nothing that could be read or written by mistake. Every test that
//! feeds hostile bytes to an endpoint rests on this: an access outside would end it.
#![allow(unsafe_code)]

use crate::support::{Limit, Name, PAGE, Parts, Process, Role};
use kren_core::{KrenReader, KrenWriter};
use std::os::unix::process::ExitStatusExt;

pub(crate) const PARTS: Parts = &[("strayer", strayer)];

/// Bytes in front of the data region, and those of the data region of a ring of one page.
const HEAD: usize = 3 * PAGE;
const DATA: usize = 2 * PAGE;

/// Loads or stores one byte of its mapping, or one beside it.
fn strayer(role: &Role) {
    let (name, side, place): (String, String, String) = (role.arg(0), role.arg(1), role.arg(2));
    let mut writer = KrenWriter::create(&name, PAGE).unwrap();
    let mut reader = KrenReader::connect(&name).unwrap();
    // The first record's payload lies 8 bytes into the data region, on either side.
    let data = match side.as_str() {
        "writer" => writer.reserve(1).unwrap().as_mut_ptr().wrapping_sub(8),
        _ => {
            writer.write(b"x").unwrap();
            reader.read().unwrap().as_ptr().wrapping_sub(8).cast_mut()
        }
    };
    let first = data.wrapping_sub(HEAD);
    let end = data.wrapping_add(2 * DATA);
    let at = match place.as_str() {
        "first" => first,
        "last" => end.wrapping_sub(1),
        "before" => first.wrapping_sub(1),
        _ => end,
    };
    // A sanitizer or the standard library may want to say something about it first.
    // SAFETY: no preconditions.
    unsafe { libc::signal(libc::SIGSEGV, libc::SIG_DFL) };
    role.say("strays", "");
    // SAFETY: none; that the processor refuses is what is tested.
    unsafe { at.read_volatile() };
    if side == "writer" && place == "last" {
        // SAFETY: as above.
        unsafe { at.write_volatile(1) };
    }
}

#[test]
fn an_access_beside_the_mapping_is_a_fault() {
    let _limit = Limit::new();
    for side in ["writer", "reader"] {
        for (place, is_inside) in [
            ("first", true),
            ("last", true),
            ("before", false),
            ("behind", false),
        ] {
            let name = Name::new("guard");
            let mut process = Process::start("strayer", &[&name, &side, &place]);
            process.expect("strays");
            let status = process.end();
            let expected = if is_inside { None } else { Some(libc::SIGSEGV) };
            assert_eq!(status.signal(), expected, "{side}, {place}: {status}");
            assert_eq!(status.success(), is_inside, "{side}, {place}: {status}");
        }
    }
}
