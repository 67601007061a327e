//! Arrays in messages, by the format of `docs/spec/payloads.md`: one call on each side, read where they
//! lie, in every language.
//!
//! A message is written with [`KrenWriter::write_array`](crate::KrenWriter::write_array), or built in the ring
//! with [`KrenWriter::reserve_array`](crate::KrenWriter::reserve_array), and looked at with
//! [`Message::array`](crate::Message::array) or [`Lease::array`](crate::Lease::array). Several arrays that belong
//! together travel in one message: [`KrenWriter::write_arrays`](crate::KrenWriter::write_arrays).
//! Create the channel with an alignment of 64, and their data are aligned for vector instructions.
//!
//! ```
//! use kren_core::{KrenReader, KrenWriter};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let name = format!("doc-array-{}", std::process::id());
//! # let name = name.as_str();
//! let mut writer = KrenWriter::options().alignment(64).create(name, 1 << 20)?;
//! writer.write_array(&[2, 3], &[1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0])?;
//!
//! let mut reader = KrenReader::connect(name)?;
//! let message = reader.read()?;
//! let array = message.array()?;
//! assert_eq!(array.shape(), [2, 3]);
//! assert_eq!(array.as_slice::<f32>().ok_or("not float32")?[5], 6.0);
//! # Ok(())
//! # }
//! ```

mod dtype;
mod header;
#[cfg(feature = "ndarray")]
mod nd;
mod parts;
mod read;
mod view;
mod write;

pub use self::dtype::{DType, Element};
pub use self::header::{ArrayLen, MAX_DIMS, Shape, put_array_header};
pub use self::parts::{ArraysView, MAX_NAME, MAX_PARTS};
pub use self::view::ArrayView;
pub use self::write::ArraySlot;

#[cfg(feature = "arrow")]
pub(crate) use self::read::refusal;
#[doc(hidden)]
pub use self::{
    header::{HEADER, Reason, put_table_header, table_stream},
    parts::Plan,
};
