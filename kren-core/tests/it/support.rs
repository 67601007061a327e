//! What the tests share: names that clean up after themselves, limits against hangs, messages that
//! can be checked, and other processes.

use kren_core::{Error, KrenReader};
use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt::Display;
use std::io::{BufRead, BufReader, Write};
use std::ops::Deref;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{OnceLock, mpsc};
use std::time::Duration;

/// Far beyond what any single step takes; only a hang reaches it. Other systems than the usual one are mostly
/// emulations: on a busy machine a start alone has taken a minute there.
pub(crate) const PATIENCE: Duration = Duration::from_secs(if EMULATED { 300 } else { 60 });
/// Windows under wine, and every other processor under QEMU.
const EMULATED: bool = cfg!(any(windows, not(target_arch = "x86_64")));
/// What the smallest ring really holds: as much as this kind of system maps at once. Linux on ARM has kernels with
/// larger pages; there the variable says so when the tests are built.
pub(crate) const PAGE: usize = if let Some(bytes) = option_env!("KREN_TEST_PAGE") {
    match usize::from_str_radix(bytes, 10) {
        Ok(page) => page,
        Err(_) => panic!("KREN_TEST_PAGE is to be a number of bytes"),
    }
} else if cfg!(windows) {
    64 * 1024
} else if cfg!(target_os = "macos") {
    16 * 1024
} else {
    4096
};

/// A channel name that no other test uses, removed at the end whatever happened.
pub(crate) struct Name(String);

impl Name {
    pub(crate) fn new(what: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        // Short enough to be the name of a shared-memory object on macOS too, where a longer one gives way to a digest.
        Self(format!("it-{what:.9}-{:x}-{count:x}", std::process::id()))
    }

    /// Where the segment lies.
    #[cfg(target_os = "linux")]
    pub(crate) fn path(&self) -> std::path::PathBuf {
        format!("/dev/shm/kren-{}", self.0).into()
    }

    /// Nothing is left of the channel.
    #[track_caller]
    pub(crate) fn assert_gone(&self) {
        let found = KrenReader::connect(self);
        assert!(
            matches!(found, Err(Error::NotFound { .. })),
            "{} is still there: {found:?}",
            self.0
        );
        #[cfg(target_os = "linux")]
        assert!(!self.path().exists(), "{:?} is still there", self.path());
    }
}

impl Name {
    /// Neither a registry nor a lane is left.
    #[track_caller]
    pub(crate) fn assert_nothing_left(&self) {
        let left: Vec<_> = std::fs::read_dir("/dev/shm")
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|file| file.contains(&self.0))
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

impl Deref for Name {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        #[cfg(target_os = "linux")]
        {
            let _ = std::fs::remove_file(self.path());
            // Lanes that a death has left.
            let prefix = format!("kren-{}@", self.0);
            let files = std::fs::read_dir("/dev/shm")
                .into_iter()
                .flatten()
                .flatten();
            for file in files {
                if file.file_name().to_string_lossy().starts_with(&prefix) {
                    let _ = std::fs::remove_file(file.path());
                }
            }
        }
    }
}

/// What the tests take for granted of this kernel.
#[test]
fn the_smallest_ring_is_a_page() {
    let name = Name::new("smallest");
    let page = kren_core::KrenWriter::create(&name, 1).unwrap().capacity();
    assert_eq!(page, PAGE, "build the tests with KREN_TEST_PAGE={page}");
}

/// Ends the whole process, with a word about it, if it is not dropped in time.
///
/// A test that hangs is then a test that fails.
pub(crate) struct Limit(
    #[allow(dead_code, reason = "dropping it ends the watch")] mpsc::Sender<()>,
);

impl Limit {
    #[track_caller]
    pub(crate) fn new() -> Self {
        let place = std::panic::Location::caller();
        let (end, ended) = mpsc::channel();
        std::thread::spawn(move || {
            if ended.recv_timeout(patience()) == Err(mpsc::RecvTimeoutError::Timeout) {
                // Not by a macro that prints: the harness keeps that for the end of the test, which is now.
                let _ = writeln!(std::io::stderr(), "the test at {place} hangs");
                std::process::abort();
            }
        });
        Self(end)
    }
}

