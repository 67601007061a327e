//! Windows: built with mingw, run under wine.

use std::path::Path;
use std::process::Command;

use super::coverage::{self, Reasons};
use super::{languages, lint, test, wine};
use crate::count::Count;
use crate::exec::{self, step};
use crate::second::{self, BUILD_STD};
use crate::targets::{MINGW, MINGW_CPP, WINDOWS_GNU as TARGET};
use crate::term::{Context as _, Result};
use crate::workspace::Workspace;

const PACKAGES: &[(&str, &str)] = &[
    (MINGW, "gcc-mingw-w64-x86-64-win32"),
    (MINGW_CPP, "g++-mingw-w64-x86-64-win32"),
    (
        "/usr/bin/x86_64-w64-mingw32-dlltool",
        "binutils-mingw-w64-x86-64",
    ),
    (wine::PROGRAM, "wine64"),
];

/// Rust's standard library takes its random numbers from a library that Debian's wine does not have yet.
const RANDOM: &str = "\
#include <windows.h>
BOOLEAN NTAPI SystemFunction036(void *, ULONG);
__declspec(dllexport) BOOL WINAPI ProcessPrng(unsigned char *bytes, SIZE_T len) {
    return SystemFunction036(bytes, (ULONG)len);
}
";

/// What of Linux's tests cannot run on Windows.
const REASONS: Reasons = &[
    ("forking::", "there is no fork"),
    (
        "waiting::a_signal_runs_the_check",
        "there are no signals; `a_check_ends_a_wait` is the same without them",
    ),
    (
        "closing::undelivered_messages_keep_the_name",
        "a name lives as long as a handle; windows.rs has `a_name_goes_with_its_last_side`",
    ),
    (
        "closing::a_channel_removed_while_in_use_works_on",
        "a name cannot be taken away from who uses it",
    ),
    (
        "names::another_capacity_is_refused_while_messages_wait",
        "no messages wait on a channel that nobody holds; windows.rs has the rest",
    ),
    (
        "death::a_stopped_peer_is_not_dead",
        "there is no SIGSTOP; windows.rs suspends the process",
    ),
    (
        "hostile::a_segment_of_another_size_is_corrupt",
        "a section cannot be resized; os::windows::tests makes one of another size",
    ),
    (
        "sweeps::",
        "they write whole segments into /dev/shm; what is checked there is the same code everywhere",
    ),
    (
        "guards::",
        "a mapping has no pages out of reach around it there",
    ),
    ("stopped::", "there is no SIGSTOP, as above"),
    (
        "resources::a_process_that_becomes_another_program_is_gone",
        "a process cannot become another program",
    ),
    (
        "limits::",
        "they set limits of resources that only Unix has",
    ),
    (
        "idle::",
        "they count system calls with strace; windows.rs measures processor time",
    ),
    (
        "giant::",
        "it takes more than 4 GiB of memory and runs by command; the ring is the same code everywhere",
    ),
    (
        "memory::",
        "they fill a small file system; what a section is charged against has no such limit",
    ),
    (
        "owners::",
        "they become another user by setuid; os::windows::tests reads the access lists",
    ),
    (
        "broadcast::a_durable_place_outlives_everybody",
        "a name lives as long as a handle; `a_durable_subscriber_goes_on_where_it_was` has what holds while a side lives",
    ),
    (
        "inbox::what_a_sender_left_keeps_its_seat_until_it_was_read",
        "what lies in a lane goes with its last side; a sender is to drain before its end",
    ),
    (
        "inbox::an_inbox_that_spins_does_not_sleep",
        "it counts switches of context in /proc",
    ),
    (
        "schemas::a_writer_of_something_else_replaces_an_empty_channel_and_no_other",
        "no messages wait on a channel that nobody holds",
    ),
    (
        "places::",
        "they store into segments of pages of 4 KiB; gates and marks are the same code everywhere",
    ),
    (
        "seats::",
        "they write whole segments into /dev/shm; what is checked there is the same code everywhere",
    ),
    (
        "selector::hostile_bells_cost_no_more_than_a_look",
        "it stores into bells in /dev/shm",
    ),
    (
        "selector::a_bell_that_cannot_be_rung_is_done_without",
        "it takes away bells in /dev/shm",
    ),
    (
        "successors::removed::",
        "a name cannot be taken away from who uses it",
    ),
    (
        "successors::a_script_that_is_run_twice",
        "its writer leaves messages on a channel that nobody holds",
    ),
    (
        "inspect::",
        "the system does not list its objects, and names that nobody holds are not there to be looked at",
    ),
    (
        "sandboxes::",
        "they run in namespaces and filters that only Linux has",
    ),
    (
        "roles::dying::",
        "a process there is gone at once, and there is one namespace of processes",
    ),
    (
        "descriptors::",
        "they close descriptors, which only Unix has",
    ),
    ("os::linux::", "they test what only Linux has"),
];

