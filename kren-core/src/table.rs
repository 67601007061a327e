//! Tables in messages, as Arrow's record batches (feature `arrow`): `docs/spec/payloads.md`, kind 2.
//!
//! One message is one table, an Arrow IPC stream. It is copied once on its way into the ring, and looked at where it
//! lies: the columns of a received table are the message itself, which goes back to the writer when the last of
//! them is dropped.
//!
//! ```
//! use arrow_array::record_batch;
//! use kren_core::{KrenReader, KrenWriter, table::Table};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let name = format!("doc-table-{}", std::process::id());
//! # let name = name.as_str();
//! let mut writer = KrenWriter::options().alignment(64).create(name, 1 << 20)?;
//! let batch = record_batch!(("price", Float64, [9.5, 10.0]), ("name", Utf8, ["a", "b"]))?;
//! writer.write_table(&Table::from(batch.clone()))?;
//!
//! let mut reader = KrenReader::connect(name)?;
//! let table = reader.read()?.into_lease().into_table()?;
//! assert_eq!(table.batches, [batch]);
//! # Ok(())
//! # }
//! ```

use crate::array::{HEADER, put_table_header, refusal, table_stream};
use crate::{Error, KrenDealer, KrenPublisher, KrenSender, KrenWriter, Lease, Result, Slot};
use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::reader::StreamDecoder;
use arrow_ipc::writer::StreamEncoder;
use arrow_schema::{ArrowError, SchemaRef};
use bytes::Bytes;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

/// A table: its schema, and its rows in any number of batches.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Names and types of the columns.
    pub schema: SchemaRef,
    /// The rows, in order.
    pub batches: Vec<RecordBatch>,
}

impl Table {
    /// How many rows there are.
    #[must_use]
    pub fn num_rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }
}

impl From<RecordBatch> for Table {
    fn from(batch: RecordBatch) -> Self {
        Self {
            schema: batch.schema(),
            batches: vec![batch],
        }
    }
}

/// Why a table could not be written.
#[derive(Debug)]
#[non_exhaustive]
pub enum TableError {
    /// The channel's reasons.
    Channel(Error),
    /// Arrow's: it cannot be expressed as a stream.
    Arrow(ArrowError),
}

impl std::fmt::Display for TableError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Channel(error) => error.fmt(f),
            Self::Arrow(error) => write!(f, "the table cannot be sent: {error}"),
        }
    }
}

impl std::error::Error for TableError {}

impl From<Error> for TableError {
    fn from(error: Error) -> Self {
        Self::Channel(error)
    }
}

impl From<ArrowError> for TableError {
    fn from(error: ArrowError) -> Self {
        Self::Arrow(error)
    }
}

impl KrenWriter {
    /// Writes a table, waiting for room if need be; its columns are copied once.
    ///
    /// # Errors
    ///
    /// As [`KrenWriter::write`]; [`TableError::Arrow`] when its batches have not its schema, or Arrow has no form
    /// for it. Nothing is written then.
    pub fn write_table(&mut self, table: &Table) -> std::result::Result<(), TableError> {
        self.put_table(table, None)
    }

    /// As [`KrenWriter::write_table`], waiting `timeout` at most.
    ///
    /// # Errors
    ///
    /// As [`KrenWriter::write_table`], and [`Error::TimedOut`].
    pub fn write_table_timeout(
        &mut self,
        table: &Table,
        timeout: Duration,
    ) -> std::result::Result<(), TableError> {
        self.put_table(table, Some(timeout))
    }

    fn put_table(
        &mut self,
        table: &Table,
        timeout: Option<Duration>,
    ) -> std::result::Result<(), TableError> {
        let stream = encoded(table)?;
        let mut slot = self.room(message_len(&stream), timeout)?;
        put(&stream, &mut slot);
        slot.commit();
        Ok(())
    }
}

