//! The machine: memory, limits, name spaces, and what the kernel can do.

use super::Finding;
use kren_core::KrenWriter;

/// Everything that can be asked here.
pub(super) fn look() -> Vec<Finding> {
    let mut findings = vec![trial()];
    #[cfg(target_os = "linux")]
    findings.extend(linux::look());
    findings.push(processors());
    findings
}

/// The proof: a channel that works.
fn trial() -> Finding {
    let name = format!("doctor-{}", std::process::id());
    let tried = || -> kren_core::Result<()> {
        let mut writer = KrenWriter::options().fresh(true).create(&name, 4096)?;
        let mut reader = kren_core::KrenReader::connect(&name)?;
        writer.write(b"well?")?;
        let is_whole = *reader.read()? == *b"well?";
        assert!(is_whole, "a message has changed on its way");
        Ok(())
    };
    match tried() {
        Ok(()) => Finding::fine("a trial channel", "made, used and removed"),
        Err(error) => Finding::error(
            "a trial channel",
            error.to_string(),
            "nothing works before this does: see the error, and what follows",
        ),
    }
}

fn processors() -> Finding {
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    if count == 1 {
        return Finding::warning(
            "processors",
            "this process may use one only",
            "two sides on one processor take turns, at some microseconds each: give them two (taskset, cpuset, container limits)",
        );
    }
    let found = format!("{count} usable{}", caches());
    Finding::fine("processors", found)
}

/// Which of them are near each other.
#[cfg(target_os = "linux")]
fn caches() -> String {
    let mut groups: Vec<String> = (0..)
        .map_while(|cpu| {
            let base = format!("/sys/devices/system/cpu/cpu{cpu}");
            std::path::Path::new(&base).exists().then(|| {
                std::fs::read_to_string(format!("{base}/cache/index3/shared_cpu_list"))
                    .unwrap_or_default()
                    .trim()
                    .to_owned()
            })
        })
        .filter(|group| !group.is_empty())
        .collect();
    groups.sort_unstable();
    groups.dedup();
    match &groups[..] {
        [] => ", which of them share a cache is not known".into(),
        [_] => ", all near (one last-level cache)".into(),
        groups => format!(
            ", near within, and far between, the groups {}: pin both sides into one where each microsecond counts",
            groups.join(" | ")
        ),
    }
}

#[cfg(not(target_os = "linux"))]
fn caches() -> String {
    String::new()
}

#[cfg(target_os = "linux")]
mod linux {
    #![allow(unsafe_code)]

    use super::super::Finding;
    use crate::human::bytes;
    use crate::process::limit;
    use std::fs;

    pub(super) fn look() -> Vec<Finding> {
        let mut findings = vec![];
        findings.extend(memory());
        findings.extend(mount());
        findings.push(large_pages());
        findings.extend(limits());
        findings.extend(group());
        findings.extend(logind());
        findings.push(spaces());
        findings.extend(features());
        findings
    }

    /// Room in the shared-memory file system.
    fn memory() -> Option<Finding> {
        // SAFETY: an all-zero statvfs is valid, and the path is NUL-terminated.
        let found = unsafe {
            let mut found: libc::statvfs = std::mem::zeroed();
            if libc::statvfs(c"/dev/shm".as_ptr(), &raw mut found) != 0 {
                return Some(Finding::error(
                    "/dev/shm",
                    std::io::Error::last_os_error().to_string(),
                    "mount a tmpfs there: mount -t tmpfs tmpfs /dev/shm",
                ));
            }
            found
        };
        let unit = found.f_frsize as u64;
        let (all, free) = (found.f_blocks as u64 * unit, found.f_bavail as u64 * unit);
        if all == 0 {
            return Some(Finding::fine("/dev/shm", "without a limit of its own"));
        }
        let text = format!("{} free of {}", bytes(free), bytes(all));
        let advice = "remove what nobody uses (`kren gc`), or enlarge it: mount -o remount,size=SIZE /dev/shm; in Docker \
                      --shm-size, in Kubernetes an emptyDir with medium: Memory";
        Some(match () {
            () if free < 1 << 20 => Finding::error("/dev/shm", text, advice),
            () if free < all / 10 || all <= 64 << 20 => Finding::warning("/dev/shm", text, advice),
            () => Finding::fine("/dev/shm", text),
        })
    }

