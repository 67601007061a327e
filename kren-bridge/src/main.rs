//! `kren-bridge`: carries channels to other machines, and says how that goes.

#[cfg(target_os = "linux")]
mod command;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    command::run()
}

#[cfg(not(target_os = "linux"))]
fn main() -> std::process::ExitCode {
    eprintln!("error: kren-bridge runs on Linux alone");
    std::process::ExitCode::FAILURE
}
