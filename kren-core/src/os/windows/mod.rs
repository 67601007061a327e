//! Windows: named sections, and named events to sleep on and to hold roles with.
//!
//! A name in the kernel's object namespace lives as long as a handle to it, so nothing can be left
//! behind, and nothing can be taken away while others use it. Two things follow.
//!
//! *The name leads to the segment through a signpost.* The section under the channel's name holds
//! one word: the key of the current segment, whose own section and events have the key in their
//! names. A segment is built under a fresh key, out of sight, and becomes the channel when the word
//! is exchanged for its key; exchanging it for 0 removes the name while the old sides still hold
//! the segment. Whoever has an [`Object`] holds the signpost too, so there is never a second one.
//!
//! *A role is held by the existence of an event.* Who creates it has the role; who finds it there
//! has not. Its one handle is never inherited, and the kernel closes it when the process ends.
//! Looking for the event opens it for an instant, which is why a refusal is worth a second try.
#![allow(unsafe_code)]

mod event;
mod map;
mod section;
mod security;
#[cfg(test)]
mod tests;

use self::section::{Section, Signpost};
use self::security::Security;
use super::{Failure, GoOn, Mapping, Rights};
use crate::layout::{Geometry, HEADER_LEN, Seat, SegmentHeader};
use std::collections::BTreeMap;
use std::os::windows::io::OwnedHandle;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

pub(crate) use self::event::Signal;

/// Not longer than a handle to it.
pub(crate) const NAMES_STAY: bool = false;

/// Processors of the machine, also those that this process is kept away from: its peer may run there.
pub(crate) fn processors() -> usize {
    use windows_sys::Win32::System::SystemInformation::{GetSystemInfo, SYSTEM_INFO};
    let mut info = SYSTEM_INFO::default();
    // SAFETY: `info` is writable.
    unsafe { GetSystemInfo(&raw mut info) };
    info.dwNumberOfProcessors as usize
}

/// Processors that this process is allowed to run on, of those that it could be given.
pub(crate) fn usable_processors() -> usize {
    use windows_sys::Win32::System::Threading::{GetCurrentProcess, GetProcessAffinityMask};
    let (mut own, mut all) = (0, 0);
    // SAFETY: a constant of the system that stands for this process, and writable results.
    let told = unsafe { GetProcessAffinityMask(GetCurrentProcess(), &raw mut own, &raw mut all) };
    if told == 0 || own == 0 {
        // It runs in several groups of processors.
        return processors();
    }
    own.count_ones() as usize
}

/// Bytes in which addresses are given out, and views placed: 64 KiB.
pub(crate) fn granularity() -> usize {
    use windows_sys::Win32::System::SystemInformation::{GetSystemInfo, SYSTEM_INFO};
    static GRANULARITY: OnceLock<usize> = OnceLock::new();
    *GRANULARITY.get_or_init(|| {
        let mut info = SYSTEM_INFO::default();
        // SAFETY: `info` is writable.
        unsafe { GetSystemInfo(&raw mut info) };
        info.dwAllocationGranularity as usize
    })
}

/// The names of a channel's objects.
pub(crate) struct Place {
    /// The signpost's. A backslash ends the namespace, and `!`, which no channel name holds, sets
    /// the other objects' names apart: `Local\kren-NAME!KEY`, and after it `!writer` and so on.
    name: String,
}

impl Place {
    /// `name` has been validated: letters, digits, dot, underscore and hyphen.
    pub(crate) fn new(name: &str, machine_wide: bool) -> Self {
        let namespace = if machine_wide { "Global" } else { "Local" };
        Self {
            name: format!(r"{namespace}\kren-{name}"),
        }
    }

    fn segment(&self, key: u64) -> String {
        format!("{}!{key:016x}", self.name)
    }

