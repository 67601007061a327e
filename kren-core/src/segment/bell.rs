//! The segments that processes sleep on which wait for many, and the way from a bell's number to such a segment.

use super::header_of;
use crate::layout::{
    Commons, Geometry, HEADER_LEN, Kind, SLOT_BITS, STATE_OPEN, Seat, SegmentHeader,
};
use crate::os::{self, Failure, Mapping, Object, Place, Signal, fork};
use crate::wait::{self, Call};
use crate::{Error, Result};
use std::cell::RefCell;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, Once, PoisonError, Weak};
use std::time::Duration;

/// What a bell's name begins with: a character that no channel's name may hold.
const SIGN: &str = "@";
/// Only processes of the same user ring (G8).
const MODE: u32 = 0o600;
/// The bits of a page's `bell` that are the slot's.
const SLOT_MASK: u64 = (1 << SLOT_BITS) - 1;
/// Bells that one end keeps at hand: as many as it can have peers.
const KEPT: usize = 64;

fn name(id: u64) -> String {
    format!("{SIGN}{id:016x}")
}

/// A bell of this process: one thread sleeps on it.
pub(crate) struct Bell {
    id: u64,
    place: Place,
    object: Object,
    mapping: Mapping,
    signal: Signal,
    generation: u32,
}

impl Bell {
    /// Makes a bell with a number that nobody else has.
    ///
    /// # Errors
    ///
    /// As for a new channel: [`Error::OutOfMemory`], [`Error::PermissionDenied`], [`Error::Io`].
    pub(crate) fn create() -> Result<Self> {
        static SWEEP: Once = Once::new();
        SWEEP.call_once(sweep);
        loop {
            let geometry = Geometry::without_ring(0, os::granularity());
            let header = header_of(geometry, Kind::Bell);
            let id = header.instance & !SLOT_MASK;
            if id == 0 {
                continue;
            }
            let header = SegmentHeader {
                instance: id,
                ..header
            };
            let fail = |failure: Failure| failure.into_error(&name(id).into());
            let place = Place::new(&name(id), false);
            let len = geometry.segment_len() as u64;
            let made = place.create(&header.encode(), len, MODE, &mut || true);
            let Some(mut object) = made.map_err(fail)? else {
                continue;
            };
            // Between the two somebody may have taken it for one of the dead, and removed it.
            if !object.try_hold(Seat::WRITER).map_err(fail)?
                || !object.is_named(&place).map_err(fail)?
            {
                continue;
            }
            let mapping = object
                .map(geometry, Some(Seat::WRITER), false)
                .inspect_err(|_| drop(place.remove(&object)))
                .map_err(fail)?;
            object.keep_only_lock();
            let bell = Self {
                id,
                mapping,
                signal: object.sleeper(Seat::WRITER, Seat::WRITER).map_err(fail)?,
                generation: fork::generation(),
                place,
                object,
            };
            let presence = &bell.mapping.page(Seat::WRITER).presence.0;
            presence.pid.store(std::process::id(), Ordering::Relaxed);
            presence.pid_space.store(os::pid_space(), Ordering::Relaxed);
            presence.state.store(STATE_OPEN, Ordering::Relaxed);
            return Ok(bell);
        }
    }

    /// Its number; the lowest bits are those of a slot, and 0 here.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// As it is called in errors.
    pub(crate) fn name(&self) -> Arc<str> {
        name(self.id).into()
    }

    /// Refuses a bell that was inherited through `fork` (G10).
    pub(crate) fn check_process(&self) -> Result<()> {
        if self.generation == fork::generation() {
            return Ok(());
        }
        Err(Error::Forked {
            channel: self.name(),
        })
    }

    pub(crate) fn commons(&self) -> &Commons {
        commons(&self.mapping)
    }

    /// Rings it for a slot, as a peer does.
    pub(crate) fn ring(&self, slot: usize) {
        wait::bell::ring(self.commons(), &self.signal, slot);
    }

    /// Makes its thread look around, at no slot in particular.
    pub(crate) fn rouse(&self) {
        let word = &self.commons().bell.0;
        // Release: pairs with the Acquire load in `heard`; what the thread is to find comes before.
        word.fetch_add(1, Ordering::Release);
        self.signal.wake(word);
    }

    /// Sleeps while nobody has rung since `heard` was asked for.
    pub(crate) fn sleep(&self, heard: u32, timeout: Duration) {
        self.signal.sleep(&self.commons().bell.0, heard, timeout);
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        if self.generation == fork::generation() {
            // Where it cannot be removed, whoever finds it without its holder does it.
            let _ = self.place.remove(&self.object);
        }
    }
}

