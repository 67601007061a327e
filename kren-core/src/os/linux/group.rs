//! What the control groups of this process allow it to use of the machine's memory.
//!
//! A limit holds for a group and all below it, so every group up the tree counts. A container sees the
//! tree from its own group on; what lies above, nobody here can know.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The names of a version's files, and of what in `memory.stat` gives way to other memory.
struct Version {
    /// The controller's name in `/proc/self/cgroup`; the newer version has one line for all.
    controller: &'static str,
    limits: &'static [&'static str],
    used: &'static str,
    gives_way: &'static [&'static str],
    /// The limit and the use of swap.
    swap: (&'static str, &'static str),
    /// The files of `swap` count memory and swap together.
    swap_counts_memory: bool,
}

const V2: Version = Version {
    controller: "",
    // Beyond `high` a group is slowed down until it hardly moves.
    limits: &["memory.max", "memory.high"],
    used: "memory.current",
    gives_way: &["active_file", "inactive_file", "slab_reclaimable"],
    swap: ("memory.swap.max", "memory.swap.current"),
    swap_counts_memory: false,
};
const V1: Version = Version {
    controller: "memory",
    limits: &["memory.limit_in_bytes"],
    used: "memory.usage_in_bytes",
    gives_way: &["total_active_file", "total_inactive_file"],
    swap: ("memory.memsw.limit_in_bytes", "memory.memsw.usage_in_bytes"),
    swap_counts_memory: true,
};

/// Where a hierarchy of groups is mounted, and which of its groups is to be seen there.
struct Mount {
    version: &'static Version,
    point: PathBuf,
    root: String,
}

/// A group that leaves less than was asked for.
pub(super) struct Short {
    pub(super) available: u64,
    /// The file that holds the limit.
    pub(super) limit: PathBuf,
}

/// The group up the tree of this process that leaves least, if that is less than `needed` bytes.
/// `free_swap` is what the machine has of it.
pub(super) fn shortest(needed: u64, free_swap: u64) -> Option<Short> {
    static MOUNTS: OnceLock<Vec<Mount>> = OnceLock::new();
    let mounts = MOUNTS.get_or_init(|| {
        fs::read_to_string("/proc/self/mountinfo")
            .map(|table| mounts(&table))
            .unwrap_or_default()
    });
    if mounts.is_empty() {
        return None;
    }
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    mounts
        .iter()
        .filter_map(|mount| Some((mount, mount.group(&groups)?)))
        .flat_map(|(mount, group)| {
            group
                .ancestors()
                .take_while(|at| at.starts_with(&mount.point))
                .filter_map(|at| mount.version.short(at, needed, free_swap))
                .collect::<Vec<_>>()
        })
        .min_by_key(|short| short.available)
}

impl Mount {
    /// The folder of this process's group, out of `/proc/self/cgroup`.
    fn group(&self, groups: &str) -> Option<PathBuf> {
        let path = groups.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':');
            let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
            let mut controllers = controllers.split(',');
            controllers
                .any(|name| name == self.version.controller)
                .then_some(path)
        })?;
        // A path from outside what is mounted here says nothing about it; its top does.
        let below = match path.strip_prefix(self.root.trim_end_matches('/')) {
            Some(below) if !below.starts_with("/..") => below.trim_start_matches('/'),
            _ => "",
        };
        Some(self.point.join(below))
    }
}

fn mounts(table: &str) -> Vec<Mount> {
    let parse = |line: &str| {
        let (place, system) = line.split_once(" - ")?;
        let mut place = place.split(' ').skip(3);
        let (root, point) = (place.next()?, place.next()?);
        let mut system = system.split(' ');
        let (kind, options) = (system.next()?, system.nth(1)?);
        let version = match kind {
            "cgroup2" => &V2,
            "cgroup" if options.split(',').any(|option| option == "memory") => &V1,
            _ => return None,
        };
        Some(Mount {
            version,
            point: point.into(),
            root: root.to_owned(),
        })
    };
    table.lines().filter_map(parse).collect()
}

impl Version {
    /// What the group at `folder` leaves, if that is less than `needed`.
    fn short(&self, folder: &Path, needed: u64, free_swap: u64) -> Option<Short> {
        // The limits first: most groups have none, and each file takes some microseconds.
        let limits = self.limits.iter().filter_map(|name| {
            let file = folder.join(name);
            Some((number(&file)?, file))
        });
        let (most, limit) = limits.min_by_key(|(most, _)| *most)?;
        let used = number(&folder.join(self.used))?;
        let available = most.saturating_sub(used);
        if available >= needed {
            return None;
        }
        // Only now, since the kernel takes its time to count these.
        let gives_way = self.gives_way(folder);
        let available = available
            .saturating_add(gives_way)
            .saturating_add(self.swap(folder, used).unwrap_or(u64::MAX).min(free_swap));
        (available < needed).then_some(Short { available, limit })
    }

    fn gives_way(&self, folder: &Path) -> u64 {
        let table = fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
        let of = |line: &str| {
            let (name, bytes) = line.split_once(' ')?;
            let gives_way = self.gives_way.contains(&name);
            bytes.parse::<u64>().ok().filter(|_| gives_way)
        };
        table.lines().filter_map(of).sum()
    }

