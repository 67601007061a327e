//! What a handle is: a place that is recognised after it was closed, and lets one thread in at a time.
//!
//! The place of a closed handle is kept and used again, the one closed first at first, so that a pointer to it leads to something that
//! says "closed" instead of into freed memory, until [`KEPT`] more of its kind have been closed.
#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use kren_core::Error;

use crate::failure::{Failure, Outcome};

/// Closed handles of a kind that are not used again.
const KEPT: usize = 64;
/// In place of the kind's mark, once it is closed.
const CLOSED: u32 = u32::from_be_bytes(*b"dead");

/// What a handle of a kind holds.
pub(crate) trait Content: Sized + 'static {
    /// Tells this kind from others, and from what is no handle.
    const MARK: u32;

    fn closed() -> &'static Closed;
}

/// Declares a kind: its content, its mark, and the places that were closed.
macro_rules! kind {
    ($content:ty, $mark:literal) => {
        impl $crate::handle::Content for $content {
            const MARK: u32 = u32::from_be_bytes(*$mark);

            fn closed() -> &'static $crate::handle::Closed {
                static CLOSED: $crate::handle::Closed = $crate::handle::Closed::new();
                &CLOSED
            }
        }
    };
}
pub(crate) use kind;

/// The places of closed handles, by address, in the order of their closing.
pub(crate) struct Closed(Mutex<VecDeque<usize>>);

impl Closed {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(VecDeque::new()))
    }

    /// One that may be used again. Never waits: in a child made by `fork` the lock may be held for ever.
    fn take(&self) -> Option<usize> {
        let mut places = self.0.try_lock().ok()?;
        if places.len() > KEPT {
            places.pop_front()
        } else {
            None
        }
    }

    fn add(&self, place: usize) {
        if let Ok(mut places) = self.0.try_lock() {
            places.push_back(place);
        }
    }
}

/// Whether somebody is in.
const FREE: u32 = 0;
const IN_CALL: u32 = 1;
/// A panic has left the content as it was at the time.
const BROKEN: u32 = 2;

/// A mark and whose turn it is, in one word: the handle of a call that may go on has one value.
const fn state(mark: u32, turn: u32) -> u64 {
    (mark as u64) << 32 | turn as u64
}

const fn mark(state: u64) -> u32 {
    (state >> 32) as u32
}

const fn turn(state: u64) -> u32 {
    state as u32
}

/// The memory behind a handle; never given back. Its state comes first, whatever it holds.
#[repr(C)]
pub(crate) struct Handle<T> {
    state: AtomicU64,
    content: UnsafeCell<Option<T>>,
}

impl<T: Content> Handle<T> {
    const READY: u64 = state(T::MARK, FREE);
    const IN_CALL: u64 = state(T::MARK, IN_CALL);

    /// A new handle of this content.
    pub(crate) fn open(content: T) -> *mut Self {
        match T::closed().take() {
            Some(place) => {
                let place = place as *mut Self;
                // SAFETY: made by `Box::into_raw` below for this kind, and closed: nobody reaches its content (H2).
                unsafe { *(*place).content.get() = Some(content) };
                // SAFETY: as above; it is never freed.
                let handle = unsafe { &*place };
                // Release: whoever sees the mark sees the content.
                handle.state.store(Self::READY, Ordering::Release);
                place
            }
            None => Box::into_raw(Box::new(Self {
                state: AtomicU64::new(Self::READY),
                content: UnsafeCell::new(Some(content)),
            })),
        }
    }

    /// Works with the content; not while another call does, nor after a panic.
    #[inline]
    pub(crate) fn with<R>(
        this: *const Self,
        work: impl FnOnce(&mut T) -> Outcome<R>,
    ) -> Outcome<R> {
        let handle = Self::find(this)?;
        if handle.state.load(Ordering::Relaxed) != Self::READY {
            return Err(handle.refuse());
        }
        // A plain store, which two threads that come at the very same moment can both pass: an exchange would have each message
        // wait for the cache misses of the one before. A call that waits, or runs at all for long, is seen.
        handle.state.store(Self::IN_CALL, Ordering::Relaxed);
        let broken = Broken(&handle.state, state(T::MARK, BROKEN));
        // SAFETY: H2: the turn is this call's.
        let content = unsafe { &mut *handle.content.get() };
        let outcome = match content {
            Some(content) => work(content),
            None => Err(Failure::Misuse(&WAS_CLOSED)),
        };
        std::mem::forget(broken);
        handle.state.store(Self::READY, Ordering::Relaxed);
        outcome
    }

