//! 64-bit ARM Linux: built with Debian's cross compiler, run under QEMU's user-mode emulation.

use std::process::Command;

use super::{lint, need, test};
use crate::count::Count;
use crate::term::Result;
use crate::workspace::Workspace;

const TARGET: &str = "aarch64-unknown-linux-gnu";
const LINKER: &str = "/usr/bin/aarch64-linux-gnu-gcc";
const PACKAGES: &[(&str, &str)] = &[
    (LINKER, "gcc-aarch64-linux-gnu"),
    (
        "/usr/aarch64-linux-gnu/lib/libc.so.6",
        "libc6-dev-arm64-cross",
    ),
    ("/usr/bin/qemu-aarch64-static", "qemu-user-static"),
];
/// Also for the processes that tests start: the kernel does not know how to run them.
const RUNNER: &str = "/usr/bin/qemu-aarch64-static -L /usr/aarch64-linux-gnu";

pub(super) fn run(workspace: &Workspace) -> Result<Count> {
    need(PACKAGES)?;
    lint(workspace, TARGET)?;
    let emulated = |cargo: &mut Command| {
        cargo
            .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", LINKER)
            .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER", RUNNER)
            .env("KREN_TEST_RUNNER", RUNNER);
    };
    let count = test(workspace, TARGET, &["--lib", "--test", "it"], emulated)?;
    println!(
        "this shows layout, system calls and instruction selection; the order of loads and stores is x86's, and \
         the model checker's business"
    );
    Ok(count)
}
