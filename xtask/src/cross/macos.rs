//! macOS: compiled, linted and linked for both architectures with Zig's linker, packages and all. None of that can run
//! here, but what the core does there can: on Linux, over the same calls (`--cfg like_macos`).

use std::fs;
use std::path::Path;
use std::process::Command;

use super::lint;
use crate::count::{self, Count};
use crate::dist::native::Native;
use crate::dist::wheels;
use crate::exec::{self, step};
use crate::kit::Kit;
use crate::second;
use crate::targets::{APPLE, Builder, Target};
use crate::term::{self, Context as _, Failure, Result};
use crate::tools::Tools;
use crate::workspace::Workspace;

/// Each architecture counts once for its lints, and once for each thing that was linked: the core with its tests,
/// the wheel, the addon, the command line. The short form runs the core's tests on Linux alone, which takes nothing but a C compiler.
pub(super) fn run(workspace: &Workspace, short: bool) -> Result<Count> {
    if short {
        return Waits::Public.test(workspace);
    }
    second::need(&[])?;
    let tools = Tools::find(workspace)?;
    let kit = Kit::prepare(workspace, &tools)?;
    let mut passed = 0;
    for target in &APPLE {
        lint(
            workspace,
            target.triple,
            &[
                "kren-core",
                "kren-python",
                "kren-node",
                "kren-cli",
                "kren-examples",
            ],
        )?;
        let builder = Builder::new(workspace, &kit, target).map_err(Failure::new)?;
        let mut tests = builder.cargo()?;
        tests.args(["--package", "kren-core", "--all-targets"]);
        step(
            &format!("{}: library and tests, linked", target.shown),
            tests,
            "read the compiler's and linker's output above",
        )?;
        let wheels = second::folder(workspace).join("macos-wheels");
        let native = Native::build(&builder)?;
        wheels::build(&builder, &native, &wheels)?;
        is_for(target, &native.addon)?;
        is_for(target, &native.program)?;
        passed += 5;
    }
    let mut count = Count { passed, failed: 0 };
    for waits in Waits::ALL {
        count += waits.test(workspace)?;
    }
    println!("left out of the tests on Linux:");
    for (tests, reason) in NOT_LIKE_MACOS {
        println!("    {tests}: {reason}");
    }
    println!(
        "on macOS itself nothing of this has run: that takes a Mac, and `cargo test --package kren-core` on it"
    );
    Ok(count)
}

/// What of Linux's tests is left out, and why.
const NOT_LIKE_MACOS: [(&str, &str); 7] = [
    (
        "owners::",
        "a mode is given once there, and the umask counts",
    ),
    ("memory::", "memory is not promised there"),
    ("idle::", "without calls to wait there are short sleeps"),
    (
        "limits::without_address_space",
        "it counts in this kernel's pages",
    ),
    (
        "roles::dying",
        "there are no pid namespaces, and who is dying is not told",
    ),
    (
        "successors::removed",
        "an object is no file that could be removed by its path",
    ),
    (
        "sweeps::",
        "an object without its first word is one in the making there; the rest is the same code",
    ),
];

/// What the system has to wait on an address with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waits {
    /// The calls of macOS 14.4 and later.
    Public,
    /// Those beneath them, for the systems before.
    Private,
    /// Neither: short sleeps.
    None,
}

impl Waits {
    const ALL: [Self; 3] = [Self::Public, Self::Private, Self::None];

    /// Runs the core's tests on Linux as macOS would: shared-memory objects, lock files, pages of 16 KiB.
    fn test(self, workspace: &Workspace) -> Result<Count> {
        let folder = workspace.target.join("like-macos");
        let (name, shown) = match self {
            Self::Public => ("public", "with os_sync_wait_on_address"),
            Self::Private => ("private", "with __ulock_wait"),
            Self::None => ("none", "without calls to wait"),
        };
        let mut cargo = workspace.cargo(&[
            "test",
            "--package",
            "kren-core",
            "--no-fail-fast",
            "--lib",
            "--test",
            "it",
            "--",
        ]);
        for (elsewhere, _) in NOT_LIKE_MACOS {
            cargo.args(["--skip", elsewhere]);
        }
        cargo
            .env("RUSTFLAGS", "--cfg like_macos")
            .env("KREN_TEST_PAGE", "16384")
            .env("CARGO_TARGET_DIR", &folder);
        if self != Self::None {
            let source = folder.join("waits.c");
            exec::write(&source, include_str!("macos/waits.c"))?;
            let library = folder.join(format!("{name}.so"));
            let mut compile = Command::new("cc");
            compile.args(["-shared", "-fPIC", "-Wall", "-Werror", "-o"]);
            compile.arg(&library).arg(&source);
            if self == Self::Public {
                compile.arg("-DPUBLIC");
            }
            step(
                &format!("macOS' calls to wait, on Linux: {name}"),
                compile,
                "read the compiler's output above",
            )?;
            cargo.env("LD_PRELOAD", library);
        }
        term::heading(&format!("the core as on macOS, on Linux, {shown}"));
        let ran = exec::streamed(cargo);
        sweep();
        let (status, output) = ran?;
        Ok(count::cargo(&output).with_status(status.success()))
    }
}

/// Removes what tests leave that kill both sides: nobody but they makes such names on Linux.
fn sweep() {
    let locks = Path::new("/var/tmp");
    for (folder, start) in [(Path::new("/dev/shm"), "kren#"), (locks, "kren-")] {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if entry.file_name().to_string_lossy().starts_with(start) {
                // Another user's, perhaps: then it is not for us to remove.
                let _ = if path.is_dir() {
                    fs::remove_dir_all(path)
                } else {
                    fs::remove_file(path)
                };
            }
        }
    }
}

/// That the linker made what the system loads or runs: a 64-bit Mach-O file for this processor.
fn is_for(target: &Target, file: &Path) -> Result<()> {
    const MAGIC: [u8; 4] = 0xfeed_facf_u32.to_le_bytes();
    const X86_64: [u8; 4] = 0x0100_0007_u32.to_le_bytes();
    const ARM64: [u8; 4] = 0x0100_000c_u32.to_le_bytes();
    let bytes = fs::read(file).context(file.display())?;
    let processor = if target.triple.starts_with("aarch64") {
        ARM64
    } else {
        X86_64
    };
    if bytes.starts_with(&[MAGIC, processor].concat()) {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{} is no Mach-O file for {}",
        file.display(),
        target.shown
    )))
}
