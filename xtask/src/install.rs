//! `cargo xtask install --prefix DIR`: libkren as C and C++ projects expect to find it, by pkg-config and by CMake.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use crate::compiled;
use crate::count::Count;
use crate::exec;
use crate::term::{Context as _, Failure, Result};
use crate::tools;
use crate::workspace::Workspace;

/// The binary interface's number, which is in the name that programs look for as they start.
const SONAME: &str = "libkren.so.0";
/// What a program that is linked statically takes besides.
const PRIVATE: &str = "-lpthread -ldl -lm";

pub(crate) fn run(workspace: &Workspace, prefix: &Path) -> Result<ExitCode> {
    if !cfg!(target_os = "linux") {
        return Err(Failure::new(
            "only Linux's layout is known here: build kren-c by cargo, and copy the library and kren-c/include",
        ));
    }
    let version = workspace.version()?;
    let built = compiled::library(workspace)?;
    let prefix = std::path::absolute(prefix).context(prefix.display())?;
    let (lib, include) = (prefix.join("lib"), prefix.join("include"));
    let (pkgconfig, cmake) = (lib.join("pkgconfig"), lib.join("cmake").join("kren"));
    for folder in [&include, &pkgconfig, &cmake] {
        exec::create_folder(folder)?;
    }
    for header in ["kren.h", "kren.hpp"] {
        let from = workspace.root.join("kren-c").join("include").join(header);
        copy(&from, &include.join(header))?;
    }
    let file = format!("libkren.so.{version}");
    copy(&built, &lib.join(&file))?;
    copy(&built.with_extension("a"), &lib.join("libkren.a"))?;
    link(&file, &lib.join(SONAME))?;
    link(SONAME, &lib.join("libkren.so"))?;
    exec::write(&pkgconfig.join("kren.pc"), &pc(&prefix, &version))?;
    exec::write(&cmake.join("krenConfig.cmake"), CONFIG)?;
    exec::write(
        &cmake.join("krenConfigVersion.cmake"),
        &config_version(&version),
    )?;
    println!("libkren {version} is in {}", prefix.display());
    Ok(ExitCode::SUCCESS)
}

/// What users do with it: the hello example, compiled by what pkg-config and CMake say, and run; a tool that is not here is left out.
pub(crate) fn trial(workspace: &Workspace) -> Result<Count> {
    if !cfg!(target_os = "linux") {
        return Ok(Count::default());
    }
    let folder = workspace.target.join("install-trial");
    exec::fresh_folder(&folder)?;
    let prefix = folder.join("prefix");
    run(workspace, &prefix)?;
    exec::write(&folder.join("CMakeLists.txt"), PROJECT)?;
    let mut count = Count::default();
    for (tool, script) in [("pkg-config", BY_PKG_CONFIG), ("cmake", BY_CMAKE)] {
        if tools::which(tool).is_none() {
            println!("    skipped: {tool} is not installed");
            continue;
        }
        let mut command = Command::new("sh");
        command.args(["-euc", script]).current_dir(&folder);
        command.env("EXAMPLES", workspace.examples().join("c"));
        command
            .env("PREFIX", &prefix)
            .env("LD_LIBRARY_PATH", prefix.join("lib"));
        command.env("CHANNEL", format!("install-{tool}-{}", std::process::id()));
        let (status, output) = exec::captured(command).context(tool)?;
        let is_good = status.success() && output.ends_with("Hello from C!\n");
        println!(
            "    {tool}: {}",
            if is_good { "ok" } else { output.as_str() }
        );
        count += Count::one(is_good);
    }
    Ok(count)
}

const BY_PKG_CONFIG: &str = r#"
export PKG_CONFIG_PATH="$PREFIX/lib/pkgconfig"
cc "$EXAMPLES/hello_writer.c" $(pkg-config --cflags --libs kren) -o hello_writer
cc "$EXAMPLES/hello_reader.c" $(pkg-config --cflags --static --libs kren) -o hello_reader
./hello_writer "$CHANNEL"
./hello_reader "$CHANNEL"
"#;

