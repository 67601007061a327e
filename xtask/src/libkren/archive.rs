//! An archive for those who have no Rust: what `install` puts into a folder, and a `CMakeLists.txt`, for FetchContent.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Layout;
use super::system::System;
use crate::exec::{self, step};
use crate::term::{Context as _, Result};

const PAPERS: [&str; 2] = ["LICENSE", "CHANGELOG.md"];

/// Packs `name.tar.gz`, or what Windows unpacks, in `folder`; `beside` is where the files are laid out before.
pub(crate) fn pack(
    layout: &Layout<'_>,
    name: &str,
    beside: &Path,
    folder: &Path,
) -> Result<PathBuf> {
    let inside = beside.join(name);
    exec::fresh_folder(&inside)?;
    layout.place_library(&inside)?;
    layout.place_development(&inside)?;
    let root = &layout.workspace.root;
    for paper in PAPERS {
        fs::copy(root.join(paper), inside.join(paper)).context(paper)?;
    }
    let guide = root.join("docs").join("guide").join("c.md");
    fs::copy(&guide, inside.join("README.md")).context(guide.display())?;
    exec::write(&inside.join("CMakeLists.txt"), LISTS)?;
    let (file, pack) = match layout.system() {
        System::Windows => {
            let file = folder.join(format!("{name}.zip"));
            let mut zip = Command::new("python3");
            zip.args(["-m", "zipfile", "-c"]).arg(&file).arg(&inside);
            (file, zip)
        }
        System::Linux | System::Apple => {
            let file = folder.join(format!("{name}.tar.gz"));
            let mut tar = Command::new("tar");
            tar.args(["--owner=0", "--group=0", "--sort=name", "-czf"]);
            tar.arg(&file).arg("-C").arg(beside).arg(name);
            (file, tar)
        }
    };
    step("libkren: archive", pack, "read the output above")?;
    Ok(file)
}

const LISTS: &str = "\
# For FetchContent and add_subdirectory: the targets kren::kren and kren::static.
cmake_minimum_required(VERSION 3.14)
include(${CMAKE_CURRENT_LIST_DIR}/lib/cmake/kren/krenConfig.cmake)
";
