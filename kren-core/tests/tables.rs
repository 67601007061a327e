//! Tables in messages, with the crates of Arrow (feature `arrow`).

use arrow_array::{Array, Int64Array, RecordBatch, StringArray, record_batch};
use arrow_schema::{ArrowError, DataType, Field, Schema};
use kren_core::table::{Table, TableError};
use kren_core::{
    Error, KrenDealer, KrenInbox, KrenPublisher, KrenReader, KrenSender, KrenSubscriber,
    KrenWorker, KrenWriter,
};
use std::sync::Arc;
use std::time::Duration;

const CAPACITY: usize = 1 << 20;

fn pair(what: &str) -> (KrenWriter, KrenReader) {
    let name = format!("tables-{what}-{}", std::process::id());
    let writer = KrenWriter::options()
        .alignment(64)
        .create(&name, CAPACITY)
        .unwrap();
    let reader = KrenReader::connect(&name).unwrap();
    (writer, reader)
}

fn numbers(rows: i64) -> RecordBatch {
    let names: Vec<String> = (0..rows).map(|row| format!("row {row}")).collect();
    let schema = Schema::new(vec![
        Field::new("number", DataType::Int64, false),
        Field::new("name", DataType::Utf8, false),
    ]);
    let columns: Vec<Arc<dyn Array>> = vec![
        Arc::new(Int64Array::from_iter_values(0..rows)),
        Arc::new(StringArray::from(names)),
    ];
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

/// G2: the columns are the message, and the message stays as long as one of them.
#[test]
fn a_table_is_looked_at_where_it_lies() {
    let (mut writer, mut reader) = pair("place");
    let table = Table {
        schema: numbers(0).schema(),
        batches: vec![numbers(1000), numbers(7), numbers(0)],
    };
    writer.write_table(&table).unwrap();
    let lease = reader.read().unwrap().into_lease();
    let message = lease.as_ptr_range();
    assert!(lease.is_table());
    let received = lease.into_table().unwrap();
    assert_eq!(received, table);
    assert_eq!(received.num_rows(), 1007);
    let column = Arc::clone(received.batches[0].column(0));
    let data = column.to_data().buffers()[0].as_ptr();
    assert!(message.contains(&data), "the column was copied");
    assert!(data.addr().is_multiple_of(64));
    let held = reader.held();
    assert!(held > 8000);
    drop(received);
    assert_eq!(reader.held(), held);
    drop(column);
    assert_eq!(reader.held(), 0);
}

#[test]
fn dictionaries_nulls_and_tables_of_nothing_arrive() {
    let (mut writer, mut reader) = pair("kinds");
    let dictionary: arrow_array::DictionaryArray<arrow_array::types::Int8Type> =
        [Some("a"), None, Some("b"), Some("a")]
            .into_iter()
            .collect();
    let schema = Schema::new(vec![Field::new("d", dictionary.data_type().clone(), true)]);
    let batch = RecordBatch::try_new(Arc::new(schema), vec![Arc::new(dictionary)]).unwrap();
    let nothing = Table {
        schema: numbers(0).schema(),
        batches: vec![],
    };
    for table in [Table::from(batch), nothing] {
        writer.write_table(&table).unwrap();
        let received = reader.read().unwrap().into_lease().into_table().unwrap();
        assert_eq!(received, table);
    }
}

#[test]
fn what_cannot_be_sent_is_refused_and_nothing_is_written() {
    let (mut writer, mut reader) = pair("refused");
    let mixed = Table {
        schema: numbers(0).schema(),
        batches: vec![record_batch!(("other", Int32, [1])).unwrap()],
    };
    let refused = writer.write_table(&mixed);
    assert!(
        matches!(refused, Err(TableError::Arrow(ArrowError::SchemaError(_)))),
        "{refused:?}"
    );
    let refused = writer.write_table(&Table::from(numbers(1_000_000)));
    assert!(
        matches!(refused, Err(TableError::Channel(Error::TooLarge { .. }))),
        "{refused:?}"
    );
    let half = Table::from(numbers(30_000));
    writer.write_table(&half).unwrap();
    let refused = writer.write_table_timeout(&half, Duration::ZERO);
    assert!(
        matches!(refused, Err(TableError::Channel(Error::TimedOut { .. }))),
        "{refused:?}"
    );
    assert_eq!(
        reader.read().unwrap().into_lease().into_table().unwrap(),
        half
    );
    assert!(reader.try_read().unwrap().is_none());
}

/// G7: hostile streams, at which Arrow's decoder panics now and then. Every byte of a small one is changed in turn, and every length is cut.
#[test]
fn damaged_tables_are_refused_or_are_tables() {
    let (mut writer, mut reader) = pair("damaged");
    writer.write_table(&Table::from(numbers(3))).unwrap();
    let sound = reader.read().unwrap().to_vec();
    let mut refused = 0;
    let mut look = |bytes: &[u8]| {
        writer.write(bytes).unwrap();
        match reader.read().unwrap().into_lease().into_table() {
            Ok(table) => assert!(table.num_rows() < 1_000),
            Err(Error::NotAnArray { .. }) => refused += 1,
            Err(error) => panic!("{error}"),
        }
        assert_eq!(reader.held(), 0);
    };
    for at in 0..sound.len() {
        for change in [0x01, 0x80, 0xFF] {
            let mut bytes = sound.clone();
            bytes[at] ^= change;
            look(&bytes);
        }
        look(&sound[..at]);
        // Cut, with a header that says so.
        if let Some(data) = at.checked_sub(64) {
            let mut bytes = sound[..at].to_vec();
            bytes[16..24].copy_from_slice(&(data as u64).to_le_bytes());
            look(&bytes);
        }
    }
    assert!(refused > sound.len() * 2, "{refused}");
}

/// Each end that writes arrays writes tables.
#[test]
fn tables_travel_from_many_and_to_many() {
    let table = Table::from(numbers(3));
    let name = format!("tables-many-{}", std::process::id());
    {
        let mut inbox = KrenInbox::create(&name, CAPACITY).unwrap();
        let mut sender = KrenSender::connect(&name).unwrap();
        sender.write_table(&table).unwrap();
        let letter = inbox.read().unwrap().into_lease();
        assert_eq!(letter.into_table().unwrap(), table);
    }
    {
        let mut dealer = KrenDealer::create(&name, CAPACITY).unwrap();
        let mut worker = KrenWorker::connect(&name).unwrap();
        dealer.write_table(&table).unwrap();
        let work = worker.read().unwrap().into_lease();
        assert_eq!(work.into_table().unwrap(), table);
    }
    let mut publisher = KrenPublisher::create(&name, CAPACITY).unwrap();
    let mut subscriber = KrenSubscriber::connect(&name).unwrap();
    publisher.write_table(&table).unwrap();
    let message = subscriber.read().unwrap().into_lease();
    assert_eq!(message.into_table().unwrap(), table);
}
