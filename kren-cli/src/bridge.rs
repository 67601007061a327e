//! `kren bridge`, which is a program of its own, and what the bridges of this user say of the channels that they carry.

use crate::stop::{Outcome, Stop};
use serde_json::Value;
use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
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

/// What live bridges say, by the channel's name (docs/spec/bridge.md, *Status*).
#[cfg(target_os = "linux")]
pub(crate) fn carried() -> HashMap<String, Value> {
    let files = std::fs::read_dir(folder()).into_iter().flatten().flatten();
    files
        .filter_map(|file| said(&file.path()))
        .flatten()
        .collect()
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn carried() -> HashMap<String, Value> {
    HashMap::new()
}

fn folder() -> PathBuf {
    if let Some(folder) = std::env::var_os("KREN_BRIDGE_STATE") {
        return folder.into();
    }
    match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(folder) => Path::new(&folder).join(PROGRAM),
        // SAFETY: it cannot fail and touches nothing.
        #[allow(unsafe_code)]
        None => format!("/tmp/{PROGRAM}-{}", unsafe { libc::geteuid() }).into(),
    }
}

/// What the bridge whose file this is says of each channel, if it lives.
fn said(file: &Path) -> Option<Vec<(String, Value)>> {
    let pid: u32 = file.file_stem()?.to_str()?.parse().ok()?;
    if !Path::new(&format!("/proc/{pid}")).exists() {
        return None;
    }
    let said: Value = serde_json::from_str(&std::fs::read_to_string(file).ok()?).ok()?;
    let channels = said["channels"].as_array()?.iter();
    let named = channels
        .filter_map(|channel| Some((channel["name"].as_str()?.to_owned(), channel.clone())));
    Some(named.collect())
}
