//! What the messages of a channel are, as its sides say it.

use crate::array::DType;
use crate::layout::{self, Schema};
use crate::{Error, Result};
use std::fmt::Write as _;

/// The most bytes of a schema's name.
const NAME_MAX: usize = 64;

impl Schema {
    /// A description of one's own: a short `name`, and a `text` of any length, of which a channel keeps the first 512 bytes and a
    /// hash of all.
    ///
    /// `None` when the name has no or more than 64 bytes, or either holds a zero.
    ///
    /// ```
    /// # use kren_core::{Error, KrenReader, KrenWriter, Schema};
    /// # let name = format!("doc-schema-{}", std::process::id());
    /// let orders = Schema::new("orders", "MessagePack: [id, price, quantity]").expect("a short name");
    /// let writer = KrenWriter::options().schema(&orders).create(&name, 4096)?;
    /// let other = Schema::new("orders", "MessagePack: [id, price, quantity, side]").expect("a short name");
    /// let refused = KrenReader::options().schema(&other).connect(&name);
    /// assert!(matches!(refused, Err(Error::SchemaMismatch { .. })));
    /// let reader = KrenReader::connect(&name)?;
    /// assert_eq!(reader.schema(), Some(&orders));
    /// # Ok::<(), kren_core::Error>(())
    /// ```
    #[must_use]
    pub fn new(name: &str, text: &str) -> Option<Self> {
        let is_named = (1..=NAME_MAX).contains(&name.len());
        let has_zero = name.contains('\0') || text.contains('\0');
        (is_named && !has_zero).then(|| Self {
            name: name.to_owned(),
            hash: layout::hash(text.as_bytes()),
            text: text.to_owned(),
        })
    }

    /// As a channel of another machine has it, whose text may be cut off.
    #[doc(hidden)]
    #[must_use]
    pub fn seen(name: &str, text: &str, hash: u64) -> Option<Self> {
        let schema = Self::new(name, text)?;
        Some(Self { hash, ..schema })
    }

    /// That the messages are arrays of this type and shape; `None` stands for a dimension of any size.
    ///
    /// ```
    /// # use kren_core::{Schema, array::DType};
    /// let schema = Schema::of_array(DType::Uint8, &[None, Some(640), Some(3)]);
    /// assert_eq!(schema.text(), "array uint8 [*, 640, 3]");
    /// ```
    #[must_use]
    pub fn of_array(dtype: DType, shape: &[Option<usize>]) -> Self {
        let mut text = format!("array {dtype} [");
        for (at, dim) in shape.iter().enumerate() {
            let gap = if at > 0 { ", " } else { "" };
            // Writing into a text does not fail.
            let _ = match dim {
                Some(dim) => write!(text, "{gap}{dim}"),
                None => write!(text, "{gap}*"),
            };
        }
        text.push(']');
        Self {
            name: "array".to_owned(),
            hash: layout::hash(text.as_bytes()),
            text,
        }
    }

    /// The short name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The description, or its first 512 bytes where it comes from a channel.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Of the whole description; what is compared.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.hash
    }
}

/// As an error says it.
pub(crate) fn shown(schema: &Schema) -> String {
    const LONG: usize = 120;
    let line: String = schema.text.chars().take(LONG).collect();
    let more = if line.len() < schema.text.len() {
        "..."
    } else {
        ""
    };
    format!("'{}' ({}{more})", schema.name, line.replace('\n', ", "))
}

/// A refusal that was made where only the hash of what was `asked` is known, with the words for it.
pub(crate) fn worded<T>(result: Result<T>, asked: Option<&Schema>) -> Result<T> {
    result.map_err(|error| match (error, asked) {
        (
            Error::SchemaMismatch {
                channel, existing, ..
            },
            Some(asked),
        ) => Error::SchemaMismatch {
            channel,
            asked: shown(asked).into(),
            existing,
        },
        (error, _) => error,
    })
}
