//! The systems that packages are built for, and how this machine builds for each.
//!
//! - A target whose standard library is installed (`rustup target add`) is built by the toolchain that runs us.
//! - Where it is not, Debian's second toolchain builds the standard library along.
//! - Zig links for every Linux, against the oldest C library that is promised, and for macOS elsewhere than there;
//!   mingw links for Windows elsewhere than there.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::exec;
use crate::kit::Kit;
use crate::second::{self, BUILD_STD};
use crate::term::Result;
use crate::workspace::Workspace;

/// One system.
pub(crate) struct Target {
    pub(crate) triple: &'static str,
    /// For people.
    pub(crate) shown: &'static str,
    /// What its wheels are compatible with, as maturin takes it; the system's own tag where there is none.
    pub(crate) wheel: Option<&'static str>,
}

/// The oldest glibc that the packages run with, as in `manylinux_2_28`: Debian 10, Ubuntu 20.04, RHEL 8.
pub(crate) const GLIBC: (u32, u32) = (2, 28);
const GLIBC_SUFFIX: &str = ".2.28";
/// The oldest macOS that runs on Apple's own processors.
const OLDEST_MACOS: &str = "11.0";
pub(crate) const MINGW: &str = "/usr/bin/x86_64-w64-mingw32-gcc";
pub(crate) const MINGW_CPP: &str = "/usr/bin/x86_64-w64-mingw32-g++";

pub(crate) const WINDOWS_GNU: &str = "x86_64-pc-windows-gnu";

/// Windows' own compiler builds there, and mingw elsewhere; the result serves the same Python and Node.
pub(crate) const WINDOWS: Target = Target {
    triple: if cfg!(windows) {
        "x86_64-pc-windows-msvc"
    } else {
        WINDOWS_GNU
    },
    shown: "Windows x86-64",
    wheel: None,
};

pub(crate) const APPLE: [Target; 2] = [
    Target {
        triple: "aarch64-apple-darwin",
        shown: "macOS AArch64",
        wheel: None,
    },
    Target {
        triple: "x86_64-apple-darwin",
        shown: "macOS x86-64",
        wheel: None,
    },
];

const LINUX: [Target; 4] = [
    Target {
        triple: "x86_64-unknown-linux-gnu",
        shown: "Linux x86-64, glibc 2.28",
        wheel: Some("manylinux_2_28"),
    },
    Target {
        triple: "aarch64-unknown-linux-gnu",
        shown: "Linux AArch64, glibc 2.28",
        wheel: Some("manylinux_2_28"),
    },
    Target {
        triple: "x86_64-unknown-linux-musl",
        shown: "Linux x86-64, musl",
        wheel: Some("musllinux_1_2"),
    },
    Target {
        triple: "aarch64-unknown-linux-musl",
        shown: "Linux AArch64, musl",
        wheel: Some("musllinux_1_2"),
    },
];

/// All of them.
pub(crate) fn all() -> impl Iterator<Item = &'static Target> {
    LINUX.iter().chain([&WINDOWS]).chain(&APPLE)
}

impl Target {
    pub(crate) fn is_windows(&self) -> bool {
        self.triple.contains("-windows-")
    }

    pub(crate) fn is_msvc(&self) -> bool {
        self.triple.ends_with("-msvc")
    }

    pub(crate) fn is_apple(&self) -> bool {
        self.triple.contains("-apple-")
    }

    pub(crate) fn is_linux(&self) -> bool {
        self.triple.contains("-linux-")
    }

    pub(crate) fn is_glibc(&self) -> bool {
        self.triple.ends_with("-linux-gnu")
    }

    fn is_musl(&self) -> bool {
        self.triple.ends_with("-linux-musl")
    }

    /// What a built library of this name is called there.
    pub(crate) fn library(&self, name: &str) -> String {
        if self.is_windows() {
            format!("{name}.dll")
        } else if self.is_apple() {
            format!("lib{name}.dylib")
        } else {
            format!("lib{name}.so")
        }
    }

    /// What a built program of this name is called there.
    pub(crate) fn program(&self, name: &str) -> String {
        if self.is_windows() {
            format!("{name}.exe")
        } else {
            name.to_owned()
        }
    }

    /// Whether this machine runs what is built for the target.
    pub(crate) fn is_this(&self) -> bool {
        let system = if cfg!(windows) {
            "-windows-"
        } else if cfg!(target_os = "macos") {
            "-apple-"
        } else if cfg!(target_env = "musl") {
            "-linux-musl"
        } else {
            "-linux-gnu"
        };
        self.triple.starts_with(std::env::consts::ARCH) && self.triple.contains(system)
    }
}

/// Builds the workspace's packages for one target.
pub(crate) struct Builder<'a> {
    pub(crate) workspace: &'a Workspace,
    kit: &'a Kit,
    pub(crate) target: &'static Target,
    std: Std,
}

/// Where the target's standard library comes from.
enum Std {
    Installed,
    /// Built along, by Debian's second toolchain.
    Built,
}

/// The profile of what is published; its name is also that of its folder.
const PROFILE: &str = "dist";

