//! `kren bridge`, which is a program of its own, and what the bridges of this user say of the channels that they carry.

use crate::human;
use crate::stop::{Outcome, Stop};
use serde_json::Value;
use std::collections::HashMap;
use std::ffi::OsString;
use std::process::Command;

/// The other program.
const PROGRAM: &str = "kren-bridge";

/// Carry channels to other machines: runs `kren-bridge`, which lies beside `kren` or on the PATH.
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Args {
    /// What `kren-bridge --help` says.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let beside = std::env::current_exe().ok();
    let beside = beside.and_then(|own| Some(own.parent()?.join(PROGRAM)));
    let program = beside.filter(|program| program.is_file());
    let program = program.unwrap_or_else(|| PROGRAM.into());
    let failure = become_it(Command::new(program).args(&args.arguments));
    Err(match failure.kind() {
        std::io::ErrorKind::NotFound => Stop::Other(format!(
            "there is no {PROGRAM} beside kren or on the PATH; build it with `cargo build --release -p {PROGRAM}`"
        )),
        _ => Stop::Io(PROGRAM.into(), failure),
    })
}

/// Does not come back unless it fails.
#[cfg(unix)]
fn become_it(command: &mut Command) -> std::io::Error {
    std::os::unix::process::CommandExt::exec(command)
}

#[cfg(not(unix))]
fn become_it(command: &mut Command) -> std::io::Error {
    match command.status() {
        Ok(status) => std::process::exit(status.code().unwrap_or(1)),
        Err(error) => error,
    }
}

/// What bridges say, by the channel's name.
pub(crate) type Carried = HashMap<String, Value>;

/// What live bridges say, by the channel's name (docs/spec/bridge.md, *Status*).
#[cfg(target_os = "linux")]
pub(crate) fn carried() -> Carried {
    let files = std::fs::read_dir(kren_core::bridge::status_folder())
        .into_iter()
        .flatten()
        .flatten();
    files
        .filter_map(|file| said(&file.path()))
        .flatten()
        .collect()
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn carried() -> Carried {
    HashMap::new()
}

/// The machine that a channel goes to, and how far behind it is, in few words; `None` of one that comes from elsewhere.
pub(crate) fn behind(said: &Value) -> Option<String> {
    let lag = said["lag_messages"].as_u64()?;
    let machine = said["machine"].as_str().unwrap_or("nobody yet");
    Some(human::printable(&format!("remote {machine}, {lag} behind")))
}

/// How a channel fares on its way to or from another machine, in words, from what its bridge says.
pub(crate) fn words(said: &Value) -> String {
    let number = |key: &str| said[key].as_u64().unwrap_or(0);
    let is_export = said["direction"] == "export";
    let other = said["machine"].as_str().unwrap_or("another machine");
    let way = if is_export { "to" } else { "from" };
    let mut text = format!("{way} {other}");
    match said["state"].as_str() {
        None | Some("carried") => {}
        Some(state) => text += &format!(", {state}"),
    }
    let mut parts = vec![];
    if is_export {
        parts.push(format!(
            "{} behind ({})",
            number("lag_messages"),
            human::bytes(number("lag_bytes"))
        ));
        if let Some(us) = said["round_trip_us"].as_u64() {
            parts.push(format!("round trip {:.1} ms", us as f64 / 1e3));
        }
        parts.push(human::count(number("resends"), "resend"));
    } else {
        parts.push(format!("{} filled", human::count(number("gaps"), "gap")));
        parts.push(format!(
            "{} twice and dropped",
            human::count(number("duplicates"), "message")
        ));
    }
    human::printable(&format!("{text}: {}", parts.join(", ")))
}

/// What the bridge whose file this is says of each channel, if it lives.
#[cfg(target_os = "linux")]
fn said(file: &std::path::Path) -> Option<Vec<(String, Value)>> {
    let pid: u32 = file.file_stem()?.to_str()?.parse().ok()?;
    if !std::fs::exists(format!("/proc/{pid}")).unwrap_or(false) {
        return None;
    }
    let said: Value = serde_json::from_str(&std::fs::read_to_string(file).ok()?).ok()?;
    let channels = said["channels"].as_array()?.iter();
    let named = channels
        .filter_map(|channel| Some((channel["name"].as_str()?.to_owned(), channel.clone())));
    Some(named.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_person_reads_how_far_behind_the_other_machine_is() {
        let mut said = json!({
            "direction": "export", "state": "carried", "machine": "hall-3", "lag_messages": 12, "lag_bytes": 1536,
            "resends": 1, "round_trip_us": 41_234,
        });
        let there = "to hall-3: 12 behind (1.5 KiB), round trip 41.2 ms, 1 resend";
        assert_eq!(words(&said), there);
        said["state"] = "no answer for 12 s".into();
        assert!(words(&said).starts_with("to hall-3, no answer for 12 s: 12 behind"));
        // Before anybody has answered.
        let alone = json!({ "direction": "export", "state": "waiting for the other side", "machine": null, "lag_messages": 1 });
        let alone = words(&alone);
        assert!(
            alone.starts_with(
                "to another machine, waiting for the other side: 1 behind (0 B), 0 resends"
            ),
            "{alone}"
        );
        let said = json!({ "direction": "import", "state": "carried", "machine": "hall-1", "gaps": 2, "duplicates": 1 });
        assert_eq!(
            words(&said),
            "from hall-1: 2 gaps filled, 1 message twice and dropped"
        );
    }
}
