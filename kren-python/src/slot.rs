//! `kren.Slot`: a message that is built where it will lie in the ring.
#![allow(unsafe_code)]

use std::ffi::c_int;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kren_core::{KrenWriter, Mapped};
use pyo3::exceptions::{PyBufferError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyMemoryView, PySlice};

use crate::buffer::with_payload;
use crate::endpoint::{Endpoint, Held};
use crate::errors::Failure;
use crate::options::Length;
use crate::pin::{Bytes, pin};

/// Room in the ring for a message that is built in place: what Writer.reserve() returns.
///
/// It is a writable buffer: memoryview(slot), numpy.frombuffer(slot), slot[:4] = b"head" and
/// file.readinto(slot) work. Its first content is whatever the ring held before.
///
/// In a `with` block the message is committed at the end, or aborted when an exception leaves the
/// block; commit(length) inside it commits less. Until then the writer does nothing else: its other
/// calls raise Busy. A slot that is collected was aborted.
#[pyclass(frozen, module = "kren")]
pub(crate) struct Slot {
    /// Lent to this slot while it is open, or aborting.
    writer: Arc<Endpoint<KrenWriter>>,
    state: Mutex<State>,
    start: *mut u8,
    len: usize,
    tag: u32,
    /// Whoever holds this object by a pointer that Python does not count finds mapped memory.
    _mapped: Mapped,
}

struct State {
    phase: Phase,
    /// Buffers that others have of it.
    exports: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// Aborted while buffers of it were in use: the writer must not write there before they are gone.
    Aborting,
    Committed,
    Aborted,
}

// SAFETY: `start` leads into the mapping that `_mapped` keeps. Who stores there are holders of buffers,
// which there are only while the writer is lent to this slot.
unsafe impl Send for Slot {}
// SAFETY: as for `Send`; what changes is behind a lock.
unsafe impl Sync for Slot {}

impl Slot {
    /// Lends the writer, which has room for `len` bytes now, to a new slot of that room.
    pub(crate) fn open(
        writer: &Arc<Endpoint<KrenWriter>>,
        mut core: Held<'_, KrenWriter>,
        len: usize,
        tag: u32,
    ) -> Result<Self, Failure> {
        let mut room = core.try_reserve(len)?;
        let start = room.as_mut_ptr();
        // Nothing is written meanwhile, so commit finds the same room, as it was left.
        room.abort();
        let mapped = core.mapped();
        core.lend();
        Ok(Self {
            writer: Arc::clone(writer),
            state: Mutex::new(State {
                phase: Phase::Open,
                exports: 0,
            }),
            start,
            len,
            tag,
            _mapped: mapped,
        })
    }

    /// Where its bytes begin.
    pub(crate) fn start(&self) -> *mut u8 {
        self.start
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state of an open slot.
    fn open_state(&self) -> PyResult<MutexGuard<'_, State>> {
        let state = self.state();
        match state.phase {
            Phase::Open => Ok(state),
            Phase::Committed => Err(PyValueError::new_err(
                "this slot was committed; reserve another one for the next message",
            )),
            Phase::Aborting | Phase::Aborted => Err(PyValueError::new_err(
                "this slot was aborted; reserve another one",
            )),
        }
    }

    /// Copies `value`, a buffer of any kind of items (memoryviews are particular about that), to the `len`
    /// bytes from `start` on, which lie inside the slot.
    fn fill(&self, start: usize, len: usize, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = value.py();
        // Counted as a buffer, so that the room stays the slot's whatever the value's own code does.
        self.open_state()?.exports += 1;
        let filled = with_payload(value, |payload| {
            if payload.len() != len {
                return Err(PyValueError::new_err(format!(
                    "{} bytes do not fit a slice of {len}",
                    payload.len(),
                )));
            }
            // SAFETY: inside the `self.len` bytes from `self.start` on, which are writable.
            unsafe { payload.copy_to(py, self.start.add(start)) };
            Ok(())
        });
        self.let_go(py);
        filled
    }

    /// A buffer has come back.
    fn let_go(&self, py: Python<'_>) {
        let mut state = self.state();
        state.exports -= 1;
        let aborting = state.phase == Phase::Aborting;
        drop(state);
        if aborting {
            self.give_up(py);
        }
    }

    /// Publishes the first `length` bytes.
    fn publish(&self, py: Python<'_>, length: usize) -> Result<(), Failure> {
        let Some(mut core) = self.writer.take_back(py) else {
            return Err(Failure::EndpointClosed(self.writer.name().into()));
        };
        let mut room = core.try_reserve(self.len)?;
        debug_assert_eq!(room.as_mut_ptr(), self.start);
        room.set_tag(self.tag);
        Ok(room.commit_len(length)?)
    }

    fn give_up(&self, py: Python<'_>) {
        let mut state = self.state();
        if state.phase == Phase::Open {
            state.phase = Phase::Aborting;
        }
        if state.phase == Phase::Aborting && state.exports == 0 {
            state.phase = Phase::Aborted;
            drop(self.writer.take_back(py));
        }
    }
}

