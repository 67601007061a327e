//! What the files of libkren are called where.

use std::path::Path;

/// A system, by how its libraries are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum System {
    Linux,
    Windows,
    Apple,
}

impl System {
    /// That of a shared library.
    pub(super) fn of(library: &Path) -> Self {
        match library.extension().and_then(|ending| ending.to_str()) {
            Some("dll") => Self::Windows,
            Some("dylib") => Self::Apple,
            _ => Self::Linux,
        }
    }

    /// What programs look for as they start; the number is the binary interface's.
    pub(super) fn loaded(self) -> &'static str {
        match self {
            Self::Linux => "libkren.so.0",
            Self::Windows => "kren.dll",
            Self::Apple => "libkren.0.dylib",
        }
    }

    /// What linkers look for.
    pub(super) fn linked(self) -> &'static str {
        match self {
            Self::Linux => "libkren.so",
            Self::Windows => "libkren.dll.a",
            Self::Apple => "libkren.dylib",
        }
    }

    /// The libraries that a program takes besides which is linked statically.
    pub(super) fn private(self) -> &'static [&'static str] {
        match self {
            Self::Linux => &["pthread", "dl", "m"],
            Self::Windows => &[
                "kernel32", "advapi32", "ntdll", "userenv", "ws2_32", "dbghelp",
            ],
            Self::Apple => &["System", "m"],
        }
    }
}
