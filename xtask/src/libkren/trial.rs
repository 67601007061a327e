//! What users do with libkren: the hello example, compiled in each way that the guide names, and run.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Layout, archive, built, debian};
use crate::count::Count;
use crate::exec;
use crate::term::{Context as _, Result};
use crate::tools;
use crate::workspace::Workspace;

/// One way to it.
struct Way {
    name: &'static str,
    tool: &'static str,
    script: &'static str,
    /// The folder that the script is told of.
    prefix: PathBuf,
    /// Where programs find the library as they start.
    lib: PathBuf,
}

/// Tries each; a tool that is not here is left out.
pub(crate) fn run(workspace: &Workspace) -> Result<Count> {
    if !cfg!(target_os = "linux") {
        return Ok(Count::default());
    }
    let folder = workspace.target.join("install-trial");
    exec::fresh_folder(&folder)?;
    exec::write(&folder.join("CMakeLists.txt"), PROJECT)?;
    let layout = stripped(built(workspace)?, &folder)?;
    let mut count = Count::default();
    for way in ways(&layout, &folder)? {
        if tools::which(way.tool).is_none() {
            println!("    skipped: {} is not installed", way.tool);
            continue;
        }
        count += Count::one(succeeds(workspace, &folder, &way)?);
    }
    Ok(count)
}

/// Without what only a debugger reads, as what is published: packing that takes a minute.
fn stripped<'a>(layout: Layout<'a>, folder: &Path) -> Result<Layout<'a>> {
    let built = folder.join("libkren.so");
    for (from, to) in [
        (layout.built.clone(), built.clone()),
        (layout.built.with_extension("a"), built.with_extension("a")),
    ] {
        let mut strip = Command::new("strip");
        strip.arg("--strip-debug").arg("-o").arg(to).arg(from);
        exec::step("libkren: stripping it", strip, "it comes with the compiler")?;
    }
    Ok(Layout { built, ..layout })
}

fn ways(layout: &Layout<'_>, folder: &Path) -> Result<Vec<Way>> {
    let prefix = folder.join("prefix");
    layout.place_library(&prefix)?;
    layout.place_development(&prefix)?;
    let archive = archive::pack(layout, "libkren-trial", &folder.join("archive"), folder)?;
    let way = |name, tool, script, prefix: &Path, lib: PathBuf| Way {
        name,
        tool,
        script,
        prefix: prefix.to_owned(),
        lib,
    };
    let lib = prefix.join("lib");
    let mut ways = vec![
        way(
            "pkg-config",
            "pkg-config",
            BY_PKG_CONFIG,
            &prefix,
            lib.clone(),
        ),
        way("find_package", "cmake", BY_CMAKE, &prefix, lib),
        // They say in the program where the library lies.
        way(
            "FetchContent of an archive",
            "cmake",
            BY_ARCHIVE,
            &archive,
            PathBuf::new(),
        ),
        way(
            "FetchContent of the sources",
            "cmake",
            BY_SOURCES,
            &layout.workspace.root,
            PathBuf::new(),
        ),
    ];
    if let Some(packages) = debian::pack(layout, &folder.join("deb"), folder)? {
        let root = folder.join("system");
        let lib = debian::install(&packages, &root)?;
        ways.push(way(
            "Debian's packages",
            "pkg-config",
            BY_PACKAGES,
            &lib,
            lib.clone(),
        ));
    }
    Ok(ways)
}

fn succeeds(workspace: &Workspace, folder: &Path, way: &Way) -> Result<bool> {
    let mut command = Command::new("sh");
    command.args(["-euc", way.script]).current_dir(folder);
    command
        .env("EXAMPLES", workspace.examples().join("c"))
        .env("PREFIX", &way.prefix)
        .env("LD_LIBRARY_PATH", &way.lib)
        .env("KREN_TARGET", &workspace.target);
    command.env("CHANNEL", format!("install-{}", std::process::id()));
    let (status, output) = exec::captured(command).context(way.name)?;
    let is_good = status.success() && output.ends_with("Hello from C!\n");
    println!(
        "    {}: {}",
        way.name,
        if is_good { "ok" } else { output.as_str() }
    );
    Ok(is_good)
}

const BY_PKG_CONFIG: &str = r#"
export PKG_CONFIG_PATH="$PREFIX/lib/pkgconfig"
cc "$EXAMPLES/hello_writer.c" $(pkg-config --cflags --libs kren) -o hello_writer
cc "$EXAMPLES/hello_reader.c" $(pkg-config --cflags --static --libs kren) -o hello_reader
./hello_writer "$CHANNEL"
./hello_reader "$CHANNEL"
"#;

const BY_PACKAGES: &str = r#"
export PKG_CONFIG_PATH="$PREFIX/pkgconfig"
cc "$EXAMPLES/hello_writer.c" $(pkg-config --cflags --libs kren) -o hello_writer
cc "$EXAMPLES/hello_reader.c" $(pkg-config --cflags --libs kren) -o hello_reader
./hello_writer "$CHANNEL"
./hello_reader "$CHANNEL"
"#;

const BY_CMAKE: &str = r#"
cmake -S . -B found -DCMAKE_PREFIX_PATH="$PREFIX"
cmake --build found
found/hello_writer "$CHANNEL"
found/hello_reader "$CHANNEL"
"#;

const BY_ARCHIVE: &str = r#"
cmake -S . -B archived -DFETCH="$PREFIX"
cmake --build archived
archived/hello_writer "$CHANNEL"
archived/hello_reader "$CHANNEL"
"#;

/// With what was built already: cargo would build everything anew elsewhere.
const BY_SOURCES: &str = r#"
cmake -S . -B built -DFETCH="$PREFIX" -DKREN_TARGET_DIR="$KREN_TARGET"
cmake --build built
built/hello_writer "$CHANNEL"
built/hello_reader "$CHANNEL"
"#;

const PROJECT: &str = r#"cmake_minimum_required(VERSION 3.18)
project(trial C)
if(NOT FETCH)
  find_package(kren 0.1 REQUIRED)
else()
  include(FetchContent)
  if(IS_DIRECTORY ${FETCH})
    FetchContent_Declare(kren SOURCE_DIR ${FETCH} SOURCE_SUBDIR kren-c)
  else()
    FetchContent_Declare(kren URL ${FETCH})
  endif()
  FetchContent_MakeAvailable(kren)
endif()
add_executable(hello_writer $ENV{EXAMPLES}/hello_writer.c)
target_link_libraries(hello_writer kren::kren)
add_executable(hello_reader $ENV{EXAMPLES}/hello_reader.c)
target_link_libraries(hello_reader kren::static)
"#;
