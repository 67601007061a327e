//! Two machines, and what runs on them.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Against hangs alone.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A network, and shared memory: as much of a machine as a bridge can tell.
pub(crate) struct Machine {
    /// Lives as long as this pipe is open, and holds the namespaces.
    holder: Child,
    _alive: ChildStdin,
    pub(crate) name: &'static str,
    pub(crate) address: Ipv4Addr,
    folder: PathBuf,
}

/// Two of them and the cable between. `None`, with a word, where they cannot be made.
pub(crate) fn machines(far_memory: &str) -> Option<(Machine, Machine)> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let folder =
        std::env::temp_dir().join(format!("kren-bridge-it-{}-{number}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let made = Machine::new("here", 1, "1g", &folder).and_then(|here| {
        let there = Machine::new("there", 2, far_memory, &folder)?;
        plug_in(&here, &there)?;
        Ok((here, there))
    });
    made.map_err(|why| eprintln!("skipped: two machines cannot be made of namespaces here ({why})"))
        .ok()
}

fn ran(command: &mut Command) -> Result<(), String> {
    let output = command
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!(
            "{command:?}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )),
    }
}

fn plug_in(here: &Machine, there: &Machine) -> Result<(), String> {
    let ids = [here, there].map(|machine| machine.holder.id().to_string());
    ran(Command::new("ip")
        .args(["link", "add", "cable", "netns", &ids[0], "type", "veth"])
        .args(["peer", "name", "cable", "netns", &ids[1]]))?;
    for machine in [here, there] {
        let address = format!("{}/24", machine.address);
        ran(machine
            .command("ip")
            .args(["addr", "add", &address, "dev", "cable"]))?;
        ran(machine.command("ip").args(["link", "set", "lo", "up"]))?;
        ran(machine.command("ip").args(["link", "set", "cable", "up"]))?;
    }
    Ok(())
}

impl Machine {
    fn new(name: &'static str, number: u8, memory: &str, folder: &Path) -> Result<Self, String> {
        let script = format!(
            "mount -t tmpfs -o size={memory} tmpfs /dev/shm && mkdir /dev/shm/state && echo ready && read end"
        );
        let mut holder = Command::new("unshare")
            .args(["-n", "-m", "sh", "-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("unshare: {error}"))?;
        let alive = holder.stdin.take().unwrap();
        let mut line = String::new();
        let mut says = BufReader::new(holder.stdout.take().unwrap());
        let said = says.read_line(&mut line);
        if said.is_err() || line.trim() != "ready" {
            let _ = holder.kill();
            let _ = holder.wait();
            return Err("no right to make namespaces".into());
        }
        Ok(Self {
            holder,
            _alive: alive,
            name,
            address: Ipv4Addr::new(10, 77, 0, number),
            folder: folder.to_owned(),
        })
    }

    /// For files of the test, which both machines see.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A command that runs on it.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["-t", &self.holder.id().to_string(), "-n", "-m", "--"])
            .arg(program);
        command
            .env("KREN_BRIDGE_STATE", "/dev/shm/state")
            .stdin(Stdio::null());
        command
    }

    /// A bridge on it; what it says goes on in the same file through all its lives.
    pub(crate) fn bridge(&self, arguments: &[&str]) -> Bridge {
        let mut bridge = Bridge {
            child: None,
            machine: self.holder.id().to_string(),
            arguments: arguments
                .iter()
                .map(|argument| (*argument).to_owned())
                .collect(),
            log: self.folder.join(format!("{}.log", self.name)),
        };
        bridge
            .arguments
            .extend(["--machine".to_owned(), self.name.to_owned()]);
        bridge.start(self);
        bridge
    }

    /// What the bridges of this machine say of themselves.
    pub(crate) fn status(&self) -> serde_json::Value {
        let mut command = self.command(env!("CARGO_BIN_EXE_kren-bridge"));
        let output = command.args(["status", "--json"]).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// What `kren` prints on it; `None`, with a word, where it is not built beside the bridge.
    pub(crate) fn kren(&self, words: &str) -> Option<String> {
        let program = Path::new(env!("CARGO_BIN_EXE_kren-bridge")).with_file_name("kren");
        if !program.is_file() {
            eprintln!("skipped: {} is not built", program.display());
            return None;
        }
        let output = self.command(program).args(words.split(' ')).output();
        let output = output.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "kren {words}: {said}");
        Some(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The cable is pulled out, or put in again.
    pub(crate) fn plug(&self, is_in: bool) {
        let state = if is_in { "up" } else { "down" };
        ran(self.command("ip").args(["link", "set", "cable", state])).unwrap();
    }

    /// A process of this test program that does `work`: see `worker`.
    pub(crate) fn worker(&self, work: &str) -> Worker {
        let mut command = self.command(std::env::current_exe().unwrap());
        command
            .args(["worker::worker", "--exact", "--nocapture"])
            .env("KREN_BRIDGE_WORK", work);
        let mut child = command
            .stdout(Stdio::piped())
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        Worker {
            says: BufReader::new(child.stdout.take().unwrap()),
            child,
            work: work.to_owned(),
        }
    }

    /// Where a bridge on it is to listen.
    pub(crate) fn endpoint(&self) -> String {
        format!("tcp/{}:7447", self.address)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A bridge that can be killed and started anew.
pub(crate) struct Bridge {
    child: Option<Child>,
    machine: String,
    arguments: Vec<String>,
    log: PathBuf,
}

impl Bridge {
    pub(crate) fn start(&mut self, machine: &Machine) {
        assert_eq!(machine.holder.id().to_string(), self.machine);
        let log = File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .unwrap();
        let mut command = machine.command(env!("CARGO_BIN_EXE_kren-bridge"));
        self.child = Some(command.args(&self.arguments).stderr(log).spawn().unwrap());
    }

    /// As the kernel kills: at any instruction.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// As a service manager asks.
    pub(crate) fn stop(&mut self) {
        let mut child = self.child.take().unwrap();
        ran(Command::new("kill").arg(child.id().to_string())).unwrap();
        assert!(child.wait().unwrap().success(), "{}", self.log());
    }

    pub(crate) fn set(&mut self, option: &str, value: &str) {
        self.arguments.extend([option.to_owned(), value.to_owned()]);
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until it has said this.
    #[track_caller]
    pub(crate) fn says(&self, text: &str) {
        let start = Instant::now();
        while !self.log().contains(text) {
            assert!(
                start.elapsed() < PATIENCE,
                "never said '{text}', but:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}:\n{}", self.log.display(), self.log());
        }
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A process of this test program.
pub(crate) struct Worker {
    child: Child,
    says: BufReader<std::process::ChildStdout>,
    work: String,
}

impl Worker {
    /// The next line that begins with `*`.
    #[track_caller]
    pub(crate) fn hears(&mut self) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            let read = self.says.read_line(&mut line).unwrap();
            assert!(read > 0, "'{}' ended", self.work);
            // The harness writes on the same line.
            if let Some((_, said)) = line.trim().split_once("* ") {
                return said.to_owned();
            }
        }
    }

    /// Waits until it says this, whatever it says before.
    #[track_caller]
    pub(crate) fn says(&mut self, text: &str) {
        while self.hears() != text {}
    }

    /// Lets it go on.
    pub(crate) fn go(&mut self) {
        self.child
            .stdin
            .as_mut()
            .unwrap()
            .write_all(b"go\n")
            .unwrap();
    }

    #[track_caller]
    pub(crate) fn ends(mut self) {
        assert!(
            self.child.wait().unwrap().success(),
            "'{}' failed",
            self.work
        );
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until `is_so`.
#[track_caller]
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