    /// Swap that is left to a group that uses `used` bytes of memory; `None` without a limit.
    fn swap(&self, folder: &Path, used: u64) -> Option<u64> {
        let (limit, in_use) = self.swap;
        let left = number(&folder.join(limit))?.saturating_sub(number(&folder.join(in_use))?);
        if !self.swap_counts_memory {
            return Some(left);
        }
        let memory = number(&folder.join(self.limits[0])).unwrap_or(u64::MAX);
        Some(left.saturating_sub(memory.saturating_sub(used)))
    }
}

/// The number in a file of a group; `None` where there is no limit.
fn number(file: &Path) -> Option<u64> {
    /// The older version's word for "none" is as many pages as fit.
    const NONE: u64 = 1 << 60;
    let text = fs::read_to_string(file).ok()?;
    text.trim().parse().ok().filter(|bytes| *bytes < NONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_a_group() {
        let table = "\
31 24 0:27 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate
36 24 0:32 /docker/ab /sys/fs/cgroup/memory ro,nosuid master:15 - cgroup cgroup rw,memory
37 24 0:33 / /sys/fs/cgroup/cpu ro,nosuid - cgroup cgroup rw,cpu
22 1 8:1 / /memory rw - ext4 /dev/sda1 rw,memory";
        let mounts = mounts(table);
        assert_eq!(mounts.len(), 2);
        let folder = |at: usize, groups: &str| mounts[at].group(groups);
        let path = |path: &str| Some(PathBuf::from(path));
        let unified = "/sys/fs/cgroup/unified";
        assert_eq!(
            folder(0, "0::/a.slice/b"),
            path(&format!("{unified}/a.slice/b"))
        );
        assert_eq!(folder(0, "0::/"), path(unified));
        assert_eq!(folder(0, "0::/../other"), path(unified));
        assert_eq!(folder(0, "4:memory:/x"), None);
        let memory = "/sys/fs/cgroup/memory";
        assert_eq!(
            folder(1, "4:cpu,memory:/docker/ab/c"),
            path(&format!("{memory}/c"))
        );
        assert_eq!(folder(1, "4:memory:/docker/ab"), path(memory));
        // Seen from within its own namespace.
        assert_eq!(folder(1, "4:memory:/"), path(memory));
        assert_eq!(folder(1, "0::/docker/ab"), None);
    }

    /// A folder with the files of a group; the kernel's own are tried by `it::memory`.
    struct Fake(PathBuf);

    impl Fake {
        fn new(what: &str, files: &[(&str, &str)]) -> Self {
            let at = std::env::temp_dir().join(format!("kren-{what}-{}", std::process::id()));
            fs::create_dir_all(&at).unwrap();
            for (name, text) in files {
                fs::write(at.join(name), text).unwrap();
            }
            Self(at)
        }
    }

    impl Drop for Fake {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn what_a_group_of_version_2_leaves() {
        let group = Fake::new(
            "v2",
            &[
                ("memory.max", "1000\n"),
                ("memory.high", "max\n"),
                ("memory.current", "900\n"),
                (
                    "memory.stat",
                    "anon 5\ninactive_file 30\nactive_file 20\nslab 9\n",
                ),
                ("memory.swap.max", "50\n"),
                ("memory.swap.current", "10\n"),
            ],
        );
        let left = |needed, swap| {
            V2.short(&group.0, needed, swap)
                .map(|short| short.available)
        };
        assert_eq!(left(100, 0), None);
        assert_eq!(left(150, 0), None);
        assert_eq!(left(151, 0), Some(150));
        assert_eq!(left(151, 1), None);
        assert_eq!(left(1000, 1 << 30), Some(190));
        fs::write(group.0.join("memory.high"), "950").unwrap();
        let short = V2.short(&group.0, 120, 0).unwrap();
        assert_eq!(short.available, 100);
        assert!(short.limit.ends_with("memory.high"), "{:?}", short.limit);
        fs::write(group.0.join("memory.current"), "2000").unwrap();
        assert_eq!(left(60, 0), Some(50), "over its limit");
    }

    #[test]
    fn what_a_group_of_version_1_leaves() {
        let group = Fake::new(
            "v1",
            &[
                ("memory.limit_in_bytes", "1000\n"),
                ("memory.usage_in_bytes", "900\n"),
                (
                    "memory.stat",
                    "cache 5\ntotal_inactive_file 30\ntotal_active_file 20\n",
                ),
            ],
        );
        let left = |needed, swap| {
            V1.short(&group.0, needed, swap)
                .map(|short| short.available)
        };
        assert_eq!(left(150, 0), None);
        assert_eq!(left(151, 0), Some(150));
        assert_eq!(left(151, 1), None, "swap without a limit");
        fs::write(group.0.join("memory.memsw.limit_in_bytes"), "1030").unwrap();
        fs::write(group.0.join("memory.memsw.usage_in_bytes"), "910").unwrap();
        assert_eq!(left(1000, 1 << 30), Some(170));
        let none = "9223372036854771712";
        fs::write(group.0.join("memory.limit_in_bytes"), none).unwrap();
        assert_eq!(left(1 << 50, 0), None);
    }
}
