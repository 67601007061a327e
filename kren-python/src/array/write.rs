//! Arrays and tables put into the ring, or given room there.
#![allow(unsafe_code)]
#![allow(
    clippy::needless_pass_by_value,
    reason = "what arguments are taken out as"
)]

use kren_core::array::{
    ArrayLen, ArrayView, DType, HEADER, Plan, put_array_header, put_table_header,
};
use kren_core::{Error, Order};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyMemoryView, PySlice};

use super::describe::Described;
use super::elements::Elements;
use super::numpy;
use super::view::Room;
use crate::buffer::with_payload;
use crate::dealer::Dealer;
use crate::errors::Failure;
use crate::options::{Key, Length, Tag};
use crate::slot::Slot;
use crate::timeout::Timeout;
use crate::writer::{Writer, wait};

/// An end that arrays are written to.
#[derive(FromPyObject)]
pub(crate) enum Giving<'py> {
    Writer(Bound<'py, Writer>),
    Dealer(Bound<'py, Dealer>),
}

impl Giving<'_> {
    fn name(&self) -> &str {
        match self {
            Self::Writer(writer) => writer.get().endpoint.name(),
            Self::Dealer(dealer) => dealer.get().endpoint.name(),
        }
    }

    /// Writes one message of `len` bytes that `fill` stores, behind all waiting.
    fn build(
        &self,
        py: Python<'_>,
        len: usize,
        label: &Label,
        fill: &mut dyn FnMut(&mut kren_core::Slot<'_>),
    ) -> PyResult<()> {
        let Label { timeout, tag, key } = label;
        let built = match self {
            Self::Writer(writer) => writer.get().build(py, len, *timeout, *tag, fill),
            Self::Dealer(dealer) => {
                let key = key.as_ref().map(|key| &key.0[..]);
                dealer.get().build(py, len, *timeout, *tag, key, fill)
            }
        };
        built.map_err(|failure| failure.into_exception(py))
    }

    fn bad_shape(&self, py: Python<'_>, reason: &'static str) -> PyErr {
        self.invalid(py, "shape", reason)
    }

    fn invalid(&self, py: Python<'_>, option: &'static str, reason: &'static str) -> PyErr {
        let error = Error::InvalidOption {
            channel: self.name().into(),
            option,
            reason,
        };
        crate::errors::exception(py, &error)
    }
}

/// What goes with a message.
struct Label {
    timeout: Timeout,
    tag: Tag,
    /// For a work queue.
    key: Option<Key>,
}

/// Writes a numpy array in C order with elements that are numpy's own; tells whether it is one.
#[pyfunction]
#[pyo3(signature = (end, array, timeout, tag, key=None))]
pub(crate) fn write_array(
    py: Python<'_>,
    end: Giving<'_>,
    array: &Bound<'_, PyAny>,
    timeout: Timeout,
    tag: Tag,
    key: Option<Key>,
) -> PyResult<bool> {
    let described = numpy::dtype_of(array).and_then(|dtype| Described::of_type(array, dtype));
    put_described(py, &end, described, &Label { timeout, tag, key })
}

/// Writes an array that lies in a C-contiguous buffer with a format that is known; tells whether it is one.
#[pyfunction]
#[pyo3(signature = (end, array, timeout, tag, key=None))]
pub(crate) fn write_buffer(
    py: Python<'_>,
    end: Giving<'_>,
    array: &Bound<'_, PyAny>,
    timeout: Timeout,
    tag: Tag,
    key: Option<Key>,
) -> PyResult<bool> {
    put_described(py, &end, Described::of(array), &Label { timeout, tag, key })
}

fn put_described(
    py: Python<'_>,
    end: &Giving<'_>,
    array: Option<Box<Described>>,
    label: &Label,
) -> PyResult<bool> {
    let Some(array) = array else {
        return Ok(false);
    };
    put(
        py,
        end,
        array.dtype,
        &array.shape,
        &|| array.bytes(py),
        label,
    )?;
    Ok(true)
}

/// Writes the bytes of a buffer as an array of that type and shape.
#[allow(
    clippy::too_many_arguments,
    reason = "an array in pieces, and what goes with a message"
)]
#[pyfunction]
#[pyo3(signature = (end, dtype, shape, data, timeout, tag, key=None))]
pub(crate) fn write_described(
    py: Python<'_>,
    end: Giving<'_>,
    dtype: &str,
    shape: Vec<usize>,
    data: &Bound<'_, PyAny>,
    timeout: Timeout,
    tag: Tag,
    key: Option<Key>,
) -> PyResult<()> {
    let dtype = known(dtype)?;
    let label = Label { timeout, tag, key };
    with_payload(data, |payload| {
        put(py, &end, dtype, &shape, &|| payload.bytes(py), &label)
    })
}

