//! The bytes in front of an array: `docs/spec/payloads.md`, P1 to P4.

use super::DType;
use std::borrow::Cow;
use std::ops::Deref;

/// Bytes of a header, of which an array of more than 5 dimensions has two.
pub const HEADER: usize = 64;
/// Dimensions that fit the first 64 bytes.
const SHORT: usize = 5;
/// The most dimensions an array can have.
pub const MAX_DIMS: usize = 13;

const MAGIC: [u8; 3] = *b"KRP";
const VERSION: u8 = 1;
/// Where the shape begins.
const SHAPE: usize = 24;
/// P3: the length of no data reaches this.
const LENGTH_END: u64 = 1 << 53;

/// Why a message is not what it was read as, in words that follow "the message ...".
#[doc(hidden)]
pub type Reason = Cow<'static, str>;

/// What a message holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Array = 1,
    Table = 2,
    Arrays = 3,
}

impl Kind {
    /// As in "it is ...".
    fn description(self) -> &'static str {
        match self {
            Self::Array => "an array",
            Self::Table => "a table",
            Self::Arrays => "several arrays",
        }
    }
}

/// The dimensions of an array, outermost first: a `&[usize]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    dims: [usize; MAX_DIMS],
    ndim: usize,
}

impl Shape {
    /// Of a shape that [`ArrayLen::of`] has found right.
    #[inline]
    pub(super) fn of(shape: &[usize]) -> Self {
        let mut dims = [0; MAX_DIMS];
        dims[..shape.len()].copy_from_slice(shape);
        Self {
            dims,
            ndim: shape.len(),
        }
    }
}

impl Deref for Shape {
    type Target = [usize];

    #[inline]
    fn deref(&self) -> &[usize] {
        &self.dims[..self.ndim]
    }
}

/// Bytes of the header of an array of `ndim` dimensions.
#[inline]
const fn array_header_len(ndim: usize) -> usize {
    if ndim <= SHORT { HEADER } else { 2 * HEADER }
}

/// Bytes of an array message, header and all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArrayLen {
    /// Bytes of the header.
    pub header: usize,
    /// Bytes of the data behind it.
    pub data: usize,
}

impl ArrayLen {
    /// What an array of this type and shape takes.
    ///
    /// # Errors
    ///
    /// Words for what is wrong with the shape, for it can not be sent: P3, or too many dimensions.
    #[inline]
    pub fn of(dtype: DType, shape: &[usize]) -> Result<Self, &'static str> {
        if shape.len() > MAX_DIMS {
            return Err("an array has 13 dimensions at most");
        }
        let data = data_len(dtype, shape.iter().map(|&dim| dim as u64))
            .and_then(|len| usize::try_from(len).ok())
            .ok_or("it is too large: the dimensions times the size of an element overflow")?;
        Ok(Self {
            header: array_header_len(shape.len()),
            data,
        })
    }

    /// Bytes of the message.
    #[inline]
    #[must_use]
    pub fn total(self) -> usize {
        self.header + self.data
    }
}

/// P2 and P3; `None` where P3 is broken.
#[inline]
fn data_len(dtype: DType, dims: impl Iterator<Item = u64>) -> Option<u64> {
    let mut product = dtype.size() as u64;
    let mut is_empty = false;
    for dim in dims {
        if dim == 0 {
            is_empty = true;
        } else {
            product = product.checked_mul(dim).filter(|&len| len < LENGTH_END)?;
        }
    }
    Some(if is_empty { 0 } else { product })
}

/// Stores the header of an array, whose length `len` is, at the start of `target`.
///
/// # Panics
///
/// When `target` is shorter than the header.
#[inline]
pub fn put_array_header(target: &mut [u8], dtype: DType, shape: &[usize], len: ArrayLen) {
    let target = &mut target[..len.header];
    let ndim = shape.len() as u8;
    let elements = u64::from(dtype.code()) | u64::from(dtype.bits()) << 8 | 1 << 16;
    put_first(target, Kind::Array, ndim, elements, len.data);
    for (place, &dim) in target[SHAPE..].chunks_exact_mut(8).zip(shape) {
        place.copy_from_slice(&(dim as u64).to_le_bytes());
    }
}

/// Stores a header without a shape.
#[inline]
pub(crate) fn put_header(target: &mut [u8], kind: Kind, count: u32, data: usize) {
    put_first(&mut target[..HEADER], kind, 0, u64::from(count) << 32, data);
}

/// Stores a header, as long as `target`, without a shape. `second` is its second word: type of elements, count.
///
/// By words, as it is loaded: bytes that are stored one by one and then loaded together keep the processor waiting.
#[inline]
fn put_first(target: &mut [u8], kind: Kind, ndim: u8, second: u64, data: usize) {
    let [k, r, p] = MAGIC;
    let units = (target.len() / HEADER) as u8;
    let first = [k, r, p, VERSION, kind as u8, units, ndim, 0];
    target[..8].copy_from_slice(&first);
    target[8..16].copy_from_slice(&second.to_le_bytes());
    target[16..24].copy_from_slice(&(data as u64).to_le_bytes());
    target[SHAPE..].fill(0);
}

