//! Arrays written, and built in place.

use super::header::{ArrayLen, Shape, put_array_header};
use super::parts::Plan;
use super::view::{bytes_of, elements_of_mut};
use super::{ArrayView, DType, Element};
use crate::writer::Slot;
use crate::{Error, KrenDealer, KrenPublisher, KrenSender, KrenWriter, Result};
use std::time::Duration;

/// An array on its way into a message.
struct Whole<'a> {
    dtype: DType,
    shape: &'a [usize],
    data: &'a [u8],
    len: ArrayLen,
}

impl<'a> Whole<'a> {
    /// Or why such an array cannot be sent.
    fn of<T: Element>(
        shape: &'a [usize],
        data: &'a [T],
    ) -> std::result::Result<Self, &'static str> {
        let len = ArrayLen::of(T::DTYPE, shape)?;
        let data = bytes_of(data);
        if len.data != data.len() {
            return Err("its product is not the number of elements");
        }
        Ok(Self {
            dtype: T::DTYPE,
            shape,
            data,
            len,
        })
    }

    /// Stores the message into its room.
    fn put(&self, slot: &mut Slot<'_>) {
        put_array_header(slot, self.dtype, self.shape, self.len);
        slot.write_at(self.len.header, self.data);
    }
}

impl KrenWriter {
    /// Writes an array, waiting for room if need be; its data are copied once.
    ///
    /// `shape` has the dimensions, outermost first, and `data` the elements in C order.
    ///
    /// ```
    /// # use kren_core::{KrenReader, KrenWriter};
    /// # let name = format!("doc-write-array-{}", std::process::id());
    /// let mut writer = KrenWriter::create(&name, 1 << 20)?;
    /// writer.write_array(&[2, 2], &[1_i32, 2, 3, 4])?;
    /// # KrenReader::connect(&name)?.read()?;
    /// # Ok::<(), kren_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`KrenWriter::write`]; [`Error::InvalidOption`] when `data` has not as many elements as the shape
    /// says, or there are more than [`MAX_DIMS`](super::MAX_DIMS) dimensions.
    pub fn write_array<T: Element>(&mut self, shape: &[usize], data: &[T]) -> Result<()> {
        self.put_array(shape, data, None)
    }

    /// As [`KrenWriter::write_array`], waiting `timeout` at most.
    ///
    /// # Errors
    ///
    /// As [`KrenWriter::write_array`], and [`Error::TimedOut`].
    pub fn write_array_timeout<T: Element>(
        &mut self,
        shape: &[usize],
        data: &[T],
        timeout: Duration,
    ) -> Result<()> {
        self.put_array(shape, data, Some(timeout))
    }

    fn put_array<T: Element>(
        &mut self,
        shape: &[usize],
        data: &[T],
        timeout: Option<Duration>,
    ) -> Result<()> {
        let array = Whole::of(shape, data).map_err(|reason| self.bad_shape(reason))?;
        let mut slot = self.room(array.len.total(), timeout)?;
        array.put(&mut slot);
        slot.commit();
        Ok(())
    }

