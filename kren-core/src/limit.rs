//! The limits that a channel's memory can run into.

use std::fmt;
use std::sync::Arc;

/// What has too little memory for a channel, or allows too little; see [`Error::OutOfMemory`](crate::Error::OutOfMemory).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// The size of the shared-memory file system (`/dev/shm` on Linux).
    FileSystem,
    /// The number of files on the shared-memory file system.
    Files,
    /// What the user may have on the shared-memory file system.
    Quota,
    /// What a control group may use, as a container or a systemd unit has one.
    Group {
        /// The file that holds the limit.
        file: Arc<str>,
    },
    /// The memory of the machine.
    Machine,
    /// How long a file of this process may be (`RLIMIT_FSIZE`).
    FileSize,
    /// How much memory this process may lock (`RLIMIT_MEMLOCK`); counts if it has called `mlockall`.
    LockedMemory,
    /// How many mappings a process may have (`vm.max_map_count`).
    Mappings,
    /// The address space of this process (`RLIMIT_AS`).
    AddressSpace,
}

impl Limit {
    /// What to do about it.
    pub(crate) fn advice(&self) -> &'static str {
        match self {
            Self::FileSystem => {
                "ask for less capacity, remove channels no longer used, or enlarge it (mount -o remount,size=, \
                 docker --shm-size)"
            }
            Self::Files => {
                "remove files no longer used, or allow more (mount -o remount,nr_inodes=)"
            }
            Self::Quota => "remove channels no longer used, or have the quota raised",
            Self::Group { .. } => {
                "shared memory counts as its creator's: ask for less capacity, or raise the limit (docker --memory, \
                 Kubernetes limits.memory, systemd MemoryMax)"
            }
            Self::Machine => "ask for less capacity, or end what uses it",
            Self::FileSize => "ask for less capacity, or raise it (ulimit -f)",
            Self::LockedMemory => {
                "a channel takes twice its capacity while it is mapped: raise it (ulimit -l, LimitMEMLOCK=), or call \
                 mlockall without MCL_FUTURE"
            }
            Self::Mappings => {
                "close endpoints, or allow more (sysctl vm.max_map_count); each takes about eight"
            }
            Self::AddressSpace => {
                "a process maps twice the capacity: raise it (ulimit -v), or ask for less"
            }
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FileSystem => "the size of the shared-memory file system",
            Self::Files => "the number of files (inodes) of the shared-memory file system",
            Self::Quota => "the user's quota on the shared-memory file system",
            Self::Group { file } => {
                return write!(f, "the memory limit of this process's control group ({file})");
            }
            Self::Machine => "the memory of this machine",
            Self::FileSize => "the limit on file sizes of this process (RLIMIT_FSIZE)",
            Self::LockedMemory => {
                "the limit on locked memory of this process (RLIMIT_MEMLOCK), which locks all its memory (mlockall)"
            }
            Self::Mappings => "the number of mappings a process may have (vm.max_map_count)",
            Self::AddressSpace => "the limit on address space of this process (RLIMIT_AS)",
        })
    }
}
