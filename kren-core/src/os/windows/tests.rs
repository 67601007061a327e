//! What only Windows has: names that lead through a signpost, access lists, two ways to map.

use super::map::{Placeholders, Views};
use super::security::refuse_foreign;
use super::*;
use crate::layout::{Kind, SegmentHeader};
use std::sync::atomic::{AtomicU32, Ordering};
use windows_sys::Win32::System::Memory::{
    MEMORY_BASIC_INFORMATION, PAGE_READONLY, PAGE_READWRITE, VirtualQuery,
};

/// A name that no other test, and no other process, uses.
fn place() -> Place {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    Place::new(&format!("unit-{}-{number}", std::process::id()), false)
}

fn header() -> (SegmentHeader, [u8; HEADER_LEN]) {
    let geometry = Geometry::new(1 << 17, 8, granularity()).unwrap();
    let header = SegmentHeader {
        geometry,
        kind: Kind::Channel,
        evicts: false,
        group: 0,
        schema: None,
        origin: None,
        instance: 1,
        creator_pid: 2,
        created: 3,
    };
    (header.clone(), header.encode())
}

fn segment(place: &Place) -> (Object, Geometry) {
    let (header, bytes) = header();
    let len = header.geometry.segment_len() as u64;
    (
        place
            .create(&bytes, len, 0o600, &mut || true)
            .unwrap()
            .unwrap(),
        header.geometry,
    )
}

#[test]
fn a_segment_is_found_with_its_length_and_header() {
    let place = place();
    assert!(place.open(false).unwrap().is_none());
    let (made, geometry) = segment(&place);
    let found = place.open(false).unwrap().unwrap();
    for object in [&made, &found] {
        assert_eq!(object.len(), geometry.segment_len() as u64);
        assert_eq!(object.read_header().unwrap(), header().1);
        assert!(object.is_named(&place).unwrap());
    }
}

#[test]
fn a_taken_name_is_not_made_again_until_it_is_removed() {
    let place = place();
    let (first, geometry) = segment(&place);
    let (_, bytes) = header();
    let len = geometry.segment_len() as u64;
    assert!(
        place
            .create(&bytes, len, 0o600, &mut || true)
            .unwrap()
            .is_none()
    );

    place.remove(&first).unwrap();
    assert!(!first.is_named(&place).unwrap());
    assert!(place.open(false).unwrap().is_none());

    // The old segment is still held, and the name leads elsewhere.
    let (second, _) = segment(&place);
    assert!(second.is_named(&place).unwrap() && !first.is_named(&place).unwrap());
    place.remove(&first).unwrap();
    assert!(
        second.is_named(&place).unwrap(),
        "removing an old segment must not touch the new one"
    );
}

#[test]
fn a_name_whose_segment_has_died_is_free() {
    let place = place();
    let (first, _) = segment(&place);
    let signpost = Signpost::open(&place.name).unwrap().unwrap();
    drop(first);
    assert_ne!(signpost.key(), 0);
    assert!(place.open(false).unwrap().is_none());
    segment(&place);
}