impl<'a> Builder<'a> {
    /// Says in a line why this machine cannot build for the target, if it cannot.
    pub(crate) fn new(
        workspace: &'a Workspace,
        kit: &'a Kit,
        target: &'static Target,
    ) -> std::result::Result<Self, String> {
        let own_system_only = if cfg!(windows) {
            !target.is_windows()
        } else if cfg!(target_os = "macos") {
            !target.is_apple()
        } else {
            false
        };
        if own_system_only {
            return Err("built on Linux: run `cargo xtask dist` there".to_owned());
        }
        let std = standard_library(workspace, target)?;
        if target.is_windows() && !cfg!(windows) {
            second::need_only(&[
                (MINGW, "gcc-mingw-w64-x86-64-win32"),
                (
                    "/usr/bin/x86_64-w64-mingw32-dlltool",
                    "binutils-mingw-w64-x86-64",
                ),
            ])
            .map_err(|failure| failure.to_string())?;
        }
        Ok(Self {
            workspace,
            kit,
            target,
            std,
        })
    }

    fn by_zig(&self) -> bool {
        self.target.is_linux() || (self.target.is_apple() && !cfg!(target_os = "macos"))
    }

    /// Where what was built lies.
    pub(crate) fn folder(&self) -> PathBuf {
        let root = match self.std {
            Std::Installed => self.workspace.target.clone(),
            Std::Built => second::folder(self.workspace),
        };
        root.join(self.target.triple).join(PROFILE)
    }

    /// Cargo's `build`, to which packages are added.
    pub(crate) fn cargo(&self) -> Result<Command> {
        let mut command = if self.by_zig() {
            let mut zig = self.command(self.kit.program("cargo-zigbuild"));
            zig.arg("zigbuild");
            zig
        } else {
            let mut cargo = match self.std {
                Std::Installed => self.command(std::env::var_os("CARGO").unwrap_or("cargo".into())),
                Std::Built => self.command(second::CARGO),
            };
            cargo.arg("build");
            cargo
        };
        let suffix = if self.target.is_glibc() {
            GLIBC_SUFFIX
        } else {
            ""
        };
        command.args(["--locked", "--profile", PROFILE, "--target"]);
        command.arg(format!("{}{suffix}", self.target.triple));
        self.finish(command)
    }

    /// Maturin's `build`.
    pub(crate) fn maturin(&self, out: &Path) -> Result<Command> {
        let mut command = self.command(self.kit.program("maturin"));
        command.current_dir(self.workspace.python());
        command.args(["build", "--locked", "--profile", PROFILE, "--target"]);
        command.arg(self.target.triple).arg("--out").arg(out);
        if self.by_zig() {
            command.arg("--zig");
        }
        if let Some(wheel) = self.target.wheel {
            command.args(["--compatibility", wheel]);
        }
        self.finish(command)
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let programs = self.kit.programs();
        let mut folders = vec![programs];
        let mut command = match self.std {
            Std::Built => {
                folders.extend(std::env::split_paths(second::PATH));
                second::toolchain(self.workspace, program)
            }
            Std::Installed => {
                let path = std::env::var_os("PATH").unwrap_or_default();
                folders.extend(std::env::split_paths(&path));
                let mut command = Command::new(program);
                command
                    .current_dir(&self.workspace.root)
                    .env("CARGO_TARGET_DIR", &self.workspace.target);
                command
            }
        };
        if let Ok(path) = std::env::join_paths(folders) {
            command.env("PATH", path);
        }
        command
            // No Python is asked: the stable ABI is the same for all.
            .env("PYO3_NO_PYTHON", "1")
            .env("MACOSX_DEPLOYMENT_TARGET", OLDEST_MACOS)
            .env("XDG_CACHE_HOME", self.workspace.target.join("zig-cache"));
        command
    }

    fn finish(&self, mut command: Command) -> Result<Command> {
        if matches!(self.std, Std::Built) {
            command.args(["-Z", BUILD_STD]);
            if self.target.is_apple() {
                // Debian leaves out the program that rustc strips with for macOS: the symbols stay.
                command.env("CARGO_PROFILE_DIST_STRIP", "none");
            }
        }
        if self.target.is_musl() {
            // A library that Python or Node loads must not bring a C library of its own.
            let variable = self.target.triple.to_uppercase().replace('-', "_");
            command.env(
                format!("CARGO_TARGET_{variable}_RUSTFLAGS"),
                "-Ctarget-feature=-crt-static",
            );
        }
        if self.target.triple == WINDOWS_GNU {
            command.env("LIBNODE_PATH", libnode(self.workspace)?);
        }
        Ok(command)
    }
}

/// The folder of a library in Node's place: Node's symbols are looked up at run time, yet with mingw the build
/// script wants a library to exist.
pub(crate) fn libnode(workspace: &Workspace) -> Result<PathBuf> {
    let folder = second::folder(workspace).join("libnode");
    let library = folder.join("libnode.dll");
    if library.exists() {
        return Ok(folder);
    }
    let source = folder.join("empty.c");
    exec::write(&source, "void kren_nothing(void) {}\n")?;
    let mut compile = Command::new(MINGW);
    compile.arg("-shared").arg("-o").arg(&library).arg(&source);
    exec::step(
        "Windows: a library in Node's place",
        compile,
        "read the compiler's output above",
    )?;
    Ok(folder)
}

fn standard_library(workspace: &Workspace, target: &Target) -> std::result::Result<Std, String> {
    let mut ask = Command::new(std::env::var_os("RUSTC").unwrap_or("rustc".into()));
    ask.args(["--print", "target-libdir", "--target", target.triple])
        .current_dir(&workspace.root);
    if exec::first_line(&mut ask).is_some_and(|folder| Path::new(&folder).exists()) {
        return Ok(Std::Installed);
    }
    let missing = format!(
        "its standard library is not installed: rustup target add {}",
        target.triple
    );
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Err(missing);
    }
    match second::need(&[]) {
        Ok(()) => Ok(Std::Built),
        Err(_) => Err(missing),
    }
}