fn put<'a>(
    py: Python<'_>,
    end: &Giving<'_>,
    dtype: DType,
    shape: &[usize],
    data: &dyn Fn() -> &'a [u8],
    label: &Label,
) -> PyResult<()> {
    let len = ArrayLen::of(dtype, shape).map_err(|reason| end.bad_shape(py, reason))?;
    if len.data != data().len() {
        return Err(PyValueError::new_err(
            "the data are not as long as the shape says",
        ));
    }
    let mut fill = |slot: &mut kren_core::Slot<'_>| {
        put_array_header(slot, dtype, shape, len);
        slot.write_at(len.header, data());
    };
    end.build(py, len.total(), label, &mut fill)
}

/// Writes several named arrays as one message: pairs of a name and an object that `write_buffer` would take, or of a name and
/// (dtype, shape, data).
#[pyfunction]
#[pyo3(signature = (end, arrays, timeout, tag, key=None))]
pub(crate) fn write_arrays(
    py: Python<'_>,
    end: Giving<'_>,
    arrays: Vec<(String, Bound<'_, PyAny>)>,
    timeout: Timeout,
    tag: Tag,
    key: Option<Key>,
) -> PyResult<()> {
    let parts: Vec<Part> = arrays
        .into_iter()
        .map(|(name, array)| Part::of(name, &array))
        .collect::<PyResult<_>>()?;
    let len = plan(&end, py, &parts)?.len;
    // Planned anew behind the wait, in which others may have stored into the buffers.
    let mut fill = |slot: &mut kren_core::Slot<'_>| match plan(&end, py, &parts) {
        Ok(plan) => plan.put(slot),
        Err(_) => unreachable!("the figures are those of before"),
    };
    end.build(py, len, &Label { timeout, tag, key }, &mut fill)
}

/// Writes a table, of which the stream is in some buffer.
#[pyfunction]
#[pyo3(signature = (end, stream, timeout, tag, key=None))]
pub(crate) fn write_stream(
    py: Python<'_>,
    end: Giving<'_>,
    stream: &Bound<'_, PyAny>,
    timeout: Timeout,
    tag: Tag,
    key: Option<Key>,
) -> PyResult<()> {
    with_payload(stream, |stream| {
        let mut fill = |slot: &mut kren_core::Slot<'_>| {
            put_table_header(slot, stream.len());
            slot.write_at(HEADER, stream.bytes(py));
        };
        let len = HEADER.saturating_add(stream.len());
        end.build(py, len, &Label { timeout, tag, key }, &mut fill)
    })
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

fn plan<'a>(end: &Giving<'_>, py: Python<'a>, parts: &'a [Part]) -> PyResult<Plan<'a>> {
    let views: Option<Vec<_>> = parts.iter().map(|part| part.view(py)).collect();
    let Some(views) = views else {
        return Err(end.bad_shape(
            py,
            "it has more than 13 dimensions, or is not that of its data",
        ));
    };
    Plan::of(&views).map_err(|reason| end.invalid(py, "arrays", reason))
}

/// Stores the header of an array at the start of a slot, and gives the room behind it as a numpy array; as a Room where numpy
/// is not known, or has no such type.
#[pyfunction]
#[pyo3(signature = (writer, dtype, shape, timeout, tag))]
pub(crate) fn reserve_array<'py>(
    py: Python<'py>,
    writer: &Bound<'py, Writer>,
    dtype: &str,
    shape: Vec<usize>,
    timeout: Timeout,
    tag: Tag,
) -> PyResult<(Py<Slot>, Bound<'py, PyAny>)> {
    let dtype = known(dtype)?;
    let end = Giving::Writer(writer.clone());
    let len = ArrayLen::of(dtype, &shape).map_err(|reason| end.bad_shape(py, reason))?;
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
    let room = Bound::new(py, room)?;
    let shown = numpy::show(room.as_any().clone(), &room.get().elements)?;
    Ok((slot, shown))
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
    fn build(
        &self,
        py: Python<'_>,
        len: usize,
        timeout: Timeout,
        tag: Tag,
        fill: &mut dyn FnMut(&mut kren_core::Slot<'_>),
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

impl Dealer {
    fn build(
        &self,
        py: Python<'_>,
        len: usize,
        timeout: Timeout,
        tag: Tag,
        key: Option<&[u8]>,
        fill: &mut dyn FnMut(&mut kren_core::Slot<'_>),
    ) -> Result<(), Failure> {
        let order = Order {
            tag: tag.0,
            key,
            ..Order::new(&[])
        };
        self.give(py, timeout, &mut None, |core| {
            core.try_build(&order, len, fill)
        })
    }
}

fn known(dtype: &str) -> PyResult<DType> {
    DType::from_name(dtype)
        .ok_or_else(|| PyTypeError::new_err(format!("arrays of {dtype} are not sent")))
}
