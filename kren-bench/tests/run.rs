//! The benchmark as a user runs it, from its command line to its files. No figure is judged: machines differ.
#![cfg(unix)]

use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

/// One run at a time: two processes that spin leave no processor for others.
static ALONE: Mutex<()> = Mutex::new(());

fn bench(line: &str) -> Output {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut command = Command::new(env!("CARGO_BIN_EXE_kren-bench"));
    command.args(line.split_whitespace());
    command.output().expect("the benchmark starts")
}

/// A run that must succeed; gives what it printed.
fn run(line: &str) -> String {
    let output = bench(line);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {errors}");
    String::from_utf8(output.stdout).expect("the report is text")
}

/// Where a test's files lie, empty at first.
fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder for the test");
    folder
}

/// The entries of a list in a record that are about this transport.
fn about<'a>(record: &'a Value, list: &str, transport: &str) -> Vec<&'a Value> {
    let all = record[list].as_array().expect("a list");
    all.iter()
        .filter(|entry| entry["transport"] == transport)
        .collect()
}

#[test]
fn a_run_measures_what_was_asked_for_and_keeps_it() {
    let folder = folder("run");
    let file = |name: &str| folder.join(name).display().to_string();
    let (json, svg, document) = (file("run.json"), file("run.svg"), file("run.md"));
    let printed = run(&format!(
        "--only rust --quick --rounds 2 --sizes 8,4096 --transports kren,kren-inplace,kren-batch,unix \
         --tests trips,timed,stream --json {json} --svg {svg} --markdown {document}"
    ));
    for part in [
        "Machine",
        "Limits",
        "Round trip",
        "One way",
        "processor time",
        "Targets",
    ] {
        assert!(printed.contains(part), "{part} in {printed}");
    }

    let text = std::fs::read_to_string(&json).expect("the record");
    let record: Value = serde_json::from_str(&text).expect("JSON");
    // A turn is left out where the processors moved meanwhile, which takes a machine that does that.
    for transport in ["kren", "kren-inplace", "unix"] {
        assert!(
            !about(&record, "turns", transport).is_empty(),
            "{transport}"
        );
    }
    assert!(
        about(&record, "turns", "kren-batch")
            .iter()
            .all(|turn| turn["test"] == "stream")
    );
    assert!(
        about(&record, "turns", "kren-adaptive").is_empty(),
        "was not asked for"
    );
    for turn in record["turns"].as_array().expect("turns") {
        for figure in ["ns", "raw_ns", "copy_ns", "cpu_ns"] {
            assert!(turn[figure].as_f64().expect("a figure") > 0.0, "{turn}");
        }
    }
    // All limits in every round of every size.
    let limits = record["limits"].as_array().expect("limits");
    assert_eq!(limits.len(), 4);
    for limit in limits {
        for figure in [
            "raw_ns",
            "copy_ns",
            "memory_bytes_per_ns",
            "reading_bytes_per_ns",
            "slowdown",
        ] {
            assert!(limit[figure].as_f64().expect("a figure") > 0.0, "{limit}");
        }
        assert_eq!(
            limit["futex_ns"].is_number(),
            cfg!(target_os = "linux"),
            "{limit}"
        );
    }
    for tail in about(&record, "tails", "kren") {
        let at = |key: &str| tail[key].as_u64().expect("a quantile");
        let ordered = ["min_ns", "p50_ns", "p99_ns", "p999_ns", "max_ns"].map(at);
        assert!(ordered.is_sorted(), "{tail}");
        assert!(at("count") > 0, "{tail}");
    }

    let picture = std::fs::read_to_string(&svg).expect("the picture");
    assert!(picture.starts_with("<svg") && picture.trim_end().ends_with("</svg>"));
    assert!(picture.lines().any(|line| line == "kren-inplace") && !picture.contains("NaN"));
    let document = std::fs::read_to_string(&document).expect("the document");
    assert!(document.contains("| kren | "), "{document}");

    // Two records, shown together, are one with twice the rounds; so is a file of both, one after the other.
    let (again, both) = (file("again.json"), file("both.json.gz"));
    let compressed = file("compressed.json.gz");
    run(&format!("--show {json} --json {compressed}"));
    let one = std::fs::read(&compressed).expect("the record");
    std::fs::write(&both, [&one[..], &one].concat()).expect("both records");
    let shown = run(&format!("--show {json},{json} --markdown {again}"));
    assert!(shown.contains("Rust to Rust"), "{shown}");
    let tables = std::fs::read_to_string(&again).expect("the tables");
    run(&format!("--show {both} --markdown {again}"));
    let of_both = std::fs::read_to_string(&again).expect("the tables");
    assert_eq!(of_both, tables);
    run(&format!("--show {both} --json {again}"));
    let again = std::fs::read_to_string(&again).expect("the record");
    let again: Value = serde_json::from_str(&again).expect("JSON");
    let count = |record: &Value| record["turns"].as_array().map(Vec::len);
    assert_eq!(count(&again), count(&record).map(|turns| 2 * turns));
    assert_eq!(again["tails"], record["tails"]);
}