/// How long a whole test may take: some steps' patience, for one that starts hundreds of processes has needed a whole
/// minute on a busy machine; or as many seconds as the environment says, for a build that is slowed down many times.
fn patience() -> Duration {
    let seconds = std::env::var("KREN_TEST_PATIENCE").ok();
    let seconds = seconds.and_then(|seconds| seconds.parse().ok());
    seconds.map_or(4 * PATIENCE, Duration::from_secs)
}

/// The bytes of message `seed`, `len` of at most 128 KiB, cheap enough to check a hundred thousand.
pub(crate) fn pattern(seed: u64, len: usize) -> &'static [u8] {
    const TABLE: usize = 1 << 18;
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    let bytes = BYTES.get_or_init(|| {
        (0..TABLE as u64 / 8)
            .flat_map(|at| mix(at).to_le_bytes())
            .collect()
    });
    let start = mix(seed) as usize % (TABLE / 2);
    &bytes[start..start + len]
}

/// A number that looks random, the same for the same `seed`.
pub(crate) fn mix(seed: u64) -> u64 {
    let mut x = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// What a role is given: its arguments, and the ear of the test that started it.
pub(crate) struct Role {
    arguments: Vec<String>,
}

impl Role {
    /// Its `at`th argument.
    pub(crate) fn arg<T: std::str::FromStr>(&self, at: usize) -> T {
        let argument = self
            .arguments
            .get(at)
            .unwrap_or_else(|| panic!("argument {at} is missing"));
        argument
            .parse()
            .unwrap_or_else(|_| panic!("argument {at} is {argument:?}"))
    }

    /// Tells the test something.
    pub(crate) fn say(&self, word: &str, what: impl Display) {
        // The test harness has printed half a line of its own.
        let mut out = std::io::stdout().lock();
        writeln!(out, "\n@{word} {what}")
            .and_then(|()| out.flush())
            .expect("the test listens");
    }

    /// Waits until the test says `word`.
    pub(crate) fn hear(&self, word: &str) {
        let mut line = String::new();
        std::io::stdin()
            .read_line(&mut line)
            .expect("the test speaks");
        assert_eq!(line.trim_end(), word);
    }

    /// Lives until it is killed.
    pub(crate) fn linger(&self) -> ! {
        loop {
            std::thread::park();
        }
    }
}

type Part = fn(&Role);
/// The roles of a file, by name.
pub(crate) type Parts = &'static [(&'static str, Part)];

/// Every role of every file.
fn parts() -> HashMap<&'static str, Part> {
    let mut parts: Vec<(&str, Part)> = vec![];
    parts.extend_from_slice(crate::broadcast::PARTS);
    parts.extend_from_slice(crate::closing::PARTS);
    parts.extend_from_slice(crate::death::PARTS);
    parts.extend_from_slice(crate::inbox::PARTS);
    parts.extend_from_slice(crate::leases::PARTS);
    parts.extend_from_slice(crate::queue::PARTS);
    parts.extend_from_slice(crate::service::PARTS);
    parts.extend_from_slice(crate::roles::PARTS);
    parts.extend_from_slice(crate::selector::PARTS);
    parts.extend_from_slice(crate::streams::PARTS);
    parts.extend_from_slice(crate::successors::PARTS);
    #[cfg(unix)]
    {
        parts.extend_from_slice(crate::descriptors::PARTS);
        parts.extend_from_slice(crate::forking::PARTS);
    }
    #[cfg(all(target_os = "linux", not(like_macos)))]
    {
        parts.extend_from_slice(crate::inspect::PARTS);
        parts.extend_from_slice(crate::sandboxes::PARTS);
    }
    #[cfg(target_os = "linux")]
    {
        parts.extend_from_slice(crate::guards::PARTS);
        parts.extend_from_slice(crate::idle::PARTS);
        parts.extend_from_slice(crate::limits::PARTS);
        parts.extend_from_slice(crate::memory::PARTS);
        parts.extend_from_slice(crate::owners::PARTS);
        parts.extend_from_slice(crate::places::PARTS);
        parts.extend_from_slice(crate::stopped::PARTS);
    }
    #[cfg(any(target_os = "linux", windows))]
    {
        parts.extend_from_slice(crate::resources::PARTS);
        parts.extend_from_slice(crate::storm::PARTS);
    }
    let count = parts.len();
    let parts = HashMap::from_iter(parts);
    assert_eq!(parts.len(), count, "two roles have one name");
    parts
}