/// What only a real Windows can show.
const NOT_EMULATED: &str = "\
not shown by wine: views placed in a reservation (wine 8 has no placeholders; the way without them is tested); memory
that is reserved when a section is made (wine reserves none); a second user; a second session.";

pub(super) fn run(workspace: &Workspace, short: bool) -> Result<Count> {
    second::need(PACKAGES)?;
    let prefix = second::folder(workspace).join("wine");
    make_prefix(workspace, &prefix)?;
    lint(
        workspace,
        TARGET,
        &[
            "kren-core",
            "kren-python",
            "kren-node",
            "kren-cli",
            "kren-c",
        ],
    )?;
    let in_wine = |cargo: &mut Command| {
        wine::within(cargo, &prefix)
            .env("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER", wine::PROGRAM);
    };
    let tests = test(
        workspace,
        TARGET,
        &["--lib", "--test", "it", "--test", "windows"],
        in_wine,
    )?;
    let mut count = tests.count;
    if !short {
        compiles_for_msvc(workspace)?;
        count += test(workspace, TARGET, &["--doc"], in_wine)?.count;
        count += languages::run(workspace, &prefix)?;
    }
    count += coverage::compare(workspace, TARGET, &tests, REASONS)?;
    println!("{NOT_EMULATED}");
    Ok(count)
}

/// Microsoft's own toolchain cannot be had here, but its target can be checked up to the linker.
fn compiles_for_msvc(workspace: &Workspace) -> Result<()> {
    let mut check = second::toolchain(workspace, second::CARGO);
    check.args(["check", "--workspace", "--all-targets", "-Z", BUILD_STD]);
    // They bring C, which takes Microsoft's compiler; and the bridge is for Linux.
    check.args(["--exclude", "kren-cli", "--exclude", "kren-bridge"]);
    check.args(["--target", "x86_64-pc-windows-msvc"]);
    check.env("PYO3_NO_PYTHON", "1");
    step(
        "x86_64-pc-windows-msvc: the workspace, compiled up to the linker",
        check,
        "read the compiler's output above",
    )
}

/// A Windows of its own, so that nobody's wine is touched.
fn make_prefix(workspace: &Workspace, prefix: &Path) -> Result<()> {
    let system = prefix.join("drive_c/windows/system32");
    let library = system.join("bcryptprimitives.dll");
    if library.exists() {
        return Ok(());
    }
    let wine = |arguments: &[&str]| {
        let mut wine = Command::new(wine::PROGRAM);
        wine::within(wine.args(arguments), prefix);
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
    let source = second::folder(workspace).join("random.c");
    exec::write(&source, RANDOM)?;
    let mut compile = second::toolchain(workspace, MINGW);
    compile
        .args(["-shared", "-o"])
        .arg(&library)
        .arg(&source)
        .arg("-ladvapi32");
    step("wine: random numbers for Rust", compile, again)
}
