//! npm packages: the main one, and one for each system with the addon and the program built for it.
//!
//! What stands in them is decided by `kren-node/scripts/stage-packages.mjs`.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Dist;
use super::native::Native;
use crate::exec::{self, step};
use crate::setup;
use crate::term::{Failure, Result};
use crate::tools::Tools;
use crate::workspace::Workspace;

const BUILD: &str = "read the output above";

pub(super) fn pack(dist: &Dist<'_>, natives: &[Native]) -> Result<()> {
    let staged = stage(dist.workspace, dist.tools, natives)?;
    // The main package too where there is nothing native at all, so that what is wrong with it shows everywhere.
    tarballs(dist.tools, &staged.complete(), &dist.folder)
}

/// The folders that become packages.
pub(crate) struct Staged {
    pub(crate) main: PathBuf,
    /// With what is native.
    pub(crate) built: Vec<PathBuf>,
    /// Of the other systems: as they will be, without it.
    pub(crate) missing: Vec<PathBuf>,
}

impl Staged {
    pub(crate) fn complete(&self) -> Vec<PathBuf> {
        [std::slice::from_ref(&self.main), &self.built[..]].concat()
    }
}

/// Lays out all packages, with what there is of their native parts.
pub(crate) fn stage(workspace: &Workspace, tools: &Tools, natives: &[Native]) -> Result<Staged> {
    setup::node_packages(workspace, tools)?;
    let node = workspace.node();
    let mut types = workspace.command(&tools.npm, &node);
    types.args(["run", "--silent", "build:ts"]);
    step("Node: compiling the TypeScript", types, BUILD)?;
    let folder = workspace.target.join("npm");
    let mut script = workspace.command(&tools.node, &node);
    script.arg("scripts/stage-packages.mjs").arg(&folder);
    for native in natives {
        let (addon, program) = (native.addon.display(), native.program.display());
        script.arg(format!("{}={addon}={program}", native.target.triple));
    }
    let what = "Node: laying out the packages";
    let (status, output) =
        exec::captured(script).map_err(|error| Failure::new(format!("{what}: {error}")))?;
    if !status.success() {
        return Err(Failure::new(format!("{what}: {}", output.trim())));
    }
    let folders = |kind: &str| -> Vec<PathBuf> {
        output
            .lines()
            .filter_map(|line| line.strip_prefix(kind)?.strip_prefix(' '))
            .map(PathBuf::from)
            .collect()
    };
    let main = folders("main").pop();
    Ok(Staged {
        main: main.ok_or_else(|| Failure::new(format!("{what}: it names no main package")))?,
        built: folders("built"),
        missing: folders("missing"),
    })
}

/// Makes a tarball of each folder, as publishing does.
pub(crate) fn tarballs(tools: &Tools, folders: &[PathBuf], to: &Path) -> Result<()> {
    exec::create_folder(to)?;
    let mut pack = Command::new(&tools.npm);
    pack.args(["pack", "--silent", "--ignore-scripts", "--pack-destination"])
        .arg(to)
        .args(folders)
        .current_dir(to);
    step("Node: packing", pack, BUILD)
}

/// Installs the main package into `folder` as npm does from its registry: with the one package that fits the system,
/// which `system` may change (`--os=win32`...).
///
/// The optional packages are overridden by files, since nobody has published them yet.
pub(crate) fn install(
    tools: &Tools,
    staged: &Staged,
    version: &str,
    folder: &Path,
    system: &[&str],
) -> Result<()> {
    let packed = folder.join("packed");
    let all = [&staged.complete()[..], &staged.missing[..]].concat();
    tarballs(tools, &all, &packed)?;
    let tarball = |package: &str| format!("file:packed/pawanxz-{package}-{version}.tgz");
    let overrides: Vec<String> = [&staged.built[..], &staged.missing[..]]
        .concat()
        .iter()
        .map(|folder| {
            let platform = folder.file_name().unwrap_or_default().to_string_lossy();
            let file = tarball(&format!("kren-{platform}"));
            format!("\"@pawanxz/kren-{platform}\": \"{file}\"")
        })
        .collect();
    let manifest = format!(
        "{{\n  \"private\": true,\n  \"type\": \"module\",\n  \"dependencies\": {{ \"@pawanxz/kren\": \"{}\" }},\n  \"overrides\": {{ {} }}\n}}\n",
        tarball("kren"),
        overrides.join(", ")
    );
    exec::write(&folder.join("package.json"), &manifest)?;
    let mut install = Command::new(&tools.npm);
    install
        .args([
            "install",
            "--offline",
            "--no-audit",
            "--no-fund",
            "--loglevel=error",
        ])
        .args(system)
        .current_dir(folder);
    step(
        "Node: installing the packages in a fresh folder",
        install,
        BUILD,
    )
}
