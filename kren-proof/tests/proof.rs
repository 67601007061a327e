//! Evidence at the pace of a test. The commands of the same names do it for as long as is wanted:
//! `cargo xtask proof kill`, `cargo xtask soak`, `cargo xtask fuzz`.
#![cfg(target_os = "linux")]

use std::process::Command;

/// Runs the program built with this test; what it printed, if it found nothing wrong.
fn run(arguments: &[&str]) -> String {
    let run = Command::new(env!("CARGO_BIN_EXE_kren-proof"))
        .args(arguments)
        .output();
    let run = run.expect("the program is built with this test");
    let report = String::from_utf8_lossy(&run.stdout).into_owned();
    println!("{report}{}", String::from_utf8_lossy(&run.stderr));
    assert!(
        run.status.success(),
        "{arguments:?}: {}; see the report above",
        run.status
    );
    report
}

/// Dies once after each change that other processes can see.
#[test]
fn g3_no_death_loses_a_message_or_wedges_the_peer() {
    let table = run(&["kill", "--visible"]);
    let row_of = |table: &str, name: &str| {
        let row = table.lines().find(|row| row.starts_with(name));
        let row = row.expect("each has a row");
        row.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    // An operation that was not carried out, or not seen, would pass every check.
    for changing in [
        "write ",
        "reserve-commit",
        "batch ",
        "read-release ",
        "create ",
        "create-fresh",
        "publish ",
        "publish-looks ",
        "publish-evicts ",
        "durable-releases ",
        "sender-writes ",
        "inbox-reads ",
        "dealer-deals ",
        "client-calls ",
    ] {
        let mut row = row_of(&table, changing);
        if row[3] == "-" {
            // The run that says where to die may have gone another way than those that die, past a look that others had no need of.
            row = row_of(&run(&["kill", "--visible", changing.trim()]), changing);
        }
        assert!(
            row[2].parse::<u32>().unwrap() >= 2,
            "{row:?}: nothing was seen to change"
        );
        assert_ne!(row[3], "-", "{row:?}: the operation never took effect");
    }
}

/// Dies after some eight instructions of each operation, others in each run.
#[test]
fn g3_no_death_at_any_instruction_does_harm() {
    let table = run(&["kill", "--points", "8"]);
    let deaths = table.lines().last().unwrap().split(' ').next().unwrap();
    assert!(deaths.parse::<u32>().unwrap() > 400, "{deaths} deaths");
}

#[test]
fn g3_nothing_is_lost_while_writers_and_readers_are_killed() {
    let report = run(&["soak", "--seconds", "10"]);
    let kills = report
        .lines()
        .filter(|line| line.starts_with("killed"))
        .count();
    assert_eq!(kills, 12, "every role is killed in any such run");
    for pattern in [
        "channel:",
        "broadcast:",
        "inbox:",
        "queue:",
        "calls answered:",
    ] {
        let row = report.lines().find(|line| line.starts_with(pattern));
        let row = row.unwrap_or_else(|| panic!("no {pattern} in the report"));
        let count: u64 = row.split_whitespace().last().unwrap().parse().unwrap();
        assert!(count > 100, "{row}");
    }
    assert!(
        report.contains("in hand           0 "),
        "Rust notes a message before releasing it"
    );
}

#[test]
fn g7_hostile_bytes_are_refused_or_taken_for_what_the_spec_says_they_are() {
    let table = run(&["fuzz", "--seconds", "60"]);
    for target in ["open", "flip", "crowd", "operations"] {
        let row = table
            .lines()
            .find(|row| row.starts_with(target))
            .expect("each has a row");
        let behaviours: u32 = row.split_whitespace().nth(2).unwrap().parse().unwrap();
        assert!(behaviours > 20, "{row}: the inputs do not reach anything");
    }
}