impl KrenDealer {
    /// Gives a table to the worker with the fewest messages waiting; its columns are copied once. Waits for a worker to come,
    /// or to have room.
    ///
    /// # Errors
    ///
    /// As [`KrenDealer::write`] and [`KrenWriter::write_table`].
    pub fn write_table(&mut self, table: &Table) -> std::result::Result<(), TableError> {
        let stream = encoded(table)?;
        Ok(self.build(message_len(&stream), &mut |slot| put(&stream, slot))?)
    }
}

impl KrenPublisher {
    /// Publishes a table, waiting for room if need be; its columns are copied once.
    ///
    /// # Errors
    ///
    /// As [`KrenWriter::write_table`].
    pub fn write_table(&mut self, table: &Table) -> std::result::Result<(), TableError> {
        self.writer_mut().write_table(table)
    }
}

impl KrenSender {
    /// Sends a table, waiting for room if need be; its columns are copied once.
    ///
    /// # Errors
    ///
    /// As [`KrenWriter::write_table`].
    pub fn write_table(&mut self, table: &Table) -> std::result::Result<(), TableError> {
        self.writer_mut().write_table(table)
    }
}

fn message_len(stream: &[Buffer]) -> usize {
    HEADER + stream.iter().map(Buffer::len).sum::<usize>()
}

/// Stores the message into its room.
fn put(stream: &[Buffer], slot: &mut Slot<'_>) {
    let len = slot.len() - HEADER;
    put_table_header(slot, len);
    let mut at = HEADER;
    for part in stream {
        slot.write_at(at, part);
        at += part.len();
    }
}

/// The stream in pieces, most of which are the table's own memory.
fn encoded(table: &Table) -> std::result::Result<Vec<Buffer>, ArrowError> {
    let mut encoder = StreamEncoder::try_new(&table.schema)?;
    let mut stream = Vec::new();
    for batch in &table.batches {
        if batch.schema_ref() != &table.schema {
            return Err(ArrowError::SchemaError(
                "a batch has another schema than its table".to_owned(),
            ));
        }
        stream.extend(encoder.encode(batch)?);
    }
    stream.extend(encoder.finish()?);
    Ok(stream)
}

impl Lease {
    /// The table that the message holds, where it lies: its columns are the message, which goes back to the writer
    /// when the last of them is dropped. What is not aligned as Arrow asks, Arrow copies.
    ///
    /// # Errors
    ///
    /// [`Error::NotAnArray`] when it holds something else, or Arrow finds fault with its stream. The message is
    /// released then; [`Lease::is_table`] tells before.
    pub fn into_table(self) -> Result<Table> {
        let channel = Arc::clone(self.channel());
        let refuse = |reason: std::borrow::Cow<'static, str>| refusal(&channel, reason);
        let at = match table_stream(&self) {
            Ok(stream) => self.len() - stream.len(),
            Err(reason) => return Err(refuse(reason)),
        };
        let mut stream = Buffer::from(Bytes::from_owner(self));
        stream.advance(at);
        // Arrow's decoder panics at some damage; what it had of the message is dropped by then.
        let unsound = match catch_unwind(AssertUnwindSafe(|| decoded(stream))) {
            Ok(Ok(table)) => return Ok(table),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "its decoder panicked".to_owned(),
        };
        Err(refuse(
            format!("holds no sound Arrow stream: {unsound}").into(),
        ))
    }

    /// Whether the message was written as a table.
    #[must_use]
    pub fn is_table(&self) -> bool {
        table_stream(self).is_ok()
    }
}

fn decoded(mut stream: Buffer) -> std::result::Result<Table, ArrowError> {
    let mut decoder = StreamDecoder::new();
    let mut batches = Vec::new();
    while let Some(batch) = decoder.decode(&mut stream)? {
        batches.push(batch);
    }
    decoder.finish()?;
    match decoder.schema() {
        Some(schema) => Ok(Table { schema, batches }),
        None => Err(ArrowError::IpcError("it has no schema".to_owned())),
    }
}
