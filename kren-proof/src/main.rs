//! The program behind `cargo xtask proof`, `soak` and `fuzz`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    kren_proof::run(&arguments)
}