    fn mount() -> Option<Finding> {
        let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
        let line = mounts
            .lines()
            .rfind(|line| line.split(' ').nth(1) == Some("/dev/shm"));
        let Some(line) = line else {
            return Some(Finding::warning(
                "mount",
                "/dev/shm is no mount of its own",
                "channels lie on an ordinary file system there, and may be written to a disk: mount a tmpfs",
            ));
        };
        let mut words = line.split(' ');
        let (kind, options) = (words.nth(2)?, words.next()?);
        let text = format!("{kind}, {options}");
        let is_read_only = options.split(',').any(|option| option == "ro");
        Some(match kind {
            _ if is_read_only => Finding::error(
                "mount",
                text,
                "both sides store into a channel: mount it for writing",
            ),
            "tmpfs" | "ramfs" => Finding::fine("mount", text),
            _ => Finding::warning(
                "mount",
                text,
                "this is no memory: mount a tmpfs at /dev/shm",
            ),
        })
    }

    fn large_pages() -> Finding {
        let path = "/sys/kernel/mm/transparent_hugepage/shmem_enabled";
        let text = fs::read_to_string(path).unwrap_or_default();
        let chosen = text
            .split(['[', ']'])
            .nth(1)
            .unwrap_or("not known")
            .to_owned();
        Finding::fine(
            "huge pages",
            match chosen.as_str() {
                "never" | "deny" => format!(
                    "{chosen}: rings of many MiB would take fewer faults with `advise` in {path}"
                ),
                _ => chosen,
            },
        )
    }

