//! Death at every instruction (G1, G3, G4), at the pace of a test: once after each change that
//! other processes can see. `cargo xtask proof kill` does it after every instruction.
#![cfg(target_os = "linux")]

use std::process::Command;

#[test]
fn g3_no_death_loses_a_message_or_wedges_the_peer() {
    let run = Command::new(env!("CARGO_BIN_EXE_kren-proof"))
        .args(["kill", "--visible"])
        .output();
    let run = run.expect("the program is built with this test");
    let table = String::from_utf8_lossy(&run.stdout);
    println!("{table}{}", String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "see the table above");
    // An operation that was not carried out, or not seen, would pass every check.
    let row = |name: &str| {
        let row = table
            .lines()
            .find(|row| row.starts_with(name))
            .expect("each scenario is shown");
        row.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    for changing in [
        "write ",
        "reserve-commit",
        "batch ",
        "read-release ",
        "create ",
        "create-fresh",
    ] {
        let row = row(changing);
        assert!(
            row[2].parse::<u32>().unwrap() >= 2,
            "{row:?}: nothing was seen to change"
        );
        assert_ne!(row[3], "-", "{row:?}: the operation never took effect");
    }
}
