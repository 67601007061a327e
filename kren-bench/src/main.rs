//! `cargo xtask bench`: how fast KREN is, beside the limits of the machine and beside its rivals.
//!
//! Two processes of any language measure ([`peer`]); this one tells them what, in rounds in which every
//! transport has its turn ([`rounds`]), so that what changes on the machine meanwhile changes for all. What
//! they find becomes [`figures`], and those a [`report`].

#[cfg(unix)]
mod alone;
#[cfg(unix)]
mod clock;
#[cfg(unix)]
mod figures;
#[cfg(unix)]
mod link;
#[cfg(unix)]
mod machine;
#[cfg(unix)]
mod options;
#[cfg(unix)]
mod pair;
#[cfg(unix)]
mod patterns;
#[cfg(unix)]
mod payload;
#[cfg(unix)]
mod peer;
#[cfg(unix)]
mod process;
#[cfg(unix)]
mod report;
#[cfg(unix)]
mod rounds;
#[cfg(unix)]
mod transports;

/// Failures end the program with a line; none is handled by its kind.
#[cfg(unix)]
type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    let outcome = match options::read() {
        options::Call::Peer => peer::serve(),
        options::Call::Measure(options) if options.patterns => patterns::measure(&options),
        options::Call::Measure(options) => report::report(&options),
    };
    match outcome {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

#[cfg(not(unix))]
fn main() -> std::process::ExitCode {
    eprintln!("error: the benchmark runs on Linux and macOS");
    std::process::ExitCode::FAILURE
}
