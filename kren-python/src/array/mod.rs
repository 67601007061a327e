//! Arrays in messages: `kren.Array`, and the native half of `kren/_arrays.py`.
//!
//! `describe` tells what an object's buffer holds, `write` puts it into the ring, `read` takes it out as an
//! [`Array`](view::Array), which others look at through the buffer protocol (`elements`), DLPack (`dlpack`) or as an array
//! of `numpy`.

mod describe;
mod dlpack;
mod elements;
mod numpy;
mod read;
mod view;
mod write;

pub(crate) use self::dlpack::Tensor;
pub(crate) use self::numpy::adopt_numpy;
pub(crate) use self::read::{
    borrow_array, borrow_arrays, borrow_table, read_array, try_borrow_array, try_borrow_arrays,
    try_borrow_table,
};
pub(crate) use self::view::{Array, Room, Unflagged};
pub(crate) use self::write::{
    reserve_array, table_room, write_array, write_arrays, write_buffer, write_described,
    write_stream,
};
