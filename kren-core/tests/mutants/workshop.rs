//! A copy of the crate to break, and the tests run on it.

use super::catalogue::{Mutant, Suite};
use std::fs;
use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What became of a run of tests.
#[derive(Debug)]
pub(crate) enum Outcome {
    Passed,
    Failed,
    /// Neither, after [`PATIENCE`]: what a lost wake-up looks like without the model.
    Hung,
    /// It does not even build; the compiler's words.
    #[allow(dead_code, reason = "read through Debug")]
    Broken(String),
}

/// Longer than any suite takes, and than the tests' own limit against hangs.
const PATIENCE: Duration = Duration::from_secs(180);

pub(crate) struct Workshop {
    root: PathBuf,
}

impl Workshop {
    /// A workspace of this crate alone.
    pub(crate) fn new() -> Self {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mutants");
        let workshop = Self { root };
        let _ = fs::remove_dir_all(workshop.krate());
        fs::create_dir_all(workshop.krate()).expect("a folder of our own");
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let workspace = here.parent().expect("the crate is in a workspace");
        let manifest = fs::read_to_string(workspace.join("Cargo.toml")).expect("the workspace");
        let alone = |line: &str| match line.starts_with("members =") {
            true => "members = [\"kren-core\"]".to_owned(),
            false => line.to_owned(),
        };
        let manifest: Vec<String> = manifest.lines().map(alone).collect();
        fs::write(workshop.root.join("Cargo.toml"), manifest.join("\n")).expect("writable");
        fs::copy(
            workspace.join("Cargo.lock"),
            workshop.root.join("Cargo.lock"),
        )
        .expect("a lock");
        copy(
            &workspace.join("docs/spec"),
            &workshop.root.join("docs/spec"),
        );
        copy(here, &workshop.krate());
        workshop
    }

    fn krate(&self) -> PathBuf {
        self.root.join("kren-core")
    }

    /// Runs `tests` of `suite` on the copy as it is.
    pub(crate) fn run(&self, suite: Suite, tests: &[&str]) -> Outcome {
        let (flags, arguments): (_, &[&str]) = match suite {
            Suite::Model => ("--cfg loom", &["--lib", "--release"]),
            Suite::Unit => ("", &["--lib"]),
            Suite::Whole => ("", &["--test", "it"]),
        };
        let mut cargo = Command::new(env!("CARGO"));
        cargo
            .args(["test", "--package", "kren-core"])
            .args(arguments)
            .current_dir(&self.root)
            .env("RUSTFLAGS", flags)
            .env("RUST_BACKTRACE", "0")
            // Each flavour has a folder of its own, or each run would build everything anew.
            .env(
                "CARGO_TARGET_DIR",
                self.root.join(format!("target-{suite:?}")),
            )
            // A model is built once and run once.
            .env("CARGO_PROFILE_RELEASE_LTO", "off")
            .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
        for variable in ["CARGO_ENCODED_RUSTFLAGS", "KREN_TEST_ROLE"] {
            cargo.env_remove(variable);
        }
        let built = cargo.arg("--no-run").output().expect("cargo runs");
        if !built.status.success() {
            return Outcome::Broken(String::from_utf8_lossy(&built.stderr).into_owned());
        }
        let words = String::from_utf8_lossy(&built.stderr);
        let program = words
            .lines()
            .rev()
            .find_map(|line| {
                line.trim()
                    .strip_prefix("Executable ")?
                    .rsplit_once('(')?
                    .1
                    .strip_suffix(')')
            })
            .expect("cargo names what it has built");
        self.watch(
            Command::new(self.root.join(program))
                .args(tests)
                .current_dir(self.krate()),
        )
    }

    /// Waits for a run of tests, but not for ever.
    fn watch(&self, command: &mut Command) -> Outcome {
        let mut tests = command
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("what was just built");
        // One failure is enough: a broken ring may keep the other tests busy for minutes.
        let has_failed = Arc::new(AtomicBool::new(false));
        let (failed, said) = (Arc::clone(&has_failed), tests.stdout.take());
        std::thread::spawn(move || {
            let said = BufReader::new(said.expect("piped"));
            let mut lines = said.lines().map_while(Result::ok);
            failed.store(
                lines.any(|line| line.ends_with("... FAILED")),
                Ordering::Relaxed,
            );
        });
        let start = Instant::now();
        let outcome = loop {
            let is_over = match tests.try_wait().expect("a child of ours") {
                Some(status) if status.success() => break Outcome::Passed,
                Some(_) => break Outcome::Failed,
                None if has_failed.load(Ordering::Relaxed) => Outcome::Failed,
                None if start.elapsed() > PATIENCE => Outcome::Hung,
                None => {
                    std::thread::sleep(Duration::from_millis(20));
                    continue;
                }
            };
            tests.kill().expect("it runs");
            tests.wait().expect("a child of ours");
            break is_over;
        };
        sweep(tests.id());
        outcome
    }

    /// Runs the test that must catch `mutant`, on a copy that has it.
    pub(crate) fn run_mutated(&self, mutant: &Mutant) -> Outcome {
        let path = self.krate().join("src").join(mutant.file);
        let original = fs::read_to_string(&path).expect("a source file");
        let source = match mutated(&original, mutant) {
            Ok(source) => source,
            Err(broken) => return Outcome::Broken(broken),
        };
        fs::write(&path, source).expect("writable");
        let outcome = self.run(mutant.suite, &[mutant.caught_by]);
        fs::write(&path, original).expect("writable");
        outcome
    }
}

/// The source with the change of `mutant`, or why it has no place there.
pub(crate) fn mutated(source: &str, mutant: &Mutant) -> Result<String, String> {
    let mut source = source.to_owned();
    for (from, to) in mutant.edits {
        match places(&source, from).as_slice() {
            [place] => source.replace_range(place.clone(), to),
            places => return Err(format!("{} places for {from:?}", places.len())),
        }
    }
    Ok(source)
}

/// Copies what belongs to the crate: no build folders, nothing hidden.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder of our own");
    for entry in fs::read_dir(from).expect("readable") {
        let entry = entry.expect("readable");
        let name = entry.file_name();
        if name == "target" || name.to_string_lossy().starts_with('.') {
            continue;
        }
        let to = to.join(&name);
        if entry.file_type().expect("readable").is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).expect("writable");
        }
    }
}

/// Removes the channels of a run that could not do so itself. Their names hold its pid.
fn sweep(pid: u32) {
    for entry in fs::read_dir("/dev/shm").into_iter().flatten().flatten() {
        let name = entry.file_name();
        if name.to_string_lossy().contains(&format!("-{pid}-")) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Where `from` stands in `source`, whatever the white space.
fn places(source: &str, from: &str) -> Vec<Range<usize>> {
    let solid = |text: &str| -> Vec<(usize, char)> {
        text.char_indices()
            .filter(|(_, character)| !character.is_whitespace())
            .collect()
    };
    let (source, from) = (solid(source), solid(from));
    let end = |(at, character): (usize, char)| at + character.len_utf8();
    source
        .windows(from.len())
        .filter(|window| {
            window
                .iter()
                .zip(&from)
                .all(|(one, other)| one.1 == other.1)
        })
        .map(|window| window[0].0..end(window[window.len() - 1]))
        .collect()
}
