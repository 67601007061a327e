//! A pair of Debian packages: `libkren0` for programs that start, `libkren-dev` for those who build them.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Layout;
use super::system::System;
use crate::dpkg;
use crate::exec::{self, step};
use crate::term::{Failure, Result};

/// What this machine's packages are for, and how Debian calls its folder of libraries; none where it has no `dpkg`.
fn architecture() -> Option<(String, String)> {
    let ask = |program, option| exec::first_line(Command::new(program).arg(option));
    let name = ask("dpkg", "--print-architecture")?;
    Some((name, format!("lib/{}-linux-gnu", std::env::consts::ARCH)))
}

/// Builds both in `folder`, from what was built for the machine itself; none where this is no Debian.
pub(crate) fn pack(
    layout: &Layout<'_>,
    beside: &Path,
    folder: &Path,
) -> Result<Option<[PathBuf; 2]>> {
    let Some((architecture, lib)) = architecture() else {
        return Ok(None);
    };
    let layout = Layout {
        workspace: layout.workspace,
        version: layout.version.clone(),
        built: layout.built.clone(),
        lib,
    };
    let version = format!("{}-1", layout.version);
    let pack = |name: &str, root: &Path, rest: &str| {
        let control = format!(
            "Package: {name}\nVersion: {version}\nArchitecture: {architecture}\nMaintainer: The KREN developers\nHomepage: \
             https://github.com/Cintu07/kren\nPriority: optional\nMulti-Arch: same\n{rest}"
        );
        let papers = root.join("usr/share/doc").join(name);
        exec::create_folder(&papers)?;
        let licence = layout.workspace.root.join("LICENSE");
        std::fs::copy(&licence, papers.join("copyright"))
            .map_err(|error| Failure::new(format!("{}: {error}", licence.display())))?;
        exec::write(&root.join("DEBIAN/control"), &control)?;
        let file = folder.join(format!("{name}_{version}_{architecture}.deb"));
        let mut deb = Command::new("dpkg-deb");
        // The quick one: the static library is large.
        deb.args(["-Zgzip", "--root-owner-group", "--build"])
            .arg(root)
            .arg(&file);
        step(&format!("Debian: {name}"), deb, "read the output above")?;
        Ok::<_, Failure>(file)
    };

    let root = beside.join("libkren0");
    exec::fresh_folder(&root)?;
    exec::create_folder(&root.join("DEBIAN"))?;
    layout.place_library(&root.join("usr"))?;
    // What packages of programs that need it are to depend on.
    let soname = System::Linux
        .loaded()
        .rsplit('.')
        .next()
        .unwrap_or_default();
    let shlibs = format!("libkren {soname} libkren0 (>= {})\n", layout.version);
    exec::write(&root.join("DEBIAN/shlibs"), &shlibs)?;
    exec::write(&root.join("DEBIAN/triggers"), "activate-noawait ldconfig\n")?;
    let runtime = pack("libkren0", &root, RUNTIME)?;

    let root = beside.join("libkren-dev");
    exec::fresh_folder(&root)?;
    exec::create_folder(&root.join("DEBIAN"))?;
    layout.place_development(&root.join("usr"))?;
    let development = DEVELOPMENT.replace("VERSION", &version);
    let development = pack("libkren-dev", &root, &development)?;
    Ok(Some([runtime, development]))
}

/// Installs both in an empty system below `root`, and gives the folder of libraries there.
pub(super) fn install(packages: &[PathBuf], root: &Path) -> Result<PathBuf> {
    dpkg::install(packages, root)?;
    let (_, lib) = architecture().ok_or_else(|| Failure::new("dpkg is gone"))?;
    Ok(root.join("usr").join(lib))
}

/// The oldest glibc that packages are built for: `targets::GLIBC`.
const RUNTIME: &str = "\
Section: libs
Depends: libc6 (>= 2.28)
Description: messages between processes through shared memory
 Channels, broadcasts, inboxes, work queues and services between the processes
 of one machine. This package has the library that programs in C and C++ load.
";

const DEVELOPMENT: &str = "\
Section: libdevel
Depends: libkren0 (= VERSION)
Description: messages between processes through shared memory (development)
 Channels, broadcasts, inboxes, work queues and services between the processes
 of one machine. This package has the headers of libkren for C and C++, the
 static library, and what pkg-config and CMake look for.
";
