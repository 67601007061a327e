//! The machine, for whoever reads a record later.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::clock;

/// Of a second; what Linux counts processor time in.
const TICKS: f64 = 100.0;

/// What is known of this machine, as lines and values.
pub(crate) fn describe(pinned: Option<[usize; 2]>) -> Value {
    let processors = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    json!({
        "processor": processor().unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
        "processors": processors,
        "cores": cores(pinned.unwrap_or([0, 1])),
        "caches": caches(),
        "governor": of_processor(0, "cpufreq/scaling_governor"),
        "virtual": fs::read_to_string("/proc/cpuinfo").is_ok_and(|text| text.contains(" hypervisor")),
        "system": answer("uname", &["-sr"]),
        "compiler": answer("rustc", &["--version"]),
        "commit": answer("git", &["-C", env!("CARGO_MANIFEST_DIR"), "describe", "--always", "--dirty"]),
        "pinned": pinned,
        "load": load(),
    })
}

/// The system's load over the last minute: above 0 before a run starts, something else was running.
pub(crate) fn load() -> Option<f64> {
    fs::read_to_string("/proc/loadavg")
        .ok()?
        .split(' ')
        .next()?
        .parse()
        .ok()
}

/// What the processors of this machine have done so far.
pub(crate) struct Work {
    /// Ticks in all, those in which something ran, and those that the host gave to others.
    all: f64,
    busy: f64,
    stolen: f64,
    /// Seconds that this process and those it has waited for ran.
    own: f64,
}

impl Work {
    pub(crate) fn now() -> Option<Self> {
        let text = fs::read_to_string("/proc/stat").ok()?;
        let line = text.lines().next()?.strip_prefix("cpu ")?;
        let ticks: Vec<f64> = line.split_whitespace().flat_map(str::parse).collect();
        let &[user, nice, system, idle, waiting, hard, soft, stolen, ..] = &ticks[..] else {
            return None;
        };
        let busy = user + nice + system + hard + soft;
        Some(Self {
            all: busy + idle + waiting + stolen,
            busy,
            stolen,
            own: clock::processor_with_children() as f64 / 1e9,
        })
    }

    /// Of all processor time since `before`: what ran and was not the benchmark, and what the host took.
    pub(crate) fn since(&self, before: &Self) -> Value {
        let all = (self.all - before.all).max(1.0);
        let own = (self.own - before.own) * TICKS;
        json!({
            "other_work": ((self.busy - before.busy - own) / all).max(0.0),
            "stolen_by_the_host": (self.stolen - before.stolen) / all,
        })
    }
}

/// What the system says of the two processors; a virtual machine's may say little that is true.
fn cores(processors: [usize; 2]) -> Vec<String> {
    let describe = |number| {
        let of = |file: &str| of_processor(number, &format!("topology/{file}"));
        let (core, package) = (of("core_id")?, of("physical_package_id")?);
        let threads = of("thread_siblings_list")?;
        Some(format!(
            "processor {number}: package {package}, core {core}, whose threads are {threads}"
        ))
    };
    processors.into_iter().filter_map(describe).collect()
}

fn processor() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn of_processor(number: usize, file: &str) -> Option<String> {
    let path = format!("/sys/devices/system/cpu/cpu{number}/{file}");
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

/// As in `L2 Unified 1024K for 0-1`.
fn caches() -> Vec<String> {
    let folder = Path::new("/sys/devices/system/cpu/cpu0/cache");
    let cache = |index: usize| {
        let read = |file: &str| {
            let text = fs::read_to_string(folder.join(format!("index{index}")).join(file)).ok()?;
            Some(text.trim().to_owned())
        };
        let (level, kind, size) = (read("level")?, read("type")?, read("size")?);
        Some(format!(
            "L{level} {kind} {size} for {}",
            read("shared_cpu_list")?
        ))
    };
    (0..).map_while(cache).collect()
}

fn answer(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