fn commons(mapping: &Mapping) -> &Commons {
    mapping
        .commons()
        .expect("a bell has one, as its header says")
}

/// Removes the bells of processes that died.
fn sweep() {
    for name in os::names(SIGN).unwrap_or_default() {
        let place = Place::new(&name, false);
        if let Ok(Some(object)) = place.open(false)
            && is_bell(&object, None).is_some()
        {
            remove_if_dead(&place, &object);
        }
    }
}

/// The geometry of a bell, of this number if one is given.
fn is_bell(object: &Object, id: Option<u64>) -> Option<Geometry> {
    let bytes: [u8; HEADER_LEN] = object.read_header().ok()?;
    let header = SegmentHeader::decode(&bytes, object.len()).ok()?;
    let fits = header
        .geometry
        .granularity
        .is_multiple_of(os::granularity());
    let is_it = header.kind == Kind::Bell && id.is_none_or(|id| header.instance == id);
    (fits && is_it).then_some(header.geometry)
}

/// Tells whether its holder had died.
fn remove_if_dead(place: &Place, object: &Object) -> bool {
    let is_dead = !object.is_held(Seat::WRITER);
    if is_dead {
        object.remove_if_alone(place, 1, || true);
    }
    is_dead
}

/// Removes the bell that a page names, if its holder died.
pub(crate) fn bury(bell: u64) {
    let place = Place::new(&name(bell & !SLOT_MASK), false);
    if let Ok(Some(object)) = place.open(false)
        && is_bell(&object, Some(bell & !SLOT_MASK)).is_some()
    {
        remove_if_dead(&place, &object);
    }
}

/// Another process's bell, or one of this process, as its ringers have it.
struct Ringer {
    mapping: Mapping,
    signal: Signal,
}

thread_local! {
    /// What this thread has opened: a thousand channels may lead to one bell. A list of each thread, so that no `fork`
    /// falls into a lock.
    static OPEN: RefCell<Vec<(u64, bool, Weak<Ringer>)>> = const { RefCell::new(Vec::new()) };
}

impl Ringer {
    /// `None`: there is no such bell any more, or it is not for this process.
    fn open(id: u64, any_owner: bool) -> Option<Self> {
        let place = Place::new(&name(id), false);
        let object = place.open(any_owner).ok()??;
        let geometry = is_bell(&object, Some(id))?;
        if remove_if_dead(&place, &object) {
            return None;
        }
        Some(Self {
            mapping: object.map(geometry, Some(Seat::NONE), false).ok()?,
            signal: object.sleeper(Seat::WRITER, Seat::WRITER).ok()?,
        })
    }

    /// The same, if this thread has it already.
    fn find(id: u64, any_owner: bool) -> Option<Arc<Self>> {
        let known = OPEN.try_with(|open| {
            let mut open = open.borrow_mut();
            open.retain(|(_, _, ringer)| ringer.strong_count() > 0);
            let found = open.iter().find(|open| (open.0, open.1) == (id, any_owner));
            found.and_then(|(_, _, ringer)| ringer.upgrade())
        });
        if let Ok(Some(ringer)) = known {
            return Some(ringer);
        }
        let ringer = Arc::new(Self::open(id, any_owner)?);
        // A thread that is ending has no list any more, and needs none.
        let _ = OPEN.try_with(|open| {
            let entry = (id, any_owner, Arc::downgrade(&ringer));
            open.borrow_mut().push(entry);
        });
        Some(ringer)
    }
}

/// With what a side wakes its peers: the signal of its own wake count, or the bells that they name.
pub(crate) struct Caller {
    signal: Signal,
    any_owner: bool,
    /// The bells that were rung last, the latest at the end.
    kept: Mutex<Vec<(u64, Arc<Ringer>)>>,
}

impl Caller {
    pub(crate) fn new(signal: Signal, any_owner: bool) -> Self {
        Self {
            signal,
            any_owner,
            kept: Mutex::default(),
        }
    }
}

impl Call for Caller {
    fn signal(&self) -> &Signal {
        &self.signal
    }

    #[cold]
    fn ring(&self, bell: u64) -> bool {
        let (id, slot) = (bell & !SLOT_MASK, (bell & SLOT_MASK) as usize);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let ringer = match kept.iter().find(|(kept, _)| *kept == id) {
            Some((_, ringer)) => Arc::clone(ringer),
            None => {
                let Some(ringer) = Ringer::find(id, self.any_owner) else {
                    return false;
                };
                if kept.len() == KEPT {
                    kept.remove(0);
                }
                kept.push((id, Arc::clone(&ringer)));
                ringer
            }
        };
        drop(kept);
        wait::bell::ring(commons(&ringer.mapping), &ringer.signal, slot)
    }
}