    /// Reserves room for an array, waiting if need be, to build it in place.
    ///
    /// ```
    /// # use kren_core::{KrenReader, KrenWriter, array::DType};
    /// # let name = format!("doc-reserve-array-{}", std::process::id());
    /// let mut writer = KrenWriter::create(&name, 1 << 20)?;
    /// let mut frame = writer.reserve_array(&[480, 640], DType::Uint8)?;
    /// frame.as_mut_slice::<u8>().expect("uint8").fill(128);
    /// frame.commit();
    /// # KrenReader::connect(&name)?.read()?;
    /// # Ok::<(), kren_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`KrenWriter::write`]; [`Error::InvalidOption`] for a shape that cannot be sent.
    pub fn reserve_array(&mut self, shape: &[usize], dtype: DType) -> Result<ArraySlot<'_>> {
        self.reserve_array_within(shape, dtype, None)
    }

    /// As [`KrenWriter::reserve_array`], waiting `timeout` at most.
    ///
    /// # Errors
    ///
    /// As [`KrenWriter::reserve_array`], and [`Error::TimedOut`].
    pub fn reserve_array_timeout(
        &mut self,
        shape: &[usize],
        dtype: DType,
        timeout: Duration,
    ) -> Result<ArraySlot<'_>> {
        self.reserve_array_within(shape, dtype, Some(timeout))
    }

    fn reserve_array_within(
        &mut self,
        shape: &[usize],
        dtype: DType,
        timeout: Option<Duration>,
    ) -> Result<ArraySlot<'_>> {
        let len = ArrayLen::of(dtype, shape).map_err(|reason| self.bad_shape(reason))?;
        let mut slot = self.room(len.total(), timeout)?;
        put_array_header(&mut slot, dtype, shape, len);
        Ok(ArraySlot {
            slot,
            dtype,
            shape: Shape::of(shape),
            header: len.header,
        })
    }

    /// Writes several named arrays as one message, waiting for room if need be; their data are copied once.
    ///
    /// ```
    /// # use kren_core::{KrenReader, KrenWriter, array::ArrayView};
    /// # let name = format!("doc-write-arrays-{}", std::process::id());
    /// let mut writer = KrenWriter::create(&name, 1 << 20)?;
    /// let image = ArrayView::new(&[2, 2], &[0_u8, 64, 128, 255]).expect("four elements");
    /// let boxes = ArrayView::new(&[1, 4], &[0.0_f32, 0.0, 2.0, 2.0]).expect("four elements");
    /// writer.write_arrays(&[("image", image), ("boxes", boxes)])?;
    ///
    /// let mut reader = KrenReader::connect(&name)?;
    /// let message = reader.read()?;
    /// assert_eq!(message.arrays()?.get("boxes"), Some(boxes));
    /// # Ok::<(), kren_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`KrenWriter::write`]; [`Error::InvalidOption`] when two have the same name, a name has not 1 to
    /// [`MAX_NAME`](super::MAX_NAME) bytes, or there are more than [`MAX_PARTS`](super::MAX_PARTS).
    pub fn write_arrays(&mut self, arrays: &[(&str, ArrayView<'_>)]) -> Result<()> {
        self.put_arrays(arrays, None)
    }

    /// As [`KrenWriter::write_arrays`], waiting `timeout` at most.
    ///
    /// # Errors
    ///
    /// As [`KrenWriter::write_arrays`], and [`Error::TimedOut`].
    pub fn write_arrays_timeout(
        &mut self,
        arrays: &[(&str, ArrayView<'_>)],
        timeout: Duration,
    ) -> Result<()> {
        self.put_arrays(arrays, Some(timeout))
    }

    fn put_arrays(
        &mut self,
        arrays: &[(&str, ArrayView<'_>)],
        timeout: Option<Duration>,
    ) -> Result<()> {
        let plan = Plan::of(arrays).map_err(|reason| self.bad_option("arrays", reason))?;
        let mut slot = self.room(plan.len, timeout)?;
        plan.put(&mut slot);
        slot.commit();
        Ok(())
    }

    pub(crate) fn room(&mut self, len: usize, timeout: Option<Duration>) -> Result<Slot<'_>> {
        match timeout {
            None => self.reserve(len),
            Some(timeout) => self.reserve_timeout(len, timeout),
        }
    }

    #[cold]
    fn bad_shape(&self, reason: &'static str) -> Error {
        self.bad_option("shape", reason)
    }

    #[cold]
    pub(crate) fn bad_option(&self, option: &'static str, reason: &'static str) -> Error {
        bad_option(self.name(), option, reason)
    }
}

#[cold]
fn bad_option(channel: &str, option: &'static str, reason: &'static str) -> Error {
    Error::InvalidOption {
        channel: channel.into(),
        option,
        reason,
    }
}

impl KrenDealer {
    /// Gives an array to the worker with the fewest messages waiting; its data are copied once. Waits for a worker to come,
    /// or to have room.
    ///
    /// # Errors
    ///
    /// As [`KrenDealer::write`] and [`KrenWriter::write_array`].
    pub fn write_array<T: Element>(&mut self, shape: &[usize], data: &[T]) -> Result<()> {
        let array =
            Whole::of(shape, data).map_err(|reason| bad_option(self.name(), "shape", reason))?;
        self.build(array.len.total(), &mut |slot| array.put(slot))
    }

    /// Gives several named arrays to one worker, as one message.
    ///
    /// # Errors
    ///
    /// As [`KrenDealer::write`] and [`KrenWriter::write_arrays`].
    pub fn write_arrays(&mut self, arrays: &[(&str, ArrayView<'_>)]) -> Result<()> {
        let plan = Plan::of(arrays).map_err(|reason| bad_option(self.name(), "arrays", reason))?;
        self.build(plan.len, &mut |slot| plan.put(slot))
    }
}

/// What a writer can do with arrays, for the ends that have one.
macro_rules! writing_arrays {
    ($($end:ident),*) => {$(
        impl $end {
            /// Writes an array, waiting for room if need be; its data are copied once.
            ///
            /// # Errors
            ///
            /// As [`KrenWriter::write_array`].
            pub fn write_array<T: Element>(&mut self, shape: &[usize], data: &[T]) -> Result<()> {
                self.writer_mut().write_array(shape, data)
            }

            /// Reserves room for an array, waiting if need be, to build it in place.
            ///
            /// # Errors
            ///
            /// As [`KrenWriter::reserve_array`].
            pub fn reserve_array(
                &mut self,
                shape: &[usize],
                dtype: DType,
            ) -> Result<ArraySlot<'_>> {
                self.writer_mut().reserve_array(shape, dtype)
            }

            /// Writes several named arrays as one message, waiting for room if need be; their data are copied once.
            ///
            /// # Errors
            ///
            /// As [`KrenWriter::write_arrays`].
            pub fn write_arrays(&mut self, arrays: &[(&str, ArrayView<'_>)]) -> Result<()> {
                self.writer_mut().write_arrays(arrays)
            }
        }
    )*};
}

writing_arrays!(KrenPublisher, KrenSender);

/// Room for an array in the ring, from [`KrenWriter::reserve_array`], to be filled and committed.
///
/// Dropping it uncommitted aborts: the reader never sees anything of it. Its first content is whatever the
/// ring held before.
#[derive(Debug)]
pub struct ArraySlot<'a> {
    slot: Slot<'a>,
    dtype: DType,
    shape: Shape,
    header: usize,
}

impl ArraySlot<'_> {
    /// The dimensions, outermost first.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The elements in C order, to be filled; `None` when they are of another type, or not aligned for it (see
    /// [`ArrayView::as_slice`]).
    pub fn as_mut_slice<T: Element>(&mut self) -> Option<&mut [T]> {
        elements_of_mut(self.dtype, &mut self.slot[self.header..])
    }

    /// The data as bytes, to be filled.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.slot[self.header..]
    }

    /// Sets the tag that the reader will find on the message. Default 0.
    pub fn set_tag(&mut self, tag: u32) {
        self.slot.set_tag(tag);
    }

    /// Publishes the array. Does not block.
    pub fn commit(self) {
        self.slot.commit();
    }

    /// Gives the room up: the reader never sees anything of it. Dropping it does the same.
    pub fn abort(self) {}
}
