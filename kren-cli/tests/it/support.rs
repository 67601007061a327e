//! What the tests share: names that clean up after themselves, and commands.

use std::ops::Deref;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Far beyond what any step takes; only a hang reaches it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A channel name that no other test uses, removed at the end whatever happened.
pub(crate) struct Name(String);

impl Name {
    pub(crate) fn new(what: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Self(format!("cli-{what}-{}-{count}", std::process::id()))
    }

    pub(crate) fn path(&self) -> PathBuf {
        format!("/dev/shm/kren-{}", self.0).into()
    }
}

impl Deref for Name {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(self.path());
    }
}

/// A file of this test's own, removed at the end.
pub(crate) struct TempFile(pub(crate) PathBuf);

impl TempFile {
    pub(crate) fn new(name: &Name, end: &str) -> Self {
        Self(std::env::temp_dir().join(format!("{name}{end}")))
    }

    pub(crate) fn text(&self) -> String {
        self.0.display().to_string()
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

pub(crate) fn program() -> &'static str {
    env!("CARGO_BIN_EXE_kren")
}

/// `kren` with these arguments, separated by blanks.
pub(crate) fn kren(line: &str) -> Command {
    let mut command = Command::new("timeout");
    command.args([&PATIENCE.as_secs().to_string(), program()]);
    command.args(line.split(' ').filter(|word| !word.is_empty()));
    command.stdin(Stdio::null());
    command
}

/// Runs it to its end.
#[track_caller]
pub(crate) fn run(line: &str) -> Output {
    kren(line).output().expect("the program")
}

/// What it prints; it must do well.
#[track_caller]
pub(crate) fn output(line: &str) -> String {
    let found = run(line);
    assert!(
        found.status.success(),
        "{line}: {}\n{}",
        found.status,
        text(&found.stderr)
    );
    text(&found.stdout)
}

/// Its exit code and what it says on the error stream.
#[track_caller]
pub(crate) fn failure(line: &str) -> (i32, String) {
    let found = run(line);
    (found.status.code().unwrap_or(-1), text(&found.stderr))
}

/// A shell's line, in which `kren` is this program.
#[track_caller]
pub(crate) fn shell(line: &str) -> Output {
    let line = format!(
        "kren() {{ {} \"$@\"; }}; set -o pipefail; {line}",
        program()
    );
    Command::new("timeout")
        .args([&PATIENCE.as_secs().to_string(), "bash", "-c", &line])
        .output()
        .expect("bash")
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A process that ends with the test.
pub(crate) struct Running(pub(crate) Child);

impl Running {
    #[track_caller]
    pub(crate) fn start(line: &str, input: Stdio, output: Stdio) -> Self {
        // Not behind `timeout`, so that signals reach it.
        let mut command = Command::new(program());
        command.args(line.split(' ')).stdin(input).stdout(output);
        Self(command.spawn().expect("the program"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until something is so.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "{what} does not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The state of a channel in a word; nothing where there is none.
pub(crate) fn state(name: &str) -> String {
    let seen = kren_core::inspect::channel(name);
    seen.map_or(String::new(), |seen| seen.state(None).name().into())
}