#[test]
fn readers_that_sleep_and_single_processes_are_measured() {
    let folder = folder("asleep");
    let json = folder.join("run.json").display().to_string();
    run(&format!(
        "--only rust --quick --rounds 1 --transports kren-adaptive --tests wake,idle,alone --json {json}"
    ));
    let text = std::fs::read_to_string(&json).expect("the record");
    let record: Value = serde_json::from_str(&text).expect("JSON");
    assert!(!about(&record, "turns", "kren-adaptive").is_empty());
    let idle = about(&record, "idle", "kren-adaptive");
    assert_eq!(idle.len(), 1);
    assert!(
        idle[0]["load"].as_f64().expect("a share") < 0.5,
        "G9: {}",
        idle[0]
    );
    let alone = record["alone"].as_array().expect("a list");
    for what in ["one-thread", "two-copies", "reserve", "first-message"] {
        assert!(alone.iter().any(|entry| entry["what"] == what), "{what}");
    }
}

#[test]
fn growth_is_measured_over_channels_capacities_and_sizes() {
    let folder = folder("growth");
    let file = |name: &str| folder.join(name).display().to_string();
    let (json, svg) = (file("growth.json"), file("growth.svg"));
    let printed = run(&format!(
        "--growth --quick --rounds 1 --sizes 1,3,8,65536 --channels 3 --capacity 65536 --json {json} --svg {svg}"
    ));
    assert!(printed.contains("by capacity of the channel"), "{printed}");
    let text = std::fs::read_to_string(&json).expect("the record");
    let record: Value = serde_json::from_str(&text).expect("JSON");
    let grown = record["grown"].as_array().expect("a list");
    let steps = |what: &str| {
        let ours = grown.iter().filter(|grown| grown["what"] == what);
        ours.filter_map(|grown| grown["at"].as_u64())
            .collect::<Vec<_>>()
    };
    assert_eq!(steps("beside"), [1, 3]);
    assert_eq!(steps("around"), [1, 3]);
    assert_eq!(steps("capacity"), [4 << 10, 16 << 10, 64 << 10]);
    let picture = std::fs::read_to_string(&svg).expect("the picture");
    assert!(picture.contains("by channels") && !picture.contains("NaN"));
}

#[test]
fn patterns_are_measured_beside_a_channel() {
    let folder = folder("patterns");
    let json = folder.join("patterns.json").display().to_string();
    let printed = run(&format!(
        "--patterns --rows 1,2,4,6,7 --only rust --quick --rounds 1 --capacity 65536 --json {json}"
    ));
    let text = std::fs::read_to_string(&json).expect("the record");
    let record: Value = serde_json::from_str(&text).expect("JSON");
    let cases = record["cases"].as_array().expect("a list");
    for row in [1, 2, 4, 6, 7] {
        let of_row = cases.iter().filter(|case| case["row"] == row);
        let judged: Vec<&Value> = of_row
            .flat_map(|case| case["verdicts"].as_array().expect("a list"))
            .collect();
        assert!(!judged.is_empty(), "row {row} of {printed}");
        for verdict in judged {
            assert!(
                verdict["ratio"].as_f64().expect("a figure") > 0.0,
                "{verdict}"
            );
            assert!(verdict["shared"].is_boolean() && verdict["met"].is_boolean());
        }
    }
    // What was built has its figures; only rivals may be left out.
    for left_out in cases
        .iter()
        .flat_map(|case| case["left_out"].as_array().expect("a list"))
    {
        let name = left_out[0].as_str().expect("a name");
        assert!(!name.starts_with("kren"), "{left_out}");
    }
}

#[test]
fn what_is_wrong_is_said_in_a_line() {
    for (line, code, said) in [
        ("--only perl", 2, "not perl"),
        ("--sizes 0", 2, "not 0"),
        ("--sizes many", 2, "invalid value 'many'"),
        ("--patterns --rows 8", 2, "not 8"),
        ("--no-such-option", 2, "--no-such-option"),
        (
            "--only rust --transports krne",
            1,
            "no transport is called krne; there are raw",
        ),
        ("--show /no/such/file", 1, "cannot read /no/such/file"),
        (
            "--only python --python /no/such/python",
            1,
            "cannot start /no/such/python",
        ),
    ] {
        let output = bench(line);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{line}: {errors}");
        assert!(errors.contains(said), "{line}: {errors}");
        assert_eq!(errors.lines().count(), 1, "{line}: {errors}");
    }
}
