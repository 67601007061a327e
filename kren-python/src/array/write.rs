//! Arrays and tables put into the ring, or given room there.
#![allow(unsafe_code)]

use kren_core::array::{
    ArrayLen, ArrayView, DType, HEADER, Plan, put_array_header, put_table_header,
};
use kren_core::{Error, copy_slice};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyMemoryView, PySlice};

use super::describe::Described;
use super::view::{Elements, Room};
use crate::buffer::with_payload;
use crate::errors::Failure;
use crate::options::{Length, Tag};
use crate::slot::Slot;
use crate::timeout::Timeout;
use crate::writer::{Writer, wait};

/// Writes an array that lies in a C-contiguous buffer with a format that is known; tells whether it is one.
#[pyfunction]
#[pyo3(signature = (writer, array, timeout, tag))]
pub(crate) fn write_array(
    py: Python<'_>,
    writer: &Bound<'_, Writer>,
    array: &Bound<'_, PyAny>,
    timeout: Timeout,
    tag: Tag,
) -> PyResult<bool> {
    let Some(array) = Described::of(array) else {
        return Ok(false);
    };
    put(
        py,
        writer.get(),
        array.dtype,
        &array.shape,
        &|| array.bytes(py),
        timeout,
        tag,
    )?;
    Ok(true)
}

/// Writes the bytes of a buffer as an array of that type and shape.
#[allow(
    clippy::needless_pass_by_value,
    reason = "what an argument is taken out as"
)]
#[pyfunction]
#[pyo3(signature = (writer, dtype, shape, data, timeout, tag))]
pub(crate) fn write_described(
    py: Python<'_>,
    writer: &Bound<'_, Writer>,
    dtype: &str,
    shape: Vec<usize>,
    data: &Bound<'_, PyAny>,
    timeout: Timeout,
    tag: Tag,
) -> PyResult<()> {
    let dtype = known(dtype)?;
    with_payload(data, |payload| {
        put(
            py,
            writer.get(),
            dtype,
            &shape,
            &|| payload.bytes(py),
            timeout,
            tag,
        )
    })
}

fn put<'a>(
    py: Python<'_>,
    writer: &Writer,
    dtype: DType,
    shape: &[usize],
    data: &dyn Fn() -> &'a [u8],
    timeout: Timeout,
    tag: Tag,
) -> PyResult<()> {
    let len = ArrayLen::of(dtype, shape).map_err(|reason| bad_shape(writer, py, reason))?;
    if len.data != data().len() {
        return Err(PyValueError::new_err(
            "the data are not as long as the shape says",
        ));
    }
    let fill = |target: &mut [u8]| {
        put_array_header(target, dtype, shape, len);
        copy_slice(data(), &mut target[len.header..]);
    };
    writer
        .build(py, len.total(), timeout, tag, fill)
        .map_err(|failure| failure.into_exception(py))
}

