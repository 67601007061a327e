//! Windows: built with mingw, run under wine.

use std::path::Path;
use std::process::Command;

use super::{folder, languages, lint, need, test, toolchain, write};
use crate::count::Count;
use crate::exec::step;
use crate::term::{Context as _, Result};
use crate::workspace::Workspace;

pub(super) const TARGET: &str = "x86_64-pc-windows-gnu";
pub(super) const WINE: &str = "/usr/lib/wine/wine64";
pub(super) const COMPILER: &str = "/usr/bin/x86_64-w64-mingw32-gcc";
const PACKAGES: &[(&str, &str)] = &[
    (COMPILER, "gcc-mingw-w64-x86-64-win32"),
    (
        "/usr/bin/x86_64-w64-mingw32-dlltool",
        "binutils-mingw-w64-x86-64",
    ),
    (WINE, "wine64"),
];

/// Rust's standard library takes its random numbers from a library that Debian's wine does not have yet.
const RANDOM: &str = "\
#include <windows.h>
BOOLEAN NTAPI SystemFunction036(void *, ULONG);
__declspec(dllexport) BOOL WINAPI ProcessPrng(unsigned char *bytes, SIZE_T len) {
    return SystemFunction036(bytes, (ULONG)len);
}
";

/// What of the suite is not there on Windows, and why.
const ELSEWHERE: &str = "\
not on Windows: forking (there is no fork); undelivered_messages_keep_the_name and
another_capacity_is_refused_while_messages_wait (a name lives as long as a handle; windows.rs has what takes
their place); a_signal_runs_the_check (there are no signals); what looks into /dev/shm and /proc: attacker,
hostile, idle (windows.rs measures it), memory, owners, resources, storm.
not under wine: views placed in a reservation (wine 8 has no placeholders; the way without them is tested).";

pub(super) fn run(workspace: &Workspace) -> Result<Count> {
    need(PACKAGES)?;
    let prefix = folder(workspace).join("wine");
    make_prefix(workspace, &prefix)?;
    lint(workspace, TARGET)?;
    let wine = |cargo: &mut Command| {
        cargo
            .env("WINEPREFIX", &prefix)
            .env("WINEDEBUG", "-all")
            .env("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER", WINE);
    };
    let mut count = test(
        workspace,
        TARGET,
        &["--lib", "--test", "it", "--test", "windows"],
        wine,
    )?;
    count += test(workspace, TARGET, &["--doc"], wine)?;
    count += languages::run(workspace, &prefix)?;
    println!("{ELSEWHERE}");
    Ok(count)
}

/// A Windows of its own, so that nobody's wine is touched.
fn make_prefix(workspace: &Workspace, prefix: &Path) -> Result<()> {
    let system = prefix.join("drive_c/windows/system32");
    let library = system.join("bcryptprimitives.dll");
    if library.exists() {
        return Ok(());
    }
    let wine = |arguments: &[&str]| {
        let mut wine = Command::new(WINE);
        wine.args(arguments)
            .env("WINEPREFIX", prefix)
            .env("WINEDEBUG", "-all");
        wine
    };
    let again = "remove target/cross/wine and run this again";
    std::fs::create_dir_all(prefix).context(prefix.display())?;
    step("wine: making a Windows", wine(&["wineboot", "-u"]), again)?;
    step(
        "wine: making it Windows 10",
        wine(&["winecfg", "-v", "win10"]),
        again,
    )?;
    let source = folder(workspace).join("random.c");
    write(&source, RANDOM)?;
    let mut compile = toolchain(workspace, COMPILER);
    compile
        .args(["-shared", "-o"])
        .arg(&library)
        .arg(&source)
        .arg("-ladvapi32");
    step("wine: random numbers for Rust", compile, again)
}
