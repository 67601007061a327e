//! `kren.Slot`: a message that is built where it will lie in the ring.
#![allow(unsafe_code)]

use std::ffi::c_int;
use std::sync::{Mutex, MutexGuard, PoisonError};

use kren_core::Mapped;
use pyo3::exceptions::{PyBufferError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyMemoryView, PySlice};

use crate::buffer::{export, with_payload};
use crate::writer::Writer;

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
    writer: Py<Writer>,
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
    /// `writer` has been lent to the new slot, whose `len` bytes at `start` are the writer's next.
    pub(crate) fn new(
        writer: Py<Writer>,
        start: *mut u8,
        len: usize,
        tag: u32,
        mapped: Mapped,
    ) -> Self {
        Self {
            writer,
            state: Mutex::new(State {
                phase: Phase::Open,
                exports: 0,
            }),
            start,
            len,
            tag,
            _mapped: mapped,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state of an open slot.
    fn open(&self) -> PyResult<MutexGuard<'_, State>> {
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
        self.open()?.exports += 1;
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

    fn give_up(&self, py: Python<'_>) {
        let mut state = self.state();
        if state.phase == Phase::Open {
            state.phase = Phase::Aborting;
        }
        if state.phase == Phase::Aborting && state.exports == 0 {
            state.phase = Phase::Aborted;
            self.writer.get().take_back(py);
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
    fn commit(&self, py: Python<'_>, length: Option<usize>) -> PyResult<()> {
        let mut state = self.open()?;
        let length = length.unwrap_or(self.len);
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
        let writer = self.writer.get();
        let committed = writer.commit_reserved(py, self.start, self.len, length, self.tag);
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
        drop(this.open()?);
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
        drop(self.open()?);
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
        slot.open()?.exports += 1;
        // SAFETY: `len` writable bytes from `start` on, which the writer leaves alone as long as it is
        // lent to this slot, and that is until the count is 0 again.
        unsafe { export(this, slot.start, slot.len, false, view, flags) }
            .inspect_err(|_| slot.let_go(this.py()))
    }

    /// # Safety
    ///
    /// Called by Python, once for each view that was given.
    unsafe fn __releasebuffer__(&self, py: Python<'_>, _view: *mut ffi::Py_buffer) {
        self.let_go(py);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // Python collects its objects attached; at its very end there is no writer to think of.
        let _ = Python::try_attach(|py| self.give_up(py));
    }
}