    fn limits() -> Vec<Finding> {
        #[allow(
            clippy::unnecessary_cast,
            reason = "on some systems the number has another type"
        )]
        let text = |value: Option<u64>| value.map_or("no limit".into(), |value| value.to_string());
        let mut findings = vec![];
        let files = limit(libc::RLIMIT_NOFILE);
        findings.push(match files {
            Some(files) if files < 256 => Finding::warning(
                "descriptors",
                format!("{files} for a process"),
                "each end of a channel keeps one open: ulimit -n 4096, or LimitNOFILE= in a unit",
            ),
            files => Finding::fine("descriptors", format!("{} for a process", text(files))),
        });
        let maps = fs::read_to_string("/proc/sys/vm/max_map_count").unwrap_or_default();
        findings.push(Finding::fine(
            "mappings",
            format!(
                "{} for a process; an end of a channel takes some six",
                maps.trim()
            ),
        ));
        let locked = limit(libc::RLIMIT_MEMLOCK);
        findings.push(Finding::fine(
            "locked memory",
            match locked {
                Some(most) => format!(
                    "{} (only programs that lock what they map need more)",
                    bytes(most)
                ),
                None => "no limit".into(),
            },
        ));
        if let Some(most) = limit(libc::RLIMIT_FSIZE) {
            findings.push(Finding::warning(
                "file size",
                bytes(most),
                "no channel can be larger: ulimit -f unlimited",
            ));
        }
        findings
    }

    /// The memory that a container, or a service, may have.
    fn group() -> Option<Finding> {
        let own = fs::read_to_string("/proc/self/cgroup").ok()?;
        let path = own.lines().find_map(|line| line.strip_prefix("0::"))?;
        let read = |name: &str| {
            let found = fs::read_to_string(format!("/sys/fs/cgroup{path}/{name}"))
                .or_else(|_| fs::read_to_string(format!("/sys/fs/cgroup/{name}")));
            found.ok()?.trim().parse::<u64>().ok()
        };
        let Some(most) = read("memory.max") else {
            return Some(Finding::fine("control group", "no limit of memory"));
        };
        let used = read("memory.current").unwrap_or(0);
        let text = format!("{} used of {}", bytes(used), bytes(most));
        Some(match used > most / 10 * 9 {
            true => Finding::warning(
                "control group",
                text,
                "channels count as memory of the group: raise its limit, or make rings smaller",
            ),
            false => Finding::fine("control group", text),
        })
    }

    /// Whether the end of a login takes the user's shared memory away.
    fn logind() -> Option<Finding> {
        // SAFETY: no preconditions.
        let user = unsafe { libc::geteuid() };
        let is_system = user < 1000;
        let mut files = vec![std::path::PathBuf::from("/etc/systemd/logind.conf")];
        for folder in [
            "/usr/lib/systemd/logind.conf.d",
            "/etc/systemd/logind.conf.d",
        ] {
            let found = fs::read_dir(folder).into_iter().flatten();
            files.extend(found.flatten().map(|file| file.path()));
        }
        if !std::path::Path::new("/run/systemd/system").exists() {
            return None;
        }
        let mut removes = true;
        for file in files {
            for line in fs::read_to_string(file).unwrap_or_default().lines() {
                if let Some(value) = line.trim().strip_prefix("RemoveIPC=") {
                    removes = matches!(value.trim(), "yes" | "true" | "1" | "on");
                }
            }
        }
        Some(match (removes, is_system) {
            (false, _) => Finding::fine("RemoveIPC", "off: channels outlive the login"),
            (true, true) => Finding::fine("RemoveIPC", "on, but not for system users"),
            (true, false) => Finding::warning(
                "RemoveIPC",
                "on: when this user's last session ends, systemd removes all its channels, and services of the user see `Removed`",
                "RemoveIPC=no in /etc/systemd/logind.conf, or run the programs as a system user, or loginctl enable-linger",
            ),
        })
    }

    fn spaces() -> Finding {
        let space = |kind: &str| {
            let link = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok();
            let Some(own) = link("self") else {
                return format!("{kind} not known");
            };
            let own = own.display().to_string().replace(['[', ']'], "");
            // Only root may ask for those of process 1.
            match link("1").map(|first| first.display().to_string().replace(['[', ']'], "")) {
                Some(first) if first == own => format!("{own} (that of process 1)"),
                Some(_) => format!("{own} (not that of process 1)"),
                None => own,
            }
        };
        let found = format!(
            "{}, {}; both sides need the same /dev/shm (in Docker --ipc): compare the numbers",
            space("pid"),
            space("mnt")
        );
        Finding::fine("name spaces", found)
    }

    /// What the kernel can do, and what is done where it cannot.
    fn features() -> Vec<Finding> {
        let mut findings = vec![];
        // MEMBARRIER_CMD_QUERY.
        // SAFETY: only asks.
        let barriers = unsafe { libc::syscall(libc::SYS_membarrier, 0, 0, 0) };
        /// MEMBARRIER_CMD_GLOBAL_EXPEDITED.
        const EXPEDITED: libc::c_long = 1 << 1;
        findings.push(match barriers > 0 && barriers & EXPEDITED != 0 {
            true => Finding::fine("membarrier", "there: messages are published without a fence"),
            false => Finding::warning(
                "membarrier",
                "not there",
                "it works all the same, with a fence for each message (some 10 ns): Linux 4.16, or a seccomp profile that allows it",
            ),
        });
        // SAFETY: the path is NUL-terminated; the file has no name and goes with the descriptor.
        let (unnamed, locks) = unsafe {
            let flags = libc::O_TMPFILE | libc::O_RDWR | libc::O_CLOEXEC;
            let fd = libc::open(c"/dev/shm".as_ptr(), flags, 0o600);
            let mut lock: libc::flock = std::mem::zeroed();
            lock.l_type = libc::F_WRLCK as libc::c_short;
            lock.l_len = 1;
            let locks = fd >= 0 && libc::fcntl(fd, libc::F_OFD_SETLK, &raw const lock) == 0;
            if fd >= 0 {
                libc::close(fd);
            }
            (fd >= 0, locks)
        };
        findings.push(match unnamed {
            true => Finding::fine("unnamed files", "there: a channel is built out of sight"),
            false => Finding::warning(
                "unnamed files",
                "not there",
                "a creator that is killed may leave a file with a ! in its name, which the next one removes",
            ),
        });
        if unnamed {
            findings.push(match locks {
                true => Finding::fine("locks", "there: a death is noticed by the kernel"),
                false => Finding::error(
                    "locks",
                    std::io::Error::last_os_error().to_string(),
                    "open-file-description locks are needed: Linux 3.15, and a sandbox that allows fcntl",
                ),
            });
        }
        findings
    }
}