/// Creation is atomic: of many who try at once, one makes the segment and the rest find it.
#[test]
fn one_of_many_creators_wins() {
    let place = place();
    let (header, bytes) = header();
    let len = header.geometry.segment_len() as u64;
    let start = std::sync::Barrier::new(8);
    let made: Vec<Option<Object>> = std::thread::scope(|scope| {
        let create = || {
            start.wait();
            place.create(&bytes, len, 0o600, &mut || true).unwrap()
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(create)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert_eq!(made.iter().flatten().count(), 1);
}

/// G5: a role is held once, by another handle of the same process as by another process.
#[test]
fn a_role_is_held_once() {
    let place = place();
    let (ours, _) = segment(&place);
    let theirs = place.open(false).unwrap().unwrap();
    assert!(!ours.is_held(Seat::WRITER));
    assert!(ours.try_hold(Seat::WRITER).unwrap());
    assert!(
        ours.try_hold(Seat::WRITER).unwrap(),
        "holding twice is holding"
    );
    assert!(!theirs.try_hold(Seat::WRITER).unwrap());
    assert!(theirs.is_held(Seat::WRITER));
    assert!(
        !ours.is_held(Seat::WRITER),
        "one's own role is nobody else's"
    );
    assert!(
        theirs.try_hold(Seat::READER).unwrap(),
        "the roles are apart"
    );
    ours.let_go(Seat::WRITER);
    assert!(!theirs.is_held(Seat::WRITER));
    assert!(theirs.try_hold(Seat::WRITER).unwrap());
    drop(theirs);
    assert!(!ours.is_held(Seat::WRITER) && !ours.is_held(Seat::READER));
}

#[test]
fn the_name_is_removed_only_by_the_last_side_that_agrees() {
    let place = place();
    let (ours, _) = segment(&place);
    let theirs = place.open(false).unwrap().unwrap();
    assert!(theirs.try_hold(Seat::READER).unwrap());
    ours.remove_if_alone(&place, 2, || panic!("there is a reader"));
    assert!(theirs.is_held(Seat::READER) || ours.is_held(Seat::READER));
    theirs.let_go(Seat::READER);
    ours.remove_if_alone(&place, 2, || false);
    assert!(ours.is_named(&place).unwrap());
    ours.remove_if_alone(&place, 2, || true);
    assert!(!ours.is_named(&place).unwrap());
    assert!(theirs.try_hold(Seat::WRITER).unwrap(), "no role is kept");
}

/// G8: the list names the owner alone, and more only where the mode says so.
#[test]
fn the_access_list_is_what_the_mode_says() {
    let place = place();
    let (object, _) = segment(&place);
    refuse_foreign(&object.section).unwrap();
    let listed = |security: &Security| security.to_text().matches("(A;").count();
    assert_eq!(listed(&object.security), 1);
    for (mode, entries) in [(0o600, 1), (0o640, 1), (0o660, 2), (0o606, 2), (0o666, 3)] {
        assert_eq!(
            listed(&Security::from_mode(mode).unwrap()),
            entries,
            "{mode:o}"
        );
    }
}

/// G7: another kind of object, and memory that is no segment, are told apart from an absent one.
#[test]
fn foreign_objects_under_the_name_are_refused() {
    let taken = place();
    let security = Security::from_mode(0o600).unwrap();
    let event = event::create_only(&taken.name, &security).unwrap().unwrap();
    assert!(matches!(taken.open(false), Err(Failure::Foreign(_))));
    drop(event);
    assert!(taken.open(false).unwrap().is_none());

    // Memory that nobody has committed.
    let reserved = reserve(&taken.name, &security);
    assert!(matches!(taken.open(false), Err(Failure::Foreign(_))));
    let (_, bytes) = header();
    assert!(matches!(
        taken.create(&bytes, 1 << 20, 0o600, &mut || true),
        Err(Failure::Foreign(_))
    ));
    drop(reserved);
    let signpost = Signpost::create(&taken.name, &security).unwrap();
    assert!(signpost.turn(0, 7).unwrap());
    let _reserved = reserve(&taken.segment(7), &security);
    assert!(matches!(taken.open(false), Err(Failure::Foreign(_))));

    // A signpost that leads to a section of another size than its header says.
    for len in [4096, 1 << 20] {
        let forged = place();
        let signpost = Signpost::create(&forged.name, &security).unwrap();
        let section = Section::create(&forged.segment(7), len, &security)
            .unwrap()
            .unwrap();
        section.write_header(&bytes).unwrap();
        assert!(signpost.turn(0, 7).unwrap());
        let found = forged.open(false).unwrap().unwrap();
        assert_eq!(found.len(), len);
        assert!(SegmentHeader::decode(&found.read_header().unwrap(), found.len()).is_err());
    }
}

/// A section whose memory is to be committed by whoever uses it.
fn reserve(name: &str, security: &Security) -> OwnedHandle {
    use std::os::windows::io::FromRawHandle;
    use windows_sys::Win32::Foundation::INVALID_HANDLE_VALUE;
    use windows_sys::Win32::System::Memory::{CreateFileMappingW, SEC_RESERVE};
    let name = wide(name);
    let attributes = security.attributes();
    // SAFETY: the name is NUL-terminated, and the attributes outlive the call; a handle that has just been opened is ours.
    unsafe {
        let handle = CreateFileMappingW(
            INVALID_HANDLE_VALUE,
            &raw const attributes,
            PAGE_READWRITE | SEC_RESERVE,
            0,
            1 << 20,
            name.as_ptr(),
        );
        assert!(!handle.is_null());
        OwnedHandle::from_raw_handle(handle)
    }
}

/// M1 and M2 by the way that old systems go.
#[test]
fn views_placed_by_trying_mirror_each_other() {
    let (object, geometry) = segment(&place());
    let views = Views::of(&object.section, &geometry);
    let base = views.place_by_trying().unwrap();
    assert_mirror(&Mapping::new(base, geometry, map::unmap));
}

/// M1 and M2 by the way that Windows 10 goes since version 1803, where it exists.
#[test]
fn views_placed_in_a_reservation_mirror_each_other() {
    let (object, geometry) = segment(&place());
    let views = Views::of(&object.section, &geometry);
    let Some(calls) = Placeholders::find() else {
        return eprintln!("not run: this system has no placeholders");
    };
    let Some(base) = views.place_in(&calls).unwrap() else {
        return eprintln!("not run: this system knows the calls but not the reservation");
    };
    assert_mirror(&Mapping::new(base, geometry, map::unmap));
}

fn assert_mirror(mapping: &Mapping) {
    let len = mapping.geometry().data_len();
    for at in [0, 1, len / 2, len - 1] {
        // SAFETY: M1; the mapping is this test's own.
        unsafe {
            mapping.data().add(at).write_volatile(0xa5);
            assert_eq!(mapping.data().add(len + at).read_volatile(), 0xa5);
            mapping.data().add(len + at).write_volatile(0x5a);
            assert_eq!(mapping.data().add(at).read_volatile(), 0x5a);
        }
    }
}

/// M3: a stray store of either side faults instead of reaching what is not its own.
#[test]
fn only_ones_own_pages_are_writable() {
    let (object, geometry) = segment(&place());
    let page = geometry.granularity;
    let data = geometry.data_offset();
    let mirror = data + geometry.data_len();
    for seat in [Seat::WRITER, Seat::READER] {
        let mapping = object.map(geometry, Some(seat), true).unwrap();
        let is_writer = seat == Seat::WRITER;
        for (at, writable) in [
            (0, false),
            (geometry.page_offset(Seat::WRITER), is_writer),
            (geometry.page_offset(Seat::READER), !is_writer),
            (data, is_writer),
            (mirror - page, is_writer),
            (mirror, is_writer),
            (mirror + geometry.data_len() - page, is_writer),
        ] {
            let mut found = MEMORY_BASIC_INFORMATION::default();
            // SAFETY: only asks, and `found` is writable.
            unsafe {
                let address = mapping.data().sub(data).add(at);
                VirtualQuery(address.cast(), &raw mut found, size_of_val(&found));
            }
            let expected = if writable {
                PAGE_READWRITE
            } else {
                PAGE_READONLY
            };
            assert_eq!(found.Protect, expected, "{seat:?} at {at:#x}");
        }
    }
}