    /// Builds a segment of `len` bytes out of sight, then turns the signpost to it.
    ///
    /// A process killed at any point leaves either nothing or the whole segment.
    pub(crate) fn create(
        &self,
        header: &[u8; HEADER_LEN],
        len: u64,
        mode: u32,
        _go_on: GoOn<'_>,
    ) -> Result<Option<Object>, Failure> {
        let security = Security::from_mode(mode)?;
        // Whose signpost stands there was asked by `open`. One that another user puts up in
        // between can only lead astray, which is looked at below and at each later `open`.
        let signpost = match Signpost::open(&self.name)? {
            Some(signpost) => signpost,
            None => Signpost::create(&self.name, &security)?,
        };
        let current = signpost.key();
        if current != 0 && Section::open(&self.segment(current))?.is_some() {
            return Ok(None);
        }
        let key = fresh_key();
        let Some(section) = Section::create(&self.segment(key), len, &security)? else {
            return Ok(None);
        };
        section.write_header(header)?;
        // A dead segment's key never comes to life again, so the exchange cannot hide a live one.
        if !signpost.turn(current, key)? {
            return Ok(None);
        }
        // Opened anew like any other: the creator has no more rights than a later writer. What the
        // signpost leads to by now must be what was built, whose owner need not be asked (G8).
        let made = self.open(true)?;
        Ok(made.filter(|object| object.key == key))
    }

    /// Opens the segment under the name, whoever made it.
    pub(crate) fn open(&self, any_owner: bool) -> Result<Option<Object>, Failure> {
        let Some(signpost) = Signpost::open(&self.name)? else {
            return Ok(None);
        };
        if !any_owner {
            security::refuse_foreign(signpost.section())?;
        }
        let key = signpost.key();
        let name = self.segment(key);
        let found = if key == 0 {
            None
        } else {
            Section::open(&name)?
        };
        let Some(section) = found else {
            return Ok(None);
        };
        if !any_owner {
            security::refuse_foreign(&section)?;
        }
        let (len, header) = section.look()?;
        let security = Security::of(&section)?;
        let held = Mutex::default();
        Ok(Some(Object {
            signpost,
            key,
            name,
            section,
            len,
            header,
            security,
            held,
        }))
    }

    /// As `open`, for one who only looks.
    pub(crate) fn look(&self) -> Result<Option<Object>, Failure> {
        self.open(true)
    }

    /// Removes the name if it leads to `object`, whatever lives on it.
    pub(crate) fn remove(&self, object: &Object) -> Result<(), Failure> {
        object.signpost.turn(object.key, 0).map(drop)
    }
}

/// Random, so that no key is used twice; never 0.
fn fresh_key() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id()).max(1)
}

/// An open segment.
pub(crate) struct Object {
    signpost: Signpost,
    key: u64,
    name: String,
    section: Section,
    len: u64,
    header: [u8; HEADER_LEN],
    /// Who may use the segment may use the events beside it.
    security: Security,
    /// The events whose existence says that this object holds a seat.
    held: Mutex<BTreeMap<Seat, OwnedHandle>>,
}

impl Object {
    /// Bytes of the whole segment.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Access is told by lists here, not by a user's number and a mode.
    #[allow(clippy::unused_self, reason = "the contract of every system")]
    pub(crate) fn rights(&self) -> Option<Rights> {
        None
    }

    #[allow(clippy::unnecessary_wraps, reason = "the contract of every system")]
    pub(crate) fn read_header(&self) -> Result<[u8; HEADER_LEN], Failure> {
        Ok(self.header)
    }

    /// Whether the name still leads here.
    #[allow(clippy::unnecessary_wraps, reason = "the contract of every system")]
    pub(crate) fn is_named(&self, _place: &Place) -> Result<bool, Failure> {
        Ok(self.signpost.key() == self.key)
    }

    /// Who may use a section is settled when it is made, and is not looked at here: the same list can be
    /// written in many ways.
    #[allow(clippy::unnecessary_wraps, reason = "the contract of every system")]
    pub(crate) fn set_mode(&self, _mode: u32) -> Result<(), Failure> {
        Ok(())
    }

    pub(crate) fn map(
        &self,
        geometry: Geometry,
        seat: Option<Seat>,
        prefault: bool,
    ) -> Result<Mapping, Failure> {
        let mapping = map::map(&self.section, geometry, seat)?;
        if prefault {
            mapping.touch();
        }
        Ok(mapping)
    }

