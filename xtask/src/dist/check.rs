//! What was built is examined, and what runs here is installed in a fresh folder and used.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::native::{Native, PROGRAM};
use super::{Dist, files, npm, program};
use crate::exec::{self, step};
use crate::quickstart::{self, Sides};
use crate::targets::{GLIBC, Target};
use crate::term::{Context as _, Failure, Result, Step};

/// The systems that wheels with glibc are for, as their names say it.
const MANYLINUX: &str = "manylinux_2_28";
const NOT_FIT: &str = "it must not be published; read the output above";

pub(super) fn run(dist: &Dist<'_>, natives: &[Native]) -> Result<()> {
    wheels(dist)?;
    for native in natives {
        let target = native.target;
        if target.is_linux() {
            let extension = native.addon.with_file_name(target.library("kren_python"));
            let files = [&native.addon, &native.program, &extension];
            for file in files.into_iter().chain(&native.library) {
                c_library(dist, target, file)?;
            }
        }
    }
    if natives.iter().any(|native| native.target.is_this()) {
        installed(dist, natives)?;
    }
    Ok(())
}

fn wheels(dist: &Dist<'_>) -> Result<()> {
    let wheels = files(dist, ".whl")?;
    let mut metadata = Command::new(dist.kit.program("twine"));
    metadata.args(["check", "--strict"]).args(&wheels);
    metadata.arg(dist.folder.join(format!("kren-{}.tar.gz", dist.version)));
    step("checking the Python packages' metadata", metadata, NOT_FIT)?;
    for wheel in &wheels {
        let name = wheel.file_name().unwrap_or_default().to_string_lossy();
        // The name says `abi3`: for every Python from 3.11 on.
        let mut abi = Command::new(dist.kit.program("abi3audit"));
        abi.args(["--strict", "--verbose"]).arg(wheel);
        step(&format!("checking the stable ABI of {name}"), abi, NOT_FIT)?;
        // It reads musl's wheels on musl systems only; `c_library` looks at them everywhere.
        if name.contains(MANYLINUX) {
            platform(dist, wheel)?;
        }
    }
    Ok(())
}

/// A second opinion on the systems that a wheel is for.
fn platform(dist: &Dist<'_>, wheel: &Path) -> Result<()> {
    let what = format!("checking that it keeps to {MANYLINUX}");
    let running = Step::begin(&what);
    let mut show = Command::new(dist.kit.program("auditwheel"));
    show.arg("show").arg(wheel);
    let (status, output) = exec::captured(show).context("auditwheel")?;
    // An older platform than the promised one is fine: it names the oldest that fits.
    let policy = output
        .split(['"', '\''])
        .find(|word| word.starts_with("manylinux_"));
    let fits = |policy: &str| version_after(policy) <= version_after(MANYLINUX);
    if status.success() && policy.is_some_and(fits) {
        running.done();
        return Ok(());
    }
    running.failed();
    Err(Failure::new(format!("{what}: {}", output.trim())))
}