    /// Lets a call in that is over at once, and can neither wait nor panic; `None` where [`Handle::with`] has something to say.
    #[inline(always)]
    pub(crate) fn turn<'a>(this: *const Self) -> Option<Turn<'a, T>> {
        if this.is_null() || !this.is_aligned() {
            return None;
        }
        // SAFETY: as in `find`.
        let word = unsafe { &(*this).state };
        // Acquire: as in `find`.
        if word.load(Ordering::Acquire) != Self::READY {
            return None;
        }
        // As in `with`.
        word.store(Self::IN_CALL, Ordering::Relaxed);
        // SAFETY: it is of this kind, and H2: the turn is this call's.
        let content = unsafe { &mut *(*this).content.get() };
        Some(Turn { word, content })
    }

    /// Takes the content out, and makes the handle one that was closed. Null has none.
    pub(crate) fn close(this: *mut Self) -> Outcome<Option<T>> {
        if this.is_null() {
            return Ok(None);
        }
        let handle = Self::find(this)?;
        if handle.state.load(Ordering::Relaxed) == Self::IN_CALL {
            return Err(handle.refuse());
        }
        handle
            .state
            .store(state(CLOSED, IN_CALL), Ordering::Relaxed);
        // SAFETY: H2: the turn is this call's, and nobody gets another one.
        let content = unsafe { (*handle.content.get()).take() };
        T::closed().add(this as usize);
        Ok(content)
    }

    #[inline]
    fn find<'a>(this: *const Self) -> Outcome<&'a Self> {
        if this.is_null() || !this.is_aligned() {
            return Err(Failure::Misuse(
                &"the handle is null, or no handle: open it first, and check the code of that",
            ));
        }
        // SAFETY: H1; every handle begins with its state, and the place of a closed one is never freed.
        let word = unsafe { &(*this).state };
        // Acquire: pairs with the Release store in `open`.
        match mark(word.load(Ordering::Acquire)) {
            // SAFETY: as above, and it is of this kind.
            mark if mark == T::MARK => Ok(unsafe { &*this }),
            CLOSED => Err(Failure::Misuse(&WAS_CLOSED)),
            _ => Err(Failure::Misuse(
                &"this is no handle of the kind that the function takes",
            )),
        }
    }

    #[cold]
    fn refuse(&self) -> Failure {
        if turn(self.state.load(Ordering::Relaxed)) == BROKEN {
            return Failure::Panic(Box::new("met in an earlier call".to_owned()));
        }
        Failure::from(Error::Busy {
            channel: "(this handle's)".into(),
        })
    }
}

const WAS_CLOSED: &str =
    "the handle was closed before; a call that succeeds in closing it is the last one";

/// A call that is in, until it is dropped.
pub(crate) struct Turn<'a, T: Content> {
    word: &'a AtomicU64,
    content: &'a mut Option<T>,
}

impl<T: Content> Turn<'_, T> {
    #[inline(always)]
    pub(crate) fn content(&mut self) -> Option<&mut T> {
        self.content.as_mut()
    }
}

impl<T: Content> Drop for Turn<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        self.word.store(Handle::<T>::READY, Ordering::Relaxed);
    }
}

/// Marks a handle when a panic passes by.
struct Broken<'a>(&'a AtomicU64, u64);

impl Drop for Broken<'_> {
    fn drop(&mut self) {
        self.0.store(self.1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Thing(u32);
    kind!(Thing, b"thng");

    fn value(handle: *const Handle<Thing>) -> Outcome<u32> {
        Handle::with(handle, |thing| Ok(thing.0))
    }

    /// A closed handle is recognised, also after others have been opened and closed.
    #[test]
    fn a_closed_handle_is_recognised() {
        let first = Handle::open(Thing(1));
        assert_eq!(value(first).unwrap(), 1);
        assert_eq!(Handle::close(first).unwrap().unwrap().0, 1);
        for _ in 0..KEPT {
            assert!(matches!(value(first), Err(Failure::Misuse(_))));
            assert!(matches!(Handle::close(first), Err(Failure::Misuse(_))));
            Handle::close(Handle::open(Thing(2))).unwrap();
        }
        let again: Vec<_> = (0..KEPT).map(|_| Handle::open(Thing(3))).collect();
        assert!(again.contains(&first), "its place is used again at last");
        assert!(again.iter().all(|handle| value(*handle).unwrap() == 3));
    }

    /// A call from within a call, and any call after a panic, ends with a code.
    #[test]
    fn a_handle_lets_one_in() {
        let handle = Handle::open(Thing(1));
        let busy = Handle::with(handle, |_| {
            assert!(matches!(Handle::close(handle), Err(Failure::Core(_))));
            value(handle)
        });
        assert!(matches!(busy, Err(Failure::Core(_))));
        let panic = crate::failure::guard(|| Handle::with(handle, |_| panic!("on purpose")));
        assert_eq!(panic, crate::code::kren_code::KREN_PANIC as i32);
        assert!(matches!(value(handle), Err(Failure::Panic(_))));
        assert!(Handle::close(handle).unwrap().is_some());
    }
}