/// The first words of a message, each loaded once, with what holds for every kind checked.
struct First {
    bytes: [u8; 8],
    second: u64,
    /// Bytes of the header.
    header: usize,
}

impl First {
    /// P1, and that it is of this kind.
    #[inline]
    fn of(message: &[u8], wanted: Kind) -> Result<Self, Reason> {
        if message.len() < HEADER {
            return Err(format!(
                "has {} bytes, and its header alone would have {HEADER}",
                message.len()
            )
            .into());
        }
        let bytes = word(message, 0).to_le_bytes();
        if bytes[..3] != MAGIC {
            return Err("was written as plain bytes".into());
        }
        if bytes[3] != VERSION {
            return Err(format!(
                "has a header of version {}, and this build knows version {VERSION}",
                bytes[3]
            )
            .into());
        }
        if bytes[4] != wanted as u8 {
            return Err(other_kind(bytes[4]));
        }
        let header = usize::from(bytes[5]) * HEADER;
        let data = word(message, 16);
        if header == 0 || header > message.len() || data != (message.len() - header) as u64 {
            return Err(format!(
                "has {} bytes, and its header speaks of {header} and {data} behind them",
                message.len()
            )
            .into());
        }
        Ok(Self {
            bytes,
            second: word(message, 8),
            header,
        })
    }
}

#[cold]
fn other_kind(found: u8) -> Reason {
    let known = [Kind::Array, Kind::Table, Kind::Arrays]
        .into_iter()
        .find(|&kind| kind as u8 == found);
    match known {
        Some(kind) => format!("is {}", kind.description()).into(),
        None => format!("is of kind {found}, which this build does not know").into(),
    }
}

#[inline]
fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]))
}

/// What the header of an array says, checked against the message's length.
pub(crate) struct ArrayHeader {
    pub(crate) dtype: DType,
    pub(crate) shape: Shape,
    /// Bytes of the header; the rest of the message is the data.
    pub(crate) len: usize,
}

impl ArrayHeader {
    /// P1 to P3.
    #[inline]
    pub(crate) fn of(message: &[u8]) -> Result<Self, Reason> {
        let First {
            bytes,
            second,
            header,
        } = First::of(message, Kind::Array)?;
        let ndim = usize::from(bytes[6]);
        let (code, bits, lanes) = (second as u8, (second >> 8) as u8, (second >> 16) as u16);
        let Some(dtype) = DType::from_code(code, bits).filter(|_| lanes == 1) else {
            return Err(format!(
                "has elements of code {code}, {bits} bits and {lanes} lanes, which this build does not know"
            )
            .into());
        };
        if ndim > MAX_DIMS || header != array_header_len(ndim) {
            return Err(format!("has {ndim} dimensions in a header of {header} bytes").into());
        }
        let mut shape = Shape {
            dims: [0; MAX_DIMS],
            ndim,
        };
        for at in 0..ndim {
            let dim = word(message, SHAPE + 8 * at);
            shape.dims[at] = usize::try_from(dim)
                .ok()
                .filter(|&dim| dim as u64 <= i64::MAX as u64)
                .ok_or_else(|| Reason::from(format!("has a dimension of {}", dim as i64)))?;
        }
        let data = (message.len() - header) as u64;
        match data_len(dtype, shape.iter().map(|&dim| dim as u64)) {
            Some(len) if len == data => Ok(Self {
                dtype,
                shape,
                len: header,
            }),
            Some(len) => Err(format!(
                "has {data} bytes of data, and {dtype} of shape {:?} takes {len}",
                &shape[..]
            )
            .into()),
            None => Err(format!("has an impossible shape, {:?}", &shape[..]).into()),
        }
    }
}

/// Stores the header of a table whose stream has `data` bytes.
#[doc(hidden)]
pub fn put_table_header(target: &mut [u8], data: usize) {
    put_header(target, Kind::Table, 0, data);
}

/// How many parts a message of several arrays has; its directory begins behind 64 bytes.
pub(crate) fn count_of_parts(message: &[u8]) -> Result<u32, Reason> {
    let First { second, header, .. } = First::of(message, Kind::Arrays)?;
    if header != HEADER {
        return Err(format!("is several arrays with a header of {header} bytes").into());
    }
    Ok((second >> 32) as u32)
}

/// The Arrow stream in a table's message.
#[doc(hidden)]
pub fn table_stream(message: &[u8]) -> Result<&[u8], Reason> {
    let First { header, .. } = First::of(message, Kind::Table)?;
    if header != HEADER {
        return Err(format!("is a table with a header of {header} bytes").into());
    }
    Ok(&message[HEADER..])
}
