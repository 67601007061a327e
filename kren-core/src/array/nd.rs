//! Arrays as those of the crate `ndarray` (feature `ndarray`).

use super::{ArraySlot, ArrayView, Element};
use crate::{KrenWriter, Result};
use ndarray::{ArrayRef, ArrayViewD, ArrayViewMutD, Dimension, IxDyn, Zip};

impl<'a> ArrayView<'a> {
    /// The array as `ndarray` has it, where it lies; `None` as for [`ArrayView::as_slice`].
    #[must_use]
    pub fn as_ndarray<T: Element>(&self) -> Option<ArrayViewD<'a, T>> {
        ArrayViewD::from_shape(IxDyn(self.shape()), self.as_slice()?).ok()
    }
}

impl ArraySlot<'_> {
    /// The array as `ndarray` has it, to be filled; `None` as for [`ArraySlot::as_mut_slice`].
    pub fn as_ndarray_mut<T: Element>(&mut self) -> Option<ArrayViewMutD<'_, T>> {
        let shape = IxDyn(self.shape());
        ArrayViewMutD::from_shape(shape, self.as_mut_slice()?).ok()
    }
}

impl KrenWriter {
    /// Writes an array of the crate `ndarray`, waiting for room if need be. One of any layout: its elements are
    /// copied once, into C order.
    ///
    /// ```
    /// # use kren_core::{KrenReader, KrenWriter};
    /// # let name = format!("doc-write-ndarray-{}", std::process::id());
    /// let mut writer = KrenWriter::create(&name, 1 << 20)?;
    /// let matrix = ndarray::array![[1.0_f64, 2.0], [3.0, 4.0]];
    /// writer.write_ndarray(&matrix.t())?;
    ///
    /// let mut reader = KrenReader::connect(&name)?;
    /// let message = reader.read()?;
    /// let received = message.array()?.as_ndarray::<f64>().expect("float64");
    /// assert_eq!(received, matrix.t().into_dyn());
    /// # Ok::<(), kren_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`KrenWriter::write_array`].
    pub fn write_ndarray<T: Element, D: Dimension>(
        &mut self,
        array: &ArrayRef<T, D>,
    ) -> Result<()> {
        if let Some(data) = array.as_slice() {
            return self.write_array(array.shape(), data);
        }
        let mut slot = self.reserve_array(array.shape(), T::DTYPE)?;
        match slot.as_ndarray_mut::<T>() {
            Some(target) => Zip::from(array.view().into_dyn())
                .and(target)
                .for_each(|from, to| *to = *from),
            // Elements of 16 bytes on a channel with an alignment of 8.
            None => {
                let elements = array
                    .iter()
                    .flat_map(|element| super::view::bytes_of(std::slice::from_ref(element)));
                for (byte, place) in elements.zip(slot.bytes_mut()) {
                    *place = *byte;
                }
            }
        }
        slot.commit();
        Ok(())
    }
}
