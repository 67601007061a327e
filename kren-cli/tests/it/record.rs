//! `record` and `replay`.

use crate::support::{
    Name, Running, TempFile, failure, kren, output, shell, state, text, wait_until,
};
use kren_core::{KrenReader, KrenWriter};
use std::process::Stdio;
use std::time::Duration;

#[test]
fn what_is_recorded_is_replayed_with_its_tags() {
    for options in ["", "--compression zstd", "--lossless"] {
        let (name, again) = (Name::new("record"), Name::new("again"));
        let file = TempFile::new(&name, ".mcap");
        let mut writer = KrenWriter::create(&name, 1 << 20).unwrap();
        for at in 0..1000_u32 {
            writer.write_tagged(at % 3, &at.to_le_bytes()).unwrap();
        }
        writer.close().unwrap();
        output(&format!("record {name} {} {options}", file.text()));
        // Only one who takes part takes anything.
        let left = if options == "--lossless" {
            ""
        } else {
            "undelivered"
        };
        assert_eq!(state(&name), left);
        output(&format!("replay {} {again} --fast", file.text()));
        let mut reader = KrenReader::connect(&again).unwrap();
        for at in 0..1000_u32 {
            let message = reader.read().unwrap();
            assert_eq!((message.tag(), &*message), (at % 3, &at.to_le_bytes()[..]));
        }
        assert!(matches!(
            reader.read(),
            Err(kren_core::Error::Closed { .. })
        ));
    }
}

/// A full disk is named as such, and nothing is lost from the channel.
#[test]
fn a_full_disk_ends_a_recording_with_its_reason() {
    let name = Name::new("full");
    let mut writer = KrenWriter::create(&name, 1 << 16).unwrap();
    writer.write(b"kept").unwrap();
    writer.close().unwrap();
    let (code, said) = failure(&format!("record {name} /dev/full --overwrite"));
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("/dev/full") && said.contains("No space left"),
        "{said}"
    );
    assert_eq!(state(&name), "undelivered");
}

/// The time between messages is kept, or shortened as asked for.
#[test]
fn replay_keeps_time_and_speed_divides_it() {
    let (name, again) = (Name::new("pace"), Name::new("paced"));
    let file = TempFile::new(&name, ".mcap");
    let done = shell(&format!(
        "seq 5 | kren send {name} -l --rate 10 & until [ -e {} ]; do :; done; kren record {name} {}; wait",
        name.path().display(),
        file.text()
    ));
    assert!(done.status.success(), "{}", text(&done.stderr));
    let time = |options: &str| {
        let start = std::time::Instant::now();
        output(&format!("replay {} {again} {options}", file.text()));
        output(&format!("recv {again} -l"));
        start.elapsed()
    };
    // Five messages, a tenth of a second apart.
    assert!(time("") >= Duration::from_millis(300));
    assert!(time("--speed 4") >= Duration::from_millis(75));
    time("--fast");
}

#[test]
fn a_file_that_was_not_finished_is_replayed_as_far_as_it_goes() {
    let (name, again) = (Name::new("crash"), Name::new("after"));
    let file = TempFile::new(&name, ".mcap");
    let mut writer = KrenWriter::create(&name, 1 << 20).unwrap();
    for at in 0..100_u32 {
        writer.write(&at.to_le_bytes()).unwrap();
    }
    let mut record = Running::start(
        &format!("record {name} {}", file.text()),
        Stdio::null(),
        Stdio::null(),
    );
    let mut len = 0;
    wait_until("a second's worth in the file", || {
        let now = std::fs::metadata(&file.0).map_or(0, |file| file.len());
        // The header comes first, the chunk within a second.
        len = len.max(now);
        len > 1000
    });
    record.0.kill().unwrap();
    record.0.wait().unwrap();
    let done = kren(&format!("replay {} {again} --fast", file.text()))
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert!(
        text(&done.stderr).contains("100 messages replayed"),
        "{}",
        text(&done.stderr)
    );
}