const BY_CMAKE: &str = r#"
cmake -S . -B build -DCMAKE_PREFIX_PATH="$PREFIX"
cmake --build build
build/hello_writer "$CHANNEL"
build/hello_reader "$CHANNEL"
"#;

const PROJECT: &str = r#"cmake_minimum_required(VERSION 3.13)
project(trial C)
find_package(kren 0.1 REQUIRED)
add_executable(hello_writer $ENV{EXAMPLES}/hello_writer.c)
target_link_libraries(hello_writer kren::kren)
add_executable(hello_reader $ENV{EXAMPLES}/hello_reader.c)
target_link_libraries(hello_reader kren::static)
"#;

/// In place of what is there, which a program may have mapped.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let new = to.with_extension("new");
    fs::copy(from, &new).context(from.display())?;
    fs::rename(&new, to).context(to.display())
}

#[cfg(unix)]
fn link(to: &str, place: &Path) -> Result<()> {
    if fs::symlink_metadata(place).is_ok() {
        fs::remove_file(place).context(place.display())?;
    }
    std::os::unix::fs::symlink(to, place).context(place.display())
}

#[cfg(not(unix))]
fn link(_to: &str, _place: &Path) -> Result<()> {
    unreachable!("only Linux gets here")
}

fn pc(prefix: &Path, version: &str) -> String {
    format!(
        "prefix={}\nlibdir=${{prefix}}/lib\nincludedir=${{prefix}}/include\n\nName: kren\nDescription: messages between processes through \
         shared memory\nURL: https://github.com/Cintu07/kren\nVersion: {version}\nLibs: -L${{libdir}} -lkren\nLibs.private: {PRIVATE}\nCflags: \
         -I${{includedir}}\n",
        prefix.display()
    )
}

/// Found from where it lies, so that the whole folder may be moved.
const CONFIG: &str = r#"# find_package(kren): the targets kren::kren and kren::static.
get_filename_component(_kren_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
if(NOT TARGET kren::kren)
  add_library(kren::kren SHARED IMPORTED)
  set_target_properties(kren::kren PROPERTIES
    IMPORTED_LOCATION "${_kren_prefix}/lib/libkren.so.0"
    IMPORTED_SONAME "libkren.so.0"
    INTERFACE_INCLUDE_DIRECTORIES "${_kren_prefix}/include")
  add_library(kren::static STATIC IMPORTED)
  set_target_properties(kren::static PROPERTIES
    IMPORTED_LOCATION "${_kren_prefix}/lib/libkren.a"
    INTERFACE_INCLUDE_DIRECTORIES "${_kren_prefix}/include"
    INTERFACE_LINK_LIBRARIES "pthread;dl;m")
endif()
unset(_kren_prefix)
"#;

/// Before 1.0 a new minor version may change what users call.
fn config_version(version: &str) -> String {
    let minor = version.rsplit_once('.').map_or(version, |(minor, _)| minor);
    format!(
        "set(PACKAGE_VERSION \"{version}\")\nif(PACKAGE_FIND_VERSION VERSION_GREATER PACKAGE_VERSION)\n  set(PACKAGE_VERSION_COMPATIBLE \
         FALSE)\nelseif(NOT PACKAGE_FIND_VERSION OR \"${{PACKAGE_FIND_VERSION}}.\" MATCHES \"^{}[.]\")\n  set(PACKAGE_VERSION_COMPATIBLE \
         TRUE)\n  if(PACKAGE_FIND_VERSION VERSION_EQUAL PACKAGE_VERSION)\n    set(PACKAGE_VERSION_EXACT TRUE)\n  endif()\nelse()\n  \
         set(PACKAGE_VERSION_COMPATIBLE FALSE)\nendif()\n",
        minor.replace('.', "[.]")
    )
}
