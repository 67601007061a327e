//! An array where it lies.
#![allow(unsafe_code)]

use super::header::{ArrayHeader, ArrayLen, Reason, Shape};
use super::{DType, Element};

/// An array: the type of its elements, its shape, and its data in C order, in a received message or in memory of
/// one's own.
///
/// From [`Message::array`](crate::Message::array) and [`Lease::array`](crate::Lease::array), or made by
/// [`ArrayView::new`] to be written.
#[derive(Clone, Copy, PartialEq)]
pub struct ArrayView<'a> {
    dtype: DType,
    shape: Shape,
    data: &'a [u8],
}

impl<'a> ArrayView<'a> {
    /// A view of `data` as an array of that shape; `None` when their number is not the product of the shape,
    /// or the shape is one that cannot be sent (more than [`MAX_DIMS`](super::MAX_DIMS) dimensions).
    ///
    /// ```
    /// # use kren_core::array::ArrayView;
    /// assert!(ArrayView::new(&[2, 2], &[1_u16, 2, 3, 4]).is_some());
    /// assert!(ArrayView::new(&[2, 3], &[1_u16, 2, 3, 4]).is_none());
    /// ```
    #[must_use]
    pub fn new<T: Element>(shape: &[usize], data: &'a [T]) -> Option<Self> {
        Self::from_bytes(T::DTYPE, shape, bytes_of(data))
    }

    /// As [`ArrayView::new`], of bytes: for element types that Rust has none for.
    #[must_use]
    pub fn from_bytes(dtype: DType, shape: &[usize], data: &'a [u8]) -> Option<Self> {
        let len = ArrayLen::of(dtype, shape).ok()?;
        (len.data == data.len()).then(|| Self {
            dtype,
            shape: Shape::of(shape),
            data,
        })
    }

    /// The array in a message. For bindings, which name the channel themselves.
    #[doc(hidden)]
    #[inline]
    pub fn parse(message: &'a [u8]) -> Result<Self, Reason> {
        let header = ArrayHeader::of(message)?;
        Ok(Self {
            dtype: header.dtype,
            shape: header.shape,
            data: &message[header.len..],
        })
    }

    /// The type of the elements.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The dimensions, outermost first; empty for a single element.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// How many elements there are.
    #[must_use]
    #[allow(
        clippy::len_without_is_empty,
        reason = "an array of no elements has a shape too"
    )]
    pub fn len(&self) -> usize {
        self.data.len() / self.dtype.size()
    }

    /// The elements in C order, where they lie. `None` when they are of another type, or not aligned for it, which
    /// happens to none of up to 8 bytes in a message.
    #[must_use]
    pub fn as_slice<T: Element>(&self) -> Option<&'a [T]> {
        let start = self.data.as_ptr().cast::<T>();
        if T::DTYPE != self.dtype || !start.is_aligned() {
            return None;
        }
        // SAFETY: aligned; the bytes are borrowed, as many as whole elements (P2), and every pattern of bits
        // is a value (E1).
        Some(unsafe { std::slice::from_raw_parts(start, self.len()) })
    }

    /// The data as bytes, little-endian.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.data
    }
}

impl std::fmt::Debug for ArrayView<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ArrayView")
            .field("dtype", &self.dtype)
            .field("shape", &self.shape())
            .finish_non_exhaustive()
    }
}

/// The bytes of elements.
pub(super) fn bytes_of<T: Element>(data: &[T]) -> &[u8] {
    // SAFETY: initialised memory without padding (E1), borrowed as long.
    unsafe { std::slice::from_raw_parts(data.as_ptr().cast(), size_of_val(data)) }
}

/// The elements in bytes that are the caller's alone; `None` as for [`ArrayView::as_slice`].
pub(super) fn elements_of_mut<T: Element>(dtype: DType, data: &mut [u8]) -> Option<&mut [T]> {
    let start = data.as_mut_ptr().cast::<T>();
    if T::DTYPE != dtype || !start.is_aligned() {
        return None;
    }
    let len = data.len() / dtype.size();
    // SAFETY: aligned; borrowed exclusively, whole elements, and any bytes are values (E1).
    Some(unsafe { std::slice::from_raw_parts_mut(start, len) })
}