/// As the hint of "not found" says.
#[test]
fn a_recording_waits_for_its_channel() {
    let name = Name::new("to-come");
    let file = TempFile::new(&name, ".mcap");
    let record = format!("record {name} {} -n 1", file.text());
    assert_eq!(kren(&record).status().unwrap().code(), Some(3));
    let _ = std::fs::remove_file(file.text());
    let mut recording = kren(&format!("{record} --timeout 60")).spawn().unwrap();
    let mut writer = KrenWriter::create(&name, 4096).unwrap();
    writer.write(b"at last").unwrap();
    assert!(recording.wait().unwrap().success());
    writer.close_discarding().unwrap();
}

#[test]
fn a_file_that_is_there_is_not_replaced_unasked() {
    let name = Name::new("twice");
    let file = TempFile::new(&name, ".mcap");
    let _writer = KrenWriter::create(&name, 4096).unwrap();
    let record = format!("record {name} {} --for 1ms", file.text());
    output(&record);
    let (code, said) = failure(&record);
    assert_eq!(code, 1);
    assert!(said.contains("hint: `--overwrite`"), "{said}");
    output(&format!("{record} --overwrite"));
}

/// What other programs are to find: ten messages in JSON.
const FOREIGN: u32 = 10;

/// Records them with these options.
fn recorded(name: &Name, options: &str) -> TempFile {
    let file = TempFile::new(name, ".mcap");
    let mut writer = KrenWriter::create(name, 1 << 16).unwrap();
    for at in 0..FOREIGN {
        writer
            .write_tagged(at, format!("{{\"at\":{at}}}").as_bytes())
            .unwrap();
    }
    writer.close().unwrap();
    output(&format!(
        "record {name} {} --encoding json {options}",
        file.text()
    ));
    file
}

/// Runs the reader that `variable` leads to, which `cargo xtask test` sets.
fn read_with(variable: &str, command: impl FnOnce(String) -> std::process::Command) {
    let Ok(found) = std::env::var(variable) else {
        eprintln!("not run: {variable} names nothing that reads MCAP");
        return;
    };
    let done = command(found).output().unwrap();
    assert!(done.status.success(), "{}", text(&done.stderr));
}

/// The file opens in Python, with PyPI's `mcap`, if it is here.
#[test]
fn python_finds_the_messages_of_a_file() {
    let name = Name::new("foreign-python");
    let file = recorded(&name, "--compression zstd");
    let program = "
import sys
from mcap.reader import make_reader
with open(sys.argv[1], 'rb') as file:
    found = [m.data for _, c, m in make_reader(file).iter_messages(topics=[sys.argv[2]]) if c.message_encoding == 'json']
assert found == [b'{\"at\":%d}' % at for at in range(int(sys.argv[3]))], found
";
    read_with("KREN_TEST_MCAP_PYTHON", |python| {
        let mut python = std::process::Command::new(python);
        python.args(["-c", program, &file.text(), &name, &FOREIGN.to_string()]);
        python
    });
}

/// And in Node.js, with npm's `@mcap/core`: whole, and compressed.
#[test]
fn node_finds_the_messages_of_a_file() {
    let program = "
const assert = require('node:assert');
const { readFileSync } = require('node:fs');
const { McapIndexedReader } = require('@mcap/core');
const zstd = require('@foxglove/wasm-zstd');
(async () => {
  const [, path, topic, count] = process.argv;
  await zstd.isLoaded;
  const bytes = readFileSync(path);
  const readable = {
    size: async () => BigInt(bytes.length),
    read: async (from, length) => bytes.subarray(Number(from), Number(from + length)),
  };
  const decompressHandlers = { zstd: (packed, size) => zstd.decompress(packed, Number(size)) };
  const reader = await McapIndexedReader.Initialize({ readable, decompressHandlers });
  const found = [];
  for await (const message of reader.readMessages({ topics: [topic] })) {
    const { messageEncoding } = reader.channelsById.get(message.channelId);
    found.push([messageEncoding, JSON.parse(Buffer.from(message.data))]);
  }
  assert.deepStrictEqual(found, Array.from({ length: Number(count) }, (_, at) => ['json', { at }]));
})();
";
    for options in ["", "--compression zstd"] {
        let name = Name::new("foreign-node");
        let file = recorded(&name, options);
        read_with("KREN_TEST_MCAP_NODE", |packages| {
            let mut node = std::process::Command::new("node");
            // Where the packages are looked for.
            node.current_dir(packages);
            node.args(["-e", program, &file.text(), &name, &FOREIGN.to_string()]);
            node
        });
    }
}