/// Writes several named arrays as one message: pairs of a name and an object that `write_array` would take, or of a name and
/// (dtype, shape, data).
#[pyfunction]
#[pyo3(signature = (writer, arrays, timeout, tag))]
pub(crate) fn write_arrays(
    py: Python<'_>,
    writer: &Bound<'_, Writer>,
    arrays: Vec<(String, Bound<'_, PyAny>)>,
    timeout: Timeout,
    tag: Tag,
) -> PyResult<()> {
    let writer = writer.get();
    let parts: Vec<Part> = arrays
        .into_iter()
        .map(|(name, array)| Part::of(name, &array))
        .collect::<PyResult<_>>()?;
    let len = plan(writer, py, &parts)?.len;
    // Planned anew behind the wait, in which others may have stored into the buffers.
    let fill = |target: &mut [u8]| match plan(writer, py, &parts) {
        Ok(plan) => plan.put(target),
        Err(_) => unreachable!("the figures are those of before"),
    };
    writer
        .build(py, len, timeout, tag, fill)
        .map_err(|failure| failure.into_exception(py))
}

/// One of several arrays.
struct Part {
    name: String,
    dtype: DType,
    shape: Vec<usize>,
    data: Box<Described>,
}

impl Part {
    fn of(name: String, array: &Bound<'_, PyAny>) -> PyResult<Self> {
        if let Some(data) = Described::of(array) {
            return Ok(Self {
                name,
                dtype: data.dtype,
                shape: data.shape.clone(),
                data,
            });
        }
        let (dtype, shape, data): (String, Vec<usize>, Bound<'_, PyAny>) = array.extract()?;
        let Some(data) = Described::of(&data) else {
            return Err(PyTypeError::new_err(format!("'{name}' is no array")));
        };
        Ok(Self {
            name,
            dtype: known(&dtype)?,
            shape,
            data,
        })
    }

    /// None where the data are not as long as the shape says.
    fn view<'s>(&'s self, attached: Python<'s>) -> Option<(&'s str, ArrayView<'s>)> {
        let view = ArrayView::from_bytes(self.dtype, &self.shape, self.data.bytes(attached))?;
        Some((&self.name, view))
    }
}

fn plan<'a>(writer: &Writer, py: Python<'a>, parts: &'a [Part]) -> PyResult<Plan<'a>> {
    let views: Option<Vec<_>> = parts.iter().map(|part| part.view(py)).collect();
    let Some(views) = views else {
        return Err(bad_shape(
            writer,
            py,
            "it has more than 13 dimensions, or is not that of its data",
        ));
    };
    Plan::of(&views).map_err(|reason| invalid(writer, py, "arrays", reason))
}

/// Stores the header of an array at the start of a slot, and gives the room behind it.
#[allow(
    clippy::needless_pass_by_value,
    reason = "what an argument is taken out as"
)]
#[pyfunction]
#[pyo3(signature = (writer, dtype, shape, timeout, tag))]
pub(crate) fn reserve_array(
    py: Python<'_>,
    writer: &Bound<'_, Writer>,
    dtype: &str,
    shape: Vec<usize>,
    timeout: Timeout,
    tag: Tag,
) -> PyResult<(Py<Slot>, Room)> {
    let dtype = known(dtype)?;
    let len = ArrayLen::of(dtype, &shape).map_err(|reason| bad_shape(writer.get(), py, reason))?;
    let slot = writer
        .get()
        .reserve(py, Length(len.total()), timeout, tag)?;
    let start = slot.start();
    let slot = Py::new(py, slot)?;
    // SAFETY: the slot is open, and its `total` bytes are nobody else's.
    let target = unsafe { std::slice::from_raw_parts_mut(start, len.header) };
    put_array_header(target, dtype, &shape, len);
    // SAFETY: inside the slot, at whose end it may be empty.
    let data = unsafe { start.add(len.header) };
    let room = Room::new(
        slot.clone_ref(py),
        Elements::new(data, len.data, dtype, &shape),
    );
    Ok((slot, room))
}

/// Stores a table's header at the start of a slot, and gives a memoryview of the room for the stream, `length` bytes.
#[pyfunction]
#[pyo3(signature = (writer, length, timeout, tag))]
pub(crate) fn table_room<'py>(
    py: Python<'py>,
    writer: &Bound<'py, Writer>,
    length: usize,
    timeout: Timeout,
    tag: Tag,
) -> PyResult<(Bound<'py, Slot>, Bound<'py, PyAny>)> {
    let total = Length(HEADER.saturating_add(length));
    let slot = writer.get().reserve(py, total, timeout, tag)?;
    // SAFETY: the slot is open, has at least as many bytes, and they are nobody else's.
    put_table_header(
        unsafe { std::slice::from_raw_parts_mut(slot.start(), HEADER) },
        length,
    );
    let slot = Bound::new(py, slot)?;
    // Not by `PySlice::new`, which leaks the numbers that it makes.
    let behind = py.get_type::<PySlice>().call1((HEADER, py.None()))?;
    let stream = PyMemoryView::from(&slot)?.get_item(behind)?;
    Ok((slot, stream))
}

impl Writer {
    /// Writes one message of `len` bytes that `fill` stores, behind all waiting.
    fn build(
        &self,
        py: Python<'_>,
        len: usize,
        timeout: Timeout,
        tag: Tag,
        fill: impl FnOnce(&mut [u8]),
    ) -> Result<(), Failure> {
        let mut core = self.endpoint.hold(py)?;
        let mut deadline = None;
        loop {
            match core.try_reserve(len) {
                Ok(mut slot) => {
                    fill(&mut slot);
                    slot.set_tag(tag.0);
                    slot.commit();
                    return Ok(());
                }
                Err(Error::Full { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            wait(py, &mut core, len, timeout, &mut deadline)?;
        }
    }
}

fn known(dtype: &str) -> PyResult<DType> {
    DType::from_name(dtype)
        .ok_or_else(|| PyTypeError::new_err(format!("arrays of {dtype} are not sent")))
}

fn bad_shape(writer: &Writer, py: Python<'_>, reason: &'static str) -> PyErr {
    invalid(writer, py, "shape", reason)
}

fn invalid(writer: &Writer, py: Python<'_>, option: &'static str, reason: &'static str) -> PyErr {
    let error = Error::InvalidOption {
        channel: writer.endpoint.name().into(),
        option,
        reason,
    };
    crate::errors::exception(py, &error)
}
