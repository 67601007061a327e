//! What the benchmark's rivals need to be built: found on this machine, installed, or named in a line.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::exec;
use crate::term::{Failure, Result};
use crate::tools::{self, which};
use crate::version;
use crate::workspace::Workspace;

/// Need nothing but cargo.
const LIGHT: [&str; 5] = ["iceoryx2", "cloudtoid", "ringfire", "crossbar", "bcast"];
/// Are built from C and C++.
const HEAVY: [&str; 3] = ["tachyon", "aeron", "zeromq"];

/// Compilers of C++23, newest habit first, each with the one for C beside it.
const COMPILERS: [(&str, &str); 9] = [
    ("g++-14", "gcc-14"),
    ("g++-15", "gcc-15"),
    ("clang++-19", "clang-19"),
    ("clang++-17", "clang-17"),
    ("clang++-18", "clang-18"),
    ("clang++-20", "clang-20"),
    ("clang++-21", "clang-21"),
    ("clang++-22", "clang-22"),
    ("g++-16", "gcc-16"),
];
/// What plain `c++` must be, by the word in its first line.
const PLAIN: [(&str, (u32, u32)); 2] = [("clang", (17, 0)), ("", (14, 0))];
const CMAKE: (u32, u32) = (3, 30);
const CMAKE_PACKAGE: &str = "cmake>=3.30,<4";

/// The features that `--rivals LIST` means; without it, those that need nothing.
pub(crate) fn features(list: Option<&str>) -> Result<Vec<&'static str>> {
    let all = || LIGHT.iter().chain(&HEAVY).copied();
    match list {
        None => Ok(LIGHT.to_vec()),
        Some("none") => Ok(vec![]),
        Some("all") => Ok(all().collect()),
        Some(list) => list
            .split(',')
            .map(|word| {
                all().find(|name| *name == word).ok_or_else(|| {
                    let names: Vec<&str> = all().collect();
                    Failure::new(format!(
                        "--rivals takes none, all, or some of {}, not {word}",
                        names.join(",")
                    ))
                })
            })
            .collect(),
    }
}

/// Gives `build` what these features need.
pub(crate) fn equip(workspace: &Workspace, features: &[&str], build: &mut Command) -> Result<()> {
    let wants = |name| features.contains(&name);
    let mut missing = Vec::new();
    let mut compiler = None;
    if wants("tachyon") && std::env::var_os("CXX").is_none() {
        compiler = modern_compiler();
        if compiler.is_none() {
            missing.push("clang-19");
        }
    } else if wants("zeromq") && which("c++").is_none() {
        missing.push("g++");
    }
    if wants("aeron") && cfg!(target_os = "linux") {
        if !has_libclang() {
            missing.push("libclang-19-dev");
        }
        for (header, package) in [("uuid/uuid.h", "uuid-dev"), ("bsd/bsd.h", "libbsd-dev")] {
            if !Path::new("/usr/include").join(header).exists() {
                missing.push(package);
            }
        }
    }
    if !missing.is_empty() {
        tools::install_on_debian(&missing)?;
    }
    if let Some((cxx, cc)) = compiler.or_else(|| {
        let installed = missing.contains(&"clang-19");
        installed.then_some(("clang++-19", "clang-19"))
    }) {
        build.env("CXX", cxx).env("CC", cc);
    }
    if wants("aeron") && !is_cmake_new_enough("cmake") {
        let folder = fetched_cmake(workspace)?;
        let mut path = vec![folder];
        path.extend(std::env::split_paths(
            &std::env::var_os("PATH").unwrap_or_default(),
        ));
        let path = std::env::join_paths(path)
            .map_err(|error| Failure::new(format!("PATH cannot be extended: {error}")))?;
        build.env("PATH", path);
    }
    Ok(())
}

/// A compiler of C++23 and the one of C beside it; none where plain `c++` will do.
fn modern_compiler() -> Option<(&'static str, &'static str)> {
    let plain = exec::first_line(Command::new("c++").arg("--version")).unwrap_or_default();
    let enough = PLAIN.iter().find(|(word, _)| plain.contains(word));
    if enough.is_some_and(|(_, needed)| compiler_version(&plain) >= Some(*needed)) {
        return Some(("c++", "cc"));
    }
    COMPILERS
        .into_iter()
        .find(|(cxx, cc)| which(cxx).is_some() && which(cc).is_some())
}

/// The version in `c++ (Debian 12.2.0-14) 12.2.0` or `Debian clang version 19.1.7`: the first word with a dot in it
/// that starts with a digit.
fn compiler_version(line: &str) -> Option<(u32, u32)> {
    let words = line.split(|c: char| c.is_whitespace() || c == '(' || c == ')');
    let mut words = words.filter(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    words
        .find(|word| word.contains('.'))
        .and_then(version::read)
}

fn has_libclang() -> bool {
    if std::env::var_os("LIBCLANG_PATH").is_some() {
        return true;
    }
    let folders = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let llvm = folders.filter(|entry| entry.file_name().to_string_lossy().starts_with("llvm-"));
    let mut files =
        llvm.flat_map(|entry| fs::read_dir(entry.path().join("lib")).into_iter().flatten());
    files.any(|file| {
        let name = file.map(|file| file.file_name().to_string_lossy().into_owned());
        // Not libclang-cpp, which is another library.
        name.is_ok_and(|name| name.starts_with("libclang.so") || name.starts_with("libclang-1"))
    })
}

fn is_cmake_new_enough(program: impl AsRef<std::ffi::OsStr>) -> bool {
    let line = exec::first_line(Command::new(program).arg("--version"));
    line.and_then(|line| version::read(&line)) >= Some(CMAKE)
}

/// The folder of a CMake from PyPI, fetched if it is not there yet.
fn fetched_cmake(workspace: &Workspace) -> Result<PathBuf> {
    let venv = workspace.target.join("bench-tools");
    let programs = venv.join("bin");
    if is_cmake_new_enough(programs.join("cmake")) {
        return Ok(programs);
    }
    let python = tools::find_python(workspace)?;
    tools::require_venv(&python)?;
    let mut make = Command::new(&python);
    make.args(["-m", "venv", "--clear"]).arg(&venv);
    let advice = "Aeron needs CMake 3.30 or newer: install it, or leave aeron out of --rivals";
    exec::step("Aeron: making a place for CMake", make, advice)?;
    let mut pip = Command::new(programs.join("python"));
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]);
    pip.args(["--no-input", CMAKE_PACKAGE]);
    exec::step("Aeron: fetching CMake", pip, advice)?;
    Ok(programs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rivals_are_known_by_name() {
        assert_eq!(features(None).unwrap(), LIGHT);
        assert!(features(Some("none")).unwrap().is_empty());
        assert_eq!(
            features(Some("all")).unwrap().len(),
            LIGHT.len() + HEAVY.len()
        );
        assert_eq!(
            features(Some("aeron,ringfire")).unwrap(),
            ["aeron", "ringfire"]
        );
        let error = features(Some("areon")).err().map(|error| error.to_string());
        assert!(error.unwrap_or_default().ends_with("not areon"));
    }

    #[test]
    fn a_compiler_says_its_version_in_its_first_line() {
        let gcc = "c++ (Debian 12.2.0-14+deb12u1) 12.2.0";
        assert_eq!(compiler_version(gcc), Some((12, 2)));
        assert_eq!(
            compiler_version("Debian clang version 19.1.7 (3~deb12u1)"),
            Some((19, 1))
        );
        assert_eq!(compiler_version("none of these"), None);
    }
}