/// Where another process starts. As a test it passes, having nothing to do.
#[test]
fn another_process() {
    let Ok(part) = std::env::var("KREN_TEST_ROLE") else {
        return;
    };
    #[cfg(target_os = "linux")]
    die_with_the_test();
    let arguments = std::env::var("KREN_TEST_ARGUMENTS").expect("set with the role");
    let arguments = arguments.split('\n').map(str::to_owned).collect();
    parts()[part.as_str()](&Role { arguments });
    std::process::exit(0);
}

#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
fn die_with_the_test() {
    // SAFETY: no preconditions.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
}

/// What starts this test's program: behind the emulator that `KREN_TEST_RUNNER` names, if it is
/// made for another processor.
pub(crate) fn this_test() -> Vec<OsString> {
    let runner = std::env::var("KREN_TEST_RUNNER").unwrap_or_default();
    let mut words: Vec<OsString> = runner.split_whitespace().map(OsString::from).collect();
    words.push(std::env::current_exe().expect("this test").into());
    words
}

/// Another process, which plays a role. Killed when dropped.
pub(crate) struct Process {
    part: String,
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Process {
    pub(crate) fn start(part: &str, arguments: &[&dyn Display]) -> Self {
        let words = this_test();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        Self::start_with(command, part, arguments)
    }

    /// As [`Process::start`], through a command that runs its own arguments as a command.
    pub(crate) fn start_with(mut command: Command, part: &str, arguments: &[&dyn Display]) -> Self {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        let mut child = command
            .args([
                "--exact",
                "support::another_process",
                "--nocapture",
                "--test-threads=1",
            ])
            .env("KREN_TEST_ROLE", part)
            .env("KREN_TEST_ARGUMENTS", arguments.join("\n"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdin = child.stdin.take().expect("piped");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        Self {
            part: part.to_owned(),
            child,
            stdin,
            stdout,
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What the process says next: a word, and what belongs to it. `None` at its end.
    pub(crate) fn next(&mut self) -> Option<(String, String)> {
        loop {
            let mut line = String::new();
            if self.stdout.read_line(&mut line).expect("a pipe") == 0 {
                return None;
            }
            // One that was killed may have left half a line.
            if let Some(said) = line.strip_prefix('@')
                && let Some((word, what)) = said.strip_suffix('\n')?.split_once(' ')
            {
                return Some((word.to_owned(), what.to_owned()));
            }
        }
    }

    /// Waits until the process says `word`, and returns what belongs to it.
    #[track_caller]
    pub(crate) fn expect(&mut self, word: &str) -> String {
        match self.next() {
            Some((said, what)) if said == word => what,
            Some((said, what)) => panic!("{} says {said} {what:?}, not {word}", self.part),
            None => panic!("{} ended before it said {word}", self.part),
        }
    }

    pub(crate) fn tell(&mut self, word: &str) {
        writeln!(self.stdin, "{word}").expect("the process listens");
    }

    /// As `kill -9`. The process is gone when this returns.
    pub(crate) fn kill(&mut self) {
        self.child
            .kill()
            .expect("a process that has not been waited for");
        self.child.wait().expect("as above");
    }

    /// Lets a process that waits for the word `end` come to its end.
    #[track_caller]
    pub(crate) fn tell_and_finish(mut self) {
        self.tell("end");
        self.finish();
    }

    /// Waits for the end of the process.
    pub(crate) fn end(&mut self) -> ExitStatus {
        self.child.wait().expect("a child of ours")
    }

    /// Waits for the process to end well.
    #[track_caller]
    pub(crate) fn finish(mut self) {
        let status = self.end();
        assert!(status.success(), "{}: {status}", self.part);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