#[pymethods]
impl Slot {
    /// Publish the first `length` bytes as one message; all of them unless given.
    ///
    /// Raises BufferError while buffers taken from the slot are in use (a memoryview, a numpy array): they
    /// could alter what the reader sees. Raises ValueError when length is more than was reserved, or the
    /// slot was committed or aborted before. In both cases nothing was published.
    #[pyo3(signature = (length=None))]
    fn commit(&self, py: Python<'_>, length: Option<Length>) -> PyResult<()> {
        let mut state = self.open_state()?;
        let length = length.map_or(self.len, |length| length.0);
        if length > self.len {
            return Err(PyValueError::new_err(format!(
                "{length} bytes are more than the {} that were reserved",
                self.len
            )));
        }
        if state.exports > 0 {
            return Err(PyBufferError::new_err(format!(
                "{} buffers of this slot are in use, and could alter the message after it was \
                 published; let go of every memoryview and array of it first",
                state.exports
            )));
        }
        let committed = self.publish(py, length);
        state.phase = match committed {
            Ok(()) => Phase::Committed,
            Err(_) => Phase::Aborted,
        };
        // Python code runs below, and may come back here.
        drop(state);
        committed.map_err(|failure| failure.into_exception(py))
    }

    /// Give the slot up: the reader never sees anything of it. Without effect after commit().
    ///
    /// While buffers taken from the slot are in use, the writer stays occupied: they lead to where its next
    /// message would go.
    fn abort(&self, py: Python<'_>) {
        self.give_up(py);
    }

    fn __enter__(this: PyRef<'_, Self>) -> PyResult<PyRef<'_, Self>> {
        drop(this.open_state()?);
        Ok(this)
    }

    fn __exit__(
        &self,
        py: Python<'_>,
        kind: &Bound<'_, PyAny>,
        _error: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        if kind.is_none() && self.state().phase == Phase::Open {
            // What could not be published must not occupy the writer.
            return self.commit(py, None).inspect_err(|_| self.give_up(py));
        }
        self.give_up(py);
        Ok(())
    }

    fn __len__(&self) -> PyResult<usize> {
        drop(self.open_state()?);
        Ok(self.len)
    }

    fn __getitem__<'py>(
        this: &Bound<'py, Self>,
        key: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        PyMemoryView::from(this)?.get_item(key)
    }

    fn __setitem__<'py>(
        this: &Bound<'py, Self>,
        key: &Bound<'py, PyAny>,
        value: &Bound<'py, PyAny>,
    ) -> PyResult<()> {
        if let Ok(slice) = key.cast::<PySlice>() {
            let slot = this.get();
            let range = slice.indices(slot.len as isize)?;
            if range.step == 1 {
                return slot.fill(range.start as usize, range.slicelength, value);
            }
        }
        PyMemoryView::from(this)?.set_item(key, value)
    }

    /// Return a memoryview (what Python's own types call it from 3.12 on).
    #[pyo3(signature = (flags, /))]
    fn __buffer__<'py>(
        this: &Bound<'py, Self>,
        flags: c_int,
    ) -> PyResult<Bound<'py, PyMemoryView>> {
        let _ = flags;
        PyMemoryView::from(this)
    }

    fn __repr__(&self) -> String {
        let state = match self.state().phase {
            Phase::Open => "open",
            Phase::Committed => "committed",
            Phase::Aborting | Phase::Aborted => "aborted",
        };
        format!("<kren.Slot of {} bytes, {state}>", self.len)
    }

    /// # Safety
    ///
    /// `view` is Python's to give: writable.
    unsafe fn __getbuffer__(
        this: &Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let slot = this.get();
        slot.open_state()?.exports += 1;
        let bytes = Bytes {
            start: slot.start,
            len: slot.len,
            readonly: false,
        };
        // SAFETY: the writer leaves the bytes alone as long as it is lent to this slot, and that is until the count is
        // 0 again.
        unsafe { pin(this.as_any(), bytes, let_go, view, flags) }
    }

    /// Does nothing, for what is released is the view's own object. Without it numpy would not ask for a buffer that
    /// lasts, and keep this object instead.
    ///
    /// # Safety
    ///
    /// Called by Python.
    #[allow(clippy::unused_self, reason = "the method's shape is Python's")]
    unsafe fn __releasebuffer__(&self, _view: *mut ffi::Py_buffer) {}
}

fn let_go(slot: &Bound<'_, PyAny>) {
    // SAFETY: called with the slot that `__getbuffer__` passed on.
    unsafe { slot.cast_unchecked::<Slot>() }
        .get()
        .let_go(slot.py());
}

impl Drop for Slot {
    fn drop(&mut self) {
        // Python collects its objects attached; at its very end there is no writer to think of.
        let _ = Python::try_attach(|py| self.give_up(py));
    }
}