/// `manylinux_2_28_x86_64` as (2, 28).
fn version_after(policy: &str) -> Option<(u32, u32)> {
    let mut numbers = policy.split('_').skip(1).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// The newest symbol of glibc that a file asks for must not be newer than what the packages promise; for musl it has none.
fn c_library(dist: &Dist<'_>, target: &Target, file: &Path) -> Result<()> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let what = format!("{}: symbols of {name}", target.shown);
    let running = Step::begin(&what);
    // Comes with auditwheel, and reads any processor's files on any system.
    let mut readelf = Command::new(dist.kit.program("python"));
    readelf
        .arg(dist.kit.programs().join("readelf.py"))
        .arg("--version-info")
        .arg(file);
    let (status, output) = exec::captured(readelf).context("readelf.py")?;
    let newest = newest_glibc(&output);
    let fits = if target.is_glibc() {
        newest.is_some_and(|newest| newest <= GLIBC)
    } else {
        newest.is_none()
    };
    if status.success() && fits {
        running.done();
        return Ok(());
    }
    running.failed();
    Err(Failure::new(format!(
        "{what}: the newest of glibc is {newest:?}, which is not what was promised: {}",
        output.lines().last().unwrap_or_default()
    )))
}

fn newest_glibc(output: &str) -> Option<(u32, u32)> {
    output
        .split_whitespace()
        .filter_map(|word| word.strip_prefix("GLIBC_"))
        .filter_map(|version| {
            let mut numbers = version.split('.').map(str::parse);
            Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
        })
        .max()
}

/// Installs both packages as a user does, in a folder that knows nothing of this one, and runs the README with them.
fn installed(dist: &Dist<'_>, natives: &[Native]) -> Result<()> {
    let folder = dist.workspace.target.join("fresh");
    exec::fresh_folder(&folder)?;
    let python = wheel_in_fresh_environment(dist, &folder)?;
    let staged = npm::stage(dist.workspace, dist.tools, natives)?;
    npm::install(dist.tools, &staged, &dist.version, &folder, &[])?;
    commands(dist, &python, &folder)?;
    let running = Step::begin("the README with the installed packages: Python writes, Node reads");
    let outcome = quickstart::run(
        dist.workspace,
        &Sides {
            folder: &folder,
            python: &|program| in_folder(&python, program, &folder),
            node: &|program| in_folder(&dist.tools.node, program, &folder),
            drains: cfg!(windows),
        },
    );
    match outcome {
        Ok(()) => running.done(),
        Err(_) => running.failed(),
    }
    outcome
}

/// The command line as both packages bring it.
fn commands(dist: &Dist<'_>, python: &Path, folder: &Path) -> Result<()> {
    let script = python.with_file_name(format!("{PROGRAM}{}", std::env::consts::EXE_SUFFIX));
    let mut module = Command::new(python);
    module.args(["-m", "kren"]);
    let mut npx = Command::new(&dist.tools.npm);
    npx.args(["exec", "--offline", "--", "@pawanxz/kren"]);
    for (shown, mut command) in [
        ("the wheel's script", Command::new(script)),
        ("python -m kren", module),
        ("npx @pawanxz/kren", npx),
    ] {
        command.current_dir(folder);
        program::answers(shown, command, &dist.version)?;
    }
    Ok(())
}

fn in_folder(interpreter: &Path, program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(interpreter);
    command.arg(program).current_dir(folder);
    for variable in ["PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "NODE_PATH"] {
        command.env_remove(variable);
    }
    command.env("PYTHONUNBUFFERED", "1");
    command
}

fn wheel_in_fresh_environment(dist: &Dist<'_>, folder: &Path) -> Result<PathBuf> {
    let environment = folder.join("venv");
    let mut make = Command::new(&dist.tools.python);
    make.args(["-m", "venv"]).arg(&environment);
    step("a fresh virtual environment", make, NOT_FIT)?;
    let python = environment.join(if cfg!(windows) {
        "Scripts/python.exe"
    } else {
        "bin/python"
    });
    let mut pip = Command::new(&python);
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]);
    // From the folder alone: pip itself finds the wheel that fits.
    pip.args(["--no-index", "--only-binary", ":all:", "--find-links"])
        .arg(&dist.folder)
        .arg(format!("kren=={}", dist.version));
    step("installing the wheel in it", pip, NOT_FIT)?;
    Ok(python)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_is_found() {
        assert_eq!(
            newest_glibc("0x0010: Rev: 1 Name: GLIBC_2.17 Cnt\n Name: GLIBC_2.9 GLIBC_2.2.5"),
            Some((2, 17))
        );
        assert_eq!(newest_glibc("nothing"), None);
    }

    #[test]
    fn policies_have_versions() {
        assert_eq!(version_after("manylinux_2_28_x86_64"), Some((2, 28)));
        assert_eq!(version_after("musllinux_1_2"), Some((1, 2)));
        assert!(version_after("manylinux_2_17_x86_64") <= version_after("manylinux_2_28"));
    }
}
