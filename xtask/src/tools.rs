//! The programs the machine must bring: Python, Node and npm. A missing or too old one ends the run with one line.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::exec;
use crate::term::{Failure, Result};
use crate::version::{self, Version};
use crate::workspace::Workspace;

/// What was found on this machine, new enough for this workspace.
pub(crate) struct Tools {
    pub(crate) python: PathBuf,
    pub(crate) node: PathBuf,
    pub(crate) npm: PathBuf,
}

impl Tools {
    /// Looks for all of them before anything is built, so that a missing one is known at once.
    pub(crate) fn find(workspace: &Workspace) -> Result<Self> {
        let python = python(workspace.python_needed()?)?;
        let node = node(workspace.node_needed()?)?;
        let npm = which("npm").ok_or_else(|| {
            Failure::new("npm was not found: install it (it comes with Node.js; Debian: apt-get install npm)")
        })?;
        Ok(Self { python, node, npm })
    }
}

/// Python alone, where nothing else is needed.
pub(crate) fn find_python(workspace: &Workspace) -> Result<PathBuf> {
    python(workspace.python_needed()?)
}

/// The first Python on the PATH that is new enough, by the names that systems give it.
fn python(needed: Version) -> Result<PathBuf> {
    let (major, minor) = needed;
    let mut names = vec!["python3".to_owned(), "python".to_owned()];
    names.extend(
        (minor..minor + 10)
            .rev()
            .map(|minor| format!("python{major}.{minor}")),
    );
    let mut too_old = None;
    for program in names.iter().filter_map(|name| which(name)) {
        let mut ask = Command::new(&program);
        ask.args(["-c", "import sys; print('%d.%d' % sys.version_info[:2])"]);
        // A name may stand on the PATH and start nothing: pyenv's shims and the Windows store's do.
        let Some(found) = exec::first_line(&mut ask) else {
            continue;
        };
        if version::read(&found) >= Some(needed) {
            return Ok(program);
        }
        too_old.get_or_insert(found);
    }
    Err(Failure::new(match too_old {
        Some(found) => format!(
            "python3 is version {found}, and KREN needs {major}.{minor} or newer: install it from your system's \
             packages or from python.org"
        ),
        None => format!(
            "python3 was not found: install Python {major}.{minor} or newer (Debian: apt-get install python3 \
             python3-venv; macOS: brew install python; Windows: python.org)"
        ),
    }))
}

fn node(needed: Version) -> Result<PathBuf> {
    let (major, minor) = needed;
    // Debian once named it nodejs.
    let Some(program) = which("node").or_else(|| which("nodejs")) else {
        return Err(Failure::new(format!(
            "node was not found: install Node.js {major} or newer (nodejs.org, or your system's packages)"
        )));
    };
    let found = exec::first_line(Command::new(&program).arg("--version")).unwrap_or_default();
    if version::read(&found) < Some(needed) {
        return Err(Failure::new(format!(
            "node is version {found}, and KREN needs {major}.{minor} or newer: install it from nodejs.org, or \
             with your version manager"
        )));
    }
    Ok(program)
}

/// Makes a virtual environment possible: Debian keeps that part of Python in a package of its own.
pub(crate) fn require_venv(python: &Path) -> Result<()> {
    let works = || {
        let mut probe = Command::new(python);
        exec::first_line(probe.args(["-c", "import ensurepip, venv; print('ok')"])).is_some()
    };
    if works() {
        return Ok(());
    }
    let missing =
        "python3 has no venv module: install it (Debian and Ubuntu: apt-get install python3-venv)";
    if !is_root_on_debian() {
        return Err(Failure::new(missing));
    }
    install_on_debian(&["python3-venv"])?;
    if works() {
        Ok(())
    } else {
        Err(Failure::new(missing))
    }
}

/// Installs packages of Debian's; where that cannot be done, says which are missing.
pub(crate) fn install_on_debian(packages: &[&str]) -> Result<()> {
    let list = packages.join(" ");
    let missing =
        format!("install what is missing: apt-get install {list} (on Debian 12, as root)");
    if !is_root_on_debian() {
        return Err(Failure::new(missing));
    }
    let mut update = Command::new("apt-get");
    update.arg("update");
    exec::step("Debian: refreshing the package lists", update, &missing)?;
    let mut install = Command::new("apt-get");
    install.env("DEBIAN_FRONTEND", "noninteractive");
    install.args([
        "-o",
        "DPkg::Lock::Timeout=300",
        "install",
        "-y",
        "--no-install-recommends",
    ]);
    install.args(packages);
    exec::step(&format!("Debian: installing {list}"), install, &missing)
}

fn is_root_on_debian() -> bool {
    Path::new("/etc/debian_version").exists()
        && exec::first_line(Command::new("id").arg("-u")).as_deref() == Some("0")
}

/// The full path of a program, looked up as the system's own shell would.
pub(crate) fn which(name: &str) -> Option<PathBuf> {
    // Rust starts .exe files by their bare name, but npm is npm.cmd.
    let endings: &[&str] = if cfg!(windows) {
        &[".exe", ".cmd", ".bat"]
    } else {
        &[""]
    };
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .flat_map(|dir| {
            endings
                .iter()
                .map(move |ending| dir.join(format!("{name}{ending}")))
        })
        .find(|file| is_executable(file))
}

#[cfg(unix)]
fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    file.metadata()
        .is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(file: &Path) -> bool {
    file.is_file()
}