    /// The pages of the seats, for one who looks and takes part in nothing.
    pub(crate) fn glance(&self, geometry: Geometry) -> Result<Mapping, Failure> {
        self.map(geometry.pages_only(), None, false)
    }

    /// Nothing is mapped from here on. What is held serves other purposes as well.
    #[allow(
        clippy::needless_pass_by_ref_mut,
        clippy::unused_self,
        reason = "the contract of every system"
    )]
    pub(crate) fn keep_only_lock(&mut self) {}

    /// A handle cannot be closed by chance, as a small number can.
    #[allow(
        clippy::unnecessary_wraps,
        clippy::unused_self,
        reason = "the contract of every system"
    )]
    pub(crate) fn check_lock(&self) -> Result<(), Failure> {
        Ok(())
    }

    /// Takes a seat; `false` if somebody else has it.
    pub(crate) fn try_hold(&self, seat: Seat) -> Result<bool, Failure> {
        let mut held = self.held();
        if !held.contains_key(&seat)
            && let Some(event) = event::create_only(&self.event(seat, ""), &self.security)?
        {
            held.insert(seat, event);
        }
        Ok(held.contains_key(&seat))
    }

    /// Whether somebody else has the seat.
    pub(crate) fn is_held(&self, seat: Seat) -> bool {
        !self.held().contains_key(&seat) && event::exists(&self.event(seat, ""))
    }

    /// Gives a seat back.
    pub(crate) fn let_go(&self, seat: Seat) {
        self.held().remove(&seat);
    }

    /// Removes the name if nobody holds one of the `seats` seats, the writer's included, and `agreed` says so.
    ///
    /// All are held meanwhile, so nobody can attach between the question and the removal;
    /// one who holds a seat afterwards finds that the name no longer leads to its object.
    pub(crate) fn remove_if_alone(
        &self,
        place: &Place,
        seats: usize,
        agreed: impl FnOnce() -> bool,
    ) {
        let alone = (0..seats)
            .map(Seat::numbered)
            .all(|seat| matches!(self.try_hold(seat), Ok(true)));
        if alone && agreed() {
            // If it fails, the name goes with the last handle all the same.
            let _ = place.remove(self);
        }
        self.held().clear();
    }

    /// Takes back the name of a segment that was made for this side, which cannot use it.
    pub(crate) fn withdraw(&self, place: &Place, seats: usize) {
        self.remove_if_alone(place, seats, || true);
    }

    /// The events on which the peers of `of` sleep.
    pub(crate) fn signal(&self, of: Seat) -> Result<Signal, Failure> {
        let readers = SegmentHeader::decode(&self.header, self.len);
        let readers = readers.map_or(1, |header| header.geometry.readers);
        let sleepers = match of {
            Seat::WRITER => 1..=readers,
            _ => 0..=0,
        };
        let events = sleepers.map(|sleeper| self.sleep_event(of, Seat::numbered(sleeper)));
        Signal::open(events, &self.security)
    }

    /// The event on which `sleeper` sleeps for `of`.
    pub(crate) fn sleeper(&self, of: Seat, sleeper: Seat) -> Result<Signal, Failure> {
        Signal::open([self.sleep_event(of, sleeper)], &self.security)
    }

    fn sleep_event(&self, of: Seat, sleeper: Seat) -> String {
        self.event(of, &format!("-wake-{}", sleeper.number()))
    }

    fn event(&self, seat: Seat, what: &str) -> String {
        format!("{}!{}{what}", self.name, seat.number())
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<Seat, OwnedHandle>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A name as the system takes it: UTF-16, ended by a NUL.
fn wide(name: &str) -> Vec<u16> {
    name.encode_utf16().chain([0]).collect()
}

/// There is no barrier over the threads of other processes here, so each publication fences.
pub(crate) mod barrier {
    pub(crate) const OFFERED: bool = false;

    pub(crate) fn register() -> bool {
        false
    }

    pub(crate) fn issue() -> bool {
        false
    }
}

/// There are no signals here that a thread could take from another.
pub(crate) fn leave_signals_to_others() {}

/// There is no `fork` here.
pub(crate) mod fork {
    #[inline]
    pub(crate) fn generation() -> u32 {
        0
    }
}
