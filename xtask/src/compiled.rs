//! The examples in C and C++, compiled by the system's own compilers against the library of this repository.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use crate::exec;
use crate::stamp::Stamp;
use crate::term::{Context as _, Failure, Result, Step};
use crate::tools;
use crate::workspace::Workspace;

/// A language's folder, which is the ending of its sources too; its compiler; and what that is asked for.
type Kind = (&'static str, &'static str, &'static str);
const C: Kind = ("c", "cc", "-std=c11");
const CPP: Kind = ("cpp", "c++", "-std=c++17");

/// Where the programs of both languages are put.
fn folder(workspace: &Workspace) -> PathBuf {
    workspace.target.join("examples-c")
}

/// The program of an example, whose language is `c` or `cpp`.
pub(crate) fn program(workspace: &Workspace, language: &str, name: &str) -> PathBuf {
    folder(workspace).join(language).join(name)
}

/// The library, built in release.
pub(crate) fn library(workspace: &Workspace) -> Result<PathBuf> {
    let build = workspace.cargo(&["build", "--release", "--package", "kren-c"]);
    exec::step(
        "C: building the library",
        build,
        "read the compiler's output above",
    )?;
    let ending = if cfg!(target_os = "macos") {
        "dylib"
    } else {
        "so"
    };
    let file = format!("libkren.{ending}");
    Ok(workspace.target.join("release").join(file))
}

/// The workers of a soak in C, each a program of its own; their folder.
pub(crate) fn workers(workspace: &Workspace) -> Result<PathBuf> {
    let library = library(workspace)?;
    let folder = workspace.target.join("soak-c");
    exec::create_folder(&folder)?;
    // By the name under which programs look for it.
    fs::copy(&library, folder.join("libkren.so.0")).context(library.display())?;
    let sources = workspace.root.join("kren-proof").join("soak");
    let include = workspace.root.join("kren-c").join("include");
    let running = Step::begin("C: compiling the workers of a soak");
    match compile(C, &sources, &folder, &include, &library) {
        Ok(()) => running.done(),
        Err(failure) => {
            running.failed();
            return Err(failure);
        }
    }
    Ok(folder.join(C.0))
}

/// The benchmark's transport in C, a shared object; none where there is no compiler for it.
pub(crate) fn transport(workspace: &Workspace) -> Result<Option<PathBuf>> {
    if !cfg!(target_os = "linux") || tools::which("cc").is_none() {
        return Ok(None);
    }
    let library = library(workspace)?;
    let folder = workspace.target.join("bench-c");
    exec::create_folder(&folder)?;
    // By the name under which programs look for it.
    fs::copy(&library, folder.join("libkren.so.0")).context(library.display())?;
    let made = folder.join("kren.so");
    let mut command = Command::new("cc");
    command.args(["-std=c11", "-O2", "-fPIC", "-shared", "-Wall", "-Wextra"]);
    command
        .arg("-I")
        .arg(workspace.root.join("kren-c").join("include"));
    command.arg(workspace.bench().join("c").join("kren.c"));
    command.arg(&library).arg("-Wl,-rpath,$ORIGIN");
    command.arg("-o").arg(&made);
    exec::step(
        "C: compiling the benchmark",
        command,
        "read the compiler's output above",
    )?;
    Ok(Some(made))
}

/// Compiles what is missing or out of date. Windows has compilers of its own, and is left out.
pub(crate) fn examples(workspace: &Workspace) -> Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    let library = library(workspace)?;
    if tools::which("c++").is_none() {
        tools::install_on_debian(&["g++"])?;
    }
    let folder = folder(workspace);
    let examples = workspace.examples();
    let include = workspace.root.join("kren-c").join("include");
    exec::create_folder(&folder)?;
    // By the name under which programs look for it.
    let copy = folder.join("libkren.so.0");
    fs::copy(&library, &copy).context(library.display())?;
    let stamp = Stamp::new(
        folder.join("stamp"),
        vec![examples.join("c"), examples.join("cpp"), include.clone()],
        folder.join("cpp"),
        String::new(),
    );
    if stamp.is_current()? {
        return Ok(());
    }
    let running = Step::begin("C and C++: compiling the examples");
    let compile = |kind| compile(kind, &examples, &folder, &include, &library);
    let compiled = thread::scope(|scope| {
        let beside = scope.spawn(|| compile(C));
        let cpp = compile(CPP);
        beside.join().expect("it does not panic").and(cpp)
    });
    match compiled {
        Ok(()) => running.done(),
        Err(failure) => {
            running.failed();
            return Err(failure);
        }
    }
    stamp.store()
}

fn compile(
    (language, compiler, standard): Kind,
    examples: &Path,
    folder: &Path,
    include: &Path,
    library: &Path,
) -> Result<()> {
    let (sources, programs) = (examples.join(language), folder.join(language));
    exec::create_folder(&programs)?;
    for entry in fs::read_dir(&sources).context(sources.display())? {
        let source = entry.context(sources.display())?.path();
        if source.extension().is_none_or(|ending| ending != language) {
            continue;
        }
        let mut command = Command::new(compiler);
        command.args([standard, "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]);
        command
            .args(["-pthread", "-D_GNU_SOURCE"])
            .arg("-I")
            .arg(include);
        command.arg(&source).arg(library);
        command.arg("-Wl,-rpath,$ORIGIN/..").arg("-o");
        command.arg(programs.join(source.file_stem().unwrap_or_default()));
        let shown = exec::describe(&command);
        let (status, output) = exec::captured(command).context(&shown)?;
        if !status.success() {
            return Err(Failure::new(format!("{shown}\n{output}")));
        }
    }
    Ok(())
}
