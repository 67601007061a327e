//! Chaos under load (G1, G3, G4), for a quarter of a minute and with Rust alone. `cargo xtask soak`
//! does it for as long as is wanted, in three languages.
#![cfg(target_os = "linux")]

use std::process::Command;

#[test]
fn g3_nothing_is_lost_while_writers_and_readers_are_killed() {
    let mut run = Command::new(env!("CARGO_BIN_EXE_kren-proof"));
    let run = run.args(["soak", "--seconds", "15"]).output();
    let run = run.expect("the program is built with this test");
    let report = String::from_utf8_lossy(&run.stdout);
    println!("{report}{}", String::from_utf8_lossy(&run.stderr));
    assert!(
        run.status.success(),
        "see the report above; its seed repeats the run"
    );
    let kills = report
        .lines()
        .filter(|line| line.starts_with("killed"))
        .count();
    assert_eq!(kills, 2, "both roles are killed in any such run");
    assert!(
        report.contains("in hand           0 "),
        "Rust notes a message before releasing it"
    );
}
