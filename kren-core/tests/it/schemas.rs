//! Schemas: set at creation, compared where both sides give one.

use crate::support::{Name, PAGE};
use kren_core::array::DType;
use kren_core::{Error, KrenReader, KrenWriter, Schema};

fn schema(text: &str) -> Schema {
    Schema::new("test", text).unwrap()
}

#[track_caller]
fn mismatch<T>(result: kren_core::Result<T>) -> String {
    match result {
        Err(error @ Error::SchemaMismatch { .. }) => error.to_string(),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("accepted"),
    }
}

#[test]
fn both_sides_see_what_the_creator_said() {
    let name = Name::new("schema-seen");
    let long = schema(&"ü".repeat(1000));
    let writer = KrenWriter::options()
        .schema(&long)
        .create(&name, PAGE)
        .unwrap();
    let reader = KrenReader::options().schema(&long).connect(&name).unwrap();
    for seen in [writer.schema().unwrap(), reader.schema().unwrap()] {
        assert_eq!((seen.name(), seen.hash()), ("test", long.hash()));
        // The beginning, at a whole character.
        assert_eq!(seen.text(), "ü".repeat(256));
    }
    drop((writer, reader));
    let writer = KrenWriter::create(&name, PAGE).unwrap();
    assert_eq!(writer.schema(), None);
    // Who says nothing accepts anything, and the other way round.
    assert!(KrenReader::options().schema(&long).connect(&name).is_ok());
}

#[test]
fn a_reader_that_takes_messages_for_something_else_is_refused() {
    let name = Name::new("schema-refused");
    let writer = KrenWriter::options()
        .schema(&Schema::of_array(DType::Float32, &[None, Some(3)]))
        .create(&name, PAGE)
        .unwrap();
    let other = Schema::of_array(DType::Float64, &[None, Some(3)]);
    let text = mismatch(KrenReader::options().schema(&other).connect(&name));
    for part in ["array float32 [*, 3]", "array float64 [*, 3]", &*name] {
        assert!(text.contains(part), "{text}");
    }
    // Nothing was taken: the right one can come.
    let right = Schema::of_array(DType::Float32, &[None, Some(3)]);
    KrenReader::options().schema(&right).connect(&name).unwrap();
    drop(writer);
}

#[cfg(not(windows))]
#[test]
fn a_writer_of_something_else_replaces_an_empty_channel_and_no_other() {
    let name = Name::new("schema-writer");
    let (first, second) = (schema("first"), schema("second"));
    let create = |schema: &Schema| KrenWriter::options().schema(schema).create(&name, PAGE);
    let mut writer = create(&first).unwrap();
    writer.write(b"undelivered").unwrap();
    drop(writer);
    let text = mismatch(create(&second));
    assert!(text.contains("first") && text.contains("second"), "{text}");
    // Who says the same, or nothing, goes on.
    drop(create(&first).unwrap());
    drop(KrenWriter::create(&name, PAGE).unwrap());
    let mut reader = KrenReader::connect(&name).unwrap();
    assert_eq!(reader.read().unwrap(), b"undelivered");
    mismatch(create(&second));
    drop(reader);
    let writer = create(&second).unwrap();
    assert_eq!(writer.schema(), Some(&second));
    drop(writer);
    // One without a schema is given one where nothing is lost by it.
    let mut writer = KrenWriter::create(&name, PAGE).unwrap();
    writer.write(b"kept").unwrap();
    drop(writer);
    assert_eq!(create(&first).unwrap().schema(), None);
    drop(KrenReader::connect(&name).unwrap().read().unwrap());
    assert_eq!(create(&first).unwrap().schema(), Some(&first));
}

#[test]
fn names_and_texts_have_rules() {
    for (name, text) in [
        ("", "t"),
        ("n\0", "t"),
        ("n", "\0"),
        (&*"n".repeat(65), "t"),
    ] {
        assert!(Schema::new(name, text).is_none());
    }
    assert!(Schema::new(&"n".repeat(64), "").is_some());
    assert_eq!(Schema::of_array(DType::Bool, &[]).text(), "array bool []");
}
